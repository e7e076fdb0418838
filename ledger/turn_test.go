package ledger

import (
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsAppliedIsDueAgainWhenItSaysSomethingElseByItself(t *testing.T) {
	const turned = "ReferralRequest/1/_history/5 pending period-turned"
	for _, c := range []struct {
		name  string
		next  time.Duration // of the settlement; 0 = never
		newer bool          // another version has come and is held
		wait  time.Duration
		due   bool
		left  string
	}{
		{"its moment has come", time.Hour, false, time.Hour, true, turned},
		{"its moment is over for long", time.Hour, false, 1000 * time.Hour, true, turned},
		{"its moment is to come", time.Hour, false, time.Hour - time.Millisecond, false, "ReferralRequest/1/_history/5 applied"},
		{"nothing turns", 0, false, 1000 * time.Hour, false, "ReferralRequest/1/_history/5 applied"},
		{"a newer version waits: that counts", time.Hour, true, time.Hour, false, "ReferralRequest/1/_history/5 applied"},
	} {
		w := newWorld(t)
		w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
		st := Settlement{Ref: ref("1", "5"), Fate: Applied}
		if c.next > 0 {
			st.Next = w.now.Add(c.next)
		}
		w.settle(st)
		if c.newer {
			w.observe(Sighting{Ref: ref("1", "6"), Body: body("1", "6", "active")})
			w.settle(Settlement{Ref: ref("1", "6"), Fate: Held, Reason: Reason{Code: "c"}, Next: Never()})
		}
		w.now = w.now.Add(c.wait)
		foreseen, err := w.Turned(t.Context(), "ers")
		require.NoError(t, err, c.name)
		n, err := w.TakeTurns(t.Context(), "ers")
		require.NoError(t, err, c.name)
		assert.Equal(t, c.due, n == 1, c.name)
		assert.Len(t, foreseen, n, c.name)
		assert.Contains(t, w.fates(ref("1")), c.left, c.name)
		assert.Len(t, w.due(), n, c.name)
		again, err := w.TakeTurns(t.Context(), "ers")
		require.NoError(t, err, c.name)
		assert.Zero(t, again, "%s: once", c.name)
		if w.statement(); c.due {
			assert.Equal(t, "period-turned", foreseen[0].Reason.Code)
			assert.Equal(t, body("1", "5", "active"), foreseen[0].Body)
			w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied})
			assert.Empty(t, w.due(), c.name)
		}
	}
}

func TestWhatTurnsAfterItsBodyWasPurgedIsReadAgain(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied, Next: w.now.Add(60 * 24 * time.Hour)})
	w.now = w.now.Add(60 * 24 * time.Hour)
	_, err := w.Purge(t.Context(), w.now.Add(-30*24*time.Hour))
	require.NoError(t, err)
	_, err = w.TakeTurns(t.Context(), "ers")
	require.NoError(t, err)
	bare, err := w.ToRead(t.Context(), "ers")
	require.NoError(t, err)
	require.Len(t, bare, 1)
	_, err = w.KeepAll(t.Context(), "ers", []Sighting{{Ref: ref("1", "5"), Body: body("1", "5", "active")}})
	require.NoError(t, err)
	work, err := w.Due(t.Context(), "ers", Turn{Read: true})
	require.NoError(t, err)
	require.Len(t, work, 1)
	assert.Equal(t, body("1", "5", "active"), work[0].Body)
}

// A sync asks each time: what costs is what turns, and not what was ever applied.
func TestWhatTurnsIsFoundByAnIndex(t *testing.T) {
	w := newWorld(t)
	rows, err := w.raw().Query(`EXPLAIN QUERY PLAN `+turned+` ORDER BY next_try, type, id LIMIT $3`, "ers", 5, 200)
	require.NoError(t, err)
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan = append(plan, detail)
	}
	require.NoError(t, rows.Err())
	assert.Contains(t, strings.Join(plan, "\n"), "versions_turn")
}
