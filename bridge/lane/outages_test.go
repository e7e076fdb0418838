package lane_test

import (
	"bytes"
	"io"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/ledger"
)

// far is what a call meets on its way.
type far int

const (
	well   far = iota // the far end answers
	half              // its answer breaks off in the middle
	ill               // 503
	silent            // no answer, ever
)

// weather stands between refbridge and the far ends of a world in memory, and counts the calls that meet a fault.
type weather struct {
	next http.RoundTripper
	mu   sync.Mutex
	meet func(r *http.Request) far
	met  int
}

func (f *weather) RoundTrip(r *http.Request) (*http.Response, error) {
	f.mu.Lock()
	meets := f.meet(r)
	if meets != well {
		f.met++
	}
	f.mu.Unlock()
	switch meets {
	case silent:
		<-r.Context().Done()
		return nil, r.Context().Err()
	case ill:
		return &http.Response{StatusCode: http.StatusServiceUnavailable, Header: http.Header{}, Body: http.NoBody, Request: r}, nil
	}
	res, err := f.next.RoundTrip(r)
	if err == nil && meets == half {
		body, _ := io.ReadAll(res.Body)
		res.Body = io.NopCloser(io.MultiReader(bytes.NewReader(body[:len(body)/2]), brokenOff{}))
	}
	return res, err
}

// brokenOff is the end of a connection in the middle of a body.
type brokenOff struct{}

func (brokenOff) Read([]byte) (int, error) { return 0, io.ErrUnexpectedEOF }

// changes sets what calls meet from now on, and counts anew.
func (f *weather) changes(meet func(r *http.Request) far) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.meet, f.met = meet, 0
}

func fine(*http.Request) far { return well }

// at returns what calls of a method meet at a far end whose path holds a text.
func at(url, method, path string, meets far) func(*http.Request) far {
	return func(r *http.Request) far {
		if strings.HasSuffix(url, r.URL.Host) && r.Method == method && strings.Contains(r.URL.Path, path) {
			return meets
		}
		return well
	}
}

// inWeather is a world in memory, in a bubble of virtual time.
func inWeather(t *testing.T, s setting, play func(w *world, f *weather)) {
	t.Helper()
	synctest.Test(t, func(t *testing.T) {
		s.memory = true
		w := newWorld(t, s)
		f := &weather{next: w.far, meet: fine}
		w.through = f
		w.open(s.permits)
		play(w, f)
	})
}

func TestFinding_doubt_C11_AnswersThatBreakOffAreAnOutageAndNoFaultOfTheirRecords(t *testing.T) {
	inWeather(t, setting{referrals: 12}, func(w *world, f *weather) {
		// Before: twelve referrals on the worklist. Source: every answer of A005 breaks off half way.
		f.changes(at(w.urls[0], http.MethodGet, "/ReferralRequest/", half))
		err := w.eRS.Poll(w.t.Context())
		require.ErrorIs(w.t, err, bridge.ErrHalted)
		assert.ErrorContains(w.t, err, "the source failed 5 times in a row (A005 read referral: the connection closed before the answer was whole")
		assert.Equal(w.t, 5*3, f.met, "five records, three attempts each")

		// After: no record is held for it, and no attempt counted.
		assert.Empty(w.t, w.entriesOf("ers", ledger.Held, ledger.Dead))

		// The far end is well again: everything goes through.
		f.changes(fine)
		r := w.run(w.eRS)
		assert.Equal(w.t, 12, r.Applied)
	})
}

func TestFinding_doubt_C13_ASignInThatFailsHaltsTheLaneOnce(t *testing.T) {
	inWeather(t, setting{referrals: 12}, func(w *world, f *weather) {
		// Before: twelve referrals are known, and two worklists are asked for. Source: the sign-in answers 503.
		w.run(w.eRS)
		w.wait(2 * time.Hour) // the token is too old, and every referral is to be read again
		f.changes(at(w.urls[0], http.MethodPost, "/token", ill))
		err := w.eRS.Poll(w.t.Context())
		require.ErrorIs(w.t, err, bridge.ErrHalted)
		assert.ErrorContains(w.t, err, "sign in")
		_, synced := w.eRS.SyncAfter(w.t.Context(), err)
		require.NoError(w.t, synced, "the halt is told once")
		assert.Equal(w.t, 3, f.met, "one sign-in, three attempts, for both worklists and all records")

		// A run that polls nothing is halted by its first record.
		f.changes(f.meet)
		_, again := w.eRS.Sync(w.t.Context())
		require.ErrorIs(w.t, again, bridge.ErrHalted)
		assert.Equal(w.t, 3, f.met)
		assert.Empty(w.t, w.entriesOf("ers", ledger.Held, ledger.Dead))

		// It is well again.
		f.changes(fine)
		w.run(w.eRS)
	})
}
