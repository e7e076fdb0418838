package ers

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func granting(body string) http.HandlerFunc {
	return answering(200, body, "Content-Type", "application/json")
}

func TestSignInSendsTheAssertionThatNHSAsksFor(t *testing.T) {
	far := &eRS{api: answering(200, referralJSON())}
	c := overSockets(t, far)
	_, err := c.Read(t.Context(), at(""))
	require.NoError(t, err)

	form := far.forms[0]
	assert.Equal(t, []string{"client_credentials"}, form["grant_type"])
	assert.Equal(t, []string{"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"}, form["client_assertion_type"])
	signed := form["client_assertion"][0]
	token, err := jwt.Parse(signed, func(*jwt.Token) (any, error) { return &mustKey().PublicKey, nil }, jwt.WithValidMethods([]string{"RS512"}))
	require.NoError(t, err)
	assert.Equal(t, map[string]any{"alg": "RS512", "typ": "JWT", "kid": "key-1"}, token.Header)

	payload, err := base64.RawURLEncoding.DecodeString(strings.Split(signed, ".")[1])
	require.NoError(t, err)
	var claims map[string]json.RawMessage
	require.NoError(t, json.Unmarshal(payload, &claims))
	assert.JSONEq(t, `"app-1"`, string(claims["iss"]))
	assert.JSONEq(t, `"app-1"`, string(claims["sub"]))
	assert.JSONEq(t, `"`+c.tokens.url+`"`, string(claims["aud"]), "one audience, not a list")
	var exp int64
	require.NoError(t, json.Unmarshal(claims["exp"], &exp), "a number")
	ahead := time.Until(time.Unix(exp, 0))
	assert.True(t, ahead > 3*time.Minute && ahead <= 4*time.Minute, "%s ahead", ahead)
}

func TestEveryAssertionHasItsOwnJti(t *testing.T) {
	c := client(t)
	seen := map[string]bool{}
	for range 100 {
		signed, err := c.tokens.assertion(time.Now())
		require.NoError(t, err)
		var claims jwt.MapClaims
		_, _, err = jwt.NewParser().ParseUnverified(signed, &claims)
		require.NoError(t, err)
		seen[fmt.Sprint(claims["jti"])] = true
	}
	assert.Len(t, seen, 100)
}

func TestTokenIsUsedForFourFifthsOfItsLife(t *testing.T) {
	for name, world := range map[string]struct {
		answer string
		life   time.Duration
	}{
		"a string, as NHS sends it": {`{"access_token":"t","expires_in":"599"}`, 599 * time.Second},
		"a number":                  {`{"access_token":"t","expires_in":300}`, 300 * time.Second},
		"none":                      {`{"access_token":"t"}`, 599 * time.Second},
		"a month":                   {`{"access_token":"t","expires_in":2600000}`, time.Hour},
	} {
		synctest.Test(t, func(t *testing.T) {
			far := &eRS{api: answering(200, referralJSON()), signIn: granting(world.answer)}
			c := inBubble(t, far)
			read := func() {
				_, err := c.Read(t.Context(), at(""))
				require.NoError(t, err, name)
			}
			read()
			time.Sleep(world.life*4/5 - time.Second) // virtual time
			read()
			assert.Equal(t, 1, far.tokens, name)
			time.Sleep(time.Second)
			read()
			assert.Equal(t, 2, far.tokens, name)
		})
	}
}

func TestManyCallsSignInOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &eRS{api: answering(200, referralJSON())}
		far.signIn = func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(3 * time.Second) // virtual time: everybody waits for the same answer
			granting(`{"access_token":"t","expires_in":"599"}`)(w, r)
		}
		c := inBubble(t, far)
		var wg sync.WaitGroup
		for range 20 {
			wg.Go(func() {
				_, err := c.Read(t.Context(), at(""))
				assert.NoError(t, err)
			})
		}
		wg.Wait()
		assert.Equal(t, 1, far.tokens)
		assert.Equal(t, 20, far.calls())
	})
}

func TestWaitingForASignInEndsWithTheContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &eRS{api: answering(200, referralJSON())}
		far.signIn = func(w http.ResponseWriter, r *http.Request) {
			time.Sleep(time.Minute)
			granting(`{"access_token":"t"}`)(w, r)
		}
		c := inBubble(t, far)
		go func() { _, _ = c.Read(t.Context(), at("")) }()
		synctest.Wait()
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err := c.Read(ctx, at(""))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		time.Sleep(2 * time.Minute)
	})
}

func TestARefusedTokenIsRenewedOnceAndTheCallReplayedOnce(t *testing.T) {
	far := &eRS{api: inTurn(answering(401, "", "WWW-Authenticate", `Bearer error="invalid_token"`), answering(200, referralJSON()))}
	_, err := overSockets(t, far).Read(t.Context(), at(""))
	require.NoError(t, err)
	assert.Equal(t, 2, far.tokens)
	assert.Equal(t, 2, far.calls())
	assert.Equal(t, "Bearer token-2", far.last(t).header.Get("Authorization"))
}

func TestAnEndpointThatTheApplicationLacksDoesNotSignInForEver(t *testing.T) {
	denied := true
	far := &eRS{}
	far.api = func(w http.ResponseWriter, r *http.Request) {
		if strings.HasSuffix(r.URL.Path, "/Task") && denied {
			answering(401, outcome("ACCESS_DENIED"))(w, r)
			return
		}
		answering(200, strings.Replace(referralJSON(), "ReferralRequest\"", map[bool]string{true: "Bundle\"", false: "ReferralRequest\""}[strings.HasSuffix(r.URL.Path, "/Task")], 1))(w, r)
	}
	c := overSockets(t, far)
	for range 5 {
		_, err := c.Actions(t.Context(), at("5"))
		e := refusedWith(t, err)
		assert.Equal(t, 401, e.Status)
		assert.Equal(t, "A029 list actions", e.Call, "the error says which endpoint")
		assert.True(t, e.Code("ACCESS_DENIED"))
	}
	assert.Equal(t, 2, far.tokens, "one sign-in, one renewal, then no more")
	_, err := c.Read(t.Context(), at(""))
	require.NoError(t, err, "the rest goes on")

	denied = false
	_, err = c.Actions(t.Context(), at("5"))
	require.NoError(t, err, "and the endpoint too, once it is granted")
}

func TestARefusedSignInSaysWhy(t *testing.T) {
	for name, world := range map[string]struct {
		status       int
		answer, want string
	}{
		"key id":    {401, `{"error":"invalid_request","error_description":"Invalid 'kid' header in client_assertion JWT - no matching public key","message_id":"rrt-1"}`, "sign in: status 401, invalid_request, the key id is not in the key set registered for the application, request id 58621d65-0b1c-1"},
		"signature": {401, `{"error":"public_key error","error_description":"JWT signature verification failed"}`, "sign in: status 401, the private key does not belong to the registered public key, request id 58621d65-0b1c-1"},
		"jti":       {400, `{"error":"invalid_request","error_description":"Non-unique 'jti' claim in client_assertion JWT"}`, "sign in: status 400, invalid_request, the assertion's jti was refused, request id 58621d65-0b1c-1"},
		"exp":       {400, `{"error":"invalid_request","error_description":"Invalid 'exp' claim in client_assertion JWT - more than 5 minutes in future"}`, "sign in: status 400, invalid_request, the assertion's exp was refused: check the clock, request id 58621d65-0b1c-1"},
		"aud":       {401, `{"error":"invalid_request","error_description":"Missing or invalid 'aud' claim in client_assertion JWT"}`, "sign in: status 401, invalid_request, the assertion's aud was refused: check the token URL, request id 58621d65-0b1c-1"},
		"approval":  {401, `{"error":"access_denied","error_description":"` + hostile + `"}`, "sign in: status 401, access_denied, request id 58621d65-0b1c-1"},
		"no token":  {200, `{"token":"x"}`, "sign in: status 200, a token answer without an access token, request id 58621d65-0b1c-1"},
		"html":      {502, `<html>`, "sign in: status 502, request id 58621d65-0b1c-1"},
	} {
		synctest.Test(t, func(t *testing.T) {
			far := &eRS{api: answering(200, referralJSON()), signIn: answering(world.status, world.answer, "Content-Type", "application/json")}
			_, err := inBubble(t, far).Read(t.Context(), at(""))
			assert.EqualError(t, err, world.want, name)
			assert.Zero(t, far.calls(), name)
		})
	}
}

func TestAFailingSignInIsTriedThreeTimesWithNewAssertions(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &eRS{api: answering(200, referralJSON()), signIn: answering(503, "")}
		c := inBubble(t, far)
		_, err := c.Read(t.Context(), at(""))
		assert.Equal(t, 503, refusedWith(t, err).Status)
		require.Len(t, far.forms, 3)
		assert.NotEqual(t, far.forms[0]["client_assertion"], far.forms[1]["client_assertion"])

		far.signIn = inTurn(answering(500, ""), granting(`{"access_token":"t"}`))
		_, err = c.Read(t.Context(), at(""))
		require.NoError(t, err)
	})
}
