package ledger

import (
	"context"
	"fmt"
	"iter"
	"strconv"
	"time"
)

// Answer is the body of one poll, as it came, before anybody has read it.
type Answer struct {
	ID       int64 // given by Receive
	Source   string
	Kind     string // "worklist REFERRALS_FOR_REVIEW", "search ServiceRequest": whatever tells the reader how to read it
	Received time.Time
	Body     []byte
}

// Cursor is a named position in a source. The zero Cursor is none.
type Cursor struct{ Name, Value string }

type cursorRow struct {
	source, name, value string
	changed             int64
}

func (r *cursorRow) table() string { return "cursors" }
func (r *cursorRow) cells() []any  { return []any{&r.source, &r.name, &r.value, &r.changed} }
func (r *cursorRow) upsert() string {
	return `INSERT INTO cursors (source, name, value, changed, row_hash) VALUES ($1, $2, $3, $4, $5)
		ON CONFLICT (source, name) DO UPDATE SET value = excluded.value, changed = excluded.changed, row_hash = excluded.row_hash`
}

const selectCursors = `SELECT source, name, value, changed, row_hash FROM cursors`

type inboxRow struct {
	nr           int64
	source, kind string
	received     int64
	readAt       int64
	body         []byte
}

func (r *inboxRow) table() string { return "inbox" }
func (r *inboxRow) cells() []any {
	return []any{&r.nr, &r.source, &r.kind, &r.received, &r.readAt, &r.body}
}
func (r *inboxRow) upsert() string {
	return `INSERT INTO inbox (nr, source, kind, received, read_at, body, row_hash) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (nr) DO UPDATE SET source = excluded.source, kind = excluded.kind, received = excluded.received,
		read_at = excluded.read_at, body = excluded.body, row_hash = excluded.row_hash`
}
func (r *inboxRow) place() []string { return []string{"inbox", strconv.FormatInt(r.nr, 10), r.source} }

const selectInbox = `SELECT nr, source, kind, received, read_at, body, row_hash FROM inbox`

// Cursor gives the value of a source's cursor, empty where it was never set.
func (l *Ledger) Cursor(ctx context.Context, source, name string) (string, error) {
	var c cursorRow
	err := l.view(ctx, "read a cursor", func(q querier) (err error) {
		c, _, err = get[cursorRow](ctx, q, selectCursors+` WHERE source = $1 AND name = $2`, source, name)
		return err
	})
	return c.value, err
}

// Receive keeps an answer and moves the cursor, both or neither, and gives the answer's number. A crash before it
// returns means that the next poll asks for the same window again.
func (l *Ledger) Receive(ctx context.Context, a Answer, c Cursor) (int64, error) {
	r := inboxRow{source: a.Source, kind: a.Kind, received: toMillis(a.Received)}
	err := l.update(ctx, "receive", func(t *tx) error {
		if err := t.sql.QueryRowContext(ctx, `SELECT COALESCE(MAX(nr), 0) + 1 FROM inbox`).Scan(&r.nr); err != nil {
			return err
		}
		if r.received == 0 {
			r.received = t.now
		}
		r.body = t.box.seal(a.Body, r.place()...)
		t.count["unread"]++
		if c.Name != "" {
			if err := t.put(ctx, &cursorRow{source: a.Source, name: c.Name, value: c.Value, changed: t.now}); err != nil {
				return err
			}
		}
		return t.put(ctx, &r)
	})
	if err != nil {
		return 0, err
	}
	return r.nr, nil
}

// Unread returns the answers that no Observe has named yet, in the order in which they came, one at a time: however many there
// are, one body is in memory. Answers that come meanwhile are not among them. After an error nothing follows.
func (l *Ledger) Unread(ctx context.Context, source string) iter.Seq2[Answer, error] {
	return func(yield func(Answer, error) bool) {
		numbers, err := l.unread(ctx, source)
		if err != nil {
			yield(Answer{}, err)
			return
		}
		for _, nr := range numbers {
			a, found, err := l.answer(ctx, nr)
			if err == nil && !found {
				continue // read meanwhile
			}
			if !yield(a, err) || err != nil {
				return
			}
		}
	}
}

func (l *Ledger) unread(ctx context.Context, source string) (numbers []int64, err error) {
	err = l.view(ctx, "list unread answers", func(q querier) error {
		rows, err := q.QueryContext(ctx, `SELECT nr FROM inbox WHERE read_at = 0 AND source = $1 ORDER BY nr`, source)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var nr int64
			if err := rows.Scan(&nr); err != nil {
				return err
			}
			numbers = append(numbers, nr)
		}
		return rows.Err()
	})
	return numbers, err
}

// answer returns an answer that nobody has read, and whether there is one of that number.
func (l *Ledger) answer(ctx context.Context, nr int64) (a Answer, found bool, err error) {
	err = l.view(ctx, "read an answer", func(q querier) error {
		r, there, err := get[inboxRow](ctx, q, selectInbox+` WHERE nr = $1 AND read_at = 0`, nr)
		if err != nil || !there {
			return err
		}
		found = true
		a = Answer{ID: r.nr, Source: r.source, Kind: r.kind, Received: fromMillis(r.received)}
		a.Body, err = l.box.open(r.body, r.place()...)
		return err
	})
	return a, found, err
}

// readAnswer marks an answer read; doing it again changes nothing.
func (t *tx) readAnswer(ctx context.Context, a Answer) error {
	r, found, err := get[inboxRow](ctx, t.sql, selectInbox+` WHERE nr = $1 AND source = $2`, a.ID, a.Source)
	if err != nil {
		return err
	}
	if !found {
		return fmt.Errorf("answer %d of %s: %w", a.ID, a.Source, ErrNotFound)
	}
	if r.readAt != 0 {
		return nil
	}
	r.readAt = t.now
	t.count["unread"]--
	return t.put(ctx, &r)
}
