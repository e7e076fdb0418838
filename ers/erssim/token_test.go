package erssim

import (
	"crypto/rand"
	"crypto/rsa"
	"maps"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestATokenIsGrantedAsTheNHSGrantsIt(t *testing.T) {
	c := start(t, Options{})
	assertion := jwt.NewWithClaims(jwt.SigningMethodRS512, jwt.MapClaims(c.claims())) // another implementation signs
	assertion.Header["kid"] = c.creds.KeyID
	signed, err := assertion.SignedString(c.key)
	require.NoError(t, err)

	r := c.ask(c.form(signed))

	require.Equal(t, http.StatusOK, r.status, "%s", r.body)
	assert.Equal(t, "application/json", r.header.Get("Content-Type"))
	got := r.json(t)
	assert.Equal(t, "599", got["expires_in"], "a string")
	assert.Equal(t, "Bearer", got["token_type"])
	assert.NotEmpty(t, got["issued_at"])
	assert.NotContains(t, got, "refresh_token")
}

func TestEveryFaultOfATokenRequestIsRefusedInItsOwnWords(t *testing.T) {
	c := start(t, Options{})
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	claim := func(name string, v any) func(h, m map[string]any) {
		return func(_, m map[string]any) { m[name] = v }
	}
	without := func(name string) func(h, m map[string]any) {
		return func(h, m map[string]any) { delete(h, name); delete(m, name) }
	}
	header := func(name string, v any) func(h, m map[string]any) {
		return func(h, _ map[string]any) { h[name] = v }
	}
	now := c.now()
	for name, tc := range map[string]struct {
		change      func(h, m map[string]any)
		status      int
		description string
	}{
		"kid missing":      {without("kid"), 400, "Missing 'kid' header"},
		"kid unknown":      {header("kid", "other"), 401, "no matching public key"},
		"typ wrong":        {header("typ", "JWE"), 400, "Invalid 'typ' header"},
		"typ missing":      {without("typ"), 400, "Invalid 'typ' header"},
		"alg missing":      {without("alg"), 400, "Missing 'alg' header"},
		"alg RS384":        {header("alg", "RS384"), 400, "must be 'RS512'"},
		"alg none":         {header("alg", "none"), 400, "must be 'RS512'"},
		"iss missing":      {without("iss"), 400, "Missing or non-matching 'iss'/'sub'"},
		"sub other":        {claim("sub", "x"), 400, "Missing or non-matching 'iss'/'sub'"},
		"client unknown":   {func(_, m map[string]any) { m["iss"], m["sub"] = "x", "x" }, 401, "Invalid 'iss'/'sub'"},
		"aud missing":      {without("aud"), 401, "Missing or invalid 'aud'"},
		"aud of the API":   {claim("aud", c.creds.BaseURL), 401, "Missing or invalid 'aud'"},
		"jti missing":      {without("jti"), 400, "Missing 'jti'"},
		"jti a number":     {claim("jti", 12345), 400, "Invalid 'jti'"},
		"exp missing":      {without("exp"), 400, "Missing 'exp'"},
		"exp a string":     {claim("exp", "1773144000"), 400, "must be an integer"},
		"exp in the past":  {claim("exp", now.Add(-time.Second).Unix()), 400, "JWT has expired"},
		"exp 311 s ahead":  {claim("exp", now.Add(311*time.Second).Unix()), 400, "more than 5 minutes in future"},
		"exp in some days": {claim("exp", now.Add(72*time.Hour).Unix()), 400, "more than 5 minutes in future"},
	} {
		t.Run(name, func(t *testing.T) {
			h, m := c.header(), c.claims()
			tc.change(h, m)
			r := c.ask(c.form(sign(t, c.key, h, m)))
			assert.Equal(t, tc.status, r.status)
			got := r.json(t)
			assert.Equal(t, "invalid_request", got["error"])
			assert.Contains(t, got["error_description"], tc.description)
			assert.True(t, strings.HasPrefix(got["message_id"].(string), "rrt-"))
			assert.NotContains(t, got, "resourceType")
		})
	}
	t.Run("signed with another key", func(t *testing.T) {
		r := c.ask(c.form(sign(t, stranger, c.header(), c.claims())))
		assert.Equal(t, http.StatusUnauthorized, r.status)
		assert.Equal(t, "public_key error", r.json(t)["error"])
	})
	t.Run("typ in lower case and exp at the limit are good", func(t *testing.T) {
		h, m := c.header(), c.claims()
		h["typ"], m["exp"] = "jwt", now.Add(310*time.Second).Unix()
		assert.Equal(t, http.StatusOK, c.ask(c.form(sign(t, c.key, h, m))).status)
	})
}

func TestTheFormOfATokenRequestIsChecked(t *testing.T) {
	c := start(t, Options{})
	good := c.form(sign(t, c.key, c.header(), c.claims()))
	for name, tc := range map[string]struct {
		change      url.Values
		error, text string
	}{
		"no grant type":       {url.Values{"grant_type": {""}}, "invalid_request", "grant_type is missing"},
		"another grant type":  {url.Values{"grant_type": {"password"}}, "unsupported_grant_type", "grant_type is invalid"},
		"no assertion type":   {url.Values{"client_assertion_type": {""}}, "invalid_request", "client_assertion_type"},
		"no assertion":        {url.Values{"client_assertion": {""}}, "invalid_request", "Missing client_assertion"},
		"not a JWT":           {url.Values{"client_assertion": {"a.b"}}, "invalid_request", "Malformed JWT"},
		"a JWT of other text": {url.Values{"client_assertion": {"e30.!.e30"}}, "invalid_request", "Malformed JWT"},
	} {
		t.Run(name, func(t *testing.T) {
			form := maps.Clone(good)
			maps.Copy(form, tc.change)
			r := c.ask(form)
			assert.Equal(t, http.StatusBadRequest, r.status)
			assert.Equal(t, tc.error, r.json(t)["error"])
			assert.Contains(t, r.json(t)["error_description"], tc.text)
		})
	}
}

func TestAJTIIsGoodForOneUse(t *testing.T) {
	c := start(t, Options{})
	form := c.form(sign(t, c.key, c.header(), c.claims()))
	require.Equal(t, http.StatusOK, c.ask(form).status)

	again := c.ask(form)

	assert.Equal(t, http.StatusBadRequest, again.status)
	assert.Contains(t, again.json(t)["error_description"], "Non-unique 'jti'")
	assert.Contains(t, strings.Join(c.sim.Report().Violations, "\n"), "Non-unique 'jti'")
}

func TestATokenLives599SecondsOfTheSimulatorsTime(t *testing.T) {
	c := start(t, Options{})
	c.sim.Advance(598 * time.Second)
	assert.Equal(t, http.StatusOK, c.get("/STU3/CodeSystem/PRIORITY").status)

	c.sim.Advance(time.Second)
	late := c.get("/STU3/CodeSystem/PRIORITY")

	assert.Equal(t, http.StatusUnauthorized, late.status)
	assert.Contains(t, late.header.Get("WWW-Authenticate"), `error="invalid_token"`)
	assert.Contains(t, late.json(t), "fault", "the gateway's default body, no OperationOutcome")
	c.signIn()
	assert.Equal(t, http.StatusOK, c.get("/STU3/CodeSystem/PRIORITY").status)
}

func TestWithoutAGoodTokenNothingIsAnswered(t *testing.T) {
	c := start(t, Options{Referrals: 3})
	for _, header := range []string{"", "Bearer", "Bearer nonsense", "Basic " + c.token} {
		r := c.do("GET", "/STU3/ReferralRequest/000000070001", "", map[string]string{"Authorization": header})
		assert.Equal(t, http.StatusUnauthorized, r.status, header)
	}
	assert.Equal(t, http.StatusMethodNotAllowed, read(t, must(http.Get(c.creds.TokenURL))).status)
}

func must(res *http.Response, err error) *http.Response {
	if err != nil {
		panic(err)
	}
	return res
}
