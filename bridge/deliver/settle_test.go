package deliver

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

func TestDoubtRule02_AnImageIsWrittenWhereItIsNews(t *testing.T) {
	at := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	image := func(change func(*ledger.Image)) ledger.Image {
		i := bridgetest.Known(bridgetest.Status(bridgetest.ValueA()))
		i.Record.Modified, i.Said, i.Unclear = at, []sobject.Field{bridgetest.Accepted(bridgetest.ValueA())}, []string{"Type"}
		if change != nil {
			change(&i)
		}
		return i
	}
	is := ledger.Row{Known: true, Image: image(nil)}
	for _, c := range []struct {
		name  string
		row   ledger.Row
		now   ledger.Image
		equal bool
	}{
		{"nobody has seen it, nothing to remember", ledger.Row{}, ledger.Image{Unseen: true}, true},
		{"seen for the first time", ledger.Row{}, ledger.Image{}, false},
		{"unseen, and something was said", ledger.Row{}, ledger.Image{Unseen: true, Said: []sobject.Field{bridgetest.Accepted(bridgetest.ValueA())}}, false},
		{"as it was", is, image(nil), true},
		{"the same moment in another zone", is, image(func(i *ledger.Image) { i.Record.Modified = at.In(time.FixedZone("", 3600)) }), true},
		{"who wrote last is no news", is, image(func(i *ledger.Image) { i.Record.Theirs = true }), true},
		{"another stamp", is, image(func(i *ledger.Image) { i.Record.Modified = at.Add(time.Second) }), false},
		{"another value", is, image(func(i *ledger.Image) { i.Record.Set("Status", bridgetest.ValueB()) }), false},
		{"deleted", is, image(func(i *ledger.Image) { i.Deleted = true }), false},
		{"clear by now", is, image(func(i *ledger.Image) { i.Unclear = nil }), false},
		{"settled by now", is, image(func(i *ledger.Image) { i.Said = nil }), false},
		{"carried back", is, image(func(i *ledger.Image) { i.Carried = []ledger.Carried{{Field: "Status"}} }), false},
	} {
		assert.Equal(t, c.equal, EqualImages(c.row, c.now), c.name)
	}
}

// A verdict while writes are open, and which writes of a step are closed: a row a case.
func TestARecordIsAppliedOnceNoWriteOfItIsOpen(t *testing.T) {
	soon, late := bridgetest.Noon().Add(time.Minute), bridgetest.Noon().Add(13*time.Minute)
	for _, c := range []struct {
		name string
		was  ledger.Fate
		open []time.Time
		fate ledger.Fate
		next time.Time
	}{
		{"nothing is open", ledger.Applied, nil, ledger.Applied, time.Time{}},
		{"one write is", ledger.Applied, []time.Time{late}, ledger.Unknown, late.Add(time.Second)},
		{"of two the later counts", ledger.Applied, []time.Time{late, soon}, ledger.Unknown, late.Add(time.Second)},
		{"a record that is held", ledger.Held, []time.Time{late}, ledger.Held, time.Time{}},
	} {
		v := bridge.Doubted(bridge.Verdict{Fate: c.was}, c.open)
		assert.Equal(t, c.fate, v.Fate, c.name)
		assert.Equal(t, c.next, v.Next, c.name)
	}
	w, lost := &bridge.Write{Closes: []string{"read"}, Open: []ledger.Intent{{ID: "waits", Deadline: soon}, {ID: "own"}}}, &bridge.Write{}
	s := &bridge.Step{Writes: []*bridge.Write{w}, Ahead: []*bridge.Write{lost}, Open: []ledger.Intent{{ID: "other", Deadline: late}, {ID: "read"}}}
	r := applying{attempts: map[*bridge.Write][]attempt{w: {{id: "own", by: late, outcome: sfdc.Saved}, {id: "no", outcome: sfdc.Refused}}, lost: {{id: "lost", by: late}}}}
	closed, open := r.intents(s)
	assert.Equal(t, []string{"no", "own", "read"}, closed)
	assert.ElementsMatch(t, []time.Time{soon, late, late}, open)
}

// A row that moved between plan and write waits for the next batch, and after three times for the next run.
func TestARowThatMovedIsComparedAnew(t *testing.T) {
	for _, c := range []struct {
		name   string
		moves  func(b *bench)
		writes int
	}{
		{"nothing moved", func(b *bench) {}, 1},
		{"a person edited it", func(b *bench) { b.Edit(bridgetest.TheCSR, bridgetest.Values{"Priority": bridgetest.Text("Stat")}) }, 0},
		{"it was deleted", func(b *bench) { delete(b.There, bridgetest.TheCSR) }, 0},
	} {
		b := &bench{Shelf: shelf.New(), refuses: map[string]error{}}
		p := planner(b.Shelf, t)
		b.Put(steps(t, p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		a := &Applier{Target: b, Journal: b, Now: p.Now, Objects: []string{bridgetest.CSRType}}
		for try := range 3 {
			work := bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.OnHold)
			out, err := p.Inbound(t.Context(), []ledger.Work{work})
			require.NoError(t, err)
			was := b.There[bridgetest.TheCSR]
			c.moves(b)
			res, err := a.Apply(t.Context(), out)
			require.NoError(t, err)
			assert.Equal(t, c.writes, res.Writes, c.name)
			assert.Equal(t, c.writes == 0, settlementOf(b.settled, work.Ref).Fate == "", "%s: it keeps its place", c.name)
			assert.Equal(t, c.writes == 0 && try < 2, len(out.Deferred()) == 1, "%s, try %d", c.name, try)
			if c.writes > 0 {
				break
			}
			b.There[bridgetest.TheCSR] = was
		}
	}
}

// A stop flag of a patient whom e-RS will not give out, and that Salesforce refuses: it is tried again, and given up.
func TestAStopFlagThatIsRefusedWaits(t *testing.T) {
	for _, c := range []struct {
		name     string
		err      error
		attempts int
		fate     ledger.Fate
	}{
		{"a validation rule", bridgetest.RefusedRow("STRING_TOO_LONG"), 0, ledger.Held},
		{"no answer", errors.New("dial"), 0, ledger.Held},
		{"the calls are used up", bridgetest.RefusedRow("REQUEST_LIMIT_EXCEEDED"), 0, ledger.Held},
		{"the last time", bridgetest.RefusedRow("STRING_TOO_LONG"), 7, ledger.Dead},
	} {
		v := flagWaits(c.err, bridgetest.FailedBefore(bridge.CodePatientError, c.attempts), bridgetest.Noon())
		assert.Equal(t, c.fate, v.Fate, c.name)
		assert.Equal(t, bridge.CodePatientError, v.Reason.Code, c.name)
		assert.Equal(t, c.fate == ledger.Held, v.Next.After(bridgetest.Noon()), c.name)
	}
}
