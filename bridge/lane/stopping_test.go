package lane_test

import (
	"context"
	"fmt"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/lane"
	"refbridge/ers/erssim"
	"refbridge/ledger"
)

// interrupted runs both flows, and a dry run of each, in a context that ends when somebody has looked at the clock n times. It
// returns the errors, and whether the end came.
func (w *world) interrupted(n int) (errs []error, ended bool) {
	ctx, end := context.WithCancel(w.t.Context())
	defer end()
	w.tick = func() {
		if n--; n == 0 {
			end()
		}
	}
	defer func() { w.tick = nil }()
	for _, f := range []*lane.Flow{w.ward, w.eRS} {
		errs = append(errs, f.Poll(ctx), f.Plan(ctx, 0, func(bridge.Plan) error { return nil }))
		_, err := f.Sync(ctx)
		_, asked := f.ToRead(ctx)
		_, fresh := f.Freshness(ctx)
		errs = append(errs, err, asked, fresh)
	}
	return errs, n <= 0
}

func TestAStopAtAnyMomentIsNoFailureAndLosesNothing(t *testing.T) {
	// Before: everything is synced. The source changes one referral, and the worklists name new versions; then the run is asked to end.
	w := newWorld(t, setting{memory: true, referrals: 3, ward: 3, permits: cancelling(false)})
	w.page(w.request("x1", "1", "2026-03-01T10:00:00Z", "active"))
	w.run(w.eRS)
	w.run(w.ward)
	for n, version := 1, 2; ; n, version = n+9, version+1 {
		status, want := "on-hold", "On-Hold"
		if version%2 == 0 {
			status, want = "active", "Active"
		}
		w.days(1)
		w.ers.Evolve(erssim.Changes{InternalBumps: 3})
		w.page(w.request("x1", fmt.Sprint(version), fmt.Sprintf("2026-03-01T10:00:00.%03dZ", version), status))
		errs, ended := w.interrupted(n)
		for _, err := range errs {
			if err != nil {
				require.ErrorIs(t, err, context.Canceled, "stopped after %d", n)
				require.NotErrorIs(t, err, bridge.ErrHalted)
			}
		}
		w.run(w.ward)
		w.run(w.eRS)
		require.Equal(t, want, w.row("ClinicalServiceRequest", "ward.sr.x1")["Status"], "stopped after %d", n)
		if !ended {
			require.Greater(t, n, 50)
			break
		}
	}
	assert.Zero(t, w.org.Report().Duplicates.Count())
	assert.Zero(t, w.statement().Pending)
	assert.NotContains(t, w.log.String(), "level=ERROR")
	assert.Empty(t, w.ers.Report().Operations)
}

// refusing lets a far end refuse everything from a call on.
type refusing struct {
	bridgetest.Memory
	host  string
	after int // calls that are answered yet; below 0 = all
	code  int
	hits  int
}

func (r *refusing) RoundTrip(q *http.Request) (*http.Response, error) {
	if !strings.Contains(r.host, q.URL.Host) || r.after < 0 {
		return r.Memory.RoundTrip(q)
	}
	if r.hits++; r.hits <= r.after {
		return r.Memory.RoundTrip(q)
	}
	return &http.Response{StatusCode: r.code, Header: http.Header{}, Body: http.NoBody, Request: q}, nil
}

func TestAFarEndThatRefusesFromAnyCallOnHaltsItsLaneAndLosesNothing(t *testing.T) {
	for far := range 3 {
		w := newWorld(t, setting{memory: true, referrals: 3, ward: 3})
		r := &refusing{Memory: w.far, host: w.urls[far], after: -1, code: http.StatusUnauthorized}
		w.through = r
		w.reopen(nil)
		for n := 0; ; n += 2 {
			w.page(w.request("x1", fmt.Sprint(n+1), fmt.Sprintf("2026-03-01T10:00:00.%03dZ", n), []string{"active", "on-hold"}[n/2%2]))
			r.after, r.hits = n, 0
			for _, f := range []*lane.Flow{w.ward, w.eRS} {
				err := f.Poll(t.Context())
				_, synced := f.Sync(t.Context())
				if synced != nil {
					require.ErrorIs(t, synced, bridge.ErrHalted, "far end %d after %d, polled: %v", far, n, err)
				}
			}
			done := r.hits <= n
			r.after = -1
			w.days(1)
			w.run(w.ward)
			w.run(w.eRS)
			require.Equal(t, []string{"Active", "On-Hold"}[n/2%2], w.row("ClinicalServiceRequest", "ward.sr.x1")["Status"])
			if done || n > 12 {
				break
			}
		}
		s := w.statement()
		assert.Zero(t, s.Pending+s.Dead, "nothing is counted against a record")
		assert.Zero(t, w.org.Report().Duplicates.Count())
		assert.Empty(t, w.entriesOf("", ledger.Unknown))
	}
}
