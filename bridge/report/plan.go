package report

import (
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"refbridge/bridge"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

func (p Printer) mark(action bridge.Action) string {
	switch action {
	case bridge.Create:
		return p.Paint("32", "+")
	case bridge.Update:
		return p.Paint("33", "~")
	}
	return "="
}

// Step prints one step of a plan.
func (p Printer) Step(s *bridge.Step) {
	fmt.Fprintf(p.W, "%s  %s\n", s.Work.Ref, p.Paint("1", s.Outcome()))
	for _, w := range slices.Concat(s.Ahead, s.Writes) {
		p.write(w)
	}
	if s.Reason.Code != "" {
		p.reason(s)
	}
	fmt.Fprintln(p.W)
}

func (p Printer) reason(s *bridge.Step) {
	fmt.Fprintf(p.W, "  %s %s\n", p.Paint("31", "!"), Wrap(s.Reason.Text+" ["+s.Reason.Code+"]", 4))
	if s.Reason.Field != "" || s.Reason.Rule != "" {
		fmt.Fprintf(p.W, "    %s\n", strings.TrimSpace(s.Reason.Field+" "+s.Reason.Rule))
	}
	if s.Reason.Detail != "" {
		fmt.Fprintf(p.W, "    %s\n", Wrap(oneLine(s.Reason.Detail.Reveal()), 4))
	}
}

func (p Printer) write(w *bridge.Write) {
	if len(w.Fields) == 0 && w.Action != bridge.Same {
		return // the step stopped before this record was compared
	}
	fmt.Fprintf(p.W, "  %s %s %s\n", p.mark(w.Action), w.Object, w.Key.Value)
	for _, f := range w.Fields {
		value := show(masked(f, f.Want))
		if w.Action == bridge.Update {
			value = show(masked(f, f.Have)) + " -> " + value
		}
		p.Traced(fmt.Sprintf("    %-25s %-24s", f.Field, value), strings.TrimSpace(f.Rule.FileLine()+" "+f.Rule.SourcePath()))
	}
	for _, k := range w.Kept {
		fmt.Fprintf(p.W, "    %-25s kept: Salesforce changed it, the source did not\n", k)
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

// Counts prints the sums of a plan.
func (p Printer) Counts(flow string, c bridge.Counts) {
	fmt.Fprintf(p.W, "%s: %d create, %d update, %d same, %d held, %d dead; %s to write\n",
		flow, c.Create, c.Update, c.Same, c.Held, c.Dead, mapping.Plural(c.Writes, "record"))
}

// Step is one step of a plan. Values are personal data: this is the plan itself, on the operator's own output.
type Step struct {
	Ref     string  `json:"ref"`
	Outcome string  `json:"outcome"`
	Reason  *Reason `json:"reason,omitempty"`
	Writes  []Write `json:"writes,omitempty"`
}

// Reason is why a version is where it is.
type Reason struct {
	Code  string `json:"code"`
	Text  string `json:"text"`
	Field string `json:"field,omitempty"`
	Rule  string `json:"rule,omitempty"`
	// Detail is the values behind it, for the operator's own terminal.
	Detail string `json:"detail,omitempty"`
}

// Write is one record of a step.
type Write struct {
	Action string   `json:"action"`
	Object string   `json:"object"`
	Key    string   `json:"key"`
	Fields []Field  `json:"fields,omitempty"`
	Kept   []string `json:"kept,omitempty"`
}

// Field is one field that a write changes, with the rule that gives it and the element that it came from.
type Field struct {
	Field string  `json:"field"`
	Have  *string `json:"have,omitempty"`
	Want  *string `json:"want"`
	Rule  string  `json:"rule,omitempty"`
	From  string  `json:"from,omitempty"`
	// Element is the place in the resource: ServiceRequest.identifier[0].value.
	Element string `json:"element,omitempty"`
}

// StepOf returns a step as it is shown.
func StepOf(s *bridge.Step) Step {
	out := Step{Ref: s.Work.Ref.String(), Outcome: s.Outcome(), Reason: reasonOf(s.Reason)}
	for _, w := range slices.Concat(s.Ahead, s.Writes) {
		j := Write{Action: string(w.Action), Object: w.Object, Key: w.Key.Value, Kept: w.Kept}
		for _, f := range w.Fields {
			j.Fields = append(j.Fields, Field{Field: f.Field, Have: pointer(masked(f, f.Have)), Want: pointer(masked(f, f.Want)),
				Rule: f.Rule.FileLine(), From: f.Rule.From, Element: f.Rule.SourcePath()})
		}
		out.Writes = append(out.Writes, j)
	}
	return out
}

func reasonOf(r ledger.Reason) *Reason {
	if r.Code == "" {
		return nil
	}
	return &Reason{Code: r.Code, Text: r.Text, Field: r.Field, Rule: r.Rule, Detail: r.Detail.Reveal()}
}

func pointer(v sobject.Value) *string {
	if v.IsNull() {
		return nil
	}
	s := v.Reveal()
	return &s
}

// Outlook ends the plan of a flow: how old what it rests on is.
type Outlook struct {
	Flow     string    `json:"flow"`
	LastPoll time.Time `json:"lastPoll,omitzero"`
	ToRead   int       `json:"toRead"` // records that the next sync reads at the source first
	Writes   int       `json:"writes"`
}

// Outlook says what a plan rests on.
func (p Printer) Outlook(flow, lastPoll string, unread int) {
	text := flow + ": last polled " + lastPoll
	if unread > 0 {
		text += fmt.Sprintf("; the next sync first reads %s at the source", mapping.Plural(unread, "record"))
	}
	fmt.Fprintln(p.W, Wrap(text, 2))
}
