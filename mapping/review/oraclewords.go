package review

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// outside is what the page says of the outside documents as a whole.
type outside struct {
	Agree, Differ, None int
	Rows                []outsideRow // those that do not agree
	Pages               []named      // Words: where the page is
}

type outsideRow struct{ Set, Code, Target, Ours, Oracle, Verdict, Why, Page string }

// compareOutside puts what outside documents say beside the rows, the codes and what is left out.
func (r *Review) compareOutside(o Oracles) {
	for i := range r.Tables {
		o.besideTable(&r.Tables[i])
	}
	for i := range r.Values {
		o.besideCodes(&r.Values[i])
	}
	sum := outside{}
	for _, name := range slices.Sorted(maps.Keys(o.Pages)) {
		sum.Pages = append(sum.Pages, named{Name: name, Words: o.Pages[name], ID: "page-" + name})
	}
	groups := map[outsideRow]int{}
	for _, w := range o.Rows {
		*map[string]*int{Agrees: &sum.Agree, Differs: &sum.Differ, NoOracle: &sum.None}[w.Verdict]++
		if w.Verdict != Agrees {
			sum.add(w, groups)
		}
	}
	r.Outside = &sum
}

// add lists a row that does not agree; codes of a set of which the same is said share a line.
func (s *outside) add(w OracleRow, groups map[outsideRow]int) {
	row := outsideRow{Set: w.Set, Target: w.Target, Ours: w.Ours, Oracle: w.Oracle, Verdict: w.Verdict, Why: w.Why, Page: w.pages()}
	if row.Ours == w.Code {
		row.Ours = "the code"
	}
	if at, ok := groups[row]; ok {
		s.Rows[at].Code += ", " + w.Code
		return
	}
	groups[row] = len(s.Rows)
	row.Code = w.Code
	s.Rows = append(s.Rows, row)
}

// besideCodes puts the verdict beside each code of a value table.
func (o Oracles) besideCodes(v *valueTable) {
	for i := range v.Codes {
		c := &v.Codes[i]
		for _, w := range o.Rows {
			set := o.set(w.Set)
			coded := w.Code == c.Code && set.System == c.System && slices.Contains(v.UsedBy, w.Target)
			back := w.Code == c.Code && w.Target == v.Name
			if coded || back {
				c.Outside = appendNew(c.Outside, w.words(c.value))
			}
		}
		v.Notes = v.Notes || len(c.Outside) > 0
	}
}

// besideTable puts the verdicts of elements beside the rows that they fill and what is left out, and those of codes that no value
// table translates beside the row that carries them.
func (o Oracles) besideTable(t *table) {
	for i := range t.Rows {
		if w := &t.Rows[i]; w.Values == "" {
			w.Outside = o.carried(t.Object + "." + w.Field)
		}
	}
	for _, r := range o.Rows {
		if r.Target != oracleFields || o.set(r.Set).Object != t.Object {
			continue
		}
		said := r.Set + "." + r.Code + ": " + r.words(r.Ours)
		for i := range t.Rows {
			if w := &t.Rows[i]; slices.Contains(strings.Split(r.Ours, ", "), w.Field) && readsElement(w, r.Code) {
				w.Outside = appendNew(w.Outside, said)
			}
		}
		for i := range t.Drops {
			if d := &t.Drops[i]; r.Ours == "left out" && dropsElement(d.Path.Text, r.Code) {
				d.Outside = appendNew(d.Outside, said)
			}
		}
	}
}

// readsElement reports whether a path of a row names an element: of a choice, by the name before its types.
func readsElement(w *row, element string) bool {
	for _, p := range w.From {
		for name := range strings.FieldsFuncSeq(p.Text, func(c rune) bool { return !isWord(c) }) {
			if rest, ok := strings.CutPrefix(element, name); ok && (rest == "" || isChoice(name)) {
				return true
			}
		}
	}
	return slices.ContainsFunc(w.Names, func(n named) bool { return strings.Contains(strings.ToLower(n.Words), strings.ToLower(element)) })
}

func isWord(c rune) bool {
	return c == '_' || c >= 'a' && c <= 'z' || c >= 'A' && c <= 'Z' || c >= '0' && c <= '9'
}

// carried says of each set whose codes a field carries how many agree, and what is said of the others.
func (o Oracles) carried(field string) []string {
	var out []string
	for _, set := range o.Sets {
		if !slices.Contains(set.Targets, field) {
			continue
		}
		counts, pages := map[string]int{}, []string(nil)
		for _, r := range o.Rows {
			if r.Set == set.Name && r.Target == field {
				counts[r.Verdict]++
				pages = appendNew(pages, r.pages())
			}
		}
		var said []string
		for _, verdict := range []string{Agrees, Differs, NoOracle} {
			if n := counts[verdict]; n > 0 {
				said = append(said, fmt.Sprintf("%d %s", n, map[string]string{Agrees: "agree", Differs: "differ", NoOracle: "without an outside document"}[verdict]))
			}
		}
		out = append(out, fmt.Sprintf("%s, %d codes: %s (%s)", set.Name, len(set.Codes), strings.Join(said, ", "), strings.Join(pages, ", ")))
	}
	return out
}

func appendNew(list []string, s string) []string {
	if slices.Contains(list, s) {
		return list
	}
	return append(list, s)
}
