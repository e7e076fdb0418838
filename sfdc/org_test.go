package sfdc

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
)

// Markers: whatever of them stands in an error or a log line is a leak. Synthetic people; the NHS numbers are of the
// 999 range with valid check digits.
const (
	markName = "Zebedee-Quagmire"
	markNHS  = "9990000018"
	markNHS2 = "9990000026"
)

// org is the far end of the wire: a token endpoint, describe, and whatever the test answers.
type org struct {
	t      *testing.T
	url    string // instance_url of the token answer
	answer func(w http.ResponseWriter, r *http.Request, body []byte)
	token  func(w http.ResponseWriter, r *http.Request, form url.Values) // nil: sign-ins succeed
	serves any                                                           // versions of the API; nil: v66.0

	mu     sync.Mutex
	tokens int
	seen   []seen
	log    bytes.Buffer
}

// seen is one request that was neither a token call nor a describe.
type seen struct {
	method, path, query string
	header              http.Header
	body                []byte
}

func (o *org) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	body, _ := io.ReadAll(r.Body)
	switch {
	case r.URL.Path == "/services/oauth2/token":
		o.serveToken(w, r, body)
	case strings.HasSuffix(r.URL.Path, "/describe"):
		o.serveDescribe(w, r)
	case r.URL.Path == "/services/data/":
		o.serveVersions(w)
	default:
		o.mu.Lock()
		o.seen = append(o.seen, seen{r.Method, r.URL.Path, r.URL.RawQuery, r.Header, body})
		o.mu.Unlock()
		o.answer(w, r, body)
	}
}

func (o *org) serveToken(w http.ResponseWriter, r *http.Request, body []byte) {
	o.mu.Lock()
	o.tokens++
	n := o.tokens
	o.mu.Unlock()
	form, _ := url.ParseQuery(string(body))
	if o.token != nil {
		o.token(w, r, form)
		return
	}
	writeJSON(w, 200, map[string]any{"access_token": fmt.Sprintf("session-%d", n), "scope": "api",
		"instance_url": o.url, "id": o.url + "/id/00D000000000001AAA/005000000000001AAA", "token_type": "Bearer"})
}

func (o *org) serveDescribe(w http.ResponseWriter, r *http.Request) {
	object := strings.Split(r.URL.Path, "/")[5]
	for _, d := range descriptions() {
		if d.Name == object {
			writeJSON(w, 200, d)
			return
		}
	}
	writeJSON(w, 404, []map[string]any{{"errorCode": "NOT_FOUND", "message": "The requested resource does not exist"}})
}

func (o *org) serveVersions(w http.ResponseWriter) {
	if o.serves == nil {
		writeJSON(w, 200, []any{map[string]any{"version": "66.0"}})
		return
	}
	writeJSON(w, 200, o.serves)
}

func descriptions() []sobject.Description {
	text := func(name string) sobject.FieldType { return sobject.FieldType{Name: name, Type: "string"} }
	ref := func(name, relationship string, to ...string) sobject.FieldType {
		return sobject.FieldType{Name: name, Type: "reference", RelationshipName: relationship, ReferenceTo: to}
	}
	common := []sobject.FieldType{
		{Name: "Id", Type: "id"},
		{Name: "SystemModstamp", Type: "datetime"},
		{Name: "Bridge_Key__c", Type: "string", Length: 255, ExternalID: true, IDLookup: true, Unique: true, CaseSensitive: true},
	}
	return []sobject.Description{
		{Name: "ClinicalServiceRequest", KeyPrefix: "0ho", Fields: append(common[:3:3],
			text("Description"), text("Name"), sobject.FieldType{Name: "Status", Type: "picklist"},
			sobject.FieldType{Name: "IsPrinted__c", Type: "boolean"}, sobject.FieldType{Name: "Score__c", Type: "double"},
			sobject.FieldType{Name: "OccurrenceDate", Type: "datetime"}, sobject.FieldType{Name: "Born__c", Type: "date"},
			ref("PatientId", "Patient", "Account"), ref("ReferrerId", "Referrer", "Account", "HealthcareProvider"))},
		{Name: "Identifier", KeyPrefix: "0gG", Fields: append(common[:2:2],
			text("IdValue"), text("SourceSystem"), ref("ParentRecordId", "ParentRecord", "Account", "Case"))},
		{Name: "CodeSet", KeyPrefix: "0hc", Fields: append(common[:2:2],
			sobject.FieldType{Name: "CodeSetKey", Type: "string", IDLookup: true, Unique: true}, text("Code"))},
	}
}

// serve starts the org over a real socket.
func serve(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, body []byte)) *org {
	t.Helper()
	o := &org{t: t, answer: answer}
	s := httptest.NewServer(o)
	t.Cleanup(s.Close)
	o.url = s.URL
	return o
}

// inMemory gives the org without a socket, for tests on virtual time.
func inMemory(t *testing.T, answer func(w http.ResponseWriter, r *http.Request, body []byte)) *org {
	t.Helper()
	return &org{t: t, answer: answer, url: "https://trust.my.salesforce.com"}
}

// RoundTrip serves a request without a socket.
func (o *org) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.Body == nil {
		r.Body = http.NoBody
	}
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	w := httptest.NewRecorder()
	o.ServeHTTP(w, r)
	return w.Result(), nil
}

// client signs in with client credentials, over the socket where there is one. Its log is the org's.
func (o *org) client(change ...func(*Config)) *Client {
	o.t.Helper()
	c := Config{LoginURL: o.url, ClientID: "consumer", ClientSecret: "s3cret-" + markName,
		Logger: slog.New(slog.NewTextHandler(&lockedWriter{o: o}, &slog.HandlerOptions{Level: slog.LevelDebug}))}
	if strings.HasPrefix(o.url, "https://trust.") {
		c.Transport = o
	}
	for _, f := range change {
		f(&c)
	}
	client, err := New(c)
	require.NoError(o.t, err)
	return client
}

type lockedWriter struct{ o *org }

func (w *lockedWriter) Write(b []byte) (int, error) {
	w.o.mu.Lock()
	defer w.o.mu.Unlock()
	return w.o.log.Write(b)
}

// noLeak holds that no marker stands in texts, in the log or in any URL that was asked for.
func (o *org) noLeak(texts ...string) {
	o.t.Helper()
	o.mu.Lock()
	defer o.mu.Unlock()
	texts = append(texts, o.log.String())
	for _, s := range o.seen {
		texts = append(texts, s.path, s.query)
	}
	for _, text := range texts {
		for _, mark := range []string{markName, markNHS, markNHS2, "s3cret", "session-"} {
			require.NotContains(o.t, text, mark)
		}
	}
}

func writeJSON(w http.ResponseWriter, status int, v any) {
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(status)
	_ = json.NewEncoder(w).Encode(v)
}

func writeText(w http.ResponseWriter, status int, body string) {
	w.WriteHeader(status)
	_, _ = io.WriteString(w, body)
}

func refused(code, message string, fields ...string) []map[string]any {
	return []map[string]any{{"errorCode": code, "message": message, "fields": fields}}
}

// queries gives the SOQL of a composite's subrequests.
func queries(t *testing.T, body []byte) []string {
	t.Helper()
	var in struct {
		AllOrNone        *bool
		CompositeRequest []struct{ Method, URL, ReferenceID string }
	}
	require.NoError(t, json.Unmarshal(body, &in))
	require.NotNil(t, in.AllOrNone)
	var out []string
	for i, sub := range in.CompositeRequest {
		require.Equal(t, "GET", sub.Method)
		require.Equal(t, fmt.Sprintf("q%d", i), sub.ReferenceID)
		u, err := url.Parse(sub.URL)
		require.NoError(t, err)
		require.Equal(t, "/services/data/v66.0/query", u.Path)
		out = append(out, u.Query().Get("q"))
	}
	return out
}

// writeRows answers a composite: rows for its first query, none for the others.
func writeRows(t *testing.T, w http.ResponseWriter, body []byte, rows ...any) {
	t.Helper()
	var subs []any
	for i := range queries(t, body) {
		if i > 0 || rows == nil {
			rows = []any{}
		}
		// Answers in reverse: nobody promised an order.
		subs = append([]any{subAnswer(i, 200, map[string]any{"totalSize": len(rows), "done": true, "records": rows})}, subs...)
	}
	writeJSON(w, 200, map[string]any{"compositeResponse": subs})
}

func subAnswer(i, status int, body any) any {
	return map[string]any{"referenceId": fmt.Sprintf("q%d", i), "httpStatusCode": status, "httpHeaders": map[string]any{}, "body": body}
}

func isError(t *testing.T, err error) *Error {
	t.Helper()
	e, ok := asError(err)
	require.True(t, ok, "not an *Error: %v", err)
	return e
}
