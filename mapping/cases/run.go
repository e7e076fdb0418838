package cases

import (
	"slices"
	"strings"
	"time"

	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// Run maps a sample, that of the case or its normalised input, and compares what comes out with what the case expects. Nothing is
// wrong where there is no Failure.
func (c Case) Run(s *mapping.Set, in mapping.Sample) []Failure {
	out, faults := s.MapAll(in)
	if len(c.holds) > 0 {
		return c.held(faults)
	}
	if len(faults) > 0 {
		return []Failure{{Line: c.Line, Message: "the record is held", Faults: faults}}
	}
	compare := comparison{set: s, records: out}
	for _, e := range c.expect {
		compare.expectation(e)
	}
	return compare.failures
}

// held compares the reasons why a record is held. Reasons that the case does not name are no failure.
func (c Case) held(faults mapping.Faults) []Failure {
	var out []Failure
	for _, h := range c.holds {
		same := func(f mapping.Fault) bool { return f.Kind == h.kind && (h.field == "" || h.field == f.Field) }
		if !slices.ContainsFunc(faults, same) {
			message := "the record is not held for " + strings.TrimSpace(string(h.kind)+" "+h.field)
			out = append(out, Failure{Line: h.Line, Message: message, Faults: faults})
		}
	}
	return out
}

// comparison is what came out of one case, and what is wrong with it.
type comparison struct {
	set      *mapping.Set
	records  []mapping.Mapped
	failures []Failure
}

func (c *comparison) expectation(e expectation) {
	var same []mapping.Mapped
	count := 0
	for _, m := range c.records {
		if m.Record.Object != e.object {
			continue
		}
		count++
		if e.key == "" || e.key == m.Record.Key.Value {
			same = append(same, m)
		}
	}
	switch {
	case e.count >= 0 && e.count != count:
		c.fail(Failure{Line: e.Line, Object: e.object, Message: mapping.Plural(count, "record") + ", expected " + mapping.Plural(e.count, "record")})
	case e.count == 0:
	case len(same) == 0 && e.key != "":
		c.fail(Failure{Line: e.Line, Object: e.object, Key: e.key, Message: "there is no such record" + c.keys(e.object)})
	case len(same) == 0:
		c.fail(Failure{Line: e.Line, Object: e.object, Message: "there is no such record"})
	default:
		c.failures = append(c.failures, c.nearest(same, e)...)
	}
}

func (c *comparison) fail(f Failure) { c.failures = append(c.failures, f) }

// keys tells which keys the records of an object have, for the author of a case.
func (c *comparison) keys(object string) string {
	var keys []string
	for _, m := range c.records {
		if m.Record.Object == object {
			keys = append(keys, m.Record.Key.Value)
		}
	}
	if len(keys) == 0 {
		return ""
	}
	return "; there are " + strings.Join(keys, ", ")
}

// nearest compares the record that fits best, so that a diff says something where several records could be meant.
func (c *comparison) nearest(records []mapping.Mapped, e expectation) []Failure {
	var best []Failure
	for i, m := range records {
		failures := c.record(m, e)
		if i == 0 || len(failures) < len(best) {
			best = failures
		}
	}
	return best
}

func (c *comparison) record(m mapping.Mapped, e expectation) []Failure {
	var out []Failure
	for _, want := range e.fields {
		value, rules := c.value(m, want.name)
		if text, ok := c.matches(value, want); !ok {
			out = append(out, Failure{Line: want.Line, Object: e.object, Key: m.Record.Key.Value, Field: want.name,
				Want: text, Have: c.reveal(value, want), Rules: rules})
		}
	}
	for _, want := range e.absent {
		if value, rules := c.value(m, want.name); !value.IsNull() {
			out = append(out, Failure{Line: want.Line, Object: e.object, Key: m.Record.Key.Value, Field: want.name,
				Have: written(value), Rules: rules})
		}
	}
	return out
}

// value gives a field and the rule behind it; where no rule gave it a value, all rules that could have.
func (c *comparison) value(m mapping.Mapped, field string) (sobject.Value, []mapping.Rule) {
	if field == m.Record.Key.Field {
		return sobject.TextValue(m.Record.Key.Value), []mapping.Rule{m.Key}
	}
	for i, f := range m.Record.Fields {
		if f.Name == field {
			return f.Value, m.Rules[i : i+1]
		}
	}
	var rules []mapping.Rule
	for _, t := range c.set.Tables() {
		for _, w := range t.Rows {
			if t.Makes() == m.Record.Object && w.Field == mapping.FieldName(field) && (t.Body != "" || t.File == m.Key.File) {
				rules = append(rules, mapping.Rule{Place: w.Place})
			}
		}
	}
	return sobject.Value{}, rules
}

// matches tells whether a value is the expected one, and gives the latter as text.
func (c *comparison) matches(v sobject.Value, want expectedField) (string, bool) {
	if want.at == nil {
		return want.text, sameText(v, want.text)
	}
	var texts []string
	ok := v.Kind() == sobject.Ref
	record := c.pointed(v)
	for _, inner := range want.at {
		value, _ := c.value(record, inner.name)
		text, same := c.matches(value, inner)
		texts, ok = append(texts, inner.name+": "+text), ok && same
	}
	return "{" + strings.Join(texts, ", ") + "}", ok
}

// reveal gives a value in the way that the expectation is written.
func (c *comparison) reveal(v sobject.Value, want expectedField) string {
	if want.at == nil || v.Kind() != sobject.Ref {
		return written(v)
	}
	var texts []string
	record := c.pointed(v)
	for _, inner := range want.at {
		value, _ := c.value(record, inner.name)
		texts = append(texts, inner.name+": "+c.reveal(value, inner))
	}
	return "{" + strings.Join(texts, ", ") + "}"
}

// pointed gives the record that a value points to; the zero Mapped where the case does not make it.
func (c *comparison) pointed(v sobject.Value) mapping.Mapped {
	for _, m := range c.records {
		if v.Kind() == sobject.Ref && m.Record.Object == v.To().Object && m.Record.Key.Value == v.Key() {
			return m
		}
	}
	return mapping.Mapped{}
}

func sameText(v sobject.Value, text string) bool {
	switch v.Kind() {
	case sobject.DateTime:
		at, err := time.Parse(time.RFC3339Nano, text)
		return err == nil && v.Equal(sobject.DateTimeValue(at))
	case sobject.Number:
		return v.Equal(sobject.NumberValue(text))
	}
	return written(v) == text
}

// written gives a value as a case writes it: instants without a fraction, the key of a record that is pointed to.
func written(v sobject.Value) string {
	switch v.Kind() {
	case sobject.Lookup:
		return v.LookupKey()
	case sobject.DateTime:
		return strings.Replace(v.Reveal(), ".000Z", "Z", 1)
	}
	return v.Reveal()
}
