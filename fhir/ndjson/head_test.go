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

func TestTypeOfReadsTheTypeWhereverItStands(t *testing.T) {
	for text, want := range map[string]string{
		`{"resourceType":"Patient","contained":[{"resourceType":"X"}]}`:                     "Patient",
		` { "id" : "1" , "resourceType" : "Patient" } `:                                     "Patient",
		`{"contained":[{"resourceType":"X","id":"x"}],"resourceType":"A","z":{"a":["}"]}} `: "A",
		`{"contained":[{"resourceType":"X","id":"x"}], "resourceType" : "A" }`:              "A",
		`{"n":1,"a":[],"resourceType":"A"}`:                                                 "A",
		`{"a":[],"resourceType":"A","z":["resourceType"]}`:                                  "",
		`{"a":{},"resourceType":"A","contained":[{"resourceType":"X"}]}`:                    "",
		`{"a":{},"resourceType":"A","z":"so \"resourceType"}`:                               "",
		`{"a":{},"resourceType":"A","so \"resourceType":"B"}`:                               "",
		`{"a":{},"resource\u0054ype":"A","contained":[{"resourceType":"X"}]}`:               "",
		`{"a":[{"resourceType":"X"}]}`:                                                      "",
		`{"a":[],"resourceType":"A\u0062"}`:                                                 "",
		`{"a":[],"resourceType":1}`:                                                         "",
		`{"a":[],"T":"T"}`:                                                                  "",
		`{"type":"collection","entry":[{}],"resourceType":"Bundle"}`:                        "",
		`{"resourceType":"Bundle"}`:                                                         "",
		`{"id":"1"}`:                                                                        "",
		`["resourceType"]`:                                                                  "",
		`{"a":[`:                                                                            "",
		`{`:                                                                                 "",
		``:                                                                                  "",
	} {
		typ, ok := typeOf([]byte(text))
		assert.Equal(t, want != "", ok, text)
		if ok {
			assert.Equal(t, want, typ, text)
		}
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
		require.Equal(t, byteByByte(text), bracketed(text, 0), "%q", text)
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

// FuzzHead holds that head and typeOf never say anything else of a good record than its parser.
func FuzzHead(f *testing.F) {
	for _, seed := range []string{good, indented, `{"a":"\\\"","id":"1","resourceType":"Patient"}`, `{"a":[{"id":"2"},"]"],"resourceType":"Patient","id":"1"}`,
		`{"a":[{"resourceType":"X"}],"resourceType":"Patient","z":["resourceType",":"]}`, `{"a":[],"b":"\\","resourceType":"Patient","c":{"resourceType":"X"}}`} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := fhir.Parse(text)
		if err != nil {
			return
		}
		if typ, id, ok := head(text); ok {
			assert.Equal(t, r.Type()+"/"+r.ID(), typ+"/"+id)
		}
		if typ, ok := typeOf(text); ok {
			assert.Equal(t, r.Type(), typ)
		}
	})
}
