package main

import (
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTablesThatDoNotFitTheOrgNeverRunAndLoseNothing(t *testing.T) {
	t.Parallel()
	// Before: tables of the trust's own, with a field that the org does not have.
	w := newWorld(t, setting{referrals: 5, ward: 2})
	require.Zero(t, refbridge(t, "init", filepath.Join(w.dir, "own")).code)
	right := w.read("own/tables/service-request.yaml")
	w.write("refbridge.yaml", w.read("refbridge.yaml")+"\ntables: own/tables\n")
	w.write("own/tables/service-request.yaml", strings.Replace(right, "  - field: PatientInstruction", "  - field: PatientInstructions", 1))

	// Sync polls, writes nothing, and says where the fault is. A dry run says the same.
	r := w.run(exitError, "sync")
	assert.Contains(t, r.err, "service-request.yaml:")
	assert.Contains(t, r.err, "ClinicalServiceRequest has no field PatientInstructions")
	assert.Contains(t, r.err, "did you mean PatientInstruction?")
	assert.Contains(t, r.err, "nothing was written, and what was polled is kept")
	assert.Empty(t, w.org.Rows("ClinicalServiceRequest"))
	assert.Contains(t, w.run(exitError, "plan").err, "PatientInstructions")
	before := w.statement()
	require.Equal(t, 9, before.Observed, "five referrals, two of the ward with an appointment each")
	assert.Equal(t, 9, before.Pending, "every record keeps its place")

	// Put right, all of it goes through.
	w.write("own/tables/service-request.yaml", right)
	w.run(exitDone, "sync")
	after := w.statement()
	assert.Zero(t, after.Pending)
	assert.Equal(t, 9, after.Applied+after.Superseded)
}
