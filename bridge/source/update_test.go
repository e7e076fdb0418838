package source

import (
	"bytes"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/bridgetest"
	"refbridge/fhir"
	"refbridge/fhir/rest"
)

// What a member of a resource becomes, with every other byte as it was: a row a case.
func TestOneMemberIsSetAndEveryOtherByteStays(t *testing.T) {
	for _, c := range []struct{ name, object, want string }{
		{"it is there", `{"id": "1", "status":"active","x":[1, 2]}`, `{"id":"1","status":"on-hold","x":[1, 2]}`},
		{"it is not", `{"id":"1"}`, `{"id":"1","status":"on-hold"}`},
		{"no JSON", `{`, `{`},
	} {
		assert.Equal(t, c.want, string(setMember([]byte(c.object), "status", []byte(`"on-hold"`))), c.name)
	}
}

// What is sent to a FHIR server for an operation: a row a case.
func TestAnOperationOnAFHIRServer(t *testing.T) {
	update := fhir.Operation{Name: fhir.OperationUpdate, On: fhir.Reference{Type: "ServiceRequest", ID: "r1", Version: "3-p1"}, Parameters: []fhir.Parameter{{Name: "status", Code: "on-hold"}}}
	for _, c := range []struct {
		name   string
		op     fhir.Operation
		read   int
		asked  string
		says   string
		status int // of the error
	}{
		{"an update", update, 200, "PUT /ServiceRequest/r1 W/\"3\" {\"resourceType\":\"ServiceRequest\",\"id\":\"r1\",\"meta\":{\"versionId\":\"3\"},\"status\":\"on-hold\"}", "", 0},
		{"a record that is not there", update, 404, "", "status 404", 404},
		{"an operation that it does not have", fhir.Operation{Name: "$ers.cancelReferral", Parameters: update.Parameters}, 200, "", "not one that a FHIR server has", 0},
		{"nothing to change", fhir.Operation{Name: fhir.OperationUpdate}, 200, "", "not one that a FHIR server has", 0},
	} {
		asked := ""
		far := bridgetest.Memory{}
		base := far.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/fhir+json")
			if r.Method != http.MethodGet {
				var body bytes.Buffer
				_, _ = body.ReadFrom(r.Body)
				asked = r.Method + " " + r.URL.Path + " " + r.Header.Get("If-Match") + " " + body.String()
			}
			w.WriteHeader(c.read)
			_, _ = w.Write([]byte(`{"resourceType":"ServiceRequest","id":"r1","meta":{"versionId":"3"},"status":"active"}`))
		}))
		client, err := rest.New(rest.Config{BaseURL: base, Transport: far, Now: time.Now})
		require.NoError(t, err)
		_, err = (&FHIRServer{Client: client, Base: base, Now: time.Now}).Invoke(t.Context(), c.op)
		assert.Equal(t, c.asked, asked, c.name)
		if c.says == "" {
			assert.NoError(t, err, c.name)
			continue
		}
		require.ErrorContains(t, err, c.says, c.name)
	}
}

// Which actions A029 is asked for before an operation.
func TestWhichOperationsAreOfferedByTheSource(t *testing.T) {
	for operation, action := range map[string]string{"$ers.recordReviewOutcome": "RECORD_REVIEW_OUTCOME", "$ers.cancelReferral": "CANCEL_REFERRAL",
		"$ers.acceptReferral": "", "update": ""} {
		assert.Equal(t, action, actionOf(operation), operation)
	}
}
