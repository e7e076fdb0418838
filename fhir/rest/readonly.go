package rest

import (
	"errors"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
)

// ErrReadOnly is wrapped by every request that ReadOnly refuses.
var ErrReadOnly = errors.New("only reading is allowed here")

// ReadOnly lets GET and the POST that fetches a token from tokenURL pass, and nothing else: below it, a plan cannot
// change the source. With an empty tokenURL no POST passes but the one for a token to where the server itself says that it gives
// them, as far as Client takes its word for it. nil as next means http.DefaultTransport.
func ReadOnly(next http.RoundTripper, tokenURL string) http.RoundTripper {
	if next == nil {
		next = http.DefaultTransport
	}
	out := &readOnly{next: next}
	if u, err := url.Parse(tokenURL); err == nil && u.Host != "" {
		out.token.Store(u)
	}
	return out
}

type readOnly struct {
	next  http.RoundTripper
	token atomic.Pointer[url.URL]
}

// RoundTrip refuses with ErrReadOnly what is no read.
func (r *readOnly) RoundTrip(req *http.Request) (*http.Response, error) {
	if r.read(req) || r.signIn(req) {
		return r.next.RoundTrip(req)
	}
	if req.Body != nil {
		req.Body.Close()
	}
	return nil, ErrReadOnly
}

// read: servers that honour a method override would take such a GET for something else.
func (r *readOnly) read(req *http.Request) bool {
	for name := range req.Header {
		if strings.Contains(strings.ToLower(name), "method-override") {
			return false
		}
	}
	return req.Method == http.MethodGet && (req.Body == nil || req.Body == http.NoBody)
}

func (r *readOnly) signIn(req *http.Request) bool {
	token := r.token.Load()
	return token != nil && req.Method == http.MethodPost && req.URL.String() == token.String()
}
