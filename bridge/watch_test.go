package bridge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

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

func TestFinding_cost_P9_TheNextLookReadsWhatIsNewsAndNothingElse(t *testing.T) {
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	_, first := seen{}.news(rowsAt("a", 0, "b", 60, "c", 120), noon.Add(5*time.Minute))
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
		keys, next := first.news(c.listed, noon.Add(10*time.Minute))
		if c.want == nil {
			assert.Empty(t, keys, c.name)
		} else {
			assert.Equal(t, c.want, keys, c.name)
		}
		again, _ := next.news(c.listed, noon.Add(20*time.Minute))
		assert.Empty(t, again, "%s: the look after that", c.name)
	}
}

func TestTheSecondOfTheNewestRowIsReadOnceMore(t *testing.T) {
	noon := time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	rows := rowsAt("a", 0, "b", 60, "c", 120, "d", 120)
	_, first := seen{}.news(rows, noon.Add(121*time.Second))
	keys, second := first.news(rows, noon.Add(10*time.Minute))
	assert.Equal(t, []string{"c", "d"}, keys, "one of them may have been edited in the second in which it was read")
	keys, _ = second.news(rows, noon.Add(20*time.Minute))
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
