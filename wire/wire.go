// Package wire is what the clients of e-RS, of FHIR servers and of Salesforce share below their own protocols: one transport with the
// proxy of the configuration, one HTTP client with limits on everything, one gate for tokens, one way to try again, one transport that
// only reads, and one list of words for a call that has no usable answer. It knows no protocol and holds no text of a far end: what
// net/http says of a broken call can hold a URL, and a URL can hold who it is about.
package wire

import (
	"crypto/tls"
	"io"
	"net"
	"net/http"
	"net/url"
	"time"

	"github.com/go-resty/resty/v2"
)

const (
	dialTimeout   = 10 * time.Second
	headerTimeout = 190 * time.Second // e-RS and gateways wait 180 s for what is behind them; to give up before that abandons writes that succeed
	maxErrorBody  = 1 << 20
)

// Transport returns a transport of its own: TLS 1.2 or newer, bounded waits, and the proxy that a Proxy names; nil: none.
func Transport(proxy Proxy) *http.Transport {
	return &http.Transport{
		Proxy:                 proxy,
		DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
		TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
		TLSHandshakeTimeout:   dialTimeout,
		ResponseHeaderTimeout: headerTimeout,
		IdleConnTimeout:       90 * time.Second,
		MaxIdleConnsPerHost:   4,
		ForceAttemptHTTP2:     true,
	}
}

// Limits bound one exchange.
type Limits struct {
	Body int           // bytes of a 2xx answer, after decompression
	Time time.Duration // of the whole call
}

// Client returns resty with what it would do by itself switched off: retries (they repeat a write), redirects (they carry tokens
// away), cookies, and its logger (it prints URLs). Bodies of refusals are cut: their codes come early, and nothing else of them is
// used. A nil transport is Transport without a proxy.
func Client(transport http.RoundTripper, l Limits) *resty.Client {
	if transport == nil {
		transport = Transport(nil)
	}
	return resty.NewWithClient(&http.Client{Transport: shortRefusals{transport}, Timeout: l.Time}).
		SetRedirectPolicy(resty.NoRedirectPolicy()).
		SetRetryCount(0).
		SetLogger(silent{}).
		SetDisableWarn(true).
		SetResponseBodyLimit(l.Body).
		SetHeader("User-Agent", "refbridge")
}

// Proxy names the proxy of a request; nil: none.
type Proxy = func(*http.Request) (*url.URL, error)

type shortRefusals struct{ next http.RoundTripper }

// RoundTrip implements http.RoundTripper.
func (s shortRefusals) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := s.next.RoundTrip(r)
	if err == nil && resp.StatusCode/100 != 2 {
		resp.Body = struct {
			io.Reader
			io.Closer
		}{io.LimitReader(resp.Body, maxErrorBody), resp.Body}
	}
	return resp, err
}

// silent keeps resty from printing URLs to standard error.
type silent struct{}

// Errorf implements resty.Logger.
func (silent) Errorf(string, ...any) {}

// Warnf implements resty.Logger.
func (silent) Warnf(string, ...any) {}

// Debugf implements resty.Logger.
func (silent) Debugf(string, ...any) {}
