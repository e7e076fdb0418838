package review

import (
	"slices"
	"strings"
)

// mark says how a part of the tables differs from the base; empty: it does not.
type mark string

const (
	isNew      mark = "new"
	isChanged  mark = "changed"
	isAffected mark = "other value" // the rule is the same, and gives another value in an example
	isGone     mark = "gone"
)

// changes are what differs from other tables.
type changes struct {
	Hash, Now                    string // of the base, of these tables
	Parts                        []changedPart
	New, Changed, Affected, Gone int
}

// changedPart is a table or the value tables, with what differs in it.
type changedPart struct {
	ID, Title string
	Lines     []changedLine
}

type changedLine struct {
	Kind, Name, Place string
	Mark              mark
	Was, Now          []aspect
}

// aspect is one thing that the tables say of a part: "Made from", "status".
type aspect struct{ Label, Text string }

// statement is a part of the tables that is new, changed or gone as a whole.
type statement struct {
	kind, name, place string
	aspects           []aspect // with a text
	mark              *mark    // of the view behind it
}

// exampleLabel is the aspect that is no rule.
const exampleLabel = "Example"

// compare marks what differs from the base, and lists it.
func (r *Review) compare(base Review) {
	r.Changes = &changes{Hash: base.Hash, Now: r.Hash}
	for i := range r.Tables {
		t := &r.Tables[i]
		var before []statement
		at := slices.IndexFunc(base.Tables, t.was)
		if at >= 0 {
			before = base.Tables[at].statements()
		}
		r.Changes.add(changedPart{ID: t.ID, Title: t.Title}, before, t.statements())
		if at >= 0 {
			t.keepGone(base.Tables[at])
		}
	}
	for i := range base.Tables {
		if t := &base.Tables[i]; !slices.ContainsFunc(r.Tables, func(o table) bool { return o.was(*t) }) {
			r.Changes.add(changedPart{Title: t.Title}, t.statements(), nil)
		}
	}
	r.Changes.add(changedPart{ID: "values", Title: "Value tables"},
		slices.Concat(fileStatements(base.Lists), valueStatements(base.Values)), slices.Concat(fileStatements(r.Lists), valueStatements(r.Values)))
	for i := range r.Values {
		r.Values[i].keepGone(base.Values)
	}
}

// was tells whether a table of the base is this one.
func (t table) was(base table) bool { return t.ID == base.ID && t.Object == base.Object }

// keepGone shows the rows that are gone below those that are there.
func (t *table) keepGone(base table) {
	for _, w := range base.Rows {
		if w.Mark == isGone {
			w.Place = formerly(w.Place)
			t.Rows = append(t.Rows, w)
		}
	}
}

func (v *valueTable) keepGone(base []valueTable) {
	at := slices.IndexFunc(base, func(o valueTable) bool { return o.Name == v.Name })
	if at < 0 {
		return
	}
	for _, c := range base[at].Codes {
		if c.Mark == isGone {
			v.Codes = append(v.Codes, c)
		}
	}
}

// add compares the statements of a part before and after.
func (c *changes) add(p changedPart, before, after []statement) {
	pairs := paired(before, after)
	for i, now := range after {
		if pairs[i] < 0 {
			p.Lines = append(p.Lines, now.line(isNew, nil, now.aspects))
			continue
		}
		was, is := differing(before[pairs[i]].aspects, now.aspects)
		if overtaken(pairs, after, i) {
			was, is = append(was, aspect{"Order", "tried later"}), append(is, aspect{"Order", "tried first"})
		}
		if len(was)+len(is) > 0 {
			p.Lines = append(p.Lines, now.line(markOf(was, is), was, is))
		}
	}
	for i, was := range before {
		if !slices.Contains(pairs, i) {
			p.Lines = append(p.Lines, was.line(isGone, was.aspects, nil))
		}
	}
	if len(p.Lines) == 0 {
		return
	}
	c.Parts = append(c.Parts, p)
	for _, l := range p.Lines {
		*map[mark]*int{isNew: &c.New, isChanged: &c.Changed, isAffected: &c.Affected, isGone: &c.Gone}[l.Mark]++
	}
}

func (s statement) line(m mark, was, now []aspect) changedLine {
	*s.mark = m
	if m == isGone {
		s.place = formerly(s.place)
	}
	return changedLine{Kind: s.kind, Name: s.name, Place: s.place, Mark: m, Was: was, Now: now}
}

// formerly gives a place in the base.
func formerly(place string) string { return "was " + place }

func markOf(was, is []aspect) mark {
	for _, a := range slices.Concat(was, is) {
		if a.Label != exampleLabel {
			return isChanged
		}
	}
	return isAffected
}

func (s statement) same(o statement) bool { return s.kind == o.kind && s.name == o.name }

// paired gives for each statement the one that it was before, -1 where it is new. Among several for one field those that say
// the same belong together, then the others in their order.
func paired(before, after []statement) []int {
	out, taken := slices.Repeat([]int{-1}, len(after)), map[int]bool{}
	find := func(fits func(was, now statement) bool) {
		for i, now := range after {
			for j, was := range before {
				if out[i] < 0 && !taken[j] && was.same(now) && fits(was, now) {
					out[i], taken[j] = j, true
				}
			}
		}
	}
	find(func(was, now statement) bool { return slices.Equal(was.aspects, now.aspects) })
	find(func(statement, statement) bool { return true })
	return out
}

// overtaken tells whether a row stood below another row for the same field that now stands below it: the first that
// applies wins.
func overtaken(pairs []int, after []statement, i int) bool {
	for j := i + 1; j < len(after); j++ {
		if after[j].kind == fieldKind && after[j].same(after[i]) && pairs[j] >= 0 && pairs[j] < pairs[i] {
			return true
		}
	}
	return false
}

// differing gives the aspects that are not the same in both.
func differing(was, is []aspect) (before, now []aspect) {
	for _, a := range was {
		if !slices.Contains(is, a) {
			before = append(before, a)
		}
	}
	for _, a := range is {
		if !slices.Contains(was, a) {
			now = append(now, a)
		}
	}
	return before, now
}

// said gives the aspects that have a text.
func said(aspects ...aspect) []aspect {
	return slices.DeleteFunc(aspects, func(a aspect) bool { return a.Text == "" })
}

func (p *path) said() string {
	switch {
	case p == nil:
		return ""
	case p.Words == "":
		return p.Text
	}
	return p.Text + " (" + p.Words + ")"
}

func pathsSaid(paths []path) string {
	var out []string
	for i := range paths {
		out = append(out, paths[i].said())
	}
	return strings.Join(out, "; where that has none, ")
}
