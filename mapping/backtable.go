package mapping

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"refbridge/fhir"
)

// reverseSeparator joins the values of several fields into one code of a value table: "Cannot Complete / NoShow".
const ReverseSeparator = " / "

// BackRule is one way in which a change in Salesforce becomes an operation on the source.
type BackRule struct {
	Place
	Dialect    string
	Purpose    string
	Changed    []string    // any of these fields differs from the last synced image
	To         []string    // values of the first of them; empty: any
	While      []Condition // what the image must hold, all of it
	Name       string      // operation
	Parameters []BackParameter
}

// Condition is what a record must hold: one of some values in a field.
type Condition struct {
	Place
	Field  string
	Values []string
}

// BackParameter is a parameter of an operation and what it is made from.
type BackParameter struct {
	Place
	operation   string
	Name        string
	Purpose     string
	System      string   // of the code that is sent
	Code        string   // a fixed code, else
	From        []string // fields whose value is sent: as a text, or as a code through values
	ValuesName  string
	valuesAt    Place
	Values      *ValueTable
	Required    bool
	RequiredFor []Condition // fields and values of the record as it is now
	Length      int         // longest text in characters, 0: any
	Forward     []Forward
}

// Forward is the way that a field of the image was made of a code of the source.
type Forward struct {
	Place
	Field      string
	ValuesName string
	values     *ValueTable
}

// dialects are the sources that rules back may speak to.
func dialects() []string { return []string{"ers", "fhir"} }

// operations of a dialect. e-RS lets an application accept (A013), record a review outcome (A028) and cancel (A036).
func operations(dialect string) []string {
	if dialect == "ers" {
		return []string{"$ers.acceptReferral", "$ers.recordReviewOutcome", "$ers.cancelReferral"}
	}
	return []string{fhir.OperationUpdate}
}

func (r *Reader) backRule(n *yaml.Node) *BackRule {
	m := r.Mapping(n, "a rule of back", "dialect", "changed", "operation", "", "to", "while", "parameters", "purpose")
	b := &BackRule{Place: r.place(n), Purpose: r.Text(m["purpose"], "purpose")}
	b.Dialect = r.Choice(m["dialect"], "dialect", dialects()...)
	b.Changed = r.fields(m["changed"], "changed")
	for _, v := range r.OneOrMore(m["to"]) {
		b.To = append(b.To, written(r.Text(v, "to")))
	}
	b.While = r.conditions(m["while"], "while")
	if b.Dialect != "" {
		b.Name = r.Choice(m["operation"], "operation", operations(b.Dialect)...)
	}
	for _, p := range r.List(m["parameters"], "parameters") {
		b.Parameters = append(b.Parameters, r.backParameter(p, b.Name))
	}
	return b
}

func (r *Reader) fields(n *yaml.Node, what string) []string {
	var out []string
	for _, f := range r.OneOrMore(n) {
		if name := r.shaped(f, what, isObjectName, "a field name such as Status"); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// conditions reads `Field: value` or `Field: [value, value]`.
func (r *Reader) conditions(n *yaml.Node, what string) []Condition {
	var out []Condition
	for _, p := range r.Pairs(n, what) {
		c := Condition{Place: r.place(p[0]), Field: r.shaped(p[0], what, isObjectName, "a field name such as Status")}
		for _, v := range r.OneOrMore(p[1]) {
			c.Values = append(c.Values, written(r.Text(v, what)))
		}
		out = append(out, c)
	}
	return out
}

func (r *Reader) backParameter(n *yaml.Node, operation string) BackParameter {
	m := r.Mapping(n, "a parameter", "name", "", "system", "code", "from", "values", "required", "requiredFor", "length", "forward",
		"purpose")
	p := BackParameter{Place: r.place(n), operation: operation, Name: r.Text(m["name"], "name")}
	p.System, p.Code = r.Text(m["system"], "system"), r.Text(m["code"], "code")
	p.From, p.ValuesName, p.valuesAt = r.fields(m["from"], "from"), r.Text(m["values"], "values"), r.place(m["values"])
	p.Required, p.RequiredFor = r.flag(m["required"], "required"), r.conditions(m["requiredFor"], "requiredFor")
	p.Purpose = r.Text(m["purpose"], "purpose")
	if l := r.Text(m["length"], "length"); l != "" {
		if _, err := fmt.Sscanf(l, "%d", &p.Length); err != nil || p.Length < 1 {
			r.At(m["length"], "length must be a number of characters", "")
		}
	}
	for _, f := range r.Pairs(m["forward"], "forward") {
		p.Forward = append(p.Forward, Forward{Place: r.place(f[1]), Field: f[0].Value, ValuesName: r.Text(f[1], "forward")})
	}
	switch {
	case (p.Code != "") == (len(p.From) > 0):
		r.At(n, "a parameter has either a fixed code or a from", "")
	case p.ValuesName == "" && p.System != "" && p.Code == "":
		r.At(n, "a text has no system", "give it values, or remove the system")
	case len(p.From) > 1 && p.ValuesName == "":
		r.At(n, "several fields together need values", `with codes such as "None / Proposed"`)
	}
	return p
}

// linkBack finds the value tables of a rule.
func (s *Set) linkBack(b *BackRule, faults *Faults) {
	for i := range b.Parameters {
		p := &b.Parameters[i]
		p.Values = s.valuesOf(p.valuesAt, p.ValuesName, faults)
		for j := range p.Forward {
			p.Forward[j].values = s.valuesOf(p.Forward[j].Place, p.Forward[j].ValuesName, faults)
		}
	}
}

// reads gives the fields that a rule looks at.
func (b *BackRule) reads() []string {
	out := slices.Clone(b.Changed)
	for _, c := range b.While {
		out = append(out, c.Field)
	}
	for _, p := range b.Parameters {
		out = append(out, p.From...)
		for _, c := range p.RequiredFor {
			out = append(out, c.Field)
		}
		for _, f := range p.Forward {
			out = append(out, f.Field)
		}
	}
	return out
}
