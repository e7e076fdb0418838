package ers

import (
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func TestAcceptingSendsNoBodyAndGivesTheNewVersion(t *testing.T) {
	far := &eRS{api: answering(200, referralJSON(`"versionId":"5"`, `"versionId":"6"`), "ETag", `W/"6"`)}
	got, err := overSockets(t, far).Invoke(t.Context(), fhir.Operation{On: at("5"), Name: AcceptReferral})
	require.NoError(t, err)
	assert.Equal(t, at("6"), got)
	sent := far.last(t)
	assert.Equal(t, "POST /referrals/FHIR/STU3/ReferralRequest/"+ubrn+"/$ers.acceptReferral", sent.method+" "+sent.path)
	assert.Empty(t, sent.body)
	assert.Equal(t, `W/"5"`, sent.header.Get("If-Match"))
}

func TestRecordingAnOutcomeSendsTheParametersInTheDocumentedOrder(t *testing.T) {
	far := &eRS{api: answering(200, referralJSON(`"versionId":"5"`, `"versionId":"10"`), "ETag", `W/"10"`)}
	got, err := overSockets(t, far).Invoke(t.Context(), fhir.Operation{On: at("9"), Name: RecordReviewOutcome, Parameters: []fhir.Parameter{
		{Name: "reviewComments", Text: "Book <within> 2 weeks & ring first"},
		{Name: "reviewOutcome", Code: "ACCEPT_REFER_BOOK_LATER"},
		{Name: "reviewPriority", Code: "URGENT"},
	}})
	require.NoError(t, err)
	assert.Equal(t, at("10"), got)
	assert.JSONEq(t, `{"resourceType":"Parameters","meta":{"profile":["https://fhir.nhs.uk/STU3/StructureDefinition/eRS-RecordReviewOutcome-Parameters-1"]},
		"parameter":[
		{"name":"reviewPriority","valueCoding":{"system":"https://fhir.nhs.uk/STU3/CodeSystem/eRS-Priority-1","code":"URGENT"}},
		{"name":"reviewOutcome","valueCoding":{"system":"https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReviewOutcome-1","code":"ACCEPT_REFER_BOOK_LATER"}},
		{"name":"reviewComments","valueString":"Book <within> 2 weeks & ring first"}]}`, far.last(t).body)
}

func TestCancellingUsesTheEnvironmentsOwnCodesAndTheVersionInTheBody(t *testing.T) {
	updated := `{"resourceType":"Parameters","parameter":[{"name":"updatedAppointment","resource":{"resourceType":"Appointment","id":"81009"}},` +
		`{"name":"updatedReferralRequest","resource":` + referralJSON(`"versionId":"5"`, `"versionId":"7"`) + `}]}`
	far := &eRS{api: answering(200, updated)}
	c := overSockets(t, far)
	got, err := c.Invoke(t.Context(), fhir.Operation{On: at("6"), Name: CancelReferral, Parameters: []fhir.Parameter{
		{Name: "cancellationReason", System: "https://fhir.nhs.uk/CodeSystem/eRS-ReferralCancellationReason", Code: "PATIENT_DIED"},
	}})
	require.NoError(t, err)
	assert.Equal(t, at("7"), got)
	assert.JSONEq(t, `{"resourceType":"Parameters","meta":{"profile":["https://fhir.nhs.uk/STU3/StructureDefinition/eRS-CancelReferral-Request-Parameters-1"]},
		"parameter":[{"name":"cancellationReason","valueCoding":{"system":"`+c.base+`/STU3/CodeSystem/REFERRAL-CANCELLATION-REASON","code":"PATIENT_DIED"}}]}`,
		far.last(t).body)
}

func TestAnOperationIsCheckedBeforeItIsSent(t *testing.T) {
	outcomeOf := func(code string) fhir.Parameter { return fhir.Parameter{Name: "reviewOutcome", Code: code} }
	for name, op := range map[string]fhir.Operation{
		"rejecting needs a person":  {Name: "$ers.rejectReferral"},
		"a plain update":            {Name: fhir.OperationUpdate},
		"accepting has no comment":  {Name: AcceptReferral, Parameters: []fhir.Parameter{{Name: "comment", Text: "x"}}},
		"no outcome":                {Name: RecordReviewOutcome, Parameters: []fhir.Parameter{{Name: "reviewComments", Text: "x"}}},
		"an outcome of the UI":      {Name: RecordReviewOutcome, Parameters: []fhir.Parameter{outcomeOf("ACCEPT_REFER_BOOK_NOW"), {Name: "reviewComments", Text: "x"}}},
		"no comment":                {Name: RecordReviewOutcome, Parameters: []fhir.Parameter{outcomeOf("ACCEPT_REFER_BOOK_LATER")}},
		"an empty comment":          {Name: RecordReviewOutcome, Parameters: []fhir.Parameter{outcomeOf("ACCEPT_REFER_BOOK_LATER"), {Name: "reviewComments"}}},
		"2001 characters":           {Name: CancelReferral, Parameters: []fhir.Parameter{{Name: "cancellationReason", Code: "X"}, {Name: "cancellationComments", Text: fhir.Private(strings.Repeat("é", 2001))}}},
		"no reason":                 {Name: CancelReferral},
		"a parameter of another op": {Name: CancelReferral, Parameters: []fhir.Parameter{{Name: "cancellationReason", Code: "X"}, outcomeOf("X")}},
	} {
		far := &eRS{api: answering(200, referralJSON())}
		op.On = at("5")
		_, err := overSockets(t, far).Invoke(t.Context(), op)
		var e *Error
		assert.Error(t, err, name)
		assert.False(t, errors.As(err, &e), name)
		assert.Zero(t, far.calls(), name)
	}
}

func TestACommentMayBeTwoThousandCharactersLong(t *testing.T) {
	far := &eRS{api: answering(200, referralJSON(), "ETag", `W/"5"`)}
	_, err := overSockets(t, far).Invoke(t.Context(), fhir.Operation{On: at("4"), Name: CancelReferral, Parameters: []fhir.Parameter{
		{Name: "cancellationReason", Code: "X"}, {Name: "cancellationComments", Text: fhir.Private(strings.Repeat("é", 2000))}}})
	require.NoError(t, err)
}

func TestWhichAnswersLeaveTheOutcomeOfAWriteUnknown(t *testing.T) {
	cut := func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		w.Header().Set("Content-Length", "5000")
		_, _ = io.WriteString(w, referralJSON()[:100])
	}
	for name, world := range map[string]struct {
		api     http.HandlerFunc
		status  int
		unknown bool
	}{
		"400":                   {answering(400, ""), 400, false},
		"403":                   {answering(403, ""), 403, false},
		"408":                   {answering(408, ""), 408, true},
		"409 version conflict":  {answering(409, ""), 409, false},
		"412 If-Match missing":  {answering(412, ""), 412, false},
		"422 state":             {answering(422, outcome("INVALID_REQUEST_STATE")), 422, false},
		"423 locked":            {answering(423, ""), 423, false},
		"429":                   {answering(429, ""), 429, false},
		"500":                   {answering(500, ""), 500, true},
		"502 PAS refused":       {answering(502, outcome("PAS_RESPONDED_WITH_ERROR")), 502, true},
		"504 PAS silent":        {answering(504, outcome("PAS_NOT_RESPONDING")), 504, true},
		"200 but cut":           {cut, 200, true},
		"200 but HTML":          {answering(200, "<html>", "Content-Type", "text/html"), 200, true},
		"200 but another UBRN":  {answering(200, referralJSON(ubrn, "000000089999")), 200, true},
		"200 but no version":    {answering(200, referralJSON(`"versionId":"5"`, `"profile":["p"]`)), 200, true},
		"200 but no referral":   {answering(200, `{"resourceType":"Parameters","parameter":[{"name":"x"}]}`), 200, true},
		"200 but an outcome":    {answering(200, outcome("INVALID_REQUEST_STATE")), 200, true},
		"401 after the renewal": {answering(401, ""), 401, false},
		"307":                   {answering(307, "", "Location", "/"), 307, false},
	} {
		far := &eRS{api: world.api}
		_, err := overSockets(t, far).Invoke(t.Context(), fhir.Operation{On: at("5"), Name: AcceptReferral})
		e := refusedWith(t, err)
		assert.Equal(t, world.status, e.Status, name)
		assert.Equal(t, world.unknown, e.Ambiguous(), name)
		assert.Equal(t, "A013 accept referral", e.Call, name)
		clean(t, name, err.Error())
	}
}

func TestAWriteThatNeverLeftIsNotUnknown(t *testing.T) {
	for name, world := range map[string]struct {
		fault   error
		unknown bool
	}{
		"no connection":    {&net.OpError{Op: "dial", Err: errors.New("connection refused")}, false},
		"no name":          {&net.DNSError{}, false},
		"connection reset": {&net.OpError{Op: "read", Err: errors.New("reset")}, true},
		"whatever else":    {errors.New(hostile), true},
	} {
		far := &eRS{api: answering(200, referralJSON())}
		c := inBubble(t, &failing{next: far, times: 1, err: world.fault})
		_, err := c.Invoke(t.Context(), fhir.Operation{On: at("5"), Name: AcceptReferral})
		e := refusedWith(t, err)
		assert.Zero(t, e.Status, name)
		assert.Equal(t, world.unknown, e.Ambiguous(), name)
		clean(t, name, err.Error())
	}
}
