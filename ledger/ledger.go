// Package ledger keeps what must survive: the answers of polls, the source versions and what became of each, the
// images of what was last synced, the intents of writes that may be under way, call budgets, write-backs and the audit
// chain. docs/ledger.md has the tables, the fates and what a crash means at each point.
//
// Each exported method is one transaction, durable when it returns (Purge is several). Bodies, images and the values
// of write-backs are encrypted; references, keys, digests, states and reasons are in clear. A Ledger is safe for
// concurrent use. Errors carry references, codes and lengths, never content.
package ledger

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os"
	"sync/atomic"
	"time"
)

// Why a ledger does not open or does not do what it was asked to.
var (
	ErrLocked     = errors.New("another process is writing to this ledger")
	ErrFenced     = errors.New("a later writer has opened this ledger")
	ErrReadOnly   = errors.New("the ledger was opened read-only")
	ErrKey        = errors.New("the ledger was encrypted with another key")
	ErrSchema     = errors.New("the ledger's schema is not the one this program knows")
	ErrTampered   = errors.New("the ledger is damaged or was tampered with")
	ErrSpent      = errors.New("the budget is spent")
	ErrNotFound   = errors.New("not in the ledger")
	ErrTransition = errors.New("not possible from where it stands")
)

// Options say where the ledger is and who opens it.
type Options struct {
	Path     string           // the database file; its directory is created with mode 0700 where it is missing
	Key      []byte           // 32 bytes; encrypts the data key
	Now      func() time.Time // nil = time.Now
	ReadOnly bool             // takes no lock, works beside a writer, cannot write
}

// Ledger is an open ledger.
type Ledger struct {
	read  *sql.DB
	write *sql.DB // one connection; nil when read-only
	lock  *os.File
	box   *box
	epoch int64
	now   func() time.Time
	hook  func(point string) // tests end the process here

	intended atomic.Int64 // attempts of writes in this epoch
}

// Open opens the ledger and, unless it is read-only, creates what is missing, brings the schema up to date and becomes
// the one writer. Errors: ErrLocked, ErrKey, ErrSchema, or what the file system said.
func Open(ctx context.Context, o Options) (*Ledger, error) {
	l := &Ledger{now: o.Now}
	if l.now == nil {
		l.now = time.Now
	}
	err := l.open(ctx, o)
	if err != nil {
		return nil, errors.Join(fmt.Errorf("open the ledger %s: %w", o.Path, err), l.Close())
	}
	return l, nil
}

func (l *Ledger) open(ctx context.Context, o Options) error {
	if len(o.Key) != keySize {
		return fmt.Errorf("the key has %d bytes, not %d", len(o.Key), keySize)
	}
	if !o.ReadOnly {
		if err := l.become(ctx, o); err != nil {
			return err
		}
	}
	var err error
	if l.read, err = openSQLite(o.Path, true); err != nil {
		return err
	}
	if err := checkSchema(ctx, l.read); err != nil {
		return err
	}
	l.box, err = unwrap(ctx, l.read, o.Key)
	return err
}

// become makes this process the writer: lock, schema, data key, and last the epoch, which fences off whoever wrote
// before. A crash in between leaves a ledger that the next Open finishes.
func (l *Ledger) become(ctx context.Context, o Options) (err error) {
	if err := prepareFiles(o.Path); err != nil {
		return err
	}
	if l.lock, err = lockFile(o.Path + ".lock"); err != nil {
		return err
	}
	if l.write, err = openSQLite(o.Path, false); err != nil {
		return err
	}
	if err := migrate(ctx, l.write, schema, migration{now: l.now(), reached: l.reached}); err != nil {
		return err
	}
	if err := ensureDataKey(ctx, l.write, o.Key, l.now()); err != nil {
		return err
	}
	if _, err := unwrap(ctx, l.write, o.Key); err != nil {
		return err // a wrong key must not fence off the writer that has the right one
	}
	return l.write.QueryRowContext(ctx, `UPDATE writer SET epoch = epoch + 1, opened = $1 WHERE one = 1 RETURNING epoch`,
		toMillis(l.now())).Scan(&l.epoch)
}

// Close ends the ledger's use and frees the lock.
func (l *Ledger) Close() error {
	var errs []error
	for _, db := range []*sql.DB{l.read, l.write} { // the writer last: SQLite empties the log when its last user leaves
		if db != nil {
			errs = append(errs, db.Close())
		}
	}
	if l.lock != nil {
		if err := unlock(l.lock); !errors.Is(err, os.ErrClosed) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// Never is the next try of what only a person or a newer version can move.
func Never() time.Time { return time.Date(9999, 12, 31, 0, 0, 0, 0, time.UTC) }

func toMillis(t time.Time) int64 {
	if t.IsZero() {
		return 0
	}
	return t.UnixMilli()
}

func fromMillis(ms int64) time.Time {
	if ms == 0 {
		return time.Time{}
	}
	return time.UnixMilli(ms).UTC()
}
