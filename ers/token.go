package ers

import (
	"cmp"
	"context"
	"crypto/rsa"
	"encoding/json"
	"errors"
	"log/slog"
	"net/http"
	"strings"
	"time"

	"github.com/golang-jwt/jwt/v5"

	"refbridge/wire"
)

// assertionLife stays below the five minutes that NHS allows between exp and its own clock.
const assertionLife = 4 * time.Minute

// tokenLife is assumed where the answer does not give one: the ten minutes that NHS documents.
const tokenLife = 599 * time.Second

// signInCall is the Call of errors about the sign-in.
const signInCall = "sign in"

// tokens signs in with a JWT (private_key_jwt, RS512) and keeps the access token until 80 % of its life is over. e-RS
// gives no refresh token: every sign-in is a new assertion with a new jti.
// https://digital.nhs.uk/developer/guides-and-documentation/security-and-authorisation/application-restricted-restful-apis-signed-jwt-authentication
type tokens struct {
	sender   sender
	pace     *wire.Pace
	url      string
	clientID string
	keyID    string
	key      *rsa.PrivateKey
	gate     *wire.Gate[accessToken]
}

// accessToken is what one sign-in gave.
type accessToken struct {
	text  string
	renew time.Time // at 80 % of its life
}

func newTokens(s sender, c Config, url string, logger *slog.Logger) *tokens {
	return &tokens{sender: s, pace: wire.NewPace(0, maxPause, tellRetry(logger)), url: url, clientID: c.ClientID, keyID: c.KeyID, key: c.Key,
		gate: wire.NewGate[accessToken]()}
}

// bearer returns a token. One that a server refused is handed in as rejected and not given again.
func (t *tokens) bearer(ctx context.Context, rejected string) (string, error) {
	q := call{name: signInCall, method: http.MethodPost, path: t.url, repeat: true, limit: signInTime}
	good := func(k accessToken) bool { return k.text != rejected && t.sender.now().Before(k.renew) }
	token, err := t.gate.Get(ctx, good, func(ctx context.Context) (k accessToken, err error) {
		err = t.pace.Try(ctx, func() (err error) {
			k, err = t.signIn(ctx, q)
			return err
		}, q.judge)
		if e, ok := errors.AsType[*Error](err); ok {
			e.again = false // the tries are used up
		}
		return k, err
	})
	return token.text, q.named(err)
}

func (t *tokens) signIn(ctx context.Context, q call) (accessToken, error) {
	if err := q.ready(ctx, t.pace); err != nil {
		return accessToken{}, err
	}
	now := t.sender.now()
	assertion, err := t.assertion(now)
	if err != nil {
		return accessToken{}, err
	}
	a, err := t.sender.exchange(ctx, q, t.sender.http.R().SetHeader("Accept", "application/json").SetFormData(map[string]string{
		"grant_type":            "client_credentials",
		"client_assertion_type": "urn:ietf:params:oauth:client-assertion-type:jwt-bearer",
		"client_assertion":      assertion,
	}))
	if err != nil {
		return accessToken{}, explained(err, a)
	}
	var got struct {
		AccessToken string      `json:"access_token"`
		ExpiresIn   json.Number `json:"expires_in"` // a string from NHS, a number from others: json.Number reads both
	}
	if json.Unmarshal(a.body, &got) != nil || got.AccessToken == "" {
		return accessToken{}, q.fault(a, "a token answer without an access token")
	}
	seconds, _ := got.ExpiresIn.Int64()
	life := cmp.Or(time.Duration(min(max(seconds, 0), 3600))*time.Second, tokenLife)
	return accessToken{got.AccessToken, now.Add(life * 4 / 5)}, nil
}

// assertion signs the claims that NHS checks: iss and sub are the client id, aud is the token URL as a single string
// (MapClaims: registered claims would make it a list), exp is a number, jti is used once.
func (t *tokens) assertion(now time.Time) (string, error) {
	token := jwt.NewWithClaims(jwt.SigningMethodRS512, jwt.MapClaims{
		"iss": t.clientID,
		"sub": t.clientID,
		"aud": t.url,
		"jti": newID(),
		"exp": now.Add(assertionLife).Unix(),
	})
	token.Header["kid"] = t.keyID
	signed, err := token.SignedString(t.key)
	if err != nil {
		return "", errors.New("sign in: the key cannot sign RS512")
	}
	return signed, nil
}

// explained adds the likely cause to a refused sign-in, from the fixed texts of the NHS identity service.
func explained(err error, a answer) error {
	var e *Error
	if !errors.As(err, &e) {
		return err
	}
	var body struct {
		Description string `json:"error_description"`
	}
	_ = json.Unmarshal(a.body, &body)
	switch text := strings.ToLower(body.Description); {
	case strings.Contains(text, "no matching public key"):
		e.Reason = "the key id is not in the key set registered for the application"
	case strings.Contains(text, "signature verification"):
		e.Reason = "the private key does not belong to the registered public key"
	case strings.Contains(text, "'jti'"):
		e.Reason = "the assertion's jti was refused"
	case strings.Contains(text, "'exp'"):
		e.Reason = "the assertion's exp was refused: check the clock"
	case strings.Contains(text, "'aud'"):
		e.Reason = "the assertion's aud was refused: check the token URL"
	}
	return e
}
