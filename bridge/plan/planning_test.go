package plan

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/fhir/ndjson"
	"refbridge/ledger"
)

// What the batches of a dry run have planned before counts as written: a row a case.
func TestADryRunRemembersWhatItsBatchesPlanned(t *testing.T) {
	s := shelf.New()
	p := planner(s, t)
	s.Accounts, p.Policy.Patient, p.Foreseen = map[string][]string{bridgetest.ANumber: nil}, CreateMode, Foreseen{}
	person := func(id, more string) ledger.Work {
		return bridgetest.Due("ServiceRequest", id, "1", bridgetest.OfPerson(id, bridgetest.IsActive, `"name":[{"family":"Synthetic"}]`+more))
	}
	plans := func(w ledger.Work) map[string]bridge.Action {
		out, err := p.Inbound(t.Context(), []ledger.Work{w})
		require.NoError(t, err)
		p.Foreseen.Add(out)
		actions := map[string]bridge.Action{}
		for _, w := range out.Steps[0].Writes {
			actions[w.Object] = w.Action
		}
		return actions
	}
	assert.Equal(t, bridge.Create, plans(person("r1", ""))["Account"])
	assert.Equal(t, bridge.Same, plans(person("r2", ""))["Account"], "the same Account is planned once")
	assert.Equal(t, bridge.Update, plans(person("r3", `,"gender":"male"`))["Account"], "other content of it is a change")
	appointment := bridgetest.Due("Appointment", "a1", "1", bridgetest.Met("a1", "r1", `"status":"booked"`))
	assert.Equal(t, bridge.Create, plans(appointment)["ServiceAppointment"], "its referral is foreseen")
}

// What was carried back stands in the plan until a side moves.
func TestWhatWasCarriedBackIsNotPlannedOver(t *testing.T) {
	s := shelf.New()
	p := planner(s, t)
	s.Put(plan(t, p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
	s.Edit(bridgetest.TheCSR, bridgetest.Values{"Status": bridgetest.Text("Revoked")})
	shelf.Set(s.Images, bridgetest.TheCSR, bridgetest.Values{"Status": bridgetest.Text("Revoked")})
	s.Carried = map[string][]ledger.Carried{bridgetest.TheCSR: {{Field: "Status", Value: bridgetest.Text("Revoked"), Against: "1", Seen: true, After: bridgetest.Text("Active")}}}
	step := plan(t, p, bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.IsActive+`,"priority":"stat"`))[0]
	require.Equal(t, ledger.Pending, step.Fate)
	assert.Contains(t, step.Writes[0].Kept, "Status")
	s.Carried = nil
	step = plan(t, p, bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.IsActive))[0]
	assert.Equal(t, "update", step.Outcome(), "without it the source's word is written")
}

// A Bundle may hold referrals of e-RS and a patient beside a referral; who is nobody's Account is told so.
func TestABundleOfBothKindsIsPlanned(t *testing.T) {
	p := planner(shelf.New(), t)
	p.Target, p.Memory = nil, nil
	for name, body := range map[string][]byte{
		"a referral of e-RS that is none": bridgetest.Collected(`{"resourceType":"ReferralRequest","id":"000000070001"}`),
		"a referral with its patient":     bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Synthetic"}]`),
	} {
		told := 0
		err := Files{ERS: *p, FHIR: *p}.Plan(t.Context(), ndjson.Record{Line: 1, Text: body}, func(r FileRecord) error {
			if r.Err != nil || r.Step != nil && r.Step.Reason.Code == bridge.CodePatientMissing {
				told++
			}
			return nil
		})
		require.NoError(t, err, name)
		assert.Equal(t, 1, told, name)
	}
}

// Where references may be called the owner's of a record: a row a case.
func TestWhereOneRecordStandsAndWhereTheSourceWantsIt(t *testing.T) {
	s := shelf.New()
	p := planner(s, t)
	s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), bridgetest.Referral("r2", "1", bridgetest.ANumber, bridgetest.IsActive))...)
	s.Put(planned(p, bridgetest.Due("Appointment", "a1", "1", bridgetest.Met("a1", "r1", `"status":"booked"`)))...)
	move := bridgetest.Due("Appointment", "a1", "2", bridgetest.Met("a1", "r2", `"status":"booked"`))
	for _, c := range []struct {
		name, says string
		there      bridgetest.Values
		forgot     bool
	}{
		{"by its key", "belongs to ClinicalServiceRequest ward.sr.r1 in Salesforce, and to ClinicalServiceRequest ward.sr.r2", nil, false},
		{"by an id that is known", "belongs to ClinicalServiceRequest ward.sr.r1 in Salesforce", bridgetest.Values{"ParentRecordId": bridgetest.Text("a01")}, false},
		{"by an id that nobody knows: as it was synced", "belongs to ClinicalServiceRequest ward.sr.r1 in Salesforce", bridgetest.Values{"ParentRecordId": bridgetest.Text("zzz")}, false},
		{"by an id that nobody knows, and nothing is remembered", "belongs to another record in Salesforce", bridgetest.Values{"ParentRecordId": bridgetest.Text("zzz")}, true},
	} {
		t.Run(c.name, func(t *testing.T) {
			const id = "ServiceAppointment ward.ap.a1"
			was, last := s.There[id], s.Images[id]
			s.Edit(id, c.there)
			if c.forgot {
				delete(s.Images, id)
			}
			step := plan(t, p, move)[0]
			s.There[id], s.Images[id] = was, last
			require.Equal(t, codeMoved, step.Reason.Code, step.Reason.Text)
			assert.Contains(t, step.Reason.Text, c.says)
		})
	}
}
