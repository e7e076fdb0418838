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
type Live struct {
	coverage *Coverage
	record   string
}

// NewLive looks with a version of the tables.
func NewLive(s *mapping.Set) *Live { return &Live{coverage: NewCoverage(s)} }

// LivePath is a source path that no table accounts for.
type LivePath struct {
	Path    string    `json:"path"`
	Records int       `json:"records"` // that carry it in any version
	Since   time.Time `json:"since"`   // when the first of them was seen
	Lost    bool      `json:"lostBeforeMapping,omitempty"`
}

// LiveCode is a code that its value table does not list.
type LiveCode struct {
	mapping.UnlistedCode
	Records int       `json:"records"`
	Since   time.Time `json:"since"`
}

// Add looks at one version of a record, seen at a time. The versions of a record come one after the other.
func (l *Live) Add(record string, seen time.Time, in mapping.Sample) {
	if record != l.record {
		l.record = record
		l.coverage.sum.Records++
	}
	l.coverage.seen = seen
	l.coverage.sources(in)
}

// Found gives what was found, the newest first.
func (l *Live) Found() ([]LivePath, []LiveCode) {
	paths, codes := []LivePath{}, []LiveCode{}
	for _, root := range l.coverage.roots {
		paths = root.unaccounted(paths)
	}
	slices.SortFunc(paths, func(a, b LivePath) int {
		return cmp.Or(b.Since.Compare(a.Since), b.Records-a.Records, strings.Compare(a.Path, b.Path))
	})
	for code, t := range l.coverage.codes {
		codes = append(codes, LiveCode{UnlistedCode: code, Records: t.records, Since: t.since})
	}
	slices.SortFunc(codes, func(a, b LiveCode) int {
		return cmp.Or(b.Since.Compare(a.Since), b.Records-a.Records, strings.Compare(a.Table, b.Table), strings.Compare(a.System, b.System),
			strings.Compare(a.Code, b.Code), strings.Compare(a.Field, b.Field))
	})
	return paths, codes
}

func (b *branch) unaccounted(out []LivePath) []LivePath {
	if t := b.states[rank(Unaccounted)]; t.records > 0 {
		out = append(out, LivePath{Path: b.path, Records: t.records, Since: t.since, Lost: b.lost})
	}
	for _, child := range b.children {
		out = child.unaccounted(out)
	}
	return out
}
