package mapping

import (
	"embed"
	"encoding/json"
	"fmt"
	"io/fs"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

//go:embed examples/*.json
var starterExamples embed.FS

// Example is an input of invented people whose mapped values stand beside the rules of a Review.
type Example struct {
	Name  string // "A booked two week wait referral of NHS e-RS"
	About string
	Input Input
	// Optional examples are listed only where a row has a value in no earlier one.
	Optional bool
}

// Examples gives the examples that come with refbridge, in the order of their files.
func Examples() ([]Example, error) {
	names, err := fs.Glob(starterExamples, "examples/*.json")
	if err != nil {
		return nil, fmt.Errorf("list the examples: %w", err)
	}
	var out []Example
	for _, name := range names {
		src, err := starterExamples.ReadFile(name)
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

func readExample(src []byte) (Example, error) {
	var file struct {
		Name, About string
		Variables   map[string]string
		Resources   []json.RawMessage
	}
	if err := json.Unmarshal(src, &file); err != nil {
		return Example{}, err
	}
	out := Example{Name: file.Name, About: file.About, Input: Input{Variables: file.Variables,
		Now: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC)}}
	for i, raw := range file.Resources {
		r, err := fhir.Parse(raw)
		if err != nil {
			return out, err
		}
		if i == 0 {
			out.Input.Focus = r
			continue
		}
		out.Input.Related = append(out.Input.Related, r)
	}
	return out, nil
}

// tryExample maps one example and keeps what each row gave first; a value wins over an empty one. used tells whether it
// gave anything that no earlier one did.
func (s *Set) tryExample(e Example, number int, seen map[Place]reviewValue) (view reviewExample, used bool) {
	view = reviewExample{Number: number, Name: e.Name, About: e.About}
	out, err := s.Map(e.Input)
	if err != nil {
		view.Held = err.Error()
		return view, false
	}
	view.Records = len(out.Records) + len(out.Bodies)
	keep := func(r Rule, v sobject.Value) {
		at := Place{File: r.File, Line: r.Line}
		if have, ok := seen[at]; !ok || have.Text == "" && !v.IsNull() {
			used = true
			seen[at] = reviewValue{Text: exampleText(v), Was: valueBefore(r.Element(), v), Example: number}
		}
	}
	for _, m := range out.Records {
		keep(m.Key, sobject.TextValue(m.Record.Key.Value))
		for i, f := range m.Record.Fields {
			keep(m.Rules[i], f.Value)
		}
	}
	for _, b := range out.Bodies {
		for _, v := range b.Values {
			keep(v.Rule, v.Value)
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
