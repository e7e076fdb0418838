package ledger

import (
	"bytes"
	"context"
	"crypto/sha256"
	"database/sql"
	"encoding/hex"
	"fmt"
	"strconv"
)

// tx is one writing transaction. Time is taken once, when it begins.
type tx struct {
	sql   *sql.Tx
	box   *box
	epoch int64
	now   int64
	count map[string]int64 // changes of counters, written at the end
}

type querier interface {
	QueryContext(ctx context.Context, query string, args ...any) (*sql.Rows, error)
}

// update runs one writing transaction. A crash before the commit leaves everything as it was; when update has returned
// without error everything is on the disk (synchronous=FULL).
func (l *Ledger) update(ctx context.Context, what string, fn func(*tx) error) error {
	if l.write == nil {
		return fmt.Errorf("%s: %w", what, ErrReadOnly)
	}
	s, err := l.write.BeginTx(ctx, nil)
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer s.Rollback()
	t := &tx{sql: s, box: l.box, epoch: l.epoch, now: toMillis(l.now()), count: map[string]int64{}}
	l.reached(what + " begun")
	if err := t.run(ctx, fn); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	l.reached(what + " written")
	if err := s.Commit(); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	l.reached(what + " committed")
	return nil
}

func (t *tx) run(ctx context.Context, fn func(*tx) error) error {
	var epoch int64
	if err := t.sql.QueryRowContext(ctx, `SELECT epoch FROM writer WHERE one = 1`).Scan(&epoch); err != nil {
		return err
	}
	if epoch != t.epoch {
		return ErrFenced
	}
	if err := fn(t); err != nil {
		return err
	}
	for name, change := range t.count {
		if change == 0 {
			continue
		}
		var value int64
		err := t.sql.QueryRowContext(ctx, `UPDATE counters SET value = value + $1 WHERE name = $2 RETURNING value`, change, name).Scan(&value)
		if err != nil {
			return fmt.Errorf("counter %s: %w", name, err)
		}
	}
	return nil
}

func (l *Ledger) reached(point string) {
	if l.hook != nil {
		l.hook(point)
	}
}

// view runs one reading transaction: everything in it sees the same state.
func (l *Ledger) view(ctx context.Context, what string, fn func(querier) error) error {
	s, err := l.read.BeginTx(ctx, &sql.TxOptions{ReadOnly: true})
	if err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	defer s.Rollback()
	if err := fn(s); err != nil {
		return fmt.Errorf("%s: %w", what, err)
	}
	return nil
}

// row is a row of a table that carries a row hash.
type row interface {
	table() string
	upsert() string // INSERT … ON CONFLICT DO UPDATE of all cells and the hash
	cells() []any   // pointers to the columns in the order of the statements: *string, *int64, *[]byte, *added, *addedBytes
}

// added is a column that a later schema has brought. It counts in the row hash only where it is set, so that the rows
// that were written before it stay true.
type added int64

// addedBytes is added for ciphertext.
type addedBytes []byte

// Scan takes over a column of a row; it makes addedBytes a sql.Scanner.
func (b *addedBytes) Scan(column any) error {
	switch c := column.(type) {
	case nil:
		*b = nil
	case []byte:
		*b = bytes.Clone(c)
	default:
		return fmt.Errorf("a column of ciphertext holds %T", column)
	}
	return nil
}

type rowOf[R any] interface {
	*R
	row
}

func rowHash(r row) string {
	h := sha256.New()
	h.Write(netstrings(nil, r.table()))
	for i, c := range r.cells() {
		switch late := c.(type) {
		case *added:
			if *late != 0 {
				h.Write(netstrings(nil, fmt.Sprintf("%d=%d", i, *late)))
			}
		case *addedBytes:
			if *late != nil {
				h.Write(netstrings(nil, fmt.Sprintf("%d=%s", i, *late)))
			}
		default:
			h.Write(netstrings(nil, cellText(c)))
		}
	}
	return hex.EncodeToString(h.Sum(nil))
}

func cellText(c any) string {
	switch c := c.(type) {
	case *string:
		return *c
	case *int64:
		return strconv.FormatInt(*c, 10)
	case *[]byte:
		return string(*c)
	}
	return ""
}

// put writes a row whole, with its hash.
func (t *tx) put(ctx context.Context, r row) error {
	_, err := t.sql.ExecContext(ctx, r.upsert(), append(r.cells(), rowHash(r))...)
	return err
}

// each calls fn with every row of a query whose columns are the row's cells and its hash. A row that does not match
// its hash ends it: nothing is decided from a bad row. fn must not query.
func each[R any, P rowOf[R]](ctx context.Context, q querier, fn func(R, error) error, query string, args ...any) error {
	rows, err := q.QueryContext(ctx, query, args...)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var r R
		var hash string
		p := P(&r)
		if err := rows.Scan(append(p.cells(), &hash)...); err != nil {
			return err
		}
		var bad error
		if hash != rowHash(p) {
			bad = fmt.Errorf("%w: a row of %s does not match its hash", ErrTampered, p.table())
		}
		if err := fn(r, bad); err != nil {
			return err
		}
	}
	return rows.Err()
}

// list gives all rows of a query.
func list[R any, P rowOf[R]](ctx context.Context, q querier, query string, args ...any) ([]R, error) {
	var out []R
	err := each[R, P](ctx, q, func(r R, bad error) error {
		out = append(out, r)
		return bad
	}, query, args...)
	return out, err
}

// get gives the first row of a query, and whether there is one.
func get[R any, P rowOf[R]](ctx context.Context, q querier, query string, args ...any) (R, bool, error) {
	found, err := list[R, P](ctx, q, query, args...)
	if err != nil || len(found) == 0 {
		var none R
		return none, false, err
	}
	return found[0], true, nil
}
