package measure

import (
	"cmp"
	"slices"
	"strings"
	"time"

	"refbridge/mapping"
)

// Live finds in live data what the tables do not account for: what a source has begun to send, and what became unaccounted for when the
// tables changed. Nothing in what it finds is about a person.
//
// A source that is read for the first time has much that no table accounts for, and that is no news. Standing is what a record had in
// the oldest version there is of it, within a day of the oldest version of all; everything else has begun since.
type Live struct {
	coverage *Coverage
	record   string
	oldest   time.Time
}

// firstDay is how long a source takes to come in for the first time.
const firstDay = 24 * time.Hour

// NewLive looks with a version of the tables.
func NewLive(s *mapping.Set) *Live { return &Live{coverage: NewCoverage(s)} }

// LivePath is a source path that no table accounts for.
type LivePath struct {
	Path    string    `json:"path"`
	Records int       `json:"records"` // that carry it in any version
	Since   time.Time `json:"since"`   // when the first of them was seen
	// Standing tells that it is as old as what is looked at.
	Standing bool `json:"standing"`
	Lost     bool `json:"lostBeforeMapping,omitempty"`
}

// LiveCode is a code that its value table does not list.
type LiveCode struct {
	mapping.UnlistedCode
	Records  int       `json:"records"`
	Since    time.Time `json:"since"`
	Standing bool      `json:"standing"`
}

// Add looks at one version of a record, seen at a time. The versions of a record come one after the other, the newest first.
func (l *Live) Add(record string, seen time.Time, in mapping.Sample) {
	if record != l.record {
		l.end()
		l.record = record
		l.coverage.sum.Records++
	}
	l.oldest, l.coverage.seen = earlier(l.oldest, seen), seen
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

func (l *Live) standing(t tally) bool {
	return !t.start.IsZero() && t.start.Sub(l.oldest) < firstDay
}

// Found gives what was found, the newest first.
func (l *Live) Found() ([]LivePath, []LiveCode) {
	l.end()
	paths, codes := []LivePath{}, []LiveCode{}
	for _, root := range l.coverage.roots {
		paths = l.unaccounted(root, paths)
	}
	slices.SortFunc(paths, func(a, b LivePath) int {
		return cmp.Or(b.Since.Compare(a.Since), b.Records-a.Records, strings.Compare(a.Path, b.Path))
	})
	for code, t := range l.coverage.codes {
		codes = append(codes, LiveCode{UnlistedCode: code, Records: t.records, Since: t.since, Standing: l.standing(*t)})
	}
	slices.SortFunc(codes, func(a, b LiveCode) int {
		return cmp.Or(b.Since.Compare(a.Since), b.Records-a.Records, strings.Compare(a.Table, b.Table), strings.Compare(a.System, b.System),
			strings.Compare(a.Code, b.Code), strings.Compare(a.Field, b.Field))
	})
	return paths, codes
}

func (l *Live) unaccounted(b *branch, out []LivePath) []LivePath {
	if t := b.states[rank(Unaccounted)]; t.records > 0 {
		out = append(out, LivePath{Path: b.path, Records: t.records, Since: t.since, Standing: l.standing(t), Lost: b.lost})
	}
	for _, child := range b.children {
		out = l.unaccounted(child, out)
	}
	return out
}
