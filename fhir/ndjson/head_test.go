package ndjson

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"refbridge/fhir"
)

func TestHeadReadsWhatARecordIsCalled(t *testing.T) {
	for text, want := range map[string]string{
		`{"resourceType":"Patient","id":"1","active":true}`:                                                                    "Patient/1",
		` { "id" : "1" , "resourceType" : "Patient" } `:                                                                        "Patient/1",
		`{"meta":{"id":"no","tag":[{"id":"2"}]},"id":"1","a":[1,-2.5e3,null],"resourceType":"A"}`:                              "A/1",
		`{"text":"a \"quoted, {[ text\\","contained":[{"resourceType":"X","id":"x"}],"n":1,"resourceType":"Patient","id":"1"}`: "Patient/1",
		`{"resourceType":"Bundle","id":"1"}`:                                                                                   "",
		`{"resourceType":"Patient"}`:                                                                                           "",
		`{"id":"1"}`:                                                                                                           "",
		`{"id":1,"resourceType":"Patient"}`:                                                                                    "",
		`{"i\u0064":"1","resourceType":"P","x":1`:                                                                              "",
		`{"id":"1\u0031","resourceType":"P"}`:                                                                                  "",
		`{"a":"unended`:                                                                                                        "",
		`[]`:                                                                                                                   "",
		``:                                                                                                                     "",
		`{`:                                                                                                                    "",
	} {
		typ, id, ok := head([]byte(text))
		if want == "" {
			assert.False(t, ok, text)
			continue
		}
		assert.True(t, ok, text)
		assert.Equal(t, want, typ+"/"+id, text)
	}
}

// FuzzHead holds that head never says anything else of a good record than its parser.
func FuzzHead(f *testing.F) {
	for _, seed := range []string{good, indented, `{"a":"\\\"","id":"1","resourceType":"Patient"}`, `{"a":[{"id":"2"},"]"],"resourceType":"Patient","id":"1"}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		typ, id, ok := head(text)
		r, err := fhir.Parse(text)
		if !ok || err != nil {
			return
		}
		assert.Equal(t, r.Type()+"/"+r.ID(), typ+"/"+id)
	})
}
