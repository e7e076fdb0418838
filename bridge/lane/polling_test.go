package lane_test

import (
	"context"
	"errors"
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/ers/erssim"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sfdcsim"
)

func TestTablesThatDoNotFitHaltTheLaneAndChangeNothing(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 3, referrals: 3})
	w.ward.Fit = func(context.Context) (*mapping.Set, error) { return nil, errors.New("a field is missing") }
	require.NoError(t, w.ward.Poll(t.Context()))
	before := w.statement()
	_, err := w.ward.Sync(t.Context())
	require.ErrorIs(t, err, bridge.ErrHalted)
	require.ErrorIs(t, w.ward.Plan(t.Context(), 0, func(bridge.Plan) error { return nil }), bridge.ErrHalted)
	assert.Equal(t, before, w.statement())
	assert.Zero(t, w.org.Writes())
	w.ward.Fit = func(context.Context) (*mapping.Set, error) { return w.tables, nil }
	assert.Positive(t, w.sync(w.ward).Applied)
}

func TestWhoTakesAPlanMayEndIt(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 3, referrals: 3})
	require.NoError(t, w.ward.Poll(t.Context()))
	full := errors.New("full")
	require.ErrorIs(t, w.ward.Plan(t.Context(), 0, func(bridge.Plan) error { return full }), full)
}

func TestHowMuchTheNextRunReadsAndSpendsIsKnownBefore(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 5, ward: 3})
	cost, err := w.eRS.Cost(t.Context())
	require.NoError(t, err)
	require.Len(t, cost, 1)
	assert.Contains(t, cost[0], "service 21012: 2 of the ")
	free, err := w.ward.Cost(t.Context())
	require.NoError(t, err)
	assert.Empty(t, free, "polls of a FHIR server are free")
	require.NoError(t, w.eRS.Poll(t.Context()))
	n, err := w.eRS.ToRead(t.Context())
	require.NoError(t, err)
	assert.Zero(t, n, "a poll reads what it names")
	w.sync(w.eRS)
	w.days(1)
	n, err = w.eRS.ToRead(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 5, n, "live records are read again")
	w.ahead(1)
	n, err = w.eRS.ToRead(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 5, n, "each once")
	w.eRS.Refresh = 0
	n, err = w.eRS.ToRead(t.Context())
	require.NoError(t, err)
	assert.LessOrEqual(t, n, 5)
}

func TestAWorklistThatCannotBeReadIsListed(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 3})
	for i, body := range []string{`{`, `{"resourceType":"List","status":"current","mode":"working","entry":[{"item":{}}]}`} {
		_, err := w.ledger.Receive(t.Context(), ledger.Answer{Source: "ers", Kind: "A008", Received: w.now(), Body: []byte(body)}, ledger.Cursor{})
		require.NoError(t, err)
		w.sync(w.eRS)
		assert.Len(t, w.entriesOf("ers", ledger.Held), i+1)
	}
	for _, e := range w.entriesOf("ers", ledger.Held) {
		assert.Equal(t, "unreadable", e.Reason.Code)
	}
}

func TestWhatERSDoesNotGiveOutIsNeverAskedForAgain(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 3})
	w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A005", Status: 422, Code: "PATIENT_ERROR", Times: 1}}})
	w.run(w.eRS)
	dead := w.entriesOf("ers", ledger.Dead)
	require.Len(t, dead, 1)
	w.ers.SetFaults(erssim.Faults{})
	calls := w.ers.Report().Calls
	require.NoError(t, w.ledger.Observe(t.Context(), ledger.Answer{Source: "ers"}, []ledger.Sighting{{Ref: fhir.Reference{Type: dead[0].Ref.Type, ID: dead[0].Ref.ID, Version: "99"}}}))
	w.sync(w.eRS)
	assert.Equal(t, calls, w.ers.Report().Calls)
	for _, e := range w.entriesOf("ers") {
		assert.True(t, e.Ref.ID != dead[0].Ref.ID || e.Fate == ledger.Dead, e.Fate)
	}
}

// A write whose answer is lost, of a record that is held afterwards: the read after its deadline closes it.
func TestAWriteInDoubtOfARecordThatIsHeldIsClosedByARead(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 3})
	w.page(w.request("x1", "1", "2026-03-01T10:00:00Z", "active"))
	w.sync(w.ward)
	w.page(w.request("x1", "2", "2026-03-01T10:01:00Z", "on-hold"))
	w.ward.Recovery, w.ward.Applier.Raise = nil, nil // theirs would be the calls that get no answer
	require.NoError(t, w.org.Break(sfdcsim.Fault{Kind: sfdcsim.Drop, Calls: 8}))
	_, _ = w.ward.Sync(t.Context())
	w.org.Repair()
	open, err := w.ledger.Unresolved(t.Context())
	require.NoError(t, err)
	require.NotEmpty(t, open)
	w.page(w.request("x1", "3", "2026-03-01T10:02:00Z", "soonish"))
	w.days(1)
	w.sync(w.ward)
	assert.Equal(t, "unknown-code", w.entriesOf("ward", ledger.Held)[0].Reason.Code)
	open, err = w.ledger.Unresolved(t.Context())
	require.NoError(t, err)
	assert.Empty(t, open)
	assert.Equal(t, "On-Hold", w.row("ClinicalServiceRequest", "ward.sr.x1")["Status"])
	w.page(w.request("x1", "4", "2026-03-01T10:03:00Z", "active"))
	w.sync(w.ward)
	assert.Equal(t, "Active", w.row("ClinicalServiceRequest", "ward.sr.x1")["Status"], "what was written in doubt is known to be ours")
	assert.Empty(t, w.entriesOf("ward", ledger.Unknown))
}

// A server that gives the same thing whatever it is asked, or fails in the middle of a stretch: a row a case.
func TestAServerThatCannotBePolledThroughIsToldOf(t *testing.T) {
	for name, c := range map[string]struct {
		break_ func(w *ward)
		says   string
	}{
		"it refuses": {func(w *ward) { w.refuse(403) }, "403"},
		"records go on moving": {func(w *ward) {
			w.limit = 2
			i := 0
			w.before = func(int) {
				i++
				for j := range 4 {
					w.put(fmt.Sprintf("m%d-%d", i, j), 0)
				}
			}
		}, ""},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			for i := range 5 {
				w.put(fmt.Sprint("r", i), 0)
			}
			c.break_(w)
			_, err := w.poll()
			if c.says != "" {
				require.ErrorContains(t, err, c.says)
			}
			w.break_, w.before = nil, nil
			_, err = w.poll()
			require.NoError(t, err)
			w.requireNewest()
		})
	}
}
