package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/wire"
)

func TestASearchFollowsNextLinksToTheLastPage(t *testing.T) {
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		switch r.URL.RequestURI() {
		case "/R4/Patient":
			sendFHIR(w, 200, searchPage("?_page=2", patient("a"), patient("b")))
		case "/R4/Patient?_page=2":
			sendFHIR(w, 200, searchPage("http://"+r.Host+"/R4?_getpages=3", patient("c")))
		case "/R4?_getpages=3":
			sendFHIR(w, 200, searchPage("", patient("d")))
		}
	})
	ids, bad, err := all(t.Context(), c, "Patient")
	require.NoError(t, err)
	assert.Empty(t, bad)
	assert.Equal(t, []string{"a", "b", "c", "d"}, ids)
}

func TestALinkToAnotherServerEndsTheSearchAndNoTokenGoesThere(t *testing.T) {
	visits := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits++ }))
	defer elsewhere.Close()
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		sendFHIR(w, 200, searchPage(elsewhere.URL+"/R4/Patient?_page=2", patient("a")))
	})
	ids, _, err := all(t.Context(), c, "Patient")
	require.ErrorIs(t, err, ErrForeignLink)
	assert.ErrorContains(t, err, "search Patient: page 1: ")
	assert.Empty(t, ids, "nothing of a page with such a link is used")
	assert.Zero(t, visits)
}

func TestARedirectIsNotFollowed(t *testing.T) {
	visits := 0
	elsewhere := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { visits++ }))
	defer elsewhere.Close()
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		http.Redirect(w, r, elsewhere.URL, http.StatusTemporaryRedirect)
	})
	var failure *Error
	_, err := c.Read(t.Context(), patientRef)
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, 307, failure.Status)
	_, err = c.Update(t.Context(), patientRef, []byte(patient("1")))
	require.ErrorAs(t, err, &failure)
	assert.False(t, failure.Ambiguous(), "a redirected update was not made")
	assert.Zero(t, visits)
}

func TestPagesThatLeadInACircleEndTheSearch(t *testing.T) {
	worlds := map[string]func(calls int) string{
		"a page that points at itself": func(int) string { return searchPage("?", patient("a")) },
		"two pages that point at each other": func(n int) string {
			return searchPage([]string{"?p=2", "?p=1"}[n%2], patient(fmt.Sprint("a", n)))
		},
		"new links to what was seen": func(n int) string { return searchPage(fmt.Sprint("?p=", n), patient("a"), patient("b")) },
	}
	for what, world := range worlds {
		t.Run(what, func(t *testing.T) {
			calls := 0
			c := served(t, func(w http.ResponseWriter, r *http.Request) { sendFHIR(w, 200, world(calls)); calls++ })
			_, _, err := all(t.Context(), c, "Patient")
			assert.ErrorIs(t, err, ErrPagingLoop)
			assert.LessOrEqual(t, calls, 4)
		})
	}
}

func TestAnEndlessSearchStopsAtTenThousandPages(t *testing.T) {
	calls := 0
	c := open(t, func(*http.Request) (*http.Response, error) {
		calls++
		return reply(200, searchPage(fmt.Sprint("?p=", calls), patient(fmt.Sprint(calls)))), nil
	})
	ids, _, err := all(t.Context(), c, "Patient")
	require.ErrorIs(t, err, ErrPagingLoop)
	assert.Len(t, ids, maxPages)
	assert.Equal(t, maxPages, calls)
}

func TestEmptyPagesInTheMiddleAreNoLoop(t *testing.T) {
	calls := 0
	c := open(t, func(*http.Request) (*http.Response, error) {
		calls++
		if calls < 6 {
			return reply(200, fmt.Sprintf(`{"resourceType":"Bundle","type":"searchset","link":[{"relation":"next","url":"?p=%d"}]}`, calls)), nil
		}
		return reply(200, searchPage("", patient("a"))), nil
	})
	ids, _, err := all(t.Context(), c, "Patient")
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, ids)
}

func TestWhatIsNoSearchPageIsAnError(t *testing.T) {
	worlds := map[string]struct {
		reply *http.Response
		want  error
	}{
		"a captive portal":       {reply(200, "<html>log in</html>", "Content-Type", "text/html"), ErrNotFHIR},
		"no content type":        {reply(200, searchPage(""), "Content-Type", ""), ErrNotFHIR},
		"XML":                    {reply(200, "<Bundle/>", "Content-Type", "application/fhir+xml"), ErrNotFHIR},
		"another resource":       {reply(200, patient("a")), errBundle},
		"a history":              {reply(200, `{"resourceType":"Bundle","type":"history"}`), errBundle},
		"an array":               {reply(200, `[]`), fhir.ErrSyntax},
		"an empty body":          {reply(200, ""), fhir.ErrSyntax},
		"a cut body":             {reply(200, searchPage("", patient("a"))[:60]), fhir.ErrSyntax},
		"two byte order marks":   {reply(200, "\ufeff\ufeff"+searchPage("")), fhir.ErrSyntax},
		"two values":             {reply(200, searchPage("")+"{}"), fhir.ErrSyntax},
		"a member twice":         {reply(200, `{"resourceType":"Bundle","type":"searchset","type":"searchset"}`), fhir.ErrSyntax},
		"nesting ten thousand":   {reply(200, strings.Repeat("[", 10_000)), fhir.ErrSyntax},
		"more than sixteen MiB":  {reply(200, searchPage("")+strings.Repeat(" ", maxBody)), wire.ErrTooLarge},
		"latin-1 instead of UTF": {reply(200, "{\"resourceType\":\"Bundle\",\"type\":\"searchset\",\"id\":\"\xe9\"}"), fhir.ErrSyntax},
	}
	for what, world := range worlds {
		t.Run(what, func(t *testing.T) {
			c := open(t, func(*http.Request) (*http.Response, error) { return world.reply, nil })
			ids, _, err := all(t.Context(), c, "Patient")
			var failure *Error
			require.ErrorAs(t, err, &failure)
			assert.ErrorIs(t, err, world.want)
			assert.Empty(t, ids)
		})
	}
}

func TestAnOutcomeOfErrorIsAFailureWhateverItsStatusSays(t *testing.T) {
	outcome := func(severity string) string {
		return `{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"},{"severity":"` + severity +
			`","code":"throttled","details":{"coding":[{"code":"REC_TOO_BUSY"}]}}]}`
	}
	for severity, fails := range map[string]bool{"fatal": true, "error": true, "ERROR": true, "warning": false, "information": false} {
		in := `{"resourceType":"Bundle","type":"searchset","entry":[{"search":{"mode":"outcome"},"resource":` + outcome(severity) +
			`},{"search":{"mode":"match"},"resource":` + patient("a") + `}]}`
		for _, body := range []string{outcome(severity), in} {
			c := open(t, func(*http.Request) (*http.Response, error) { return reply(200, body), nil })
			ids, _, err := all(t.Context(), c, "Patient")
			var failure *Error
			switch {
			case fails:
				require.ErrorAs(t, err, &failure, severity)
				assert.Equal(t, []string{"throttled", "REC_TOO_BUSY"}, failure.Codes, severity)
			case body == in:
				require.NoError(t, err, severity)
				assert.Equal(t, []string{"a"}, ids)
			default:
				require.ErrorIs(t, err, errBundle, severity)
			}
		}
	}
}

func TestOneBadEntryDoesNotStopItsNeighbours(t *testing.T) {
	body := `{"resourceType":"Bundle","type":"searchset","entry":[
		{"resource":` + patient("a") + `},
		{"search":{"mode":"match"}},
		{"resource":"Patient/9"},
		{"resource":{"id":"x"}},
		{"resource":{"resourceType":"Patient"}},
		{"resource":{"resourceType":"Patient","id":"not an id"}},
		{"resource":` + patient("b") + `,"search":{"mode":"perhaps"}},
		null,
		{"resource":` + patient("c") + `,"search":{"mode":"include"}},
		{"resource":{"resourceType":"OperationOutcome","issue":[]}},
		{"resource":` + patient("d") + `,"search":{"mode":"match"}}]}`
	c := open(t, func(*http.Request) (*http.Response, error) { return reply(200, body), nil })
	ids, bad, err := all(t.Context(), c, "Patient")
	require.NoError(t, err)
	assert.Equal(t, []string{"a", "c", "d"}, ids)
	var positions []int
	for _, err := range bad {
		var entry *EntryError
		require.ErrorAs(t, err, &entry)
		positions = append(positions, entry.Position)
	}
	assert.Equal(t, []int{1, 2, 3, 4, 5, 6, 7}, positions)

	p, err := ReadPage([]byte(body))
	require.NoError(t, err)
	list := p.Entries
	require.Len(t, list, 11)
	assert.Equal(t, "match", list[0].Mode)
	assert.Equal(t, "include", list[8].Mode)
	assert.Equal(t, "outcome", list[9].Mode)
	assert.ErrorIs(t, list[3].Err, fhir.ErrNotResource)
}

func TestAReaderThatStopsGetsNoFurtherPage(t *testing.T) {
	calls := 0
	c := open(t, func(*http.Request) (*http.Response, error) {
		calls++
		return reply(200, searchPage(fmt.Sprint("?p=", calls), patient(fmt.Sprint(calls)))), nil
	})
	for range c.Search(t.Context(), "Patient", nil) {
		break
	}
	for range c.Pages(t.Context(), "Patient", nil) {
		break
	}
	assert.Equal(t, 2, calls)
}

func TestATypeThatIsNoneIsNotAsked(t *testing.T) {
	c := open(t, func(*http.Request) (*http.Response, error) { return nil, errors.New("asked") })
	for _, typ := range []string{"", "patient", "Patient/1", "../Patient", "Patient?x=1"} {
		_, _, err := all(t.Context(), c, typ)
		assert.ErrorIs(t, err, errType, "%q", typ)
	}
}

// cut is a body that ends after what the server managed to send.
type cut struct {
	io.Reader
	err error
}

func (c cut) Read(p []byte) (int, error) {
	n, err := c.Reader.Read(p)
	if err == io.EOF {
		err = c.err
	}
	return n, err
}

func (cut) Close() error { return nil }

func TestABundleCutAtAnyByteGivesNothing(t *testing.T) {
	whole := searchPage("", patient("a"), patient("b"), patient("c"))
	for _, end := range []error{io.ErrUnexpectedEOF, io.EOF} { // a length that was promised, and none
		for n := range len(whole) {
			synctest.Test(t, func(t *testing.T) {
				c := open(t, func(*http.Request) (*http.Response, error) {
					out := reply(200, "")
					out.Body, out.ContentLength = cut{strings.NewReader(whole[:n]), end}, -1
					return out, nil
				})
				ids, bad, err := all(t.Context(), c, "Patient")
				require.Error(t, err, "cut after %d bytes", n)
				require.Empty(t, ids)
				require.Empty(t, bad)
			})
		}
	}
}

func TestABodyThatUnpacksToTooMuchIsRefused(t *testing.T) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	_, err := io.CopyN(z, zeros{}, 64<<20)
	require.NoError(t, err)
	require.NoError(t, z.Close())
	require.Less(t, packed.Len(), 1<<20)
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Encoding", "gzip")
		sendFHIR(w, 200, packed.String())
	})
	_, err = c.Read(t.Context(), patientRef)
	assert.ErrorIs(t, err, wire.ErrTooLarge)
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { clear(p); return len(p), nil }

func TestAPackedPageIsReadAsAnyOther(t *testing.T) {
	c := served(t, func(w http.ResponseWriter, r *http.Request) {
		assert.Equal(t, "gzip", r.Header.Get("Accept-Encoding"))
		w.Header().Set("Content-Encoding", "gzip")
		w.Header().Set("Content-Type", "application/fhir+json; charset=utf-8")
		z := gzip.NewWriter(w)
		io.WriteString(z, searchPage("", patient("a")))
		z.Close()
	})
	ids, _, err := all(t.Context(), c, "Patient")
	require.NoError(t, err)
	assert.Equal(t, []string{"a"}, ids)
}

func TestAStoppedSearchEndsWithTheContextsError(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := open(t, func(*http.Request) (*http.Response, error) {
		cancel()
		return reply(200, searchPage("?p=2", patient("a"))), nil
	})
	_, _, err := all(ctx, c, "Patient")
	assert.ErrorIs(t, err, context.Canceled)
}

// Whoever searches for resources alone does not see what they came in: one that is modified there is none.
func TestFinding_inputs_B4_ASearchGivesNoResourceThatItsPageOrEntryModifies(t *testing.T) {
	const modifier = `"modifierExtension":[{"url":"https://epr.example.nhs.uk/not-now","valueBoolean":true}]`
	plain := `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":` + patient("a") + `},{"resource":` + patient("b") + `}]}`
	for name, c := range map[string]struct {
		page string
		ids  []string
	}{
		"none":      {plain, []string{"a", "b"}},
		"an entry":  {strings.Replace(plain, `"entry":[{`, `"entry":[{`+modifier+`,`, 1), []string{"b"}},
		"the page":  {strings.Replace(plain, `"type"`, `"implicitRules":"https://x.example","type"`, 1), nil},
		"the links": {strings.Replace(plain, `"type"`, `"link":[{"relation":"self","url":"x",`+modifier+`}],"type"`, 1), []string{"a", "b"}},
	} {
		c2 := served(t, func(w http.ResponseWriter, _ *http.Request) { sendFHIR(w, 200, c.page) })
		ids, bad, err := all(t.Context(), c2, "Patient")
		require.NoError(t, err, name)
		assert.Equal(t, c.ids, ids, name)
		assert.Len(t, bad, 2-len(c.ids), name)
	}
}
