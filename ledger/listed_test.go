package ledger

import (
	"database/sql"
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const (
	slots  = "APPOINTMENT_SLOT_ISSUES of service 1"
	review = "REFERRALS_FOR_REVIEW of service 1"
)

// listed observes an answer of a worklist: referrals and what it says of them.
func (w *world) listed(list string, seen ...Sighting) {
	w.t.Helper()
	w.must(w.Observe(w.t.Context(), Answer{Source: "ers", Kind: list}, seen))
}

func says(id, version, what string) Sighting {
	return Sighting{Ref: ref(id, version), Listed: []byte(`{"resourceType":"List","entry":[{"note":"` + what + `"}]}`)}
}

// readNow keeps what a read gives, as the version that it has with what worklists say.
func (w *world) readNow(id, own string) {
	w.t.Helper()
	l, err := w.Listed(w.t.Context(), "ers", ref(id))
	w.must(err)
	r := ref(id, WithWorklist(own, l.Change))
	_, err = w.Keep(w.t.Context(), "ers", r, body(id, own, string(joined(l.Entries))))
	w.must(err)
	w.settle(Settlement{Ref: r, Fate: Applied, Known: &Known{Version: r.Version}})
}

func joined(entries [][]byte) (out []byte) {
	for _, e := range entries {
		out = append(out, e[len(`{"resourceType":"List","entry":[{"note":"`):len(e)-len(`"}]}`)]...)
	}
	return out
}

func TestFinding_values_O11_AChangeOfTheWorklistAloneMakesTheReferralDue(t *testing.T) {
	w := newWorld(t)
	for _, step := range []struct {
		about string
		list  string
		seen  []Sighting
		due   []string // before it is read
		says  string   // of it now
	}{
		{"named for the first time", review, []Sighting{says("1", "5", "A")}, []string{"ReferralRequest/1/_history/5-w1 pending 0"}, "A"},
		{"as before", review, []Sighting{says("1", "5", "A")}, []string{}, "A"},
		{"the letter changed, and not the version", review, []Sighting{says("1", "5", "B")}, []string{"ReferralRequest/1/_history/5-w2 pending 0"}, "B"},
		{"changed back", review, []Sighting{says("1", "5", "A")}, []string{"ReferralRequest/1/_history/5-w3 pending 0"}, "A"},
		{"on another worklist too, which names no version", slots, []Sighting{says("1", "", "C")}, []string{"ReferralRequest/1 pending 0"}, "CA"},
		{"left the first one", review, []Sighting{}, []string{"ReferralRequest/1 pending 0"}, "C"},
		{"not on it still", review, []Sighting{}, []string{}, "C"},
		{"back on it as it was", review, []Sighting{says("1", "5", "A")}, []string{"ReferralRequest/1/_history/5-w6 pending 0"}, "CA"},
		{"an answer with an entry that cannot be read ends nothing", slots, []Sighting{{Body: []byte("x"), Reason: Reason{Code: "unreadable"}}}, []string{}, "CA"},
	} {
		w.listed(step.list, step.seen...)
		assert.Equal(t, step.due, w.due(), step.about)
		w.readNow("1", "5")
		assert.Empty(t, w.due(), step.about)
		l, err := w.Listed(t.Context(), "ers", ref("1", "5"))
		require.NoError(t, err)
		assert.Equal(t, step.says, string(joined(l.Entries)), step.about)
		require.NoError(t, w.Verify(t.Context()), step.about)
		w.restart()
	}
}

func TestFinding_values_O11_ThatAReferralThatIsOverLeftAWorklistMakesNoWork(t *testing.T) {
	w := newWorld(t)
	w.listed(slots, says("1", "", "A"), says("2", "", "B"))
	w.readNow("1", "5")
	w.settle(Settlement{Ref: ref("1", "5-w1"), Fate: Applied, Known: &Known{Version: "5-w1", Terminal: true}})
	w.listed(slots)
	assert.Equal(t, []string{"ReferralRequest/2 pending 0"}, w.due(), "the one that nobody has read yet")
	for _, id := range []string{"1", "2"} {
		l, err := w.Listed(t.Context(), "ers", ref(id))
		require.NoError(t, err)
		assert.Equal(t, Listed{Change: 2}, l)
	}
}

func TestFinding_values_O11_WhatAWorklistSaysIsEncryptedAndEndsWithRetention(t *testing.T) {
	w := newWorld(t)
	w.listed(slots, says("1", "", "not on the disk"))
	w.readNow("1", "5")
	assert.False(t, w.onDisk([]byte("not on the disk")))
	w.now = w.now.Add(time.Hour)
	_, err := w.Purge(t.Context(), w.now.Add(-2*time.Hour))
	require.NoError(t, err)
	l, err := w.Listed(t.Context(), "ers", ref("1"))
	require.NoError(t, err)
	assert.Len(t, l.Entries, 1, "the worklist has said it within that time")
	_, err = w.Purge(t.Context(), w.now)
	require.NoError(t, err)
	l, err = w.Listed(t.Context(), "ers", ref("1"))
	require.NoError(t, err)
	assert.Empty(t, l.Entries, "the worklist has not said it again")
	assert.Equal(t, []string{"ReferralRequest/1 pending 0"}, w.due(), "its values are taken off the record")
	w.readNow("1", "5")
	require.NoError(t, w.Verify(t.Context()))

	w.listed(slots, says("1", "", "x"))
	_, err = w.raw().Exec(`UPDATE worklists SET nth = 9`)
	require.NoError(t, err)
	assert.ErrorIs(t, w.Verify(t.Context()), ErrTampered)
	_, err = w.Listed(t.Context(), "ers", ref("1"))
	assert.ErrorIs(t, err, ErrTampered)
}

func TestFinding_values_O11_WhetherAnAnswerSaysSomethingNew(t *testing.T) {
	w := newWorld(t)
	w.listed(slots, says("1", "", "A"))
	for _, c := range []struct {
		about, list string
		seen        Sighting
		want        bool
	}{
		{"the same", slots, says("1", "", "A"), false},
		{"something else", slots, says("1", "", "B"), true},
		{"another worklist", review, says("1", "", "A"), true},
		{"another referral", slots, says("2", "", "A"), true},
		{"nothing", slots, Sighting{Ref: ref("1")}, false},
	} {
		fresh, err := w.ListedAnew(t.Context(), Answer{Source: "ers", Kind: c.list}, c.seen)
		require.NoError(t, err)
		assert.Equal(t, c.want, fresh, c.about)
	}
}

func TestFinding_values_O11_AVersionWithItsWorklistIsTakenApartAsItWasPutTogether(t *testing.T) {
	for _, c := range []struct {
		own    string
		change int64
		want   string
	}{
		{"5", 0, "5"}, {"5", 1, "5-w1"}, {"5", 12, "5-w12"}, {"", 3, ""}, {"abc", 3, "abc"}, {"5-p1", 3, "5-p1"},
	} {
		got := WithWorklist(c.own, c.change)
		assert.Equal(t, c.want, got)
		if decimal(c.own) {
			assert.Equal(t, c.own, OwnVersion(got))
			assert.Equal(t, c.own, OwnVersion(inTurn(got, 1)))
		}
	}
}

func TestFinding_values_O11_ALedgerOfTheSchemaBeforeTakesWorklistsIn(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ledger.db")
	db, err := sql.Open("sqlite", path)
	require.NoError(t, err)
	before := func() ([]string, error) {
		all, err := schema()
		return all[:6], err
	}
	require.NoError(t, migrate(t.Context(), db, before, migration{now: start()}))
	require.NoError(t, db.Close())
	require.NoError(t, os.Chmod(path, 0o600))
	w := &world{t: t, path: path, now: start()}
	w.open()
	defer func() { assert.NoError(t, w.Close()) }()

	w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
	w.settle(Settlement{Ref: ref("1", "5"), Fate: Applied})
	w.listed(review, says("1", "5", "A"))
	assert.Equal(t, []string{"ReferralRequest/1/_history/5-w1 pending 0"}, w.due(), "what the worklist says is read with it once")
	w.readNow("1", "5")
	assert.Empty(t, w.due())
	assert.NoError(t, w.Verify(t.Context()))
}
