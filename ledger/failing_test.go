package ledger

import (
	"context"
	"database/sql"
	"database/sql/driver"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// errDisk is what the test has SQLite say.
var errDisk = errors.New("disk I/O error")

// fuse lets calls of the database through until the one that it is set to, which fails. 0: none does.
type fuse struct{ left int }

func (f *fuse) blows() bool {
	if f.left == 0 {
		return false
	}
	f.left--
	return f.left == 0
}

// fusedDB, fusedConn, fusedTx and fusedRows are SQLite with a fuse before each statement, each row, and each begin and end.
type fusedDB struct {
	sqlite driver.Driver
	dsn    string
	*fuse
}

func (d *fusedDB) Driver() driver.Driver { return d.sqlite }

func (d *fusedDB) Connect(context.Context) (driver.Conn, error) {
	c, err := d.sqlite.Open(d.dsn)
	return fusedConn{c, d.fuse}, err
}

type fusedConn struct {
	driver.Conn
	*fuse
}

func (c fusedConn) BeginTx(ctx context.Context, o driver.TxOptions) (driver.Tx, error) {
	if c.blows() {
		return nil, errDisk
	}
	t, err := c.Conn.(driver.ConnBeginTx).BeginTx(ctx, o)
	return fusedTx{t, c.fuse}, err
}

func (c fusedConn) ExecContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Result, error) {
	if c.blows() {
		return nil, errDisk
	}
	return c.Conn.(driver.ExecerContext).ExecContext(ctx, query, args)
}

func (c fusedConn) QueryContext(ctx context.Context, query string, args []driver.NamedValue) (driver.Rows, error) {
	if c.blows() {
		return nil, errDisk
	}
	r, err := c.Conn.(driver.QueryerContext).QueryContext(ctx, query, args)
	return fusedRows{r, c.fuse}, err
}

type fusedTx struct {
	driver.Tx
	*fuse
}

func (t fusedTx) Commit() error {
	if t.blows() {
		return errors.Join(errDisk, t.Tx.Rollback())
	}
	return t.Tx.Commit()
}

type fusedRows struct {
	driver.Rows
	*fuse
}

func (r fusedRows) Next(to []driver.Value) error {
	err := r.Rows.Next(to)
	if err != io.EOF && r.blows() {
		return errDisk
	}
	return err
}

// fused puts a fuse into the ledger of a world.
func (w *world) fused() *fuse {
	w.t.Helper()
	f := &fuse{}
	d := w.read.Driver()
	w.must(errors.Join(w.read.Close(), w.write.Close()))
	w.read = sql.OpenDB(&fusedDB{d, w.path + "?mode=ro&_pragma=busy_timeout(5000)&_pragma=query_only(1)", f})
	w.write = sql.OpenDB(&fusedDB{d, w.path + "?mode=rw&_txlock=immediate&_pragma=busy_timeout(5000)&_pragma=synchronous(off)", f})
	w.read.SetMaxOpenConns(1)
	w.write.SetMaxOpenConns(1)
	return f
}

// dump is every row of every table.
func dump(t *testing.T, db *sql.DB) string {
	t.Helper()
	var out strings.Builder
	for _, table := range names(t, db, `SELECT name FROM sqlite_master WHERE type = 'table' ORDER BY name`) {
		columns := names(t, db, `SELECT 'quote(' || name || ')' FROM pragma_table_info('`+table+`')`)
		for _, row := range names(t, db, `SELECT `+strings.Join(columns, ` || ',' || `)+` FROM `+table+` ORDER BY 1`) {
			fmt.Fprintln(&out, table, row)
		}
	}
	return out.String()
}

func names(t *testing.T, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.Query(query)
	require.NoError(t, err)
	for rows.Next() {
		var name string
		require.NoError(t, rows.Scan(&name))
		out = append(out, name)
	}
	require.NoError(t, errors.Join(rows.Err(), rows.Close()))
	return out
}

// eventful is a ledger in which something waits in every way.
func eventful(t *testing.T) *world {
	w := lived(t)
	_, err := w.Receive(t.Context(), Answer{Source: "ers", Kind: "worklist", Body: []byte("[]")}, Cursor{})
	w.must(err)
	w.must(intend(t.Context(), w.Ledger, []Intent{{ID: "open", Source: "ers", Ref: ref("2", "1"), Object: "Account", Key: "open", Digest: "d"}}))
	w.settle(Settlement{Ref: ref("2", "1"), Fate: Held, Reason: Reason{Code: "no-patient", Detail: "Quillfeather"}, Next: w.now.Add(time.Hour)})
	for _, id := range []string{"5", "6", "7"} {
		w.observe(Sighting{Ref: ref(id, "3"), Body: body(id, "3", "active"), Patient: fhir.Reference{Type: "Patient", ID: "p" + id, Version: "1"}})
	}
	w.settle(Settlement{Ref: ref("5", "3"), Fate: Applied, Known: &Known{Version: "3", Digest: "d"}, Images: imagesOf(record("Account", "k5"))})
	w.settle(Settlement{Ref: ref("6", "3"), Fate: Applied, Known: &Known{Version: "3", Terminal: true}, Next: w.now.Add(time.Minute)})
	_, err = w.KeepGone(t.Context(), "ers", ref("7"), []byte(`{"resourceType":"OperationOutcome"}`))
	w.must(err)
	w.observe(Sighting{Ref: ref("8", "2")}) // named, and not read
	w.now = w.now.Add(2 * time.Hour)
	return w
}

// backTo5 has reads of ref 5 go on giving an older version, until it is held.
func backTo5(w *world) {
	for range 2 {
		_, err := w.Keep(w.t.Context(), "ers", ref("5", "2"), body("5", "2", "active"))
		w.must(err)
		w.now = w.now.Add(behindFor)
	}
}

// What the database refuses in the middle of something leaves the ledger as it was, whichever of its statements that was, and nobody is
// told that it was done. One row each method.
func TestWhateverStatementFailsTheLedgerIsAsItWas(t *testing.T) {
	type act func(*world, context.Context) error
	see := func(s ...Sighting) act {
		return func(w *world, ctx context.Context) error { return w.Observe(ctx, Answer{Source: "ers"}, s) }
	}
	keep := func(r fhir.Reference, text string) act {
		return func(w *world, ctx context.Context) error {
			_, err := w.Keep(ctx, "ers", r, body(r.ID, r.Version, text))
			return err
		}
	}
	for _, c := range []struct {
		name string
		prep func(*world)
		act  act
	}{
		{"Receive", nil, func(w *world, ctx context.Context) error {
			_, err := w.Receive(ctx, Answer{Source: "ers", Body: []byte("x")}, Cursor{"since", "y"})
			return err
		}},
		{"Observe an answer", nil, func(w *world, ctx context.Context) error {
			return w.Observe(ctx, Answer{ID: 2, Source: "ers"}, []Sighting{{Ref: ref("9", "1"), Body: body("9", "1", "active"), Patient: fhir.Reference{Type: "Patient", ID: "p9", Version: "1"}}})
		}},
		{"Observe a newer version", nil, see(Sighting{Ref: ref("5", "4"), Body: body("5", "4", "active")})},
		{"Observe an older version", nil, see(Sighting{Ref: ref("5", "1"), Body: body("5", "1", "active")})},
		{"Observe other content", nil, see(Sighting{Ref: ref("5", "3"), Body: body("5", "3", "revoked")})},
		{"Observe a body without a version", nil, see(Sighting{Ref: ref("5"), Body: body("5", "", "revoked")})},
		{"Observe what cannot be read", nil, see(Sighting{Ref: ref("9", "1"), Reason: Reason{Code: "unreadable-entry"}})},
		{"Observe the body of what was named", nil, see(Sighting{Ref: ref("8", "2"), Body: body("8", "2", "active")})},
		{"Observe a patient's change", nil, see(Sighting{Ref: fhir.Reference{Type: "Patient", ID: "p5", Version: "2"}})},
		{"Keep a newer version", nil, keep(ref("5", "4"), "completed")},
		{"Keep what was named", nil, keep(ref("8", "2"), "active")},
		{"Keep another version than was named", nil, keep(ref("8", "3"), "active")},
		{"Keep an older version", nil, keep(ref("5", "2"), "active")},
		{"Keep an older version for long", func(w *world) { backTo5(w) }, keep(ref("5", "1"), "active")},
		{"Keep what was deleted", nil, keep(ref("7", "3"), "active")},
		{"KeepGone", nil, func(w *world, ctx context.Context) error {
			_, err := w.KeepGone(ctx, "ers", ref("5"), []byte(`{"resourceType":"OperationOutcome"}`))
			return err
		}},
		{"Intend", nil, func(w *world, ctx context.Context) error {
			return intend(ctx, w.Ledger, []Intent{{ID: "op2", Source: "ers", Ref: ref("5", "3"), Object: "Account", Key: "k", Digest: "e"}})
		}},
		{"Settle as applied", func(w *world) { w.observe(Sighting{Ref: ref("2", "2"), Body: body("2", "2", "active")}) }, func(w *world, ctx context.Context) error {
			return w.Settle(ctx, []Settlement{{Source: "ers", Ref: ref("2", "2"), Fate: Applied, Known: &Known{Version: "2", Digest: "e"},
				Intents: []string{"open"}, Images: imagesOf(record("Account", "open"), record("Account", "more"))}})
		}},
		{"Settle as held", nil, func(w *world, ctx context.Context) error {
			return w.Settle(ctx, []Settlement{{Source: "ers", Ref: ref("2", "1"), Fate: Held, Reason: Reason{Code: "busy", Detail: "Quillfeather"}}})
		}},
		{"Settle with what another version is known by", nil, func(w *world, ctx context.Context) error {
			return w.Settle(ctx, []Settlement{{Source: "ers", Ref: ref("5", "3"), Fate: Held, Known: &Known{Version: "2"}}})
		}},
		{"Probed", nil, func(w *world, ctx context.Context) error {
			return w.Probed(ctx, []Probe{{Source: "ers", Ref: ref("2", "1"), Images: imagesOf(record("Account", "open")), Intents: []string{"open"}}})
		}},
		{"Reopen", nil, func(w *world, ctx context.Context) error { _, err := w.Reopen(ctx, "ers", ref("2")); return err }},
		{"Reopen what the source was put back to", func(w *world) {
			backTo5(w)
			w.observe(Sighting{Ref: ref("5", "6"), Body: body("5", "6", "active")})
		}, func(w *world, ctx context.Context) error { _, err := w.Reopen(ctx, "ers", ref("5", "2")); return err }},
		{"Release", nil, func(w *world, ctx context.Context) error {
			_, err := w.Release(ctx, "ers", []string{"no-patient"})
			return err
		}},
		{"TakeTurns", nil, func(w *world, ctx context.Context) error { _, err := w.TakeTurns(ctx, "ers"); return err }},
		{"Spend", nil, func(w *world, ctx context.Context) error { return w.Spend(ctx, "a008.svc1", "2026-03-29", 2) }},
		{"SetCursor", nil, func(w *world, ctx context.Context) error { return w.SetCursor(ctx, "ers", Cursor{"since", "z"}) }},
		{"Propose", nil, func(w *world, ctx context.Context) error {
			return w.Propose(ctx, []Writeback{proposal("6", "Rejected", Waiting), proposal("5", "Accepted: Quillfeather will attend", Reported)})
		}},
		{"Approve", nil, func(w *world, ctx context.Context) error { return w.Approve(ctx, 1, "j.smith", "review 7") }},
		{"Carry", nil, func(w *world, ctx context.Context) error {
			return w.Carry(ctx, 1, Image{Record: record("ClinicalServiceRequest", "ers.sr.1")})
		}},
		{"SendAgainst", func(w *world) { w.must(w.Approve(w.t.Context(), 1, "j.smith", "review 7")) }, func(w *world, ctx context.Context) error {
			return w.SendAgainst(ctx, 1, "5")
		}},
		{"Conclude", nil, func(w *world, ctx context.Context) error { return w.Conclude(ctx, 1, Refused, Reason{Code: "refused"}) }},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := eventful(t)
			if c.prep != nil {
				c.prep(w)
			}
			f := w.fused()
			db := w.raw()
			before := dump(t, db)
			for n := 1; ; n++ {
				f.left = n
				err := c.act(w, t.Context())
				if f.left > 0 { // it was through before the fuse came to its turn
					require.NoError(t, err)
					require.Greater(t, n, 4, "begin, the epoch, a statement and the end at least")
					break
				}
				require.ErrorIs(t, err, errDisk, "call %d of the database", n)
				require.Equal(t, before, dump(t, db), "call %d of the database", n)
			}
			f.left = 0
			assert.NotEqual(t, before, dump(t, db), "and once nothing fails it is done")
			assert.NoError(t, w.Verify(t.Context()))
		})
	}
}

func TestAPurgeThatIsCutShortGoesOnWithTheNext(t *testing.T) {
	w := eventful(t)
	f := w.fused()
	before, erased := w.now.Add(time.Hour), 0
	for n := 1; ; n++ {
		f.left = n
		done, err := w.Purge(t.Context(), before)
		erased += done
		if f.left > 0 {
			require.NoError(t, err)
			break
		}
		require.ErrorIs(t, err, errDisk, "call %d of the database", n)
		require.NoError(t, w.Verify(t.Context()), "call %d of the database", n)
	}
	assert.Equal(t, 6, erased, "each ciphertext once")
}

// A reader that meets a fault says so, and does not take what came before it for all.
func TestWhateverStatementFailsAReaderSaysSo(t *testing.T) {
	nothing := func(Body) error { return nil }
	for name, act := range map[string]func(*world, context.Context) (any, error){
		"Due":       func(w *world, ctx context.Context) (any, error) { return w.Due(ctx, "ers", Turn{}) },
		"ToRead":    func(w *world, ctx context.Context) (any, error) { return w.ToRead(ctx, "ers") },
		"Turned":    func(w *world, ctx context.Context) (any, error) { return w.Turned(ctx, "ers") },
		"Live":      func(w *world, ctx context.Context) (any, error) { return w.Live(ctx, "ers") },
		"Known":     func(w *world, ctx context.Context) (any, error) { return w.Known(ctx, "ers", ref("5")) },
		"Statement": func(w *world, ctx context.Context) (any, error) { return w.Statement(ctx) },
		"Entries":   func(w *world, ctx context.Context) (any, error) { return w.Entries(ctx, Filter{}) },
		"Gone":      func(w *world, ctx context.Context) (any, error) { return w.Gone(ctx) },
		"Detail": func(w *world, ctx context.Context) (any, error) {
			return w.Detail(ctx, Entry{Source: "ers", Ref: ref("2", "1"), Changed: start()})
		},
		"RowsOf": func(w *world, ctx context.Context) (any, error) { return w.RowsOf(ctx, "ers", ref("5")) },
		"Rows": func(w *world, ctx context.Context) (any, error) {
			return w.Rows(ctx, "Account", []string{"k5", "open"})
		},
		"Listed": func(w *world, ctx context.Context) (any, error) { return w.Listed(ctx, "ers", ref("5")) },
		"RefOfKey": func(w *world, ctx context.Context) (any, error) {
			_, _, err := w.RefOfKey(ctx, "Account", "open")
			return nil, err
		},
		"Unresolved": func(w *world, ctx context.Context) (any, error) { return w.Unresolved(ctx) },
		"Writebacks": func(w *world, ctx context.Context) (any, error) { return w.Writebacks(ctx, "") },
		"Cursor":     func(w *world, ctx context.Context) (any, error) { return w.Cursor(ctx, "ers", "since") },
		"Cursors":    func(w *world, ctx context.Context) (any, error) { return w.Cursors(ctx, "ers", "si") },
		"Spent":      func(w *world, ctx context.Context) (any, error) { return w.Spent(ctx, "a008.svc1", "2026-03-29") },
		"Head":       func(w *world, ctx context.Context) (any, error) { _, _, err := w.Head(ctx); return nil, err },
		"Bodies":     func(w *world, ctx context.Context) (any, error) { return nil, w.Bodies(ctx, "ers", 10, nothing) },
		"Sample":     func(w *world, ctx context.Context) (any, error) { return nil, w.Sample(ctx, "ers", 10, nothing) },
		"News": func(w *world, ctx context.Context) (any, error) {
			return w.News(ctx, "ers", []Sighting{{Ref: ref("5", "3"), Body: body("5", "3", "active")}, {Ref: fhir.Reference{Type: "Patient", ID: "p5", Version: "2"}}})
		},
		"Unread": func(w *world, ctx context.Context) (any, error) {
			for _, err := range w.Unread(ctx, "ers") {
				if err != nil {
					return nil, err
				}
			}
			return nil, nil
		},
		"Verify": func(w *world, ctx context.Context) (any, error) { return nil, w.Verify(ctx) },
	} {
		t.Run(name, func(t *testing.T) {
			w := eventful(t)
			want, err := act(w, t.Context())
			require.NoError(t, err)
			f := w.fused()
			for n := 1; ; n++ {
				f.left = n
				got, err := act(w, t.Context())
				if f.left > 0 {
					require.NoError(t, err)
					require.Greater(t, n, 2)
					assert.Equal(t, want, got)
					break
				}
				require.ErrorIs(t, err, errDisk, "call %d of the database", n)
			}
			f.left = 0
		})
	}
}

func TestALedgerOpensOrSaysWhatFailed(t *testing.T) {
	w := newWorld(t)
	f := w.fused()
	for name, act := range map[string]func() error{
		"migrate":       func() error { return migrate(t.Context(), w.write, schema, migration{now: start()}) },
		"checkSchema":   func() error { return checkSchema(t.Context(), w.read) },
		"ensureDataKey": func() error { return ensureDataKey(t.Context(), w.write, testKey(), start()) },
		"unwrap":        func() error { _, err := unwrap(t.Context(), w.read, testKey()); return err },
	} {
		n := 1
		for ; ; n++ {
			f.left = n
			if err := act(); f.left > 0 {
				require.NoError(t, err, name)
				break
			} else {
				require.ErrorIs(t, err, errDisk, "%s, call %d", name, n)
			}
		}
		assert.Greater(t, n, 1, name)
	}
	f.left = 0
}
