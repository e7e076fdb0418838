package lane_test

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/lane"
	"refbridge/ers/erssim"
	"refbridge/ledger"
)

// breaks runs both flows, and closes the ledger under them when somebody has looked at the clock n times: from there on each of its
// answers is an error. It returns the errors, and whether the end came.
func (w *world) breaks(n int) (errs []error, broken bool) {
	w.tick = func() {
		if n--; n == 0 {
			_ = w.ledger.Close()
		}
	}
	defer func() { w.tick = nil }()
	ctx := w.t.Context()
	for _, f := range []*lane.Flow{w.ward, w.eRS} {
		polled := f.Poll(ctx)
		_, synced := f.Sync(ctx)
		_, asked := f.ToRead(ctx)
		errs = append(errs, polled, synced, asked)
	}
	return errs, n <= 0
}

func TestALedgerThatFailsAtAnyMomentEndsTheRunAndLosesNothing(t *testing.T) {
	// Before: everything is synced. Each round the hospital changes one referral, the worklists name new versions, and a coordinator puts
	// another referral on hold, or takes it up again; then the disk of the ledger goes away in the middle of a run.
	d := newDoubtful(t, setting{referrals: 3, ward: 12, permits: writesBack()})
	w := d.world
	w.page(w.request("x1", "1", "2026-03-01T10:00:00Z", "active"))
	w.run(w.eRS)
	w.run(w.ward)
	d.pick()
	for n, round := 1, 1; ; n, round = n+5, round+1 {
		status, state := "On-Hold", "on-hold"
		if round%2 == 0 {
			status, state = "Active", "active"
		}
		w.days(1)
		w.ers.Evolve(erssim.Changes{InternalBumps: 3})
		w.page(w.request("x1", fmt.Sprint(round+1), fmt.Sprintf("2026-03-01T10:00:00.%03dZ", round+1), state))
		d.person("Status", status)
		sent := d.sentBack()
		errs, broken := w.breaks(n)
		if !broken {
			require.Greater(t, n, 50)
			break
		}
		require.Error(t, errs[len(errs)-1], "after %d", n)
		w.reopen(writesBack())
		for range 2 {
			w.days(1)
			w.run(w.ward)
			w.run(w.eRS)
		}
		require.Equal(t, status, w.row(referral, "ward.sr.x1")["Status"], "after %d", n)
		require.Equal(t, status, d.status(), "after %d", n)
		require.LessOrEqual(t, d.sentBack(), sent+1, "after %d", n)
		require.Empty(t, d.open(), "after %d", n)
	}
	assert.Zero(t, w.org.Report().Duplicates.Count())
	assert.Empty(t, w.entriesOf("", ledger.Pending, ledger.Unknown))
}
