package ndjson

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

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

func TestBracketedEndsWhereItsFirstBracketIsClosed(t *testing.T) {
	signs := "{}[]{}[]\"\"\\,:a b;~\x00Z|\xdb\xfb\xa2\xdc"
	random := rand.New(rand.NewPCG(1, 2))
	for range 100_000 {
		text := []byte("{")
		for range random.IntN(60) {
			text = append(text, signs[random.IntN(len(signs))])
		}
		require.Equal(t, byteByByte(text), bracketed(text), "%q", text)
	}
}

// byteByByte is bracketed as one would write it.
func byteByByte(text []byte) int {
	depth, inside := 0, false
	for i := 0; i < len(text); i++ {
		switch c := text[i]; {
		case c == '"':
			inside = !inside
		case inside && c == '\\':
			i++
		case inside:
		case bytes.IndexByte([]byte("{["), c) >= 0:
			depth++
		case bytes.IndexByte([]byte("}]"), c) >= 0:
			if depth--; depth == 0 {
				return i + 1
			}
		}
	}
	return len(text)
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
