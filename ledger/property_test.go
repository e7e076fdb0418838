package ledger

import (
	"cmp"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"refbridge/fhir"
)

// model is the ledger's rules once more, in memory and without a database: a few slices, no counters, everything
// looked up and counted anew each time.
type model struct {
	now  time.Time
	refs []*modelRef
}

type modelRef struct {
	id, applied, newest string
	rows                []*modelRow // in the order of sighting
	mark                *modelRow
	behind              string // version of the first read that was behind, and when that was
	since               time.Time
}

type modelRow struct {
	version, content string // content: what the last body said, empty: none seen, it was only named
	body             bool   // there is one to work on
	fate             Fate
	code             string
	attempts         int
	first, next      time.Time
}

func (m *model) ref(id string) *modelRef {
	for _, r := range m.refs {
		if r.id == id {
			return r
		}
	}
	r := &modelRef{id: id}
	m.refs = append(m.refs, r)
	return r
}

func (r *modelRef) row(version string) *modelRow {
	if version == "" {
		return r.mark
	}
	for _, v := range r.rows {
		if v.version == version {
			return v
		}
	}
	return nil
}

// lower: the model's versions are "1" to "9", so that the order of texts is the order of numbers.
func lower(a, b string) bool { return a != "" && b != "" && a < b }

func (v *modelRow) named() bool { return v.content == "" }

func (v *modelRow) become(fate Fate, code string) { v.fate, v.code = fate, code }

func (m *model) sight(r *modelRef, version, content string) *modelRow {
	if v := r.row(version); v != nil {
		m.sightAgain(r, v, content)
		return v
	}
	v := &modelRow{version: version, fate: Pending, first: m.now, content: content, body: content != ""}
	if version == "" {
		r.mark = v
		return v
	}
	switch {
	case lower(version, r.applied):
		v.become(Superseded, CodeOlderVersion)
	case lower(version, r.newest):
		v.become(Superseded, CodeNewerVersion)
	case content != "":
		r.newest = version
	default:
		r.closeNamed(v)
	}
	r.rows = append(r.rows, v)
	return v
}

func (r *modelRef) closeNamed(v *modelRow) {
	for _, o := range r.rows {
		if o == v || !o.named() || o.fate.final() && (v.named() || o.fate != Dead) {
			continue
		}
		switch {
		case lower(o.version, v.version):
			o.become(Superseded, CodeNewerVersion)
		case v.named():
			v.become(Superseded, CodeNewerVersion)
		default:
			o.become(Superseded, CodeNamedOnly)
		}
	}
}

func (m *model) sightAgain(r *modelRef, v *modelRow, content string) {
	switch {
	case content == "" && v.named() && (v.fate == Dead || v.code == CodeNamedOnly):
		v.become(Pending, "")
		v.next = time.Time{}
	case content == "" || v.version == "":
	case !v.named() && v.content != content:
		if !lower(v.version, r.newest) {
			v.become(Held, CodeOtherContent)
			r.newest, v.next, v.content, v.body = v.version, Never(), content, true
		}
	case v.version == r.newest && (v.fate.final() || v.body):
	default:
		m.arrived(r, v, content)
	}
}

func (m *model) arrived(r *modelRef, v *modelRow, content string) {
	named, older := v.named(), lower(v.version, r.newest)
	decided := v.fate == Applied || v.fate == Superseded && v.code != CodeNamedOnly
	v.content = content
	switch {
	case older && !v.fate.final() && v.code != CodeSourceBehind:
		v.become(Superseded, CodeNewerVersion)
		return
	case older || named && decided:
		return
	case named && v.fate != Pending, !named && v.fate.final():
		v.become(Pending, "")
		v.next = time.Time{}
	}
	r.newest, v.body = v.version, true
}

func (m *model) keep(r *modelRef, version, content string) bool {
	r.mark = nil
	v := m.sight(r, version, content)
	r.closeNamed(v)
	switch {
	case !lower(v.version, r.newest):
		r.behind = ""
		r.supersede(v)
	case v.code == CodeSourceBehind:
	case r.behind != v.version:
		r.behind, r.since = v.version, m.now
	case m.now.Sub(r.since) >= behindFor:
		for _, o := range r.rows {
			if o.code == CodeSourceBehind && o.fate == Held {
				o.become(Superseded, CodeNewerVersion)
			}
		}
		v.become(Held, CodeSourceBehind)
		v.body, v.next = true, Never()
	}
	return !v.fate.final() && v.code != CodeOtherContent && v.code != CodeSourceBehind
}

func (r *modelRef) supersede(v *modelRow) {
	for _, o := range r.rows {
		if lower(o.version, v.version) && !o.fate.final() {
			o.become(Superseded, CodeNewerVersion)
		}
	}
}

func (m *model) settle(r *modelRef, v *modelRow, fate Fate, code string, next time.Time) {
	switch {
	case fate == Applied && lower(v.version, r.applied):
		fate, code = Superseded, CodeOlderVersion
	case v.fate == Superseded && fate != Applied:
		fate, code = Superseded, v.code
	}
	if code != v.code {
		v.attempts = 0
	}
	if fate != Superseded {
		v.attempts++
	}
	v.fate, v.code, v.next = fate, code, next
	if fate == Applied {
		r.applied = v.version
	}
	if v == r.mark || v.named() && fate != Applied {
		return
	}
	r.supersede(v)
}

func (m *model) reopen(r *modelRef) int {
	var open []*modelRow
	for _, v := range append(slices.Clone(r.rows), r.mark) {
		if v == nil || v.fate != Held && v.fate != Dead && v.fate != Unknown {
			continue
		}
		if v.named() || v.version == r.newest || v.code == CodeSourceBehind {
			open = append(open, v)
		}
	}
	if i := slices.IndexFunc(open, func(v *modelRow) bool { return v.code == CodeSourceBehind }); i >= 0 {
		open = open[i : i+1]
		for _, o := range r.rows {
			if o != open[0] && !o.named() && !o.fate.final() {
				o.become(Superseded, CodeNewerVersion)
			}
		}
		r.newest, r.applied = open[0].version, ""
	}
	for _, v := range open {
		v.become(Pending, CodeReopened)
		v.attempts, v.next = 0, time.Time{}
	}
	return len(open)
}

// toDo returns what is due of a ref: its mark, else what was only named, else the newest.
func (m *model) toDo(r *modelRef) []*modelRow {
	isDue := func(v *modelRow) bool { return v != nil && !v.fate.final() && !v.next.After(m.now) }
	if isDue(r.mark) {
		return []*modelRow{r.mark}
	}
	var named []*modelRow
	for _, v := range r.rows {
		if v.named() && isDue(v) {
			named = append(named, v)
		}
	}
	if v := r.row(r.newest); len(named) == 0 && r.newest != "" && isDue(v) {
		return []*modelRow{v}
	}
	return named
}

func (m *model) due() []string {
	type work struct {
		first time.Time
		text  string
	}
	var out []work
	for _, r := range m.refs {
		for _, v := range m.toDo(r) {
			full := fhir.Reference{Type: "ReferralRequest", ID: r.id, Version: v.version}
			out = append(out, work{v.first, fmt.Sprintf("%s %s %d %v", full, v.fate, v.attempts, v.body && v.version != "")})
		}
	}
	slices.SortFunc(out, func(a, b work) int { return cmp.Or(a.first.Compare(b.first), cmp.Compare(a.text, b.text)) })
	texts := []string{}
	for _, w := range out {
		texts = append(texts, w.text)
	}
	return texts
}

func (m *model) statement() Statement {
	var s Statement
	for _, r := range m.refs {
		rows := r.rows
		if r.mark != nil {
			rows = append(slices.Clone(rows), r.mark)
		}
		for _, v := range rows {
			s.Observed++
			*s.counter(string(v.fate))++
		}
	}
	return s
}

// machine drives a ledger on a file and the model with the same steps.
type machine struct {
	model
	t      *testing.T
	path   string
	ledger *Ledger
}

func (m *machine) open(t *rapid.T) {
	l, err := Open(m.t.Context(), Options{Path: m.path, Key: testKey(), Now: func() time.Time { return m.now }})
	require.NoError(t, err)
	m.ledger = l
}

func draw[T any](t *rapid.T, name string, from ...T) T {
	return rapid.SampledFrom(from).Draw(t, name)
}

func drawRef(t *rapid.T) string     { return draw(t, "ref", "a", "b", "c") }
func drawVersion(t *rapid.T) string { return strconv.Itoa(rapid.IntRange(1, 5).Draw(t, "version")) }

func content(id, text string) []byte {
	if text == "" {
		return nil
	}
	return body(id, "", text)
}

func (m *machine) observe(t *rapid.T) {
	var seen []Sighting
	for range rapid.IntRange(1, 3).Draw(t, "entries") {
		id, version, text := drawRef(t), drawVersion(t), draw(t, "body", "", "x", "x", "x", "y")
		if rapid.IntRange(0, 4).Draw(t, "unversioned") == 0 {
			version, text = "", ""
		}
		seen = append(seen, Sighting{Ref: ref(id, version), Body: content(id, text)})
		m.sight(m.ref(id), version, text)
	}
	require.NoError(t, m.ledger.Observe(m.t.Context(), Answer{Source: "ers"}, seen))
}

func (m *machine) keep(t *rapid.T) {
	id, version, text := drawRef(t), drawVersion(t), draw(t, "body", "x", "x", "x", "y")
	fresh, err := m.ledger.Keep(m.t.Context(), "ers", ref(id, version), content(id, text))
	require.NoError(t, err)
	require.Equal(t, m.model.keep(m.ref(id), version, text), fresh)
}

func (m *machine) settle(t *rapid.T) {
	id, version := drawRef(t), draw(t, "version", "", "1", "2", "3", "4", "5")
	fate, code := draw(t, "fate", Pending, Applied, Applied, Superseded, Held, Dead, Unknown), draw(t, "code", "p", "q")
	next := draw(t, "next", time.Time{}, m.now.Add(time.Minute), Never())
	r := m.ref(id)
	v := r.row(version)
	err := m.ledger.Settle(m.t.Context(), []Settlement{{Source: "ers", Ref: ref(id, version), Fate: fate, Reason: Reason{Code: code}, Next: next}})
	switch {
	case v == nil:
		require.ErrorIs(t, err, ErrNotFound)
	case version == "" && (fate == Applied || fate == Superseded):
		require.ErrorIs(t, err, ErrTransition)
	default:
		require.NoError(t, err)
		m.model.settle(r, v, fate, code, next)
	}
}

func (m *machine) reopen(t *rapid.T) {
	id := drawRef(t)
	n, err := m.ledger.Reopen(m.t.Context(), "ers", ref(id))
	require.NoError(t, err)
	require.Equal(t, m.model.reopen(m.ref(id)), n)
}

func (m *machine) restart(t *rapid.T) {
	m.now = m.now.Add(time.Duration(rapid.IntRange(0, 90).Draw(t, "seconds")) * draw(t, "unit", time.Second, time.Minute))
	if rapid.IntRange(0, 3).Draw(t, "really") == 0 {
		require.NoError(t, m.ledger.Close())
		m.open(t)
	}
}

// check compares everything that can be asked.
func (m *machine) check(t *rapid.T) {
	s, err := m.ledger.Statement(m.t.Context())
	require.NoError(t, err)
	require.Equal(t, m.model.statement(), s)
	require.True(t, s.Balanced())

	work, err := m.ledger.Due(m.t.Context(), "ers", Turn{})
	require.NoError(t, err)
	due := []string{}
	for _, w := range work {
		due = append(due, fmt.Sprintf("%s %s %d %v", w.Ref, w.Fate, w.Attempts, w.Body != nil))
	}
	require.Equal(t, m.due(), due)

	for _, r := range m.refs {
		known, err := m.ledger.Known(m.t.Context(), "ers", ref(r.id))
		require.NoError(t, err)
		require.Equal(t, r.applied, known.Version)
	}
	require.NoError(t, m.ledger.Verify(m.t.Context()))
}

func TestWhateverHappensTheStatementIsBalancedAndTheLedgerIsAsTheRulesSay(t *testing.T) {
	dir, runs := t.TempDir(), 0
	rapid.Check(t, func(rt *rapid.T) {
		runs++
		m := &machine{model: model{now: start()}, t: t, path: filepath.Join(dir, strconv.Itoa(runs), "ledger.db")}
		m.open(rt)
		defer func() { assert.NoError(rt, m.ledger.Close()) }()
		rt.Repeat(map[string]func(*rapid.T){
			"observe": m.observe, "observe more": m.observe, "keep": m.keep, "settle": m.settle, "settle more": m.settle,
			"reopen": m.reopen, "restart": m.restart, "": m.check,
		})
	})
}
