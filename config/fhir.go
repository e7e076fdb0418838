package config

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"

	"refbridge/config/pattern"
)

// scopePattern is a list of scopes as RFC 6749 3.3 writes it.
var scopePattern = pattern.MustOnce(`^[\x21\x23-\x5b\x5d-\x7e]+( [\x21\x23-\x5b\x5d-\x7e]+)*$`)

// hostPattern is a host, or a host and a port.
var hostPattern = pattern.MustOnce(`^[A-Za-z0-9.\-]{1,100}(:[0-9]{1,5})?$`)

// checkFHIR checks what is said of FHIR servers alone.
func (s Source) checkFHIR(w *walker, at string) {
	if s.ClientID == "" && s.TokenURL != "" {
		w.fault(at+".token_url", "token_url and client_id go together", "leave both out for an open server")
	}
	if s.ClientID != "" && (s.KeyID == "" || s.PrivateKey == "") {
		w.fault(at+".client_id", "client_id, key_id and private_key go together", "leave them out for an open server")
	}
	switch {
	case s.TokenHost == "":
	case s.TokenURL != "":
		w.fault(at+".token_host", "token_host and token_url exclude each other", "with token_url the server is not asked where it gives tokens")
	case !hostPattern().MatchString(s.TokenHost):
		w.fault(at+".token_host", "not a host", "for example login.your-trust.example, or login.your-trust.example:8443")
	}
	w.url(at+".public_base_url", s.PublicURL, false)
	w.oneOf(at+".scope_version", s.ScopeVersion, "v1", "v2")
	if s.Scope != "" && !scopePattern().MatchString(s.Scope) {
		w.fault(at+".scope", "not a list of scopes", "with one space between them, for example system/ServiceRequest.rs system/Patient.rs")
	}
	if s.Scope != "" && w.lines[at+".scope_version"] != 0 {
		w.fault(at+".scope_version", "scope and scope_version exclude each other", "leave out scope, and what is needed is asked for in that version")
	}
	if s.PageSize < 1 || s.PageSize > 1000 || w.zero[at+".page_size"] {
		w.fault(at+".page_size", "page_size is not from 1 to 1000", "the default is 100; pages that are too large are read again in smaller ones")
	}
	w.duration(at+".max_wait", s.MaxWait)
}

// Signer returns a secret that is a private key in PEM for SMART sign-in: RSA, or ECDSA on P-384; nil for an empty reference.
func (s Secret) Signer() (crypto.Signer, error) {
	if s == "" {
		return nil, nil
	}
	text, err := s.Read()
	if err != nil {
		return nil, err
	}
	switch key := privateKey(text).(type) {
	case *rsa.PrivateKey:
		return key, nil
	case *ecdsa.PrivateKey:
		if key.Curve == elliptic.P384() {
			return key, nil
		}
		return nil, fmt.Errorf("secret %s: the curve is not P-384", s)
	}
	return nil, fmt.Errorf("secret %s: no RSA private key, and none of ECDSA on P-384", s)
}

// privateKey reads the first private key of a PEM file: PKCS #1, PKCS #8 or SEC 1, nil where there is none.
func privateKey(text []byte) any {
	block, rest := pem.Decode(text)
	for block != nil && !strings.HasSuffix(block.Type, "PRIVATE KEY") { // openssl ecparam writes the name of the curve first
		block, rest = pem.Decode(rest)
	}
	if block == nil {
		return nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(block.Bytes); err == nil {
		return key
	}
	if key, err := x509.ParseECPrivateKey(block.Bytes); err == nil {
		return key
	}
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		return nil
	}
	return key
}
