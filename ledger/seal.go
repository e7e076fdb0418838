package ledger

import (
	"context"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"refbridge/fhir"
)

const (
	keySize = 32
	keyNr   = 1 // the data key that new values are encrypted with; the first byte of a ciphertext
)

// box encrypts columns and makes keyed fingerprints. An unkeyed hash of content with an NHS number in it can be
// searched: there are only 10^9 of them.
type box struct {
	aead   cipher.AEAD
	prints []byte
}

func newBox(dataKey []byte) (*box, error) {
	aead, err := newAEAD(dataKey)
	if err != nil {
		return nil, err
	}
	prints, err := hkdf.Key(sha256.New, dataKey, nil, "refbridge ledger fingerprints", keySize)
	return &box{aead: aead, prints: prints}, err
}

func newAEAD(key []byte) (cipher.AEAD, error) {
	block, err := aes.NewCipher(key)
	if err != nil {
		return nil, err
	}
	return cipher.NewGCMWithRandomNonce(block)
}

// seal encrypts a column of the row that place names (the table, then the row's key): the ciphertext opens nowhere
// else.
func (b *box) seal(plain []byte, place ...string) []byte {
	return b.aead.Seal([]byte{keyNr}, nil, plain, netstrings(nil, place...))
}

func (b *box) open(sealed []byte, place ...string) ([]byte, error) {
	if len(sealed) == 0 {
		return nil, nil
	}
	if sealed[0] != keyNr {
		return nil, fmt.Errorf("%w: a ciphertext of %s names key %d", ErrTampered, place[0], sealed[0])
	}
	plain, err := b.aead.Open([]byte{}, nil, sealed[1:], netstrings(nil, place...))
	if err != nil {
		return nil, fmt.Errorf("%w: a ciphertext of %s does not open", ErrTampered, place[0])
	}
	return plain, nil
}

// print gives the keyed fingerprint of a text.
func (b *box) print(text []byte) string {
	h := hmac.New(sha256.New, b.prints)
	h.Write(text)
	return hex.EncodeToString(h.Sum(nil))
}

// printContent gives the fingerprint of a resource's content, whatever its white space and order; of bytes that are no
// resource, of the bytes.
func (b *box) printContent(body []byte) string {
	r, err := fhir.Parse(body)
	if err != nil {
		return b.print(body)
	}
	d := r.Digest()
	return b.print(d[:])
}

func netstrings(dst []byte, parts ...string) []byte {
	for _, p := range parts {
		dst = append(strconv.AppendInt(dst, int64(len(p)), 10), ':')
		dst = append(append(dst, p...), ',')
	}
	return dst
}

// ensureDataKey makes the data key of a new ledger and stores it encrypted with the configured key.
func ensureDataKey(ctx context.Context, db *sql.DB, key []byte, now time.Time) error {
	dataKey := make([]byte, keySize)
	rand.Read(dataKey) // never fails
	outer, err := newAEAD(key)
	if err != nil {
		return err
	}
	wrapped := outer.Seal(nil, nil, dataKey, netstrings(nil, "seal", strconv.Itoa(keyNr)))
	_, err = db.ExecContext(ctx, `INSERT INTO seal (nr, created, wrapped) VALUES ($1, $2, $3) ON CONFLICT (nr) DO NOTHING`,
		keyNr, toMillis(now), wrapped)
	return err
}

// unwrap opens the data key with the configured one. Failing at it is how a wrong key is noticed.
func unwrap(ctx context.Context, db *sql.DB, key []byte) (*box, error) {
	var wrapped []byte
	err := db.QueryRowContext(ctx, `SELECT wrapped FROM seal WHERE nr = $1`, keyNr).Scan(&wrapped)
	if errors.Is(err, sql.ErrNoRows) {
		return nil, fmt.Errorf("%w: it has no data key", ErrTampered)
	}
	if err != nil {
		return nil, err
	}
	outer, err := newAEAD(key)
	if err != nil {
		return nil, err
	}
	if len(wrapped) <= outer.Overhead() {
		return nil, fmt.Errorf("%w: the data key has %d bytes", ErrTampered, len(wrapped))
	}
	dataKey, err := outer.Open(nil, nil, wrapped, netstrings(nil, "seal", strconv.Itoa(keyNr)))
	if err != nil {
		return nil, ErrKey
	}
	return newBox(dataKey)
}
