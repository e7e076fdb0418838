package mapping

import (
	"fmt"
	"slices"

	"go.yaml.in/yaml/v3"

	"refbridge/fhir"
)

// reverseSeparator joins the values of several fields into one code of a value table: "Cannot Complete / NoShow".
const reverseSeparator = " / "

// backRule is one way in which a change in Salesforce becomes an operation on the source.
type backRule struct {
	place
	dialect    string
	purpose    string
	changed    []string    // any of these fields differs from the last synced image
	to         []string    // values of the first of them; empty: any
	while      []condition // what the image must hold, all of it
	name       string      // operation
	parameters []backParameter
}

type condition struct {
	place
	field  string
	values []string
}

type backParameter struct {
	place
	operation   string
	name        string
	system      string
	code        string   // a fixed code, else
	from        []string // fields whose value is sent: as a text, or as a code through values
	valuesName  string
	valuesAt    place
	values      *valueTable
	required    bool
	requiredFor []condition // fields and values of the record as it is now
	length      int         // longest text in characters, 0: any
	forward     []forward
}

// forward is the way that a field of the image was made of a code of the source.
type forward struct {
	place
	field      string
	valuesName string
	values     *valueTable
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

func (r *reader) backRule(n *yaml.Node) *backRule {
	m := r.mapping(n, "a rule of back", "dialect", "changed", "operation", "", "to", "while", "parameters", "purpose")
	b := &backRule{place: r.place(n), purpose: r.text(m["purpose"], "purpose")}
	b.dialect = r.choice(m["dialect"], "dialect", dialects()...)
	b.changed = r.fields(m["changed"], "changed")
	for _, v := range r.oneOrMore(m["to"]) {
		b.to = append(b.to, written(r.text(v, "to")))
	}
	b.while = r.conditions(m["while"], "while")
	if b.dialect != "" {
		b.name = r.choice(m["operation"], "operation", operations(b.dialect)...)
	}
	for _, p := range r.list(m["parameters"], "parameters") {
		b.parameters = append(b.parameters, r.backParameter(p, b.name))
	}
	return b
}

func (r *reader) fields(n *yaml.Node, what string) []string {
	var out []string
	for _, f := range r.oneOrMore(n) {
		if name := r.shaped(f, what, objectName, "a field name such as Status"); name != "" {
			out = append(out, name)
		}
	}
	return out
}

// conditions reads `Field: value` or `Field: [value, value]`.
func (r *reader) conditions(n *yaml.Node, what string) []condition {
	var out []condition
	for _, p := range r.pairs(n, what) {
		c := condition{place: r.place(p[0]), field: r.shaped(p[0], what, objectName, "a field name such as Status")}
		for _, v := range r.oneOrMore(p[1]) {
			c.values = append(c.values, written(r.text(v, what)))
		}
		out = append(out, c)
	}
	return out
}

func (r *reader) backParameter(n *yaml.Node, operation string) backParameter {
	m := r.mapping(n, "a parameter", "name", "", "system", "code", "from", "values", "required", "requiredFor", "length", "forward",
		"purpose")
	p := backParameter{place: r.place(n), operation: operation, name: r.text(m["name"], "name")}
	p.system, p.code = r.text(m["system"], "system"), r.text(m["code"], "code")
	p.from, p.valuesName, p.valuesAt = r.fields(m["from"], "from"), r.text(m["values"], "values"), r.place(m["values"])
	p.required, p.requiredFor = r.flag(m["required"], "required"), r.conditions(m["requiredFor"], "requiredFor")
	r.text(m["purpose"], "purpose")
	if l := r.text(m["length"], "length"); l != "" {
		if _, err := fmt.Sscanf(l, "%d", &p.length); err != nil || p.length < 1 {
			r.at(m["length"], "length must be a number of characters", "")
		}
	}
	for _, f := range r.pairs(m["forward"], "forward") {
		p.forward = append(p.forward, forward{place: r.place(f[1]), field: f[0].Value, valuesName: r.text(f[1], "forward")})
	}
	switch {
	case (p.code != "") == (len(p.from) > 0):
		r.at(n, "a parameter has either a fixed code or a from", "")
	case p.valuesName == "" && p.system != "" && p.code == "":
		r.at(n, "a text has no system", "give it values, or remove the system")
	case len(p.from) > 1 && p.valuesName == "":
		r.at(n, "several fields together need values", `with codes such as "None / Proposed"`)
	}
	return p
}

// linkBack finds the value tables of a rule.
func (s *Set) linkBack(b *backRule, faults *Faults) {
	for i := range b.parameters {
		p := &b.parameters[i]
		p.values = s.valuesOf(p.valuesAt, p.valuesName, faults)
		for j := range p.forward {
			p.forward[j].values = s.valuesOf(p.forward[j].place, p.forward[j].valuesName, faults)
		}
	}
}

// reads gives the fields that a rule looks at.
func (b *backRule) reads() []string {
	out := slices.Clone(b.changed)
	for _, c := range b.while {
		out = append(out, c.field)
	}
	for _, p := range b.parameters {
		out = append(out, p.from...)
		for _, c := range p.requiredFor {
			out = append(out, c.field)
		}
		for _, f := range p.forward {
			out = append(out, f.field)
		}
	}
	return out
}
