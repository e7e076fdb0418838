package ers

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"net/http/httptest"
	"os"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-resty/resty/v2"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/wire"
)

func TestConfigurationIsRefusedBeforeAnyCall(t *testing.T) {
	good := Config{BaseURL: "https://a.example/FHIR", TokenURL: "https://a.example/token", ClientID: "c", KeyID: "k", Key: mustKey()}
	_, err := New(good)
	require.NoError(t, err)
	for name, change := range map[string]func(*Config){
		"plain http beyond loopback": func(c *Config) { c.BaseURL = "http://ers.example/FHIR" },
		"password in the URL":        func(c *Config) { c.BaseURL = "https://u:p@a.example/FHIR" },
		"query in the URL":           func(c *Config) { c.TokenURL = "https://a.example/token?x=1" },
		"no host":                    func(c *Config) { c.BaseURL = "/FHIR" },
		"no key":                     func(c *Config) { c.Key = nil },
		"no key id":                  func(c *Config) { c.KeyID = "" },
		"negative rate":              func(c *Config) { c.Rate = -1 },
	} {
		c := good
		change(&c)
		_, err := New(c)
		assert.Error(t, err, name)
	}
}

func TestReadGivesTheReferralWholeWithItsVersion(t *testing.T) {
	body := referralJSON(`"intent":"plan"`, `"intent":"plan","unheardOf":{"kept":[1.50]}`)
	far := &eRS{api: answering(200, body, "ETag", `W/"5"`)}
	r, err := overSockets(t, far).Read(t.Context(), at("3"))
	require.NoError(t, err)
	assert.Equal(t, body, string(r.Raw()))
	assert.Equal(t, at("5"), r.Reference())
	assert.Equal(t, "/referrals/FHIR/STU3/ReferralRequest/"+ubrn, far.last(t).path)
}

func TestOnlyHeadersOfApplicationModeAreSent(t *testing.T) {
	far := &eRS{api: answering(200, referralJSON(), "ETag", `W/"5"`)}
	c := overSockets(t, far)
	_, err := c.Read(t.Context(), at(""))
	require.NoError(t, err)
	get := far.last(t).header
	_, err = c.Invoke(t.Context(), fhir.Operation{On: at("4"), Name: AcceptReferral})
	require.NoError(t, err)
	post := far.last(t).header

	assert.ElementsMatch(t, []string{"Authorization", "Accept", "X-Correlation-Id", "User-Agent", "Accept-Encoding"}, names(get))
	assert.ElementsMatch(t, []string{"Authorization", "Accept", "X-Correlation-Id", "User-Agent", "Accept-Encoding",
		"Content-Type", "Content-Length", "If-Match"}, names(post))
	assert.Equal(t, "Bearer token-1", get.Get("Authorization"))
	assert.Equal(t, "application/fhir+json", get.Get("Accept"))
	assert.Regexp(t, `^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$`, get.Get("X-Correlation-ID"))
	assert.NotEqual(t, get.Get("X-Correlation-ID"), post.Get("X-Correlation-ID"))
	assert.Equal(t, `W/"4"`, post.Get("If-Match"))
}

func names(h http.Header) []string {
	var out []string
	for name := range h {
		out = append(out, name)
	}
	return out
}

func TestVersionComesFromEtagOrBodyAndTheyMustAgree(t *testing.T) {
	for name, world := range map[string]struct {
		etag, body, want string
	}{
		"both":                          {`W/"5"`, referralJSON(), "5"},
		"body only":                     {"", referralJSON(), "5"},
		"body and a strong hash":        {`"a72100"`, referralJSON(), "5"},
		"etag only, no meta":            {`W/"7"`, referralJSON(`"meta":{"versionId":"5"},`, ""), "7"},
		"etag only, meta without":       {`W/"7"`, referralJSON(`{"versionId":"5"}`, `{"profile":["p"]}`), "7"},
		"both, but different":           {`W/"6"`, referralJSON(), ""},
		"none":                          {"", referralJSON(`"meta":{"versionId":"5"},`, ""), ""},
		"only a strong hash, no number": {`"a72100"`, referralJSON(`"meta":{"versionId":"5"},`, ""), ""},
	} {
		far := &eRS{api: answering(200, world.body, "ETag", world.etag)}
		r, err := overSockets(t, far).Read(t.Context(), at(""))
		if world.want == "" {
			assert.Equal(t, 200, refusedWith(t, err).Status, name)
			continue
		}
		require.NoError(t, err, name)
		assert.Equal(t, world.want, r.VersionID(), name)
		assert.Equal(t, nhs, r.Root().Get("subject").Get("identifier").Get("value").Text(), name)
	}
}

func TestAnAnswerThatIsNotTheReferralIsRefused(t *testing.T) {
	for name, world := range map[string]struct {
		answer http.HandlerFunc
		reason string
		codes  []string
	}{
		"captive portal":      {answering(200, "<html>"+hostile+"</html>", "Content-Type", "text/html; charset=utf-8"), "text/html instead of JSON", nil},
		"hostile media type":  {answering(200, "{}", "Content-Type", "text/"+nhs), "no content type instead of JSON", nil},
		"another referral":    {answering(200, referralJSON(ubrn, "000000089999")), "another UBRN", nil},
		"UBRN as a number":    {answering(200, referralJSON(`"id":"`+ubrn+`"`, `"id":81234`)), "another UBRN", nil},
		"another type":        {answering(200, `{"resourceType":"Patient","id":"`+ubrn+`"}`), "no ReferralRequest", nil},
		"outcome in a 200":    {answering(200, outcome("NO_RELATIONSHIP")), "an OperationOutcome", []string{"NO_RELATIONSHIP"}},
		"cut but well framed": {answering(200, referralJSON()[:200]), "not valid JSON", nil},
		"twice the same name": {answering(200, referralJSON(`"status"`, `"id":"`+ubrn+`","status"`)), "member name twice", nil},
		"nothing":             {answering(200, ""), "not valid JSON", nil},
		"redirect":            {answering(307, "", "Location", "https://elsewhere.example/"+nhs), "redirect", nil},
		"endless":             {endless, "larger than any that is read", nil},
	} {
		far := &eRS{api: world.answer}
		_, err := overSockets(t, far).Read(t.Context(), at(""))
		e := refusedWith(t, err)
		assert.Contains(t, e.Reason, world.reason, name)
		assert.Equal(t, world.codes, e.Codes, name)
		assert.Equal(t, 1, far.calls(), "%s: trying again would not help", name)
		clean(t, name, err.Error())
	}
}

// What becomes of a call whose answer did not come whole: a row a case.
func TestFinding_doubt_C11_AnAnswerThatBreaksOffIsNoAnswer(t *testing.T) {
	for _, c := range []struct {
		name   string
		status int // that came before it broke
		err    error
		left   int // of the status
		reason string
		again  bool
	}{
		{"half a body", 200, io.ErrUnexpectedEOF, 0, "the connection closed before the answer was whole", true},
		{"a reset in the body", 200, syscall.ECONNRESET, 0, "the connection broke", true},
		{"a body that stops coming", 200, os.ErrDeadlineExceeded, 0, "no whole answer in time", false},
		{"no header", 0, io.EOF, 0, "the connection closed before the answer was whole", true},
		{"more than anybody sends", 200, resty.ErrResponseBodyTooLarge, 200, "the answer is larger than any that is read", false},
	} {
		q := call{name: "A005 read referral"}
		e := q.broken(answer{status: c.status, header: http.Header{}}, c.err)
		assert.Equal(t, c.left, e.Status, c.name)
		assert.Equal(t, c.reason, e.Reason, c.name)
		assert.Equal(t, c.again, e.again, c.name)
		q.write = true
		assert.True(t, q.broken(answer{status: c.status, header: http.Header{}}, c.err).Ambiguous(), "%s: a write may have arrived", c.name)
	}
}

func endless(w http.ResponseWriter, _ *http.Request) {
	w.Header().Set("Content-Type", "application/fhir+json")
	block := bytes.Repeat([]byte(" "), 1<<20)
	for range 20 {
		if _, err := w.Write(block); err != nil {
			return
		}
	}
}

// clean asserts that a text holds nothing of the patient, of upstream texts, or the UBRN.
func clean(t *testing.T, name, text string) {
	t.Helper()
	for _, marker := range []string{nhs, "999 000 0018", "Marlowe", "chest", ubrn, "%2F"} {
		assert.NotContains(t, text, marker, name)
	}
}

func TestRefusalsKeepCodesAndNothingElse(t *testing.T) {
	for name, world := range map[string]struct {
		status int
		body   string
		header []string
		codes  []string
	}{
		"422 code":             {422, outcome("PATIENT_ERROR"), nil, []string{"PATIENT_ERROR"}},
		"422 several issues":   {422, `{"issue":[{"details":{"coding":[{"code":"MISSING_VALUE"},{"code":"MISSING_VALUE"}]}},{"details":{"coding":[{"code":"UNEXPECTED_FIELD"}]}}]}`, nil, []string{"MISSING_VALUE", "UNEXPECTED_FIELD"}},
		"400 unknown severity": {400, `{"resourceType":"OperationOutcome","issue":[{"severity":"dire","code":"odd","details":{"coding":[{"code":"HISTORY_NOT_SUPPORTED"}]}}]}`, nil, []string{"HISTORY_NOT_SUPPORTED"}},
		"403 identity":         {403, `{"issue":[{"code":"login","diagnostics":"` + hostile + `"}]}`, nil, []string{"login"}},
		"403 empty":            {403, "", nil, nil},
		"403 html":             {403, "<html>" + hostile, []string{"Content-Type", "text/html"}, nil},
		"404 text":             {404, hostile, []string{"Content-Type", "text/plain"}, nil},
		"409":                  {409, "", nil, nil},
		"423":                  {423, "", nil, nil},
		"412":                  {412, "{}", nil, nil},
		"406 text":             {406, "Not Acceptable", []string{"Content-Type", "text/plain"}, nil},
		"number as a code":     {422, outcome(nhs), nil, nil},
		"text as a code":       {422, outcome(hostile), nil, nil},
		"a request id with it": {404, "", []string{"X-Request-ID", nhs}, nil},
		"1 MB of error":        {422, `{"x":"` + strings.Repeat("x", 1<<20) + `"}`, nil, nil},
	} {
		far := &eRS{api: answering(world.status, world.body, world.header...)}
		_, err := overSockets(t, far).Read(t.Context(), at(""))
		e := refusedWith(t, err)
		assert.Equal(t, world.status, e.Status, name)
		assert.Equal(t, world.codes, e.Codes, name)
		assert.Equal(t, "A005 read referral", e.Call, name)
		assert.False(t, e.Ambiguous(), "%s: reading changes nothing", name)
		assert.Equal(t, 1, far.calls(), name)
		clean(t, name, err.Error())
	}
}

func TestAnErrorTellsSupportWhatTheyAskFor(t *testing.T) {
	far := &eRS{api: answering(422, outcome("PATIENT_ERROR"))}
	_, err := overSockets(t, far).Read(t.Context(), at(""))
	assert.EqualError(t, err, "A005 read referral: status 422, PATIENT_ERROR, request id 58621d65-0b1c-1")
	assert.True(t, refusedWith(t, err).Code("PATIENT_ERROR"))
	assert.False(t, refusedWith(t, err).Code("NO_RELATIONSHIP"))
}

func TestNothingPersonalReachesErrorsOrLogs(t *testing.T) {
	var log bytes.Buffer
	raw := func(text string) http.HandlerFunc {
		return func(w http.ResponseWriter, _ *http.Request) {
			conn, _, err := http.NewResponseController(w).Hijack()
			if assert.NoError(t, err) {
				_, _ = io.WriteString(conn, text)
				_ = conn.Close()
			}
		}
	}
	for name, api := range map[string]http.HandlerFunc{
		"diagnostics":       answering(422, outcome("PATIENT_ERROR")),
		"malformed status":  raw("HTTP/1.1 " + hostile + "\r\n\r\n"),
		"malformed header":  raw("HTTP/1.1 200 OK\r\n" + hostile + "\r\n\r\n"),
		"no HTTP":           raw(hostile + "\r\n"),
		"gateway fault":     answering(403, `{"fault":{"faultstring":"`+hostile+`"}}`),
		"hostile reference": answering(200, `{"resourceType":"List","entry":[{"item":{"reference":"`+hostile+`"}}]}`),
	} {
		far := &eRS{api: api}
		c := overSockets(t, far, func(c *Config) { c.Logger = slog.New(slog.NewJSONHandler(&log, nil)) })
		ctx, stop := context.WithTimeout(t.Context(), 50*time.Millisecond) // ends the waiting between attempts
		_, err := c.Read(ctx, at(""))
		stop()
		require.Error(t, err, name)
		clean(t, name, fmt.Sprintf("%v %+v %#v", err, err, err))
		_, err = c.Worklist(t.Context(), clinic, ReferralsForReview)
		clean(t, name, fmt.Sprint(err))
		_, err = c.Invoke(t.Context(), fhir.Operation{On: at("4"), Name: CancelReferral, Parameters: []fhir.Parameter{
			{Name: "cancellationReason", Code: "PATIENT_DIED"}, {Name: "cancellationComments", Text: hostile}}})
		require.Error(t, err, name)
		clean(t, name, fmt.Sprintf("%v %+v %#v", err, err, err))
	}
	clean(t, "log", log.String())
}

func TestUbrnIsCheckedBeforeItGoesIntoAPath(t *testing.T) {
	far := &eRS{api: answering(200, referralJSON())}
	c := overSockets(t, far)
	for _, ref := range []fhir.Reference{
		{Type: "ReferralRequest", ID: "81234"},
		{Type: "ReferralRequest", ID: "0000 0008 1234"},
		{Type: "ReferralRequest", ID: "../../../x12"},
		{Type: "ReferralRequest", ID: ubrn + "/$ers.cancelReferral"},
		{Type: "Patient", ID: ubrn},
		{},
	} {
		_, err := c.Read(t.Context(), ref)
		assert.Error(t, err)
		_, err = c.Actions(t.Context(), fhir.Reference{Type: ref.Type, ID: ref.ID, Version: "1"})
		assert.Error(t, err)
		_, err = c.Invoke(t.Context(), fhir.Operation{On: fhir.Reference{Type: ref.Type, ID: ref.ID, Version: "1"}, Name: AcceptReferral})
		assert.Error(t, err)
	}
	_, err := c.Actions(t.Context(), at(""))
	assert.Error(t, err, "the version is needed")
	_, err = c.Invoke(t.Context(), fhir.Operation{On: at("5/x"), Name: AcceptReferral})
	assert.Error(t, err, "the version is a number")
	assert.Zero(t, far.calls())
}

func TestWorklistSpendsBeforeItSendsAndLeavesTheBodyAlone(t *testing.T) {
	body := `{"resourceType":"List", "entry":[ {"item":{}} ]}`
	far := &eRS{api: answering(200, body)}
	ration := &budget{left: 2}
	c := overSockets(t, far, func(c *Config) {
		c.Ration = ration
		c.Now = func() time.Time { return time.Date(2026, 6, 30, 23, 30, 0, 0, time.UTC) } // 1 July in London
	})
	got, err := c.Worklist(t.Context(), clinic, ReferralsForReview)
	require.NoError(t, err)
	assert.Equal(t, body, string(got))
	assert.Equal(t, "/referrals/FHIR/STU3/ReferralRequest/$ers.fetchworklist", far.last(t).path)
	assert.JSONEq(t, `{"resourceType":"Parameters",
		"meta":{"profile":["https://fhir.nhs.uk/STU3/StructureDefinition/eRS-FetchWorklist-Parameters-1"]},
		"parameter":[
		{"name":"listType","valueCodeableConcept":{"coding":[{"system":"https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReferralListSelector-1","code":"REFERRALS_FOR_REVIEW"}]}},
		{"name":"service","valueIdentifier":{"system":"http://fhir.nhs.net/Id/ers-service","value":"81002"}}]}`, far.last(t).body)

	_, err = c.Worklist(t.Context(), clinic, AppointmentSlotIssues)
	require.NoError(t, err)
	_, err = c.Worklist(t.Context(), clinic, ReferralsForReview)
	require.ErrorIs(t, err, errSpent)
	assert.Equal(t, 2, far.calls(), "the third call stays here")
	assert.Equal(t, []string{"a008/81002 2026-07-01 2", "a008/81002 2026-07-01 2", "a008/81002 2026-07-01 2"}, ration.asked)
}

func TestAFailedWorklistCallIsSpentAndNotTriedAgain(t *testing.T) {
	for _, status := range []int{400, 422, 429, 500, 503} {
		far := &eRS{api: answering(status, "", "Retry-After", "1")}
		ration := &budget{left: 2}
		c := overSockets(t, far, func(c *Config) { c.Ration = ration })
		_, err := c.Worklist(t.Context(), clinic, ReferralsForReview)
		assert.Equal(t, status, refusedWith(t, err).Status)
		assert.Equal(t, 1, far.calls())
		assert.Equal(t, 1, ration.left)
	}
}

func TestAFailedSignInSpendsNoRation(t *testing.T) {
	far := &eRS{signIn: answering(401, `{"error":"invalid_request"}`)}
	ration := &budget{left: 2}
	_, err := overSockets(t, far, func(c *Config) { c.Ration = ration }).Worklist(t.Context(), clinic, ReferralsForReview)
	assert.Equal(t, "sign in", refusedWith(t, err).Call)
	assert.Equal(t, 2, ration.left)
}

func TestWorklistRefusesWhatApplicationsMayNotAsk(t *testing.T) {
	far := &eRS{api: answering(200, "{}")}
	c := overSockets(t, far)
	_, err := c.Worklist(t.Context(), clinic, "AWAITING_BOOKING")
	assert.Error(t, err)
	_, err = c.Worklist(t.Context(), `1"},{`, ReferralsForReview)
	assert.Error(t, err)
	_, err = overSockets(t, far, func(c *Config) { c.Ration = nil }).Worklist(t.Context(), clinic, ReferralsForReview)
	assert.Error(t, err)
	assert.Zero(t, far.calls())
}

func TestActionsListsWhatMayBeDoneWithThisVersion(t *testing.T) {
	task := func(code string) string {
		return `{"resource":{"resourceType":"Task","code":{"coding":[{"system":"https://fhir.nhs.uk/STU3/CodeSystem/eRS-AvailableActionsForUser-1","code":"` + code + `"}]}}}`
	}
	far := &eRS{api: answering(200, `{"resourceType":"Bundle","type":"searchset","entry":[`+task("RECORD_REVIEW_OUTCOME")+","+task("CANCEL_REFERRAL")+`]}`)}
	got, err := overSockets(t, far).Actions(t.Context(), at("6"))
	require.NoError(t, err)
	assert.Equal(t, []string{"RECORD_REVIEW_OUTCOME", "CANCEL_REFERRAL"}, got)
	assert.Equal(t, "/referrals/FHIR/STU3/Task", far.last(t).path)
	assert.Equal(t, "focus=ReferralRequest%2F"+ubrn+"%2F_history%2F6&intent=proposal&status=ready", far.last(t).query)

	far.api = answering(200, `{"resourceType":"Bundle","entry":[]}`)
	got, err = overSockets(t, far).Actions(t.Context(), at("6"))
	require.NoError(t, err)
	assert.Empty(t, got)

	far.api = answering(400, outcome("HISTORY_NOT_SUPPORTED"))
	_, err = overSockets(t, far).Actions(t.Context(), at("5"))
	assert.True(t, refusedWith(t, err).Code("HISTORY_NOT_SUPPORTED"))
}

func TestAnUntrustedCertificateIsNoReasonToTryAgain(t *testing.T) {
	server := httptest.NewTLSServer(http.NotFoundHandler())
	t.Cleanup(server.Close)
	server.Config.ErrorLog = slog.NewLogLogger(slog.DiscardHandler, slog.LevelError)
	c := client(t, func(c *Config) { c.BaseURL, c.TokenURL = server.URL, server.URL })
	_, err := c.Read(t.Context(), at(""))
	assert.Equal(t, "the server's certificate is not trusted", refusedWith(t, err).Reason)
}

func TestAPlanningRunCannotWriteAByte(t *testing.T) {
	far := &eRS{api: answering(200, referralJSON())}
	server := httptest.NewServer(far)
	t.Cleanup(server.Close)
	ration := &budget{left: 2}
	c := client(t, func(c *Config) {
		c.BaseURL, c.TokenURL = server.URL+"/referrals/FHIR", server.URL+"/oauth2/token"
		c.Transport, c.Ration = ReadOnly(nil, c.TokenURL), ration
	})
	_, err := c.Read(t.Context(), at(""))
	require.NoError(t, err, "reading and signing in go through")
	before := far.calls()
	_, err = c.Invoke(t.Context(), fhir.Operation{On: at("5"), Name: AcceptReferral})
	require.ErrorIs(t, err, wire.ErrReadOnly)
	assert.False(t, refusedWith(t, err).Ambiguous(), "nothing was sent")
	_, err = c.Worklist(t.Context(), clinic, ReferralsForReview)
	require.ErrorIs(t, err, wire.ErrReadOnly)
	assert.Equal(t, before, far.calls())
}

func TestReadOnlyLetsNoMethodSlip(t *testing.T) {
	far := &eRS{api: answering(200, "{}")}
	guard := ReadOnly(far, "https://ers.example/oauth2/token")
	for _, method := range []string{"POST", "PUT", "PATCH", "DELETE", "OPTIONS", "get"} {
		for _, url := range []string{"https://ers.example/STU3/ReferralRequest/1", "https://ers.example/oauth2/token/x", "https://evil.example/oauth2/token"} {
			r, err := http.NewRequest(method, url, strings.NewReader("body"))
			require.NoError(t, err)
			_, err = guard.RoundTrip(r)
			assert.ErrorIs(t, err, wire.ErrReadOnly, "%s %s", method, url)
		}
	}
	assert.Zero(t, far.calls())
}
