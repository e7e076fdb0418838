package erssim

import (
	"fmt"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const outcomeSystem = "https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReviewOutcome-1"

func coding(name, system, code string) string {
	return fmt.Sprintf(`{"name":%q,"valueCoding":{"system":%q,"code":%q}}`, name, system, code)
}

func textParameter(name, text string) string {
	return fmt.Sprintf(`{"name":%q,"valueString":%q}`, name, text)
}

func reviewBody(outcome, comments string, more ...string) string {
	all := append(more, coding("reviewOutcome", outcomeSystem, outcome), textParameter("reviewComments", comments))
	return body("eRS-RecordReviewOutcome-Parameters-1", all...)
}

func (c *client) cancelBody(code string, more ...string) string {
	system := c.creds.BaseURL + "/STU3/CodeSystem/REFERRAL-CANCELLATION-REASON"
	all := append([]string{coding("cancellationReason", system, code)}, more...)
	return body("eRS-CancelReferral-Request-Parameters-1", all...)
}

// stateOf takes state, reason and comments out of a ReferralRequest.
func stateOf(t *testing.T, referral map[string]any) (state, reason, comments string) {
	t.Helper()
	for _, e := range referral["extension"].([]any) {
		ext := e.(map[string]any)
		if !strings.HasSuffix(ext["url"].(string), "/Extension-eRS-ReferralState-1") {
			continue
		}
		for _, p := range ext["extension"].([]any) {
			part := p.(map[string]any)
			switch part["url"] {
			case "state":
				state = part["valueCoding"].(map[string]any)["code"].(string)
			case "reason":
				reason = part["valueCoding"].(map[string]any)["code"].(string)
			case "comments":
				comments = part["valueString"].(string)
			}
		}
	}
	return state, reason, comments
}

func contained(referral map[string]any, typ string) map[string]any {
	for _, x := range referral["contained"].([]any) {
		if r := x.(map[string]any); r["resourceType"] == typ {
			return r
		}
	}
	return nil
}

func TestAcceptingKeepsTheStateAndTakesTheReferralOffTheWorklist(t *testing.T) {
	c := start(t, Options{Referrals: 50})
	before := c.inState(booked)
	require.Equal(t, referralsForReview, before.Worklist)

	r := c.operate(before.UBRN, "acceptReferral", "")

	require.Equal(t, 200, r.status, "%s", r.body)
	assert.Equal(t, fmt.Sprintf(`W/"%d"`, before.Version+1), r.header.Get("ETag"))
	state, _, _ := stateOf(t, r.json(t))
	assert.Equal(t, booked, state, "acceptance leaves no trace")
	assert.Empty(t, c.row(before.UBRN).Worklist)
	assert.Equal(t, []Operation{{before.UBRN, "A013", before.Version, before.Version + 1}}, c.sim.Report().Operations)

	c.operate(before.UBRN, "acceptReferral", "").refused(t, 422, "INVALID_REQUEST_STATE")
	c.operate(c.inState(awaitingTriage).UBRN, "acceptReferral", "").refused(t, 422, "INVALID_REQUEST_STATE")
	assert.Empty(t, c.sim.Report().Violations)
}

func TestABookingWhoseDayIsOverCannotBeAccepted(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	ubrn := c.inState(booked).UBRN
	c.sim.Advance(70 * 24 * time.Hour)
	c.signIn()
	c.operate(ubrn, "acceptReferral", "").refused(t, 422, "INVALID_REQUEST_STATE")
}

func TestAWriteNeedsTheCurrentVersion(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	row := c.inState(booked)
	path := "/STU3/ReferralRequest/" + row.UBRN + "/$ers.acceptReferral"

	missing := c.do("POST", path, "", nil)
	assert.Equal(t, http.StatusPreconditionFailed, missing.status)
	strong := c.do("POST", path, "", map[string]string{"If-Match": fmt.Sprintf(`"%d"`, row.Version)})
	assert.Equal(t, http.StatusPreconditionFailed, strong.status)
	assert.Len(t, c.sim.Report().Violations, 2)

	stale := c.operateAt(row.UBRN, "acceptReferral", "", row.Version-1)
	assert.Equal(t, http.StatusConflict, stale.status)
	assert.NotEmpty(t, stale.codes(), "an OperationOutcome")
	assert.Equal(t, 404, c.operateAt("000000099999", "acceptReferral", "", 1).status)
	assert.Equal(t, row.Version, c.row(row.UBRN).Version)
	assert.Empty(t, c.sim.Report().Operations)
}

func TestATriageIsAcceptedWithAnotherPriority(t *testing.T) {
	c := start(t, Options{Referrals: 50})
	row := c.find(func(r Referral) bool { return r.State == awaitingTriage && r.Priority == "ROUTINE" })
	urgent := coding("reviewPriority", "https://fhir.nhs.uk/STU3/CodeSystem/eRS-Priority-1", "URGENT")

	r := c.operate(row.UBRN, "recordReviewOutcome", reviewBody(bookLater, "To be booked soon", urgent))

	require.Equal(t, 200, r.status, "%s", r.body)
	assert.Equal(t, fmt.Sprintf(`W/"%d"`, row.Version+1), r.header.Get("ETag"))
	state, reason, comments := stateOf(t, r.json(t))
	assert.Equal(t, []string{triaged, bookLater, "To be booked soon"}, []string{state, reason, comments})
	appointment := contained(r.json(t), "Appointment")
	assert.Equal(t, "proposed", appointment["status"])
	assert.Equal(t, "To be booked soon", appointment["comment"])
	after := c.row(row.UBRN)
	assert.Equal(t, "URGENT", after.Priority)
	assert.Empty(t, after.Worklist)
	assert.Equal(t, row.Appointment, after.Appointment, "the same appointment")
	c.operate(row.UBRN, "recordReviewOutcome", reviewBody(bookLater, "again")).refused(t, 422, "INVALID_REQUEST_STATE")
}

func TestReturningToTheReferrerShowsInStateOrInReason(t *testing.T) {
	c := start(t, Options{Referrals: 80})
	seen := map[string]int{}
	for _, row := range c.sim.Referrals() {
		if row.State != awaitingTriage {
			continue
		}
		r := c.operate(row.UBRN, "recordReviewOutcome", reviewBody(withAdvice, "Not serious"))
		require.Equal(t, 200, r.status)
		state, reason, _ := stateOf(t, r.json(t))
		assert.Equal(t, withAdvice, reason)
		assert.Equal(t, "active", r.json(t)["status"])
		seen[state]++
	}
	assert.Positive(t, seen[triageResponse])
	assert.Positive(t, seen[triaged], "as the published example has it")
}

func TestADeferralIsReviewedOnlyWithItsLetter(t *testing.T) {
	c := start(t, Options{Referrals: 200})
	done := map[int]int{}
	for _, row := range c.sim.Referrals() {
		if row.State == deferred {
			done[c.operate(row.UBRN, "recordReviewOutcome", reviewBody(bookLater, "ok")).status]++
		}
	}
	assert.Positive(t, done[200])
	assert.Positive(t, done[422])
	assert.Len(t, done, 2)
}

func TestAReviewIsValidated(t *testing.T) {
	c := start(t, Options{Referrals: 50})
	row := c.find(func(r Referral) bool { return r.State == awaitingTriage && r.Priority == "ROUTINE" })
	priority := func(code string) string {
		return coding("reviewPriority", "https://fhir.nhs.uk/STU3/CodeSystem/eRS-Priority-1", code)
	}
	profile := "eRS-RecordReviewOutcome-Parameters-1"
	file := `{"name":"reviewAttachmentFile","resource":{"resourceType":"DocumentReference"}}`
	for name, tc := range map[string]struct{ body, code string }{
		"no outcome":                    {body(profile, textParameter("reviewComments", "x")), "MISSING_VALUE"},
		"an outcome of the UI only":     {reviewBody(actionLater, "x"), "INAPPROPRIATE_VALUE"},
		"an unknown outcome":            {reviewBody("MAYBE", "x"), "INVALID_CODE"},
		"an outcome of another system":  {strings.Replace(reviewBody(bookLater, "x"), "ReviewOutcome-1\"", "X\"", 1), "INVALID_VALUE"},
		"no comment":                    {body(profile, coding("reviewOutcome", outcomeSystem, bookLater)), "VALUE_IS_REQUIRED"},
		"a blank comment":               {reviewBody(bookLater, "  "), "VALUE_IS_REQUIRED"},
		"a comment of 2001 characters":  {reviewBody(bookLater, strings.Repeat("é", 2001)), "INVALID_VALUE"},
		"an unknown priority":           {reviewBody(bookLater, "x", priority("SOON")), "INVALID_CODE"},
		"returned with a new priority":  {reviewBody(withAdvice, "x", priority("URGENT")), "PRIORITY_NOT_CURRENT"},
		"a file that was not uploaded":  {reviewBody(bookLater, "x", file), "REFERENCE_NOT_FOUND"},
		"a parameter of another action": {reviewBody(bookLater, "x", textParameter("comments", "x")), "UNEXPECTED_FIELD"},
	} {
		t.Run(name, func(t *testing.T) {
			c.operate(row.UBRN, "recordReviewOutcome", tc.body).refused(t, 422, tc.code)
		})
	}
	c.operate(c.inState(booked).UBRN, "recordReviewOutcome", reviewBody(bookLater, "x")).refused(t, 422, "INVALID_REQUEST_STATE")
	assert.Equal(t, row, c.row(row.UBRN), "nothing changed")
	good := reviewBody(withAdvice, strings.Repeat("é", 2000), priority("ROUTINE"))
	assert.Equal(t, 200, c.operate(row.UBRN, "recordReviewOutcome", good).status, "the current priority may be said")
}

func TestCancellingABookedReferralEndsItAndItsBooking(t *testing.T) {
	c := start(t, Options{Referrals: 50})
	row := c.inState(booked)

	r := c.operate(row.UBRN, "cancelReferral", c.cancelBody("PATIENT_DIED"))

	require.Equal(t, 200, r.status, "%s", r.body)
	assert.Empty(t, r.header.Get("ETag"))
	parts := map[string]map[string]any{}
	for _, p := range r.json(t)["parameter"].([]any) {
		part := p.(map[string]any)
		parts[part["name"].(string)] = part["resource"].(map[string]any)
	}
	referral := parts["updatedReferralRequest"]
	assert.Equal(t, "cancelled", referral["status"])
	assert.Equal(t, fmt.Sprint(row.Version+1), referral["meta"].(map[string]any)["versionId"])
	state, reason, _ := stateOf(t, referral)
	assert.Equal(t, []string{cancelledReferral, "PATIENT_DIED"}, []string{state, reason})
	inside := contained(referral, "Appointment")
	assert.Equal(t, "cancelled", inside["status"])
	assert.NotContains(t, inside, "reason", "the reason is in the other resource only")
	assert.NotContains(t, inside, "start")
	assert.NotContains(t, inside, "end")
	updated := parts["updatedAppointment"]
	assert.Equal(t, row.Appointment, updated["id"])
	assert.Contains(t, updated, "reason")

	c.operate(row.UBRN, "cancelReferral", c.cancelBody("PATIENT_DIED")).refused(t, 422, "INVALID_REQUEST_STATE")
}

func TestCancellingADeferralLeavesItsAppointmentProposed(t *testing.T) {
	c := start(t, Options{Referrals: 50})
	row := c.inState(deferred)
	comment := textParameter("cancellationComments", "moved abroad")

	r := c.operate(row.UBRN, "cancelReferral", c.cancelBody("PATIENT_REQUEST_CANCELLATION_OTHER", comment))

	require.Equal(t, 200, r.status, "%s", r.body)
	parts := r.json(t)["parameter"].([]any)
	require.Len(t, parts, 1)
	referral := parts[0].(map[string]any)["resource"].(map[string]any)
	assert.Equal(t, "proposed", contained(referral, "Appointment")["status"])
	_, _, comments := stateOf(t, referral)
	assert.Equal(t, "moved abroad", comments)
}

func TestAReasonMustFitTheState(t *testing.T) {
	c := start(t, Options{Referrals: 200, AllStates: true})
	comment := textParameter("cancellationComments", "because")
	inTriage, hasBooking := c.find(func(r Referral) bool { return r.State == triaged }).UBRN, c.inState(booked).UBRN
	for name, tc := range map[string]struct{ ubrn, body, code string }{
		"a triage reason for a booking":  {hasBooking, c.cancelBody("TRIAGE_ENDED"), "INAPPROPRIATE_VALUE"},
		"a patient's reason in triage":   {inTriage, c.cancelBody("INTEND_PRIVATE"), "INAPPROPRIATE_VALUE"},
		"a referrer's reason":            {hasBooking, c.cancelBody("RAISED_IN_ERROR"), "INAPPROPRIATE_VALUE"},
		"a reason without any role":      {hasBooking, c.cancelBody("PROVIDER_CANCELLATION"), "INAPPROPRIATE_VALUE"},
		"an unknown reason":              {hasBooking, c.cancelBody("BORED"), "INVALID_CODE"},
		"a reason that needs a comment":  {hasBooking, c.cancelBody("PATIENT_REQUEST_CANCELLATION_OTHER"), "VALUE_IS_REQUIRED"},
		"no reason":                      {hasBooking, body("eRS-CancelReferral-Request-Parameters-1", comment), "MISSING_VALUE"},
		"the placeholder of an example":  {hasBooking, strings.Replace(c.cancelBody("PATIENT_DIED"), c.creds.BaseURL, "_baseurl_", 1), "INVALID_VALUE"},
		"a triage reason, no comment":    {inTriage, c.cancelBody("STRAIGHT_TO_TEST"), "VALUE_IS_REQUIRED"},
		"a parameter from somewhere":     {hasBooking, c.cancelBody("PATIENT_DIED", textParameter("why", "x")), "UNEXPECTED_FIELD"},
		"a body for another kind of act": {hasBooking, reviewBody(bookLater, "x"), "INVALID_VALUE"},
	} {
		t.Run(name, func(t *testing.T) {
			c.operate(tc.ubrn, "cancelReferral", tc.body).refused(t, 422, tc.code)
		})
	}
	assert.Equal(t, 200, c.operate(inTriage, "cancelReferral", c.cancelBody("STRAIGHT_TO_TEST", comment)).status)
	assert.Equal(t, 200, c.operate(hasBooking, "cancelReferral", c.cancelBody("BOOKED_OUTSIDE_CAB")).status)
}

func TestARecordThatSomebodyEditsIsLocked(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	ubrn := c.inState(booked).UBRN
	c.sim.SetFaults(Faults{Locked: []string{ubrn}})

	assert.Equal(t, http.StatusLocked, c.operate(ubrn, "acceptReferral", "").status)
	assert.Equal(t, 200, c.referral(ubrn).status, "reading goes on")
	c.sim.SetFaults(Faults{})
	assert.Equal(t, 200, c.operate(ubrn, "acceptReferral", "").status)
}

func TestTwoUpdatesOfOneReferralAtOnceAreAFault(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	row := c.inState(awaitingTriage)
	match := map[string]string{"If-Match": fmt.Sprintf(`W/"%d"`, row.Version), "Content-Type": fhirJSON}
	path := "/STU3/ReferralRequest/" + row.UBRN + "/$ers.recordReviewOutcome"
	slow, text := io.Pipe()
	request := c.request("POST", path, "", match)
	request.Body, request.ContentLength = slow, -1
	first := make(chan int)
	go func() {
		res, err := http.DefaultClient.Do(request)
		if err != nil {
			first <- 0
			return
		}
		res.Body.Close()
		first <- res.StatusCode
	}()
	content := reviewBody(bookLater, "x")
	_, err := text.Write([]byte(content[:10]))
	require.NoError(t, err)
	require.Eventually(t, func() bool {
		c.sim.mu.Lock()
		defer c.sim.mu.Unlock()
		return c.sim.busy[row.UBRN]
	}, 5*time.Second, time.Millisecond, "the first update has arrived")

	second := c.operate(row.UBRN, "recordReviewOutcome", content)

	assert.Equal(t, http.StatusLocked, second.status)
	assert.Equal(t, []string{"A028 " + row.UBRN + ": two updates at once"}, c.sim.Report().Violations)
	_, err = text.Write([]byte(content[10:]))
	require.NoError(t, err)
	require.NoError(t, text.Close())
	assert.Equal(t, 200, <-first)
}
