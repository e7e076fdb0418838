package plan

import (
	"context"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/fhir"
	"refbridge/fhir/ndjson"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// images is a ledger that remembers one referral.
type images map[string]sobject.Record

func (m images) RowsOf(context.Context, string, fhir.Reference) ([]ledger.Row, error) {
	return nil, nil
}
func (m images) Rows(_ context.Context, object string, keys []string) (map[string]ledger.Row, error) {
	out := map[string]ledger.Row{}
	for _, k := range keys {
		if r, ok := m[object+" "+k]; ok {
			out[k] = ledger.Row{Object: object, Key: k, Image: ledger.Image{Record: r}, Known: true, Source: "ward", Ref: fhir.Reference{Type: "ServiceRequest", ID: "x"}}
		}
	}
	return out, nil
}
func (m images) Cursor(context.Context, string, string) (string, error) { return "", nil }

func TestFinding_server_MP19_NoAccountIsAnnouncedForAPatientWhoIsKnown(t *testing.T) {
	tables, err := mapping.Load(mapping.Default(), mapping.Options{PatientKey: func(fhir.NHSNumber) string { return "k1" }})
	require.NoError(t, err)
	key := sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.x"}
	referral := func(patient sobject.Value) sobject.Record {
		return sobject.Record{Object: "ClinicalServiceRequest", Key: key, Fields: []sobject.Field{{Name: "PatientId", Value: patient}}}
	}
	ours := sobject.Record{Object: "Account", Key: sobject.Key{Field: "Bridge_Key__c", Value: "pt.k1"}}
	for name, c := range map[string]struct {
		remembered images
		created    int // Accounts
	}{
		"nothing is known":                   {nil, 1},
		"its Account was there before us":    {images{"ClinicalServiceRequest ward.sr.x": referral(sobject.TextValue("001000000000001AAA"))}, 0},
		"its Account is one that we created": {images{"ClinicalServiceRequest ward.sr.x": referral(sobject.RefValue(sobject.Target{Object: "Account", Field: "Bridge_Key__c"}, "pt.k1")), "Account pt.k1": ours}, 0},
	} {
		p := Planner{Flow: "ward", Tables: tables, Now: time.Now, Policy: Policy{Patient: CreateMode, Token: []byte("t")}}
		if c.remembered != nil {
			p.Memory = c.remembered
		}
		in := `{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"ServiceRequest","id":"x","status":"active","intent":"order","subject":{"reference":"Patient/1"}}},
			{"resource":{"resourceType":"Patient","id":"1","name":[{"family":"Synthetic"}],"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}]}}]}`
		created := 0
		err := Files{FHIR: p}.Plan(context.Background(), ndjson.Record{Line: 1, Text: []byte(in)}, func(r FileRecord) error {
			if r.Step != nil {
				for _, w := range r.Step.Writes {
					if w.Object == "Account" && w.Action == bridge.Create {
						created++
					}
				}
			}
			return nil
		})
		require.NoError(t, err)
		assert.Equal(t, c.created, created, name)
	}
}
