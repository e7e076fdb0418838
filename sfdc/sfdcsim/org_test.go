package sfdcsim

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const data = "/services/data/v66.0"

// org is a server under test and one signed-in client of it, over plain net/http.
type org struct {
	*Server
	t      *testing.T
	url    string
	token  string
	header http.Header // of the last answer
}

// moment is where the clock of every test org stands.
func moment() time.Time { return time.Date(2026, 3, 2, 9, 30, 0, 0, time.UTC) }

func newOrg(t *testing.T, o Options) *org {
	t.Helper()
	if o.Now == nil {
		o.Now = moment
	}
	s, err := New(o)
	require.NoError(t, err)
	server := httptest.NewServer(s)
	t.Cleanup(server.Close)
	out := &org{Server: s, t: t, url: server.URL}
	out.signIn()
	return out
}

func (o *org) signIn() {
	o.t.Helper()
	status, body := o.form(url.Values{"grant_type": {"client_credentials"}, "client_id": {o.clientID()}, "client_secret": {o.clientSecret()}})
	require.Equal(o.t, 200, status, body)
	o.token = body["access_token"].(string)
}

func (o *org) form(v url.Values) (int, map[string]any) {
	o.t.Helper()
	resp, err := http.PostForm(o.url+"/services/oauth2/token", v)
	require.NoError(o.t, err)
	defer resp.Body.Close()
	var out map[string]any
	require.NoError(o.t, json.NewDecoder(resp.Body).Decode(&out))
	return resp.StatusCode, out
}

// raw sends a request and gives status and body as they are.
func (o *org) raw(method, path string, body any, headers ...string) (int, []byte) {
	o.t.Helper()
	var reader io.Reader
	switch b := body.(type) {
	case nil:
	case string:
		reader = strings.NewReader(b)
	default:
		encoded, err := json.Marshal(b)
		require.NoError(o.t, err)
		reader = bytes.NewReader(encoded)
	}
	if !strings.HasPrefix(path, "/services") && !strings.HasPrefix(path, "/control") {
		path = data + path
	}
	req, err := http.NewRequest(method, o.url+path, reader)
	require.NoError(o.t, err)
	req.Header.Set("Authorization", "Bearer "+o.token)
	req.Header.Set("Content-Type", "application/json")
	for i := 0; i+1 < len(headers); i += 2 {
		req.Header.Set(headers[i], headers[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(o.t, err)
	defer resp.Body.Close()
	out, err := io.ReadAll(resp.Body)
	require.NoError(o.t, err)
	o.header = resp.Header
	return resp.StatusCode, out
}

// call sends a request that must be answered with status, and gives the decoded body.
func (o *org) call(method, path string, body any, status int) any {
	o.t.Helper()
	got, b := o.raw(method, path, body)
	require.Equal(o.t, status, got, "%s %s: %s", method, path, b)
	if len(b) == 0 {
		return nil
	}
	var out any
	require.NoError(o.t, json.Unmarshal(b, &out))
	return out
}

// refused sends a request that must be refused, and gives the first error.
func (o *org) refused(method, path string, body any, status int, code string) m {
	o.t.Helper()
	list := o.call(method, path, body, status).([]any)
	require.NotEmpty(o.t, list)
	e := list[0].(m)
	require.Equal(o.t, code, e["errorCode"], e)
	return e
}

type m = map[string]any

func (o *org) create(object string, body m) string {
	o.t.Helper()
	return o.call("POST", "/sobjects/"+object, body, 201).(m)["id"].(string)
}

func (o *org) get(object, id string) m {
	o.t.Helper()
	return o.call("GET", "/sobjects/"+object+"/"+id, nil, 200).(m)
}

func (o *org) query(soql string) []any {
	o.t.Helper()
	return o.call("GET", "/query?q="+url.QueryEscape(soql), nil, 200).(m)["records"].([]any)
}

// patient gives the id of the first person's account.
func (o *org) patient() string {
	o.t.Helper()
	return o.query("SELECT Id FROM Account LIMIT 1")[0].(m)["Id"].(string)
}

// referral stores a referral of the first person under a key.
func (o *org) referral(key string) string {
	o.t.Helper()
	return o.call("PATCH", "/sobjects/ClinicalServiceRequest/Bridge_Key__c/"+key, m{"PatientId": o.patient(), "Type": "Order", "Status": "Active"}, 201).(m)["id"].(string)
}

func withPeople(n int) Options { return Options{People: n} }

func TestPopulationIsTheSharedOneAndSomePeopleAreMissing(t *testing.T) {
	o := newOrg(t, Options{People: 40, ExtraPeople: []int{100003, 3}})
	found := o.query("SELECT IdValue, ParentRecordId, ParentRecord.Type, IdUsageType FROM Identifier WHERE SourceSystem = 'https://fhir.nhs.uk/Id/nhs-number' ORDER BY IdValue")
	require.Len(t, found, 40, "39 of the first 40, and one more")
	first := found[0].(m)
	assert.Equal(t, "9990000018", first["IdValue"], "999000000 would need the check digit 10: it is skipped")
	assert.Equal(t, "Official", first["IdUsageType"])
	assert.Equal(t, "Account", first["ParentRecord"].(m)["Type"])
	for _, r := range found {
		assert.NotEqual(t, o.people.nhsNumber(36), r.(m)["IdValue"])
	}
	account := o.get("Account", first["ParentRecordId"].(string))
	assert.Equal(t, true, account["IsPersonAccount"])
	assert.Equal(t, "1940-01-01", account["PersonBirthdate"])
	assert.Equal(t, account["FirstName"].(string)+" "+account["LastName"].(string), account["Name"])
	assert.NotEmpty(t, account["PersonContactId"])
}

func TestAPersonCanRegisterLaterButNotTwice(t *testing.T) {
	o := newOrg(t, withPeople(1))
	require.NoError(t, o.AddPerson(36))
	assert.ErrorIs(t, o.AddPerson(36), ErrPersonExists)
	assert.Len(t, o.query("SELECT Id FROM Account WHERE IsPersonAccount = true"), 2)
	assert.Error(t, o.AddPerson(-1))
}

func TestTheSameSeedMakesTheSameIDs(t *testing.T) {
	a, b := newOrg(t, Options{People: 3, Seed: 7}), newOrg(t, Options{People: 3, Seed: 7})
	assert.Equal(t, a.patient(), b.patient())
	assert.Equal(t, a.Credentials("x").ClientID, b.Credentials("x").ClientID)
	other := newOrg(t, Options{People: 3, Seed: 8})
	assert.NotEqual(t, a.patient(), other.patient())
}

func TestIDsCarryTheChecksumOfTheirCase(t *testing.T) {
	id, ok := parseID("001D000000IqhSL")
	require.True(t, ok)
	assert.Equal(t, "001D000000IqhSLIAZ", id)
	_, ok = parseID("001D000000IqhSLIAA")
	assert.False(t, ok)
	_, ok = parseID("001D000000Iqh-L")
	assert.False(t, ok)
}

func TestOptionsThatNameNothingAreRefused(t *testing.T) {
	for _, o := range []Options{{Hidden: []string{"Nothing"}}, {Hidden: []string{"Account.Nothing"}},
		{PicklistValues: map[string][]string{"Account.Nothing": {"x"}}}, {Hidden: []string{"Account"}, People: 1}} {
		_, err := New(o)
		assert.Error(t, err)
	}
}
