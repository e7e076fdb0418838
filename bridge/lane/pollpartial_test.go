package lane_test

import (
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/source"
	"refbridge/ledger"
)

func TestFinding_code_T6_OneBrokenServiceKeepsNeitherBodiesForEverNorTheMarkOfTheFirstRun(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 10})
	w.eRS.Poller.(*source.ERS).Services = []string{"21012", "99999"} // the second is not one of ours
	w.eRS.Retention = time.Hour
	require.Error(t, w.eRS.Poll(t.Context()))
	w.sync(w.eRS)
	polled, err := w.eRS.LastPoll(t.Context())
	require.NoError(t, err)
	assert.Zero(t, polled, "not all was read: the statement says so")
	synced, err := w.ledger.Cursor(t.Context(), "ers", "synced")
	require.NoError(t, err)
	assert.NotEmpty(t, synced, "what comes next is no first run")
	w.days(2)
	w.sync(w.eRS)
	kept := 0
	require.NoError(t, w.ledger.Bodies(t.Context(), "ers", 100, func(b ledger.Body) error {
		if b.JSON != nil {
			kept++
		}
		return nil
	}))
	s := w.statement()
	assert.LessOrEqual(t, kept, s.Held+s.Pending+s.Unknown+s.Applied/2, "bodies of what is done are erased")
}

func TestAPollThatBringsNothingLeavesTheFirstRunToCome(t *testing.T) {
	w := newWard(t)
	w.break_ = func(_ url.Values, _ []*wardRow) int { return 403 }
	_, err := w.poll()
	require.Error(t, err)
	assert.Empty(t, w.Cursor("heard"))
	w.break_ = nil
	_, err = w.poll()
	require.NoError(t, err)
	assert.NotEmpty(t, w.Cursor("heard"))
}
