package rest

import (
	"net/url"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const testBase = "https://fhir.example.org/R4"

func mustURL(t testing.TB, text string) *url.URL {
	u, err := url.Parse(text)
	require.NoError(t, err)
	return u
}

func TestNextLinksAreFollowedOnTheOwnOriginAndBelowTheBasePathOnly(t *testing.T) {
	cases := []struct{ link, want string }{
		{"https://fhir.example.org/R4/ServiceRequest?_page=2", "https://fhir.example.org/R4/ServiceRequest?_page=2"},
		{"https://fhir.example.org/R4?_getpages=abc", "https://fhir.example.org/R4?_getpages=abc"},
		{"https://fhir.example.org/R4/?_getpages=abc", "https://fhir.example.org/R4/?_getpages=abc"},
		{"https://fhir.example.org:443/R4/ServiceRequest?p=2", "https://fhir.example.org/R4/ServiceRequest?p=2"},
		{"HTTPS://FHIR.Example.ORG/R4/ServiceRequest?p=2", "https://fhir.example.org/R4/ServiceRequest?p=2"},
		{"//fhir.example.org/R4/ServiceRequest?p=2", "https://fhir.example.org/R4/ServiceRequest?p=2"},
		{"/R4/ServiceRequest?p=2", "https://fhir.example.org/R4/ServiceRequest?p=2"},
		{"?p=2", "https://fhir.example.org/R4/ServiceRequest?p=2"},
		{"ServiceRequest?p=2", "https://fhir.example.org/R4/ServiceRequest?p=2"},
		{"./ServiceRequest?p=2", "https://fhir.example.org/R4/ServiceRequest?p=2"},
		{"https://fhir.example.org/R4/x/../ServiceRequest?p=2", "https://fhir.example.org/R4/ServiceRequest?p=2"},
		{"?p=a%2Fb..%5C&q=https%3A%2F%2Fevil.example", "https://fhir.example.org/R4/ServiceRequest?p=a%2Fb..%5C&q=https%3A%2F%2Fevil.example"},
		{"?p=2#fragment", "https://fhir.example.org/R4/ServiceRequest?p=2"},
		{"?url=../../admin", "https://fhir.example.org/R4/ServiceRequest?url=../../admin"},

		{"https://evil.example/R4/ServiceRequest?p=2", ""},
		{"https://fhir.example.org.evil.example/R4/x", ""},
		{"https://fhir.example.org./R4/x", ""},
		{"https://evil.fhir.example.org/R4/x", ""},
		{"https://fhir.example.org@evil.example/R4/x", ""},
		{"https://user@fhir.example.org/R4/x", ""},
		{"https://user:secret@fhir.example.org/R4/x", ""},
		{"https://@fhir.example.org/R4/x", ""},
		{"http://fhir.example.org/R4/x", ""},
		{"http://fhir.example.org:443/R4/x", ""},
		{"https://fhir.example.org:80/R4/x", ""},
		{"https://fhir.example.org:8443/R4/x", ""},
		{"https://fhir.example.org:0443/R4/x", ""},
		{"//evil.example/R4/x", ""},
		{"///evil.example/R4/x", ""},
		{`\\evil.example\R4\x`, ""},
		{`https:\\evil.example\R4`, ""},
		{`https://fhir.example.org\@evil.example/R4/x`, ""},
		{"https:/R4/x", ""},
		{"https:R4/x", ""},
		{"javascript:alert(1)", ""},
		{"file:///R4/x", ""},
		{"data:application/fhir+json,{}", ""},
		{"https://[::1]/R4/x", ""},
		{"https://169.254.169.254/R4/x", ""},
		{"https://fhir.example.org/", ""},
		{"https://fhir.example.org/R4x/ServiceRequest", ""},
		{"https://fhir.example.org/r4/ServiceRequest", ""},
		{"https://fhir.example.org/R4/../admin", ""},
		{"../admin?p=2", ""},
		{"https://fhir.example.org/R4/%2e%2e/admin", ""},
		{"https://fhir.example.org/R4/.%2e/admin", ""},
		{"https://fhir.example.org/R4/..%2fadmin", ""},
		{"https://fhir.example.org/R4/..%5cadmin", ""},
		{"https://fhir.example.org/R4/%252e%252e/admin", ""},
		{"https://fhir.example.org/R4/..;/admin", ""},
		{"https://fhir.example.org/R4/%2e%2e;x=y/admin", ""},
		{"https://fhir.example.org/R4//evil.example/x", ""},
		{"https://fhir.example.org%2eevil.example/R4/x", ""},
		{"https://fhir.example.org/R4/x\r\nX-Evil: 1", ""},
		{" https://fhir.example.org/R4/x", ""},
		{"https://fhir.example.org/R4/\x00", ""},
		{"https://fhir.exаmple.org/R4/x", ""}, // a Cyrillic letter
		{"https://fhir.example.org:/R4/x?p=2", "https://fhir.example.org/R4/x?p=2"},
		{"%zz", ""},
	}
	require.GreaterOrEqual(t, len(cases), 40)
	base, page := mustURL(t, testBase), mustURL(t, testBase+"/ServiceRequest?_count=2")
	for _, c := range cases {
		got, err := nextURL(base, base, page, c.link)
		if c.want == "" {
			assert.ErrorIs(t, err, ErrForeignLink, "%q", c.link)
			continue
		}
		if assert.NoError(t, err, "%q", c.link) {
			assert.Equal(t, c.want, got.String(), "%q", c.link)
		}
	}
}

func TestABaseAtTheRootOfItsHostTakesEveryPathOfIt(t *testing.T) {
	base := mustURL(t, "https://fhir.example.org")
	got, err := nextURL(base, base, mustURL(t, "https://fhir.example.org/Patient"), "/Patient?p=2")
	require.NoError(t, err)
	assert.Equal(t, "https://fhir.example.org/Patient?p=2", got.String())
	_, err = nextURL(base, base, mustURL(t, "https://fhir.example.org/Patient"), "https://other.example.org/Patient?p=2")
	assert.ErrorIs(t, err, ErrForeignLink)
}

func TestFinding_server_MP20_ARefusedLinkNamesBothHostsAndNothingElseOfIt(t *testing.T) {
	base := mustURL(t, testBase)
	for link, want := range map[string]string{
		"https://pat.trust.example:8443/fhir/Patient?identifier=9990000018": "host; it leads to https://pat.trust.example:8443, base_url is https://fhir.example.org",
		"http://fhir.example.org/R4/Patient?identifier=9990000018":          "scheme; it leads to http://fhir.example.org, base_url is https://fhir.example.org",
		"https://fhir.example.org:9443/R4/Patient?identifier=9990000018":    "port; it leads to https://fhir.example.org:9443,",
		"https://fhir.example.org/admin/9990000018":                         "path; it leads to https://fhir.example.org,",
		"https://9990000018.example/R4":                                     "host; it leads to an address that is not shown,",
		"https://a_b.example/R4":                                            "host; it leads to an address that is not shown,",
		"ftp://pat.trust.example/R4":                                        "scheme; it leads to an address that is not shown,",
	} {
		_, err := nextURL(base, base, base, link)
		require.ErrorIs(t, err, ErrForeignLink)
		assert.ErrorContains(t, err, want)
		assert.ErrorContains(t, err, "set base_url or public_base_url")
		for _, part := range []string{"999", "admin", "/fhir/", "/R4", "?"} {
			assert.NotContains(t, err.Error(), part)
		}
	}
}

func TestFinding_server_MP20_LinksOnTheAddressThatAServerCallsItsOwnAreFollowedOnOurs(t *testing.T) {
	base, public := mustURL(t, "http://127.0.0.1:8080/inner"), mustURL(t, "https://fhir.trust.example/R4")
	page := mustURL(t, "http://127.0.0.1:8080/inner/Patient")
	for link, want := range map[string]string{
		"https://fhir.trust.example/R4/Patient?p=2&x=a%2Fb": "http://127.0.0.1:8080/inner/Patient?p=2&x=a%2Fb",
		"https://FHIR.trust.example:443/R4?_getpages=1#x":   "http://127.0.0.1:8080/inner?_getpages=1",
		"http://127.0.0.1:8080/inner/Patient?p=2":           "http://127.0.0.1:8080/inner/Patient?p=2",
		"?p=2":                                               "http://127.0.0.1:8080/inner/Patient?p=2",
		"/R4/Patient?p=2":                                    "",
		"https://fhir.trust.example/R4x/Patient":             "",
		"https://fhir.trust.example/admin":                   "",
		"https://user@fhir.trust.example/R4/Patient":         "",
		"https://fhir.trust.example/R4/%2e%2e/admin":         "",
		"https://evil.example/R4/Patient":                    "",
		"https://fhir.trust.example:8443/R4/Patient?p=2":     "",
		"http://fhir.trust.example/R4/Patient?p=2":           "",
		"https://fhir.trust.example.evil.example/R4/Patient": "",
	} {
		got, err := nextURL(base, public, page, link)
		if want == "" {
			assert.ErrorIs(t, err, ErrForeignLink, link)
			continue
		}
		if assert.NoError(t, err, link) {
			assert.Equal(t, want, got.String())
		}
	}
	c, err := New(Config{BaseURL: "http://127.0.0.1:8080/inner/", PublicURL: "https://fhir.trust.example/R4/"})
	require.NoError(t, err)
	assert.Equal(t, []string{"http://127.0.0.1:8080/inner", "https://fhir.trust.example/R4"}, c.Bases())
	c, err = New(Config{BaseURL: testBase + "/"})
	require.NoError(t, err)
	assert.Equal(t, []string{testBase}, c.Bases())
	_, err = New(Config{BaseURL: testBase, PublicURL: "fhir.trust.example"})
	assert.Error(t, err)
}

func FuzzNextURL(f *testing.F) {
	for _, seed := range []string{
		"?p=2", "/R4/Patient?p=2", "https://fhir.example.org/R4/Patient", "https://evil.example/R4", "//evil.example",
		"https://fhir.example.org@evil.example/R4", "/R4/%2e%2e/x", "/R4/..;/x", `\\evil`, "https:R4", "/R4/%252e%252e/",
	} {
		f.Add(seed)
	}
	base, _ := url.Parse(testBase)
	page, _ := url.Parse(testBase + "/Patient?p=1")
	f.Fuzz(func(t *testing.T, link string) {
		got, err := nextURL(base, base, page, link)
		if err != nil {
			require.ErrorIs(t, err, ErrForeignLink)
			return
		}
		again, err := url.Parse(got.String()) // what is sent is what was checked
		require.NoError(t, err)
		require.Equal(t, "https", again.Scheme)
		require.Equal(t, "fhir.example.org", again.Host)
		require.Nil(t, again.User)
		require.True(t, again.Path == "/R4" || strings.HasPrefix(again.Path, "/R4/"), "path %q", again.Path)
		require.NotContains(t, again.Path+"/", "/../")
		require.NotContains(t, again.Path+"/", "/./")
	})
}
