package ledger

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strconv"
	"time"

	"refbridge/fhir"
)

// WritebackState is where a write-back to a source stands.
type WritebackState string

// The states of a write-back. Done and Refused are final, and every open state may go there.
//
//	Reported <--> Waiting -- Approve --> Approved <--> Sent <--> Unclear
//	    ^            ^                      |            |           |
//	    +------------+----------------------+------------+-----------+
//
// Only Approve leads from a proposal to Approved. From Sent and Unclear back to Approved: the source was looked at, it
// has certainly not done it, and the approval still stands.
const (
	Reported WritebackState = "reported" // the sides differ; writing is not switched on
	Waiting  WritebackState = "waiting"  // for approval
	Approved WritebackState = "approved"
	Sent     WritebackState = "sent"    // committed before the first byte goes out
	Done     WritebackState = "done"    // the source has it
	Refused  WritebackState = "refused" // by the source or by a person
	Unclear  WritebackState = "unclear" // sent, outcome not known: read the source before anything else
)

// Writeback is one value that Salesforce has and the source has not.
type Writeback struct {
	ID                                      int64
	Source                                  string
	Ref                                     fhir.Reference
	Object, Key, Field, From, To, Operation string // From: what the source has; Operation: what would be invoked
	Digest                                  string // of the operation with all its parameters: what an approval is for
	Stamp                                   string // SystemModstamp of the record that asks for it
	State                                   WritebackState
	Reason                                  Reason
	Approved                                string // who, and on what authority
	Changed                                 time.Time
}

type writebackRow struct {
	nr                       int64
	source, typ, id, version string
	object, key, field       string
	toMark                   string // keyed fingerprint of To: comments go back too
	state                    string
	reason                   reasonCells
	approved                 string
	created, changed         int64
	body                     []byte
}

type writebackBody struct{ From, To, Operation, Digest, Stamp string }

func (r *writebackRow) table() string { return "writebacks" }
func (r *writebackRow) cells() []any {
	return []any{&r.nr, &r.source, &r.typ, &r.id, &r.version, &r.object, &r.key, &r.field, &r.toMark, &r.state,
		&r.reason.code, &r.reason.text, &r.reason.rule, &r.reason.field, &r.approved, &r.created, &r.changed, &r.body}
}
func (r *writebackRow) upsert() string {
	return `INSERT INTO writebacks (nr, source, type, id, version, object, record_key, field, to_mark, state,
		reason_code, reason_text, reason_rule, reason_field, approved, created, changed, body, row_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (nr) DO UPDATE SET source = excluded.source, type = excluded.type, id = excluded.id, version = excluded.version,
		object = excluded.object, record_key = excluded.record_key, field = excluded.field, to_mark = excluded.to_mark, state = excluded.state,
		reason_code = excluded.reason_code, reason_text = excluded.reason_text, reason_rule = excluded.reason_rule,
		reason_field = excluded.reason_field, approved = excluded.approved, created = excluded.created, changed = excluded.changed,
		body = excluded.body, row_hash = excluded.row_hash`
}

const selectWritebacks = `SELECT nr, source, type, id, version, object, record_key, field, to_mark, state, reason_code, reason_text,
	reason_rule, reason_field, approved, created, changed, body, row_hash FROM writebacks`

func (r *writebackRow) place() []string {
	return []string{"writebacks", strconv.FormatInt(r.nr, 10)}
}

// undecided tells whether nobody has decided yet: a new proposal of the same change may still alter it.
func (r *writebackRow) undecided() bool {
	return r.state == string(Reported) || r.state == string(Waiting)
}

// Propose records write-backs in the state that they have (empty: Reported). The same change of the same field of a
// ref is one row until it is done or refused: proposing it again only refreshes a row that nobody has decided on.
func (l *Ledger) Propose(ctx context.Context, w []Writeback) error {
	return l.update(ctx, "propose", func(t *tx) error {
		for _, p := range w {
			if err := t.propose(ctx, p); err != nil {
				return fmt.Errorf("%s: %w", p.Ref, err)
			}
		}
		return nil
	})
}

func (t *tx) propose(ctx context.Context, p Writeback) error {
	if p.State == "" {
		p.State = Reported
	}
	if p.State != Reported && p.State != Waiting && p.State != Approved {
		return fmt.Errorf("propose as %s: %w", p.State, ErrTransition)
	}
	mark := t.box.print([]byte(p.To))
	r, found, err := get[writebackRow](ctx, t.sql, selectWritebacks+thisRef+` AND field = $4 AND to_mark = $5
		AND state NOT IN ('done', 'refused') ORDER BY nr`, p.Source, p.Ref.Type, p.Ref.ID, p.Field, mark)
	if err != nil || found && !r.undecided() {
		return err
	}
	if !found {
		r = writebackRow{source: p.Source, typ: p.Ref.Type, id: p.Ref.ID, field: p.Field, toMark: mark, created: t.now}
		if err := t.sql.QueryRowContext(ctx, `SELECT COALESCE(MAX(nr), 0) + 1 FROM writebacks`).Scan(&r.nr); err != nil {
			return err
		}
	}
	plain, err := json.Marshal(writebackBody{p.From, p.To, p.Operation, p.Digest, p.Stamp})
	if err != nil {
		return err
	}
	moved := r.state != string(p.State)
	r.version, r.object, r.key, r.state, r.reason, r.approved = p.Ref.Version, p.Object, p.Key, string(p.State), cellsOf(p.Reason), p.Approved
	r.changed, r.body = t.now, t.box.seal(plain, r.place()...)
	if !moved {
		return t.put(ctx, &r)
	}
	return t.writeback(ctx, &r, p.Approved)
}

// writeback stores a row whose state changed and tells the chain.
func (t *tx) writeback(ctx context.Context, r *writebackRow, code string) error {
	if err := t.put(ctx, r); err != nil {
		return err
	}
	return t.append(ctx, link{source: r.source, typ: r.typ, id: r.id, version: r.version, object: r.object, key: r.key, digest: r.toMark,
		fate: writebackFate + r.state, code: code})
}

const writebackFate = "writeback-"

// Writebacks lists write-backs, oldest first. An empty source is all sources, no state is all states.
func (l *Ledger) Writebacks(ctx context.Context, source string, states ...WritebackState) ([]Writeback, error) {
	query, args := selectWritebacks+` WHERE ($1 = '' OR source = $1)`, []any{source}
	if len(states) > 0 {
		query += ` AND state IN (` + placeholders(2, len(states)) + `)`
		for _, s := range states {
			args = append(args, string(s))
		}
	}
	var out []Writeback
	err := l.view(ctx, "list write-backs", func(q querier) error {
		return each(ctx, q, func(r writebackRow, bad error) error {
			if bad != nil {
				return bad
			}
			w, err := l.writeback(&r)
			out = append(out, w)
			return err
		}, query+` ORDER BY nr`, args...)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (l *Ledger) writeback(r *writebackRow) (Writeback, error) {
	plain, err := l.box.open(r.body, r.place()...)
	if err != nil {
		return Writeback{}, err
	}
	var b writebackBody
	if json.Unmarshal(plain, &b) != nil {
		return Writeback{}, fmt.Errorf("write-back %d: %w", r.nr, ErrTampered)
	}
	return Writeback{ID: r.nr, Source: r.source, Ref: fhir.Reference{Type: r.typ, ID: r.id, Version: r.version}, Object: r.object, Key: r.key,
		Field: r.field, From: b.From, To: b.To, Operation: b.Operation, Digest: b.Digest, Stamp: b.Stamp, State: WritebackState(r.state), Reason: r.reason.reason(),
		Approved: r.approved, Changed: fromMillis(r.changed)}, nil
}

// Approve lets a waiting write-back go out. who is the person (or "policy"), authority what allows it (the reference
// of the reviewed use case). ErrTransition where it does not wait, ErrNotFound where there is none.
func (l *Ledger) Approve(ctx context.Context, id int64, who, authority string) error {
	return l.update(ctx, "approve", func(t *tx) error {
		if who == "" {
			return errors.New("nobody approves")
		}
		r, err := t.loadWriteback(ctx, id)
		if err != nil {
			return err
		}
		if r.state != string(Waiting) {
			return fmt.Errorf("write-back %d is %s: %w", id, r.state, ErrTransition)
		}
		r.state, r.changed, r.approved = string(Approved), t.now, who+", "+authority
		return t.writeback(ctx, &r, r.approved)
	})
}

// Conclude moves a write-back on: Sent before the first byte goes out, then Done, Refused or Unclear, or back. The
// approval is gone when it goes back to Waiting or Reported. Concluding what it is already changes nothing.
// ErrTransition where the state cannot follow.
func (l *Ledger) Conclude(ctx context.Context, id int64, state WritebackState, reason Reason) error {
	return l.update(ctx, "conclude", func(t *tx) error {
		_, err := t.conclude(ctx, id, state, reason)
		return err
	})
}

func (t *tx) conclude(ctx context.Context, id int64, state WritebackState, reason Reason) (writebackRow, error) {
	r, err := t.loadWriteback(ctx, id)
	if err != nil {
		return r, err
	}
	same := r.state == string(state)
	if same && r.reason == cellsOf(reason) {
		return r, nil
	}
	if !same && !follows(WritebackState(r.state), state) {
		return r, fmt.Errorf("write-back %d is %s: %w", id, r.state, ErrTransition)
	}
	if state == Waiting || state == Reported {
		r.approved = ""
	}
	r.state, r.changed, r.reason = string(state), t.now, cellsOf(reason)
	return r, t.writeback(ctx, &r, reason.Code)
}

// Carry concludes a write-back as Done and keeps with it what is known of its row now: that both sides had the value. The record's
// next version is compared also where its content is the same: what the source says after the operation is to be remembered.
func (l *Ledger) Carry(ctx context.Context, id int64, image Image) error {
	return l.update(ctx, "note what was carried back", func(t *tx) error {
		r, err := t.conclude(ctx, id, Done, Reason{})
		if err != nil {
			return err
		}
		v := versionRow{source: r.source, typ: r.typ, id: r.id}
		hash, err := t.keepImage(ctx, &v, image, asBefore)
		if err != nil {
			return err
		}
		if err := t.forgetDigest(ctx, r.source, v.ref()); err != nil {
			return err
		}
		return t.append(ctx, link{source: r.source, typ: r.typ, id: r.id, version: r.version, object: r.object, key: r.key, image: hash,
			fate: writebackFate + r.state})
	})
}

// SendAgainst notes, before the first byte goes out, that a write-back is Sent, and the version of the source's record that it is sent against.
func (l *Ledger) SendAgainst(ctx context.Context, id int64, version string) error {
	return l.update(ctx, "send a write-back", func(t *tx) error {
		r, err := t.loadWriteback(ctx, id)
		if err != nil {
			return err
		}
		if r.state != string(Sent) && !follows(WritebackState(r.state), Sent) {
			return fmt.Errorf("write-back %d is %s: %w", id, r.state, ErrTransition)
		}
		r.state, r.version, r.changed, r.reason = string(Sent), version, t.now, reasonCells{}
		return t.writeback(ctx, &r, "")
	})
}

func follows(from, to WritebackState) bool {
	if from == Done || from == Refused {
		return false
	}
	switch to {
	case Done, Refused, Reported, Waiting:
		return true
	case Sent:
		return from == Approved || from == Unclear
	case Approved:
		return from == Sent || from == Unclear
	case Unclear:
		return from == Approved || from == Sent
	}
	return false
}

func (t *tx) loadWriteback(ctx context.Context, id int64) (writebackRow, error) {
	r, found, err := get[writebackRow](ctx, t.sql, selectWritebacks+` WHERE nr = $1`, id)
	if err == nil && !found {
		err = fmt.Errorf("write-back %d: %w", id, ErrNotFound)
	}
	return r, err
}
