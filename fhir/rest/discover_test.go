package rest

import (
	"net/http"
	"net/url"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/wire"
)

func TestATokenEndpointIsTakenOnlyOfAHostThatSomebodyHasNamed(t *testing.T) {
	const secure, here = "https://fhir.example.org/r4", "http://127.0.0.1:9002/fhir"
	for name, c := range map[string]struct {
		base, said string
		hosts      []string
		want, why  string
	}{
		"the base's own host":              {secure, `{"token_endpoint":"https://fhir.example.org/token"}`, nil, "https://fhir.example.org/token", ""},
		"in other letters, port named":     {secure, `{"token_endpoint":"https://FHIR.example.org:443/token"}`, nil, "https://FHIR.example.org:443/token", ""},
		"on this machine":                  {here, `{"token_endpoint":"http://127.0.0.1:9002/token"}`, nil, "http://127.0.0.1:9002/token", ""},
		"a host that was named":            {secure, `{"token_endpoint":"https://login.example.org/t"}`, []string{"login.example.org"}, "https://login.example.org/t", ""},
		"with its port":                    {secure, `{"token_endpoint":"https://login.example.org:8443/t"}`, []string{"login.example.org:8443"}, "https://login.example.org:8443/t", ""},
		"another host":                     {secure, `{"token_endpoint":"https://evil.example/token"}`, nil, "", "it is at https://evil.example, and the server is https://fhir.example.org"},
		"another host than named":          {secure, `{"token_endpoint":"https://evil.example/token"}`, []string{"login.example.org"}, "", "token_host"},
		"another port":                     {secure, `{"token_endpoint":"https://fhir.example.org:8443/token"}`, nil, "", "token_host"},
		"another port of this machine":     {here, `{"token_endpoint":"http://127.0.0.1:9003/token"}`, nil, "", "token_host"},
		"a host that begins alike":         {secure, `{"token_endpoint":"https://fhir.example.org.evil.example/token"}`, nil, "", "token_host"},
		"the host as a user":               {secure, `{"token_endpoint":"https://fhir.example.org@evil.example/token"}`, nil, "", "user information"},
		"not https":                        {secure, `{"token_endpoint":"http://fhir.example.org/token"}`, nil, "", "not https"},
		"this machine, though base is not": {secure, `{"token_endpoint":"http://127.0.0.1/token"}`, []string{"127.0.0.1"}, "", "not https"},
		"a query":                          {secure, `{"token_endpoint":"https://fhir.example.org/token?to=x"}`, nil, "", "query"},
		"not a whole address":              {secure, `{"token_endpoint":"/token"}`, nil, "", "not an absolute URL"},
		"none":                             {secure, `{"authorization_endpoint":"https://fhir.example.org/a"}`, nil, "", "set token_url"},
		"no JSON":                          {secure, `<html>`, nil, "", "set token_url"},
	} {
		t.Run(name, func(t *testing.T) {
			base, err := url.Parse(c.base)
			require.NoError(t, err)
			u, err := endpoint([]byte(c.said), base, c.hosts)
			if c.why != "" {
				require.ErrorContains(t, err, c.why)
				return
			}
			require.NoError(t, err)
			assert.Equal(t, c.want, u.String())
		})
	}
}

// telling is a server that says where it gives tokens.
type telling struct {
	*secured
	said  string
	asked int
}

func (s *telling) RoundTrip(r *http.Request) (*http.Response, error) {
	if r.URL.String() == testBase+"/.well-known/smart-configuration" {
		s.asked++
		return reply(200, s.said, "Content-Type", "application/json"), nil
	}
	return s.secured.RoundTrip(r)
}

func TestAServerIsAskedOnceWhereItGivesTokensAndAPlanMayAskForOne(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &telling{secured: &secured{}, said: `{"token_endpoint":"` + testTokenURL + `"}`}
		c := signedIn(t, ReadOnly(s, ""), func(c *Config) { c.TokenURL, c.TokenHost = "", "login.example.org" })
		for range 3 {
			_, err := c.Read(t.Context(), patientRef)
			require.NoError(t, err)
		}
		assert.Equal(t, 1, s.asked)
		assert.Equal(t, 1, s.secured.asked)
		_, err := c.Update(t.Context(), patientRef, []byte(patient("1")))
		require.Error(t, err)
		assert.ErrorIs(t, err, wire.ErrReadOnly, "and nothing else passes")
	})
}

func TestAfterATokenWasRefusedTheServerIsAskedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		s := &telling{secured: &secured{answer: reply(404, "moved")}, said: `{"token_endpoint":"` + testTokenURL + `"}`}
		c := signedIn(t, s, func(c *Config) { c.TokenURL, c.TokenHost = "", "login.example.org" })
		_, err := c.Read(t.Context(), patientRef)
		require.Error(t, err)
		s.answer = nil
		_, err = c.Read(t.Context(), patientRef)
		require.NoError(t, err)
		assert.Equal(t, 2, s.asked)
	})
}

func TestATokenHostBesideATokenURLIsRefused(t *testing.T) {
	for _, host := range []string{"login.example.org", "https://login.example.org"} {
		c := Config{BaseURL: testBase, ClientID: "c", KeyID: "k", Key: mustKey(), TokenHost: host}
		if host == "login.example.org" {
			c.TokenURL = testTokenURL
		}
		_, err := New(c)
		require.ErrorContains(t, err, "token host")
	}
}
