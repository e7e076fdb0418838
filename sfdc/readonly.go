package sfdc

import (
	"bytes"
	"errors"
	"io"
	"net/http"
	"regexp"
	"strings"

	"refbridge/fhir"
)

// ErrReadOnly is what a ReadOnly transport says of a request that could change something.
var ErrReadOnly = errors.New("a read-only connection sends no writes")

var compositePattern = regexp.MustCompile(`^/services/data/v[0-9]+\.[0-9]+/composite/?$`)

// ReadOnly is a transport that cannot write: it lets GET, the token call and a POST /composite of GETs pass and
// refuses everything else with ErrReadOnly before a byte is sent. It reads the very body that it sends.
func ReadOnly(next http.RoundTripper) http.RoundTripper { return readOnly{next} }

type readOnly struct{ next http.RoundTripper }

// RoundTrip passes the request on or refuses it.
func (t readOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	allowed, err := harmless(r)
	if err != nil {
		return nil, err
	}
	return t.next.RoundTrip(allowed)
}

// harmless gives the request to send, with a body of its own where the body had to be read.
func harmless(r *http.Request) (*http.Request, error) {
	switch {
	case overrides(r.URL.RawQuery) || r.Header.Get("X-HTTP-Method-Override") != "":
		return nil, refuse(r)
	case r.Method == http.MethodGet, r.Method == http.MethodPost && r.URL.Path == tokenPath:
		return r, nil
	case r.Method != http.MethodPost || !compositePattern.MatchString(r.URL.Path) || r.Body == nil ||
		r.Header.Get("Content-Encoding") != "":
		return nil, refuse(r)
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || !getsOnly(body) {
		return nil, refuse(r)
	}
	r.Body.Close()
	c := r.Clone(r.Context())
	c.Body = io.NopCloser(bytes.NewReader(body))
	c.ContentLength = int64(len(body))
	c.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return c, nil
}

func refuse(r *http.Request) error {
	if r.Body != nil {
		r.Body.Close()
	}
	return ErrReadOnly
}

// getsOnly reads a composite strictly: no member but those that a query needs. Two members of one name, of which
// the far end might take the other, are a syntax error of fhir.Doc.
func getsOnly(body []byte) bool {
	var doc fhir.Doc
	if doc.Parse(body) != nil || !onlyMembers(doc.Root(), "allOrNone", "compositeRequest") {
		return false
	}
	subs := doc.Root().Get("compositeRequest")
	if subs.Kind() != fhir.Array || subs.Len() == 0 {
		return false
	}
	for sub := range subs.Items() {
		_, query, _ := strings.Cut(sub.Get("url").Text(), "?")
		if !onlyMembers(sub, "method", "url", "referenceId") || sub.Get("method").Text() != http.MethodGet || overrides(query) {
			return false
		}
	}
	return true
}

func onlyMembers(n fhir.Node, names ...string) bool {
	for m := range n.Members() {
		known := false
		for _, name := range names {
			known = known || m.Name() == name
		}
		if !known {
			return false
		}
	}
	return n.Kind() == fhir.Object
}

// overrides finds Salesforce's way to send another method under the name of POST or GET (REST API Developer Guide,
// "Using cURL in the REST Examples", _HttpMethod).
func overrides(query string) bool { return strings.Contains(strings.ToLower(query), "_httpmethod") }
