package review

import (
	"slices"
	"strings"
)

// fieldKind is the kind of a statement that is a row.
const fieldKind = "field"

// statements gives everything that a table says, each part by itself.
func (t *table) statements() []statement {
	out := []statement{{kind: "record", name: t.Object, place: t.File, mark: &t.Key.Mark, aspects: said(
		aspect{"What it is", t.Purpose}, aspect{"Target", t.Target}, aspect{"From", t.Source}, aspect{"Shared by", t.Shared}, aspect{"Names its patients by", t.Patient.said()}, aspect{"Made for each", t.Each.said()}, aspect{"Only when", t.When.said()}, aspect{"At most", t.Limit},
		aspect{"External ID", strings.TrimSpace(t.Key.Field + " " + pathsSaid(t.Key.From))}, aspect{"Rule", strings.Join(t.Key.Steps, "; ")},
		aspect{"Why this External ID", t.Key.Purpose})}}
	for i := range t.Lets {
		out = append(out, t.Lets[i].statement())
	}
	for i := range t.Rows {
		out = append(out, t.Rows[i].statement())
	}
	for i := range t.Drops {
		d := &t.Drops[i]
		out = append(out, statement{kind: "left out", name: d.Path.Text, place: d.Place, mark: &d.Mark,
			aspects: said(aspect{"What it is", d.Path.Words}, aspect{"Why", d.Purpose})})
	}
	for i := range t.Gone {
		g := &t.Gone[i]
		out = append(out, statement{kind: "when the source no longer has it", name: g.Field, place: g.Place, mark: &g.Mark,
			aspects: said(aspect{"Becomes", g.To}, aspect{"Only if it is", g.Only}, aspect{"Why", g.Purpose})})
	}
	for i := range t.Back {
		out = append(out, t.Back[i].statement())
	}
	return out
}

func (l *let) statement() statement {
	return statement{kind: "named value", name: "%" + l.Name, place: l.Place, mark: &l.Mark, aspects: said(
		aspect{"Made from", pathsSaid(l.From)}, aspect{"Rule", strings.Join(l.Steps, "; ")}, aspect{"Translated by", l.Values},
		aspect{"Why", l.Purpose})}
}

func (r *row) statement() statement {
	must := ""
	if r.Required {
		must = "must have a value"
	}
	return statement{kind: fieldKind, name: r.Field, place: r.Place, mark: &r.Mark, aspects: said(
		aspect{"Only when", r.When.said()}, aspect{"Made from", pathsSaid(r.From)}, aspect{"Rule", strings.Join(slices.Concat(r.Steps, r.Rules), "; ")},
		aspect{"Translated by", r.Values}, aspect{"Required", must}, aspect{"Who decides", r.Owner}, aspect{"Why", r.Purpose},
		aspect{exampleLabel, r.Example.Shown()})}
}

func (b *back) statement() statement {
	return statement{kind: "the way back", name: b.When, place: b.Place, mark: &b.Mark, aspects: said(
		aspect{"While, at the last sync", b.While}, aspect{"Then", b.Source + ": " + b.Action}, aspect{"With", strings.Join(b.Parameters, "; ")},
		aspect{"Why", b.Purpose})}
}

// fileStatements gives what the files of value tables are for.
func fileStatements(files []valueFile) []statement {
	var out []statement
	for i := range files {
		f := &files[i]
		out = append(out, statement{kind: "file of value tables", name: f.Name, place: f.Name, mark: &f.Mark,
			aspects: said(aspect{"What it is", f.Purpose})})
	}
	return out
}

// valueStatements gives what the value tables say: each as a whole, and each code.
func valueStatements(values []valueTable) []statement {
	var out []statement
	for i := range values {
		v := &values[i]
		out = append(out, statement{kind: "value table", name: v.Name, place: v.Place, mark: &v.Mark,
			aspects: said(aspect{"What it is", v.Purpose}, aspect{"Not listed", v.Unlisted})})
		for j := range v.Codes {
			c := &v.Codes[j]
			out = append(out, statement{kind: "code of " + v.Name, name: c.Code, place: c.Place, mark: &c.Mark,
				aspects: said(aspect{"Becomes", c.To}, aspect{"Note", c.Purpose}, aspect{"System", c.System})})
		}
	}
	return out
}
