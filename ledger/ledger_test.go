package ledger

import (
	"bytes"
	"context"
	"database/sql"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// world is a ledger on a real file with a clock that the test moves.
type world struct {
	t    *testing.T
	path string
	now  time.Time
	*Ledger
}

func start() time.Time { return time.Date(2026, 3, 29, 0, 30, 0, 0, time.UTC) }

func testKey() []byte { return bytes.Repeat([]byte{7}, keySize) }

func newWorld(t *testing.T) *world {
	t.Helper()
	w := &world{t: t, path: filepath.Join(t.TempDir(), "data", "ledger.db"), now: start()}
	w.open()
	t.Cleanup(func() { assert.NoError(t, w.Close()) })
	return w
}

func (w *world) options() Options {
	return Options{Path: w.path, Key: testKey(), Now: func() time.Time { return w.now }}
}

func (w *world) open() {
	w.t.Helper()
	l, err := Open(w.t.Context(), w.options())
	require.NoError(w.t, err)
	w.Ledger = l
}

// restart closes the ledger and opens it again.
func (w *world) restart() {
	w.t.Helper()
	require.NoError(w.t, w.Close())
	w.open()
}

// reader opens the ledger a second time, read-only.
func (w *world) reader() *Ledger {
	w.t.Helper()
	o := w.options()
	o.ReadOnly = true
	l, err := Open(w.t.Context(), o)
	require.NoError(w.t, err)
	w.t.Cleanup(func() { assert.NoError(w.t, l.Close()) })
	return l
}

// raw is a connection that goes round the package, as somebody with an editor would.
func (w *world) raw() *sql.DB {
	w.t.Helper()
	db, err := sql.Open("sqlite", w.path+"?_pragma=busy_timeout(5000)")
	require.NoError(w.t, err)
	w.t.Cleanup(func() { assert.NoError(w.t, db.Close()) })
	return db
}

func (w *world) must(err error) {
	w.t.Helper()
	require.NoError(w.t, err)
}

func (w *world) observe(seen ...Sighting) {
	w.t.Helper()
	w.must(w.Observe(w.t.Context(), Answer{Source: "ers"}, seen))
}

func (w *world) settle(s ...Settlement) {
	w.t.Helper()
	for i := range s {
		if s[i].Source == "" {
			s[i].Source = "ers"
		}
	}
	w.must(w.Settle(w.t.Context(), s))
}

func (w *world) due() []string {
	w.t.Helper()
	work, err := w.Due(w.t.Context(), "ers", Turn{})
	w.must(err)
	out := []string{}
	for _, x := range work {
		out = append(out, fmt.Sprintf("%s %s %d", x.Ref, x.Fate, x.Attempts))
	}
	return out
}

// fates gives "ReferralRequest/1/_history/5 held no-patient" for each version of a ref, in the order of sighting,
// marks first.
func (w *world) fates(r fhir.Reference) []string {
	w.t.Helper()
	entries, err := w.Entries(w.t.Context(), Filter{Source: "ers", Ref: r})
	w.must(err)
	out := []string{}
	for _, e := range entries {
		out = append(out, strings.TrimSpace(fmt.Sprintf("%s %s %s", e.Ref, e.Fate, e.Reason.Code)))
	}
	return out
}

func (w *world) statement() Statement {
	w.t.Helper()
	s, err := w.Statement(w.t.Context())
	w.must(err)
	assert.True(w.t, s.Balanced(), "%+v", s)
	return s
}

func ref(id string, version ...string) fhir.Reference {
	return fhir.Reference{Type: "ReferralRequest", ID: id, Version: strings.Join(version, "")}
}

func body(id, version, status string) []byte {
	return fmt.Appendf(nil, `{"resourceType":"ReferralRequest","id":%q,"meta":{"versionId":%q},"status":%q}`, id, version, status)
}

func record(object, key string, fields ...sobject.Field) sobject.Record {
	return sobject.Record{Object: object, Key: sobject.Key{Field: "Bridge_Key__c", Value: key}, Fields: fields}
}

func field(name, text string) sobject.Field {
	return sobject.Field{Name: name, Value: sobject.TextValue(text)}
}

func TestANewLedgerIsEmptyBalancedAndItsFilesArePrivate(t *testing.T) {
	w := newWorld(t)
	assert.Equal(t, Statement{}, w.statement())
	assert.NoError(t, w.Verify(t.Context()))
	w.observe(Sighting{Ref: ref("1", "1")})

	info, err := os.Stat(filepath.Dir(w.path))
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o700), info.Mode().Perm())
	files, err := os.ReadDir(filepath.Dir(w.path))
	require.NoError(t, err)
	require.Len(t, files, 4, "ledger.db, -wal, -shm and the lock")
	for _, f := range files {
		info, err := f.Info()
		require.NoError(t, err)
		assert.Equal(t, os.FileMode(0o600), info.Mode().Perm(), f.Name())
	}
}

func TestAFileOrDirectoryThatIsOpenToOthersIsRefused(t *testing.T) {
	dir := filepath.Join(t.TempDir(), "open")
	require.NoError(t, os.Mkdir(dir, 0o700))
	path := filepath.Join(dir, "ledger.db")
	require.NoError(t, os.WriteFile(path, nil, 0o600))
	require.NoError(t, os.Chmod(path, 0o640))
	_, err := Open(t.Context(), Options{Path: path, Key: testKey()})
	assert.ErrorContains(t, err, "mode 0640")

	require.NoError(t, os.Chmod(path, 0o600))
	require.NoError(t, os.Chmod(dir, 0o777))
	_, err = Open(t.Context(), Options{Path: path, Key: testKey()})
	assert.ErrorContains(t, err, "mode 0777")
}

func TestAPathWithCharactersThatMeanSomethingInAURLIsAFileName(t *testing.T) {
	path := filepath.Join(t.TempDir(), "a b?c#d%20", "ledger?mode=memory.db")
	l, err := Open(t.Context(), Options{Path: path, Key: testKey()})
	require.NoError(t, err)
	require.NoError(t, l.Close())
	assert.FileExists(t, path)
}

func TestASecondWriterIsRefusedUntilTheFirstHasClosed(t *testing.T) {
	w := newWorld(t)
	_, err := Open(t.Context(), w.options())
	require.ErrorIs(t, err, ErrLocked)
	w.observe(Sighting{Ref: ref("1", "1")})
	w.restart()
	assert.Equal(t, 1, w.statement().Observed)
}

func TestAWriterThatWasOvertakenChangesNothing(t *testing.T) {
	w := newWorld(t)
	_, err := w.raw().Exec(`UPDATE writer SET epoch = epoch + 1`)
	require.NoError(t, err)

	err = w.Observe(t.Context(), Answer{Source: "ers"}, []Sighting{{Ref: ref("1", "1")}})
	require.ErrorIs(t, err, ErrFenced)
	assert.Equal(t, Statement{}, w.statement())
}

func TestAReaderWorksBesideAWriterAndAfterItAndCannotWrite(t *testing.T) {
	w := newWorld(t)
	r := w.reader()
	w.observe(Sighting{Ref: ref("1", "1"), Body: body("1", "1", "active")})
	work, err := r.Due(t.Context(), "ers", Turn{})
	require.NoError(t, err)
	require.Len(t, work, 1)
	assert.Equal(t, body("1", "1", "active"), work[0].Body)

	err = r.Observe(t.Context(), Answer{Source: "ers"}, []Sighting{{Ref: ref("2", "1")}})
	assert.ErrorIs(t, err, ErrReadOnly)
	_, err = r.Purge(t.Context(), start())
	assert.ErrorIs(t, err, ErrReadOnly)
	_, err = r.read.Exec(`UPDATE writer SET epoch = 99`)
	assert.ErrorContains(t, err, "readonly")

	require.NoError(t, w.Close())
	s, err := w.reader().Statement(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 1, s.Observed)
	w.open()
	assert.EqualValues(t, 2, w.epoch, "two writing opens, however many readers")
}

func TestAReaderOfALedgerThatIsNotThereCreatesNothing(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	_, err := Open(t.Context(), Options{Path: path, Key: testKey(), ReadOnly: true})
	require.Error(t, err)
	assert.NoFileExists(t, path)
}

func TestAWrongKeyIsNoticedAtOpenAndFencesNobody(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "1"), Body: body("1", "1", "active")})
	require.NoError(t, w.Close())
	for _, readOnly := range []bool{false, true} {
		_, err := Open(t.Context(), Options{Path: w.path, Key: bytes.Repeat([]byte{8}, keySize), ReadOnly: readOnly})
		require.ErrorIs(t, err, ErrKey)
	}
	_, err := Open(t.Context(), Options{Path: w.path, Key: []byte("short")})
	require.ErrorContains(t, err, "5 bytes")
	w.open()
	assert.EqualValues(t, 2, w.epoch)
	assert.Equal(t, []string{"ReferralRequest/1/_history/1 pending 0"}, w.due())
}

func TestANewerSchemaIsRefusedByWritersAndReaders(t *testing.T) {
	w := newWorld(t)
	_, err := w.raw().Exec(`INSERT INTO schema_version (version, applied) VALUES (1000, 0)`)
	require.NoError(t, err)
	require.NoError(t, w.Close())
	for _, readOnly := range []bool{false, true} {
		o := w.options()
		o.ReadOnly = readOnly
		_, err := Open(t.Context(), o)
		assert.ErrorIs(t, err, ErrSchema)
	}
	_, err = w.raw().Exec(`DELETE FROM schema_version WHERE version = 1000`)
	require.NoError(t, err)
	w.open()
}

func TestAMigrationThatFailsHalfWayLeavesTheVersionBefore(t *testing.T) {
	db, err := openSQLite(emptyFile(t), false)
	require.NoError(t, err)
	defer db.Close()
	steps := func() ([]string, error) {
		return []string{"CREATE TABLE a (x BIGINT);", "CREATE TABLE b (x BIGINT); INSERT INTO nowhere VALUES (1);"}, nil
	}
	require.ErrorContains(t, migrate(t.Context(), db, steps, migration{now: start()}), "migrate to version 2")

	version, err := schemaVersion(t.Context(), db)
	require.NoError(t, err)
	assert.Equal(t, 1, version)
	var tables int
	require.NoError(t, db.QueryRow(`SELECT COUNT(*) FROM sqlite_master WHERE name IN ('a', 'b')`).Scan(&tables))
	assert.Equal(t, 1, tables, "a is there, b is not")
}

func emptyFile(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "empty.db")
	require.NoError(t, prepareFiles(path))
	return path
}

func TestACancelledContextChangesNothing(t *testing.T) {
	w := newWorld(t)
	ctx, cancel := context.WithCancel(t.Context())
	cancel()
	err := w.Observe(ctx, Answer{Source: "ers"}, []Sighting{{Ref: ref("1", "1")}})
	require.ErrorIs(t, err, context.Canceled)
	w.observe()
	assert.Equal(t, Statement{}, w.statement())
}

func TestAFullDiskFailsTheIntentKeepsReadsAndRecoversByItself(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "1"), Body: body("1", "1", "active")})
	var pages int
	require.NoError(t, w.write.QueryRow(`PRAGMA page_count`).Scan(&pages))
	_, err := w.write.Exec(fmt.Sprintf(`PRAGMA max_page_count = %d`, pages))
	require.NoError(t, err)

	big := Intent{ID: strings.Repeat("x", 100_000), Source: "ers", Ref: ref("1", "1")}
	require.ErrorContains(t, intend(t.Context(), w.Ledger, []Intent{big}), "full")
	unresolved, err := w.Unresolved(t.Context())
	require.NoError(t, err)
	assert.Empty(t, unresolved)
	assert.Len(t, w.due(), 1)

	_, err = w.write.Exec(`PRAGMA max_page_count = 1000000`)
	require.NoError(t, err)
	require.NoError(t, intend(t.Context(), w.Ledger, []Intent{big}))
	assert.NoError(t, w.Verify(t.Context()))
}

// intend writes intents down under the ids that they have.
func intend(ctx context.Context, l *Ledger, intents []Intent) error {
	_, err := l.Intend(ctx, intents)
	return err
}

func imagesOf(records ...sobject.Record) []Image {
	out := make([]Image, len(records))
	for i, r := range records {
		out[i] = Image{Record: r}
	}
	return out
}

// image returns what is known of one row.
func image(t *testing.T, l *Ledger, object, key string) (sobject.Record, bool) {
	t.Helper()
	rows, err := l.Rows(t.Context(), object, []string{key})
	require.NoError(t, err)
	return rows[key].Image.Record, rows[key].Known
}

// imagesOfRef returns what is known of the rows of a ref, parents first.
func imagesOfRef(t *testing.T, l *Ledger, source string, ref fhir.Reference) []sobject.Record {
	t.Helper()
	rows, err := l.RowsOf(t.Context(), source, ref)
	require.NoError(t, err)
	var out []sobject.Record
	for _, r := range rows {
		if r.Known {
			out = append(out, r.Image.Record)
		}
	}
	return out
}
