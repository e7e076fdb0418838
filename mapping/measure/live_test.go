package measure

import (
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/mapping"
)

func TestLiveDataIsCountedByRecordsAndTellsTheNewestFirst(t *testing.T) {
	l := NewLive(tables(t, map[string]string{"t.yaml": coverTable}))
	day := func(n int) time.Time { return time.Date(2026, 6, n, 0, 0, 0, 0, time.UTC) }
	state := func(code string) string {
		return `"extension":[{"url":"https://example.org/state","valueCoding":{"system":"https://example.org/states","code":"` + code + `"}}]`
	}
	l.Add("a", day(9), sample(t, `{"resourceType":"ServiceRequest","id":"1","known":"x","new":"y"}`))
	l.Add("a", day(2), sample(t, `{"resourceType":"ServiceRequest","id":"1","known":"x",`+state("C")+`}`))
	l.Add("b", day(5), sample(t, `{"resourceType":"ServiceRequest","id":"2","known":"x","late":"z",`+state("C")+`}`))
	paths, codes := l.Found()
	assert.Equal(t, []LivePath{
		{Path: "ServiceRequest.new", Records: 1, Since: day(9), Before: 2},  // the record had it not before
		{Path: "ServiceRequest.late", Records: 1, Since: day(5), Before: 1}, // it came with a new record, days after the first
		{Path: "ServiceRequest.known", Records: 2, Since: day(2), Standing: true}}, paths)
	assert.Equal(t, []LiveCode{{UnlistedCode: mapping.UnlistedCode{Table: "state", Rule: "t.yaml:21", System: "https://example.org/states", Code: "C",
		Unlisted: "hold", Object: "Thing__c", Field: "Status__c"}, Records: 2, Since: day(2), Standing: true}}, codes)
}

// sending gives the one path or code that is not accounted for, of a source whose nth body, from the newest, carries it or not.
func sending(t *testing.T, bodies int, every time.Duration, carries func(n int) bool) LivePath {
	t.Helper()
	l := NewLive(tables(t, map[string]string{"a.yaml": "object: Thing\nsource: ServiceRequest\nkey: {field: Bridge_Key__c, from: id}\nrows:\n  - {field: Status, from: status}\n"}))
	newest := time.Date(2026, 6, 30, 0, 0, 0, 0, time.UTC)
	for n := range bodies {
		more := ""
		if carries(n) {
			more = `,"extension":[{"url":"https://example.org/new","valueString":"x"}]`
		}
		l.Add(fmt.Sprint("ServiceRequest/r", n), newest.Add(-time.Duration(n)*every), sample(t, fmt.Sprintf(`{"resourceType":"ServiceRequest","id":"r%d","status":"active"%s}`, n, more)))
	}
	paths, codes := l.Found()
	require.Len(t, paths, 1)
	require.Empty(t, codes)
	return paths[0]
}

func TestABusySourceHasNewsWithinADay(t *testing.T) {
	p := sending(t, 2000, 36*time.Second, func(n int) bool { return n < 50 })
	assert.False(t, p.Standing, "2000 bodies of 20 hours, and the newest 50 have it")
	assert.Equal(t, []int{50, 1950}, []int{p.Records, p.Before})
	assert.False(t, sending(t, 2000, 36*time.Second, func(n int) bool { return n == 0 }).Standing, "the first of them is news already")
	assert.True(t, sending(t, 2000, 36*time.Second, func(n int) bool { return n > 1990 }).Standing, "the oldest have it")
}

func TestWhatFewRecordsAlwaysHadIsNoNews(t *testing.T) {
	r, news := rand.New(rand.NewPCG(1, 2)), 0
	for range 20 {
		if !sending(t, 2000, 20*time.Minute, func(int) bool { return r.IntN(50) == 0 }).Standing {
			news++
		}
	}
	assert.LessOrEqual(t, news, 1, "2 % of the records have it, from the start")
	assert.False(t, sending(t, 2000, 20*time.Minute, func(n int) bool { return n < 1000 && n%50 == 0 }).Standing, "2 % of the newer half is news")
}

func TestNothingAboutAPersonIsInWhatLiveDataTells(t *testing.T) {
	l := NewLive(starterTables(t))
	for _, in := range plantedSamples(t) {
		l.Add("x", time.Now(), in)
	}
	paths, codes := l.Found()
	require.NotEmpty(t, paths)
	text, err := json.Marshal([]any{paths, codes})
	require.NoError(t, err)
	for _, marker := range []string{"Zebedee", "Quillfeather", "9434765919"} {
		assert.NotContains(t, string(text), marker)
	}
}
