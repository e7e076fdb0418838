// Package lint checks mapping tables against themselves, the elements of FHIR R4, and what a target takes. It needs no
// network: what a target takes is a Snapshot.
package lint

import (
	"cmp"
	"fmt"
	"io/fs"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/config/pattern"
	"refbridge/config/spelling"
	"refbridge/mapping"
)

// Severity says what a Finding means: an error stops records or loses data, a warning may.
type Severity string

// The severities of a Finding.
const (
	Error   Severity = "error"
	Warning Severity = "warning"
)

// Finding is one thing that Check found, with its place. Nothing in it is about a person: what looks like an NHS number
// is not repeated.
type Finding struct {
	Severity      Severity
	mapping.Fault // Check is the stable name of what is wrong: "unknown-field"
}

// Report is everything that Check found, by file, line and column.
type Report struct {
	Findings []Finding
	Tables   int    // files that were read
	Of       string // what they are, for people: "tables/"; the caller of Check says it
	Target   string // what the tables were checked against

	sources map[string]*sourceText
}

// Count gives how many findings there are of a severity.
func (r *Report) Count(s Severity) int {
	n := 0
	for _, f := range r.Findings {
		if f.Severity == s {
			n++
		}
	}
	return n
}

// Check checks tables and reports everything at once: what mapping.Load refuses, and what would hold or lose records
// later. The error is about files that cannot be read.
//
//	tables --Read--> faults        \
//	   \---- as far as readable --> linter: sources, target, values, codes --> Report
func Check(fsys fs.FS, target Snapshot) (*Report, error) { return check(fsys, target, false) }

// CheckStrict is Check that also warns of what does no harm to a record: rows that do not say why they are there.
func CheckStrict(fsys fs.FS, target Snapshot) (*Report, error) {
	return check(fsys, target, true)
}

func check(fsys fs.FS, target Snapshot, strict bool) (*Report, error) {
	l := &linter{target: target, strict: strict, sets: newCodeSets(), report: &Report{Target: target.About, sources: map[string]*sourceText{}}}
	names, err := mapping.Files(fsys)
	if err != nil {
		return nil, err
	}
	for _, name := range names {
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read table %s: %w", name, err)
		}
		l.report.sources[name] = readSource(name, src)
	}
	l.report.Tables = len(names)
	others, err := fs.Glob(fsys, "*.yml")
	if err != nil {
		return nil, fmt.Errorf("list the files: %w", err)
	}
	for _, name := range others {
		l.warn("unread-file", mapping.Place{File: name}, "", "the file is not read: tables end in .yaml", "name it "+strings.TrimSuffix(name, ".yml")+".yaml, or move it away")
	}
	set, faults, err := mapping.Read(fsys, mapping.Options{})
	if err != nil {
		return nil, err
	}
	l.set = set
	for _, f := range faults {
		if f.Check == "yaml" {
			l.unread = append(l.unread, f.File)
		}
		l.report.Findings = append(l.report.Findings, Finding{Error, f})
	}
	if err := l.beside(fsys); err != nil {
		return nil, err
	}
	l.run()
	l.finish()
	return l.report, nil
}

// linter walks the tables of one Check. They may have faults: what could not be read is nil or empty.
type linter struct {
	set    *mapping.Set
	target Snapshot
	strict bool
	unread []string                        // files that are not YAML: what they hold is not missing
	bodies map[string]map[string]ownMember // of a target of its own
	sets   *codeSets
	report *Report
}

func (l *linter) run() {
	used := map[string]bool{}
	for _, t := range l.set.Tables() {
		e := l.paths(t)
		switch {
		case t.Body != "":
			l.body(t)
		case t.Object != "":
			l.object(t)
		}
		for _, s := range t.Lets {
			l.codes(s.Values, s.Paths, e)
			used[s.ValuesName] = true
		}
		for _, w := range t.Rows {
			l.codes(w.Values, w.Paths, e)
			used[w.ValuesName] = true
		}
		l.rows(t)
		l.keyParts(t)
		l.drops(e)
		l.purposes(t)
		for _, b := range t.Back {
			l.backRule(t, b, used)
		}
	}
	if l.unread == nil {
		l.unusedTables(used)
	}
	for _, s := range l.report.sources {
		if !slices.Contains(l.unread, s.name) { // its one fault comes first
			l.identities(s)
			l.systems(s)
		}
	}
}

// unusedTables warns of value tables that nothing names. A row names a column as table.column.
func (l *linter) unusedTables(used map[string]bool) {
	read := map[string]bool{}
	names := slices.Sorted(maps.Keys(l.set.Values()))
	for by := range used {
		name, _, _ := strings.Cut(by, ".")
		read[name], read[by] = true, true
		if l.set.Values()[name] == nil {
			read[spelling.Nearest(name, names)] = true
		}
	}
	for name, v := range l.set.Values() {
		if !read[name] {
			l.warn("unused", v.Place, "", "no row uses value table "+mapping.Short(name), "remove it, or name it in values: of a row")
		}
	}
}

func (l *linter) fail(check string, at mapping.Place, field, message, hint string) {
	f := at.Fault(mapping.TableFault, message, hint)
	f.Check, f.Field = check, field
	l.report.Findings = append(l.report.Findings, Finding{Error, f})
}

func (l *linter) warn(check string, at mapping.Place, field, message, hint string) {
	l.fail(check, at, field, message, hint)
	l.report.Findings[len(l.report.Findings)-1].Severity = Warning
}

// finish sorts the findings, drops what stands twice, and hides what may be about a person.
func (l *linter) finish() {
	all := l.followed(l.report.Findings)
	for i := range all {
		f := &all[i]
		f.Field, f.Source, f.Message, f.Hint = masked(f.Field), masked(f.Source), masked(f.Message), masked(f.Hint)
	}
	slices.SortStableFunc(all, func(a, b Finding) int {
		return cmp.Or(unreadFirst(a, b), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Check, b.Check), cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message))
	})
	l.report.Findings = slices.CompactFunc(all, func(a, b Finding) bool { return a == b })
}

// followed leaves out what would be right if another finding was put right: no table makes CodeSet, where a table makes CodeSett; a
// field that only one of two tables of the same records gives.
func (l *linter) followed(all []Finding) []Finding {
	type cause struct {
		check string
		at    mapping.Place
	}
	caused, twins := map[cause]bool{}, map[string]bool{}
	for _, t := range l.set.Tables() {
		twin := func(f Finding) bool { return f.Check == "twin" && f.File == t.File }
		twins[t.Object] = twins[t.Object] || slices.ContainsFunc(all, twin)
		for _, w := range t.Rows {
			if w.Ref.Object != "" && w.Ref.Field == "" && slices.ContainsFunc(l.set.Tables(), l.mayMake(w.Ref.Object)) {
				caused[cause{"unmade", l.at(w.Place, "ref")}] = true
			}
		}
	}
	for _, t := range l.set.Tables() {
		caused[cause{"required-field", l.at(t.Place, "object")}] = twins[t.Object]
	}
	return slices.DeleteFunc(all, func(f Finding) bool {
		return caused[cause{f.Check, mapping.Place{File: f.File, Line: f.Line, Column: f.Column}}]
	})
}

// mayMake tells of tables whose object is not said, or misspelt, whether it may be this one.
func (l *linter) mayMake(object string) func(*mapping.Table) bool {
	return func(t *mapping.Table) bool {
		_, known := l.target.Object(t.Object)
		return t.Body == "" && (t.Object == "" || !known && spelling.Nearest(t.Object, []string{object}) != "")
	}
}

// unreadFirst puts files that are not YAML before all others.
func unreadFirst(a, b Finding) int {
	switch {
	case (a.Check == "yaml") == (b.Check == "yaml"):
		return 0
	case a.Check == "yaml":
		return -1
	}
	return 1
}

// Objects names the objects that tables write or point to, sorted: what to describe before Check. Tables with
// faults count as far as they can be read.
func Objects(fsys fs.FS) ([]string, error) {
	set, _, err := mapping.Read(fsys, mapping.Options{})
	if err != nil {
		return nil, err
	}
	var out []string
	for _, t := range set.Tables() {
		out = append(out, t.Object)
		if t.Body == "referral" && t.Target == "" {
			out = append(out, "Account", "ClinicalServiceRequest", "ClinicalServiceRequestDetail", "HealthcareProvider")
		}
		for _, w := range t.Rows {
			out = append(out, w.Ref.Object, w.Lookup.Object)
		}
	}
	slices.Sort(out)
	return slices.DeleteFunc(slices.Compact(out), func(name string) bool { return name == "" }), nil
}

// sourceText is the text of one table file and where its parts stand.
type sourceText struct {
	name    string
	lines   []string
	root    *yaml.Node
	maps    map[[2]int]*yaml.Node // mappings by line and column
	scalars map[[2]int]*yaml.Node
	after   map[[2]int]*yaml.Node // by the place of a key: its value
}

func readSource(name string, src []byte) *sourceText {
	s := &sourceText{name: name, lines: strings.Split(string(src), "\n"), maps: map[[2]int]*yaml.Node{},
		scalars: map[[2]int]*yaml.Node{}, after: map[[2]int]*yaml.Node{}}
	var doc yaml.Node
	if len(src) <= mapping.MaxFile && yaml.Unmarshal(src, &doc) == nil && len(doc.Content) == 1 {
		s.root = doc.Content[0]
		s.index(s.root)
	}
	return s
}

// tableKey is a line of a table that may not be YAML as a whole.
var tableKey = pattern.MustOnce(`^(object|body|values):(\s|$)`)

// table tells whether the text is meant to be a table, or to hold value tables.
func (s *sourceText) table() bool {
	if s.root == nil {
		return slices.ContainsFunc(s.lines, tableKey().MatchString)
	}
	return slices.ContainsFunc([]string{"object", "body", "values"}, func(key string) bool { return memberOf(s.root, key) != nil })
}

func (s *sourceText) index(n *yaml.Node) {
	at := [2]int{n.Line, n.Column}
	switch n.Kind {
	case yaml.ScalarNode:
		s.scalars[at] = n
	case yaml.MappingNode:
		s.maps[at] = n
		for i := 0; i+1 < len(n.Content); i += 2 {
			s.after[[2]int{n.Content[i].Line, n.Content[i].Column}] = n.Content[i+1]
		}
	}
	for _, c := range n.Content {
		s.index(c)
	}
}

// at gives the place of a member's value in the mapping that stands at p, and p where there is none.
func (l *linter) at(p mapping.Place, member string) mapping.Place {
	if n := l.member(p, member); n != nil {
		return mapping.Place{File: p.File, Line: n.Line, Column: n.Column}
	}
	return p
}

// member gives a member of the mapping that stands at p: a row, a key, a whole file at 1:1.
func (l *linter) member(p mapping.Place, member string) *yaml.Node {
	s := l.report.sources[p.File]
	if s == nil {
		return nil
	}
	n := s.maps[[2]int{p.Line, p.Column}]
	if p.Line == 1 && p.Column == 1 {
		n = s.root // where a table keeps its place, whatever comments stand before it
	}
	return memberOf(n, member)
}

// named is member of the mapping behind the key that stands at p: a value table by its name.
func (l *linter) named(p mapping.Place, member string) *yaml.Node {
	return memberOf(l.behind(p), member)
}

// behind gives the value of the key that stands at p.
func (l *linter) behind(p mapping.Place) *yaml.Node {
	s := l.report.sources[p.File]
	if s == nil {
		return nil
	}
	return s.after[[2]int{p.Line, p.Column}]
}

func memberOf(n *yaml.Node, member string) *yaml.Node {
	for i := 0; n != nil && n.Kind == yaml.MappingNode && i+1 < len(n.Content); i += 2 {
		if n.Content[i].Value == member {
			return n.Content[i+1]
		}
	}
	return nil
}
