package rest

import (
	"bytes"
	"context"
	"crypto/rand"
	"crypto/rsa"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// wire is the far end as a function, for tests in virtual time, where sockets cannot be.
type farEnd func(*http.Request) (*http.Response, error)

func (w farEnd) RoundTrip(r *http.Request) (*http.Response, error) { return w(r) }

func reply(status int, body string, header ...string) *http.Response {
	out := &http.Response{
		StatusCode: status, Header: http.Header{"Content-Type": {"application/fhir+json"}},
		Body: io.NopCloser(strings.NewReader(body)), ContentLength: int64(len(body)),
	}
	for i := 0; i+1 < len(header); i += 2 {
		out.Header.Set(header[i], header[i+1])
	}
	return out
}

// open gives a client of an open server behind w.
func open(t testing.TB, w farEnd) *Client {
	t.Helper()
	c, err := New(Config{BaseURL: testBase, Transport: w})
	require.NoError(t, err)
	return c
}

// served gives a client of an open server over real HTTP.
func served(t testing.TB, h http.HandlerFunc) *Client {
	t.Helper()
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	c, err := New(Config{BaseURL: s.URL + "/R4"})
	require.NoError(t, err)
	return c
}

var mustKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

func patient(id string) string {
	return `{"resourceType":"Patient","id":"` + id + `","meta":{"versionId":"1"}}`
}

// searchPage is a page of matches, with a next link where next is not empty.
func searchPage(next string, resources ...string) string {
	links, entries := "", make([]string, len(resources))
	if next != "" {
		links = `{"relation":"next","url":"` + next + `"}`
	}
	for i, r := range resources {
		entries[i] = `{"resource":` + r + `,"search":{"mode":"match"}}`
	}
	return `{"resourceType":"Bundle","type":"searchset","link":[` + links + `],"entry":[` + strings.Join(entries, ",") + `]}`
}

func sendFHIR(w http.ResponseWriter, status int, body string) {
	w.Header().Set("Content-Type", "application/fhir+json")
	w.WriteHeader(status)
	io.WriteString(w, body)
}

// all runs a search to its end: ids, errors of entries, and what ended it.
func all(ctx context.Context, c *Client, typ string) (ids []string, bad []error, end error) {
	for r, err := range c.Search(ctx, typ, nil) {
		var entry *EntryError
		switch {
		case errors.As(err, &entry):
			bad = append(bad, err)
		case err != nil:
			end = err
		default:
			ids = append(ids, r.ID())
		}
	}
	return ids, bad, end
}

var patientRef = fhir.Reference{Type: "Patient", ID: "1", Version: "1"}

// Every way to fail is run with a marker in all that the server says. The marker is a made-up person; no error and
// no log line may hold a piece of it, nor any URL.
func TestNothingThatTheServerSaysGetsIntoErrorsOrLogs(t *testing.T) {
	const number, name, query = "9990000018", "Quillfeather", "_tag=9990000018"
	outcome := `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"` + name + ` x","diagnostics":"` + number +
		`","details":{"text":"` + name + `","coding":[{"code":"` + number + `"},{"code":"X-` + number + `"}]}}]}`
	failures := map[string]http.HandlerFunc{
		"refused": func(w http.ResponseWriter, r *http.Request) { sendFHIR(w, 422, outcome) },
		"outcome": func(w http.ResponseWriter, r *http.Request) { sendFHIR(w, 200, outcome) },
		"html": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/html; name="+name)
			fmt.Fprint(w, "<html>"+name+number)
		},
		"odd type": func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "text/x"+number)
			fmt.Fprint(w, name)
		},
		"syntax":  func(w http.ResponseWriter, r *http.Request) { sendFHIR(w, 200, `{"`+name+`":"`+number) },
		"another": func(w http.ResponseWriter, r *http.Request) { sendFHIR(w, 200, patient(name+number)) },
		"foreign": func(w http.ResponseWriter, r *http.Request) {
			sendFHIR(w, 200, searchPage("https://"+number+".example/R4/"+name+"?"+query, patient("a")))
		},
		"entry": func(w http.ResponseWriter, r *http.Request) {
			sendFHIR(w, 200, searchPage("", `{"resourceType":"`+name+number+`"}`, `{"resourceType":"Patient","id":"`+name+` `+number+`"}`))
		},
		"redirect": func(w http.ResponseWriter, r *http.Request) {
			http.Redirect(w, r, "https://"+name+".example/?"+query, http.StatusTemporaryRedirect)
		},
		"not HTTP": func(w http.ResponseWriter, r *http.Request) {
			conn, _, _ := w.(http.Hijacker).Hijack()
			fmt.Fprintf(conn, "%s %s\r\n\r\n", name, number)
			conn.Close()
		},
	}
	for what, handler := range failures {
		t.Run(what, func(t *testing.T) {
			var log bytes.Buffer
			c := served(t, handler)
			c.logger = slog.New(slog.NewTextHandler(&log, nil))
			var said []string
			if what != "not HTTP" { // a read would be tried again, in real time
				for _, err := range c.Search(t.Context(), "Patient", map[string][]string{"_tag": {number}}) {
					if err != nil {
						said = append(said, fmt.Sprintf("%v %+v %q", err, err, err))
					}
				}
				_, err := c.Read(t.Context(), patientRef)
				said = append(said, fmt.Sprint(err))
			}
			if what != "another" && what != "entry" && what != "foreign" { // these are good answers to an update
				_, err := c.Update(t.Context(), patientRef, []byte(patient("1")))
				require.Error(t, err)
				said = append(said, fmt.Sprint(err))
			}
			require.NotEmpty(t, said)
			text := strings.Join(append(said, log.String()), "\n")
			for _, marker := range []string{number, number[3:], name, strings.ToLower(name), "_tag"} {
				assert.NotContains(t, text, marker)
			}
			if what != "foreign" { // this one says what base_url is
				assert.NotContains(t, text, "127.0.0.1")
			}
		})
	}
}

func TestConfigurationFaultsAreToldAllAtOnce(t *testing.T) {
	_, err := New(Config{BaseURL: "http://fhir.example.org/R4", ClientID: "x", TokenURL: "http://login.example.org/token", Headers: map[string]string{"Authorization": "x", "a b": "x"}, Rate: -1})
	require.Error(t, err)
	for _, part := range []string{"base URL is not https", "token URL", "key id", "2,048 bits", "Authorization", `"a b"`, "rate"} {
		assert.ErrorContains(t, err, part)
	}
}

func TestBaseURLsThatCannotBeHeldToAreRefused(t *testing.T) {
	for _, text := range []string{
		"", "fhir.example.org", "ftp://fhir.example.org", "https://", "https://u:p@fhir.example.org/R4", "http://10.0.0.1/R4",
		"https://fhir.example.org/R4?x=1", "https://fhir.example.org/R4#x", "https://fhir.example.org/a/../R4", "https:R4",
		"https://fhir.example.org/%2e%2e/R4", "https://fhir.example.org/a//b",
	} {
		_, err := New(Config{BaseURL: text})
		assert.Error(t, err, "%q", text)
	}
	for _, text := range []string{"https://fhir.example.org", "https://fhir.example.org/R4/", "http://127.0.0.1:8080/fhir", "http://[::1]/fhir", "http://localhost"} {
		_, err := New(Config{BaseURL: text})
		assert.NoError(t, err, "%q", text)
	}
}
