package back

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/bridgetest"
	"refbridge/sfdc/sobject"
)

// rowsAt are rows of Salesforce by key, stamped so many seconds after noon.
func rowsAt(stamps ...any) []sobject.Record {
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	var out []sobject.Record
	for i := 0; i < len(stamps); i += 2 {
		out = append(out, sobject.Record{Key: sobject.Key{Value: stamps[i].(string)},
			Modified: noon.Add(time.Duration(stamps[i+1].(int)) * time.Second)})
	}
	return out
}

// newsOf is what a look says of the listed rows, in whatever pages they come.
func newsOf(t *testing.T, s seen, listed []sobject.Record, now time.Time) (keys []string, next seen) {
	t.Helper()
	for size := 1; size <= len(listed)+1; size++ {
		l := s.look()
		var got []string
		for page := range slices.Chunk(listed, size) {
			got = append(got, l.take(page)...)
		}
		rest, end := l.end(now)
		if got = append(got, rest...); size == 1 {
			keys, next = got, end
			continue
		}
		assert.Equal(t, keys, got, "pages of %d", size)
		assert.Equal(t, next, end, "pages of %d", size)
	}
	return keys, next
}

func TestFinding_code_T15_ALookRemembersOnlyWhatIsNearTheNewestRow(t *testing.T) {
	l := seen{}.look()
	for second := 0; second < 10_000; second++ {
		l.take(rowsAt("k", second))
		require.LessOrEqual(t, len(l.recent)+len(l.overlap), 301, "five minutes of rows, one a second")
	}
}

func TestFinding_cost_P9_TheNextLookReadsWhatIsNewsAndNothingElse(t *testing.T) {
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	_, first := newsOf(t, seen{}, rowsAt("a", 0, "b", 60, "c", 120), noon.Add(5*time.Minute))
	assert.Equal(t, first, parseSeen(first.String()))
	for _, c := range []struct {
		name   string
		listed []sobject.Record
		want   []string
	}{
		{"nothing happened", rowsAt("a", 0, "b", 60, "c", 120), nil},
		{"a row is new", rowsAt("a", 0, "b", 60, "c", 120, "d", 130), []string{"d"}},
		{"a row is new, stamped like the newest", rowsAt("a", 0, "b", 60, "c", 120, "d", 120), []string{"a", "b", "c", "d"}},
		{"a person edited a row", rowsAt("a", 0, "c", 120, "b", 200), []string{"a", "c", "b"}},
		{"a commit became visible late", rowsAt("a", 0, "x", 30, "b", 60, "c", 120), []string{"a", "x", "b", "c"}},
		{"an edit of a row became visible late, and the newest stays", rowsAt("b", 60, "a", 90, "c", 120), []string{"b", "a", "c"}},
		{"a row was deleted", rowsAt("a", 0, "c", 120), []string{"a", "c"}},
	} {
		keys, next := newsOf(t, first, c.listed, noon.Add(10*time.Minute))
		if c.want == nil {
			assert.Empty(t, keys, c.name)
		} else {
			assert.Equal(t, c.want, keys, c.name)
		}
		again, _ := newsOf(t, next, c.listed, noon.Add(20*time.Minute))
		assert.Empty(t, again, "%s: the look after that", c.name)
	}
}

func TestTheSecondOfTheNewestRowIsReadOnceMore(t *testing.T) {
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	rows := rowsAt("a", 0, "b", 60, "c", 120, "d", 120)
	_, first := newsOf(t, seen{}, rows, noon.Add(121*time.Second))
	keys, second := newsOf(t, first, rows, noon.Add(10*time.Minute))
	assert.Equal(t, []string{"c", "d"}, keys, "one of them may have been edited in the second in which it was read")
	keys, _ = newsOf(t, second, rows, noon.Add(20*time.Minute))
	assert.Empty(t, keys)
}

func TestTheOverlapShrinksOnceAnOrgIsQuiet(t *testing.T) {
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name           string
		newest, looked time.Time
		want           time.Time
	}{
		{"never looked", time.Time{}, time.Time{}, time.Time{}},
		{"looked right after the newest row", noon, noon.Add(time.Second), noon.Add(-5 * time.Minute)},
		{"looked four minutes later", noon, noon.Add(4 * time.Minute), noon.Add(-3 * time.Minute)},
		{"looked long after it", noon, noon.Add(time.Hour), noon},
		{"a cursor of an older release", noon, time.Time{}, noon.Add(-5 * time.Minute)},
	} {
		assert.Equal(t, c.want, seen{newest: c.newest, looked: c.looked}.since(), c.name)
	}
}

// How far the watch of Salesforce is after it has listed rows.
func TestHowFarAWatchIs(t *testing.T) {
	at := func(seconds int) time.Time { return bridgetest.Noon().Add(time.Duration(seconds) * time.Second) }
	row := func(key string, seconds int) sobject.Record {
		return sobject.Record{Key: sobject.Key{Value: key}, Modified: at(seconds)}
	}
	for _, c := range []struct {
		about  string
		listed []sobject.Record
		newest time.Time
	}{
		{"nothing is listed", nil, at(0)},
		{"older rows of the overlap", []sobject.Record{row("a", -60)}, at(0)},
		{"the newest again", []sobject.Record{row("a", -60), row("b", 0)}, at(0)},
		{"a newer one", []sobject.Record{row("a", -60), row("b", 5)}, at(5)},
	} {
		_, next := newsOf(t, seen{newest: at(0), looked: at(0)}, c.listed, at(60))
		assert.True(t, c.newest.Equal(next.newest), "%s: %s", c.about, next.newest)
		assert.True(t, at(60).Equal(next.looked), c.about)
	}
}
