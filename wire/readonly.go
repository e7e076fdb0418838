package wire

import (
	"net/http"
	"strings"
)

// Reads says of a request that is no plain GET whether it may pass all the same, as a sign-in may, and gives the request to send.
type Reads func(*http.Request) (*http.Request, bool)

// ReadOnly lets a GET without a body pass and what one of reads allows; everything else is refused with ErrReadOnly before a
// byte is sent. Below it a plan cannot change a far end. A nil next is Transport without a proxy.
func ReadOnly(next http.RoundTripper, reads ...Reads) http.RoundTripper {
	if next == nil {
		next = Transport(nil)
	}
	return readOnly{next, reads}
}

type readOnly struct {
	next  http.RoundTripper
	reads []Reads
}

// RoundTrip implements http.RoundTripper.
func (o readOnly) RoundTrip(r *http.Request) (*http.Response, error) {
	if plainRead(r) {
		return o.next.RoundTrip(r)
	}
	for _, reads := range o.reads {
		if out, ok := reads(r); ok {
			return o.next.RoundTrip(out)
		}
	}
	if r.Body != nil {
		_ = r.Body.Close()
	}
	return nil, ErrReadOnly
}

// plainRead: servers that honour a method override would take such a GET for something else.
func plainRead(r *http.Request) bool {
	return r.Method == http.MethodGet && (r.Body == nil || r.Body == http.NoBody) && !Overrides(r)
}

// Overrides reports whether a request asks for another method than the one it is sent with, in a header, or as Salesforce has it in the
// query (REST API Developer Guide, "Using cURL in the REST Examples", _HttpMethod).
func Overrides(r *http.Request) bool {
	for name := range r.Header {
		if strings.Contains(strings.ToLower(name), "method-override") {
			return true
		}
	}
	return OverridesIn(r.URL.RawQuery)
}

// OverridesIn is Overrides of a query alone.
func OverridesIn(query string) bool { return strings.Contains(strings.ToLower(query), "_httpmethod") }

// PostTo lets a POST to one URL pass: the sign-in.
func PostTo(address string) Reads {
	return func(r *http.Request) (*http.Request, bool) {
		return r, address != "" && r.Method == http.MethodPost && r.URL.String() == address && !Overrides(r)
	}
}
