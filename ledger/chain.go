package ledger

import (
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"errors"
)

// link is one entry of the audit chain. It holds references, keys, digests and codes, never content.
type link struct {
	seq, happened, epoch     int64
	source, typ, id, version string
	object, key              string // empty: the entry is about the version itself
	digest                   string // of what was applied, or of what was sent
	image                    string // SHA-256 of the stored image's ciphertext
	fate, code               string
	hash                     string
}

func (k *link) cells() []any {
	return []any{&k.seq, &k.happened, &k.epoch, &k.source, &k.typ, &k.id, &k.version, &k.object, &k.key, &k.digest, &k.image, &k.fate, &k.code}
}

// after gives the entry's hash: SHA-256 over the hash before it and its columns.
func (k *link) after(previous string) string {
	h := sha256.New()
	h.Write(netstrings(nil, previous))
	for _, c := range k.cells() {
		h.Write(netstrings(nil, cellText(c)))
	}
	return hex.EncodeToString(h.Sum(nil))
}

const (
	insertLink = `INSERT INTO chain (seq, happened, epoch, source, type, id, version, object, record_key, digest, image, fate, code, hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)`
	selectLinks = `SELECT seq, happened, epoch, source, type, id, version, object, record_key, digest, image, fate, code, hash FROM chain`
)

// append adds an entry at the end of the chain. It is part of the transaction that does what the entry says: a crash
// leaves both or neither.
func (t *tx) append(ctx context.Context, k link) error {
	previous := ""
	err := t.sql.QueryRowContext(ctx, `SELECT seq, hash FROM chain_head WHERE one = 1`).Scan(&k.seq, &previous)
	if err != nil {
		return err
	}
	k.seq++
	k.happened, k.epoch = t.now, t.epoch
	k.hash = k.after(previous)
	if _, err := t.sql.ExecContext(ctx, insertLink, append(k.cells(), k.hash)...); err != nil {
		return err
	}
	_, err = t.sql.ExecContext(ctx, `UPDATE chain_head SET seq = $1, hash = $2 WHERE one = 1`, k.seq, k.hash)
	return err
}

// link gives the entry that says where a version is now.
func (r *versionRow) link(digest string) link {
	return link{source: r.source, typ: r.typ, id: r.id, version: r.version, digest: digest, fate: r.fate, code: r.reason.code}
}

// Head gives the number and the hash of the audit chain's last entry (0 and empty: there is none), to be kept where
// this machine cannot change it. A ledger whose head has a lower number than one that was kept is a restored backup.
func (l *Ledger) Head(ctx context.Context) (seq int64, hash string, err error) {
	err = l.view(ctx, "read the chain's head", func(q querier) error {
		rows, err := q.QueryContext(ctx, `SELECT seq, hash FROM chain_head WHERE one = 1`)
		if err != nil {
			return err
		}
		defer rows.Close()
		if !rows.Next() {
			return errors.Join(rows.Err(), sql.ErrNoRows)
		}
		return rows.Scan(&seq, &hash)
	})
	return seq, hash, err
}
