package rest

import (
	"errors"
	"fmt"
	"net/http"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"refbridge/fhir"
)

// badEntries are entries that cannot be used, each with what is known of its name.
var badEntries = []struct{ what, raw, name string }{
	{"a member twice", `{"resource":{"resourceType":"ServiceRequest","id":"b1","status":"active","status":"revoked"}}`, "ServiceRequest/b1"},
	{"a member twice far down", `{"resource":{"resourceType":"ServiceRequest","id":"b2","code":{"text":"a","text":"b"}}}`, "ServiceRequest/b2"},
	{"the id twice", `{"resource":{"resourceType":"ServiceRequest","id":"b3","id":"b4"}}`, ""},
	{"half an emoji", `{"resource":{"resourceType":"ServiceRequest","id":"b5","code":{"text":"cut \ud83d"}}}`, "ServiceRequest/b5"},
	{"the other half", `{"resource":{"resourceType":"ServiceRequest","id":"b6","code":{"text":"\uDE00 cut"}}}`, "ServiceRequest/b6"},
	{"one byte of Latin-1", "{\"resource\":{\"resourceType\":\"ServiceRequest\",\"id\":\"b7\",\"code\":{\"text\":\"caf\xe9\"}}}", "ServiceRequest/b7"},
	{"Latin-1 before the quote", "{\"resource\":{\"id\":\"b8\xe9\",\"resourceType\":\"Patient\"}}", ""},
	{"a raw line feed", "{\"resource\":{\"resourceType\":\"Patient\",\"id\":\"b9\",\"a\":\"x\ny\"}}", "Patient/b9"},
	{"an unknown escape", `{"resource":{"resourceType":"Patient","id":"c1","a":"\x"}}`, "Patient/c1"},
	{"a literal that is none", `{"resource":{"resourceType":"Patient","id":"c2","active":True}}`, "Patient/c2"},
	{"a comma too many", `{"resource":{"resourceType":"Patient","id":"c3","a":[1,]}}`, "Patient/c3"},
	{"a missing comma", `{"resource":{"resourceType":"Patient","id":"c4"}} {"resource":{"resourceType":"Patient","id":"c5"}}`, ""},
	{"an id like an NHS number", `{"resource":{"resourceType":"Patient","id":"999-000-0018","a":nil}}`, ""},
	{"nested without end", `{"resource":{"resourceType":"Patient","id":"c6","a":` + strings.Repeat("[", 500) + strings.Repeat("]", 500) + `}}`, "Patient/c6"},
	{"nothing", ``, ""},
	{"an empty object", `{}`, ""},
	{"null", `null`, ""},
	{"a text", `"entry"`, ""},
	{"a list", `[{"resource":{"resourceType":"Patient","id":"c7"}}]`, ""},
	{"no id", `{"resource":{"resourceType":"Patient"}}`, ""},
	{"no resource", `{"search":{"mode":"match"}}`, ""},
}

func TestFinding_inputs_B7_OneBadEntryIsToldAloneWithItsBytesAndItsNeighboursAreRead(t *testing.T) {
	entry := func(id string) string { return `{"resource":` + patient(id) + `}` }
	for _, c := range badEntries {
		for _, space := range []string{"", "\n  "} {
			body := `{"resourceType":"Bundle","type":"searchset","entry":[` + space + entry("n1") + space + "," + space + c.raw + space + "," +
				entry("n2") + space + `],"link":[{"relation":"next","url":"?p=2"}]}`
			p, err := ReadPage([]byte(body))
			require.NoError(t, err, c.what)
			require.Len(t, p.Entries, 3, c.what)
			assert.Equal(t, "n1", p.Entries[0].Resource.ID(), c.what)
			assert.Equal(t, "n2", p.Entries[2].Resource.ID(), c.what)
			bad := p.Entries[1]
			var why *EntryError
			require.ErrorAs(t, bad.Err, &why, c.what)
			assert.Equal(t, c.raw, string(bad.Raw), c.what)
			assert.False(t, bad.Resource.Exists(), c.what)
			assert.Equal(t, 1, why.Position)
			assert.Equal(t, c.name, strings.Trim(why.Type+"/"+why.ID, "/"), c.what)
		}
	}
}

func TestABadEnvelopeFailsThePage(t *testing.T) {
	const entry = `"entry":[{"resource":{"resourceType":"Patient","id":"a"}}]`
	for what, body := range map[string]string{
		"type twice":             `{"resourceType":"Bundle","type":"searchset","type":"searchset",` + entry + `}`,
		"entry twice":            `{"resourceType":"Bundle","type":"searchset",` + entry + `,` + entry + `}`,
		"entry twice, disguised": `{"resourceType":"Bundle","type":"searchset",` + entry + `,"\u0065ntry":[]}`,
		"no end":                 `{"resourceType":"Bundle","type":"searchset",` + entry,
		"no end of the list":     `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"resourceType":"Patient","id":"a"}}`,
		"an end too many":        `{"resourceType":"Bundle","type":"searchset",` + entry + `}}`,
		"brackets crossed":       `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"a":[1}}]}`,
		"a quote too many":       `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":{"a":"b"c"}}]}`,
		"Latin-1":                "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"id\":\"\xe9\"," + entry + "}",
		"something behind":       `{"resourceType":"Bundle","type":"searchset",` + entry + `} x`,
		"something behind entry": `{"resourceType":"Bundle","type":"searchset",` + entry + ` 1}`,
		"two lists":              `{"resourceType":"Bundle","type":"searchset",` + entry + `[]}`,
	} {
		p, err := ReadPage([]byte(body))
		assert.ErrorIs(t, err, fhir.ErrSyntax, what)
		assert.Empty(t, p.Entries, what)
	}
	_, err := ReadPage([]byte(`{"resourceType":"Bundle","type":"searchset","entry":{"resource":{"resourceType":"Patient","id":"a"}}}`))
	assert.ErrorIs(t, err, ErrNotFHIR)
	_, err = ReadPage([]byte(`{"resourceType":"Bundle","type":"searchset","link":[` + strings.Repeat(`{},`, 20_000) + `{}]}`))
	assert.ErrorIs(t, err, ErrNotFHIR)
}

func TestFinding_SEC4_APageOfGarbageIsOneBadAnswerAndCostsLittle(t *testing.T) {
	page := func(one string, n int) string {
		return `{"resourceType":"Bundle","type":"searchset","entry":[` + strings.Repeat(one+",", n-1) + one + `]}`
	}
	good := `{"resource":` + patient("a") + `}`
	for what, c := range map[string]struct {
		body    string
		garbage bool
	}{
		"five million empty entries":       {page(`{}`, 5_000_000), true},
		"one bad entry too many":           {page(`{}`, maxBadEntries+1), true},
		"as many bad entries as may be":    {page(`{}`, maxBadEntries), false},
		"one entry too many":               {page(good, maxEntries+1), true},
		"as many entries as may be":        {page(good, maxEntries), false},
		"an entry of five million values":  {page(`{"resource":{"resourceType":"Patient","id":"a","extension":[`+strings.Repeat(`{},`, 5_000_000)+`{}]}}`, 1), true},
		"an entry of a million bad values": {page(`{"resource":`+strings.Repeat(`[`, 2_000_000)+strings.Repeat(`]`, 2_000_000)+`}`, 1), true},
	} {
		t.Run(what, func(t *testing.T) {
			body := []byte(c.body)
			var before, after runtime.MemStats
			runtime.ReadMemStats(&before)
			p, err := ReadPage(body)
			runtime.ReadMemStats(&after)
			assert.Equal(t, c.garbage, errors.Is(err, ErrGarbage), "%v", err)
			assert.Equal(t, c.garbage, len(p.Entries) == 0)
			assert.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(128<<20), "the race detector adds a third; a tree of the page would take gigabytes")
		})
	}
}

func TestASearchGoesOnBehindAPageOfGarbage(t *testing.T) {
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RawQuery {
		case "":
			sendFHIR(w, 200, `{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"?p=2"}],"entry":[`+
				strings.Repeat("{},", 50)+`{}]}`)
		default:
			sendFHIR(w, 200, searchPage("", patient("a")))
		}
	})
	var pages []Page
	for p, err := range c.Pages(t.Context(), "Patient", nil) {
		require.NoError(t, err)
		pages = append(pages, p)
	}
	require.Len(t, pages, 2)
	assert.ErrorIs(t, pages[0].Err, ErrGarbage)
	assert.NotEmpty(t, pages[0].Body)
	assert.True(t, pages[0].More)
	assert.Len(t, pages[1].Entries, 1)
	_, _, err := all(t.Context(), c, "Patient")
	assert.ErrorIs(t, err, ErrGarbage, "a search for resources is not complete without them")
}

func TestPagesOfTheSameGarbageDoNotGoOnForEver(t *testing.T) {
	calls := 0
	c := open(t, func(*http.Request) (*http.Response, error) {
		calls++
		return reply(200, fmt.Sprintf(`{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"?p=%d"}],"entry":[{},{}]}`, calls)), nil
	})
	_, _, err := all(t.Context(), c, "Patient")
	assert.ErrorIs(t, err, ErrPagingLoop)
	assert.LessOrEqual(t, calls, 4)
}

// strictPage reads a page with one parser from end to end, as any FHIR library would.
func strictPage(body string) ([]Entry, error) {
	bundle, err := fhir.Parse([]byte(body))
	if err != nil {
		return nil, err
	}
	var out []Entry
	for n := range bundle.Root().Get("entry").Items() {
		r, err := fhir.ResourceAt(n.Get("resource"))
		if err != nil {
			return nil, err
		}
		mode, err := modeOf(n, r)
		if err != nil {
			return nil, err
		}
		out = append(out, Entry{Resource: r, FullURL: n.Get("fullUrl").Text(), Mode: mode, Raw: n.Raw()})
	}
	return out, nil
}

func sameAsStrict(t require.TestingT, body string) {
	want, err := strictPage(body)
	require.NoError(t, err)
	got, err := ReadPage([]byte(body))
	require.NoError(t, err)
	require.Len(t, got.Entries, len(want))
	for i, e := range got.Entries {
		require.NoError(t, e.Err)
		require.Equal(t, string(want[i].Raw), string(e.Raw))
		require.Equal(t, string(want[i].Resource.Raw()), string(e.Resource.Raw()))
		require.Equal(t, want[i].Mode, e.Mode)
		require.Equal(t, want[i].FullURL, e.FullURL)
		require.Equal(t, want[i].Resource.Digest(), e.Resource.Digest())
	}
}

func TestAValidPageIsReadAsAStrictParserReadsIt(t *testing.T) {
	texts := rapid.SampledFrom([]string{``, `a`, `]`, `}`, `,`, `\"`, `\\`, `\\\"`, `{"entry":[`, `\u005d`, `\ud83d\ude00`, `é`, `x`})
	space := rapid.SampledFrom([]string{"", " ", "\n\t", "\r\n  "})
	rapid.Check(t, func(t *rapid.T) {
		var entries []string
		for i := range rapid.IntRange(0, 6).Draw(t, "entries") {
			var s strings.Builder
			for range rapid.IntRange(0, 4).Draw(t, "pieces") {
				s.WriteString(texts.Draw(t, "piece"))
			}
			gap := space.Draw(t, "gap")
			entries = append(entries, gap+fmt.Sprintf(`{"fullUrl":"urn:%d","resource":%s{"resourceType":"Patient","id":"p%d","x":[%s[],{},%s"%s",-1.5e3]}}`,
				i, gap, i, gap, gap, strings.ReplaceAll(s.String(), `{"entry":[`, `{\"entry\":[`))+gap)
		}
		list := `"entry":[` + strings.Join(entries, ",") + `]`
		if len(entries) == 0 && rapid.Bool().Draw(t, "absent") {
			list = `"total":0`
		}
		rest := `"resourceType":"Bundle","type":"searchset"`
		if rapid.Bool().Draw(t, "first") {
			rest, list = list, rest
		}
		sameAsStrict(t, space.Draw(t, "before")+"{"+rest+","+list+"}"+space.Draw(t, "after"))
	})
}

func FuzzReadPage(f *testing.F) {
	f.Add(searchPage("?p=2", patient("a"), patient("b")))
	f.Add(`{"resourceType":"Bundle","type":"searchset"}`)
	f.Add(`{"resourceType":"Bundle","type":"searchset","entry":{"resource":{"resourceType":"Patient","id":"a"}}}`)
	f.Add(`{"resourceType":"Bundle","type":"searchset","entry":[null,1,"x",[],{"resource":null,"search":{"mode":1}}]}`)
	f.Add(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"x"}]}`)
	for _, c := range badEntries {
		f.Add(`{"resourceType":"Bundle","type":"searchset","entry":[` + c.raw + `,{"resource":` + patient("a") + `}]}`)
	}
	f.Fuzz(func(t *testing.T, body string) {
		p, err := ReadPage([]byte(body))
		if err != nil {
			require.True(t, errors.Is(err, fhir.ErrSyntax) || errors.Is(err, fhir.ErrNotResource) || errors.Is(err, ErrNotFHIR) ||
				errors.Is(err, ErrGarbage), "%v", err)
			require.Empty(t, p.Entries)
			return
		}
		bad := 0
		for i, e := range p.Entries {
			require.Contains(t, body, string(e.Raw))
			if e.Err != nil {
				var entry *EntryError
				require.ErrorAs(t, e.Err, &entry)
				require.Equal(t, i, entry.Position)
				bad++
				continue
			}
			require.True(t, e.Resource.Exists())
			require.Contains(t, []string{"match", "include", "outcome"}, e.Mode)
		}
		if _, err := strictPage(body); err == nil && bad == 0 {
			sameAsStrict(t, body)
		}
	})
}
