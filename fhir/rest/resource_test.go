package rest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/wire"
)

func TestAReadGivesTheVersionOfTheBodyOrElseOfTheETag(t *testing.T) {
	for _, c := range []struct{ body, etag, want string }{
		{`{"resourceType":"Patient","id":"1","meta":{"versionId":"7"}}`, `W/"7"`, "7"},
		{`{"resourceType":"Patient","id":"1","meta":{"versionId":"7"}}`, `W/"7--gzip"`, "7"},
		{`{"resourceType":"Patient","id":"1","meta":{"versionId":"7"}}`, "", "7"},
		{`{"resourceType":"Patient","id":"1","meta":{"profile":["x"]}}`, `W/"7"`, "7"},
		{`{"resourceType":"Patient","id":"1"}`, `"7"`, "7"},
		{`{"resourceType":"Patient","id":"1"}`, `nonsense "7`, ""},
	} {
		client := open(t, func(*http.Request) (*http.Response, error) { return reply(200, c.body, "ETag", c.etag), nil })
		got, err := client.Read(t.Context(), fhir.Reference{Type: "Patient", ID: "1"})
		require.NoError(t, err)
		assert.Equal(t, c.want, got.VersionID(), "%s %s", c.body, c.etag)
		before, err := fhir.Parse([]byte(c.body))
		require.NoError(t, err)
		if before.Root().Get("meta").Exists() {
			assert.Equal(t, before.Digest(), got.Digest(), "the content stays")
		}
	}
}

func TestAReadAsksForTheCurrentVersionAndNothingElse(t *testing.T) {
	var asked string
	c := open(t, func(r *http.Request) (*http.Response, error) {
		asked = r.Method + " " + r.URL.String()
		return reply(200, patient("1")), nil
	})
	_, err := c.Read(t.Context(), fhir.Reference{Type: "Patient", ID: "1", Version: "4"})
	require.NoError(t, err)
	assert.Equal(t, "GET "+testBase+"/Patient/1", asked)
}

func TestAReadOfOneResourceDoesNotTakeAnother(t *testing.T) {
	for _, body := range []string{patient("2"), `{"resourceType":"Person","id":"1"}`, `{"resourceType":"Patient"}`} {
		c := open(t, func(*http.Request) (*http.Response, error) { return reply(200, body), nil })
		_, err := c.Read(t.Context(), patientRef)
		assert.ErrorIs(t, err, errOther, body)
	}
}

func TestAResourceThatIsGoneIsToldByItsStatus(t *testing.T) {
	for _, status := range []int{404, 410} {
		c := open(t, func(*http.Request) (*http.Response, error) {
			return reply(status, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"deleted"}]}`), nil
		})
		var failure *Error
		_, err := c.Read(t.Context(), patientRef)
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, status, failure.Status)
		assert.Equal(t, []string{"deleted"}, failure.Codes)
		_, err = c.Update(t.Context(), patientRef, []byte(patient("1")))
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, status, failure.Status)
		assert.False(t, failure.Ambiguous() || failure.Conflict())
	}
}

func TestReferencesThatWouldNameSomethingElseInAURLAreNotSent(t *testing.T) {
	c := open(t, func(*http.Request) (*http.Response, error) { return nil, errors.New("asked") })
	for _, ref := range []fhir.Reference{
		{}, {Type: "Patient"}, {Type: "patient", ID: "1"}, {Type: "Patient", ID: ".."}, {Type: "Patient", ID: "."},
		{Type: "Patient", ID: "1/2"}, {Type: "Patient", ID: "1?x=2"}, {Type: "../x", ID: "1"}, {Type: "Patient", ID: strings.Repeat("1", 65)},
	} {
		_, err := c.Read(t.Context(), ref)
		assert.True(t, errors.Is(err, errType) || errors.Is(err, errID), "%v", ref)
		ref.Version = "1"
		_, err = c.Update(t.Context(), ref, nil)
		assert.True(t, errors.Is(err, errType) || errors.Is(err, errID), "%v", ref)
	}
}

func TestAnUpdateIsMadeFromTheVersionThatWasRead(t *testing.T) {
	answers := map[string]struct {
		reply *http.Response
		want  string
	}{
		"the resource":         {reply(200, `{"resourceType":"Patient","id":"1","meta":{"versionId":"5"}}`, "ETag", `W/"5-gzip"`), "5"},
		"an ETag":              {reply(200, "", "ETag", `W/"5"`, "Content-Type", ""), "5"},
		"no content":           {reply(204, "", "ETag", `W/"5"`), "5"},
		"a location":           {reply(201, "", "Location", testBase+"/Patient/1/_history/5"), "5"},
		"a friendly outcome":   {reply(200, `{"resourceType":"OperationOutcome","issue":[{"severity":"information","code":"informational"}]}`, "ETag", `W/"5"`), "5"},
		"no version whatever":  {reply(200, `{"resourceType":"Patient","id":"1"}`), ""},
		"a location elsewhere": {reply(200, "", "Location", "nowhere"), ""},
	}
	for what, answer := range answers {
		t.Run(what, func(t *testing.T) {
			var got *http.Request
			var sent []byte
			c := open(t, func(r *http.Request) (*http.Response, error) {
				got = r
				sent, _ = io.ReadAll(r.Body)
				return answer.reply, nil
			})
			body := `{"resourceType":"Patient","id":"1","text":{"div":"<a> & b"}}`
			now, err := c.Update(t.Context(), fhir.Reference{Type: "Patient", ID: "1", Version: "4"}, []byte(body))
			require.NoError(t, err)
			assert.Equal(t, fhir.Reference{Type: "Patient", ID: "1", Version: answer.want}, now)
			assert.Equal(t, "PUT "+testBase+"/Patient/1", got.Method+" "+got.URL.String())
			assert.Equal(t, `W/"4"`, got.Header.Get("If-Match"))
			assert.Equal(t, "application/fhir+json", got.Header.Get("Content-Type"))
			assert.Equal(t, body, string(sent))
		})
	}
}

func TestAnUpdateWithoutAVersionOrWithAnotherBodyIsNotSent(t *testing.T) {
	c := open(t, func(*http.Request) (*http.Response, error) { return nil, errors.New("asked") })
	_, err := c.Update(t.Context(), fhir.Reference{Type: "Patient", ID: "1"}, []byte(patient("1")))
	assert.ErrorIs(t, err, errNoVersion)
	for _, body := range []string{"", "{", patient("2"), `{"resourceType":"Person","id":"1"}`, patient("1") + patient("1")} {
		_, err := c.Update(t.Context(), patientRef, []byte(body))
		assert.ErrorIs(t, err, errBody, body)
	}
}

// What a failed update means decides whether somebody has to look before anything else happens.
func TestAFailedUpdateSaysWhetherItIsAConflictOrUnclear(t *testing.T) {
	refused := func(status int) farEnd {
		return func(*http.Request) (*http.Response, error) { return reply(status, ""), nil }
	}
	broken := func(err error) farEnd { return func(*http.Request) (*http.Response, error) { return nil, err } }
	answered := func(body string, header ...string) farEnd {
		return func(*http.Request) (*http.Response, error) { return reply(200, body, header...), nil }
	}
	for what, c := range map[string]struct {
		world               farEnd
		conflict, ambiguous bool
	}{
		"409":                  {refused(409), true, false},
		"412":                  {refused(412), true, false},
		"400":                  {refused(400), false, false},
		"422":                  {refused(422), false, false},
		"429":                  {refused(429), false, false},
		"408":                  {refused(408), false, true},
		"500":                  {refused(500), false, true},
		"504":                  {refused(504), false, true},
		"never connected":      {broken(&net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}), false, false},
		"name unknown":         {broken(&net.DNSError{}), false, false},
		"reset":                {broken(&net.OpError{Op: "read", Err: syscall.ECONNRESET}), false, true},
		"closed":               {broken(io.ErrUnexpectedEOF), false, true},
		"held back":            {broken(wire.ErrReadOnly), false, false},
		"a portal's 200":       {answered("<html>", "Content-Type", "text/html"), false, true},
		"half a body":          {answered(`{"resourceType":"Pat`), false, true},
		"an outcome in a 200":  {answered(`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"conflict"}]}`), false, false},
		"stopped on the way":   {broken(context.Canceled), false, true},
		"an endless body":      {answered(strings.Repeat(" ", maxBody+1)), false, true},
		"service unavailable ": {refused(503), false, true},
	} {
		t.Run(what, func(t *testing.T) {
			calls := 0
			client := open(t, func(r *http.Request) (*http.Response, error) { calls++; return c.world(r) })
			_, err := client.Update(t.Context(), patientRef, []byte(patient("1")))
			var failure *Error
			require.ErrorAs(t, err, &failure)
			assert.Equal(t, c.conflict, failure.Conflict(), "conflict")
			assert.Equal(t, c.ambiguous, failure.Ambiguous(), "ambiguous")
			assert.Equal(t, 1, calls, "an update is never sent again by itself")
		})
	}
}

func TestAnUpdateThatIsStoppedOnTheWayIsUnclearAndKnownAsStopped(t *testing.T) {
	ctx, cancel := context.WithCancel(t.Context())
	c := open(t, func(r *http.Request) (*http.Response, error) {
		cancel()
		<-r.Context().Done()
		return nil, r.Context().Err()
	})
	_, err := c.Update(ctx, patientRef, []byte(patient("1")))
	var failure *Error
	require.ErrorAs(t, err, &failure)
	assert.True(t, failure.Ambiguous())
	assert.ErrorIs(t, err, context.Canceled)
}

func TestCodesOfOutcomesThatTheTypedReadingRefusesAreReadToo(t *testing.T) {
	for body, want := range map[string][]string{
		`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}`:                                               {"not-found"},
		`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"made-up","details":{"coding":[{"code":"PATIENT_ERROR"}]}}]}`: {"made-up", "PATIENT_ERROR"},
		`{"resourceType":"OperationOutcome","issue":[{"details":{"coding":[{"code":"SEND_FORBIDDEN"}]}}]}`:                                    {"SEND_FORBIDDEN"},
		`{"resourceType":"OperationOutcome","issue":{"severity":"error","code":"invalid"}}`:                                                   {"invalid"},
		`{"resourceType":"OperationOutcome","issue":[{"severity":"warning","code":"value"},{"severity":"error","code":"invalid"}]}`:           {"invalid"},
		`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"free text of somebody"}]}`:                                   nil,
		`{"resourceType":"OperationOutcome"}`: nil,
		`{"resourceType":"Patient"}`:          nil,
		`not JSON`:                            nil,
	} {
		c := open(t, func(*http.Request) (*http.Response, error) { return reply(400, body), nil })
		_, err := c.Read(t.Context(), patientRef)
		var failure *Error
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, want, failure.Codes, body)
	}
}

func TestBehindReadOnlyNothingCanBeChanged(t *testing.T) {
	changed, signIns := 0, 0
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		switch {
		case r.URL.Path == "/token":
			signIns++
			w.Header().Set("Content-Type", "application/json")
			io.WriteString(w, `{"access_token":"a","token_type":"bearer","expires_in":300}`)
		case r.Method != http.MethodGet:
			changed++
		default:
			sendFHIR(w, 200, patient("1"))
		}
	}))
	defer server.Close()
	tokenURL := server.URL + "/token"
	c, err := New(Config{
		BaseURL: server.URL, TokenURL: tokenURL, ClientID: "c", KeyID: "k", Key: mustKey(), Transport: ReadOnly(http.DefaultTransport, tokenURL),
	})
	require.NoError(t, err)
	_, err = c.Read(t.Context(), patientRef)
	require.NoError(t, err)
	_, err = c.Update(t.Context(), patientRef, []byte(patient("1")))
	assert.ErrorIs(t, err, wire.ErrReadOnly)
	assert.Equal(t, 1, signIns)

	guard := ReadOnly(nil, "")
	for _, r := range []struct {
		method, url string
		header      string
		body        io.Reader
	}{
		{method: "PUT"}, {method: "PATCH"}, {method: "DELETE"}, {method: "POST"}, {method: "POST", url: "/token"}, {method: "HEAD"},
		{method: "GET", header: "X-HTTP-Method-Override"}, {method: "GET", body: strings.NewReader("x")}, {method: "get"},
	} {
		req, err := http.NewRequest(r.method, server.URL+r.url, r.body)
		require.NoError(t, err)
		if r.header != "" {
			req.Header.Set(r.header, "DELETE")
		}
		_, err = guard.RoundTrip(req)
		assert.ErrorIs(t, err, wire.ErrReadOnly, "%v", r)
	}
	assert.Zero(t, changed)
}
