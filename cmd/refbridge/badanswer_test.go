package main

import (
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ers/erssim"
)

// What a far end or a box between may say instead of an answer. In each stand a surname, an NHS number and free text, which
// must come out nowhere.
const page = "<!DOCTYPE html>\n<html><body>Sign in again, Plantedname 9990000018: planted words</body></html>"

const cut = `{"resourceType":"ReferralRequest","id":"000000070002","subject":{"identifier":{"value":"9990000018"},` +
	`"display":"Plantedname"},"description":"planted words`

// clean asserts that no marker stands in what a command printed.
func clean(t *testing.T, r result) {
	t.Helper()
	for _, marker := range []string{"Plantedname", "9990000018", "999 000 0018", "planted words"} {
		assert.NotContains(t, r.out, marker)
		assert.NotContains(t, r.err, marker)
	}
}

func TestAnAnswerThatIsNoReferralHoldsThatRecordAndItsNeighboursGoOn(t *testing.T) {
	t.Parallel()
	const fhirJSON = "application/fhir+json"
	for name, answer := range map[string]spoil{
		"an HTML page with status 200": {status: http.StatusOK, typ: "text/html", body: page},
		"a page that says it is JSON":  {status: http.StatusOK, typ: fhirJSON, body: page},
		"a truncated body":             {status: http.StatusOK, typ: fhirJSON, body: cut},
		"an empty body":                {status: http.StatusOK, typ: fhirJSON},
		"another resource": {status: http.StatusOK, typ: fhirJSON,
			body: `{"resourceType":"Patient","id":"Plantedname","text":{"div":"planted words 9990000018"}}`},
		"an outcome in unknown words": {status: http.StatusUnprocessableEntity, typ: fhirJSON,
			body: `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"invalid","diagnostics":"Plantedname 9990000018 planted words",
				"details":{"coding":[{"code":"PATIENT_ODD"}],"text":"planted words"}}]}`},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			// Before: four referrals on the worklist. Reading one of them is answered so.
			answer.on, answer.path = on(), "000000070002"
			w := newWorld(t, setting{referrals: 4, spoil: answer})
			r := w.run(exitDone, "sync", "--verbose")
			clean(t, r)
			assert.Regexp(t, `(?m)^ers: 3 applied, 1 held, 0 dead, `, r.out)
			assert.Equal(t, 3, w.org.Report().Records["ClinicalServiceRequest"])
			r = w.run(exitDone, "show", "000000070002")
			clean(t, r)
			assert.Regexp(t, `\[unreadable\]`, r.out)

			// The far end is right again: nothing is lost.
			answer.on.Store(false)
			r = w.run(exitDone, "retry", "000000070002")
			assert.Regexp(t, `(?m)^ers: 1 applied, 0 held, `, r.out)
			assert.Equal(t, 4, w.statement().Applied)
		})
	}
}

func TestAWorklistThatIsNoneIsReportedAndTheOthersAreRead(t *testing.T) {
	t.Parallel()
	// Before: the first worklist of the day is answered by a proxy with its own page.
	w := newWorld(t, setting{referrals: 6, ward: 1})
	w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A008", Status: http.StatusOK, Body: page, ContentType: "text/html", Times: 1}}})
	r := refbridge(t, "sync", "-c", w.dir+"/refbridge.yaml")
	clean(t, r)
	s := w.run(exitDone, "statement")
	clean(t, s)
	assert.NotZero(t, w.statement().Applied, "the other list, and the FHIR server")
	assert.True(t, r.code == exitError && strings.Contains(r.err, "REFERRALS_FOR_REVIEW") || strings.Contains(s.out, "unreadable"),
		"somebody is told:\n%s%s%s", r.out, r.err, s.out)
}

func TestAFHIRServerThatSendsAPageInsteadOfABundleLosesNothing(t *testing.T) {
	t.Parallel()
	// Before: searches are answered with an HTML page and status 200.
	broken := spoil{on: on(), path: "/fhir/ServiceRequest", status: http.StatusOK, typ: "text/html", body: page}
	w := newWorld(t, setting{ward: 3, spoil: broken})
	r := w.run(exitError, "sync")
	clean(t, r)
	assert.Regexp(t, `(?m)^refbridge: error: poll ward: .*ServiceRequest`, r.err)
	broken.on.Store(false)
	w.run(exitDone, "sync")
	assert.Equal(t, 3, w.org.Report().Records["ClinicalServiceRequest"])
	w.run(exitDone, "retry", "--all") // the appointments came, and wait for their referrals
	assert.Equal(t, 3, w.org.Report().Records["ServiceAppointment"])
	assert.Zero(t, w.statement().Held+w.statement().Pending)
}

func TestAnEntryOfAPageThatCannotBeReadIsListedAndItsNeighboursGoOn(t *testing.T) {
	t.Parallel()
	// Before: one entry of each page, the same on all, has no resourceType.
	w := newWorld(t, setting{ward: 3, spoil: spoil{on: on(), path: "/fhir/", edit: func(right string) string {
		return strings.Replace(right, `"entry":[`,
			`"entry":[{"resource":{"id":"Plantedname","note":"planted words"},"search":{"mode":"match"}},`, 1)
	}}})
	r := w.run(exitDone, "sync", "--verbose")
	clean(t, r)
	assert.Equal(t, 3, w.org.Report().Records["ClinicalServiceRequest"])
	s := w.statement()
	require.Len(t, s.Open, 1, "it is known by its bytes")
	assert.Equal(t, "held unreadable", string(s.Open[0].Fate)+" "+s.Open[0].Reason.Code)
	clean(t, w.run(exitDone, "statement"))

	// Retry cannot help, and the reason stays the same.
	refbridge(t, "retry", "--all", "-c", w.dir+"/refbridge.yaml")
	s = w.statement()
	require.Len(t, s.Open, 1)
	assert.Equal(t, "unreadable", s.Open[0].Reason.Code)
}

func TestABrokenSignInIsAnErrorOfThatSourceAndTheOthersGoOn(t *testing.T) {
	t.Parallel()
	// Before: e-RS refuses every token, and says why in words that are not for a log.
	w := newWorld(t, setting{referrals: 3, ward: 2})
	w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "token", Status: http.StatusUnauthorized, Times: -1, ContentType: "application/json",
		Body: `{"error":"invalid_client","error_description":"Plantedname 9990000018 planted words"}`}}})
	r := w.run(exitError, "sync")
	clean(t, r)
	assert.Regexp(t, `(?m)^refbridge: error: poll ers: `, r.err)
	for _, line := range strings.Split(strings.TrimSpace(r.err), "\n") {
		assert.Regexp(t, `^(refbridge: (error|hint): |time=)`, line, "every line says who speaks")
	}
	assert.Equal(t, 2, w.org.Report().Records["ClinicalServiceRequest"])

	// The sign-in works again: what comes in now is the first that e-RS ever gave.
	w.ers.SetFaults(erssim.Faults{})
	w.run(exitDone, "sync")
	assert.Equal(t, "first", w.row("ClinicalServiceRequest", "ers.sr.000000070001")["Bridge_Run__c"])
}

func TestARowThatSalesforceRefusesIsHeldWithItsReasonAndTheRule(t *testing.T) {
	t.Parallel()
	// Before: a validation rule of the org refuses appointments that are booked. Its message holds what it should not.
	w := newWorld(t, setting{referrals: 4})
	w.forbid("ServiceAppointment", "Status", "Scheduled", "Plantedname 9990000018: planted words")
	r := w.run(exitDone, "sync", "--verbose")
	clean(t, r)
	s := w.statement()
	require.NotZero(t, s.Held)
	assert.Equal(t, "salesforce-validation", s.Open[0].Reason.Code)
	assert.Equal(t, "Status", s.Open[0].Reason.Field)
	assert.Regexp(t, `^appointment\.yaml:\d+$`, s.Open[0].Reason.Rule)
	clean(t, w.run(exitDone, "statement"))
	clean(t, w.run(exitDone, "show", strings.Split(s.Open[0].Ref, "/")[1]))
	w.org.Repair()
	w.run(exitDone, "retry", "--all")
	assert.Equal(t, 4, w.statement().Applied)
}
