package sfdc

import (
	"bytes"
	"io"
	"net/http"
	"strings"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/wire"
)

var compositePattern = pattern.MustOnce(`^/services/data/v[0-9]+\.[0-9]+/composite/?$`)

// ReadOnly lets GET, the token call and a POST /composite of GETs pass, and nothing else (wire.ReadOnly). It reads the very body that it
// sends.
func ReadOnly(next http.RoundTripper) http.RoundTripper {
	signIn := func(r *http.Request) (*http.Request, bool) {
		return r, r.Method == http.MethodPost && r.URL.Path == tokenPath && !wire.Overrides(r)
	}
	return wire.ReadOnly(next, signIn, gets)
}

// gets lets a composite of GETs pass, with a body of its own: the first was read.
func gets(r *http.Request) (*http.Request, bool) {
	if r.Method != http.MethodPost || !compositePattern().MatchString(r.URL.Path) || r.Body == nil || r.Header.Get("Content-Encoding") != "" ||
		wire.Overrides(r) {
		return nil, false
	}
	body, err := io.ReadAll(r.Body)
	if err != nil || !getsOnly(body) {
		return nil, false
	}
	_ = r.Body.Close()
	c := r.Clone(r.Context())
	c.Body = io.NopCloser(bytes.NewReader(body))
	c.ContentLength = int64(len(body))
	c.GetBody = func() (io.ReadCloser, error) { return io.NopCloser(bytes.NewReader(body)), nil }
	return c, true
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
		if !onlyMembers(sub, "method", "url", "referenceId") || sub.Get("method").Text() != http.MethodGet || wire.OverridesIn(query) {
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
