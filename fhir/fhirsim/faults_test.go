package fhirsim

import (
	"encoding/json"
	"io"
	"net/http"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/golang-jwt/jwt/v5"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// ill is a world with these faults, set as a user sets them.
func ill(t *testing.T, o Options, faults string) (*Server, string) {
	t.Helper()
	s, at := world(t, o)
	spoil(t, at, faults)
	return s, at
}

func spoil(t *testing.T, at, faults string) {
	t.Helper()
	got := call(t, "POST", at+"/control/faults", faults)
	require.Equal(t, 200, got.status, "%v", got.body)
}

// raw is a body as it came.
func raw(t *testing.T, address string) (int, string, error) {
	t.Helper()
	resp, err := http.Get(address)
	require.NoError(t, err)
	defer resp.Body.Close()
	text, err := io.ReadAll(resp.Body)
	return resp.StatusCode, string(text), err
}

func TestRowsShiftUnderOffsetPaging(t *testing.T) {
	s, at := ill(t, Options{Referrals: 12}, `{"paging":"offset"}`)
	first := call(t, "GET", at+"/fhir/ServiceRequest?_sort=_lastUpdated&_count=5", "")
	require.Len(t, first.entries("match"), 5)
	assert.Contains(t, first.next(), "_offset=5")
	assert.Contains(t, first.next(), "_sort=_lastUpdated")
	s.Advance(time.Hour)
	s.mu.Lock()
	for _, ref := range first.entries("match")[:2] { // they move to the end, and two rows move up past the next page's start
		s.lookup(ref).change(s.now(), func(object) {})
	}
	s.mu.Unlock()
	seen := first.entries("match")
	for next := first.next(); next != ""; {
		got := call(t, "GET", next, "")
		require.Equal(t, 200, got.status)
		seen = append(seen, got.entries("match")...)
		next = got.next()
	}
	slices.Sort(seen)
	assert.Len(t, slices.Compact(seen), 10, "two were never seen")
}

func TestAPageIsNoLargerThanTheCap(t *testing.T) {
	for _, paging := range []string{"cursor", "offset"} {
		_, at := ill(t, Options{Referrals: 9}, `{"pageCap":4,"paging":"`+paging+`"}`)
		got := call(t, "GET", at+"/fhir/Patient?_count=100", "")
		assert.Len(t, got.entries("match"), 4)
		assert.Len(t, call(t, "GET", got.next(), "").entries("match"), 4)
	}
}

func TestAClockAheadShowsInDateAndStamps(t *testing.T) {
	s, at := ill(t, Options{Referrals: 3}, `{"ahead":"3h"}`)
	got := call(t, "GET", at+"/fhir/metadata", "")
	assert.Equal(t, day().Add(3*time.Hour).Format(http.TimeFormat), got.header.Get("Date"))
	require.Equal(t, 1, s.Evolve(Changes{VersionBumps: 1}).VersionBumps)
	assert.EqualValues(t, 1, call(t, "GET", at+"/fhir/ServiceRequest?_lastUpdated=ge"+stamp(day().Add(3*time.Hour)), "").body["total"])
	spoil(t, at, `{}`)
	assert.Equal(t, day().Format(http.TimeFormat), call(t, "GET", at+"/fhir/metadata", "").header.Get("Date"), "put right")
}

func TestOneRecordMayBeStampedInTheFuture(t *testing.T) {
	_, at := ill(t, Options{Referrals: 3}, `{"stamps":{"ServiceRequest/sr100001":"2099-01-01T00:00:00Z"}}`)
	got := call(t, "GET", at+"/fhir/ServiceRequest?_lastUpdated=ge2098-01-01", "")
	assert.Equal(t, []string{"ServiceRequest/sr100001"}, got.entries("match"))
	assert.Equal(t, day().Format(http.TimeFormat), got.header.Get("Date"))
}

func TestALaggingReplicaShowsAnOlderState(t *testing.T) {
	s, at := world(t, Options{Referrals: 3})
	s.Advance(time.Hour)
	require.Equal(t, 3, s.Evolve(Changes{VersionBumps: 3, StatusChanges: 0}).VersionBumps)
	version := func(path string) any {
		got := call(t, "GET", at+"/fhir/ServiceRequest"+path, "").body
		if list, ok := got["entry"].([]any); ok {
			got = list[0].(map[string]any)["resource"].(map[string]any)
		}
		return got["meta"].(map[string]any)["versionId"]
	}
	assert.Equal(t, "2", version("?_id=sr100001"))
	spoil(t, at, `{"lag":"30m"}`)
	assert.Equal(t, "1", version("?_id=sr100001"))
	assert.Equal(t, "2", version("/sr100001"), "reads do not lag unless told")
	spoil(t, at, `{"lag":"30m","lagReads":true,"lagEvery":2}`)
	assert.Equal(t, []any{"2", "1", "2", "1"}, []any{version("/sr100001"), version("/sr100001"), version("?_id=sr100001"), version("?_id=sr100001")})
	spoil(t, at, `{"lag":"30m","lagReads":true}`)
	assert.Equal(t, 404, call(t, "GET", at+"/fhir/ServiceRequest/sr100001/_history/2", "").status, "not there yet")
	s.Advance(time.Hour)
	assert.Equal(t, "2", version("/sr100001"), "a replica catches up")
}

func TestWhatIsDeletedIsGoneWithAnOutcome(t *testing.T) {
	s, at := ill(t, Options{Referrals: 3}, `{"delete":["ServiceRequest/sr100001"]}`)
	got := call(t, "GET", at+"/fhir/ServiceRequest/sr100001", "")
	assert.Equal(t, 410, got.status)
	assert.Equal(t, "deleted", got.code())
	assert.Equal(t, []string{"ServiceRequest/sr100000", "ServiceRequest/sr100002"}, call(t, "GET", at+"/fhir/ServiceRequest", "").entries("match"))
	assert.Equal(t, 200, call(t, "GET", at+"/fhir/ServiceRequest/sr100001/_history/1", "").status)
	history := call(t, "GET", at+"/fhir/ServiceRequest/sr100001/_history", "").body["entry"].([]any)
	require.Len(t, history, 2)
	assert.Equal(t, "DELETE", history[0].(map[string]any)["request"].(map[string]any)["method"])
	assert.NotContains(t, history[0], "resource")
	spoil(t, at, `{"delete":["ServiceRequest/sr100001"]}`)
	assert.Len(t, s.lookup("ServiceRequest/sr100001").versions, 2, "once is enough")
	assert.Equal(t, 2, s.Evolve(Changes{VersionBumps: 3}).VersionBumps, "what is deleted does not change")
}

func TestAGatewayMayAnswerInsteadOfTheServer(t *testing.T) {
	_, at := ill(t, Options{Referrals: 3}, `{"next":[
		{"call":"read ServiceRequest","ref":"ServiceRequest/sr100001","status":410,"body":"<html>gone</html>","times":-1},
		{"call":"search ServiceRequest","page":2,"status":500,"diagnostics":"Cursor fails to make progress"},
		{"call":"search Patient","above":2,"status":504,"times":-1},
		{"call":"search Appointment","body":"\u0000garbage"},
		{"call":"search Appointment","status":503,"code":"transient","retryAfter":"7"}]}`)
	for range 2 {
		status, body, _ := raw(t, at+"/fhir/ServiceRequest/sr100001")
		assert.Equal(t, 410, status)
		assert.Equal(t, "<html>gone</html>", body)
	}
	assert.Equal(t, 200, call(t, "GET", at+"/fhir/ServiceRequest/sr100002", "").status)
	first := call(t, "GET", at+"/fhir/ServiceRequest?_count=1", "")
	require.Equal(t, 200, first.status)
	second := call(t, "GET", first.next(), "")
	assert.Equal(t, 500, second.status)
	assert.Equal(t, "Cursor fails to make progress", second.body["issue"].([]any)[0].(map[string]any)["diagnostics"])
	assert.Equal(t, 200, call(t, "GET", first.next(), "").status, "once only")
	assert.Equal(t, 504, call(t, "GET", at+"/fhir/Patient?_count=3", "").status)
	assert.Equal(t, 200, call(t, "GET", at+"/fhir/Patient?_count=2", "").status)
	status, body, _ := raw(t, at+"/fhir/Appointment")
	assert.Equal(t, 200, status)
	assert.Equal(t, "\x00garbage", body)
	got := call(t, "GET", at+"/fhir/Appointment", "")
	assert.Equal(t, []any{503, "7", "transient"}, []any{got.status, got.header.Get("Retry-After"), got.code()})
}

func TestBadEntriesStandAmongGoodOnes(t *testing.T) {
	for kind, want := range map[string]string{
		"duplicate-key":  `"language":"en-GB","language":"en","authoredOn"`,
		"lone-surrogate": `\ud83d</div>`,
		"latin-1":        "caf\xe9",
		"empty-resource": `"resource":{},`,
		"empty-entry":    `},{},{`,
		"no-id":          `"intent"`,
	} {
		_, at := ill(t, Options{Referrals: 3}, `{"bad":{"ServiceRequest/sr100001":"`+kind+`"}}`)
		_, body, err := raw(t, at+"/fhir/ServiceRequest")
		require.NoError(t, err)
		assert.Contains(t, body, want, kind)
		assert.Contains(t, body, `"id":"sr100000"`, kind)
		assert.Contains(t, body, `"id":"sr100002"`, kind)
		assert.Equal(t, kind == "no-id" || strings.HasPrefix(kind, "empty"), !strings.Contains(body, `"id":"sr100001"`), kind)
		assert.True(t, json.Valid([]byte(body)), "%s: the page itself can be read", kind)
		_, single, _ := raw(t, at+"/fhir/ServiceRequest/sr100001")
		assert.NotContains(t, single, `"search"`, kind)
	}
}

func TestARecordMayBeLarge(t *testing.T) {
	_, at := ill(t, Options{Referrals: 2}, `{"big":{"ServiceRequest/sr100001":2}}`)
	got := call(t, "GET", at+"/fhir/ServiceRequest", "")
	assert.Len(t, got.entries("match"), 2)
	_, body, _ := raw(t, at+"/fhir/ServiceRequest?_count=2")
	assert.Greater(t, len(body), 2<<20)
}

func TestCallsAboveTheRateAreRefused(t *testing.T) {
	for style, header := range map[string][2]string{
		"ratelimit": {`"requests";r=0;t=60`, ""}, "retry-after": {"", "60"}, "bare": {"", ""},
	} {
		s, at := ill(t, Options{Referrals: 1}, `{"ratePerMinute":2,"rateStyle":"`+style+`"}`)
		for _, want := range []int{200, 200, 429} {
			got := call(t, "GET", at+"/fhir/Patient", "")
			require.Equal(t, want, got.status)
			if want == 429 {
				assert.Equal(t, header, [2]string{got.header.Get("RateLimit"), got.header.Get("Retry-After")}, style)
				assert.Equal(t, "throttled", got.code())
			}
		}
		s.Advance(time.Minute)
		assert.Equal(t, 200, call(t, "GET", at+"/fhir/Patient", "").status)
	}
}

func TestASearchMayLeaveThingsOut(t *testing.T) {
	_, at := ill(t, Options{Referrals: 3}, `{"ignoreInclude":true,"outcome":"3 results left out","nextHost":"https://other.example","refuse":["Patient?_lastUpdated"]}`)
	got := call(t, "GET", at+"/fhir/ServiceRequest?_count=1&_include=ServiceRequest:subject", "")
	assert.Empty(t, got.entries("include"))
	entries := got.body["entry"].([]any)
	assert.Equal(t, "outcome", entries[len(entries)-1].(map[string]any)["search"].(map[string]any)["mode"])
	assert.True(t, strings.HasPrefix(got.next(), "https://other.example/fhir/ServiceRequest?"))
	assert.NotContains(t, got.body["link"].([]any)[0].(map[string]any)["url"], "_include")
	assert.Equal(t, 400, call(t, "GET", at+"/fhir/Patient?_lastUpdated=ge2026-01-01", "").status)
	assert.Equal(t, 200, call(t, "GET", at+"/fhir/Patient", "").status)
}

func TestBodiesAreCutInTransfer(t *testing.T) {
	for _, how := range []string{"length", "chunked", "gzip"} {
		_, at := ill(t, Options{Referrals: 9}, `{"next":[{"call":"search Patient","cut":"`+how+`"}]}`)
		status, _, err := raw(t, at+"/fhir/Patient")
		assert.Equal(t, 200, status, how)
		assert.ErrorIs(t, err, io.ErrUnexpectedEOF, how)
		_, _, err = raw(t, at+"/fhir/Patient")
		assert.NoError(t, err, how)
	}
}

func TestManyRowsMayShareOneStamp(t *testing.T) {
	s, at := world(t, Options{Referrals: 30, Now: time.Now})
	s.Evolve(Changes{VersionBumps: 30})
	entries := call(t, "GET", at+"/fhir/ServiceRequest?_count=30", "").body["entry"].([]any)
	stamps := map[any]bool{}
	for _, e := range entries {
		stamps[e.(map[string]any)["resource"].(map[string]any)["meta"].(map[string]any)["lastUpdated"]] = true
	}
	assert.Len(t, stamps, 1)
}

func TestFaultsThatCannotBeAreRefusedAndChangeNothing(t *testing.T) {
	_, at := ill(t, Options{Referrals: 3}, `{"pageCap":1}`)
	for _, text := range []string{
		`{"pagging":"offset"}`, `{"paging":"of"}`, `{"ahead":"soon"}`, `{"lag":"x"}`, `{"rateStyle":"x"}`, `{"delete":["Patient/x"]}`,
		`{"stamps":{"Patient/p100000":"tomorrow"}}`, `{"bad":{"Patient/p100000":"x"}}`, `{"bad":{"Patient/p1":"no-id"}}`,
		`{"big":{"x":1}}`, `{"next":[{"cut":"x"}]}`, `{`,
	} {
		assert.Equal(t, 400, call(t, "POST", at+"/control/faults", text).status, text)
	}
	assert.Len(t, call(t, "GET", at+"/fhir/Patient", "").entries("match"), 1, "what was in force still is")
}

func TestScopesMayBeFewerThanAsked(t *testing.T) {
	for _, c := range []struct{ smart, faults, asked, granted string }{
		{"v1", `{}`, "system/Patient.read system/Patient.rs", "system/Patient.read"},
		{"v2", `{}`, "system/Patient.read system/Patient.rs", "system/Patient.rs"},
		{"v2", `{}`, "system/Patient.read", ""},
		{"", `{"grant":["system/Patient.rs"]}`, "system/Patient.rs system/ServiceRequest.rs", "system/Patient.rs"},
	} {
		s, at := ill(t, Options{Referrals: 1, RequireToken: true, SMART: c.smart}, c.faults)
		got := signIn(t, s, at, c.asked)
		require.Equal(t, 200, got.status)
		assert.Equal(t, c.granted, got.body["scope"], c.asked)
		read := call(t, "GET", at+"/fhir/ServiceRequest", "", "Authorization", "Bearer "+got.body["access_token"].(string))
		assert.Equal(t, []any{403, "forbidden"}, []any{read.status, read.code()})
	}
	_, at := world(t, Options{RequireToken: true, SMART: "v1"})
	capabilities := call(t, "GET", at+"/fhir/.well-known/smart-configuration", "").body["capabilities"]
	assert.Contains(t, capabilities, "permission-v1")
	assert.NotContains(t, capabilities, "permission-v2")
	_, err := New(Options{SMART: "3"})
	assert.Error(t, err)
}

func signIn(t *testing.T, s *Server, at, scope string) answer {
	t.Helper()
	c := s.Credentials(at)
	text := assertion(t, jwt.SigningMethodES384, c.ECKeyID, c.ECKey, func(m jwt.MapClaims) { m["aud"] = c.TokenURL })
	return call(t, "POST", c.TokenURL, form(text, scope), "Content-Type", "application/x-www-form-urlencoded")
}
