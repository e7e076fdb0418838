package ledger

import (
	"compress/gzip"
	"database/sql"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// old unpacks a ledger that an older refbridge wrote, of schema 1 or 7, and returns its path. Its records are synthetic: applied, dead,
// held, pending and unknown ones, an unread answer, a spent ration, a proposed write-back, and an update and a create whose outcome nobody
// saw, which kept no values then.
func old(t *testing.T, version int) string {
	t.Helper()
	packed, err := os.Open(fmt.Sprintf("testdata/ledger-%d.db.gz", version))
	require.NoError(t, err)
	defer packed.Close()
	text, err := gzip.NewReader(packed)
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "data", "ledger.db")
	require.NoError(t, prepareFiles(path))
	file, err := os.OpenFile(path, os.O_WRONLY, 0)
	require.NoError(t, err)
	_, err = io.Copy(file, text)
	require.NoError(t, err)
	require.NoError(t, file.Close())
	return path
}

// contents are all rows of all tables.
func contents(t *testing.T, path string) map[string][]string {
	t.Helper()
	db, err := openSQLite(path, true)
	require.NoError(t, err)
	defer db.Close()
	out := map[string][]string{}
	for _, table := range columnOf(t, db, `SELECT name FROM sqlite_master WHERE type IN ('table', 'index') AND name NOT LIKE 'sqlite_%' ORDER BY name`) {
		out["made "+table] = columnOf(t, db, `SELECT COALESCE(sql, '') FROM sqlite_master WHERE name = '`+table+`'`)
		if kind := columnOf(t, db, `SELECT type FROM sqlite_master WHERE name = '`+table+`'`); kind[0] != "table" {
			continue
		}
		cells := strings.Join(columnOf(t, db, `SELECT 'quote("' || name || '")' FROM pragma_table_info('`+table+`')`), ` || '|' || `)
		out[table] = columnOf(t, db, `SELECT `+cells+` FROM "`+table+`" ORDER BY 1`)
	}
	return out
}

func columnOf(t *testing.T, db *sql.DB, query string) (out []string) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	require.NoError(t, err)
	defer rows.Close()
	for rows.Next() {
		var text string
		require.NoError(t, rows.Scan(&text))
		out = append(out, text)
	}
	require.NoError(t, rows.Err())
	return out
}

// opened opens a ledger, which brings it up to date, and closes it again; what it holds is checked.
func opened(t *testing.T, path string) map[string][]string {
	t.Helper()
	w := &world{t: t, path: path, now: start()}
	w.open()
	require.NoError(t, w.Verify(t.Context()))
	w.statement()
	require.NoError(t, w.Close())
	out := contents(t, path)
	delete(out, "epoch") // who writes: each opening is another
	return out
}

// A migration that is killed after any of its statements is made again, and ends as one that nobody killed (fault O15).
func TestFinding_O15_AMigrationThatIsKilledAtAnyStatementIsMadeAgain(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	steps, err := schema()
	require.NoError(t, err)
	for _, from := range []int{1, 7} {
		calm := opened(t, old(t, from))
		assert.Equal(t, calm, opened(t, old(t, from)), "two that nobody killed are alike")
		for version := from + 1; version <= len(steps); version++ {
			for made := range len(statements(steps[version-1])) + 2 {
				left := old(t, from)
				kill(t, left, fmt.Sprintf("version %d, %d made", version, made))
				require.Equal(t, calm, opened(t, left), "from %d, to version %d, killed after %d statements", from, version, made)
			}
		}
	}
}

// What an older refbridge left in doubt is still in doubt, and says so: no value of it is known.
func TestALedgerOfTheStateBeforeKeepsItsDoubts(t *testing.T) {
	for _, from := range []int{1, 7} {
		w := &world{t: t, path: old(t, from), now: start()}
		w.open()
		open, err := w.Unresolved(t.Context())
		require.NoError(t, err)
		require.Len(t, open, 2)
		for _, in := range open {
			assert.Empty(t, in.Meant.Object, "nothing is known of what it meant")
		}
		rows, err := w.RowsOf(t.Context(), "ers", ref("created"))
		require.NoError(t, err)
		require.Len(t, rows, 1, "the row that it may have made is looked for")
		assert.Equal(t, "ers.sr.created", rows[0].Key)
		assert.False(t, rows[0].Known)
		assert.Len(t, w.unread("ers"), 1)
		assert.ErrorIs(t, w.Spend(t.Context(), "a008/21012", "2026-03-29", 1), ErrSpent)
		require.NoError(t, w.Close())
	}
}
