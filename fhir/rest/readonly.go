package rest

import (
	"net/http"
	"net/url"
	"sync/atomic"

	"refbridge/wire"
)

// ReadOnly lets GET and the POST that fetches a token from tokenURL pass, and nothing else (wire.ReadOnly): below it, a plan cannot
// change the source. With an empty tokenURL no POST passes but the one for a token to where the server itself says that it gives
// them, as far as Client takes its word for it.
func ReadOnly(next http.RoundTripper, tokenURL string) http.RoundTripper {
	out := &readOnly{}
	if u, err := url.Parse(tokenURL); err == nil && u.Host != "" {
		out.token.Store(u)
	}
	out.RoundTripper = wire.ReadOnly(next, out.signIn)
	return out
}

type readOnly struct {
	http.RoundTripper
	token atomic.Pointer[url.URL]
}

func (o *readOnly) signIn(r *http.Request) (*http.Request, bool) {
	token := o.token.Load()
	if token == nil {
		return nil, false
	}
	return wire.PostTo(token.String())(r)
}
