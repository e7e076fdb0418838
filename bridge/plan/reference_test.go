package plan

import (
	"context"
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/source"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
)

// TestFinding_server_MP1_ALivePageLinksNobodyToAPatientOfAnotherServer polls nothing: it reads a page as it stands in the
// inbox, and what the page does not bring along, and asks what the tables make of each referral, or why it is held. The server holds Patient/2 (version 4) beside the page.
func TestFinding_server_MP1_ALivePageLinksNobodyToAPatientOfAnotherServer(t *testing.T) {
	subject := ""
	far := bridgetest.Memory{}
	server := far.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		switch r.URL.Path {
		case "/r4/Patient/2":
			_, _ = w.Write([]byte(bridgetest.Person("2", "4", "9990000034")))
		case "/r4/ServiceRequest/x":
			fmt.Fprintf(w, `{"resourceType":"ServiceRequest","id":"x","meta":{"versionId":"1"},"status":"active","intent":"order","subject":%s}`, subject)
		default:
			w.WriteHeader(http.StatusNotFound)
		}
	}))
	base := server + "/r4"
	client, err := rest.New(rest.Config{BaseURL: base, Transport: far, Now: time.Now})
	require.NoError(t, err)
	f := &source.FHIRServer{Client: client, Base: base, Now: time.Now}
	tables, err := mapping.Load(mapping.Default(), mapping.Options{})
	require.NoError(t, err)
	p := Planner{Flow: "ward", Source: f, Tables: tables, Now: time.Now}
	const number = `"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000042"}`
	for name, c := range map[string]struct{ subject, number, code string }{
		"relative":                      {`{"reference":"Patient/1"}`, "9990000018", ""},
		"absolute, this server":         {`{"reference":"` + base + `/Patient/1"}`, "9990000018", ""},
		"another server":                {`{"reference":"https://gp.example/fhir/Patient/1"}`, "", bridge.CodeForeign},
		"another server's, included":    {`{"reference":"https://lab.example/fhir/Patient/9"}`, "9990000026", ""},
		"another path of this server":   {`{"reference":"` + server + `/other/Patient/1"}`, "", bridge.CodeForeign},
		"another server, and a number":  {`{"reference":"https://gp.example/fhir/Patient/1",` + number + `}`, "9990000042", ""},
		"this server's, another number": {`{"reference":"Patient/1",` + number + `}`, "", bridge.CodePatientIdentity},
		"the included version":          {`{"reference":"Patient/1/_history/7"}`, "9990000018", ""},
		"not on the page":               {`{"reference":"Patient/2"}`, "9990000034", ""},
		"not on the page, its version":  {`{"reference":"Patient/2/_history/4"}`, "9990000034", ""},
		"not on the page, another one":  {`{"reference":"Patient/2/_history/3"}`, "", bridge.CodeVersion},
		"not there":                     {`{"reference":"Patient/3"}`, "", bridge.CodeUnresolved},
		"not there, and a number":       {`{"reference":"Patient/3",` + number + `}`, "9990000042", ""},
		"its id is an NHS number":       {`{"reference":"Patient/9990000018"}`, "", bridge.CodePatientIdentity},
	} {
		page := bridgetest.PageOf(base, map[string]string{"x": c.subject}, [2]string{base + "/Patient/1", bridgetest.Person("1", "7", "9990000018")},
			[2]string{"https://lab.example/fhir/Patient/9", bridgetest.Person("9", "1", "9990000026")})
		seen, err := f.Sightings(ledger.Answer{Kind: "ServiceRequest", Body: page})
		require.NoError(t, err)
		require.Len(t, seen, 1, name)
		assert.NotContains(t, seen[0].Ref.String(), "://", "a key of the ledger has no base")
		s := &bridge.Step{Work: ledger.Work{Source: "ward", Ref: seen[0].Ref, Body: seen[0].Body}, Fate: ledger.Pending}
		if subject = c.subject; s.Work.Body == nil { // its patient did not come along: both are read
			_, s.Work.Body, err = f.Read(context.Background(), seen[0].Ref)
		}
		if err != nil {
			s.Settled(bridge.OfSource(err, s.Work, time.Now()))
		} else {
			require.NoError(t, p.prepare(context.Background(), s))
		}
		assert.Equal(t, c.code, s.Reason.Code, "%s: %s", name, s.Reason.Text)
		got := ""
		if s.Fate == ledger.Pending {
			got = nhsNumberIn(s)
		}
		assert.Equal(t, c.number, got, name)
	}
}
