package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"refbridge/fhir"
)

// Intent is one write that is about to be sent.
type Intent struct {
	ID       string // stable for the same write, so that intending it twice is one intent
	Source   string
	Ref      fhir.Reference
	Object   string    // sObject
	Key      string    // external key
	Digest   string    // of what is sent
	Tables   string    // hash of the mapping tables
	Deadline time.Time // before it a read that finds nothing proves nothing
}

type intentRow struct {
	op, source, typ, id, version string
	object, key, digest, tables  string
	deadline, created, closed    int64
}

func (r *intentRow) table() string { return "intents" }
func (r *intentRow) cells() []any {
	return []any{&r.op, &r.source, &r.typ, &r.id, &r.version, &r.object, &r.key, &r.digest, &r.tables, &r.deadline, &r.created, &r.closed}
}
func (r *intentRow) upsert() string {
	return `INSERT INTO intents (op, source, type, id, version, object, record_key, digest, tables_hash, deadline, created, closed, row_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (op) DO UPDATE SET source = excluded.source, type = excluded.type, id = excluded.id, version = excluded.version,
		object = excluded.object, record_key = excluded.record_key, digest = excluded.digest, tables_hash = excluded.tables_hash,
		deadline = excluded.deadline, created = excluded.created, closed = excluded.closed, row_hash = excluded.row_hash`
}
func (r *intentRow) ref() fhir.Reference {
	return fhir.Reference{Type: r.typ, ID: r.id, Version: r.version}
}

const selectIntents = `SELECT op, source, type, id, version, object, record_key, digest, tables_hash, deadline, created, closed, row_hash
	FROM intents`

// Intend records writes before their first byte is sent: they are on the disk when it returns. Where it fails nothing
// may be sent. An id that is there already is opened again with the new content. What was known to be applied to these
// refs is known no longer until the next Settle: should the outcome get lost, content that comes back to what it was
// before (A, B, A) must be compared with Salesforce and not taken for applied.
func (l *Ledger) Intend(ctx context.Context, intents []Intent) error {
	return l.update(ctx, "intend", func(t *tx) error {
		for _, i := range intents {
			if i.ID == "" {
				return fmt.Errorf("%s: %w", i.Ref, errors.New("an intent has no id"))
			}
			r := intentRow{op: i.ID, source: i.Source, typ: i.Ref.Type, id: i.Ref.ID, version: i.Ref.Version, object: i.Object, key: i.Key,
				digest: i.Digest, tables: i.Tables, deadline: toMillis(i.Deadline), created: t.now}
			if err := t.put(ctx, &r); err != nil {
				return err
			}
			if err := t.doubt(ctx, i.Source, i.Ref); err != nil {
				return err
			}
		}
		return nil
	})
}

// doubt forgets the digest of what was applied to a ref.
func (t *tx) doubt(ctx context.Context, source string, ref fhir.Reference) error {
	r, found, err := loadRef(ctx, t.sql, source, ref)
	if err != nil || !found || r.digest == "" {
		return err
	}
	r.digest = ""
	return t.put(ctx, &r)
}

// Unresolved gives the intents that no settlement has closed, oldest first: the write may have happened or not.
func (l *Ledger) Unresolved(ctx context.Context) ([]Intent, error) {
	var out []Intent
	err := l.view(ctx, "list unresolved intents", func(q querier) error {
		return each(ctx, q, func(r intentRow, bad error) error {
			out = append(out, Intent{ID: r.op, Source: r.source, Ref: r.ref(), Object: r.object, Key: r.key, Digest: r.digest,
				Tables: r.tables, Deadline: fromMillis(r.deadline)})
			return bad
		}, selectIntents+` WHERE closed = 0 ORDER BY created, op`)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// closeIntents closes intents and gives those that were open. Closing twice is closing once.
func (t *tx) closeIntents(ctx context.Context, ids []string) ([]intentRow, error) {
	var closed []intentRow
	for _, id := range ids {
		r, found, err := get[intentRow](ctx, t.sql, selectIntents+` WHERE op = $1`, id)
		if err != nil {
			return nil, err
		}
		if !found {
			return nil, fmt.Errorf("intent %s: %w", id, ErrNotFound)
		}
		if r.closed != 0 {
			continue
		}
		r.closed = t.now
		if err := t.put(ctx, &r); err != nil {
			return nil, err
		}
		closed = append(closed, r)
	}
	return closed, nil
}
