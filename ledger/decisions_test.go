package ledger

import (
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func TestWhichFateMayBeGiven(t *testing.T) {
	for _, c := range []struct {
		name, version string
		found         bool
		fate          Fate
		want          error
	}{
		{"applied", "5", true, Applied, nil},
		{"superseded", "5", true, Superseded, nil},
		{"held", "5", true, Held, nil},
		{"dead", "5", true, Dead, nil},
		{"unknown", "5", true, Unknown, nil},
		{"pending", "5", true, Pending, nil},
		{"no fate", "5", true, "", ErrTransition},
		{"a fate that is none", "5", true, "lost", ErrTransition},
		{"a version that was never observed", "5", false, Applied, ErrNotFound},
		{"a mark that cannot be read", "", true, Held, nil},
		{"a mark that never will be", "", true, Dead, nil},
		{"a mark has no content to apply", "", true, Applied, ErrTransition},
		{"a mark has no version to supersede", "", true, Superseded, ErrTransition},
	} {
		assert.ErrorIs(t, allowed(&versionRow{version: c.version}, c.found, c.fate), c.want, c.name)
	}
}

func TestASettlementLetsNothingGoBackwards(t *testing.T) {
	busy, newer, older := Reason{Code: "busy"}, replacedBy("6"), appliedBefore("7")
	for _, c := range []struct {
		name, version, is string // the version that is settled, and its fate until then
		known             string // the version that is applied
		gets              Fate
		want              Fate
		reason            Reason
	}{
		{"nothing is applied yet", "5", "pending", "", Applied, Applied, busy},
		{"an older one is applied", "5", "pending", "4", Applied, Applied, busy},
		{"the same one is applied again", "5", "applied", "5", Applied, Applied, busy},
		{"a newer one is applied", "5", "pending", "7", Applied, Superseded, older},
		{"a newer one is applied, by number and not by letter", "9", "pending", "10", Applied, Superseded, appliedBefore("10")},
		{"what a newer one is applied beside is held all the same", "5", "pending", "7", Held, Held, busy},
		{"superseded meanwhile, and held", "5", "superseded", "", Held, Superseded, newer},
		{"superseded meanwhile, and dead", "5", "superseded", "", Dead, Superseded, newer},
		{"superseded meanwhile, and not known", "5", "superseded", "", Unknown, Superseded, newer},
		{"superseded meanwhile, and applied after all", "5", "superseded", "4", Applied, Applied, busy},
		{"superseded meanwhile, and applied below what is", "5", "superseded", "7", Applied, Superseded, older},
	} {
		v := versionRow{version: c.version, fate: c.is}
		if c.is == string(Superseded) {
			v.reason = cellsOf(newer)
		}
		s := Settlement{Fate: c.gets, Reason: busy, Known: &Known{Version: c.version}}
		got := s.against(&refRow{knownVersion: c.known}, &v, stamp{version: c.known})
		assert.Equal(t, c.want, got.Fate, c.name)
		assert.Equal(t, c.reason, got.Reason, c.name)
		assert.Equal(t, got.Fate == c.gets, got.Known != nil, "%s: what did not come to be is not known", c.name)
	}
}

func TestWhatASettlementSaysIsKnown(t *testing.T) {
	had := refRow{knownVersion: "4", digest: "old", tables: "t1", patient: "p", terminal: 1}
	for _, c := range []struct {
		name    string
		fate    Fate
		known   *Known
		version string // that was applied; empty: none
		after   Known
	}{
		{"applied, and nothing else is new", Applied, nil, "5", Known{Version: "4", Digest: "old", Tables: "t1", Patient: "p", Terminal: true}},
		{"applied", Applied, &Known{Version: "5", Digest: "new", Tables: "t2", Patient: "q"}, "5", Known{Version: "4", Digest: "new", Tables: "t2", Patient: "q"}},
		{"applied, and the last of its ref", Applied, &Known{Digest: "new", Terminal: true}, "5", Known{Version: "4", Digest: "new", Terminal: true}},
		{"no news of what is applied", Superseded, &Known{Version: "5", Digest: "old"}, "5", Known{Version: "4", Digest: "old"}},
		{"held", Held, nil, "", Known{Version: "4", Digest: "old", Tables: "t1", Patient: "p", Terminal: true}},
		{"dead", Dead, nil, "", Known{Version: "4", Digest: "old", Tables: "t1", Patient: "p", Terminal: true}},
	} {
		r := had
		assert.Equal(t, c.version, r.learn("5", c.fate, c.known), c.name)
		assert.Equal(t, c.after, r.known(), c.name)
	}
}

func TestWhereAWritebackMayGo(t *testing.T) {
	states := []WritebackState{Reported, Waiting, Approved, Sent, Unclear, Done, Refused}
	for from, may := range map[WritebackState][]WritebackState{
		Reported: {Reported, Waiting, Done, Refused},
		Waiting:  {Reported, Waiting, Done, Refused}, // Approve alone leads to Approved
		Approved: {Reported, Waiting, Done, Refused, Sent, Unclear},
		Sent:     {Reported, Waiting, Done, Refused, Approved, Unclear},
		Unclear:  {Reported, Waiting, Done, Refused, Approved, Sent},
		Done:     nil,
		Refused:  nil,
	} {
		for _, to := range append(states, "lost") {
			assert.Equal(t, slices.Contains(may, to), follows(from, to), "%s to %s", from, to)
		}
	}
}

// Each row: one ref as it stands, and who gets to see it.
func TestWhichVersionOfARefIsDue(t *testing.T) {
	seen := func(version string) func(*world) {
		return func(w *world) {
			w.observe(Sighting{Ref: ref("1", version), Body: body("1", version, "active")})
		}
	}
	named := func(version string) func(*world) {
		return func(w *world) { w.observe(Sighting{Ref: ref("1", version)}) }
	}
	is := func(version string, fate Fate, code string, wait time.Duration) func(*world) {
		return func(w *world) {
			w.settle(Settlement{Ref: ref("1", version), Fate: fate, Reason: Reason{Code: code}, Next: w.now.Add(wait)})
		}
	}
	for _, c := range []struct {
		name      string
		steps     []func(*world)
		codes     []string
		due, read string // the version that Due and ToRead give; "-" = none, "mark" = what has no version
	}{
		{"observed", []func(*world){seen("5")}, nil, "5", "-"},
		{"named only", []func(*world){named("5")}, nil, "5", "5"},
		{"to be read", []func(*world){named("")}, nil, "mark", "mark"},
		{"applied", []func(*world){seen("5"), is("5", Applied, "", 0)}, nil, "-", "-"},
		{"dead", []func(*world){seen("5"), is("5", Dead, "c", 0)}, nil, "-", "-"},
		{"held, and its time has come", []func(*world){seen("5"), is("5", Held, "c", 0)}, nil, "5", "-"},
		{"held, and its time is to come", []func(*world){seen("5"), is("5", Held, "c", time.Millisecond)}, nil, "-", "-"},
		{"held for what was asked for", []func(*world){seen("5"), is("5", Held, "c", time.Hour)}, []string{"b", "c"}, "5", "-"},
		{"held for something else than was asked for", []func(*world){seen("5"), is("5", Held, "c", time.Hour)}, []string{"b"}, "-", "-"},
		{"of unknown outcome for what was asked for", []func(*world){seen("5"), is("5", Unknown, "c", time.Hour)}, []string{"c"}, "-", "-"},
		{"of unknown outcome, and its time has come", []func(*world){seen("5"), is("5", Unknown, "c", 0)}, nil, "5", "-"},
		{"a newer one was named", []func(*world){seen("5"), named("6")}, nil, "6", "6"},
		{"a newer one was named and cannot be read yet", []func(*world){seen("5"), named("6"), is("6", Held, "c", time.Hour)}, nil, "5", "-"},
		{"it is to be read first", []func(*world){seen("5"), named("")}, nil, "mark", "mark"},
		{"it is to be read, but not yet", []func(*world){seen("5"), named(""), is("", Held, "c", time.Hour)}, nil, "5", "-"},
		{"the newest alone", []func(*world){seen("5"), is("5", Held, "c", 0), seen("6")}, nil, "6", "-"},
		{"the newest alone, though it has to wait", []func(*world){seen("5"), is("5", Held, "c", 0), seen("6"), is("6", Held, "c", time.Hour)}, nil, "-", "-"},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, step := range c.steps {
				step(w)
			}
			work, err := w.Due(t.Context(), "ers", Turn{Codes: c.codes})
			require.NoError(t, err)
			assert.Equal(t, c.due, versionsOf(work), "due")
			work, err = w.ToRead(t.Context(), "ers")
			require.NoError(t, err)
			assert.Equal(t, c.read, versionsOf(work), "to read")
			none, err := w.Due(t.Context(), "ward", Turn{Codes: c.codes})
			require.NoError(t, err)
			assert.Empty(t, none, "another source")
		})
	}
}

func versionsOf(work []Work) string {
	out := "-"
	for i, w := range work {
		if i > 0 {
			return "more than one"
		}
		if out = w.Ref.Version; out == "" {
			out = "mark"
		}
	}
	return out
}

func TestWhatIsReleased(t *testing.T) {
	for _, c := range []struct {
		name     string
		prep     func(*world)
		codes    []string
		released int
		due      []string
	}{
		{"held for the reason", nil, []string{"unknown-code"}, 1, []string{"ReferralRequest/1/_history/5 held 1"}},
		{"held for one of the reasons", nil, []string{"mapping", "unknown-code"}, 1, []string{"ReferralRequest/1/_history/5 held 1"}},
		{"held for another reason", nil, []string{"mapping"}, 0, []string{}},
		{"no reason is named", nil, nil, 0, []string{}},
		{"due already", func(w *world) { w.now = w.now.Add(48 * time.Hour); w.settleHeld("5", 0) }, []string{"unknown-code"}, 0,
			[]string{"ReferralRequest/1/_history/5 held 2"}},
		{"dead for the reason", func(w *world) {
			w.settle(Settlement{Ref: ref("1", "5"), Fate: Dead, Reason: Reason{Code: "unknown-code"}})
		}, []string{"unknown-code"}, 0, []string{}},
		{"an older one is held for the reason, the newest for another", func(w *world) {
			w.observe(Sighting{Ref: ref("1", "6"), Body: body("1", "6", "active")})
			w.settle(Settlement{Ref: ref("1", "6"), Fate: Held, Reason: Reason{Code: "parent"}, Next: Never()})
		}, []string{"unknown-code"}, 0, []string{}},
		{"what is to be read of it", func(w *world) {
			w.observe(Sighting{Ref: ref("1")})
			w.settle(Settlement{Ref: ref("1"), Fate: Held, Reason: Reason{Code: "source"}, Next: Never()})
		}, []string{"source"}, 1, []string{"ReferralRequest/1 held 1"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
			w.settleHeld("5", 24*time.Hour)
			if c.prep != nil {
				c.prep(w)
			}
			n, err := w.Release(t.Context(), "ward", c.codes)
			require.NoError(t, err)
			assert.Zero(t, n, "another source")
			n, err = w.Release(t.Context(), "ers", c.codes)
			require.NoError(t, err)
			assert.Equal(t, c.released, n)
			assert.Equal(t, c.due, w.due())
			n, err = w.Release(t.Context(), "ers", c.codes)
			require.NoError(t, err)
			assert.Zero(t, n, "once")
			assert.NoError(t, w.Verify(t.Context()))
		})
	}
}

func (w *world) settleHeld(version string, wait time.Duration) {
	w.t.Helper()
	s := Settlement{Ref: ref("1", version), Fate: Held, Reason: Reason{Code: "unknown-code"}}
	if wait > 0 {
		s.Next = w.now.Add(wait)
	}
	w.settle(s)
}

func TestMoreThanABatchIsReleasedAtOnce(t *testing.T) {
	w := newWorld(t)
	var seen []Sighting
	var held []Settlement
	for i := range releaseBatch + 1 {
		r := fhir.Reference{Type: "ServiceRequest", ID: string(rune('a'+i%26)) + string(rune('a'+i/26)), Version: "1"}
		seen = append(seen, Sighting{Ref: r})
		held = append(held, Settlement{Ref: r, Fate: Held, Reason: Reason{Code: "unknown-code"}, Next: Never()})
	}
	w.observe(seen...)
	w.settle(held...)
	n, err := w.Release(t.Context(), "ers", []string{"unknown-code"})
	require.NoError(t, err)
	assert.Equal(t, releaseBatch+1, n)
	assert.Len(t, w.due(), releaseBatch+1)
}

func TestAttemptsAreCountedByReason(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
	for _, c := range []struct {
		fate Fate
		code string
		want int
	}{
		{Held, "busy", 1}, {Held, "busy", 2}, {Unknown, "busy", 3}, // another fate for the same reason goes on
		{Held, "no-patient", 1}, {Held, "busy", 1}, {Pending, "", 1}, {Pending, "", 2}, {Applied, "", 3},
	} {
		w.settle(Settlement{Ref: ref("1", "5"), Fate: c.fate, Reason: Reason{Code: c.code}})
		e, err := w.Entries(t.Context(), Filter{Source: "ers", Ref: ref("1", "5")})
		require.NoError(t, err)
		require.Len(t, e, 1)
		assert.Equal(t, c.want, e[0].Attempts, "%s %s", c.fate, c.code)
	}
}

func TestWhichOlderVersionsASettlementEnds(t *testing.T) {
	for _, c := range []struct {
		name    string
		settled string
		fate    Fate
		named   bool // nobody has read it
		want    []string
	}{
		{"applied", "6", Applied, false, []string{"5 superseded", "6 applied", "7 held"}},
		{"held: the source has moved on all the same", "6", Held, false, []string{"5 superseded", "6 held", "7 held"}},
		{"dead", "6", Dead, false, []string{"5 superseded", "6 dead", "7 held"}},
		{"only named, and held: whether the source has it is not known", "8", Held, true, []string{"5 held", "7 held", "8 held"}},
		{"only named, and dead", "8", Dead, true, []string{"5 held", "7 held", "8 dead"}},
		{"only named, and applied", "8", Applied, true, []string{"5 superseded", "7 superseded", "8 applied"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w := newWorld(t)
			for _, v := range []string{"5", "6", "7"} { // each is held while it is the newest
				if c.named && v == "6" {
					continue
				}
				w.observe(Sighting{Ref: ref("1", v), Body: body("1", v, "active")})
				w.must(w.holdAlone(v))
			}
			if c.named {
				w.observe(Sighting{Ref: ref("1", c.settled)})
			}
			w.settle(Settlement{Ref: ref("1", c.settled), Fate: c.fate, Reason: Reason{Code: "c"}, Next: Never()})
			entries, err := w.Entries(t.Context(), Filter{Source: "ers", Ref: ref("1")})
			require.NoError(t, err)
			var got []string
			for _, e := range entries {
				got = append(got, e.Ref.Version+" "+string(e.Fate))
			}
			slices.Sort(got)
			assert.Equal(t, c.want, got)
		})
	}
}

// holdAlone holds a version and leaves its elders as they are, as if each had come before the other was settled.
func (w *world) holdAlone(version string) error {
	return w.update(w.t.Context(), "hold", func(t *tx) error {
		v, _, err := loadVersion(w.t.Context(), t.sql, "ers", ref("1", version))
		if err != nil {
			return err
		}
		v.next = toMillis(Never())
		return t.move(w.t.Context(), &v, Held, Reason{Code: "c"}, "")
	})
}

func TestABudgetSaysWhatIsSpentOfIt(t *testing.T) {
	w := newWorld(t)
	for _, c := range []struct {
		day         string
		limit       int
		want        error
		spent, next int // of the day, and of the next
	}{
		{"2026-03-29", 2, nil, 1, 0},
		{"2026-03-29", 2, nil, 2, 0},
		{"2026-03-29", 2, ErrSpent, 2, 0},
		{"2026-03-29", 3, nil, 3, 0}, // the limit was raised
		{"2026-03-29", 1, ErrSpent, 3, 0},
		{"2026-03-30", 1, nil, 3, 1},
		{"2026-03-30", 0, ErrSpent, 3, 1},
	} {
		require.ErrorIs(t, w.Spend(t.Context(), "a008.21012", c.day, c.limit), c.want)
		for day, want := range map[string]int{"2026-03-29": c.spent, "2026-03-30": c.next} {
			n, err := w.Spent(t.Context(), "a008.21012", day)
			require.NoError(t, err)
			assert.Equal(t, want, n, day)
		}
	}
	n, err := w.Spent(t.Context(), "a008.11002", "2026-03-29")
	require.NoError(t, err)
	assert.Zero(t, n, "another service")
}

func TestCursorsAreListedByTheBeginningOfTheirNames(t *testing.T) {
	w := newWorld(t)
	for _, c := range []Cursor{{"run:b", "2"}, {"run:a", "1"}, {"synced", "3"}, {"run", "4"}, {"run:a", "5"}} {
		w.must(w.SetCursor(t.Context(), "ers", c))
	}
	w.must(w.SetCursor(t.Context(), "ward", Cursor{"run:c", "6"}))
	for beginning, want := range map[string][]Cursor{
		"run:":  {{"run:a", "5"}, {"run:b", "2"}},
		"run":   {{"run", "4"}, {"run:a", "5"}, {"run:b", "2"}},
		"":      {{"run", "4"}, {"run:a", "5"}, {"run:b", "2"}, {"synced", "3"}},
		"polls": nil,
	} {
		got, err := w.Cursors(t.Context(), "ers", beginning)
		require.NoError(t, err)
		assert.Equal(t, want, got, beginning)
	}
}

func TestTheDetailOfAReasonIsThatOfTheReasonThatHolds(t *testing.T) {
	w := newWorld(t)
	w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
	for _, c := range []struct {
		name   string
		detail fhir.Private
		want   string
	}{
		{"with values", "the source says Completed", "the source says Completed"},
		{"with other values", "the source says Revoked", "the source says Revoked"},
		{"without: those of the reason before are not its own", "", ""},
		{"with values again", "the source says Active", "the source says Active"},
	} {
		w.now = w.now.Add(time.Minute)
		w.settle(Settlement{Ref: ref("1", "5"), Fate: Held, Reason: Reason{Code: "both-sides-changed", Detail: c.detail}})
		e, err := w.Entries(t.Context(), Filter{Source: "ers", Ref: ref("1", "5")})
		require.NoError(t, err)
		assert.Empty(t, e[0].Reason.Detail, "%s: an entry is without them", c.name)
		got, err := w.Detail(t.Context(), e[0])
		require.NoError(t, err)
		assert.Equal(t, c.want, got.Reveal(), c.name)
	}
	w.now = w.now.Add(time.Hour)
	_, err := w.Purge(t.Context(), w.now)
	require.NoError(t, err)
	e, err := w.Entries(t.Context(), Filter{Source: "ers", Ref: ref("1", "5")})
	require.NoError(t, err)
	got, err := w.Detail(t.Context(), e[0])
	require.NoError(t, err)
	assert.Empty(t, got.Reveal(), "purged")
}

func TestRecordsThatTheirSourceDeletedAreListedUntilTheyAreBack(t *testing.T) {
	w := newWorld(t)
	list := func() (out []string) {
		gone, err := w.Gone(t.Context())
		require.NoError(t, err)
		for _, e := range gone {
			out = append(out, e.Ref.ID)
		}
		return out
	}
	outcome := []byte(`{"resourceType":"OperationOutcome"}`)
	for _, id := range []string{"1", "2", "3"} {
		w.observe(Sighting{Ref: ref(id, "1"), Body: body(id, "1", "active")})
	}
	assert.Empty(t, list())
	for _, id := range []string{"1", "2"} {
		w.now = w.now.Add(time.Minute)
		_, err := w.KeepGone(t.Context(), "ers", ref(id), outcome)
		require.NoError(t, err)
	}
	assert.Equal(t, []string{"2", "1"}, list(), "the latest first")
	_, err := w.Keep(t.Context(), "ers", ref("2", "2"), body("2", "2", "active"))
	require.NoError(t, err)
	assert.Equal(t, []string{"1"}, list())
}

func TestANumberAndAWordAreOrderedByTheirTimesAndNotByTheirDigits(t *testing.T) {
	word, number := stamp{version: "abc", updated: 1, seq: 2}, stamp{version: "5", updated: 2, seq: 1}
	assert.True(t, word.before(number))
	assert.False(t, number.before(word))
}
