package rest

import (
	"context"
	"crypto"
	"crypto/ecdsa"
	"crypto/rand"
	"encoding/json"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/golang-jwt/jwt/v5"

	"refbridge/wire"
)

// SMART backend services: the assertion lives five minutes at most, and a token should. Ours lives four, because
// clocks differ; a token without a lifetime counts as five minutes.
const (
	assertionLife = 4 * time.Minute
	tokenLife     = 5 * time.Minute
	maxTokenLife  = 24 * time.Hour
	skewTolerated = 30 * time.Second
	signInTime    = 30 * time.Second // of one call
)

// tokens holds the one access token that all calls share.
type tokens struct {
	http *resty.Client
	url  string // empty: the server is asked for it
	id   string
	kid  string
	key  crypto.Signer
	ask  string // scope
	now  func() time.Time
	log  *slog.Logger

	discovers bool
	base      *url.URL
	hosts     []string  // where the token endpoint may be, beside the base's own
	guard     *readOnly // what lets our sign-in pass; nil = everything passes

	gate *wire.Gate[accessToken]
	skew time.Duration // the server's clock minus ours, learnt from a refused assertion; only who fetches uses it
	last grants        // with the token before; only who fetches uses it
}

// accessToken is what one sign-in gave.
type accessToken struct {
	text    string
	renew   time.Time // at 80 % of its life
	granted grants
}

func newTokens(c Config, out *Client) *tokens {
	t := &tokens{http: out.http, url: c.TokenURL, id: c.ClientID, kid: c.KeyID, key: c.Key, ask: c.Scope, now: out.now, log: out.logger,
		gate: wire.NewGate[accessToken]()}
	if t.ask == "" {
		t.ask = ReadScope
	}
	t.discovers, t.base = t.url == "", out.base
	t.guard, _ = c.Transport.(*readOnly)
	for _, host := range []string{c.TokenHost, out.public.Host} {
		if host != "" {
			t.hosts = append(t.hosts, host)
		}
	}
	return t
}

// get returns a token that is good for a call and is not refused; refused is a token that the server did not take, or empty.
// However many calls were refused with the same token, the first of them fetches and the others take what it got.
func (t *tokens) get(ctx context.Context, r request, refused string) (string, error) {
	good := func(k accessToken) bool { return k.text != refused && t.now().Before(k.renew) }
	token, err := t.gate.Get(ctx, good, t.fetch)
	if err != nil {
		return "", fmt.Errorf("%s: %w", r.call, err)
	}
	return token.text, token.granted.permit(r)
}

// fetch asks once, and once more with a corrected clock where the server refused an assertion of another time.
func (t *tokens) fetch(ctx context.Context) (accessToken, error) {
	if t.url == "" {
		if err := t.discover(ctx); err != nil {
			return accessToken{}, err
		}
	}
	token, err := t.fetchFrom(ctx)
	if err != nil && t.discovers {
		t.url = "" // it may have moved: the next one asks again
	}
	return token, err
}

func (t *tokens) fetchFrom(ctx context.Context) (accessToken, error) {
	answer, err := t.post(ctx)
	if err != nil {
		return accessToken{}, err
	}
	if answer.StatusCode() == http.StatusBadRequest || answer.StatusCode() == http.StatusUnauthorized {
		skew := t.skewOf(answer)
		if moved := skew - t.skew; moved > skewTolerated || moved < -skewTolerated {
			t.skew = skew
			if answer, err = t.post(ctx); err != nil {
				return accessToken{}, err
			}
		}
	}
	return t.read(answer)
}

func (t *tokens) skewOf(answer *resty.Response) time.Duration {
	date, err := http.ParseTime(answer.Header().Get("Date"))
	if err != nil {
		return t.skew
	}
	return date.Sub(t.now()).Truncate(time.Second)
}

func (t *tokens) post(ctx context.Context) (*resty.Response, error) {
	assertion := jwt.NewWithClaims(method(t.key), jwt.MapClaims{
		"iss": t.id, "sub": t.id, "aud": t.url, "jti": rand.Text(),
		"exp": t.now().Add(t.skew + assertionLife).Unix(),
	})
	assertion.Header["kid"] = t.kid
	signed, err := assertion.SignedString(t.key)
	if err != nil {
		return nil, &Error{Call: "token", cause: errSigning}
	}
	limited, done := context.WithTimeout(ctx, signInTime)
	defer done()
	answer, err := t.http.R().SetContext(limited).SetHeader("Accept", "application/json").SetFormData(map[string]string{
		"grant_type":            "client_credentials",
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
		"client_assertion":      signed,
		"scope":                 t.ask,
	}).Post(t.url)
	if err != nil {
		return nil, noAnswer(ctx, "token", answer, err)
	}
	return answer, nil
}

// method returns the algorithm of a key: SMART names these two.
func method(key crypto.Signer) jwt.SigningMethod {
	if _, ok := key.(*ecdsa.PrivateKey); ok {
		return jwt.SigningMethodES384
	}
	return jwt.SigningMethodRS384
}

// Why a server gives no token, and what to do.
var (
	errClient = errors.New("the server does not know this client or its key: " +
		"register client_id there, and the public key of private_key under the name in key_id")
	errGrant   = errors.New("the server lets this client not sign in so: it must be registered as a SMART backend service")
	errAskedOf = errors.New("the server knows no scope that was asked for: set scope_version or scope to what it offers")
)

func refusedToken(code string) error {
	return map[string]error{"invalid_client": errClient, "unauthorized_client": errGrant, "unsupported_grant_type": errGrant,
		"invalid_scope": errAskedOf}[code]
}

// read takes the token out of the answer. expires_in is a number by RFC 6749 and a string at some gateways.
func (t *tokens) read(answer *resty.Response) (accessToken, error) {
	var body struct {
		Token   string `json:"access_token"`
		Type    string `json:"token_type"`
		Expires any    `json:"expires_in"`
		Scope   string `json:"scope"`
		Error   string `json:"error"`
	}
	err := json.Unmarshal(answer.Body(), &body)
	failure := &Error{Call: "token", Status: answer.StatusCode(), RetryAfter: wire.Asked(answer.StatusCode(), answer.Header(), t.now())}
	if showable(body.Error) {
		failure.Codes = []string{body.Error}
	}
	if answer.StatusCode() != http.StatusOK || body.Error != "" {
		failure.cause = refusedToken(body.Error)
		return accessToken{}, failure
	}
	usable := body.Token != "" && !strings.ContainsFunc(body.Token, func(r rune) bool { return r <= ' ' || r >= 0x7f })
	if err != nil || !usable || !strings.EqualFold(body.Type, "bearer") {
		failure.cause = errNoToken
		return accessToken{}, failure
	}
	return accessToken{body.Token, t.now().Add(lifetime(body.Expires) * 8 / 10), t.grant(body.Scope)}, nil
}

// grant reads what a token is good for. An answer must name its scope (SMART backend services); of one that does not nothing is
// known, and the calls will show it.
func (t *tokens) grant(scope string) grants {
	before := t.last
	t.last = nil
	if strings.TrimSpace(scope) == "" {
		return nil
	}
	t.last = readGrants(scope)
	if missing := t.last.lacks(t.ask); len(missing) > 0 && !maps.Equal(before, t.last) {
		t.log.Warn("the server granted less than was asked for", "missing", strings.Join(missing, " "))
	}
	return t.last
}

func lifetime(expires any) time.Duration {
	seconds := 0.0
	switch v := expires.(type) {
	case float64:
		seconds = v
	case string:
		seconds, _ = strconv.ParseFloat(v, 64)
	}
	switch {
	case !(seconds > 0):
		return tokenLife
	case seconds > maxTokenLife.Seconds():
		return maxTokenLife
	}
	return time.Duration(seconds * float64(time.Second))
}
