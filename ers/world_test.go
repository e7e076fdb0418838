package ers

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

	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

const (
	ubrn    = "000000081234"
	nhs     = "9990000018" // 999 range, check digit right
	clinic  = "81002"
	hostile = "Agnes Marlowe " + nhs + " 999 000 0018 chest pain since May"
)

var errSpent = errors.New("spent")

// eRS is the far end: a sign-in that hands out token-1, token-2 … and an API that answers with the given handler.
// It keeps what reached it.
type eRS struct {
	api    http.HandlerFunc
	signIn http.HandlerFunc // nil hands out tokens

	mu       sync.Mutex
	tokens   int
	requests []seen
	forms    []map[string][]string
}

// seen is one request to the API.
type seen struct {
	method, path, query, body string
	header                    http.Header
}

func (e *eRS) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	if r.URL.Path == "/oauth2/token" {
		e.token(w, r)
		return
	}
	e.mu.Lock()
	e.requests = append(e.requests, seen{r.Method, r.URL.Path, r.URL.RawQuery, string(body), r.Header.Clone()})
	e.mu.Unlock()
	e.api(w, r)
}

func (e *eRS) token(w http.ResponseWriter, r *http.Request) {
	_ = r.ParseForm()
	e.mu.Lock()
	e.tokens++
	n := e.tokens
	e.forms = append(e.forms, r.PostForm)
	e.mu.Unlock()
	if e.signIn != nil {
		e.signIn(w, r)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	fmt.Fprintf(w, `{"access_token":"token-%d","expires_in":"599","token_type":"Bearer","issued_at":"1750000000000"}`, n)
}

func (e *eRS) calls() int {
	e.mu.Lock()
	defer e.mu.Unlock()
	return len(e.requests)
}

func (e *eRS) last(t *testing.T) seen {
	t.Helper()
	e.mu.Lock()
	defer e.mu.Unlock()
	require.NotEmpty(t, e.requests, "nothing reached e-RS")
	return e.requests[len(e.requests)-1]
}

// RoundTrip answers without a socket, for tests in a bubble of virtual time.
func (e *eRS) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	if r.Body == nil {
		r.Body = http.NoBody
	}
	w := httptest.NewRecorder()
	e.ServeHTTP(w, r)
	return w.Result(), nil
}

// budget is a ration that holds n calls of anything and keeps what was asked for.
type budget struct {
	left  int
	asked []string
}

func (b *budget) Spend(_ context.Context, name, day string, limit int) error {
	b.asked = append(b.asked, fmt.Sprintf("%s %s %d", name, day, limit))
	if b.left == 0 {
		return errSpent
	}
	b.left--
	return nil
}

func (b *budget) Spent(context.Context, string, string) (int, error) { return len(b.asked), nil }

var mustKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		panic(err)
	}
	return key
})

// overSockets starts e on a real socket and gives a client for it.
func overSockets(t *testing.T, e *eRS, change ...func(*Config)) *Client {
	t.Helper()
	server := httptest.NewServer(e)
	t.Cleanup(server.Close)
	return client(t, append([]func(*Config){func(c *Config) {
		c.BaseURL, c.TokenURL = server.URL+"/referrals/FHIR", server.URL+"/oauth2/token"
	}}, change...)...)
}

// inBubble gives a client for e that needs no socket.
func inBubble(t *testing.T, e http.RoundTripper, change ...func(*Config)) *Client {
	t.Helper()
	return client(t, append([]func(*Config){func(c *Config) { c.Transport = e }}, change...)...)
}

func client(t *testing.T, change ...func(*Config)) *Client {
	t.Helper()
	c := Config{
		BaseURL:  "https://ers.example/referrals/FHIR",
		TokenURL: "https://ers.example/oauth2/token",
		ClientID: "app-1", KeyID: "key-1", Key: mustKey(),
		Rate: 1000, Ration: &budget{left: 2},
		Logger: slog.New(slog.DiscardHandler),
	}
	for _, f := range change {
		f(&c)
	}
	out, err := New(c)
	require.NoError(t, err)
	return out
}

func at(version string) fhir.Reference {
	return fhir.Reference{Type: "ReferralRequest", ID: ubrn, Version: version}
}

// referralJSON is a small referral of version 5.
func referralJSON(edits ...string) string {
	s := `{"resourceType":"ReferralRequest","id":"` + ubrn + `","meta":{"versionId":"5"},` +
		`"extension":[{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-ReferralState-1","extension":[` +
		`{"url":"state","valueCoding":{"system":"https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReferralState-1","code":"BOOKED"}}]}],` +
		`"status":"active","intent":"plan","subject":{"identifier":{"system":"http://fhir.nhs.net/Id/nhs-number","value":"` + nhs + `"}}}`
	return strings.NewReplacer(edits...).Replace(s)
}

// answering gives a handler with one fixed answer.
func answering(status int, body string, headers ...string) http.HandlerFunc {
	return func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		w.Header().Set("X-Request-ID", "58621d65-0b1c-1")
		for i := 0; i < len(headers); i += 2 {
			w.Header().Set(headers[i], headers[i+1])
		}
		w.WriteHeader(status)
		_, _ = io.WriteString(w, body)
	}
}

// inTurn answers with the first handler, then the second … and stays with the last.
func inTurn(handlers ...http.HandlerFunc) http.HandlerFunc {
	var mu sync.Mutex
	n := 0
	return func(w http.ResponseWriter, r *http.Request) {
		mu.Lock()
		h := handlers[min(n, len(handlers)-1)]
		n++
		mu.Unlock()
		h(w, r)
	}
}

func outcome(code string) string {
	return `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"value","details":{"coding":[` +
		`{"system":"https://fhir.nhs.uk/STU3/CodeSystem/eRS-APIErrorCode-1","code":"` + code + `","display":"` + hostile + `"}]},` +
		`"diagnostics":"` + hostile + `"}]}`
}

// refusedWith gives the *Error of a call that must have failed.
func refusedWith(t *testing.T, err error) *Error {
	t.Helper()
	var e *Error
	require.ErrorAs(t, err, &e)
	return e
}
