package wire

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// What a broken call is called, whether the far end has seen it, and whether it is worth another try: a row a fault. The texts of
// net/http hold URLs and bytes of the far end, and none of them may be told.
func TestABrokenCallIsNamedInOurWords(t *testing.T) {
	for _, c := range []struct {
		err     error
		is      error
		unsent  bool
		mayPass bool
	}{
		{ErrReadOnly, ErrReadOnly, true, false},
		{&net.DNSError{Name: "fhir.example.org"}, ErrName, true, true},
		{&net.OpError{Op: "dial", Err: &net.DNSError{Name: "fhir.example.org", IsNotFound: true}}, ErrName, true, true},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, ErrDial, true, true},
		{&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}, syscall.ECONNREFUSED, true, true},
		{&net.OpError{Op: "dial", Err: os.ErrDeadlineExceeded}, ErrDial, true, true},
		{&net.OpError{Op: "dial", Err: errors.New("fhir.example.org")}, ErrDial, true, true},
		{&tls.CertificateVerificationError{Err: errors.New("fhir.example.org")}, ErrTrust, true, false},
		{x509.UnknownAuthorityError{}, ErrTrust, true, false},
		{tls.RecordHeaderError{Msg: "fhir.example.org"}, ErrPlain, true, false},
		{&net.OpError{Op: "read", Err: syscall.ECONNRESET}, ErrNetwork, false, true},
		{os.ErrDeadlineExceeded, ErrTimeout, false, false},
		{context.DeadlineExceeded, ErrTimeout, false, false},
		{io.EOF, ErrCut, false, true},
		{io.ErrUnexpectedEOF, ErrCut, false, true},
		{resty.ErrResponseBodyTooLarge, ErrTooLarge, false, false},
		{resty.ErrAutoRedirectDisabled, ErrRedirect, false, false},
		{errors.New(`malformed HTTP response "9990000018"`), ErrNetwork, false, true},
	} {
		got := Broken(&url.Error{Op: "Get", URL: "https://fhir.example.org/R4/Patient?identifier=9990000018", Err: c.err})
		assert.ErrorIs(t, got, c.is)
		assert.Equal(t, c.unsent, NeverSent(got), "%v", got)
		assert.Equal(t, c.mayPass, MayPass(got), "%v", got)
		assert.NotContains(t, got.Error(), "999")
		assert.NotContains(t, got.Error(), "example")
	}
}

func TestAddressesThatPatientDataMayGoTo(t *testing.T) {
	for _, c := range []struct {
		text    string
		fault   string // of SecureURL
		base    string // of BaseURL, where SecureURL takes it
		origin  string // of Origin, where BaseURL takes it
		becomes string
	}{
		{"https://ers.example.nhs.uk", "", "", "", "https://ers.example.nhs.uk"},
		{"https://ers.example.nhs.uk/", "", "", "", "https://ers.example.nhs.uk"},
		{"http://127.0.0.1:8080", "", "", "", "http://127.0.0.1:8080"},
		{"http://[::1]:8080", "", "", "", "http://[::1]:8080"},
		{"http://localhost:8080", "", "", "", "http://localhost:8080"},
		{"http://ers.example.nhs.uk", "is not https (http only on this machine)", "", "", ""},
		{"http://127.0.0.1.example.org", "is not https (http only on this machine)", "", "", ""},
		{"ftp://ers.example.nhs.uk", "is not https (http only on this machine)", "", "", ""},
		{"https://me:secret@ers.example.nhs.uk", "holds user information", "", "", ""},
		{"ers.example.nhs.uk", "is not an absolute URL", "", "", ""},
		{"", "is not an absolute URL", "", "", ""},
		{"https:ers.example.nhs.uk", "is not an absolute URL", "", "", ""},
		{"https://%zz", "is not an absolute URL", "", "", ""},
		{"https://ers.example.nhs.uk/R4?x=1", "", "has a query or a fragment", "", ""},
		{"https://ers.example.nhs.uk/R4?", "", "has a query or a fragment", "", ""},
		{"https://ers.example.nhs.uk/R4#x", "", "has a query or a fragment", "", ""},
		{"https://ers.example.nhs.uk/R4", "", "", "has a path", ""},
	} {
		_, err := SecureURL(c.text)
		assert.Equal(t, c.fault, text(err), c.text)
		_, err = BaseURL(c.text)
		assert.Equal(t, c.fault+c.base, text(err), c.text)
		got, err := Origin(c.text)
		assert.Equal(t, c.fault+c.base+c.origin, text(err), c.text)
		assert.Equal(t, c.becomes, got, c.text)
	}
}

func text(err error) string {
	if err == nil {
		return ""
	}
	return err.Error()
}

func TestAProxyIsForEverythingButThisMachine(t *testing.T) {
	proxy := &url.URL{Scheme: "http", Host: "proxy.example:3128"}
	for address, want := range map[string]*url.URL{"https://ers.example.nhs.uk/x": proxy, "http://127.0.0.1:1/x": nil, "http://localhost/x": nil} {
		got, err := Through(proxy)(request(t, http.MethodGet, address))
		require.NoError(t, err)
		assert.Equal(t, want, got, address)
	}
	assert.NotNil(t, Transport(Through(proxy)).Proxy)
	assert.Nil(t, Transport(nil).Proxy, "no proxy unless the configuration names one")
	assert.Equal(t, uint16(tls.VersionTLS12), Transport(nil).TLSClientConfig.MinVersion)
}

func request(t *testing.T, method, address string, header ...string) *http.Request {
	t.Helper()
	r, err := http.NewRequest(method, address, nil)
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		r.Header.Set(header[i], header[i+1])
	}
	return r
}

// seen counts what passes.
type seen int

func (s *seen) RoundTrip(*http.Request) (*http.Response, error) {
	*s++
	return &http.Response{StatusCode: 200, Body: http.NoBody}, nil
}

func TestBehindReadOnlyOnlyReadsPass(t *testing.T) {
	signIn := "https://ers.example.nhs.uk/oauth2/token"
	withBody := request(t, http.MethodGet, signIn)
	closed := &closing{Reader: strings.NewReader("body")}
	withBody.Body = closed
	for _, c := range []struct {
		r      *http.Request
		passes bool
	}{
		{request(t, http.MethodGet, "https://ers.example.nhs.uk/x"), true},
		{request(t, http.MethodGet, "https://ers.example.nhs.uk/x", "X-HTTP-Method-Override", "PUT"), false},
		{request(t, http.MethodGet, "https://ers.example.nhs.uk/x", "X-Method-Override", "PUT"), false},
		{request(t, http.MethodGet, "https://ers.example.nhs.uk/x?_HttpMethod=PATCH"), false},
		{withBody, false},
		{request(t, http.MethodHead, "https://ers.example.nhs.uk/x"), false},
		{request(t, http.MethodPut, "https://ers.example.nhs.uk/x"), false},
		{request(t, "get", "https://ers.example.nhs.uk/x"), false},
		{request(t, http.MethodPost, signIn), true},
		{request(t, http.MethodPost, signIn+"?_HttpMethod=PATCH"), false},
		{request(t, http.MethodPost, signIn, "X-HTTP-Method-Override", "PUT"), false},
		{request(t, http.MethodPut, signIn), false},
		{request(t, http.MethodPost, signIn+"/x"), false},
		{request(t, http.MethodPost, "https://evil.example/oauth2/token"), false},
	} {
		var passed seen
		_, err := ReadOnly(&passed, PostTo(signIn)).RoundTrip(c.r)
		if c.passes {
			require.NoError(t, err)
			assert.EqualValues(t, 1, passed, "%s %s", c.r.Method, c.r.URL)
			continue
		}
		assert.ErrorIs(t, err, ErrReadOnly, "%s %s", c.r.Method, c.r.URL)
		assert.Zero(t, passed)
	}
	assert.True(t, closed.closed)
	_, passes := PostTo("")(request(t, http.MethodPost, ""))
	assert.False(t, passes, "no sign-in is known")
}

type closing struct {
	io.Reader
	closed bool
}

func (c *closing) Close() error { c.closed = true; return nil }

func TestAnExchangeIsBoundedAndCarriesNothingElsewhere(t *testing.T) {
	if testing.Short() {
		t.Skip("opens a socket")
	}
	calls := 0
	far := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		calls++
		switch r.URL.Path {
		case "/elsewhere":
			http.Redirect(w, r, "/there", http.StatusTemporaryRedirect)
		case "/refused":
			w.WriteHeader(http.StatusInternalServerError)
			_, _ = w.Write(make([]byte, 4<<20))
		default:
			http.SetCookie(w, &http.Cookie{Name: "session", Value: "x"})
			_, _ = io.WriteString(w, strings.Repeat("x", 2000)+r.Header.Get("Cookie")+r.UserAgent())
		}
	}))
	t.Cleanup(far.Close)
	c := Client(nil, Limits{Body: 1000, Time: time.Minute})
	_, err := c.R().Get(far.URL)
	assert.ErrorIs(t, Broken(err), ErrTooLarge)
	got, err := c.R().Get(far.URL + "/elsewhere")
	assert.ErrorIs(t, Broken(err), ErrRedirect)
	assert.Equal(t, http.StatusTemporaryRedirect, got.StatusCode())
	c = Client(nil, Limits{Body: 8 << 20, Time: time.Minute})
	got, err = c.R().Get(far.URL + "/refused")
	require.NoError(t, err)
	assert.Len(t, got.Body(), maxErrorBody)
	for range 2 {
		got, err = c.R().Get(far.URL)
		require.NoError(t, err)
		assert.Equal(t, "refbridge", strings.Trim(got.String(), "x"), "no cookie is kept")
	}
	assert.Equal(t, 5, calls, "nothing was sent twice, and nothing to where a redirect leads")
}
