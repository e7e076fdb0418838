package review

import (
	"cmp"
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

//go:embed examples/*.json
var shipped embed.FS

// Example is a record of invented people whose mapped values stand beside the rules of a Review.
type Example struct {
	Title string // "A booked two week wait referral of NHS e-RS"
	About string
	mapping.Sample
	// Optional examples are listed only where a row has a value in no earlier one.
	Optional bool
}

// Examples gives the examples that come with refbridge, in the order of their files.
func Examples() ([]Example, error) {
	names, err := fs.Glob(shipped, "examples/*.json")
	if err != nil {
		return nil, fmt.Errorf("list the examples: %w", err)
	}
	var out []Example
	for _, name := range names {
		src, err := shipped.ReadFile(name)
		if err != nil {
			return nil, fmt.Errorf("read example %s: %w", name, err)
		}
		e, err := readExample(src)
		if err != nil {
			return nil, fmt.Errorf("read example %s: %w", name, err)
		}
		out = append(out, e)
	}
	return out, nil
}

// readExample reads a file of an example: the first of its resources is mapped, the others are related to it.
func readExample(src []byte) (Example, error) {
	var file struct {
		Name, About string
		Variables   map[string]string
		Resources   []json.RawMessage
	}
	if err := json.Unmarshal(src, &file); err != nil {
		return Example{}, err
	}
	out := Example{Title: file.Name, About: file.About}
	out.Variables, out.Now = file.Variables, time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)
	for i, raw := range file.Resources {
		r, err := fhir.Parse(raw)
		if err != nil {
			return out, err
		}
		if i == 0 {
			out.Focus = []fhir.Resource{r}
			continue
		}
		out.Related = append(out.Related, r)
	}
	return out, nil
}

// shownValues are what each row gave, by the place of the row.
type shownValues map[string]shownValue

func (seen shownValues) at(p mapping.Place) shownValue { return seen[p.FileLine()] }

// try maps one example and keeps what each row gave first; a value wins over an empty one. used tells whether it gave
// anything that no earlier one did.
func (seen shownValues) try(s *mapping.Set, e Example, number int) (view example, used bool) {
	view = example{Number: number, Name: e.Title, About: e.About}
	records, faults := s.MapAll(e.Sample)
	if len(faults) > 0 {
		view.Held = faults.Error()
		return view, false
	}
	view.Records = len(records)
	names := namesOf(records)
	keep := func(r mapping.Rule, v sobject.Value) {
		at := r.FileLine()
		if have, ok := seen[at]; !ok || have.Text == "" && !v.IsNull() {
			used = true
			value := shown(r, v, names)
			value.Example = number
			seen[at] = value
		}
	}
	for _, m := range records {
		if m.Key.File != "" { // a body has no key
			keep(m.Key, sobject.TextValue(m.Record.Key.Value))
		}
		for i, f := range m.Record.Fields {
			keep(m.Rules[i], f.Value)
		}
	}
	return view, used
}

// target is a record that others point to.
type target struct{ object, key string }

// namesOf gives the names of the records that have one, so that what points to them can be read.
func namesOf(records []mapping.Mapped) map[target]string {
	out := map[target]string{}
	for _, m := range records {
		if name, ok := m.Record.Get("Name"); ok {
			out[target{m.Record.Object, m.Record.Key.Value}] = name.Reveal()
		}
	}
	return out
}

// shown gives a value with what it was made from.
func shown(r mapping.Rule, v sobject.Value, names map[target]string) shownValue {
	out := shownValue{Text: exampleText(v, names), Path: r.SourcePath()}
	n := r.Element()
	if coding := n.Get("coding").At(0); coding.Exists() {
		n = coding
	}
	if code := n.Get("code"); code.Exists() {
		out.Term, n = n.Get("display").Text(), code
	}
	if n.Kind() == fhir.Object || v.IsNull() || n.Text() == v.Reveal() || n.Text() == v.LookupKey() {
		out.Term = ""
		return out
	}
	out.Was = n.Text()
	return out
}

// Shown gives the value with what it was made from; empty where no example reaches the row.
func (v shownValue) Shown() string {
	if v.Example == 0 {
		return ""
	}
	text := cmp.Or(v.Text, "(empty)")
	switch {
	case v.Was == "":
		return text
	case v.Term == "":
		return v.Was + " becomes " + text
	}
	return v.Was + " “" + v.Term + "” becomes " + text
}

// exampleText gives a value as a person reads it; keys that are hashes are cut.
func exampleText(v sobject.Value, names map[target]string) string {
	switch v.Kind() {
	case sobject.Null:
		return ""
	case sobject.Ref:
		if name := names[target{v.To().Object, v.Key()}]; name != "" {
			return "the " + v.To().Object + " “" + name + "”"
		}
		return "the " + v.To().Object + " " + shortKey(v.Key())
	case sobject.Lookup:
		return "the " + v.To().Object + " with " + lookupWords(v.To()) + " " + v.LookupKey()
	case sobject.DateTime:
		return strings.TrimSuffix(strings.TrimSuffix(strings.Replace(v.Reveal(), "T", " ", 1), ".000Z"), ":00") + " UTC"
	case sobject.Bool:
		return plainConstant(v)
	}
	return shortKey(v.Reveal())
}

// shortKey cuts what is 40 hexadecimal digits: a key made of a code.
func shortKey(s string) string {
	if len(s) == 40 && strings.Trim(s, "0123456789abcdef") == "" {
		return s[:8] + "…"
	}
	return s
}
