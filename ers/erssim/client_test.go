package erssim

import (
	"bytes"
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha512"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// testKey is generated once: most tests do not care whose key it is.
var testKey = sync.OnceValue(func() *rsa.PrivateKey {
	key, err := rsa.GenerateKey(rand.Reader, 2048)
	if err != nil {
		return nil
	}
	return key
})

// noon is a Tuesday in winter, when London has UTC.
var noon = time.Date(2026, 3, 10, 12, 0, 0, 0, time.UTC)

// client speaks to a simulator over HTTP, as a program that knows nothing of it would.
type client struct {
	t     *testing.T
	sim   *Server
	creds Credentials
	key   *rsa.PrivateKey
	token string
}

// start runs a simulator whose clock stands at noon unless the options say otherwise, with a signed-in client.
func start(t *testing.T, o Options) *client {
	t.Helper()
	if o.Key == nil {
		o.Key = testKey()
	}
	if o.Now == nil {
		o.Now = func() time.Time { return noon }
	}
	if o.RatePerSecond == 0 {
		o.RatePerSecond = 100_000
	}
	sim, err := New(o)
	require.NoError(t, err)
	server := httptest.NewServer(sim)
	t.Cleanup(server.Close)
	c := &client{t: t, sim: sim, creds: sim.Credentials(server.URL)}
	c.key, err = jwt.ParseRSAPrivateKeyFromPEM(c.creds.PrivateKeyPEM)
	require.NoError(t, err)
	c.signIn()
	return c
}

// now is the simulator's time, as a client with a good clock knows it.
func (c *client) now() time.Time {
	c.sim.mu.Lock()
	defer c.sim.mu.Unlock()
	return c.sim.now()
}

func (c *client) claims() map[string]any {
	return map[string]any{
		"iss": c.creds.ClientID, "sub": c.creds.ClientID, "aud": c.creds.TokenURL, "jti": uuid(),
		"exp": c.now().Add(4 * time.Minute).Unix(),
	}
}

func (c *client) header() map[string]any {
	return map[string]any{"alg": "RS512", "typ": "JWT", "kid": c.creds.KeyID}
}

// sign makes a JWT by hand, whatever is in it.
func sign(t *testing.T, key *rsa.PrivateKey, header, claims map[string]any) string {
	t.Helper()
	part := func(v any) string {
		raw, err := json.Marshal(v)
		require.NoError(t, err)
		return base64.RawURLEncoding.EncodeToString(raw)
	}
	signed := part(header) + "." + part(claims)
	digest := sha512.Sum512([]byte(signed))
	signature, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA512, digest[:])
	require.NoError(t, err)
	return signed + "." + base64.RawURLEncoding.EncodeToString(signature)
}

func (c *client) form(assertion string) url.Values {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}
}

// ask posts a form to the token endpoint.
func (c *client) ask(form url.Values) reply {
	c.t.Helper()
	res, err := http.PostForm(c.creds.TokenURL, form)
	require.NoError(c.t, err)
	return read(c.t, res)
}

func (c *client) signIn() {
	c.t.Helper()
	r := c.ask(c.form(sign(c.t, c.key, c.header(), c.claims())))
	require.Equal(c.t, http.StatusOK, r.status, "%s", r.body)
	c.token = r.json(c.t)["access_token"].(string)
}

// reply is a response with its body read.
type reply struct {
	status int
	header http.Header
	body   []byte
}

func read(t *testing.T, res *http.Response) reply {
	t.Helper()
	defer res.Body.Close()
	body, err := io.ReadAll(res.Body)
	require.NoError(t, err)
	return reply{res.StatusCode, res.Header, body}
}

func (r reply) json(t *testing.T) map[string]any {
	t.Helper()
	var out map[string]any
	require.NoError(t, json.Unmarshal(r.body, &out), "%s", r.body)
	return out
}

// codes are the codes of an OperationOutcome, nil for any other body.
func (r reply) codes() []string {
	var o struct {
		ResourceType string
		Issue        []struct {
			Details struct{ Coding []struct{ Code string } }
		}
	}
	if json.Unmarshal(r.body, &o) != nil || o.ResourceType != "OperationOutcome" {
		return nil
	}
	var out []string
	for _, i := range o.Issue {
		for _, c := range i.Details.Coding {
			out = append(out, c.Code)
		}
	}
	return out
}

// refused checks the status and the one code of an OperationOutcome.
func (r reply) refused(t *testing.T, status int, code string) {
	t.Helper()
	assert.Equal(t, status, r.status, "%s", r.body)
	assert.Equal(t, []string{code}, r.codes(), "%s", r.body)
	assert.Equal(t, fhirJSON, r.header.Get("Content-Type"))
}

// request builds an API request as a well-behaved client sends it; headers with an empty value are left out.
func (c *client) request(method, path, body string, headers map[string]string) *http.Request {
	c.t.Helper()
	req, err := http.NewRequest(method, c.creds.BaseURL+path, strings.NewReader(body))
	require.NoError(c.t, err)
	all := map[string]string{"Authorization": "Bearer " + c.token, "Accept": fhirJSON}
	if body != "" {
		all["Content-Type"] = fhirJSON
	}
	maps.Copy(all, headers)
	for k, v := range all {
		if v != "" {
			req.Header.Set(k, v)
		}
	}
	return req
}

func (c *client) do(method, path, body string, headers map[string]string) reply {
	c.t.Helper()
	res, err := http.DefaultClient.Do(c.request(method, path, body, headers))
	require.NoError(c.t, err)
	return read(c.t, res)
}

func (c *client) get(path string) reply { c.t.Helper(); return c.do("GET", path, "", nil) }

func (c *client) referral(ubrn string) reply {
	c.t.Helper()
	return c.get("/STU3/ReferralRequest/" + ubrn)
}

// operate calls an operation with the version that the simulator's books have.
func (c *client) operate(ubrn, operation, body string) reply {
	c.t.Helper()
	return c.operateAt(ubrn, operation, body, c.row(ubrn).Version)
}

func (c *client) operateAt(ubrn, operation, body string, version int) reply {
	c.t.Helper()
	match := map[string]string{"If-Match": fmt.Sprintf(`W/"%d"`, version)}
	return c.do("POST", "/STU3/ReferralRequest/"+ubrn+"/$ers."+operation, body, match)
}

// row is a referral in the simulator's books.
func (c *client) row(ubrn string) Referral {
	c.t.Helper()
	return c.find(func(r Referral) bool { return r.UBRN == ubrn })
}

// find gives the first referral that fits.
func (c *client) find(fits func(Referral) bool) Referral {
	c.t.Helper()
	for _, r := range c.sim.Referrals() {
		if fits(r) {
			return r
		}
	}
	require.FailNow(c.t, "no such referral in the population")
	return Referral{}
}

func (c *client) inState(state string) Referral {
	c.t.Helper()
	return c.find(func(r Referral) bool { return r.State == state && !r.Sensitive && !r.Reviewed && r.Appointment != "" })
}

func worklistBody(listType string, more ...string) string {
	parameters := append([]string{fmt.Sprintf(`{"name":"listType","valueCodeableConcept":{"coding":[
		{"system":"https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReferralListSelector-1","code":%q}]}}`, listType)}, more...)
	return body("eRS-FetchWorklist-Parameters-1", parameters...)
}

func serviceFilter(id string) string {
	return fmt.Sprintf(`{"name":"service","valueIdentifier":{"system":"http://fhir.nhs.net/Id/ers-service","value":%q}}`, id)
}

func body(profile string, parameters ...string) string {
	return `{"resourceType":"Parameters","meta":{"profile":["https://fhir.nhs.uk/STU3/StructureDefinition/` + profile +
		`"]},"parameter":[` + strings.Join(parameters, ",") + `]}`
}

func (c *client) worklist(list, service string) reply {
	c.t.Helper()
	return c.do("POST", "/STU3/ReferralRequest/$ers.fetchworklist", worklistBody(list, serviceFilter(service)), nil)
}

// control posts to a control endpoint.
func (c *client) control(path, body string) reply {
	c.t.Helper()
	root := strings.TrimSuffix(c.creds.BaseURL, basePath)
	res, err := http.Post(root+path, "application/json", bytes.NewBufferString(body))
	require.NoError(c.t, err)
	return read(c.t, res)
}
