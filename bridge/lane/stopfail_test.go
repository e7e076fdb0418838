package lane_test

import (
	"context"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/lane"
	"refbridge/bridge/plan"
	"refbridge/ers/erssim"
	"refbridge/fhir/ndjson"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sfdcsim"
	"refbridge/sfdc/sobject"
)

// dying is a way to Salesforce on which the process dies before the n-th write.
type dying struct {
	*sfdc.Client
	left int
}

func (d *dying) Upsert(ctx context.Context, object, keyField string, records []sobject.Record,
	before func(ctx context.Context, rows []int) error) ([]sfdc.SaveResult, error) {
	if d.left--; d.left < 0 {
		runtime.Goexit() // nothing after this happens
	}
	return d.Client.Upsert(ctx, object, keyField, records, before)
}

func TestAStopFlagStandsWhereTheProcessDiesBeforeTheRecordItself(t *testing.T) {
	// Before: an active referral. The source says that it was entered in error.
	w := newWorld(t, setting{referrals: 5})
	w.page(w.request("k1", "1", "2026-03-01T10:00:00Z", "active"))
	w.sync(w.ward)
	row := func() map[string]any { return w.row("ClinicalServiceRequest", "ward.sr.k1") }
	w.page(w.request("k1", "2", "2026-03-01T10:02:00Z", "entered-in-error"))
	w.ward.Applier.Target = &dying{w.ward.Applier.Target.(*sfdc.Client), 1}
	gone := make(chan struct{})
	go func() {
		defer close(gone)
		_, _ = w.ward.Sync(context.Background())
	}()
	<-gone
	assert.Equal(t, true, row()[stopFlag], "the flag was written")
	assert.Equal(t, "Active", row()["Status"], "the record was not")

	// After a restart the record follows, and the flag stands, as ours: a newer version takes it back.
	w.reopen(nil)
	w.sync(w.ward)
	assert.Equal(t, true, row()[stopFlag])
	assert.Equal(t, "Entered-in-Error", row()["Status"])
	assert.Equal(t, lane.Report{}, w.sync(w.ward))
	w.page(w.request("k1", "3", "2026-03-01T10:03:00Z", "active"))
	w.sync(w.ward)
	assert.Equal(t, false, row()[stopFlag])
	w.statement()
}

func TestAStopFlagThatFailsAfterPatientErrorIsTriedAgainAndTheSourceIsNotAsked(t *testing.T) {
	w := newWorld(t, setting{referrals: 1})
	w.run(w.eRS)
	entries, err := w.ledger.Entries(t.Context(), ledger.Filter{Source: "ers"})
	require.NoError(t, err)
	require.Len(t, entries, 1)
	ubrn := entries[0].Ref.ID
	flag := func() any { return w.row("ClinicalServiceRequest", "ers.sr."+ubrn)[stopFlag] }

	// The source refuses the record, and Salesforce the flag.
	w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A005", Status: 422, Code: "PATIENT_ERROR", Times: -1}}})
	require.NoError(t, w.org.Break(sfdcsim.Fault{Kind: sfdcsim.Lock, Object: "ClinicalServiceRequest", Every: 1}))
	w.ahead(1)
	report := w.sync(w.eRS)
	assert.Equal(t, 1, report.Held)
	assert.Zero(t, report.Dead, "it is not settled before its flag is")
	require.Equal(t, false, flag())
	assert.Equal(t, ledger.Held, w.entry(ubrn).Fate)
	assert.Equal(t, "patient-error", w.entry(ubrn).Reason.Code)

	// Later, still so: it is tried as everything is, and e-RS, which asked not to be asked, is not.
	w.ers.SetFaults(erssim.Faults{}) // an answer would be applied
	w.wait(10 * time.Minute)
	w.sync(w.eRS)
	assert.Equal(t, ledger.Held, w.entry(ubrn).Fate)
	w.ahead(2) // a worklist names yet another version
	w.sync(w.eRS)
	assert.Equal(t, false, flag())

	// Salesforce can be written to again, after a restart.
	w.reopen(nil)
	w.org.Repair()
	w.wait(24 * time.Hour)
	report = w.sync(w.eRS)
	assert.Equal(t, true, flag())
	assert.NotZero(t, report.Dead)
	assert.Equal(t, "patient-error", w.entry(ubrn).Reason.Code)
	assert.Equal(t, ledger.Dead, w.entry(ubrn).Fate)
	w.statement()
}

func TestAPlanOfAFileShowsTheStopFlagFirst(t *testing.T) {
	w := newWorld(t, setting{referrals: 5})
	w.page(w.request("f1", "1", "2026-03-01T10:00:00Z", "active"))
	w.sync(w.ward)
	p := w.ward.Planner
	p.Target = nil
	var steps []*bridge.Step
	for rec, err := range ndjson.Records(strings.NewReader(strings.ReplaceAll(w.request("f1", "2", "2026-03-01T10:02:00Z", "entered-in-error"), "\n", ""))) {
		require.NoError(t, err)
		require.NoError(t, plan.Files{ERS: p, FHIR: p}.Plan(t.Context(), rec, func(r plan.FileRecord) error {
			require.NoError(t, r.Err)
			steps = append(steps, r.Step)
			return nil
		}))
	}
	require.Len(t, steps, 1)
	require.Len(t, steps[0].Ahead, 1)
	assert.Equal(t, stopFlag, steps[0].Ahead[0].Fields[0].Field)
	for _, write := range steps[0].Writes {
		for _, f := range write.Fields {
			assert.NotEqual(t, stopFlag, f.Field, "once")
		}
	}
}

func TestAPlanOfAFileComparesThePatientOfAnAppointmentWithItsReferrals(t *testing.T) {
	const nhs = `{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"`
	referral := `{"resourceType":"ServiceRequest","id":"r","status":"active","intent":"order","subject":` + nhs + `9990000018"}}}`
	appointment := func(number string) string {
		return `{"resourceType":"Appointment","id":"a","status":"booked","start":"2026-12-02T09:00:00Z","end":"2026-12-02T09:30:00Z",
			"basedOn":[{"reference":"ServiceRequest/r"}],"participant":[{"actor":` + nhs + number + `"}},"status":"accepted"}]}`
	}
	bundle := func(resources ...string) string {
		return `{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + strings.Join(resources, `},{"resource":`) + `}]}`
	}
	for _, c := range []struct {
		name, in string
		held     bool
	}{
		{"the same patient", bundle(referral, appointment("9990000018")), false},
		{"another patient", bundle(referral, appointment("9990000026")), true},
		{"another patient, the appointment first", bundle(appointment("9990000026"), referral), true},
		{"a number that is none", bundle(referral, appointment("9990000019")), true},
		{"the referral is not there", appointment("9990000026"), false},
	} {
		codes := map[string]bool{}
		for rec, err := range ndjson.Records(strings.NewReader(strings.ReplaceAll(c.in, "\n", ""))) {
			require.NoError(t, err, c.name)
			require.NoError(t, files(t).Plan(t.Context(), rec, func(r plan.FileRecord) error {
				require.NoError(t, r.Err, c.name)
				if r.Step != nil && r.Type == "Appointment" {
					codes[r.Step.Reason.Code] = true
				}
				return nil
			}), c.name)
		}
		require.Len(t, codes, 1, c.name)
		assert.Equal(t, c.held, codes["appointment-patient"], "%s: %v", c.name, codes)
	}
}
