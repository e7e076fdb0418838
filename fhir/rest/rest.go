// Package rest is a client of any FHIR R4 server: search with paging, read, and version-aware update
// (HL7 FHIR R4, https://hl7.org/fhir/R4/http.html), signed in as a SMART backend service
// (https://hl7.org/fhir/smart-app-launch/backend-services.html) or to an open server.
//
// It talks to one origin and below one base path, follows no redirect, and gives no URL, no upstream text and no
// value of a resource in an error or a log line: statuses, codes, positions and lengths only.
package rest

import (
	"cmp"
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"refbridge/wire"
)

// The limits of one call.
const (
	maxBody        = 16 << 20 // after decompression
	callTimeout    = 240 * time.Second
	defaultMaxWait = 15 * time.Minute
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

	Transport http.RoundTripper // nil = wire.Transport without a proxy
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
	pace    *wire.Pace
	logger  *slog.Logger
	now     func() time.Time
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
	if c.Now == nil {
		c.Now = time.Now
	}
	c.Logger = cmp.Or(c.Logger, slog.New(slog.DiscardHandler))
	out := &Client{base: base, public: public, headers: c.Headers, now: c.Now, logger: c.Logger,
		pace: wire.NewPace(c.Rate, cmp.Or(c.MaxWait, defaultMaxWait), tellRetry(c.Logger))}
	out.http = wire.Client(c.Transport, wire.Limits{Body: maxBody, Time: callTimeout}).OnAfterResponse(unmark)
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

// tellRetry logs that a call is sent again.
func tellRetry(logger *slog.Logger) func(error, time.Duration) {
	return func(err error, wait time.Duration) {
		if e, ok := errors.AsType[*Error](err); ok {
			logger.Info("retrying", "call", e.Call, "status", e.Status, "wait", wait)
		}
	}
}

func baseURL(text string) (*url.URL, []error) {
	u, err := wire.BaseURL(text)
	switch {
	case err != nil:
		return nil, []error{fmt.Errorf("base URL %w", err)}
	case !plainPath(u):
		return nil, []error{errors.New("base URL has dot segments or escapes in its path")}
	}
	u.Path = strings.TrimRight(u.Path, "/")
	u.RawPath = ""
	return u, nil
}

func checkSignIn(c Config) (faults []error) {
	if c.TokenURL == "" && c.ClientID == "" && c.KeyID == "" && noKey(c.Key) {
		return nil
	}
	if c.TokenHost != "" && (c.TokenURL != "" || !hostPort().MatchString(c.TokenHost)) {
		faults = append(faults, errors.New("token host is no host, or stands beside a token URL"))
	}
	if _, err := wire.SecureURL(c.TokenURL); c.TokenURL != "" && err != nil {
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
