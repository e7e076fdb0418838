package measure

import (
	"encoding/json"
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
		{Path: "ServiceRequest.new", Records: 1, Since: day(9)},  // the record had it not before
		{Path: "ServiceRequest.late", Records: 1, Since: day(5)}, // it came with a new record, days after the first
		{Path: "ServiceRequest.known", Records: 2, Since: day(2), Standing: true}}, paths)
	assert.Equal(t, []LiveCode{{UnlistedCode: mapping.UnlistedCode{Table: "state", Rule: "t.yaml:21", System: "https://example.org/states", Code: "C",
		Unlisted: "hold", Object: "Thing__c", Field: "Status__c"}, Records: 2, Since: day(2), Standing: true}}, codes)
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
