package erssim

import (
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAReferralIsReadWithItsVersionAndTheHeadersOfERS(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	row := c.row("000000070001")

	r := c.do("GET", "/STU3/ReferralRequest/000000070001", "", map[string]string{
		"X-Correlation-ID": "a text of mine", "X-Request-ID": "mine",
	})

	require.Equal(t, http.StatusOK, r.status)
	got := r.json(t)
	assert.Equal(t, fmt.Sprintf(`W/"%d"`, row.Version), r.header.Get("ETag"))
	assert.Equal(t, fmt.Sprint(row.Version), got["meta"].(map[string]any)["versionId"])
	assert.Equal(t, "000000070001", got["id"])
	assert.Equal(t, fhirJSON, r.header.Get("Content-Type"))
	assert.Equal(t, "a text of mine", r.header.Get("X-Correlation-ID"))
	assert.NotEmpty(t, r.header.Get("X-Request-ID"))
	assert.NotEqual(t, "mine", r.header.Get("X-Request-ID"))
	assert.Equal(t, "no-cache", r.header.Get("Cache-Control"))
}

func TestOnlyTheCurrentVersionCanBeHad(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	version := c.row("000000070002").Version
	path := "000000070002/_history/"
	assert.Equal(t, 200, c.referral(path+fmt.Sprint(version)).status)
	assert.Equal(t, 404, c.referral(path+fmt.Sprint(version-1)).status)
	assert.Equal(t, 404, c.referral(path+fmt.Sprint(version+1)).status)
	assert.Equal(t, 404, c.referral(path+"0"+fmt.Sprint(version)).status)
	assert.Equal(t, 404, c.referral("000000099999").status)
}

func TestASensitivePatientIsRefusedAndAskingAgainIsNoted(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	sensitive := c.find(func(r Referral) bool { return r.Sensitive }).UBRN
	assert.Equal(t, "000000070010", sensitive, "as Options says")

	c.referral(sensitive).refused(t, 422, "PATIENT_ERROR")
	assert.Empty(t, c.sim.Report().Violations)
	c.referral(sensitive).refused(t, 422, "PATIENT_ERROR")

	assert.Equal(t, []string{"A005 000000070010: asked again after PATIENT_ERROR"}, c.sim.Report().Violations)
}

func TestAReferralThatMovedOnIsOutOfReach(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	gone := c.sim.Evolve(Changes{MovedOn: 1})
	require.Len(t, gone, 1)

	c.referral(gone[0].UBRN).refused(t, 422, "NO_RELATIONSHIP")
	c.operate(gone[0].UBRN, "acceptReferral", "").refused(t, 422, "NO_RELATIONSHIP")
	assert.Empty(t, c.row(gone[0].UBRN).Worklist)
}

func tasks(t *testing.T, r reply) []string {
	t.Helper()
	require.Equal(t, 200, r.status, "%s", r.body)
	out := []string{}
	for _, e := range r.json(t)["entry"].([]any) {
		task := e.(map[string]any)["resource"].(map[string]any)
		coding := task["code"].(map[string]any)["coding"].([]any)[0].(map[string]any)
		out = append(out, coding["code"].(string))
	}
	return out
}

func TestAvailableActionsFollowTheState(t *testing.T) {
	c := start(t, Options{Referrals: 200, AllStates: true})
	ask := func(r Referral) reply {
		return c.get(fmt.Sprintf("/STU3/Task?focus=ReferralRequest/%s/_history/%d&intent=proposal&status=ready", r.UBRN, r.Version))
	}
	assert.Equal(t, []string{"RECORD_REVIEW_OUTCOME", "CANCEL_REFERRAL"}, tasks(t, ask(c.inState(awaitingTriage))))
	assert.Equal(t, []string{"CANCEL_REFERRAL"}, tasks(t, ask(c.inState(booked))), "accepting is never listed")
	assert.Empty(t, tasks(t, ask(c.inState(cancelledReferral))))
	bundle := ask(c.inState(cancelledReferral)).json(t)
	assert.NotContains(t, bundle, "total")
	assert.Equal(t, []any{}, bundle["entry"])
}

func TestAvailableActionsAreForTheCurrentVersionOnly(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	row := c.inState(awaitingTriage)
	focus := "ReferralRequest/" + row.UBRN
	for query, code := range map[string]string{
		fmt.Sprintf("focus=%s/_history/%d&intent=proposal&status=ready", focus, row.Version-1): "HISTORY_NOT_SUPPORTED",
		fmt.Sprintf("focus=%s/_history/%d&intent=order&status=ready", focus, row.Version):      "INVALID_VALUE",
		fmt.Sprintf("focus=%s&intent=proposal&status=ready", focus):                            "INVALID_VALUE",
		fmt.Sprintf("focus=%s/_history/%d&intent=proposal", focus, row.Version):                "MISSING_PARAMETER",
		"focus=ReferralRequest/000000099999/_history/1&intent=proposal&status=ready":           "REFERENCE_NOT_FOUND",
	} {
		c.get("/STU3/Task?"+query).refused(t, 400, code)
	}
}

func TestReferenceDataHasTheRulesThatOperationsCheck(t *testing.T) {
	c := start(t, Options{})
	for _, set := range []string{
		referralCancel, prioritySet, specialtySet, appointmentCancel, nonAttendance, clinicTypeSet,
	} {
		r := c.get("/STU3/CodeSystem/" + set)
		require.Equal(t, 200, r.status)
		got := r.json(t)
		assert.Equal(t, c.creds.BaseURL+"/STU3/CodeSystem/"+set, got["url"])
		assert.Equal(t, "complete", got["content"])
		declared := map[any]bool{}
		for _, p := range got["property"].([]any) {
			declared[p.(map[string]any)["code"]] = true
		}
		require.NotEmpty(t, got["concept"])
		for _, x := range got["concept"].([]any) {
			for _, p := range x.(map[string]any)["property"].([]any) {
				assert.True(t, declared[p.(map[string]any)["code"]], "%s declares %v", set, p)
			}
		}
	}
	assert.Equal(t, 404, c.get("/STU3/CodeSystem/COLOURS").status)
	text := string(c.get("/STU3/CodeSystem/" + referralCancel).body)
	assert.Contains(t, text, "PROVIDER_AUTHORISED_APPLICATION")
	assert.Contains(t, text, "commentIsMandatory")
	assert.Contains(t, text, "canCancelAppointment")
}

func TestHeadersThatTheProxyInjectsAreBanned(t *testing.T) {
	c := start(t, Options{Referrals: 3})
	for _, name := range []string{"x-ers-ods-code", "x-ers-business-function", "x-ers-user-id", "x-ers-access-mode"} {
		r := c.do("GET", "/STU3/ReferralRequest/000000070001", "", map[string]string{name: "RX999"})
		assert.Equal(t, http.StatusForbidden, r.status, name)
		assert.Empty(t, r.body, name)
	}
	ignored := c.do("GET", "/STU3/ReferralRequest/000000070001", "", map[string]string{"NHSD-End-User-Organisation-ODS": "RX999"})
	assert.Equal(t, 200, ignored.status)
	assert.Len(t, c.sim.Report().Violations, 5)
}

func TestContentIsNegotiated(t *testing.T) {
	c := start(t, Options{Referrals: 3})
	for accept, status := range map[string]int{
		"": 200, "*/*": 200, "application/fhir+json": 200, "application/fhir+json;q=1.0, text/html;q=0.2": 200,
		"application/json": 406, "text/html": 406, "application/fhir+xml": 406,
	} {
		r := c.do("GET", "/STU3/ReferralRequest/000000070001", "", map[string]string{"Accept": accept})
		assert.Equal(t, status, r.status, accept)
		if status == 406 {
			assert.Contains(t, r.header.Get("Content-Type"), "text/plain")
		}
	}
	path, good := "/STU3/ReferralRequest/$ers.fetchworklist", worklistBody(slotIssues, serviceFilter("21012"))
	wrong := c.do("POST", path, good, map[string]string{"Content-Type": "application/json"})
	assert.Equal(t, http.StatusUnsupportedMediaType, wrong.status)
	assert.Contains(t, wrong.header.Get("Content-Type"), "text/plain")
	charset := c.do("POST", path, good, map[string]string{"Content-Type": "application/fhir+json; charset=utf-8"})
	assert.Equal(t, 200, charset.status)
	huge := c.do("POST", path, strings.Repeat(" ", maxBody+1), nil)
	assert.Equal(t, http.StatusRequestEntityTooLarge, huge.status)
}

func TestWhatAnApplicationMayNotHaveIsRefused(t *testing.T) {
	c := start(t, Options{Referrals: 3})
	referral := "/STU3/ReferralRequest/000000070001/"
	for _, tc := range []struct {
		method, path string
		status       int
		code         string
	}{
		{"POST", referral + "$ers.rejectReferral", 403, "NO_ACCESS"},
		{"POST", referral + "$ers.cancelAppointmentActionLater", 403, "NO_ACCESS"},
		{"GET", "/STU3/Appointment/90001", 403, "NO_ACCESS"},
		{"POST", "/STU3/CommunicationRequest/$ers.fetchworklist", 403, "NO_ACCESS"},
		{"GET", "/R4/ServiceRequest?identifier=000000070001", 403, "ACCESS_DENIED"},
		{"GET", "/R4/HealthcareService/21012", 403, "ACCESS_DENIED"},
		{"GET", "/R4/Binary/719f6045", 401, "ACCESS_DENIED"},
		{"POST", referral + "$ers.generateCRI", 401, "ACCESS_DENIED"},
	} {
		c.do(tc.method, tc.path, "", nil).refused(t, tc.status, tc.code)
	}
	assert.Len(t, c.sim.Report().Violations, 6)
	for _, path := range []string{"/metadata", "/STU3/metadata", "/STU3/ReferralRequest?status=active", "/R4/Patient/1", "/"} {
		assert.Equal(t, 404, c.get(path).status, path)
	}
	assert.Equal(t, 405, c.do("DELETE", "/STU3/ReferralRequest/000000070001", "", nil).status)
	assert.Equal(t, 405, c.get("/STU3/ReferralRequest/000000070001/$ers.acceptReferral").status)
}

func TestAboveTheRateTheAnswerIs429WithoutABody(t *testing.T) {
	c := start(t, Options{Referrals: 3, RatePerSecond: 0.001})
	assert.Equal(t, 200, c.get("/STU3/ReferralRequest/000000070001").status)

	r := c.get("/STU3/ReferralRequest/000000070001")

	assert.Equal(t, http.StatusTooManyRequests, r.status)
	assert.Empty(t, r.body)
	assert.Empty(t, r.header.Get("Retry-After"))
	report := c.sim.Report()
	assert.Equal(t, 1, report.Throttled)
	assert.Equal(t, 3, report.Calls, "with the token call")
}

func TestTheRateAllowsItsBurstAndRefills(t *testing.T) {
	p := newPace(10)
	allowed := 0
	for range 20 {
		if p.allow(noon) {
			allowed++
		}
	}
	assert.Equal(t, 10, allowed)
	assert.True(t, p.allow(noon.Add(100_000_000)), "a tenth of a second later")
	assert.False(t, p.allow(noon.Add(100_000_000)))
}
