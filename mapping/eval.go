package mapping

import (
	"strings"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

// collect gives what the first path that has a value gave, through the transforms, and that path. Where none has a value
// it gives the first path.
func (m *mapper) collect(s *source, at place, field string) (fhirpath.Collection, *path) {
	var items fhirpath.Collection
	var from *path
	for _, p := range s.paths {
		found := present(m.eval(p, field))
		if from == nil || len(found) > 0 {
			items, from = found, p
		}
		if len(found) > 0 {
			break
		}
	}
	if len(items) == 0 {
		return nil, from
	}
	for _, t := range s.transforms {
		out, trouble := t.apply(m, items)
		if trouble != nil {
			m.add(at, from, field, trouble)
			return nil, from
		}
		items = out
	}
	return items, from
}

// eval gives what a path finds in the current item.
func (m *mapper) eval(p *path, field string) fhirpath.Collection {
	if m.depth == len(m.contexts) {
		m.contexts = append(m.contexts, &fhirpath.Context{Resource: m.in.Focus.Root(), Variables: m.variable, Resolve: m.resolve, Now: m.in.Now})
	}
	c := m.contexts[m.depth]
	m.depth++
	out, err := p.expr.Eval(c, m.item)
	m.depth--
	if err != nil {
		m.add(p.place, p, field, badValue("the path cannot be worked out for this resource: %v", err))
		return nil
	}
	return out
}

// holds tells whether a condition is true. As in FHIRPath, nothing is false and values that are no boolean are true.
func (m *mapper) holds(p *path) bool {
	out := present(m.eval(p, ""))
	if len(out) != 1 {
		return len(out) > 1
	}
	if yes, ok := out[0].Bool(); ok {
		return yes
	}
	return true
}

// variable gives a named value of the table, else what the caller of Map set. A name that the caller left out is empty.
// A named value is worked out when it is first used, so that one that `when` rules out cannot fail.
func (m *mapper) variable(name string) (fhirpath.Collection, bool) {
	for i := range m.table.lets {
		l := &m.table.lets[i]
		if l.name != name {
			continue
		}
		if !m.lets[i].done {
			m.lets[i].done = true
			m.lets[i].items, _ = m.collect(&l.source, l.place, "")
		}
		return m.lets[i].items, true
	}
	return one(m.in.Variables[name]), true
}

// resolve finds a resource beyond the contained ones: the focus itself or a related one, by Type/id. A urn:uuid is
// matched with the logical id, as related resources come without their fullUrl.
func (m *mapper) resolve(reference string) (fhir.Node, bool) {
	uuid, isURN := strings.CutPrefix(reference, "urn:uuid:")
	ref, err := fhir.ParseReference(reference)
	if err != nil && !isURN {
		return fhir.Node{}, false
	}
	if matches(m.in.Focus, ref, uuid, isURN) {
		return m.in.Focus.Root(), true
	}
	for _, r := range m.in.Related {
		if matches(r, ref, uuid, isURN) {
			return r.Root(), true
		}
	}
	return fhir.Node{}, false
}

func matches(r fhir.Resource, ref fhir.Reference, uuid string, isURN bool) bool {
	if isURN {
		return uuid != "" && r.ID() == uuid
	}
	return r.Type() == ref.Type && r.ID() == ref.ID
}

func (m *mapper) add(at place, from *path, field string, t *trouble) {
	f := at.fault(t.kind, t.message, t.hint)
	f.Field = field
	if from != nil {
		f.Source = from.text
	}
	m.faults = append(m.faults, f)
}

// privateKeys refuses a key that holds the NHS number of the patient: keys travel in URLs and end in access logs.
func (m *mapper) privateKeys() {
	var numbers []string
	for _, r := range m.out.Records {
		for _, f := range r.Record.Fields {
			if f.Value.Kind() == sobject.Lookup && f.Value.To().Field == "nhsNumber" {
				numbers = append(numbers, f.Value.LookupKey())
			}
		}
	}
	for _, r := range m.out.Records {
		for _, n := range numbers {
			if strings.Contains(r.Record.Key.Value, n) {
				at := place{file: r.Key.File, line: r.Key.Line, column: 1}
				m.add(at, nil, r.Record.Key.Field, badValue("the key would hold the patient's NHS number, and keys stand in URLs"))
			}
		}
	}
}
