package fhirsim

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func day() time.Time { return time.Date(2026, 3, 20, 8, 0, 0, 0, time.UTC) }

// world is a server of so many referrals on the day above, and where it listens.
func world(t *testing.T, o Options) (*Server, string) {
	t.Helper()
	if o.Now == nil {
		o.Now = day
	}
	s, err := New(o)
	require.NoError(t, err)
	h := httptest.NewServer(s)
	t.Cleanup(h.Close)
	return s, h.URL
}

type answer struct {
	status int
	header http.Header
	body   map[string]any
}

func (a answer) code() string {
	issue, _ := a.body["issue"].([]any)
	if len(issue) == 0 {
		return ""
	}
	return issue[0].(map[string]any)["code"].(string)
}

func (a answer) entries(mode string) (refs []string) {
	list, _ := a.body["entry"].([]any)
	for _, e := range list {
		r := e.(map[string]any)["resource"].(map[string]any)
		if e.(map[string]any)["search"].(map[string]any)["mode"] == mode {
			refs = append(refs, fmt.Sprintf("%s/%s", r["resourceType"], r["id"]))
		}
	}
	return refs
}

func (a answer) next() string {
	for _, l := range a.body["link"].([]any) {
		if l.(map[string]any)["relation"] == "next" {
			return l.(map[string]any)["url"].(string)
		}
	}
	return ""
}

func call(t *testing.T, method, address, body string, header ...string) answer {
	t.Helper()
	req, err := http.NewRequest(method, address, strings.NewReader(body))
	require.NoError(t, err)
	for i := 0; i+1 < len(header); i += 2 {
		req.Header.Set(header[i], header[i+1])
	}
	resp, err := http.DefaultClient.Do(req)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	require.NoError(t, err)
	out := answer{status: resp.StatusCode, header: resp.Header}
	if len(text) > 0 {
		json.Unmarshal(text, &out.body)
	}
	return out
}

func TestTheWorldIsTheSameForTheSameSeed(t *testing.T) {
	bodies := func(seed uint64) string {
		s, err := New(Options{Seed: seed, Referrals: 30, Now: day})
		require.NoError(t, err)
		s.Evolve(Changes{StatusChanges: 5, Moves: 3, Cancellations: 2, VersionBumps: 4})
		var out bytes.Buffer
		for _, typ := range []string{"Patient", "ServiceRequest", "Appointment"} {
			for _, r := range s.shuffled(typ, func(object) bool { return true }) {
				out.Write(r.current().body)
			}
		}
		return out.String()
	}
	assert.Equal(t, bodies(1), bodies(1))
	assert.NotEqual(t, bodies(1), bodies(2))
}

func TestThePeopleAreThoseOfTheSharedPopulation(t *testing.T) {
	s, at := world(t, Options{Referrals: 9})
	require.Equal(t, []int{100000, 100001, 100002, 100003, 100004, 100005, 100006, 100007, 100008}, s.People())
	first := persons(0, 3)
	assert.Equal(t, "9990000018", first[0].nhsNumber, "the first valid number of the range")
	assert.Equal(t, "1940-01-01", first[0].birthDate)
	assert.Equal(t, "1941-01-14", first[1].birthDate)
	for j, p := range persons(firstPerson, 9) {
		got := call(t, "GET", at+fmt.Sprintf("/fhir/Patient/p%d", p.n), "")
		require.Equal(t, 200, got.status)
		assert.Equal(t, p.birthDate, got.body["birthDate"])
		number := ""
		for _, i := range got.body["identifier"].([]any) {
			if i.(map[string]any)["system"] == "https://fhir.nhs.uk/Id/nhs-number" {
				number = i.(map[string]any)["value"].(string)
			}
		}
		switch j {
		case withoutNHSNumber:
			assert.Empty(t, number)
		case wrongCheckDigit:
			assert.Equal(t, p.nhsNumber[:9], number[:9])
			assert.NotEqual(t, p.nhsNumber, number)
		default:
			assert.Equal(t, p.nhsNumber, number)
			assert.Equal(t, checkDigit(number[:9]), int(number[9]-'0'))
		}
	}
	assert.Equal(t, "soon", call(t, "GET", at+"/fhir/ServiceRequest/sr100008", "").body["priority"])
}

func TestAppointmentsAreAtLondonTimeToldInUTC(t *testing.T) {
	s, err := New(Options{Referrals: 100, Now: day})
	require.NoError(t, err)
	summer := 0
	for _, r := range s.store["Appointment"] {
		at, err := time.Parse(time.RFC3339, r.current().resource["start"].(string))
		require.NoError(t, err)
		london := at.In(s.london)
		assert.True(t, london.Hour() >= 9 && london.Hour() < 17, "%s", london)
		if _, offset := london.Zone(); offset != 0 {
			summer++
		}
	}
	assert.NotZero(t, summer)
	assert.Less(t, summer, len(s.store["Appointment"]))
}

func TestASearchGivesEveryMatchOnceThoughTheWorldMovesBetweenPages(t *testing.T) {
	s, at := world(t, Options{Referrals: 25})
	var refs []string
	pages := 0
	for next := at + "/fhir/ServiceRequest?_sort=_lastUpdated&_count=7"; next != ""; pages++ {
		got := call(t, "GET", next, "")
		require.Equal(t, 200, got.status)
		assert.EqualValues(t, 25, got.body["total"])
		refs = append(refs, got.entries("match")...)
		next = got.next()
		s.Advance(time.Minute)
		s.Evolve(Changes{StatusChanges: 5})
	}
	assert.Equal(t, 4, pages)
	assert.Len(t, refs, 25)
	seen := map[string]bool{}
	for _, r := range refs {
		assert.False(t, seen[r], "%s came twice", r)
		seen[r] = true
	}
}

func TestAContinuationEndsWithTheHour(t *testing.T) {
	s, at := world(t, Options{Referrals: 5, PageSize: 2})
	next := call(t, "GET", at+"/fhir/Patient", "").next()
	assert.Equal(t, 200, call(t, "GET", next, "").status)
	assert.Equal(t, 200, call(t, "GET", next, "").status, "a client that lost the answer asks again")
	s.Advance(2 * time.Hour)
	assert.Equal(t, 410, call(t, "GET", next, "").status)
	assert.Equal(t, 410, call(t, "GET", at+"/fhir/Patient?_page=forged", "").status)
}

func TestWhatChangedIsFoundByLastUpdated(t *testing.T) {
	s, at := world(t, Options{Referrals: 10})
	s.Advance(24 * time.Hour)
	require.Equal(t, Changes{StatusChanges: 3, Moves: 1}, s.Evolve(Changes{StatusChanges: 3, Moves: 1}))
	moment := stamp(day().Add(24 * time.Hour))
	for query, want := range map[string]int{
		"ge" + moment: 3, "gt" + moment: 0, "le" + moment: 10, "lt" + moment: 7, "ge2026-03-21": 3, "lt2026-03-21": 7,
		"gt2026-03-20": 3, "le2026-03-20": 7, "ge2026-03-21T08:00:00Z": 3, "gt2026-03-21T08:00:00Z": 0,
		"ge2026-03-21T09:00:00%2B01:00": 3,
	} {
		got := call(t, "GET", at+"/fhir/ServiceRequest?_lastUpdated="+query, "")
		require.Equal(t, 200, got.status, query)
		assert.EqualValues(t, want, got.body["total"], query)
	}
	both := call(t, "GET", at+"/fhir/ServiceRequest?_lastUpdated=ge2026-03-21&_lastUpdated=lt2026-03-22", "")
	assert.EqualValues(t, 3, both.body["total"])
	newest := call(t, "GET", at+"/fhir/ServiceRequest?_sort=-_lastUpdated&_count=3", "")
	for _, e := range newest.body["entry"].([]any) {
		meta := e.(map[string]any)["resource"].(map[string]any)["meta"].(map[string]any)
		assert.Equal(t, moment, meta["lastUpdated"])
		assert.Equal(t, "2", meta["versionId"])
	}
}

func TestIncludesBringWhatMatchesReferTo(t *testing.T) {
	_, at := world(t, Options{Referrals: 3})
	got := call(t, "GET", at+"/fhir/Appointment?_id=ap100001&_include=Appointment:based-on&_include=Appointment:patient&_include=Appointment:actor", "")
	assert.Equal(t, []string{"Appointment/ap100001"}, got.entries("match"))
	assert.Equal(t, []string{"ServiceRequest/sr100001", "Patient/p100001"}, got.entries("include"))
	for _, name := range []string{"subject", "patient"} {
		got = call(t, "GET", at+"/fhir/ServiceRequest?_id=sr100000,sr100002&_include=ServiceRequest:"+name, "")
		assert.Equal(t, []string{"Patient/p100000", "Patient/p100002"}, got.entries("include"))
	}
}

func TestUnknownParametersAreIgnoredUnlessTheClientIsStrict(t *testing.T) {
	_, at := world(t, Options{Referrals: 3})
	lenient := call(t, "GET", at+"/fhir/Patient?shoe-size=9&_count=1", "")
	require.Equal(t, 200, lenient.status)
	self := lenient.body["link"].([]any)[0].(map[string]any)["url"].(string)
	assert.NotContains(t, self, "shoe-size", "the self link tells what counted")
	assert.Contains(t, self, "_count=1")
	assert.Equal(t, 400, call(t, "GET", at+"/fhir/Patient?shoe-size=9", "", "Prefer", "handling=strict").status)
	assert.Equal(t, 400, call(t, "GET", at+"/fhir/Patient?_include=Patient:friend", "", "Prefer", "handling=strict").status)
	for _, bad := range []string{"_count=-1", "_count=x", "_lastUpdated=2026-03-20", "_lastUpdated=ge", "_lastUpdated=geyesterday", "_sort=name"} {
		got := call(t, "GET", at+"/fhir/Patient?"+bad, "")
		assert.Equal(t, 400, got.status, bad)
		assert.Equal(t, "invalid", got.code(), bad)
	}
	assert.Equal(t, 404, call(t, "GET", at+"/fhir/Observation", "").status)
	assert.Nil(t, call(t, "GET", at+"/fhir/Patient?_count=0", "").body["entry"])
}

func TestAReadGivesVersionAndHistory(t *testing.T) {
	s, at := world(t, Options{Referrals: 1})
	s.Advance(time.Hour)
	require.Equal(t, 1, s.Evolve(Changes{VersionBumps: 1}).VersionBumps)
	now := call(t, "GET", at+"/fhir/ServiceRequest/sr100000", "")
	assert.Equal(t, `W/"2"`, now.header.Get("ETag"))
	assert.Equal(t, "Fri, 20 Mar 2026 09:00:00 GMT", now.header.Get("Last-Modified"))
	before := call(t, "GET", at+"/fhir/ServiceRequest/sr100000/_history/1", "")
	assert.Equal(t, `W/"1"`, before.header.Get("ETag"))
	delete(now.body, "meta")
	delete(before.body, "meta")
	assert.Equal(t, before.body, now.body, "a version without a change of content")
	for _, path := range []string{"/fhir/Patient/nobody", "/fhir/ServiceRequest/sr100000/_history/9", "/fhir/ServiceRequest/sr100000/_history/"} {
		assert.Equal(t, 404, call(t, "GET", at+path, "").status, path)
	}
	assert.Equal(t, 405, call(t, "DELETE", at+"/fhir/Patient/p100000", "").status)
}

func TestAnUpdateNeedsTheCurrentVersion(t *testing.T) {
	s, at := world(t, Options{Referrals: 1})
	path := at + "/fhir/ServiceRequest/sr100000"
	body := `{"resourceType":"ServiceRequest","id":"sr100000","status":"completed","intent":"order","subject":{"reference":"Patient/p100000"}}`
	put := func(body string, header ...string) answer {
		return call(t, "PUT", path, body, append([]string{"Content-Type", "application/fhir+json"}, header...)...)
	}
	assert.Equal(t, 428, put(body).status)
	got := put(body, "If-Match", `W/"9"`)
	assert.Equal(t, 412, got.status)
	assert.Equal(t, "conflict", got.code())
	assert.Equal(t, 400, put("{", "If-Match", `W/"1"`).status)
	assert.Equal(t, 400, put(body+"{}", "If-Match", `W/"1"`).status)
	assert.Equal(t, 400, put(strings.Replace(body, "sr100000", "sr9", 1), "If-Match", `W/"1"`).status)
	assert.Equal(t, 422, put(strings.Replace(body, "completed", "done", 1), "If-Match", `W/"1"`).status)
	assert.Equal(t, 415, call(t, "PUT", path, body, "If-Match", `W/"1"`, "Content-Type", "text/plain").status)
	assert.Equal(t, 404, call(t, "PUT", at+"/fhir/ServiceRequest/new", body, "If-Match", `W/"1"`).status)
	assert.Empty(t, s.Report().Updates)

	got = put(body, "If-Match", `W/"1"`)
	require.Equal(t, 200, got.status)
	assert.Equal(t, `W/"2"`, got.header.Get("ETag"))
	assert.Equal(t, "completed", got.body["status"])
	got = put(body, "If-Match", `W/"2"`, "Prefer", "return=minimal")
	assert.Equal(t, 200, got.status)
	assert.Nil(t, got.body)
	assert.Equal(t, 412, put(body, "If-Match", `W/"1"`).status, "somebody was faster")
	assert.Equal(t, []Update{
		{Ref: "ServiceRequest/sr100000", IfMatch: `W/"1"`, Version: 2}, {Ref: "ServiceRequest/sr100000", IfMatch: `W/"2"`, Version: 3},
	}, s.Report().Updates)
}

func TestEvolutionChangesEachRecordOnce(t *testing.T) {
	s, at := world(t, Options{Referrals: 40})
	asked := Changes{StatusChanges: 4, Moves: 3, Cancellations: 2, VersionBumps: 5}
	got := call(t, "POST", at+"/control/evolve", `{"statusChanges":4,"moves":3,"cancellations":2,"versionBumps":5}`)
	require.Equal(t, 200, got.status)
	changed := map[string]int{}
	for typ, records := range s.store {
		for _, r := range records {
			assert.LessOrEqual(t, len(r.versions), 2)
			changed[typ] += len(r.versions) - 1
		}
	}
	assert.Equal(t, map[string]int{"Patient": 0, "ServiceRequest": asked.StatusChanges + asked.VersionBumps, "Appointment": asked.Moves + asked.Cancellations}, changed)
	assert.Equal(t, Changes{}, s.Evolve(Changes{}))
	all := s.Evolve(Changes{Cancellations: 1000})
	assert.Less(t, all.Cancellations, 1000, "what was not possible is not claimed")
	assert.Equal(t, 400, call(t, "POST", at+"/control/evolve", `{"miracles":1}`).status)
}

func TestControlMovesTheClockAndReports(t *testing.T) {
	s, at := world(t, Options{Referrals: 5})
	require.Equal(t, 200, call(t, "POST", at+"/control/clock", `{"advance":"24h"}`).status)
	assert.Equal(t, day().Add(24*time.Hour), s.now())
	assert.Equal(t, 400, call(t, "POST", at+"/control/clock", `{"advance":"soon"}`).status)
	call(t, "GET", at+"/fhir/Patient", "")
	got := call(t, "GET", at+"/control/report", "")
	assert.Equal(t, map[string]any{"Patient": 5.0, "ServiceRequest": 5.0, "Appointment": 4.0}, got.body["resources"])
	assert.Equal(t, map[string]any{"search Patient": 1.0}, got.body["calls"])
	assert.Equal(t, []any{}, got.body["updates"])
	assert.Equal(t, "Sat, 21 Mar 2026 08:00:00 GMT", got.header.Get("Date"))

	from := httptest.NewRequest("GET", "/control/report", nil)
	from.RemoteAddr = "192.0.2.7:4711"
	w := httptest.NewRecorder()
	s.ServeHTTP(w, from)
	assert.Equal(t, 403, w.Code, "control is for this machine")
}

func TestTheCapabilityStatementTellsVersionAndSecurity(t *testing.T) {
	_, at := world(t, Options{RequireToken: true})
	got := call(t, "GET", at+"/fhir/metadata", "")
	assert.Equal(t, "4.0.1", got.body["fhirVersion"])
	assert.NotNil(t, got.body["rest"].([]any)[0].(map[string]any)["security"])
	discovered := call(t, "GET", at+"/fhir/.well-known/smart-configuration", "")
	assert.Equal(t, at+"/token", discovered.body["token_endpoint"])
}

func assertion(t *testing.T, method jwt.SigningMethod, kid string, key any, edit func(jwt.MapClaims)) string {
	t.Helper()
	claims := jwt.MapClaims{"iss": clientID, "sub": clientID, "jti": rand.Text(), "exp": day().Add(4 * time.Minute).Unix()}
	edit(claims)
	token := jwt.NewWithClaims(method, claims)
	token.Header["kid"] = kid
	text, err := token.SignedString(key)
	require.NoError(t, err)
	return text
}

func form(assertion, scope string) string {
	return url.Values{
		"grant_type": {"client_credentials"}, "client_assertion": {assertion}, "scope": {scope},
		"client_assertion_type": {"urn:ietf:params:oauth:client-assertion-type:jwt-bearer"},
	}.Encode()
}

func TestSignInFollowsSMARTBackendServices(t *testing.T) {
	s, at := world(t, Options{Referrals: 1, RequireToken: true})
	c := s.Credentials(at)
	ask := func(body string) answer {
		return call(t, "POST", c.TokenURL, body, "Content-Type", "application/x-www-form-urlencoded")
	}
	here := func(claims jwt.MapClaims) { claims["aud"] = c.TokenURL }
	good := assertion(t, jwt.SigningMethodRS384, c.KeyID, c.Key, here)
	got := ask(form(good, "system/Patient.read system/ServiceRequest.rs"))
	require.Equal(t, 200, got.status)
	assert.EqualValues(t, 300, got.body["expires_in"])
	bearer := "Bearer " + got.body["access_token"].(string)
	assert.Equal(t, 400, ask(form(good, "system/Patient.read")).status, "a jti is used once")
	assert.Equal(t, 200, ask(form(assertion(t, jwt.SigningMethodES384, c.ECKeyID, c.ECKey, here), "system/*.read")).status)

	for what, edit := range map[string]func(jwt.MapClaims){
		"another audience":     func(m jwt.MapClaims) { m["aud"] = "https://elsewhere.example/token" },
		"another issuer":       func(m jwt.MapClaims) { here(m); m["iss"] = "x" },
		"another subject":      func(m jwt.MapClaims) { here(m); m["sub"] = "x" },
		"a life of an hour":    func(m jwt.MapClaims) { here(m); m["exp"] = day().Add(time.Hour).Unix() },
		"no end":               func(m jwt.MapClaims) { here(m); delete(m, "exp") },
		"the past":             func(m jwt.MapClaims) { here(m); m["exp"] = day().Add(-time.Second).Unix() },
		"no jti":               func(m jwt.MapClaims) { here(m); delete(m, "jti") },
		"an audience and more": func(m jwt.MapClaims) { m["aud"] = []string{"x"} },
	} {
		got := ask(form(assertion(t, jwt.SigningMethodRS384, c.KeyID, c.Key, edit), "system/Patient.read"))
		assert.Equal(t, 400, got.status, what)
		assert.Equal(t, "invalid_client", got.body["error"], what)
	}
	for what, text := range map[string]string{
		"another key id":    assertion(t, jwt.SigningMethodRS384, c.ECKeyID, c.Key, here),
		"another algorithm": assertion(t, jwt.SigningMethodRS512, c.KeyID, c.Key, here),
		"no signature":      assertion(t, jwt.SigningMethodNone, c.KeyID, jwt.UnsafeAllowNoneSignatureType, here),
		"nonsense":          "a.b.c",
	} {
		assert.Equal(t, 400, ask(form(text, "system/Patient.read")).status, what)
	}
	assert.Equal(t, "invalid_scope", ask(form(assertion(t, jwt.SigningMethodRS384, c.KeyID, c.Key, here), "user/Patient.read")).body["error"])

	for what, c := range map[string]struct {
		method, path, token string
		status              int
	}{
		"nobody":            {"GET", "/Patient", "", 401},
		"a forged token":    {"GET", "/Patient", "Bearer x", 401},
		"what it may":       {"GET", "/Patient/p100000", bearer, 200},
		"scopes of SMART 2": {"GET", "/ServiceRequest", bearer, 200},
		"what it may not":   {"GET", "/Appointment", bearer, 403},
		"writing":           {"PUT", "/ServiceRequest/sr100000", bearer, 403},
	} {
		assert.Equal(t, c.status, call(t, c.method, at+"/fhir"+c.path, "", "Authorization", c.token).status, what)
	}
	s.Advance(6 * time.Minute)
	assert.Equal(t, 401, call(t, "GET", at+"/fhir/Patient", "", "Authorization", bearer).status, "tokens end")
}

func TestWorldsOfOneSeedThatStartSecondsApartAreEqual(t *testing.T) {
	bodies := func(after time.Duration) string {
		s, err := New(Options{Seed: 1, Referrals: 30, Now: func() time.Time { return day().Add(after) }})
		require.NoError(t, err)
		var out bytes.Buffer
		for _, typ := range []string{"Patient", "ServiceRequest", "Appointment"} {
			for _, r := range s.shuffled(typ, func(object) bool { return true }) {
				out.Write(r.current().body)
			}
		}
		return out.String()
	}
	assert.Equal(t, bodies(0), bodies(2*time.Second))
	assert.NotEqual(t, bodies(0), bodies(time.Hour))
}
