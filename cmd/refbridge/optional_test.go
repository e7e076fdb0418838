package main

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFinding_values_O9_AnOrgWithoutAnOptionalFieldIsSyncedWithoutIt(t *testing.T) {
	t.Parallel()
	// Before: nothing is synced; the org has neither a reason of appointments, nor middle names, nor a fourth telephone.
	w := newWorld(t, setting{referrals: 12, ward: 10,
		hidden: []string{"ServiceAppointment.StatusReason", "Account.MiddleName", "Account.PersonOtherPhone"}})
	w.run(exitChanges, "plan", "--poll")
	r := w.run(exitDone, "sync")
	assert.Contains(t, r.err, "ServiceAppointment.StatusReason")
	assert.NotContains(t, r.err, "halted")
	s := w.statement()
	assert.Zero(t, s.Pending+s.Unread+s.Unknown)
	for _, open := range s.Open {
		assert.NotContains(t, open.Reason.Code, "field", open.Ref)
	}
	booked := w.in("BOOKED")
	row := w.row("ServiceAppointment", "ers.ap."+booked.Appointment)
	require.Equal(t, "Scheduled", row["Status"])
	assert.Empty(t, w.org.Report().Violations)

	// Nothing has changed: a second sync compares what is there and writes nothing.
	before := w.org.Writes()
	w.run(exitDone, "plan")
	w.run(exitDone, "sync")
	assert.Equal(t, before, w.org.Writes())
}
