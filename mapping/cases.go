package mapping

import (
	"embed"
	"io/fs"
	"slices"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

//go:embed tables/cases
var starterCases embed.FS

// CasesFolder is where the cases stand, in the folder of the tables.
const CasesFolder = "cases"

// DefaultCases gives the cases of the starter tables.
func DefaultCases() fs.FS {
	sub, err := fs.Sub(starterCases, "tables/"+CasesFolder)
	if err != nil {
		return starterCases
	}
	return sub
}

// Case is one example of what the tables must do: a record of a source and what must become of it. docs/mapping.md
// documents the format.
type Case struct {
	File, Name, Purpose string // File is relative to the folder of the tables: cases/priority.yaml
	Line                int
	// Input is the resource as the case gives it: of R4, a Bundle of them, or a ReferralRequest of e-RS, which has to be
	// normalised before Test.
	Input     fhir.Resource
	Related   []fhir.Resource // found by reference only
	Variables map[string]string
	Now       time.Time

	expect []expectation
	holds  []expectedHold
}

// expectation is one entry of expect: a record that must be there, by the fields that it names.
type expectation struct {
	line   int
	object string
	key    string // empty: any record of the object
	count  int    // of records of the object; -1: not asked
	fields []expectedField
	absent []expectedField
}

// expectedField is a value as it is written, or of a field that points to another record the values of that record.
type expectedField struct {
	line int
	name string
	text string
	at   []expectedField
}

type expectedHold struct {
	line  int
	kind  FaultKind
	field string
}

// Failure is one way in which a case does not come out as expected. The values are those of the case.
type Failure struct {
	Line        int    // of the expectation, in the file of the case
	Object, Key string // empty where no record is concerned
	Field       string // empty where the record as a whole is concerned
	Want, Have  string // of a field; empty: no value
	Rules       []Rule // the rule behind Have; where no rule gave the field a value, all rules that could
	Message     string // what is wrong, where it is not one value of one field
	Faults      Faults // why the record is held, where that is what is wrong
}

// Sample gives the input of a case that stands in R4; false where it has to be normalised first. Of a Bundle the
// ServiceRequests and Appointments are mapped, everything else in it is related.
func (c Case) Sample() (Sample, bool) {
	s := Sample{Variables: c.Variables, Now: c.Now}
	b, ok := BundleOf(c.Input)
	s.Bundle = b
	s.Related = append(s.Related, c.Related...)
	return s, ok
}

// BundleOf sorts a resource of R4, or those of a Bundle, into what is mapped (ServiceRequest, Appointment) and what it may refer
// to. It is false where there is nothing to map, or where the resource is one of e-RS.
func BundleOf(r fhir.Resource) (fhir.Bundle, bool) {
	var b fhir.Bundle
	list := []fhir.Resource{r}
	if r.Type() == "Bundle" {
		list = nil
		for e := range r.Root().Get("entry").Items() {
			if one, err := fhir.ResourceAt(e.Get("resource")); err == nil {
				list = append(list, one)
			}
		}
	}
	for _, one := range list {
		switch one.Type() {
		case "ServiceRequest", "Appointment":
			b.Focus = append(b.Focus, one)
		case "ReferralRequest":
			return fhir.Bundle{}, false
		default:
			b.Related = append(b.Related, one)
		}
	}
	return b, len(b.Focus) > 0
}

// Test maps a sample and compares what comes out with what the case expects. Nothing is wrong where there is no Failure.
func (s *Set) Test(c Case, in Sample) []Failure {
	out, faults := s.MapAll(in)
	if len(c.holds) > 0 {
		return c.held(faults)
	}
	if len(faults) > 0 {
		return []Failure{{Line: c.Line, Message: "the record is held", Faults: faults}}
	}
	check := caseCheck{set: s, records: out}
	for _, e := range c.expect {
		check.expectation(e)
	}
	return check.failures
}

// held compares the reasons why a record is held. Reasons that the case does not name are no failure.
func (c Case) held(faults Faults) []Failure {
	var out []Failure
	for _, h := range c.holds {
		same := func(f Fault) bool { return f.Kind == h.kind && (h.field == "" || h.field == f.Field) }
		if !slices.ContainsFunc(faults, same) {
			message := "the record is not held for " + strings.TrimSpace(string(h.kind)+" "+h.field)
			out = append(out, Failure{Line: h.line, Message: message, Faults: faults})
		}
	}
	return out
}

// caseCheck compares the records of one case.
type caseCheck struct {
	set      *Set
	records  []Mapped
	failures []Failure
}

func (c *caseCheck) expectation(e expectation) {
	var same []Mapped
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
		c.fail(Failure{Line: e.line, Object: e.object, Message: Plural(count, "record") + ", expected " + Plural(e.count, "record")})
	case e.count == 0:
	case len(same) == 0 && e.key != "":
		c.fail(Failure{Line: e.line, Object: e.object, Key: e.key, Message: "there is no such record" + c.keys(e.object)})
	case len(same) == 0:
		c.fail(Failure{Line: e.line, Object: e.object, Message: "there is no such record"})
	default:
		c.failures = append(c.failures, c.nearest(same, e)...)
	}
}

func (c *caseCheck) fail(f Failure) { c.failures = append(c.failures, f) }

// keys tells which keys the records of an object have, for the author of a case.
func (c *caseCheck) keys(object string) string {
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
func (c *caseCheck) nearest(records []Mapped, e expectation) []Failure {
	var best []Failure
	for i, m := range records {
		failures := c.record(m, e)
		if i == 0 || len(failures) < len(best) {
			best = failures
		}
	}
	return best
}

func (c *caseCheck) record(m Mapped, e expectation) []Failure {
	var out []Failure
	for _, want := range e.fields {
		value, rules := c.value(m, want.name)
		if text, ok := c.matches(value, want); !ok {
			out = append(out, Failure{Line: want.line, Object: e.object, Key: m.Record.Key.Value, Field: want.name,
				Want: text, Have: c.reveal(value, want), Rules: rules})
		}
	}
	for _, want := range e.absent {
		if value, rules := c.value(m, want.name); !value.IsNull() {
			out = append(out, Failure{Line: want.line, Object: e.object, Key: m.Record.Key.Value, Field: want.name,
				Have: caseText(value), Rules: rules})
		}
	}
	return out
}

// value gives a field and the rule behind it; where no rule gave it a value, all rules that could have.
func (c *caseCheck) value(m Mapped, field string) (sobject.Value, []Rule) {
	if field == m.Record.Key.Field {
		return sobject.TextValue(m.Record.Key.Value), []Rule{m.Key}
	}
	for i, f := range m.Record.Fields {
		if f.Name == field {
			return f.Value, m.Rules[i : i+1]
		}
	}
	var rules []Rule
	for _, t := range c.set.tables {
		for _, w := range t.Rows {
			if t.Makes() == m.Record.Object && w.Field == FieldName(field) && (t.Body != "" || t.File == m.Key.File) {
				rules = append(rules, Rule{File: w.File, Line: w.Line})
			}
		}
	}
	return sobject.Value{}, rules
}

// matches tells whether a value is the expected one, and gives the latter as text.
func (c *caseCheck) matches(v sobject.Value, want expectedField) (string, bool) {
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
func (c *caseCheck) reveal(v sobject.Value, want expectedField) string {
	if want.at == nil || v.Kind() != sobject.Ref {
		return caseText(v)
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
func (c *caseCheck) pointed(v sobject.Value) Mapped {
	for _, m := range c.records {
		if v.Kind() == sobject.Ref && m.Record.Object == v.To().Object && m.Record.Key.Value == v.Key() {
			return m
		}
	}
	return Mapped{}
}

func sameText(v sobject.Value, text string) bool {
	switch v.Kind() {
	case sobject.DateTime:
		at, err := time.Parse(time.RFC3339Nano, text)
		return err == nil && v.Equal(sobject.DateTimeValue(at))
	case sobject.Number:
		return v.Equal(sobject.NumberValue(text))
	}
	return caseText(v) == text
}

// caseText gives a value as a case writes it: instants without a fraction, the key of a record that is pointed to.
func caseText(v sobject.Value) string {
	switch v.Kind() {
	case sobject.Lookup:
		return v.LookupKey()
	case sobject.DateTime:
		return strings.Replace(v.Reveal(), ".000Z", "Z", 1)
	}
	return v.Reveal()
}
