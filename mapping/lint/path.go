package lint

import (
	"errors"
	"fmt"
	"maps"
	"slices"

	"refbridge/config/pattern"
	"refbridge/config/spelling"
	"refbridge/fhir/fhirpath"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// paths checks every path of a table that can be read, and gives the ways of its named values.
func (l *linter) paths(t *mapping.Table) *expander {
	e := newExpander(t)
	var refused *fhirpath.Error
	if _, err := fhirpath.Compile(t.Source); t.Source != "" && errors.As(err, &refused) {
		l.fail("unknown-element", l.at(t.Place, "source"), "", refused.Message, refused.Hint)
	}
	l.path(e, t.ForEach)
	for _, s := range t.Lets {
		l.source(e, &s.Source)
	}
	l.source(e, &t.Key.Source)
	l.condition(e, t.When)
	for _, w := range t.Rows {
		l.source(e, &w.Source)
		l.condition(e, w.When)
	}
	for _, d := range t.Drops {
		l.path(e, d.Path)
	}
	l.unusedLets(t)
	return e
}

// variable finds the variables of a path, beside its texts and comments.
var variable = pattern.MustOnce(`(?s)'(?:[^'\\]|\\.)*'|//[^\n]*|/\*.*?\*/|%(\w+)`)

// unusedLets looks at every text of the file, as a path with a fault reads its names too.
func (l *linter) unusedLets(t *mapping.Table) {
	read := map[string]bool{}
	if s := l.report.sources[t.File]; s != nil {
		for _, n := range s.scalars {
			for _, m := range variable().FindAllStringSubmatch(n.Value, -1) {
				read[m[1]] = true
			}
		}
	}
	names := make([]string, len(t.Lets))
	for i, s := range t.Lets {
		names[i] = s.Name
	}
	for name := range maps.Clone(read) {
		if name != "" && !slices.Contains(names, name) {
			read[spelling.Nearest(name, names)] = true // it is misspelt where it is read
		}
	}
	for _, s := range t.Lets {
		if !read[s.Name] {
			l.warn("unused", s.Place, "", fmt.Sprintf("nothing reads %%%s", mapping.Short(s.Name)), "remove it")
		}
	}
}

func (l *linter) source(e *expander, s *mapping.Source) {
	for _, p := range s.Paths {
		l.path(e, p)
	}
}

// condition checks a when. What is no boolean counts as true wherever it is there, and rarely means that.
func (l *linter) condition(e *expander, p *mapping.Path) {
	if p == nil {
		return
	}
	l.path(e, p)
	if typ := p.Expr.Known().Type(); typ != "" && kindOf(typ) != sobject.Bool {
		l.warn("wrong-type", p.Place, "", fmt.Sprintf("the condition gives %s: it holds wherever there is one", withArticle(typ)), "write .exists(), or compare it")
	}
}

func (l *linter) path(e *expander, p *mapping.Path) {
	if p == nil {
		return
	}
	if !e.own() {
		l.extensions(e, p)
	}
	l.compared(e, p)
}

// inside gives the place in the file of a line and column of the text that stands at p.
func (l *linter) inside(p mapping.Place, line, column int) mapping.Place {
	s := l.report.sources[p.File]
	if s == nil || s.scalars[[2]int{p.Line, p.Column}] == nil {
		return p
	}
	r := mapping.Reader{File: p.File, Lines: s.lines}
	return r.Inside(s.scalars[[2]int{p.Line, p.Column}], line, column)
}
