package ledger

import (
	"context"
	"fmt"
	"time"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// Intent is one attempt of a write. It is open until its own answer closes it, or a read of the row after its deadline.
type Intent struct {
	ID       string // given by Intend where it is empty: the same write sent again is another intent. One that is there is opened again
	Source   string
	Ref      fhir.Reference // the version that it was made from
	Object   string         // sObject
	Key      string         // external key
	Digest   string         // of what is sent
	Tables   string         // hash of the mapping tables
	Deadline time.Time      // after it the attempt cannot take effect any more
	Created  time.Time
	// Meant is what is sent. A record without object: an intent of an older version of refbridge, which kept no values.
	Meant   sobject.Record
	Creates bool // the row was not there when it was sent
}

type intentRow struct {
	op, source, typ, id, version string
	object, key, digest, tables  string
	deadline, created, closed    int64
	body                         addedBytes // nil: closed, or older than schema 6
}

func (r *intentRow) table() string { return "intents" }
func (r *intentRow) cells() []any {
	return []any{&r.op, &r.source, &r.typ, &r.id, &r.version, &r.object, &r.key, &r.digest, &r.tables, &r.deadline, &r.created, &r.closed, &r.body}
}
func (r *intentRow) upsert() string {
	return `INSERT INTO intents (op, source, type, id, version, object, record_key, digest, tables_hash, deadline, created, closed, body, row_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14)
		ON CONFLICT (op) DO UPDATE SET source = excluded.source, type = excluded.type, id = excluded.id, version = excluded.version,
		object = excluded.object, record_key = excluded.record_key, digest = excluded.digest, tables_hash = excluded.tables_hash,
		deadline = excluded.deadline, created = excluded.created, closed = excluded.closed, body = excluded.body, row_hash = excluded.row_hash`
}
func (r *intentRow) place() []string { return []string{"intents", r.op} }
func (r *intentRow) sealed() []byte  { return r.body }
func (r *intentRow) ref() fhir.Reference {
	return fhir.Reference{Type: r.typ, ID: r.id, Version: r.version}
}

const (
	selectIntents = `SELECT op, source, type, id, version, object, record_key, digest, tables_hash, deadline, created, closed, body, row_hash
	FROM intents`
	inOrder = ` ORDER BY created, op`
)

// The first byte of what is encrypted of an intent: what the write did.
const (
	creates = 'c'
	updates = 'u'
)

// Intend records attempts before their first byte is sent, each by itself, and returns their ids: they are on the disk when it
// returns. Where it fails nothing may be sent. What was known to be applied to these refs is known no longer until the next
// Settle: should the outcome get lost, content that comes back to what it was before (A, B, A) must be compared with Salesforce
// and not taken for applied.
func (l *Ledger) Intend(ctx context.Context, intents []Intent) ([]string, error) {
	ids := make([]string, len(intents))
	err := l.update(ctx, "intend", func(t *tx) error {
		for n, i := range intents {
			if ids[n] = i.ID; i.ID == "" {
				ids[n] = fmt.Sprintf("%08d-%08d", t.epoch, l.intended.Add(1)) // nobody else writes in this epoch
			}
			if err := t.intend(ctx, ids[n], i); err != nil {
				return fmt.Errorf("%s: %w", i.Ref, err)
			}
		}
		return nil
	})
	return ids, err
}

func (t *tx) intend(ctx context.Context, id string, i Intent) error {
	plain, err := sobject.Encode(i.Meant)
	if err != nil {
		return err
	}
	kind := byte(updates)
	if i.Creates {
		kind = creates
	}
	r := intentRow{op: id, source: i.Source, typ: i.Ref.Type, id: i.Ref.ID, version: i.Ref.Version, object: i.Object, key: i.Key,
		digest: i.Digest, tables: i.Tables, deadline: toMillis(i.Deadline), created: t.now}
	r.body = t.box.seal(append([]byte{kind}, plain...), r.place()...)
	if err := t.put(ctx, &r); err != nil {
		return err
	}
	return t.forgetDigest(ctx, i.Source, i.Ref)
}

// forgetDigest forgets the digest of what was applied to a ref.
func (t *tx) forgetDigest(ctx context.Context, source string, ref fhir.Reference) error {
	r, found, err := loadRef(ctx, t.sql, source, ref)
	if err != nil || !found || r.digest == "" {
		return err
	}
	r.digest = ""
	return t.put(ctx, &r)
}

// intents returns the open intents that a condition selects, oldest first.
func (l *Ledger) intents(ctx context.Context, q querier, where string, args ...any) ([]Intent, error) {
	rows, err := list[intentRow](ctx, q, selectIntents+where, args...)
	var out []Intent
	for i := 0; err == nil && i < len(rows); i++ {
		var in Intent
		in, err = l.intent(&rows[i])
		out = append(out, in)
	}
	return out, err
}

func (l *Ledger) intent(r *intentRow) (Intent, error) {
	i := Intent{ID: r.op, Source: r.source, Ref: r.ref(), Object: r.object, Key: r.key, Digest: r.digest, Tables: r.tables,
		Deadline: fromMillis(r.deadline), Created: fromMillis(r.created)}
	if r.body == nil {
		return i, nil
	}
	plain, err := l.box.open(r.body, r.place()...)
	if err != nil || len(plain) == 0 {
		return i, fmt.Errorf("intent %s: %w", r.op, errOr(err, ErrTampered))
	}
	i.Creates = plain[0] == creates
	i.Meant, err = sobject.Decode(plain[1:])
	return i, err
}

func errOr(err, other error) error {
	if err != nil {
		return err
	}
	return other
}

// Unresolved returns the open intents, oldest first: the write may have happened or not.
func (l *Ledger) Unresolved(ctx context.Context) (out []Intent, err error) {
	err = l.view(ctx, "list unresolved intents", func(q querier) error {
		out, err = l.intents(ctx, q, ` WHERE closed = 0`+inOrder)
		return err
	})
	return out, err
}

// closeIntents closes intents, erases what they meant, and returns those that were open. Closing twice is closing once.
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
		r.closed, r.body = t.now, nil
		if err := t.put(ctx, &r); err != nil {
			return nil, err
		}
		closed = append(closed, r)
	}
	return closed, nil
}
