package plan

import (
	"bytes"
	"errors"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
)

// outcomes are fates as the code decides them: for every line of the page at least one.
type outcomes struct {
	code string
	fate ledger.Fate
	next time.Time
}

// fatesDecided are decisions of the code for every line of docs/fates.md: a row a line.
func fatesDecided(t *testing.T) []outcomes {
	t.Helper()
	var out []outcomes
	of := func(v bridge.Verdict) { out = append(out, outcomes{v.Reason.Code, v.Fate, v.Next}) }
	for _, kind := range []mapping.FaultKind{mapping.PatientIdentity, mapping.ReferenceForeign, mapping.ReferenceAmbiguous, mapping.ReferenceVersion,
		mapping.ReferenceUnresolved, mapping.UnknownCode, mapping.UnknownModifier, mapping.RequiredMissing, mapping.TwoServers} {
		of(bridge.OfMapping(mapping.Faults{{Kind: kind}}, ledger.Work{}))
	}
	for _, code := range []string{"ENTITY_IS_LOCKED", "UNABLE_TO_LOCK_ROW", "STRING_TOO_LONG", "INSUFFICIENT_ACCESS", "DUPLICATES_DETECTED", "DUPLICATE_VALUE",
		"SOMETHING_NEW", "ENTITY_IS_DELETED"} {
		of(bridge.OfTarget(bridgetest.RefusedRow(code), ledger.Work{}, bridgetest.Noon()))
	}
	of(bridge.OfTarget(bridgetest.LostAnswer(t), ledger.Work{}, bridgetest.Noon()))
	of(bridge.OfTarget(errors.New("dial"), ledger.Work{}, bridgetest.Noon()))
	of(bridge.OfSource(&rest.Error{Status: 404}, ledger.Work{}, bridgetest.Noon()))
	of(bridge.OfSource(&rest.Error{Status: 503}, ledger.Work{}, bridgetest.Noon()))
	of(bridge.OfSource(&rest.Error{Status: 403}, ledger.Work{}, bridgetest.Noon()))
	of(bridge.OfSource(fhir.ErrSyntax, ledger.Work{}, bridgetest.Noon()))
	of(bridge.OfSource(ers.ErrOtherPatient, ledger.Work{}, bridgetest.Noon()))
	of(bridge.OfSource(fhir.ErrUnresolved, ledger.Work{}, bridgetest.Noon()))
	of(bridge.OfERS(&ers.Error{Status: 422, Codes: []string{"PATIENT_ERROR"}}, ledger.Work{}, bridgetest.Noon()))
	of(bridge.WaitsFor(errors.New("x"), bridgetest.Noon()))
	of(bridge.Doubted(bridge.Verdict{Fate: ledger.Applied}, []time.Time{bridgetest.Noon().Add(time.Minute)}))
	for _, c := range plannedFates {
		s := shelf.New()
		p := planner(s, t)
		if c.world != nil {
			c.world(s, p)
		}
		step := plan(t, p, c.work)[0]
		fate := step.Fate
		if fate == ledger.Pending {
			fate = ledger.Applied // nothing is in its way
		}
		out = append(out, outcomes{step.Reason.Code, fate, step.Next})
	}
	return append(out, fatesOfTheLedger(t)...)
}

// fatesOfTheLedger are those that the ledger decides by itself, of versions as they come.
func fatesOfTheLedger(t *testing.T) []outcomes {
	t.Helper()
	now := bridgetest.Noon()
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(t.TempDir(), "data", "ledger.db"), Key: bytes.Repeat([]byte{7}, 32),
		Now: func() time.Time { return now }})
	require.NoError(t, err)
	defer l.Close()
	at := func(id, version string) fhir.Reference {
		return fhir.Reference{Type: "ServiceRequest", ID: id, Version: version}
	}
	see := func(id, version, body string) {
		s := ledger.Sighting{Ref: at(id, version)}
		if body != "" {
			s.Body = []byte(body)
		}
		require.NoError(t, l.Observe(t.Context(), ledger.Answer{Source: "ward"}, []ledger.Sighting{s}))
	}
	apply := func(id, version string) {
		require.NoError(t, l.Settle(t.Context(), []ledger.Settlement{{Source: "ward", Ref: at(id, version), Fate: ledger.Applied}}))
	}
	keep := func(id, version, body string) {
		_, err := l.Keep(t.Context(), "ward", at(id, version), []byte(body))
		require.NoError(t, err)
	}
	see("other-content", "1", "a")
	see("other-content", "1", "b")
	see("older", "2", "b")
	apply("older", "2")
	see("older", "1", "a")
	see("newer", "1", "a")
	see("newer", "2", "b")
	apply("newer", "2")
	see("named", "9", "")
	keep("named", "1", "a")
	keep("back", "1", "a")
	apply("back", "1")
	keep("back", "2", "b")
	apply("back", "2")
	keep("back", "1", "a")
	now = now.Add(2 * time.Hour)
	keep("back", "1", "a")
	see("opened", "1", "a")
	require.NoError(t, l.Settle(t.Context(), []ledger.Settlement{{Source: "ward", Ref: at("opened", "1"), Fate: ledger.Dead, Reason: ledger.Reason{Code: bridge.CodeData}}}))
	_, err = l.Reopen(t.Context(), "ward", at("opened", ""))
	require.NoError(t, err)
	see("turned", "1", "a")
	require.NoError(t, l.Settle(t.Context(), []ledger.Settlement{{Source: "ward", Ref: at("turned", "1"), Fate: ledger.Applied, Next: now.Add(time.Hour)}}))
	now = now.Add(2 * time.Hour)
	_, err = l.TakeTurns(t.Context(), "ward")
	require.NoError(t, err)
	anew := at("anew", "1")
	require.NoError(t, l.Observe(t.Context(), ledger.Answer{Source: "lost"}, []ledger.Sighting{{Ref: anew, Body: []byte("a")}}))
	require.NoError(t, l.Settle(t.Context(), []ledger.Settlement{{Source: "lost", Ref: anew, Fate: ledger.Applied}}))
	require.NoError(t, l.Forget(t.Context(), "lost"))
	entries, err := l.Entries(t.Context(), ledger.Filter{})
	require.NoError(t, err)
	var out []outcomes
	for _, e := range entries {
		next := e.Next
		if next.Equal(ledger.Never()) {
			next = time.Time{}
		}
		out = append(out, outcomes{e.Reason.Code, e.Fate, next})
	}
	return out
}

// tried reports whether a decision waits for what the page says.
func (o outcomes) tried(words string) bool {
	tables := slices.Contains(bridge.Releases(true, false), o.code)
	none := o.next.IsZero()
	after := func(d time.Duration) bool { return o.next.Equal(bridgetest.Noon().Add(d)) }
	switch {
	case words == "":
		return none
	case strings.HasPrefix(words, "once a day"):
		return after(24*time.Hour) && tables
	case strings.HasPrefix(words, "every 4 h"):
		return after(4 * time.Hour)
	case strings.HasPrefix(words, "every 15 min"):
		return after(15 * time.Minute)
	case strings.HasPrefix(words, "each run"), strings.HasPrefix(words, "with the usual waits"):
		return after(time.Minute)
	case o.code == bridge.CodeUnresolved && !none:
		return after(time.Minute) && strings.Contains(words, "after the usual waits")
	case strings.Contains(words, "when the tables change"), strings.Contains(words, "when the source or the tables change"):
		return none && tables
	case strings.HasPrefix(words, "when an operator retries"), strings.HasSuffix(words, "or an operator retries"):
		return none && !tables
	}
	return true // a sentence of its own: its tests stand elsewhere
}

// The page tells an operator what becomes of a record and when it is tried again; the code decides so, line by line.
func TestEveryLineOfThePageOfFatesIsDecidedSo(t *testing.T) {
	decided := fatesDecided(t)
	lines := bridgetest.DocumentedLines(t, "## Reasons", "## Deleted, or not visible")
	for _, line := range lines {
		found := slices.DeleteFunc(slices.Clone(decided), func(o outcomes) bool { return o.code != line.Code })
		if !assert.NotEmpty(t, found, "no case decides %s", line.Code) {
			continue
		}
		for _, o := range found {
			assert.Contains(t, line.Fate, string(o.fate), line.Code)
			assert.True(t, o.tried(line.Again), "%s: %+v, and the page says %q", line.Code, o, line.Again)
		}
	}
	for _, o := range decided {
		assert.True(t, o.code == "" || slices.ContainsFunc(lines, func(l bridgetest.DocumentedLine) bool { return l.Code == o.code }), "%s is on no line", o.code)
	}
}
