package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ers/erssim"
	"refbridge/fhir/fhirsim"
)

func TestFinding_clients_J1_AReferralWhoseListIsAheadIsAppliedAsItWasRead(t *testing.T) {
	t.Parallel()
	// Before: the worklist names a version of every referral that A005 does not have.
	w := newWorld(t, setting{referrals: 8})
	ahead := map[string]int{}
	for _, r := range w.ers.Referrals() {
		ahead[r.UBRN] = 7
	}
	require.NoError(t, w.ers.SetFaults(erssim.Faults{Ahead: ahead}))
	w.run(exitDone, "sync")
	for _, r := range w.ers.Referrals() {
		if r.Worklist != "" {
			assert.NotNil(t, w.row("ClinicalServiceRequest", "ers.sr."+r.UBRN), r.UBRN)
		}
	}
	assert.Zero(t, w.statement().Pending)
}

func TestFinding_inputs_B7_OneBadEntryCostsThatEntry(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{ward: 3})
	require.NoError(t, w.fhir.SetFaults(fhirsim.Faults{Bad: map[string]string{"ServiceRequest/sr100001": "lone-surrogate"}}))
	refbridge(t, "sync", "-c", w.dir+"/refbridge.yaml")
	assert.Equal(t, 2, w.org.Report().Records["ClinicalServiceRequest"])
	corrected := map[string]string{"ServiceRequest/sr100001": time.Now().UTC().Format(time.RFC3339)}
	require.NoError(t, w.fhir.SetFaults(fhirsim.Faults{Stamps: corrected})) // a new version, stamped now
	w.run(exitDone, "sync")
	assert.Equal(t, 3, w.org.Report().Records["ClinicalServiceRequest"])
}

func TestOffsetPagesOfOneRowAreReadToTheEnd(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{ward: 3})
	require.NoError(t, w.fhir.SetFaults(fhirsim.Faults{Paging: "offset", PageCap: 1}))
	w.run(exitDone, "sync")
	assert.Equal(t, 3, w.org.Report().Records["ClinicalServiceRequest"])
}
