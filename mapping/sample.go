package mapping

import (
	"cmp"
	"fmt"
	"strings"
	"time"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// Sample is one record of a source as a test of tables sees it: the resources that are mapped in order, what they refer to, and
// the variables.
type Sample struct {
	fhir.Bundle
	Variables map[string]string
	Now       time.Time // what now() and today() give
	// Sent is the resource as the source sent it, where it had to be normalised, and Lost the values of it that were not taken over,
	// each with the reason; empty: nobody has thought about it. Beside is what else was sent of it: the entries of worklists.
	Sent   fhir.Resource
	Beside []fhir.Resource
	Lost   map[fhir.Node]string
}

// Input gives what Map reads for one of the resources.
func (in Sample) Input(focus fhir.Resource) Input {
	return Input{Focus: focus, Related: in.Related, Resolver: in.References(), Variables: in.Variables, Now: in.Now}
}

// BundleOf is what is mapped of a resource or a Bundle of R4 (ServiceRequest, Appointment), and what that may refer to. It is
// false where there is nothing to map, or where the resource is one of e-RS.
func BundleOf(r fhir.Resource) (fhir.Bundle, bool) {
	c := ContentsOf(r)
	return c.Bundle, len(c.Focus) > 0 && len(c.Sent) == 0
}

// MapAll maps every resource of a sample, each record once. As in a sync, one fault holds all of it.
func (s *Set) MapAll(in Sample) ([]Mapped, Faults) {
	var inputs []Input
	in.Resolver = in.References() // once for all
	for _, focus := range in.Focus {
		inputs = append(inputs, in.Input(focus))
	}
	out, faults := mapAll(s.Map, inputs)
	for _, b := range out.Bodies {
		out.Records = append(out.Records, b.mapped())
	}
	return out.Records, faults
}

// MapAll maps the resources of one line or Bundle: each record is there once, as resources may make the same one (a code, a
// patient), and one fault holds all of it.
func (m *Mapper) MapAll(inputs []Input) (Output, Faults) { return mapAll(m.Map, inputs) }

func mapAll(each func(Input) (Output, error), inputs []Input) (Output, Faults) {
	var all Union
	var bodies []Body
	var faults Faults
	for _, in := range inputs {
		out, err := each(in)
		faults = append(faults, FaultsOf(err)...)
		all.Add(out.Records)
		bodies = append(bodies, out.Bodies...)
	}
	if faults = append(faults, all.Faults...); len(faults) > 0 {
		return Output{}, faults
	}
	return Output{Records: all.Records, Bodies: bodies}, nil
}

// mapped gives a body as a record whose fields are its paths, so that both can be compared in one way.
func (b Body) mapped() Mapped {
	m := Mapped{Record: sobject.Record{Object: b.Name}}
	for _, v := range b.Values {
		m.Record.Fields = append(m.Record.Fields, sobject.Field{Name: v.Path, Value: v.Value})
		m.Rules = append(m.Rules, v.Rule)
	}
	return m
}

var itemNumber = pattern.MustOnce(`\[\d+\]`)

// FieldName gives the name of a field, or the path of a body's value as a table writes it: performers[].fields.Name.
func FieldName(name string) string {
	if !strings.HasSuffix(name, "]") && !strings.Contains(name, "].") {
		return name
	}
	return itemNumber().ReplaceAllString(name, "[]")
}

// Makes gives what a table makes: an object, or the name of a body.
func (t *Table) Makes() string { return cmp.Or(t.Object, t.Body) }

// Plural gives "1 record", "2 records".
func Plural(n int, what string) string {
	if n == 1 {
		return "1 " + what
	}
	return fmt.Sprintf("%d %ss", n, what)
}
