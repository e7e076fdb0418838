package review

import (
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

// try maps one example and keeps what each row gave first; a value wins over an empty one. used tells whether it gave
// anything that no earlier one did.
func try(s *mapping.Set, e Example, number int, seen map[mapping.Place]shownValue) (view example, used bool) {
	view = example{Number: number, Name: e.Title, About: e.About}
	records, faults := s.MapAll(e.Sample)
	if len(faults) > 0 {
		view.Held = faults.Error()
		return view, false
	}
	view.Records = len(records)
	keep := func(r mapping.Rule, v sobject.Value) {
		at := mapping.Place{File: r.File, Line: r.Line}
		if have, ok := seen[at]; !ok || have.Text == "" && !v.IsNull() {
			used = true
			seen[at] = shownValue{Text: exampleText(v), Was: valueBefore(r.Element(), v), Example: number}
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

// valueBefore gives what stood in the resource where the value came from, if that was one text and another one.
func valueBefore(n fhir.Node, v sobject.Value) string {
	if coding := n.Get("coding").At(0); coding.Exists() {
		n = coding
	}
	if code := n.Get("code"); code.Exists() {
		n = code
	}
	if n.Kind() == fhir.Object || v.IsNull() || n.Text() == v.Reveal() || n.Text() == v.LookupKey() {
		return ""
	}
	return n.Text()
}

// exampleText gives a value as a person reads it; keys that are hashes are cut.
func exampleText(v sobject.Value) string {
	switch v.Kind() {
	case sobject.Null:
		return ""
	case sobject.Ref:
		return "the " + v.To().Object + " " + shortKey(v.Key())
	case sobject.Lookup:
		return "the " + v.To().Object + " with " + v.LookupKey()
	case sobject.DateTime:
		return strings.TrimSuffix(strings.TrimSuffix(strings.Replace(v.Reveal(), "T", " ", 1), ".000Z"), ":00") + " UTC"
	case sobject.Bool:
		return map[string]string{"true": "yes (ticked)", "false": "no (not ticked)"}[v.Reveal()]
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
