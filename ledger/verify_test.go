package ledger

import (
	"bytes"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
)

// ciphertexts gives every encrypted column that is not erased, by table and row.
func (w *world) ciphertexts() map[string][]byte {
	w.t.Helper()
	out := map[string][]byte{}
	for _, query := range []string{
		`SELECT 'versions ' || id || ' ' || version, body FROM versions WHERE body IS NOT NULL`,
		`SELECT 'inbox ' || nr, body FROM inbox WHERE body IS NOT NULL`,
		`SELECT 'images ' || record_key, body FROM images WHERE body IS NOT NULL`,
	} {
		rows, err := w.read.Query(query)
		w.must(err)
		for rows.Next() {
			var place string
			var sealed []byte
			w.must(rows.Scan(&place, &sealed))
			out[place] = sealed
		}
		w.must(rows.Close())
	}
	return out
}

// onDisk tells whether bytes stand in the database file or in one of the files beside it.
func (w *world) onDisk(needle []byte) bool {
	w.t.Helper()
	files, err := filepath.Glob(w.path + "*")
	w.must(err)
	require.NotEmpty(w.t, files)
	for _, f := range files {
		content, err := os.ReadFile(f)
		w.must(err)
		if bytes.Contains(content, needle) {
			return true
		}
	}
	return false
}

// lived is a ledger with a row in every table.
func lived(t *testing.T) *world {
	w := newWorld(t)
	id, err := w.Receive(t.Context(), Answer{Source: "ers", Kind: "worklist", Body: []byte("Quillfeather 9990000018")}, Cursor{"since", "x"})
	require.NoError(t, err)
	w.must(w.Spend(t.Context(), "a008.svc1", "2026-03-29", 2))
	w.must(w.Observe(t.Context(), Answer{ID: id, Source: "ers"}, []Sighting{
		{Ref: ref("1", "5"), Body: body("1", "5", "Quillfeather 9990000018")}, {Ref: ref("2", "1"), Body: body("2", "1", "Quillfeather")}, {Ref: ref("3")},
		{Ref: ref("4", "1"), Reason: Reason{Code: "unreadable-entry"}}}))
	w.must(intend(t.Context(), w.Ledger, []Intent{{ID: "op", Source: "ers", Ref: ref("1", "5"), Object: "Account", Key: "k", Digest: "d"}}))
	images := []sobject.Record{record("Account", "k", field("LastName", "Quillfeather"), field("NHS__c", "9990000018")), record("ClinicalServiceRequest", "ers.sr.1")}
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied, Known: &Known{Version: "5", Digest: "d"}, Images: imagesOf(images...), Intents: []string{"op"}})
	w.must(intend(t.Context(), w.Ledger, []Intent{{ID: "open", Source: "ers", Ref: ref("1", "5"), Object: "Account", Key: "k", Digest: "e",
		Meant: record("Account", "k", field("LastName", "Quillfeather"))}}))
	p := proposal("5", "Accepted: Quillfeather will attend", Waiting)
	p.From = "9990000018"
	w.must(w.Propose(t.Context(), []Writeback{p}))
	require.NoError(t, w.Verify(t.Context()))
	return w
}

func TestNothingAboutAPersonStandsInTheFilesThoughTheAPIGivesItBack(t *testing.T) {
	w := lived(t)
	for range 2 { // with the write-ahead log full, and after a restart with it empty
		for _, marker := range []string{"Quillfeather", "9990000018", "999 000 0018", "Accepted: Q"} {
			assert.False(t, w.onDisk([]byte(marker)), marker)
		}
		assert.True(t, w.onDisk([]byte("a008.svc1")), "this is where it would be found")
		got, _ := image(t, w.Ledger, "Account", "k")
		name, _ := got.Get("LastName")
		assert.Equal(t, "Quillfeather", name.Reveal())
		assert.Equal(t, "Accepted: Quillfeather will attend", w.writebacks()[0].To)
		w.restart()
	}
}

func TestEveryChangeOfARowIsNoticed(t *testing.T) {
	w := lived(t)
	db := w.raw()
	type column struct{ table, name, typ string }
	var columns []column
	for _, table := range strings.Fields("counters budgets cursors inbox refs versions images image_links intents writebacks chain chain_head") {
		rows, err := db.Query(`SELECT name, type FROM pragma_table_info('` + table + `')`)
		require.NoError(t, err)
		for rows.Next() {
			c := column{table: table}
			require.NoError(t, rows.Scan(&c.name, &c.typ))
			columns = append(columns, c)
		}
		require.NoError(t, rows.Close())
	}
	require.Greater(t, len(columns), 100)
	for _, c := range columns {
		change := map[string]string{"TEXT": c.name + ` || 'x'`, "BIGINT": c.name + ` + 1`, "BYTEA": `CAST(substr(` + c.name + `, 1, 20) AS BLOB)`}[c.typ]
		if c.name == "one" {
			continue // always 1: the table allows nothing else
		}
		where := fmt.Sprintf(`rowid = (SELECT MAX(rowid) FROM %s)`, c.table)
		if c.typ == "BYTEA" {
			where = fmt.Sprintf(`rowid = (SELECT MIN(rowid) FROM %s WHERE %s IS NOT NULL)`, c.table, c.name)
		}
		var rowid int64
		var before any
		require.NoError(t, db.QueryRow(fmt.Sprintf(`SELECT rowid, %s FROM %s WHERE %s`, c.name, c.table, where)).Scan(&rowid, &before))
		_, err := db.Exec(fmt.Sprintf(`UPDATE %s SET %s = %s WHERE rowid = %d`, c.table, c.name, change, rowid))
		require.NoError(t, err)
		assert.ErrorIs(t, w.Verify(t.Context()), ErrTampered, "%s.%s", c.table, c.name)
		_, err = db.Exec(fmt.Sprintf(`UPDATE %s SET %s = $1 WHERE rowid = %d`, c.table, c.name, rowid), before)
		require.NoError(t, err)
	}
	assert.NoError(t, w.Verify(t.Context()))
}

func TestNothingIsDecidedFromARowThatDoesNotMatchItsHash(t *testing.T) {
	w := lived(t)
	_, err := w.raw().Exec(`UPDATE versions SET fate = 'pending', version = '4' WHERE version = '5'`)
	require.NoError(t, err)
	_, err = w.raw().Exec(`UPDATE refs SET newest = '4' WHERE id = '1'`)
	require.NoError(t, err)
	_, err = w.Due(t.Context(), "ers", Turn{})
	require.ErrorIs(t, err, ErrTampered)
	err = w.Observe(t.Context(), Answer{Source: "ers"}, []Sighting{{Ref: ref("1", "6")}})
	require.ErrorIs(t, err, ErrTampered)
}

// A person with an editor can compute row hashes, too. What they cannot do is noticed by the chain and by the
// additional data.
func TestRowsThatWereRewrittenWithTheirHashesAreNoticedAllTheSame(t *testing.T) {
	rewrite := func(w *world, fn func(*tx) error) {
		w.t.Helper()
		w.must(w.update(w.t.Context(), "tamper", fn))
	}
	for name, tamper := range map[string]func(w *world, t *tx) error{
		"a fate without the chain": func(w *world, t *tx) error {
			v, _, err := loadVersion(w.t.Context(), t.sql, "ers", ref("1", "5"))
			v.fate = string(Pending)
			t.count["applied"]--
			t.count["pending"]++
			w.must(err)
			return t.put(w.t.Context(), &v)
		},
		"a fate that the chain never heard of": func(w *world, t *tx) error {
			v, _, err := loadVersion(w.t.Context(), t.sql, "ers", ref("2", "1"))
			v.fate = string(Applied)
			t.count["pending"]--
			t.count["applied"]++
			w.must(err)
			return t.put(w.t.Context(), &v)
		},
		"another row's body": func(w *world, t *tx) error {
			one, _, err := loadVersion(w.t.Context(), t.sql, "ers", ref("1", "5"))
			w.must(err)
			two, _, err := loadVersion(w.t.Context(), t.sql, "ers", ref("2", "1"))
			w.must(err)
			one.body = two.body
			return t.put(w.t.Context(), &one)
		},
		"an image of another time": func(w *world, t *tx) error {
			r, _, err := get[imageRow](w.t.Context(), t.sql, selectImages+thisRecord, "Account", "k")
			w.must(err)
			r.body = t.box.seal([]byte(`{"object":"Account"}`), r.place()...)
			return t.put(w.t.Context(), &r)
		},
		"a version that is gone": func(w *world, t *tx) error {
			t.count["observed"]--
			t.count["applied"]--
			_, err := t.sql.Exec(`DELETE FROM versions WHERE version = '5'`)
			return err
		},
		"an image that is gone": func(w *world, t *tx) error {
			_, err := t.sql.Exec(`DELETE FROM image_links WHERE record_key = 'k'`)
			w.must(err)
			_, err = t.sql.Exec(`DELETE FROM images WHERE record_key = 'k'`)
			return err
		},
		"a pending version that is gone": func(w *world, t *tx) error {
			_, err := t.sql.Exec(`DELETE FROM versions WHERE id = '2'`)
			return err
		},
		"an entry dropped from the chain": func(w *world, t *tx) error {
			_, err := t.sql.Exec(`DELETE FROM chain WHERE seq = 2`)
			return err
		},
		"the end of the chain cut": func(w *world, t *tx) error {
			_, err := t.sql.Exec(`DELETE FROM chain WHERE seq = (SELECT MAX(seq) FROM chain)`)
			return err
		},
		"two entries in the other order": func(w *world, t *tx) error {
			_, err := t.sql.Exec(`UPDATE chain SET seq = -seq WHERE seq IN (2, 3)`)
			w.must(err)
			_, err = t.sql.Exec(`UPDATE chain SET seq = 5 + seq WHERE seq < 0`)
			return err
		},
	} {
		w := lived(t)
		rewrite(w, func(t *tx) error { return tamper(w, t) })
		assert.ErrorIs(t, w.Verify(t.Context()), ErrTampered, name)
	}
}

func TestVerifyReportsNoMoreThanAPersonCanReadAndNoContent(t *testing.T) {
	w := lived(t)
	for i := range 30 {
		w.observe(Sighting{Ref: ref(fmt.Sprint(100+i), "1"), Body: body("1", "1", "Quillfeather")})
	}
	_, err := w.raw().Exec(`UPDATE versions SET attempts = 9`)
	require.NoError(t, err)
	err = w.Verify(t.Context())
	require.ErrorIs(t, err, ErrTampered)
	assert.Equal(t, maxFaults, strings.Count(err.Error(), "\n")+1)
	assert.NotContains(t, err.Error(), "Quillfeather")
}

func TestTheHeadOfTheChainMovesWithEachEntry(t *testing.T) {
	w := newWorld(t)
	seq, hash, err := w.Head(t.Context())
	require.NoError(t, err)
	assert.Zero(t, seq)
	assert.Empty(t, hash)
	w.observe(Sighting{Ref: ref("1", "1")})
	w.settle(Settlement{Ref: ref("1", "1"), Fate: Applied})
	seq, hash, err = w.Head(t.Context())
	require.NoError(t, err)
	assert.EqualValues(t, 1, seq)
	assert.Len(t, hash, 64)
}
