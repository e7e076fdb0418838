package bridge

import (
	"errors"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/fhir/ndjson"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// A stop flag of a patient whom e-RS will not give out, and that Salesforce refuses: it is tried again, and given up.
func TestAStopFlagThatIsRefusedWaits(t *testing.T) {
	for _, c := range []struct {
		name     string
		err      error
		attempts int
		fate     ledger.Fate
	}{
		{"a validation rule", refusedRow("STRING_TOO_LONG"), 0, ledger.Held},
		{"no answer", errors.New("dial"), 0, ledger.Held},
		{"the calls are used up", refusedRow("REQUEST_LIMIT_EXCEEDED"), 0, ledger.Held},
		{"the last time", refusedRow("STRING_TOO_LONG"), 7, ledger.Dead},
	} {
		v := flagWaits(c.err, failedBefore(codePatientError, c.attempts), noon)
		assert.Equal(t, c.fate, v.fate, c.name)
		assert.Equal(t, codePatientError, v.reason.Code, c.name)
		assert.Equal(t, c.fate == ledger.Held, v.next.After(noon), c.name)
	}
}

// An Account that was there before us is of another person than the source says: a row a case.
func TestAnAccountIsOfThePersonOfTheReferralOrItIsHeld(t *testing.T) {
	for _, c := range []struct {
		name string
		born sobject.Value
		code string
	}{
		{"the same birth date", sobject.DateValue("1950-01-01"), ""},
		{"no birth date", sobject.Value{}, ""},
		{"another birth date", sobject.DateValue("1988-01-01"), codePatientDiffers},
	} {
		s := &Step{Fate: ledger.Pending, identities: []sobject.Record{{Object: accountType, Fields: []sobject.Field{
			{Name: "PersonBirthdate", Value: sobject.DateValue("1950-01-01"), Owner: sobject.Identity}}}},
			stops: []sobject.Record{{Object: accountType}, {Object: csrType}}}
		samePerson(s, sobject.Record{Fields: []sobject.Field{{Name: "PersonBirthdate", Value: c.born}}}, noon)
		assert.Equal(t, c.code, s.Reason.Code, c.name)
		assert.Len(t, s.stops, map[bool]int{true: 2, false: 1}[c.code == ""], "%s: no flag is set on somebody else", c.name)
	}
}

// What the batches of a dry run have planned before counts as written: a row a case.
func TestADryRunRemembersWhatItsBatchesPlanned(t *testing.T) {
	s := newShelf()
	p := s.planner(t)
	s.accounts, p.Policy.Patient, p.foreseen = map[string][]string{aNumber: nil}, CreateMode, foreseen{}
	person := func(id, more string) ledger.Work {
		return due("ServiceRequest", id, "1", ofPerson(id, isActive, `"name":[{"family":"Synthetic"}]`+more))
	}
	plans := func(w ledger.Work) map[string]Action {
		out, err := p.Inbound(t.Context(), []ledger.Work{w})
		require.NoError(t, err)
		p.foreseen.add(out)
		actions := map[string]Action{}
		for _, w := range out.Steps[0].Writes {
			actions[w.Object] = w.Action
		}
		return actions
	}
	assert.Equal(t, Create, plans(person("r1", ""))[accountType])
	assert.Equal(t, Same, plans(person("r2", ""))[accountType], "the same Account is planned once")
	assert.Equal(t, Update, plans(person("r3", `,"gender":"male"`))[accountType], "other content of it is a change")
	appointment := due("Appointment", "a1", "1", met("a1", "r1", `"status":"booked"`))
	assert.Equal(t, Create, plans(appointment)["ServiceAppointment"], "its referral is foreseen")
}

// What was carried back stands in the plan until a side moves.
func TestWhatWasCarriedBackIsNotPlannedOver(t *testing.T) {
	s := newShelf()
	p := s.planner(t)
	s.put(plan(t, p, referral("r1", "1", aNumber, isActive))...)
	s.edit(theCSR, values{"Status": text("Revoked")})
	set(s.images, theCSR, values{"Status": text("Revoked")})
	s.carried = map[string][]ledger.Carried{theCSR: {{Field: "Status", Value: text("Revoked"), Against: "1", Seen: true, After: text("Active")}}}
	step := plan(t, p, referral("r1", "2", aNumber, isActive+`,"priority":"stat"`))[0]
	require.Equal(t, ledger.Pending, step.Fate)
	assert.Contains(t, step.Writes[0].Kept, "Status")
	s.carried = nil
	step = plan(t, p, referral("r1", "2", aNumber, isActive))[0]
	assert.Equal(t, "update", step.Outcome(), "without it the source's word is written")
}

// A server that does not search by id gives what nobody asked for: nothing of it is taken.
func TestAServerThatIgnoresIdsIsNotRead(t *testing.T) {
	for _, c := range []struct {
		name, id string
		status   int
		is       error
		fails    bool
	}{
		{"it gives what was asked for", "r1", 200, nil, false},
		{"it gives something else", "r9", 200, errNotAsked, true},
		{"it refuses", "", 403, nil, true},
	} {
		far := Memory{}
		base := far.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			w.Header().Set("Content-Type", "application/fhir+json")
			w.WriteHeader(c.status)
			_, _ = w.Write([]byte(`{"resourceType":"Bundle","type":"searchset","entry":[{},{"resource":` + requested(c.id, aNumber, isActive) + `}]}`))
		}))
		client, err := rest.New(rest.Config{BaseURL: base, Transport: far, Now: time.Now})
		require.NoError(t, err)
		refs := []fhir.Reference{{Type: "ServiceRequest", ID: "r1"}, {Type: "ServiceRequest", ID: "r2"}}
		found, err := (&FHIRServer{Client: client, Base: base, Now: time.Now}).ReadMany(t.Context(), refs)
		assert.Equal(t, c.fails, err != nil, "%s: %v", c.name, err)
		if c.is != nil {
			assert.ErrorIs(t, err, c.is, c.name)
		}
		if !c.fails {
			assert.Len(t, found, 1, c.name)
		}
	}
}

func TestABodyWithoutEntriesIsNoRecord(t *testing.T) {
	_, _, err := (&FHIRServer{}).Normalise(t.Context(), []byte(`{"resourceType":"Bundle","entry":[]}`))
	assert.ErrorIs(t, err, fhir.ErrNotResource)
	_, _, err = (&ERS{}).Normalise(t.Context(), []byte(`{`))
	assert.ErrorIs(t, err, fhir.ErrSyntax)
}

// A Bundle may hold referrals of e-RS and a patient beside a referral; who is nobody's Account is told so.
func TestABundleOfBothKindsIsPlanned(t *testing.T) {
	p := newShelf().planner(t)
	p.Target, p.Memory = nil, nil
	for name, body := range map[string][]byte{
		"a referral of e-RS that is none": collected(`{"resourceType":"ReferralRequest","id":"000000070001"}`),
		"a referral with its patient":     ofPerson("r1", isActive, `"name":[{"family":"Synthetic"}]`),
	} {
		told := 0
		err := Files{ERS: *p, FHIR: *p}.Plan(t.Context(), ndjson.Record{Line: 1, Text: body}, func(r FileRecord) error {
			if r.Err != nil || r.Step != nil && r.Step.Reason.Code == codePatientMissing {
				told++
			}
			return nil
		})
		require.NoError(t, err, name)
		assert.Equal(t, 1, told, name)
	}
}
