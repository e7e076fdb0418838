package bridgetest

import (
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/sfdc"
	"refbridge/sfdc/sfdcsim"
	"refbridge/sfdc/sobject"
)

// RefusedRow is a row of an upsert that Salesforce refused.
func RefusedRow(code string) *sfdc.Error {
	return &sfdc.Error{Call: "upsert " + CSRType, Status: 200, Code: code, Fields: []string{"Status"}, Matches: []string{AnAccount}}
}

// LostAnswer is the error of an upsert whose answer never came.
func LostAnswer(t *testing.T) (out error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		org, err := sfdcsim.New(sfdcsim.Options{Seed: 3, Now: time.Now})
		require.NoError(t, err)
		far := Memory{}
		k := org.Credentials(far.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method == http.MethodPatch {
				breakOff(w)
				return
			}
			org.ServeHTTP(w, r)
		})))
		client, err := sfdc.New(sfdc.Config{LoginURL: k.BaseURL, ClientID: k.ClientID, ClientSecret: k.ClientSecret, Version: "v66.0", Transport: far})
		require.NoError(t, err)
		results, err := client.Upsert(t.Context(), CSRType, "Bridge_Key__c", []sobject.Record{{Object: CSRType,
			Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.r1"}, Fields: []sobject.Field{{Name: "Priority", Value: Text("Urgent")}}}}, nil)
		require.NoError(t, err)
		require.Len(t, results, 1)
		out = results[0].Err
	})
	require.Error(t, out)
	return out
}

// breakOff ends a connection without an answer.
func breakOff(w http.ResponseWriter) {
	if conn, _, err := http.NewResponseController(w).Hijack(); err == nil {
		_ = conn.Close()
	}
}

// LostUpdate is the error of an update that was answered with a status, or not at all (0).
func LostUpdate(t *testing.T, status int) (out error) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		far := Memory{}
		base := far.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if status != 0 {
				w.WriteHeader(status)
				return
			}
			breakOff(w)
		}))
		client, err := rest.New(rest.Config{BaseURL: base, Transport: far, Now: time.Now})
		require.NoError(t, err)
		_, out = client.Update(t.Context(), fhir.Reference{Type: "ServiceRequest", ID: "r1", Version: "1"}, []byte(`{"resourceType":"ServiceRequest","id":"r1"}`))
	})
	require.Error(t, out)
	return out
}
