// Package rest is a client of any FHIR R4 server: search with paging, read, and version-aware update
// (HL7 FHIR R4, https://hl7.org/fhir/R4/http.html), signed in as a SMART backend service
// (https://hl7.org/fhir/smart-app-launch/backend-services.html) or to an open server.
//
// It talks to one origin and below one base path, follows no redirect, and gives no URL, no upstream text and no
// value of a resource in an error or a log line: statuses, codes, positions and lengths only.
package rest

import (
	"cmp"
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"crypto/tls"
	"errors"
	"fmt"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"time"

	"github.com/go-resty/resty/v2"
	"golang.org/x/time/rate"
)

// The limits of one call. A gateway in front of a slow server answers within 180 s; the header limit stays above that.
const (
	maxBody       = 16 << 20 // after decompression
	dialTimeout   = 10 * time.Second
	headerTimeout = 190 * time.Second
	callTimeout   = 240 * time.Second
)

// Config says which server, and who we are to it.
type Config struct {
	BaseURL string // the service base, "https://fhir.example.nhs.uk/R4"; https, or http on a loopback address

	// PublicURL is the base by which the server names itself, where a gateway stands before it: links and references that begin
	// with it are the server's own. Calls go to BaseURL only. Empty = BaseURL.
	PublicURL string

	// SMART backend services; all four empty = open server. Without TokenURL the server is asked for it, and must name one at its own
	// host or at TokenHost ("login.example.nhs.uk", "login.example.nhs.uk:8443").
	TokenURL, ClientID, KeyID string
	TokenHost                 string
	Key                       crypto.Signer // RSA of 2,048 bits or more (RS384), or ECDSA on P-384 (ES384)
	Scope                     string        // see Scope; empty = ReadScope

	// Headers go with every call to BaseURL and never to the token endpoint or elsewhere (for BaRS:
	// NHSD-Target-Identifier and its siblings). "{uuid}" in a value becomes a fresh random UUID in each request.
	Headers map[string]string
	Rate    float64       // requests a second, 0 = no limit of ours
	MaxWait time.Duration // the longest wait of one read for a server that wants fewer calls, 0 = 15 minutes

	Transport http.RoundTripper // nil = an own one: TLS 1.2 or newer, no proxy, bounded waits
	Now       func() time.Time  // nil = time.Now
	Logger    *slog.Logger      // nil = silent
}

// Client talks to one FHIR server. It is safe for concurrent use.
type Client struct {
	http    *resty.Client
	base    *url.URL // without a slash at the end
	public  *url.URL // what the server calls its base
	headers map[string]string
	tokens  *tokens // nil = open server
	limit   *rate.Limiter
	maxWait time.Duration
	logger  *slog.Logger
	now     func() time.Time
	sleep   func(context.Context, time.Duration) error // between tries

	mu     sync.Mutex
	resume time.Time // no request before this: the server asked for a pause, of all of us
}

// New checks the whole configuration and gives every fault of it in one error. It makes no call.
func New(c Config) (*Client, error) {
	base, faults := baseURL(c.BaseURL)
	public, more := baseURL(cmp.Or(c.PublicURL, c.BaseURL))
	if c.PublicURL != "" {
		faults = append(faults, more...)
	}
	faults = append(faults, checkSignIn(c)...)
	faults = append(faults, checkHeaders(c.Headers)...)
	if c.Rate < 0 || c.MaxWait < 0 {
		faults = append(faults, errors.New("rate or longest wait is negative"))
	}
	if len(faults) > 0 {
		return nil, fmt.Errorf("FHIR server: %w", errors.Join(faults...))
	}
	out := &Client{base: base, public: public, headers: c.Headers, logger: c.Logger, now: c.Now, limit: rate.NewLimiter(rate.Inf, 1),
		maxWait: cmp.Or(c.MaxWait, defaultMaxWait), sleep: sleep}
	if out.logger == nil {
		out.logger = slog.New(slog.DiscardHandler)
	}
	if out.now == nil {
		out.now = time.Now
	}
	if c.Rate > 0 {
		out.limit = rate.NewLimiter(rate.Limit(c.Rate), 1)
	}
	out.http = newResty(c.Transport)
	if c.ClientID != "" {
		out.tokens = newTokens(c, out)
	}
	return out, nil
}

// Bases returns the bases that the server's own links and references begin with, without a slash at the end.
func (c *Client) Bases() []string {
	out := []string{c.base.String()}
	if public := c.public.String(); public != out[0] {
		out = append(out, public)
	}
	return out
}

// newResty returns resty with what it would do by itself switched off: retries (they repeat a PUT), redirects (they
// carry tokens away), cookies, and its logger (it prints URLs).
func newResty(transport http.RoundTripper) *resty.Client {
	if transport == nil {
		transport = &http.Transport{
			DialContext:           (&net.Dialer{Timeout: dialTimeout, KeepAlive: 30 * time.Second}).DialContext,
			TLSClientConfig:       &tls.Config{MinVersion: tls.VersionTLS12},
			TLSHandshakeTimeout:   dialTimeout,
			ResponseHeaderTimeout: headerTimeout,
			IdleConnTimeout:       90 * time.Second,
			MaxIdleConnsPerHost:   4,
			ForceAttemptHTTP2:     true,
		}
	}
	return resty.NewWithClient(&http.Client{Transport: transport}).
		SetRedirectPolicy(resty.NoRedirectPolicy()).
		SetRetryCount(0).
		SetLogger(silent{}).
		OnAfterResponse(unmark).
		SetResponseBodyLimit(maxBody).
		SetTimeout(callTimeout).
		SetHeader("User-Agent", "refbridge")
}

type silent struct{}

func (silent) Errorf(string, ...any) {}
func (silent) Warnf(string, ...any)  {}
func (silent) Debugf(string, ...any) {}

func baseURL(text string) (*url.URL, []error) {
	u, err := secureURL(text)
	switch {
	case err != nil:
		return nil, []error{fmt.Errorf("base URL %w", err)}
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, []error{errors.New("base URL has a query or a fragment")}
	case !plainPath(u):
		return nil, []error{errors.New("base URL has dot segments or escapes in its path")}
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

// secureURL reads an absolute URL that patient data may go to: https, or http where it does not leave the machine.
func secureURL(text string) (*url.URL, error) {
	u, err := url.Parse(text)
	switch {
	case err != nil || u.Host == "" || u.Opaque != "":
		return nil, errors.New("is not an absolute URL")
	case u.User != nil:
		return nil, errors.New("holds user information")
	case u.Scheme == "https" || u.Scheme == "http" && loopback(u.Hostname()):
		return u, nil
	}
	return nil, errors.New("is not https")
}

func loopback(host string) bool {
	ip := net.ParseIP(host)
	return host == "localhost" || ip != nil && ip.IsLoopback()
}

func checkSignIn(c Config) (faults []error) {
	if c.TokenURL == "" && c.ClientID == "" && c.KeyID == "" && noKey(c.Key) {
		return nil
	}
	if c.TokenHost != "" && (c.TokenURL != "" || !hostPort.MatchString(c.TokenHost)) {
		faults = append(faults, errors.New("token host is no host, or stands beside a token URL"))
	}
	if _, err := secureURL(c.TokenURL); c.TokenURL != "" && err != nil {
		faults = append(faults, fmt.Errorf("token URL %w", err))
	}
	if c.ClientID == "" {
		faults = append(faults, errors.New("client id is missing"))
	}
	if c.KeyID == "" {
		faults = append(faults, errors.New("key id is missing"))
	}
	if !signs(c.Key) {
		faults = append(faults, errors.New("key is missing, or neither RSA of at least 2,048 bits nor ECDSA on P-384"))
	}
	return faults
}

// noKey reports whether there is no key at all: a nil pointer in an interface is none.
func noKey(key crypto.Signer) bool {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k == nil
	case *ecdsa.PrivateKey:
		return k == nil
	}
	return key == nil
}

func signs(key crypto.Signer) bool {
	switch k := key.(type) {
	case *rsa.PrivateKey:
		return k != nil && k.N != nil && k.N.BitLen() >= 2048
	case *ecdsa.PrivateKey:
		return k != nil && k.Curve == elliptic.P384()
	}
	return false
}

func checkHeaders(headers map[string]string) (faults []error) {
	for name, value := range headers {
		if !token(name) || strings.ContainsFunc(value, func(r rune) bool { return r < ' ' || r == 0x7f }) {
			faults = append(faults, fmt.Errorf("header %.40q cannot be sent", name))
		}
		switch http.CanonicalHeaderKey(name) {
		case "Authorization", "Host", "Content-Length", "Content-Type", "Transfer-Encoding", "Connection", "If-Match",
			"Accept-Encoding", "Cookie":
			faults = append(faults, fmt.Errorf("header %s is set by the client itself", name))
		}
	}
	return faults
}

// token tells whether s is a token of RFC 9110 5.6.2.
func token(s string) bool {
	return s != "" && !strings.ContainsFunc(s, func(r rune) bool {
		return r <= ' ' || r >= 0x7f || strings.ContainsRune(`"(),/:;<=>?@[\]{}`, r)
	})
}
