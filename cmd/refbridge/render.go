package main

import (
	"encoding/json"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"refbridge/bridge"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

func (p printer) mark(action bridge.Action) string {
	switch action {
	case bridge.Create:
		return p.paint("32", "+")
	case bridge.Update:
		return p.paint("33", "~")
	}
	return "="
}

func (p printer) step(s *bridge.Step) {
	fmt.Fprintf(p.w, "%s  %s\n", s.Work.Ref, p.paint("1", s.Outcome()))
	for _, w := range slices.Concat(s.Ahead, s.Writes) {
		p.write(w)
	}
	if s.Reason.Code != "" {
		p.reason(s)
	}
	fmt.Fprintln(p.w)
}

func (p printer) reason(s *bridge.Step) {
	fmt.Fprintf(p.w, "  %s %s\n", p.paint("31", "!"), wrap(s.Reason.Text+" ["+s.Reason.Code+"]", 4))
	if s.Reason.Field != "" || s.Reason.Rule != "" {
		fmt.Fprintf(p.w, "    %s\n", strings.TrimSpace(s.Reason.Field+" "+s.Reason.Rule))
	}
	if s.Reason.Detail != "" {
		fmt.Fprintf(p.w, "    %s\n", wrap(oneLine(s.Reason.Detail.Reveal()), 4))
	}
}

func (p printer) write(w *bridge.Write) {
	if len(w.Fields) == 0 && w.Action != bridge.Same {
		return // the step stopped before this record was compared
	}
	fmt.Fprintf(p.w, "  %s %s %s\n", p.mark(w.Action), w.Object, w.Key.Value)
	for _, f := range w.Fields {
		value := show(masked(f, f.Want))
		if w.Action == bridge.Update {
			value = show(masked(f, f.Have)) + " -> " + value
		}
		p.traced(fmt.Sprintf("    %-25s %-24s", f.Field, value), strings.TrimSpace(f.Rule.FileLine()+" "+f.Rule.SourcePath()))
	}
	for _, k := range w.Kept {
		fmt.Fprintf(p.w, "    %-25s kept: Salesforce changed it, the source did not\n", k)
	}
}

// masked keeps what a table calls private out of every output, an NHS number above all.
func masked(f bridge.FieldChange, v sobject.Value) sobject.Value {
	if !f.Rule.Private || v.IsNull() {
		return v
	}
	return sobject.TextValue(fhir.Private(v.Reveal()).String())
}

// show gives a value on one line; the hash in a key of a code record is cut, the JSON form has it whole.
func show(v sobject.Value) string {
	switch {
	case v.IsNull():
		return "(empty)"
	case v.Kind() == sobject.Ref && shortHash(v.Key()) != v.Key():
		return "-> " + v.To().Object + " " + shortHash(v.Key())
	case v.Kind() == sobject.Ref:
		return "-> " + v.Key()
	case v.Kind() == sobject.DateTime:
		return strings.Replace(v.Reveal(), ".000Z", "Z", 1)
	}
	return strings.ReplaceAll(strings.ReplaceAll(v.Reveal(), "\r", ""), "\n", "⏎")
}

// oneLine makes a text of a far end harmless for a terminal: what is no graphic character is shown as its escape.
func oneLine(text string) string {
	quoted := strconv.QuoteToGraphic(text)
	return strings.ReplaceAll(quoted[1:len(quoted)-1], `\"`, `"`)
}

// shortHash cuts a key that is a hash, as those of code records are; other keys stay.
func shortHash(key string) string {
	if len(key) == 40 && !strings.Contains(key, ".") {
		return key[:8] + "…"
	}
	return key
}

func (p printer) counts(flow string, c bridge.Counts) {
	fmt.Fprintf(p.w, "%s: %d create, %d update, %d same, %d held, %d dead; %s to write\n",
		flow, c.Create, c.Update, c.Same, c.Held, c.Dead, mapping.Plural(c.Writes, "record"))
}

// The JSON forms. Values are personal data: this is the plan itself, on the operator's own output.
type stepJSON struct {
	Ref     string      `json:"ref"`
	Outcome string      `json:"outcome"`
	Reason  *reasonJSON `json:"reason,omitempty"`
	Writes  []writeJSON `json:"writes,omitempty"`
}

type reasonJSON struct {
	Code  string `json:"code"`
	Text  string `json:"text"`
	Field string `json:"field,omitempty"`
	Rule  string `json:"rule,omitempty"`
	// Detail is the values behind it, for the operator's own terminal.
	Detail string `json:"detail,omitempty"`
}

type writeJSON struct {
	Action string      `json:"action"`
	Object string      `json:"object"`
	Key    string      `json:"key"`
	Fields []fieldJSON `json:"fields,omitempty"`
	Kept   []string    `json:"kept,omitempty"`
}

type fieldJSON struct {
	Field string  `json:"field"`
	Have  *string `json:"have,omitempty"`
	Want  *string `json:"want"`
	Rule  string  `json:"rule,omitempty"`
	From  string  `json:"from,omitempty"`
	// Element is the place in the resource: ServiceRequest.identifier[0].value.
	Element string `json:"element,omitempty"`
}

func stepOf(s *bridge.Step) stepJSON {
	out := stepJSON{Ref: s.Work.Ref.String(), Outcome: s.Outcome(), Reason: reasonOf(s.Reason)}
	for _, w := range slices.Concat(s.Ahead, s.Writes) {
		j := writeJSON{Action: string(w.Action), Object: w.Object, Key: w.Key.Value, Kept: w.Kept}
		for _, f := range w.Fields {
			j.Fields = append(j.Fields, fieldJSON{Field: f.Field, Have: pointer(masked(f, f.Have)), Want: pointer(masked(f, f.Want)),
				Rule: f.Rule.FileLine(), From: f.Rule.From, Element: f.Rule.SourcePath()})
		}
		out.Writes = append(out.Writes, j)
	}
	return out
}

func reasonOf(r ledger.Reason) *reasonJSON {
	if r.Code == "" {
		return nil
	}
	return &reasonJSON{Code: r.Code, Text: r.Text, Field: r.Field, Rule: r.Rule, Detail: r.Detail.Reveal()}
}

func pointer(v sobject.Value) *string {
	if v.IsNull() {
		return nil
	}
	s := v.Reveal()
	return &s
}

// line writes one JSON value on one line.
func line(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false)
	return e.Encode(v)
}
