package sfdc

import (
	"context"
	"crypto/rand"
	"crypto/rsa"
	"net/http"
	"net/url"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func mustTime(s string) time.Time {
	t, err := time.Parse(time.RFC3339, s)
	if err != nil {
		panic(err)
	}
	return t
}

func noRows(t *testing.T) func(http.ResponseWriter, *http.Request, []byte) {
	return func(w http.ResponseWriter, _ *http.Request, body []byte) { writeRows(t, w, body) }
}

func oneKey() Selection {
	return Selection{Object: "ClinicalServiceRequest", KeyField: "Bridge_Key__c", Keys: []string{"ers.sr.000000070001"}}
}

func TestConfigurationNamesAllItsFaultsAtOnce(t *testing.T) {
	_, err := New(Config{LoginURL: "http://trust.my.salesforce.com", Version: "66", Reserve: 1})
	require.Error(t, err)
	for _, want := range []string{"login URL is not https", "client id", "neither a client secret nor a key", `"v66.0"`, "reserve"} {
		assert.Contains(t, err.Error(), want)
	}
	for _, bad := range []string{"", "trust", "https://user:pw@host", "https://host/path", "https://host?x=y", "ftp://host"} {
		_, err = New(Config{LoginURL: bad, ClientID: "c", ClientSecret: "s"})
		assert.Error(t, err, bad)
	}
	for _, good := range []string{"https://host", "https://host/", "http://127.0.0.1:8080", "http://[::1]:1", "http://localhost:1"} {
		_, err = New(Config{LoginURL: good, ClientID: "c", ClientSecret: "s"})
		assert.NoError(t, err, good)
	}
}

func TestClientCredentialsSignInOnceAndSendTheHeadersOfEveryCall(t *testing.T) {
	o := serve(t, noRows(t))
	var form url.Values
	o.token = func(w http.ResponseWriter, r *http.Request, f url.Values) {
		form = f
		writeJSON(w, 200, map[string]any{"access_token": "session-x", "instance_url": o.url})
	}
	c := o.client()
	for range 2 {
		_, err := c.Retrieve(t.Context(), oneKey())
		require.NoError(t, err)
	}
	assert.Equal(t, url.Values{"grant_type": {"client_credentials"}, "client_id": {"consumer"}, "client_secret": {"s3cret-" + markName}}, form)
	assert.Equal(t, 1, o.tokens)
	assert.Equal(t, 3, c.Calls(), "one describe, two queries")
	h := o.seen[0].header
	assert.Equal(t, "Bearer session-x", h.Get("Authorization"))
	assert.Equal(t, "client=refbridge", h.Get("Sforce-Call-Options"))
	assert.Equal(t, "application/json; charset=UTF-8", h.Get("Content-Type"))
	assert.Equal(t, "gzip", h.Get("Accept-Encoding"))
	o.noLeak()
}

func TestJWTBearerSignsAShortAssertionForTheRightAudience(t *testing.T) {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	require.NoError(t, err)
	now := time.Now()
	for _, c := range []struct{ login, configured, want string }{
		{"https://trust.my.salesforce.com", "", "https://login.salesforce.com"},
		{"https://test.salesforce.com", "", "https://test.salesforce.com"},
		{"https://trust--uat.sandbox.my.salesforce.com", "", "https://test.salesforce.com"},
		{"https://trust.my.salesforce.com", "https://portal.example", "https://portal.example"},
	} {
		o := inMemory(t, noRows(t))
		var form url.Values
		o.token = func(w http.ResponseWriter, _ *http.Request, f url.Values) {
			form = f
			writeJSON(w, 200, map[string]any{"access_token": "session-x", "instance_url": o.url})
		}
		client := o.client(func(cfg *Config) {
			cfg.LoginURL, cfg.Audience, cfg.ClientSecret = c.login, c.configured, ""
			cfg.Key, cfg.Username, cfg.Now = key, "bridge@trust.example", func() time.Time { return now }
		})
		_, err := client.Retrieve(t.Context(), oneKey())
		require.NoError(t, err)
		assert.Equal(t, "urn:ietf:params:oauth:grant-type:jwt-bearer", form.Get("grant_type"))
		claims := jwt.MapClaims{}
		_, err = jwt.ParseWithClaims(form.Get("assertion"), claims, func(*jwt.Token) (any, error) { return &key.PublicKey, nil },
			jwt.WithValidMethods([]string{"RS256"}))
		require.NoError(t, err)
		assert.Equal(t, jwt.MapClaims{"iss": "consumer", "sub": "bridge@trust.example", "aud": c.want,
			"exp": float64(now.Add(3 * time.Minute).Unix())}, claims)
	}
}

func TestInstanceURLOfTheTokenAnswerIsTheHostAndIsChecked(t *testing.T) {
	for instance, ok := range map[string]bool{"https://other.my.salesforce.com": true, "http://127.0.0.1:9": true,
		"http://other.my.salesforce.com": false, "": false, "https://other/path": false, "https://u:p@other": false} {
		o := inMemory(t, noRows(t))
		var host string
		o.answer = func(w http.ResponseWriter, r *http.Request, body []byte) { host = r.URL.Host; writeRows(t, w, body) }
		o.token = func(w http.ResponseWriter, _ *http.Request, _ url.Values) {
			writeJSON(w, 200, map[string]any{"access_token": "session-x", "instance_url": instance})
		}
		synctest.Test(t, func(t *testing.T) {
			_, err := o.client().Retrieve(t.Context(), oneKey())
			if ok {
				require.NoError(t, err)
				assert.True(t, strings.HasSuffix(instance, host) && host != "", instance)
				return
			}
			assert.Equal(t, callToken, isError(t, err).Call)
			assert.Empty(t, o.seen, "the token was sent to an unchecked host")
		})
	}
}

func TestExpiredSessionIsRenewedExactlyOnceHoweverManyCallsMeetIt(t *testing.T) {
	const workers = 12
	var barrier sync.WaitGroup
	barrier.Add(workers)
	o := serve(t, nil)
	o.answer = func(w http.ResponseWriter, r *http.Request, body []byte) {
		if r.Header.Get("Authorization") == "Bearer session-1" {
			barrier.Done()
			barrier.Wait() // every worker is in flight with the old session
			writeJSON(w, 401, refused("INVALID_SESSION_ID", "Session expired or invalid"))
			return
		}
		writeRows(t, w, body)
	}
	c := o.client()
	_, err := c.Describe(t.Context(), "ClinicalServiceRequest")
	require.NoError(t, err)
	var wg sync.WaitGroup
	for range workers {
		wg.Go(func() {
			_, err := c.Retrieve(t.Context(), oneKey())
			assert.NoError(t, err)
		})
	}
	wg.Wait()
	assert.Equal(t, 2, o.tokens)
	assert.Len(t, o.seen, 2*workers, "each call was replayed once")
	o.noLeak()
}

func TestExpiryInTheMiddleOfABatchLosesNoRow(t *testing.T) {
	o := serve(t, nil)
	o.answer = func(w http.ResponseWriter, r *http.Request, body []byte) {
		if len(o.seen) == 2 {
			writeJSON(w, 401, refused("INVALID_SESSION_ID", "Session expired or invalid"))
			return
		}
		saveAll(t, w, body)
	}
	results, err := o.client().Upsert(t.Context(), "CodeSet", "CodeSetKey", codeSets(450), nil)
	require.NoError(t, err)
	for i, r := range results {
		require.NoError(t, r.Err, "row %d", i)
	}
	assert.Equal(t, 2, o.tokens)
	assert.Len(t, o.seen, 4)
}

func TestSessionThatStaysRefusedIsNotRenewedAgain(t *testing.T) {
	for message, tokens := range map[string]int{
		"Session expired or invalid":                            2,
		"This session is not valid for use with the REST API":   1,
		"Connected app is not attached to Agent " + markName:    1,
		"This session is not valid for use with the REST API. ": 1,
	} {
		o := serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			writeJSON(w, 401, refused("INVALID_SESSION_ID", message))
		})
		_, err := o.client().Retrieve(t.Context(), oneKey())
		e := isError(t, err)
		assert.Equal(t, Auth, e.Class())
		assert.Equal(t, tokens, o.tokens, message)
		o.noLeak(err.Error())
	}
}

func TestRefusedSignInIsAskedForAtMostThreeTimesInFifteenMinutes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, noRows(t))
		o.token = func(w http.ResponseWriter, _ *http.Request, _ url.Values) {
			writeJSON(w, 400, map[string]any{"error": "invalid_grant", "error_description": "user " + markName + " hasn't approved this consumer"})
		}
		c := o.client()
		var last *Error
		for range 30 {
			_, err := c.Retrieve(t.Context(), oneKey())
			last = isError(t, err)
			assert.Contains(t, []Class{Auth, Limit}, last.Class())
			o.noLeak(err.Error())
			time.Sleep(20 * time.Second)
		}
		assert.Equal(t, 3, o.tokens)
		assert.Equal(t, CodeTokenCalls, last.Code)
		assert.Equal(t, "token: token-calls, again in 5m20s", last.Error())
		time.Sleep(last.RetryAfter)
		_, err := c.Retrieve(t.Context(), oneKey())
		assert.Equal(t, "token: 400 invalid_grant", err.Error())
		assert.Equal(t, 4, o.tokens)
	})
}

// Which sign-ins Salesforce may count against the user: a row a case.
func TestFinding_doubt_C12_OnlyAnAnswerCountsTowardsTheLockOut(t *testing.T) {
	for _, c := range []struct {
		name   string
		err    error
		counts bool
	}{
		{"accepted", nil, true},
		{"a wrong secret", &Error{Call: callToken, Status: 400, Code: "invalid_client"}, true},
		{"a user who may not", &Error{Call: callToken, Status: 400, Code: "invalid_grant"}, true},
		{"refused without a code", &Error{Call: callToken, Status: 401}, true},
		{"too many of them", &Error{Call: callToken, Status: 429}, true},
		{"too many of them, as a code", &Error{Call: callToken, Status: 400, Code: "rate_limit_exceeded"}, true},
		{"a redirect", &Error{Call: callToken, Status: 302}, true},
		{"no connection", &Error{Call: callToken, Code: CodeNoAnswer, unsent: true}, false},
		{"a connection that broke", &Error{Call: callToken, Code: CodeNoAnswer}, false},
		{"half an answer", &Error{Call: callToken, Status: 200, Code: CodeNoAnswer}, false},
		{"not well", &Error{Call: callToken, Status: 503}, false},
		{"not well, as a code", &Error{Call: callToken, Status: 400, Code: "temporarily_unavailable"}, false},
		{"a gateway", &Error{Call: callToken, Status: 502}, false},
		{"the caller gave up", context.Canceled, false},
	} {
		assert.Equal(t, c.counts, countsTowardsLockOut(c.err), c.name)
	}
}

func TestFinding_doubt_C12_SecondsWithoutTheTokenEndpointShutNobodyOut(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		// Before: the token endpoint answers 503 for some seconds, and a connection to it breaks.
		o := inMemory(t, noRows(t))
		healthy := false
		o.token = func(w http.ResponseWriter, _ *http.Request, _ url.Values) {
			if !healthy {
				w.WriteHeader(http.StatusServiceUnavailable)
				return
			}
			writeJSON(w, 200, map[string]any{"access_token": "session-x", "instance_url": o.url})
		}
		c := o.client()
		for range 5 {
			_, err := c.Retrieve(t.Context(), oneKey())
			assert.Equal(t, 503, isError(t, err).Status)
		}
		require.Greater(t, o.tokens, tokenCalls)

		// It is well again: so is the client, at once.
		healthy = true
		_, err := c.Retrieve(t.Context(), oneKey())
		require.NoError(t, err)
	})
}

func TestWaitersShareOneRefusal(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, noRows(t))
		o.token = func(w http.ResponseWriter, _ *http.Request, _ url.Values) {
			time.Sleep(time.Second)
			writeJSON(w, 401, map[string]any{"error": "invalid_client"})
		}
		c := o.client()
		var wg sync.WaitGroup
		for range 8 {
			wg.Go(func() {
				_, err := c.auth.session(t.Context(), nil)
				assert.Equal(t, "invalid_client", isError(t, err).Code)
			})
		}
		wg.Wait()
		assert.Equal(t, 1, o.tokens)
	})
}

func TestCallerThatGivesUpLeavesTheSignInToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, noRows(t))
		calls := 0
		transport := roundTrip(func(r *http.Request) (*http.Response, error) {
			if calls++; calls == 1 {
				<-r.Context().Done()
				return nil, r.Context().Err()
			}
			return o.RoundTrip(r)
		})
		c := o.client(func(cfg *Config) { cfg.Transport = transport })
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		var wg sync.WaitGroup
		wg.Go(func() {
			_, err := c.auth.session(ctx, nil)
			assert.ErrorIs(t, err, context.DeadlineExceeded)
		})
		synctest.Wait()
		wg.Go(func() {
			s, err := c.auth.session(t.Context(), nil)
			if assert.NoError(t, err) {
				assert.Equal(t, o.url, s.host)
			}
		})
		wg.Wait()
	})
}

type roundTrip func(*http.Request) (*http.Response, error)

func (f roundTrip) RoundTrip(r *http.Request) (*http.Response, error) { return f(r) }
