package config

import (
	"crypto/rsa"
	"encoding/base64"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"
)

func (s *Secret) beside(dir string) {
	if path, ok := strings.CutPrefix(string(*s), "file:"); ok {
		*s = Secret("file:" + beside(dir, path))
	}
}

// errOpenFile says that others may read a secret.
var errOpenFile = errors.New("others may read this file: chmod 600 it")

// Read gives the secret's bytes, without the white space at its end. A file must be its owner's alone.
func (s Secret) Read() ([]byte, error) {
	if name, ok := strings.CutPrefix(string(s), "env:"); ok {
		v, set := os.LookupEnv(name)
		if !set || v == "" {
			return nil, fmt.Errorf("secret %s: the environment variable is not set", s)
		}
		return []byte(strings.TrimSpace(v)), nil
	}
	path := strings.TrimPrefix(string(s), "file:")
	info, err := os.Stat(path)
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", s, errors.Unwrap(err))
	}
	if info.Mode()&fs.ModeType == 0 && info.Mode().Perm()&0o077 != 0 {
		return nil, fmt.Errorf("secret %s: %w", s, errOpenFile)
	}
	b, err := os.ReadFile(path)
	if err != nil {
		return nil, fmt.Errorf("secret %s: %w", s, errors.Unwrap(err))
	}
	return []byte(strings.TrimSpace(string(b))), nil
}

// minHashKey is the least length of a secret that hides NHS numbers. 32 bytes are what a site should have.
const minHashKey = 8

// Hash returns a secret under which NHS numbers are hashed. There are a thousand million NHS numbers: under a secret that can be
// guessed each of them can be computed from its hash, so an empty or very short one is refused.
func (s Secret) Hash() ([]byte, error) {
	key, err := s.Read()
	if err != nil {
		return nil, err
	}
	if len(key) < minHashKey {
		return nil, fmt.Errorf("secret %s: %d bytes, too short to hide NHS numbers (openssl rand -base64 32 makes one)", s, len(key))
	}
	return key, nil
}

// Key32 gives a secret that is 32 bytes in base64.
func (s Secret) Key32() ([]byte, error) {
	text, err := s.Read()
	if err != nil {
		return nil, err
	}
	key, err := base64.StdEncoding.DecodeString(string(text))
	if err != nil || len(key) != 32 {
		return nil, fmt.Errorf("secret %s: not 32 bytes in base64 (openssl rand -base64 32 makes one)", s)
	}
	return key, nil
}

// RSA gives a secret that is an RSA private key in PEM, PKCS #1 or #8; nil for an empty reference.
func (s Secret) RSA() (*rsa.PrivateKey, error) {
	if s == "" {
		return nil, nil
	}
	text, err := s.Read()
	if err != nil {
		return nil, err
	}
	if key, ok := privateKey(text).(*rsa.PrivateKey); ok {
		return key, nil
	}
	return nil, fmt.Errorf("secret %s: no RSA private key", s)
}
