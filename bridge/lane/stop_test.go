package lane_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ers/erssim"
	"refbridge/ledger"
	"refbridge/sfdc/sfdcsim"
)

const stopFlag = "Bridge_Stop_Contact__c"

func TestFinding_values_O6_TheStopFlagStandsWhereTheRecordItselfFails(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 5})
	w.page(w.request("s1", "1", "2026-03-01T10:00:00Z", "active"))
	w.sync(w.ward)
	row := func() map[string]any { return w.row("ClinicalServiceRequest", "ward.sr.s1") }
	require.Equal(t, false, row()[stopFlag])
	require.NoError(t, w.org.Break(sfdcsim.Fault{Kind: sfdcsim.Rule, Object: "ClinicalServiceRequest", Field: "Status", Equals: "Entered-in-Error", Message: "no"}))
	w.page(w.request("s1", "2", "2026-03-01T10:02:00Z", "entered-in-error"))
	w.sync(w.ward)
	assert.Equal(t, "Active", row()["Status"], "the main write failed")
	assert.Equal(t, true, row()[stopFlag])

	w.page(w.request("s1", "3", "2026-03-01T10:03:00Z", "active"))
	w.sync(w.ward)
	assert.Equal(t, false, row()[stopFlag], "a newer version says no more so, and we had set it")
}

func TestFinding_values_O6_TheStopFlagIsSetThoughAnUnknownCodeHoldsTheRecord(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 5})
	w.page(w.request("s2", "1", "2026-03-01T10:00:00Z", "active"))
	w.sync(w.ward)
	w.page(strings.Replace(w.request("s2", "2", "2026-03-01T10:02:00Z", "entered-in-error"), `"routine"`, `"soonish"`, 1))
	w.sync(w.ward)
	assert.Equal(t, true, w.row("ClinicalServiceRequest", "ward.sr.s2")[stopFlag])
	assert.Equal(t, "Active", w.row("ClinicalServiceRequest", "ward.sr.s2")["Status"])
}

func TestFinding_values_O6_AStopFlagThatAPersonSetStays(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 5})
	w.page(w.request("s3", "1", "2026-03-01T10:00:00Z", "active"))
	w.sync(w.ward)
	require.NoError(t, w.org.Edit("ClinicalServiceRequest", "ward.sr.s3", map[string]any{stopFlag: true}))
	w.page(w.request("s3", "2", "2026-03-01T10:02:00Z", "completed"))
	w.sync(w.ward)
	assert.Equal(t, true, w.row("ClinicalServiceRequest", "ward.sr.s3")[stopFlag])
	assert.Equal(t, "Completed", w.row("ClinicalServiceRequest", "ward.sr.s3")["Status"])
}

func TestFinding_values_O6_APatientWhoBecomesSensitiveStopsWhatIsThere(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 30})
	w.run(w.eRS)
	ubrn := w.booked()
	w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A005", Status: 422, Code: "PATIENT_ERROR", Times: -1}}})
	w.ahead(1)
	w.sync(w.eRS)
	assert.Equal(t, true, w.row("ClinicalServiceRequest", "ers.sr."+ubrn)[stopFlag])
	assert.Equal(t, ledger.Dead, w.entry(ubrn).Fate)
}
