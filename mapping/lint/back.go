package lint

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// backRule checks a rule of the way back: its fields, its values, and that no value of Salesforce is forgotten.
func (l *linter) backRule(t *mapping.Table, b *mapping.BackRule, used map[string]bool) {
	for i := range b.Parameters {
		p := &b.Parameters[i]
		used[p.ValuesName] = true
		for _, f := range p.Forward {
			used[f.ValuesName] = true
		}
		l.sent(t, b, p)
	}
	desc, ok := l.target.Object(t.Object)
	if !ok {
		return // reported where the object stands
	}
	for i, name := range b.Changed {
		f, ok := l.field(desc, name, l.at(b.Place, "changed"))
		for _, to := range b.To {
			if i == 0 && ok && f.Type != "boolean" && len(active(f)) > 0 && !slices.Contains(active(f), to) {
				l.warn("unknown-value", l.at(b.Place, "to"), name, fmt.Sprintf("picklist %s does not list %q: the rule never applies", name, mapping.Short(to)),
					mapping.Nearest(to, active(f)))
			}
		}
	}
	for _, c := range b.While {
		if f, ok := l.field(desc, c.Field, c.Place); ok {
			l.unwritten(t.Object, f, c.File, l.behind(c.Place))
		}
	}
	for i := range b.Parameters {
		l.parameter(desc, &b.Parameters[i])
	}
}

func (l *linter) parameter(desc sobject.Description, p *mapping.BackParameter) {
	var fields []sobject.FieldType
	for _, name := range p.From {
		f, ok := l.field(desc, name, l.at(p.Place, "from"))
		if !ok {
			return
		}
		fields = append(fields, f)
	}
	for _, c := range p.RequiredFor {
		l.field(desc, c.Field, c.Place)
	}
	for _, f := range p.Forward {
		l.field(desc, f.Field, f.Place)
	}
	if p.Values != nil && len(fields) > 0 {
		l.answered(p, fields)
	}
}

// answered warns of picklist values that people can choose and that the way back has no row for.
func (l *linter) answered(p *mapping.BackParameter, fields []sobject.FieldType) {
	var missing []string
	for _, value := range active(fields[0]) {
		if !answers(p, value, fields) {
			missing = append(missing, value)
		}
	}
	meant := l.named(p.Values.Place, "unlisted") != nil
	if len(missing) > 0 && p.Values.Unlisted == mapping.UnlistedHold && !meant {
		l.warn("uncovered-code", p.Values.Place, fields[0].Name,
			fmt.Sprintf("value table %s has no row for %s of %s: such a change is held", mapping.Short(p.Values.Name), strings.Join(missing, ", "), fields[0].Name),
			"add rows, or write unlisted: hold to say that it is meant")
	}
}

func answers(p *mapping.BackParameter, value string, fields []sobject.FieldType) bool {
	if len(fields) == 1 {
		_, ok := p.Lookup([]string{value})
		return ok
	}
	if _, ok := p.Lookup([]string{value, ""}); ok {
		return true
	}
	seconds := active(fields[1])
	return len(seconds) > 0 && !slices.ContainsFunc(seconds, func(second string) bool {
		_, ok := p.Lookup([]string{value, second})
		return !ok
	})
}

// sent checks what an update changes: an element of the source that is a code or a text, and that is bound to a set of codes.
func (l *linter) sent(t *mapping.Table, b *mapping.BackRule, p *mapping.BackParameter) {
	if b.Name != fhir.OperationUpdate || !l.changes(t, p) {
		return
	}
	set := l.sets.byElement[t.Source+"."+p.Name]
	if set == nil {
		return
	}
	message := func(code string) string {
		return fmt.Sprintf("%s has no code %s: the server would refuse it", set.name, mapping.ShowCode(code))
	}
	if p.Code != "" && !slices.Contains(set.codes, p.Code) {
		l.fail("unknown-code", l.at(p.Place, "code"), "", message(p.Code), mapping.Nearest(p.Code, set.codes))
	}
	if p.Values == nil {
		return
	}
	for _, c := range p.Values.Codes {
		if code := c.To.Reveal(); code != "" && !slices.Contains(set.codes, code) {
			l.fail("unknown-code", l.at(c.Place, "to"), "", message(code), mapping.Nearest(code, set.codes))
		}
	}
}

// changes checks the element that a parameter of an update names.
func (l *linter) changes(t *mapping.Table, p *mapping.BackParameter) bool {
	if !fhirpath.IsResourceType(t.Source) || p.Name == "" {
		return false
	}
	at := l.at(p.Place, "name")
	var refused *fhirpath.Error
	expr, err := fhirpath.Compile(t.Source + "." + p.Name)
	if errors.As(err, &refused) {
		l.fail("unknown-element", at, "", refused.Message, refused.Hint)
		return false
	}
	if err != nil {
		return false
	}
	switch typ := expr.Known().Type(); {
	case !mapping.ValidElementName(p.Name):
		l.fail("wrong-type", at, "", fmt.Sprintf("an update changes an element of %s itself, not %s", t.Source, mapping.Short(p.Name)), "name one element, such as status")
	case structured(typ) || kindOf(typ) != sobject.Text:
		l.fail("wrong-type", at, "", fmt.Sprintf("an update writes a code or a text, %s is %s", p.Name, cmp.Or(withArticle(typ), "of several types")), "")
	default:
		return true
	}
	return false
}
