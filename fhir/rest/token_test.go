package rest

import (
	"crypto/rsa"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testTokenURL = "https://login.example.org/token"

// secured is a server that wants tokens: it gives numbered ones and takes those that good says.
type secured struct {
	mu     sync.Mutex
	asked  int
	reads  int
	body   func(n int) string
	good   func(token string) bool
	answer *http.Response // instead of a token, where not nil
	forms  []url.Values
	heads  []http.Header // of the calls for data
	login  []http.Header // of the calls for tokens
}

func (s *secured) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.String() == testTokenURL {
		time.Sleep(time.Second) // virtual: others come while this one waits
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if r.URL.String() == testTokenURL {
		s.asked++
		s.login = append(s.login, r.Header)
		form, _ := io.ReadAll(r.Body)
		values, _ := url.ParseQuery(string(form))
		s.forms = append(s.forms, values)
		if s.answer != nil {
			return s.answer, nil
		}
		body := fmt.Sprintf(`{"access_token":"t%d","token_type":"Bearer","expires_in":300}`, s.asked)
		if s.body != nil {
			body = s.body(s.asked)
		}
		return reply(200, body, "Content-Type", "application/json"), nil
	}
	s.reads++
	s.heads = append(s.heads, r.Header)
	if s.good != nil && !s.good(r.Header.Get("Authorization")) {
		return reply(401, ""), nil
	}
	return reply(200, patient("1")), nil
}

func signedIn(t testing.TB, s http.RoundTripper, edit ...func(*Config)) *Client {
	t.Helper()
	config := Config{BaseURL: testBase, TokenURL: testTokenURL, ClientID: "client-7", KeyID: "key-7", Key: mustKey(), Transport: s}
	for _, e := range edit {
		e(&config)
	}
	c, err := New(config)
	require.NoError(t, err)
	return c
}

func TestTheAssertionIsWhatSMARTAsksFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &secured{}
		c := signedIn(t, s)
		_, err := c.Read(t.Context(), patientRef)
		require.NoError(t, err)
		require.Len(t, s.forms, 1)
		form := s.forms[0]
		assert.Equal(t, "client_credentials", form.Get("grant_type"))
		assert.Equal(t, "urn:ietf:params:oauth:client-assertion-type:jwt-bearer", form.Get("client_assertion_type"))
		assert.Equal(t, ReadScope, form.Get("scope"))
		claims := jwt.MapClaims{}
		token, err := jwt.ParseWithClaims(form.Get("client_assertion"), claims, func(*jwt.Token) (any, error) {
			return mustKey().Public().(*rsa.PublicKey), nil
		}, jwt.WithTimeFunc(time.Now))
		require.NoError(t, err)
		assert.Equal(t, map[string]any{"alg": "RS384", "typ": "JWT", "kid": "key-7"}, token.Header)
		assert.Equal(t, "client-7", claims["iss"])
		assert.Equal(t, "client-7", claims["sub"])
		assert.Equal(t, testTokenURL, claims["aud"], "a text, not a list")
		assert.NotEmpty(t, claims["jti"])
		expires, err := claims.GetExpirationTime()
		require.NoError(t, err)
		assert.LessOrEqual(t, time.Until(expires.Time), 5*time.Minute)
		assert.Equal(t, "Bearer t1", s.heads[0].Get("Authorization"))
	})
}

func TestManyCallsShareOneToken(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &secured{}
		c := signedIn(t, s)
		var wait sync.WaitGroup
		for range 20 {
			wait.Go(func() { _, err := c.Read(t.Context(), patientRef); assert.NoError(t, err) })
		}
		wait.Wait()
		assert.Equal(t, 1, s.asked)
		assert.Equal(t, 20, s.reads)
	})
}

func TestATokenIsRenewedAtFourFifthsOfItsLife(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &secured{}
		c := signedIn(t, s)
		for _, step := range []struct {
			after time.Duration
			asked int
		}{{0, 1}, {239 * time.Second, 1}, {2 * time.Second, 2}} {
			time.Sleep(step.after)
			_, err := c.Read(t.Context(), patientRef)
			require.NoError(t, err)
			assert.Equal(t, step.asked, s.asked)
		}
		assert.NotEqual(t, s.forms[0].Get("client_assertion"), s.forms[1].Get("client_assertion"), "a jti is used once")
	})
}

func TestARefusedTokenIsReplacedOnceForAll(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &secured{good: func(token string) bool { return token == "Bearer t2" }}
		c := signedIn(t, s)
		var wait sync.WaitGroup
		for range 10 {
			wait.Go(func() { _, err := c.Read(t.Context(), patientRef); assert.NoError(t, err) })
		}
		wait.Go(func() {
			_, err := c.Update(t.Context(), patientRef, []byte(patient("1")))
			assert.NoError(t, err, "a 401 comes before any change")
		})
		wait.Wait()
		assert.Equal(t, 2, s.asked)
	})
}

func TestASecondRefusalEndsTheCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &secured{good: func(string) bool { return false }}
		c := signedIn(t, s)
		_, err := c.Read(t.Context(), patientRef)
		var failure *Error
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, 401, failure.Status)
		assert.Equal(t, 2, s.reads)
		assert.Equal(t, 2, s.asked)
	})
}

func TestARefusedSignInTellsTheCodeAndNothingElse(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &secured{answer: reply(400, `{"error":"invalid_client","error_description":"key of Quillfeather"}`, "Content-Type", "application/json")}
		c := signedIn(t, s)
		_, err := c.Update(t.Context(), patientRef, []byte(patient("1")))
		var failure *Error
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, "update Patient: token: status 400 (invalid_client): the server does not know this client or its key: "+
			"register client_id there, and the public key of private_key under the name in key_id", err.Error())
		assert.False(t, failure.Ambiguous(), "nothing was sent")
		assert.Zero(t, s.reads)
	})
}

func TestTokenAnswersThatCannotBeUsed(t *testing.T) {
	for what, body := range map[string]string{
		"no token":        `{"token_type":"bearer"}`,
		"another type":    `{"access_token":"a","token_type":"mac"}`,
		"a line break":    `{"access_token":"a\r\nX-Evil: 1","token_type":"bearer"}`,
		"an error in 200": `{"error":"invalid_scope","access_token":"a","token_type":"bearer"}`,
		"HTML":            `<html>`,
	} {
		synctest.Test(t, func(t *testing.T) {
			s := &secured{body: func(int) string { return body }}
			_, err := signedIn(t, s).Read(t.Context(), patientRef)
			assert.Error(t, err, what)
			assert.Zero(t, s.reads, what)
		})
	}
}

// The server's clock is ten minutes ahead: it refuses the first assertion as too old and says its time.
func TestAClockThatIsWrongIsCorrectedByTheServers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		asked := 0
		c := signedIn(t, farEnd(func(r *http.Request) (*http.Response, error) {
			if r.URL.String() != testTokenURL {
				return reply(200, patient("1")), nil
			}
			asked++
			server := time.Now().Add(10 * time.Minute)
			form, _ := io.ReadAll(r.Body)
			values, _ := url.ParseQuery(string(form))
			_, err := jwt.Parse(values.Get("client_assertion"), func(*jwt.Token) (any, error) { return mustKey().Public(), nil },
				jwt.WithTimeFunc(func() time.Time { return server }))
			if err != nil {
				return reply(400, `{"error":"invalid_client"}`, "Date", server.UTC().Format(http.TimeFormat)), nil
			}
			return reply(200, `{"access_token":"a","token_type":"bearer","expires_in":1}`), nil
		}))
		_, err := c.Read(t.Context(), patientRef)
		require.NoError(t, err)
		assert.Equal(t, 2, asked)
		time.Sleep(time.Minute)
		_, err = c.Read(t.Context(), patientRef)
		require.NoError(t, err)
		assert.Equal(t, 3, asked, "the correction is remembered")
	})
}

func TestExtraHeadersGoToTheServerAndNotToTheTokenEndpoint(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &secured{}
		c := signedIn(t, s, func(c *Config) {
			c.Headers = map[string]string{
				"NHSD-Target-Identifier": "eyJ2YWx1ZSI6IlJYOTk5In0=", "X-Request-Id": "{uuid}", "Accept": "application/fhir+json; version=1.2.0",
			}
		})
		for range 2 {
			_, err := c.Read(t.Context(), patientRef)
			require.NoError(t, err)
		}
		require.Len(t, s.heads, 2)
		assert.Equal(t, "eyJ2YWx1ZSI6IlJYOTk5In0=", s.heads[0].Get("NHSD-Target-Identifier"))
		assert.Equal(t, "application/fhir+json; version=1.2.0", s.heads[0].Get("Accept"))
		assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, s.heads[0].Get("X-Request-Id"))
		assert.NotEqual(t, s.heads[0].Get("X-Request-Id"), s.heads[1].Get("X-Request-Id"))
		require.Len(t, s.login, 1)
		assert.Empty(t, s.login[0].Get("NHSD-Target-Identifier"))
		assert.Empty(t, s.login[0].Get("X-Request-Id"))
	})
}
