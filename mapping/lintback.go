package mapping

import (
	"fmt"
	"slices"
	"strings"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// backRule checks a rule of the way back: its fields, its values, and that no value of Salesforce is forgotten.
func (l *linter) backRule(t *table, b *backRule, used map[string]bool) {
	for i := range b.parameters {
		p := &b.parameters[i]
		used[p.valuesName] = true
		for _, f := range p.forward {
			used[f.valuesName] = true
		}
		l.sent(t, b, p)
	}
	desc, ok := l.target.Object(t.object)
	if !ok {
		return // reported where the object stands
	}
	for i, name := range b.changed {
		f, ok := l.field(desc, name, l.at(b.place, "changed"))
		for _, to := range b.to {
			if i == 0 && ok && f.Type != "boolean" && len(active(f)) > 0 && !slices.Contains(active(f), to) {
				l.warn("unknown-value", l.at(b.place, "to"), name, fmt.Sprintf("picklist %s does not list %q: the rule never applies", name, short(to)),
					nearest(to, active(f)))
			}
		}
	}
	for _, c := range b.while {
		l.field(desc, c.field, c.place)
	}
	for i := range b.parameters {
		l.parameter(desc, &b.parameters[i])
	}
}

func (l *linter) parameter(desc sobject.Description, p *backParameter) {
	var fields []sobject.FieldType
	for _, name := range p.from {
		f, ok := l.field(desc, name, l.at(p.place, "from"))
		if !ok {
			return
		}
		fields = append(fields, f)
	}
	for _, c := range p.requiredFor {
		l.field(desc, c.field, c.place)
	}
	for _, f := range p.forward {
		l.field(desc, f.field, f.place)
	}
	if p.values != nil && len(fields) > 0 {
		l.answered(p, fields)
	}
}

// answered warns of picklist values that people can choose and that the way back has no row for.
func (l *linter) answered(p *backParameter, fields []sobject.FieldType) {
	var missing []string
	for _, value := range active(fields[0]) {
		if !p.answers(value, fields) {
			missing = append(missing, value)
		}
	}
	meant := l.named(p.values.place, "unlisted") != nil
	if len(missing) > 0 && p.values.unlisted == unlistedHold && !meant {
		l.warn("uncovered-code", p.values.place, fields[0].Name,
			fmt.Sprintf("value table %s has no row for %s of %s: such a change is held", short(p.values.name), strings.Join(missing, ", "), fields[0].Name),
			"add rows, or write unlisted: hold to say that it is meant")
	}
}

func (p *backParameter) answers(value string, fields []sobject.FieldType) bool {
	if len(fields) == 1 {
		_, ok := p.lookup([]string{value})
		return ok
	}
	if _, ok := p.lookup([]string{value, ""}); ok {
		return true
	}
	seconds := active(fields[1])
	return len(seconds) > 0 && !slices.ContainsFunc(seconds, func(second string) bool {
		_, ok := p.lookup([]string{value, second})
		return !ok
	})
}

// sent checks the codes of an update: the source is bound to a set of them.
func (l *linter) sent(t *table, b *backRule, p *backParameter) {
	set, bound := boundTo(t.source + "." + p.name)
	if b.name != fhir.OperationUpdate || !bound {
		return
	}
	message := func(code string) string {
		return fmt.Sprintf("%s has no code %s: the server would refuse it", set.name, showCode(code))
	}
	if p.code != "" && !slices.Contains(set.codes, p.code) {
		l.fail("unknown-code", l.at(p.place, "code"), "", message(p.code), nearest(p.code, set.codes))
	}
	if p.values == nil {
		return
	}
	for _, c := range p.values.codes {
		if code := c.to.Reveal(); code != "" && !slices.Contains(set.codes, code) {
			l.fail("unknown-code", l.at(c.place, "to"), "", message(code), nearest(code, set.codes))
		}
	}
}
