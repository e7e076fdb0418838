package bridge

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
)

// documentedLine is a line of a table of docs/fates.md.
type documentedLine struct{ code, fate, again string }

func documentedLines(t *testing.T, from, to string) (out []documentedLine) {
	t.Helper()
	page, err := os.ReadFile("../docs/fates.md")
	require.NoError(t, err)
	_, part, ok := strings.Cut(string(page), from)
	require.True(t, ok)
	if to != "" {
		part, _, ok = strings.Cut(part, to)
		require.True(t, ok)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| .*? \\| ([^|]+)(?: \\|(?: ([^|]*))?)?\\|?$").FindAllStringSubmatch(part, -1) {
		out = append(out, documentedLine{m[1], strings.TrimSpace(m[2]), strings.TrimSpace(m[3])})
	}
	require.NotEmpty(t, out)
	return out
}

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
	of := func(v verdict) { out = append(out, outcomes{v.reason.Code, v.fate, v.next}) }
	for _, kind := range []mapping.FaultKind{mapping.PatientIdentity, mapping.ReferenceForeign, mapping.ReferenceAmbiguous, mapping.ReferenceVersion,
		mapping.ReferenceUnresolved, mapping.UnknownCode, mapping.UnknownModifier, mapping.RequiredMissing, mapping.TwoServers} {
		of(ofMapping(mapping.Faults{{Kind: kind}}, ledger.Work{}))
	}
	for _, code := range []string{"ENTITY_IS_LOCKED", "UNABLE_TO_LOCK_ROW", "STRING_TOO_LONG", "INSUFFICIENT_ACCESS", "DUPLICATES_DETECTED", "DUPLICATE_VALUE",
		"SOMETHING_NEW", "ENTITY_IS_DELETED"} {
		of(ofTarget(refusedRow(code), ledger.Work{}, noon))
	}
	of(ofTarget(lostAnswer(t), ledger.Work{}, noon))
	of(ofTarget(errors.New("dial"), ledger.Work{}, noon))
	of(ofSource(&rest.Error{Status: 404}, ledger.Work{}, noon))
	of(ofSource(&rest.Error{Status: 503}, ledger.Work{}, noon))
	of(ofSource(&rest.Error{Status: 403}, ledger.Work{}, noon))
	of(ofSource(fhir.ErrSyntax, ledger.Work{}, noon))
	of(ofSource(ers.ErrOtherPatient, ledger.Work{}, noon))
	of(ofSource(fhir.ErrUnresolved, ledger.Work{}, noon))
	of(ofERS(&ers.Error{Status: 422, Codes: []string{"PATIENT_ERROR"}}, ledger.Work{}, noon))
	of((&applying{Applier: &Applier{Now: func() time.Time { return noon }}}).waits(parentError{csrType, "x"}))
	of(doubted(verdict{fate: ledger.Applied}, []time.Time{noon.Add(time.Minute)}))
	for _, c := range plannedFates {
		s := newShelf()
		p := s.planner(t)
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
	now := noon
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
	require.NoError(t, l.Settle(t.Context(), []ledger.Settlement{{Source: "ward", Ref: at("opened", "1"), Fate: ledger.Dead, Reason: ledger.Reason{Code: codeData}}}))
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
	tables := slices.Contains(releases(true, false), o.code)
	none := o.next.IsZero()
	after := func(d time.Duration) bool { return o.next.Equal(noon.Add(d)) }
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
	case o.code == codeUnresolved && !none:
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
	lines := documentedLines(t, "## Reasons", "## Deleted, or not visible")
	for _, line := range lines {
		found := slices.DeleteFunc(slices.Clone(decided), func(o outcomes) bool { return o.code != line.code })
		if !assert.NotEmpty(t, found, "no case decides %s", line.code) {
			continue
		}
		for _, o := range found {
			assert.Contains(t, line.fate, string(o.fate), line.code)
			assert.True(t, o.tried(line.again), "%s: %+v, and the page says %q", line.code, o, line.again)
		}
	}
	for _, o := range decided {
		assert.True(t, o.code == "" || slices.ContainsFunc(lines, func(l documentedLine) bool { return l.code == o.code }), "%s is on no line", o.code)
	}
}

// The same of the way back, where the page has states.
func TestEveryLineOfTheWayBackIsDecidedSo(t *testing.T) {
	r := &Reconciler{Permits: []Permit{{Operation: "a", Approval: true}}}
	off, notOn := r.permitted("b")
	wait, awaits := r.permitted("a")
	decided := map[string][]ledger.WritebackState{notOn.Code: {off}, awaits.Code: {wait}, codeNotCarried: {ledger.Reported}, codeWithdrawn: {ledger.Refused}, codeSettledSince: {ledger.Refused}}
	for _, err := range []error{errNotOffered, &rest.Error{Status: 409}, &rest.Error{Status: 400}, errors.New("x"), &rest.Error{Status: 401}, lostUpdate(t, 0)} {
		f := failure("fhir", "a", err)
		decided[f.reason.Code] = append(decided[f.reason.Code], f.state)
	}
	state, reason, _ := unread(ledger.Writeback{State: ledger.Approved}, &rest.Error{Status: 503}, noon)
	decided[reason.Code] = append(decided[reason.Code], state)
	state, reason, _ = unread(ledger.Writeback{State: ledger.Approved}, &ers.Error{Codes: []string{"PATIENT_ERROR"}}, noon)
	decided[reason.Code] = append(decided[reason.Code], state)
	for _, line := range documentedLines(t, "## On the way back", "") {
		assert.NotEmpty(t, decided[line.code], "no case decides %s", line.code)
		for _, s := range decided[line.code] {
			assert.True(t, line.fate == "as it was" || strings.Contains(strings.ToLower(line.fate), string(s)), "%s: %s, and the page says %s", line.code, s, line.fate)
		}
	}
}
