package lint

import (
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/config/spelling"
	"refbridge/fhir/fhirpath"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// view knows from where the paths of a table start, so that fhirpath can check their elements: it refuses
// ServiceRequest.select(statsu), where statsu alone could be an element of anything.
type view struct {
	start string            // a path of the type of the current element; empty where that is not known
	stand map[string]string // named values: a text of the same type to put in their place
	names []string          // every variable
	lets  map[string]string // named values that are an element as it is: their path
	own   bool              // the tables are for a target of its own, and their source need not be e-RS
	sets  *codeSets
	ways  *expander
	used  map[string]bool // notes the variables of what is rewritten; nil: does not
}

// typeOf gives the type of what a path gives: "CodeableConcept", "code", "System.String"; empty where it is not known
// or one of several.
func (v *view) typeOf(src string) string {
	if v.start == "" {
		return ""
	}
	text, _ := v.rewritten(src)
	expr, err := fhirpath.Compile(v.within(text), v.names...)
	if err != nil {
		return ""
	}
	return expr.Known().Type()
}

// within gives the path from the start; the line feed ends a comment of the author's.
func (v *view) within(text string) string { return v.start + ".select(" + text + "\n)" }

// rewritten puts stand-ins for variables, and for each character where it stood in src.
func (v *view) rewritten(src string) (string, []int) {
	in := []rune(src)
	var out []rune
	var origin []int
	keep := func(from, to int) {
		for i := from; i < to; i++ {
			out, origin = append(out, in[i]), append(origin, i)
		}
	}
	for i := 0; i < len(in); {
		end := skipText(in, i)
		if end > i {
			keep(i, end)
			i = end
			continue
		}
		end = i + 1
		for in[i] == '%' && end < len(in) && (in[end] == '_' || in[end] < 128 && letterOrDigit(byte(in[end]))) {
			end++
		}
		name := string(in[i+1 : end])
		if stand := v.stand[name]; stand != "" {
			for range stand {
				origin = append(origin, i)
			}
			out = append(out, []rune(stand)...)
		} else {
			keep(i, end)
		}
		if in[i] == '%' && v.used != nil {
			v.used[name] = true
		}
		i = end
	}
	return string(out), origin
}

func letterOrDigit(b byte) bool {
	return b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' || b >= '0' && b <= '9'
}

// skipText gives the end of the quoted text or comment that begins at i, and i where none does.
func skipText(in []rune, i int) int {
	rest := string(in[i:min(i+2, len(in))])
	quote := in[i]
	switch {
	case rest == "//":
		for i < len(in) && in[i] != '\n' {
			i++
		}
	case rest == "/*":
		for i += 2; i < len(in) && !(in[i-1] == '*' && in[i] == '/'); i++ {
		}
		return min(i+1, len(in))
	case quote == '\'' || quote == '`':
		for i++; i < len(in) && in[i] != quote; i++ {
			if in[i] == '\\' {
				i++
			}
		}
		return min(i+1, len(in))
	}
	return i
}

// standIn gives a text of a type that compiles in the place of a variable; empty where the type is not known.
func standIn(typ string) string {
	switch typ {
	case "System.String":
		return "''"
	case "System.Boolean":
		return "true"
	case "System.Integer":
		return "1"
	}
	if typ == "" || strings.Contains(typ, ".") || typ[0] < 'A' || typ[0] > 'Z' {
		return ""
	}
	return typ
}

// sourcePaths checks every path of a table against the elements of its source, and gives the view of its rows.
func (l *linter) sourcePaths(t *mapping.Table) *view {
	v := &view{names: mapping.BuiltIn(), lets: map[string]string{}, stand: map[string]string{"resource": standIn(t.Source)}, own: t.Target != "",
		sets: l.sets, ways: newExpander(t)}
	if t.Source != "" {
		v.start = t.Source
		var refused *fhirpath.Error
		if _, err := fhirpath.Compile(t.Source); errors.As(err, &refused) {
			v.start = ""
			l.fail("unknown-element", l.at(t.Place, "source"), "", refused.Message, refused.Hint)
		}
	}
	if t.ForEach != nil {
		l.path(v, t.ForEach)
		v.start = v.each(l.text(t.ForEach))
	}
	for _, s := range t.Lets {
		l.source(v, &s.Source)
		v.names = append(v.names, s.Name)
		v.stand[s.Name] = v.letStandIn(&s, l)
		if len(s.Paths) == 1 && len(s.Transforms) == 0 && s.ValuesName == "" {
			v.lets[s.Name] = l.text(s.Paths[0])
		}
	}
	l.source(v, &t.Key.Source)
	l.condition(v, t.When)
	v.names = append(v.names, t.Results()...)
	for _, w := range t.Rows {
		l.source(v, &w.Source)
		l.condition(v, w.When)
	}
	for _, d := range t.Drops {
		l.path(v, d.Path)
	}
	l.unusedLets(t)
	return v
}

// each gives the start of the rows under a forEach.
func (v *view) each(src string) string {
	if typ := standIn(v.typeOf(src)); typ != "" {
		return typ
	}
	text, _ := v.rewritten(src)
	if _, err := fhirpath.Compile(v.within(text), v.names...); err != nil || v.start == "" {
		return ""
	}
	return v.within(text)
}

func (v *view) letStandIn(s *mapping.Let, l *linter) string {
	if s.ValuesName != "" {
		return ""
	}
	if len(s.Transforms) > 0 {
		return standIn("System.String")
	}
	if len(s.Paths) != 1 {
		return ""
	}
	return standIn(v.typeOf(l.text(s.Paths[0])))
}

// unusedLets looks at every text of the file, as a path with a fault reads its names too.
func (l *linter) unusedLets(t *mapping.Table) {
	read := map[string]bool{}
	if s := l.report.sources[t.File]; s != nil {
		for _, n := range s.scalars {
			for _, name := range variablesOf(n.Value) {
				read[name] = true
			}
		}
	}
	names := make([]string, len(t.Lets))
	for i, s := range t.Lets {
		names[i] = s.Name
	}
	for name := range maps.Clone(read) {
		if !slices.Contains(names, name) {
			read[spelling.Nearest(name, names)] = true // it is misspelt where it is read
		}
	}
	for _, s := range t.Lets {
		if !read[s.Name] {
			l.warn("unused", s.Place, "", fmt.Sprintf("nothing reads %%%s", mapping.Short(s.Name)), "remove it")
		}
	}
}

// variablesOf gives the names of the variables that a path reads.
func variablesOf(src string) []string {
	v := view{used: map[string]bool{}}
	v.rewritten(src)
	return slices.Collect(maps.Keys(v.used))
}

func (l *linter) source(v *view, s *mapping.Source) {
	for _, p := range s.Paths {
		l.path(v, p)
	}
}

// condition checks a when. What is no boolean counts as true wherever it is there, and rarely means that.
func (l *linter) condition(v *view, p *mapping.Path) {
	if p == nil {
		return
	}
	l.path(v, p)
	if typ := v.typeOf(l.text(p)); typ != "" && kindOf(typ) != sobject.Bool {
		l.warn("wrong-type", p.Place, "", fmt.Sprintf("the condition gives %s: it holds wherever there is one", withArticle(typ)), "write .exists(), or compare it")
	}
}

// text gives a path as it was written; the place of a fault counts from there.
func (l *linter) text(p *mapping.Path) string {
	if n := l.scalar(p.Place); n != nil {
		return n.Value
	}
	return p.Text
}

func (l *linter) scalar(p mapping.Place) *yaml.Node {
	s := l.report.sources[p.File]
	if s == nil {
		return nil
	}
	return s.scalars[[2]int{p.Line, p.Column}]
}

// path checks the elements of one path. Load has compiled it already, from an unknown start.
func (l *linter) path(v *view, p *mapping.Path) {
	if p == nil {
		return
	}
	src := l.text(p)
	text, origin := v.rewritten(src)
	if !v.own {
		l.extensions(v, p)
	}
	if v.start == "" {
		return
	}
	l.compared(v, p)
	whole := v.within(text)
	_, err := fhirpath.Compile(whole, v.names...)
	var refused *fhirpath.Error
	if !errors.As(err, &refused) {
		return
	}
	at := offsetOf(whole, refused.Line, refused.Column) - len([]rune(v.start+".select("))
	if at < 0 || at >= len(origin) {
		return // about what was put around the path, for example its length
	}
	fault := l.inside(p.Place, src, origin[at]).Fault(mapping.TableFault, refused.Message, refused.Hint)
	fault.Check, fault.Source = "path", p.Text
	if refused.Element != "" {
		fault.Check = "unknown-element"
	}
	l.report.Findings = append(l.report.Findings, Finding{Error, fault})
}

// offsetOf turns line and column, from 1, into an offset in characters.
func offsetOf(text string, line, column int) int {
	at := 0
	for i, s := range strings.SplitAfter(text, "\n") {
		if i == line-1 {
			return at + column - 1
		}
		at += len([]rune(s))
	}
	return at
}

// inside gives the place in the file of a character of a path, also in a text that is folded (>-).
func (l *linter) inside(p mapping.Place, src string, at int) mapping.Place {
	n, s := l.scalar(p), l.report.sources[p.File]
	if n == nil {
		return p
	}
	if n.Style&yaml.FoldedStyle != 0 {
		return s.folded(p, at)
	}
	lines := strings.Split(string([]rune(src)[:min(at, len([]rune(src)))]), "\n")
	r := mapping.Reader{File: p.File, Lines: s.lines}
	return r.Inside(n, len(lines), len([]rune(lines[len(lines)-1]))+1)
}

// folded walks the lines of a folded text: each but the last gives its characters and one space.
func (s *sourceText) folded(p mapping.Place, at int) mapping.Place {
	r := mapping.Reader{File: p.File, Lines: s.lines}
	indent := r.Indent(p.Line)
	for line := p.Line; line < len(s.lines); line++ {
		have := len([]rune(s.lines[line])) - indent
		if at <= have {
			return mapping.Place{File: p.File, Line: line + 1, Column: indent + at + 1}
		}
		at -= max(have, 0) + 1
	}
	return p
}
