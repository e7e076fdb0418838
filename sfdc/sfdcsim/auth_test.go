package sfdcsim

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/json"
	"encoding/pem"
	"net/http"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func sign(t *testing.T, key *rsa.PrivateKey, header, claims m) string {
	t.Helper()
	part := func(v m) string {
		b, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(b)
	}
	text := part(header) + "." + part(claims)
	sum := sha256.Sum256([]byte(text))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	require.NoError(t, err)
	return text + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func TestClientCredentialsSignInByBodyAndByBasic(t *testing.T) {
	o := newOrg(t, Options{})
	status, body := o.form(url.Values{"grant_type": {"client_credentials"}, "client_id": {o.clientID()}, "client_secret": {o.clientSecret()}})
	require.Equal(t, 200, status)
	assert.Equal(t, o.url, body["instance_url"])
	assert.Equal(t, "Bearer", body["token_type"])
	assert.NotContains(t, body, "expires_in")
	assert.NotContains(t, body, "refresh_token")
	assert.Regexp(t, `/id/00D[0-9A-Za-z]{15}/005[0-9A-Za-z]{15}$`, body["id"])

	req, err := http.NewRequest("POST", o.url+"/services/oauth2/token", strings.NewReader("grant_type=client_credentials"))
	require.NoError(t, err)
	req.Header.Set("Content-Type", "application/x-www-form-urlencoded")
	req.SetBasicAuth(o.clientID(), o.clientSecret())
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	resp.Body.Close()
	assert.Equal(t, 200, resp.StatusCode)
}

func TestTokenEndpointRefusesWithAnObject(t *testing.T) {
	o := newOrg(t, Options{})
	for _, c := range []struct{ grant, id, secret, want string }{
		{"client_credentials", "nobody", o.clientSecret(), "invalid_client_id"},
		{"client_credentials", o.clientID(), "wrong", "invalid_client"},
		{"password", o.clientID(), o.clientSecret(), "unsupported_grant_type"},
	} {
		status, body := o.form(url.Values{"grant_type": {c.grant}, "client_id": {c.id}, "client_secret": {c.secret}})
		assert.Equal(t, 400, status)
		assert.Equal(t, c.want, body["error"])
		assert.NotEmpty(t, body["error_description"])
	}
}

func TestJWTBearerIsVerifiedClaimByClaim(t *testing.T) {
	o := newOrg(t, Options{})
	c := o.Credentials(o.url)
	block, _ := pem.Decode(c.PrivateKeyPEM)
	require.NotNil(t, block)
	parsed, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	key := parsed.(*rsa.PrivateKey)
	stranger, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	good := func() m {
		return m{"iss": c.ClientID, "sub": c.Username, "aud": "https://login.salesforce.com", "exp": moment().Add(3 * time.Minute).Unix()}
	}
	with := func(name string, v any) m { out := good(); out[name] = v; return out }
	for _, tc := range []struct {
		name        string
		claims      m
		key         *rsa.PrivateKey
		alg         string
		description string // "" is accepted
	}{
		{"as documented", good(), key, "RS256", ""},
		{"own address as audience", with("aud", o.url), key, "RS256", ""},
		{"expiry as text", with("exp", "1772443900"), key, "RS256", ""},
		{"another key", good(), stranger, "RS256", "invalid assertion"},
		{"another algorithm", good(), key, "none", "invalid assertion"},
		{"expired", with("exp", moment().Unix()), key, "RS256", "expired authorization code"},
		{"too far ahead", with("exp", moment().Add(6*time.Minute).Unix()), key, "RS256", "invalid assertion"},
		{"audience", with("aud", "https://example.org"), key, "RS256", "audience is invalid"},
		{"user", with("sub", "someone@example.org"), key, "RS256", "user hasn't approved this consumer"},
		{"client", with("iss", "someone"), key, "RS256", "client identifier invalid"},
	} {
		status, body := o.form(url.Values{"grant_type": {jwtGrant}, "assertion": {sign(t, tc.key, m{"alg": tc.alg}, tc.claims)}})
		if tc.description == "" {
			assert.Equal(t, 200, status, "%s: %v", tc.name, body)
			continue
		}
		assert.Equal(t, 400, status, tc.name)
		assert.Equal(t, tc.description, body["error_description"], tc.name)
	}
	status, body := o.form(url.Values{"grant_type": {jwtGrant}, "scope": {"api"}, "assertion": {sign(t, key, m{"alg": "RS256"}, good())}})
	assert.Equal(t, 400, status)
	assert.Equal(t, "invalid_request", body["error"])
}

func TestASessionEndsAfterTwoHoursOfTheOrgsClock(t *testing.T) {
	o := newOrg(t, Options{})
	o.call("GET", "/limits", nil, 200)
	o.Advance(2 * time.Hour)
	e := o.refused("GET", "/limits", nil, 401, "INVALID_SESSION_ID")
	assert.Equal(t, "Session expired or invalid", e["message"])
	o.signIn()
	o.call("GET", "/limits", nil, 200)
}

func TestUserinfoNamesTheOrgAndTheUser(t *testing.T) {
	o := newOrg(t, Options{})
	info := o.call("GET", "/services/oauth2/userinfo", nil, 200).(m)
	assert.Equal(t, o.orgID(), info["organization_id"])
}

func TestVersionsOfTheAPI(t *testing.T) {
	o := newOrg(t, Options{})
	list := o.call("GET", "/services/data", nil, 200).([]any)
	assert.Equal(t, m{"label": "Spring '26", "url": "/services/data/v66.0", "version": "66.0"}, list[7])
	for _, v := range []string{"v59.0", "v67.0"} {
		o.call("GET", "/services/data/"+v+"/limits", nil, 200)
	}
	for _, v := range []string{"v58.0", "v68.0"} {
		o.refused("GET", "/services/data/"+v+"/limits", nil, 404, "UNSUPPORTED_API_VERSION")
	}
	o.refused("GET", "/services/data/v29.0/limits", nil, 410, "UNSUPPORTED_API_VERSION")
}

func TestCallsAreCountedDownAndRunOutUntilTheNextDay(t *testing.T) {
	o := newOrg(t, Options{DailyCalls: 3})
	for _, want := range []string{"api-usage=1/3", "api-usage=2/3", "api-usage=3/3"} {
		o.call("GET", "/limits", nil, 200)
		assert.Equal(t, want, o.header.Get("Sforce-Limit-Info"))
	}
	o.refused("GET", "/limits", nil, 403, "REQUEST_LIMIT_EXCEEDED")
	assert.Equal(t, "api-usage=3/3", o.header.Get("Sforce-Limit-Info"))
	o.Advance(24 * time.Hour)
	o.signIn()
	limits := o.call("GET", "/limits/", nil, 200).(m)
	assert.Equal(t, m{"Max": 3.0, "Remaining": 2.0}, limits["DailyApiRequests"])
}
