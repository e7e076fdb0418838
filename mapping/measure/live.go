package measure

import (
	"cmp"
	"math"
	"slices"
	"strings"
	"time"

	"refbridge/mapping"
)

// Live finds in live data what the tables do not account for: what a source has begun to send, and what became unaccounted for when the
// tables changed. Nothing in what it finds is about a person.
//
// A source that is read for the first time has much that no table accounts for, and that is no news; nor is it news that what few records
// have is missing in the first of them. Standing is what a record had in the oldest version there is of it, near the oldest version of
// all; and what is so rare that it may well have been there before it was first seen. All else has begun since, as far as can be told
// from what is looked at.
type Live struct {
	coverage *Coverage
	record   string
	seen     []time.Time // of each version
}

// How near the oldest version is near: a tenth of the time looked at, for a source takes a while to come in for the first time.
const (
	nearLeast = time.Hour
	nearMost  = 24 * time.Hour
)

// When it is plausible that a steady path was missed before it was first seen: it was seen a few times, and the chance is not tiny.
const (
	fewVersions = 3
	tinyChance  = 0.005
)

// NewLive looks with a version of the tables.
func NewLive(s *mapping.Set) *Live { return &Live{coverage: NewCoverage(s)} }

// LivePath is a source path that no table accounts for.
type LivePath struct {
	Path    string    `json:"path"`
	Records int       `json:"records"` // that carry it in any version
	Since   time.Time `json:"since"`   // when the first of them was seen, of those looked at
	Before  int       `json:"before"`  // versions that were seen before it, none with it
	// Standing tells that it is as old as what is looked at, or too rare to tell.
	Standing bool `json:"standing"`
	Lost     bool `json:"lostBeforeMapping,omitempty"`
}

// LiveCode is a code that its value table does not list.
type LiveCode struct {
	mapping.UnlistedCode
	Records  int       `json:"records"`
	Since    time.Time `json:"since"`
	Before   int       `json:"before"`
	Standing bool      `json:"standing"`
}

// Add looks at one version of a record, seen at a time. The versions of a record come one after the other, the newest first.
func (l *Live) Add(record string, seen time.Time, in mapping.Sample) {
	if record != l.record {
		l.end()
		l.record = record
		l.coverage.sum.Records++
	}
	l.seen = append(l.seen, seen)
	l.coverage.seen, l.coverage.body = seen, len(l.seen)
	l.coverage.sources(in)
}

// end goes through what a record brought once its oldest version is known.
func (l *Live) end() {
	for _, t := range l.coverage.news {
		if t.seen.Equal(l.coverage.seen) {
			t.start = earlier(t.start, t.seen)
		}
	}
	l.coverage.news = l.coverage.news[:0]
}

// before counts the versions that were seen before a time. The times are sorted.
func (l *Live) before(t time.Time) int {
	n, _ := slices.BinarySearchFunc(l.seen, t, time.Time.Compare)
	return n
}

func (l *Live) standing(t tally) bool {
	oldest, newest := l.seen[0], l.seen[len(l.seen)-1]
	near := min(max(newest.Sub(oldest)/10, nearLeast), nearMost)
	if !t.start.IsZero() && t.start.Sub(oldest) < near {
		return true
	}
	before := l.before(t.since)
	rate := float64(t.bodies) / float64(len(l.seen)-before)
	return t.bodies >= fewVersions && math.Pow(1-rate, float64(before)) > tinyChance
}

// Found gives what was found, the newest first.
func (l *Live) Found() ([]LivePath, []LiveCode) {
	l.end()
	slices.SortFunc(l.seen, time.Time.Compare)
	paths, codes := []LivePath{}, []LiveCode{}
	for _, root := range l.coverage.roots {
		paths = l.unaccounted(root, paths)
	}
	slices.SortFunc(paths, func(a, b LivePath) int {
		return cmp.Or(b.Since.Compare(a.Since), b.Records-a.Records, strings.Compare(a.Path, b.Path))
	})
	for code, t := range l.coverage.codes {
		codes = append(codes, LiveCode{UnlistedCode: code, Records: t.records, Since: t.since, Before: l.before(t.since),
			Standing: l.standing(*t)})
	}
	slices.SortFunc(codes, func(a, b LiveCode) int {
		return cmp.Or(b.Since.Compare(a.Since), b.Records-a.Records, strings.Compare(a.Table, b.Table), strings.Compare(a.System, b.System),
			strings.Compare(a.Code, b.Code), strings.Compare(a.Field, b.Field))
	})
	return paths, codes
}

func (l *Live) unaccounted(b *branch, out []LivePath) []LivePath {
	if t := b.states[rank(Unaccounted)]; t.records > 0 {
		out = append(out, LivePath{Path: b.path, Records: t.records, Since: t.since, Before: l.before(t.since),
			Standing: l.standing(t), Lost: b.lost})
	}
	for _, child := range b.children {
		out = l.unaccounted(child, out)
	}
	return out
}
