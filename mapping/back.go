package mapping

import (
	"fmt"
	"slices"
	"strings"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// Change is what somebody did in Salesforce to a record of ours.
type Change struct {
	Dialect string         // what the source understands: "ers" or "fhir"
	Ref     fhir.Reference // the source's resource, with the version last read
	Image   sobject.Record // as last synced
	Now     sobject.Record // as Salesforce holds it
}

// Back gives the operation that tells the source of a change: none where no rule has anything to say. The error is
// Faults: a code without a row, a comment that the source insists on, or a change that means two things at once.
func (s *Set) Back(c Change) ([]fhir.Operation, error) {
	if len(c.Image.Fields) == 0 {
		return nil, nil // without an image nothing says what is new: silence is safe, a guess is a write to the NHS
	}
	var faults Faults
	var out []fhir.Operation
	var fired []*BackRule
	for _, b := range s.backRules(c) {
		op, lacks, wanted := b.operation(c)
		if !wanted {
			continue
		}
		faults = append(faults, lacks...)
		fired = append(fired, b)
		out = append(out, op)
	}
	if len(fired) > 1 {
		f := fired[1].Fault(BadValue, fmt.Sprintf("the change asks for %s and for %s", fired[0].Name, fired[1].Name),
			"undo one of the two in Salesforce")
		faults = append(faults, f)
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Set) backRules(c Change) []*BackRule {
	var out []*BackRule
	for _, t := range s.tables {
		for _, b := range t.Back {
			if t.Object == c.Now.Object && b.Dialect == c.Dialect {
				out = append(out, b)
			}
		}
	}
	return out
}

// operation gives what the rule sends; wanted is false where the rule does not apply, and where it does but the
// operation would tell the source what it said itself. Then nothing is wrong with its other parameters either.
func (b *BackRule) operation(c Change) (op fhir.Operation, faults Faults, wanted bool) {
	if !b.applies(c) {
		return op, nil, false
	}
	op = fhir.Operation{On: c.Ref, Name: b.Name}
	for i := range b.Parameters {
		p := &b.Parameters[i]
		param, given, fault := p.parameter(c.Now)
		switch {
		case fault != nil:
			faults = append(faults, *fault)
		case given && p.echoes(param.Code, c.Image):
			return op, nil, false
		case given:
			op.Parameters = append(op.Parameters, param)
		}
	}
	return op, faults, true
}

func (b *BackRule) applies(c Change) bool {
	changed := slices.ContainsFunc(b.Changed, func(field string) bool {
		return fieldText(c.Image, field) != fieldText(c.Now, field)
	})
	if !changed || len(b.To) > 0 && !slices.Contains(b.To, fieldText(c.Now, b.Changed[0])) {
		return false
	}
	return !slices.ContainsFunc(b.While, func(w Condition) bool { return !slices.Contains(w.Values, fieldText(c.Image, w.Field)) })
}

// fieldText gives a field as rules compare it. A checkbox that is not set is empty, as it is where nobody wrote it.
func fieldText(r sobject.Record, field string) string {
	v, _ := r.Get(field)
	return written(v.Reveal())
}

// written gives a value of a table in the same form.
func written(text string) string {
	if text == "false" {
		return ""
	}
	return text
}

// parameter gives one input of the operation; given is false where an optional one has no value.
func (p *BackParameter) parameter(now sobject.Record) (out fhir.Parameter, given bool, fault *Fault) {
	out = fhir.Parameter{Name: p.Name, System: p.System, Code: p.Code}
	if p.Code != "" {
		return out, true, nil
	}
	texts := make([]string, len(p.From))
	for i, field := range p.From {
		texts[i] = fieldText(now, field)
	}
	text := strings.TrimSpace(strings.Join(texts, ReverseSeparator))
	switch {
	case blankText(text) || p.Values != nil && texts[0] == "":
		if p.needed(now) {
			f := p.Fault(RequiredMissing, fmt.Sprintf("%s needs %s, and the field is empty", p.operation, p.Name),
				"fill in the field "+p.From[0]+" in Salesforce")
			f.Field = p.From[0]
			return out, false, &f
		}
		return out, false, nil
	case p.Values == nil && p.Length > 0 && TextLength(text) > p.Length:
		t := tooLong(TextLength(text), p.Length)
		f := p.Fault(t.kind, t.message, "shorten it in Salesforce")
		f.Field = p.From[0]
		return out, false, &f
	case p.Values == nil:
		out.Text = fhir.Private(text)
		return out, true, nil
	}
	row, ok := p.Lookup(texts)
	if !ok {
		f := p.Values.unknown(p.Place, Coding{Code: text}, true)
		f.Field = p.From[0]
		return out, false, &f
	}
	out.Code = row
	return out, true, nil
}

func (p *BackParameter) needed(now sobject.Record) bool {
	return p.Required || slices.ContainsFunc(p.RequiredFor, func(c Condition) bool {
		return slices.Contains(c.Values, fieldText(now, c.Field))
	})
}

// Lookup finds the code for the values of one or more fields: "None / Proposed", else "None / *".
func (p *BackParameter) Lookup(texts []string) (string, bool) {
	row, ok := p.Values.Find(Coding{Code: strings.Join(texts, ReverseSeparator)})
	if !ok && len(texts) > 1 {
		row, ok = p.Values.Find(Coding{Code: texts[0] + ReverseSeparator + "*"})
	}
	return row.To.Reveal(), ok
}

// echoes tells whether the code, mapped forward again, is what was synced last: the way back is not one to one, and
// a difference that the source itself cannot see is no news to it (checked-in and arrived are both In Progress).
func (p *BackParameter) echoes(code string, image sobject.Record) bool {
	if len(p.Forward) == 0 {
		return false
	}
	return !slices.ContainsFunc(p.Forward, func(f Forward) bool {
		v, listed := f.values.translate([]Coding{{Code: code}})
		return !listed || v.Reveal() != fieldText(image, f.Field)
	})
}

// Carries tells whether a rule of a dialect takes every value of a field. Where it does and Back gives nothing for a
// change, the source cannot tell the two values apart: there is nothing to carry, and nothing to report.
func (s *Set) Carries(dialect, object, field string) bool {
	for _, t := range s.tables {
		if t.Object != object {
			continue
		}
		for _, b := range t.Back {
			if b.Dialect == dialect && len(b.To) == 0 && slices.Contains(b.Changed, field) {
				return true
			}
		}
	}
	return false
}
