package sfdc

import (
	"context"
	"crypto/rsa"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/golang-jwt/jwt/v5"

	"refbridge/fhir"
	"refbridge/wire"
)

const (
	tokenPath    = "/services/oauth2/token"
	tokenTimeout = 30 * time.Second
	assertionAge = 3 * time.Minute // the longest that Salesforce takes
	tokenCalls   = 3               // in tokenWindow: more can lock the integration user out
	tokenWindow  = 15 * time.Minute
)

// session is what one sign-in gave. The token answer has no expires_in: a session lives until Salesforce says 401.
type session struct {
	token fhir.Private
	host  string // instance_url: the only host that sees the token
	user  string // id of the user who signed in; empty: the answer did not say
}

// auth signs in.
type auth struct {
	http    *resty.Client
	url     string
	form    func(now time.Time) (map[string]string, error)
	now     func() time.Time
	log     *slog.Logger
	current atomic.Pointer[session] // the last one

	gate *wire.Gate[*session]
	sent []time.Time // token calls within tokenWindow that count towards a lock-out; only who signs in uses it
}

func newAuth(c Config, h *resty.Client) *auth {
	a := &auth{http: h, url: c.LoginURL + tokenPath, now: c.Now, log: c.Logger, gate: wire.NewGate[*session]()}
	a.form = func(time.Time) (map[string]string, error) {
		return map[string]string{"grant_type": "client_credentials",
			"client_id": c.ClientID, "client_secret": c.ClientSecret}, nil
	}
	if c.Key != nil {
		a.form = func(now time.Time) (map[string]string, error) {
			signed, err := assertion(c, c.Key, now)
			return map[string]string{"grant_type": "urn:ietf:params:oauth:grant-type:jwt-bearer", "assertion": signed}, err
		}
	}
	return a
}

// assertion is the JWT of the bearer flow. MapClaims keeps aud a single string, as Salesforce wants it.
func assertion(c Config, key *rsa.PrivateKey, now time.Time) (string, error) {
	return jwt.NewWithClaims(jwt.SigningMethodRS256, jwt.MapClaims{
		"iss": c.ClientID,
		"sub": c.Username,
		"aud": audience(c),
		"exp": now.Add(assertionAge).Unix(),
	}).SignedString(key)
}

// audience: a sandbox answers to test.salesforce.com, everything else to login.salesforce.com.
func audience(c Config) string {
	u, err := url.Parse(c.LoginURL)
	host := ""
	if err == nil {
		host = u.Hostname()
	}
	switch {
	case c.Audience != "":
		return c.Audience
	case strings.HasPrefix(host, "test.") || strings.Contains(host, ".sandbox."):
		return "https://test.salesforce.com"
	}
	return "https://login.salesforce.com"
}

// session returns the current session, or a new one where there is none but the stale one.
func (a *auth) session(ctx context.Context, stale *session) (*session, error) {
	return a.gate.Get(ctx, func(s *session) bool { return s != stale }, a.signIn)
}

// user returns the id of the user who is signed in, empty where that is not known.
func (a *auth) user() string {
	if s := a.current.Load(); s != nil {
		return s.user
	}
	return ""
}

func (a *auth) signIn(ctx context.Context) (*session, error) {
	now := a.now()
	for len(a.sent) > 0 && now.Sub(a.sent[0]) >= tokenWindow {
		a.sent = a.sent[1:]
	}
	if len(a.sent) >= tokenCalls {
		return nil, &Error{Call: callToken, Code: CodeTokenCalls, RetryAfter: tokenWindow - now.Sub(a.sent[0])}
	}
	form, err := a.form(now)
	if err != nil {
		return nil, &Error{Call: callToken, Code: "invalid_key"}
	}
	limited, cancel := context.WithTimeout(ctx, tokenTimeout)
	defer cancel()
	a.sent = append(a.sent, now)
	resp, err := a.http.R().SetContext(limited).SetFormData(form).Execute(http.MethodPost, a.url)
	got, err := outcome(ctx, callToken, resp, err, a.now)
	if !countsTowardsLockOut(err) {
		a.sent = a.sent[:len(a.sent)-1]
	}
	if err != nil {
		return nil, err
	}
	s, err := readToken(got)
	if err == nil {
		a.current.Store(s)
		a.log.Info("signed in to Salesforce", "host", s.host)
	}
	return s, err
}

// countsTowardsLockOut reports whether Salesforce may count a sign-in that ended so against the user: what it refused, and what it accepted,
// so that a session which is refused at once does not sign in for ever. A network that failed and a server that was not well count
// nothing: seconds without the token endpoint are no quarter of an hour without Salesforce.
func countsTowardsLockOut(err error) bool {
	if err == nil {
		return true
	}
	e, answered := asError(err)
	return answered && e.Code != CodeNoAnswer && e.Class() != Retry
}

func readToken(a answer) (*session, error) {
	var doc fhir.Doc
	bad := &Error{Call: callToken, Status: a.status, Code: CodeUnreadable}
	if doc.Parse(a.body) != nil {
		return nil, bad
	}
	token, instance := doc.Root().Get("access_token"), doc.Root().Get("instance_url")
	if token.Kind() != fhir.String || token.Text() == "" || strings.ContainsAny(token.Text(), " \r\n\x00") {
		return nil, bad
	}
	host, err := wire.Origin(instance.Text())
	if err != nil {
		bad.why = "instance_url " + err.Error()
		return nil, bad
	}
	identity := doc.Root().Get("id").Text() // https://login.salesforce.com/id/ORG/USER
	return &session{token: fhir.Private(strings.Clone(token.Text())), host: host, user: strings.Clone(identity[strings.LastIndexByte(identity, '/')+1:])}, nil
}

// sessionExpired tells a session that a new sign-in replaces from one that it would not: for two texts the org's
// settings are at fault, and signing in again would only bring the lock-out nearer (jsforce, src/http-api.ts).
func sessionExpired(err error) bool {
	e, ok := asError(err)
	if !ok || e.Status != http.StatusUnauthorized {
		return false
	}
	switch e.Code {
	case "INVALID_SESSION_ID", "SESSION_EXPIRED", "INVALID_AUTH_HEADER":
		text := e.Detail.Reveal()
		return !strings.Contains(text, "This session is not valid for use with the REST API") &&
			!strings.Contains(text, "Connected app is not attached to Agent")
	}
	return false
}
