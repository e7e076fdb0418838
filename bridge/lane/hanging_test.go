package lane_test

import (
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/lane"
	"refbridge/ledger"
)

const threeMinutes = 3 * time.Minute

func TestFinding_doubt_C9_AFarEndThatHangsHaltsItsLaneWithinThreeMinutes(t *testing.T) {
	for name, c := range map[string]struct {
		s     setting
		lane  func(*world) *lane.Flow
		hangs func(w *world) func(*http.Request) far
		later time.Duration // what is in doubt waits for its deadline
	}{
		"e-RS gives no record": {setting{referrals: 12}, ersOf, func(w *world) func(*http.Request) far {
			return at(w.urls[0], http.MethodGet, "/ReferralRequest/", silent)
		}, 0},
		"e-RS gives no worklist": {setting{referrals: 12}, ersOf, func(w *world) func(*http.Request) far {
			return at(w.urls[0], http.MethodPost, "fetchworklist", silent)
		}, 24 * time.Hour}, // its ration is spent
		"e-RS lets nobody sign in": {setting{referrals: 12}, ersOf, func(w *world) func(*http.Request) far {
			return at(w.urls[0], http.MethodPost, "/token", silent)
		}, 24 * time.Hour},
		"the FHIR server gives no page": {setting{ward: 12}, wardOf, func(w *world) func(*http.Request) far {
			return at(w.urls[1], http.MethodGet, "/ServiceRequest", silent)
		}, 0},
		"the FHIR server gives nothing": {setting{ward: 12}, wardOf, func(w *world) func(*http.Request) far {
			return at(w.urls[1], http.MethodGet, "", silent)
		}, 0},
		"Salesforce gives no rows": {setting{ward: 12}, wardOf, func(w *world) func(*http.Request) far {
			return at(w.urls[2], http.MethodPost, "/composite", silent)
		}, 0},
		"Salesforce does not answer what is written": {setting{ward: 12}, wardOf, func(w *world) func(*http.Request) far {
			return at(w.urls[2], http.MethodPatch, "", silent)
		}, 20 * time.Minute},
	} {
		t.Run(name, func(t *testing.T) {
			calm, known := 0, map[string]bool{"parent": true} // reasons that have nothing to do with the weather
			inWeather(t, c.s, func(w *world, _ *weather) {
				w.run(c.lane(w))
				calm = len(w.org.Rows(referral))
				for _, e := range append(w.entriesOf("ers", ledger.Held, ledger.Dead), w.entriesOf("ward", ledger.Held, ledger.Dead)...) {
					known[e.Reason.Code] = true
				}
			})
			require.NotZero(t, calm)
			inWeather(t, c.s, func(w *world, f *weather) {
				f.changes(c.hangs(w))
				begin := time.Now()
				polled := c.lane(w).Poll(w.t.Context())
				_, synced := c.lane(w).SyncAfter(w.t.Context(), polled)
				assert.LessOrEqual(w.t, time.Since(begin), threeMinutes)
				require.True(w.t, polled != nil || synced != nil, "it is told")
				assert.NotZero(w.t, f.met)
				for _, source := range []string{"ers", "ward"} {
					for _, e := range w.entriesOf(source, ledger.Held, ledger.Dead) {
						assert.True(w.t, known[e.Reason.Code], "no record is blamed for it: %v", e)
					}
				}

				// The next run, at once: nothing is waited for again where the far end is known to hang.
				begin = time.Now()
				_, _ = c.lane(w).Sync(w.t.Context())
				assert.LessOrEqual(w.t, time.Since(begin), threeMinutes)

				// It is well again.
				f.changes(fine)
				time.Sleep(3 * time.Minute)
				w.wait(max(c.later, 3*time.Minute))
				for range 2 {
					w.run(c.lane(w))
				}
				assert.Len(w.t, w.org.Rows(referral), calm)
				w.statement()
			})
		})
	}
}

func TestFinding_doubt_C9_OneRecordThatHangsIsNoFarEndThatHangs(t *testing.T) {
	inWeather(t, setting{referrals: 12}, func(w *world, f *weather) {
		// Source: A005 of one referral never answers.
		ubrn := w.ers.Referrals()[3].UBRN
		f.changes(at(w.urls[0], http.MethodGet, "/ReferralRequest/"+ubrn, silent))
		r := w.run(w.eRS)
		assert.Equal(w.t, 11, r.Applied)
		assert.Equal(w.t, 1, f.met)
		e := w.entriesOf("ers", ledger.Held)
		require.Len(w.t, e, 1)
		assert.True(w.t, strings.Contains(e[0].Ref.String(), ubrn) && e[0].Reason.Code == "source-unavailable", "%v", e[0])
	})
}

func TestFinding_doubt_C9_ASlowFHIRServerIsAskedForSmallPages(t *testing.T) {
	inWeather(t, setting{ward: 40}, func(w *world, f *weather) {
		// Source: a page of more than eight records takes longer than anybody waits.
		f.changes(func(r *http.Request) far {
			if n := r.URL.Query().Get("_count"); strings.HasSuffix(w.urls[1], r.URL.Host) && len(n) > 1 {
				return silent
			}
			return well
		})
		w.run(w.ward)
		assert.Equal(w.t, 1, f.met, "one page of the first search, and smaller ones from then on")
		assert.Empty(w.t, w.entriesOf("ward", ledger.Pending, ledger.Unknown))
		assert.NotEmpty(w.t, w.entriesOf("ward", ledger.Applied))
	})
}
