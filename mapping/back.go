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
	var fired []*backRule
	for _, b := range s.backRules(c) {
		op, wanted := b.operation(c, &faults)
		if !wanted {
			continue
		}
		fired = append(fired, b)
		out = append(out, op)
	}
	if len(fired) > 1 {
		f := fired[1].fault(BadValue, fmt.Sprintf("the change asks for %s and for %s", fired[0].name, fired[1].name),
			"undo one of the two in Salesforce")
		faults = append(faults, f)
	}
	if err := faults.err(); err != nil {
		return nil, err
	}
	return out, nil
}

func (s *Set) backRules(c Change) []*backRule {
	var out []*backRule
	for _, t := range s.tables {
		for _, b := range t.back {
			if t.object == c.Now.Object && b.dialect == c.Dialect {
				out = append(out, b)
			}
		}
	}
	return out
}

// operation gives what the rule sends; wanted is false where the rule does not apply, and where it does but the
// operation would tell the source what it said itself.
func (b *backRule) operation(c Change, faults *Faults) (op fhir.Operation, wanted bool) {
	if !b.applies(c) {
		return op, false
	}
	op = fhir.Operation{On: c.Ref, Name: b.name}
	for i := range b.parameters {
		p := &b.parameters[i]
		param, given, fault := p.parameter(c.Now)
		if fault != nil {
			*faults = append(*faults, *fault)
			continue
		}
		if given && p.echoes(param.Code, c.Image) {
			return op, false
		}
		if given {
			op.Parameters = append(op.Parameters, param)
		}
	}
	return op, true
}

func (b *backRule) applies(c Change) bool {
	changed := slices.ContainsFunc(b.changed, func(field string) bool {
		return fieldText(c.Image, field) != fieldText(c.Now, field)
	})
	if !changed || len(b.to) > 0 && !slices.Contains(b.to, fieldText(c.Now, b.changed[0])) {
		return false
	}
	return !slices.ContainsFunc(b.while, func(w condition) bool { return !slices.Contains(w.values, fieldText(c.Image, w.field)) })
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
func (p *backParameter) parameter(now sobject.Record) (out fhir.Parameter, given bool, fault *Fault) {
	out = fhir.Parameter{Name: p.name, System: p.system, Code: p.code}
	if p.code != "" {
		return out, true, nil
	}
	texts := make([]string, len(p.from))
	for i, field := range p.from {
		texts[i] = fieldText(now, field)
	}
	text := strings.TrimSpace(strings.Join(texts, reverseSeparator))
	switch {
	case text == "" || p.values != nil && texts[0] == "":
		if p.needed(now) {
			f := p.fault(RequiredMissing, fmt.Sprintf("%s needs %s, and the field is empty", p.operation, p.name),
				"fill in the field "+p.from[0]+" in Salesforce")
			f.Field = p.from[0]
			return out, false, &f
		}
		return out, false, nil
	case p.values == nil && p.length > 0 && units(text) > p.length:
		t := tooLong(units(text), p.length)
		f := p.fault(t.kind, t.message, "shorten it in Salesforce")
		f.Field = p.from[0]
		return out, false, &f
	case p.values == nil:
		out.Text = fhir.Private(text)
		return out, true, nil
	}
	row, ok := p.lookup(texts)
	if !ok {
		f := p.values.unknown(coding{code: text})
		f.Field = p.from[0]
		return out, false, &f
	}
	out.Code = row
	return out, true, nil
}

func (p *backParameter) needed(now sobject.Record) bool {
	return p.required || slices.ContainsFunc(p.requiredFor, func(c condition) bool {
		return slices.Contains(c.values, fieldText(now, c.field))
	})
}

// lookup finds the code for the values of one or more fields: "None / Proposed", else "None / *".
func (p *backParameter) lookup(texts []string) (string, bool) {
	row, ok := p.values.find(coding{code: strings.Join(texts, reverseSeparator)})
	if !ok && len(texts) > 1 {
		row, ok = p.values.find(coding{code: texts[0] + reverseSeparator + "*"})
	}
	return row.to.Reveal(), ok
}

// echoes tells whether the code, mapped forward again, is what was synced last: the way back is not one to one, and
// a difference that the source itself cannot see is no news to it (checked-in and arrived are both In Progress).
func (p *backParameter) echoes(code string, image sobject.Record) bool {
	if len(p.forward) == 0 {
		return false
	}
	return !slices.ContainsFunc(p.forward, func(f forward) bool {
		v, listed := f.values.translate([]coding{{code: code}})
		return !listed || v.Reveal() != fieldText(image, f.field)
	})
}
