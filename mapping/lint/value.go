package lint

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// known is what is known before any data about the value that a row gives.
type known struct {
	kind  sobject.Kind // Null: not known
	typ   string       // FHIR or System type of the path; empty: not known
	limit int          // longest text; 0: not known, noLimit: as long as the source likes
}

const noLimit = 1 << 30

// fixed is a value that a table writes down, with its place.
type fixed struct {
	mapping.Place
	value sobject.Value
}

// structures are types that are no single value. All others with a capital letter are, too; these have transforms.
func structured(typ string) bool {
	return typ != "" && !strings.HasPrefix(typ, "System.") && typ[0] >= 'A' && typ[0] <= 'Z'
}

// kindOf gives the kind of value that a type becomes without a transform.
func kindOf(typ string) sobject.Kind {
	switch strings.TrimPrefix(typ, "System.") {
	case "":
		return sobject.Null
	case "boolean", "Boolean":
		return sobject.Bool
	case "integer", "positiveInt", "unsignedInt", "decimal", "Integer", "Decimal", "Long":
		return sobject.Number
	}
	return sobject.Text
}

// value checks what a row gives against what its field takes.
func (l *linter) value(w *mapping.Row, f sobject.FieldType) {
	if !w.Fallback.IsNull() {
		l.fixed(fixed{value: w.Fallback, Place: l.at(w.Place, "default")}, f)
	}
	if w.Values != nil {
		l.outputs(w, f)
	}
	unknown := func(t mapping.Transform) bool { return !slices.Contains(mapping.TransformNames(), t.Name) }
	if slices.ContainsFunc(w.Transforms, unknown) {
		return // what it would give is not known; Load says so
	}
	for _, p := range w.Paths {
		l.several(w, p)
		l.periodEnd(w, p)
		if l.literals(w, p, f) {
			continue
		}
		g := known{typ: p.Expr.Known().Type()}
		g.kind, g.limit = kindOf(g.typ), typeLimit(g.typ)
		if l.transformed(w, &g) {
			l.fits(w, p, g, f)
		}
	}
}

// several warns of a path through an element that R4 lets repeat, where the field takes one value: the first record with
// two of them would be held.
func (l *linter) several(w *mapping.Row, p *mapping.Path) {
	element := p.Expr.Known().Many()
	if element == "" || w.Values != nil || w.Joined {
		return
	}
	folds := func(t mapping.Transform) bool {
		return slices.Contains([]string{"humanName", "contact", "nhsNumber", "patientKey"}, t.Name)
	}
	if !slices.ContainsFunc(w.Transforms, folds) {
		l.warn("several", p.Place, w.Field, fmt.Sprintf("%s can stand several times, the row takes one value: two of them hold the record", element),
			"choose one with .first() or .where(…), or write them together with .join('; ')")
	}
}

// periodEnd warns of the end of a Period that is read as if it were a beginning: a day in it would be over before it began.
func (l *linter) periodEnd(w *mapping.Row, p *mapping.Path) {
	begins := func(t mapping.Transform) bool { return t.Name == "utc" && !t.End }
	if p.Expr.Known().Element() == "Period.end" && slices.ContainsFunc(w.Transforms, begins) {
		l.warn("period-end", l.at(w.Place, "transform"), w.Field, "an end that is a day, a month or a year becomes its first moment: FHIR includes all of it",
			"write utc(end), which is its last second")
	}
}

// literals checks the texts that a path gives as they are; it tells whether it gives nothing else.
func (l *linter) literals(w *mapping.Row, p *mapping.Path, f sobject.FieldType) bool {
	if w.Values != nil || len(w.Transforms) > 0 || w.Ref.Object != "" || w.Lookup.Object != "" {
		return false
	}
	texts, only := p.Expr.Texts()
	for _, text := range texts {
		l.fixed(fixed{value: sobject.TextValue(text.Text), Place: l.partOf(p, text)}, f)
	}
	return only && len(texts) > 0
}

// typeLimit gives the longest text of a type. Codes and addresses have no limit in FHIR, but are short.
func typeLimit(typ string) int {
	switch typ {
	case "id":
		return 64
	case "string", "markdown", "xhtml", "base64Binary", "System.String":
		return noLimit
	}
	return 0
}

// transformed follows the transforms of a row; it is false where one of them cannot take what it gets.
func (l *linter) transformed(w *mapping.Row, g *known) bool {
	at := l.at(w.Place, "transform")
	for i, t := range w.Transforms {
		if wants := takes(t.Name); i == 0 && g.typ != "" && wants != nil && !slices.Contains(wants, g.typ) {
			l.fail("wrong-type", at, w.Field, fmt.Sprintf("%s cannot take %s", t.Name, withArticle(g.typ)), "it takes "+strings.Join(wants, ", "))
			return false
		}
		if i == 0 && structured(g.typ) && takes(t.Name) == nil && t.Name != "text" {
			l.fail("wrong-type", at, w.Field, fmt.Sprintf("%s cannot take %s: it has several parts", t.Name, withArticle(g.typ)), "take a part of it, or write transform: text first")
			return false
		}
		g.after(t.Name, argument(t))
	}
	return true
}

// takes gives the types that a transform can take; nil for any single value.
func takes(transform string) []string {
	switch transform {
	case "utc", "date":
		return []string{"dateTime", "date", "instant", "System.DateTime", "System.Date", "System.String"}
	case "codingKey":
		return []string{"Coding"}
	case "conceptKey":
		return []string{"CodeableConcept"}
	case "humanName":
		return []string{"HumanName"}
	case "contact":
		return []string{"ContactPoint"}
	case "current":
		return []string{"HumanName", "Address", "ContactPoint", "Identifier"}
	case "referenceId":
		return []string{"Reference", "string", "uri", "url", "canonical", "System.String"}
	}
	return nil
}

// after changes what is known by one more transform.
func (g *known) after(transform string, n int) {
	g.typ = "System.String"
	g.kind = sobject.Text
	switch transform {
	case "utc":
		g.kind = sobject.DateTime
	case "date":
		g.kind = sobject.Date
	case "truncate":
		g.limit = n
	case "hash":
		g.limit = n
	case "codingKey", "conceptKey":
		g.limit = 40
	case "nhsNumber":
		g.limit = 10
	case "patientKey", "referenceId":
		g.limit = 64
	case "humanName", "text", "contact":
		g.limit = noLimit
	}
}

// argument gives the number in the brackets of a transform, 0 where there is none.
func argument(t mapping.Transform) int {
	_, args, _ := strings.Cut(strings.TrimSuffix(t.Text, ")"), "(")
	first, _, _ := strings.Cut(args, ",")
	number, _ := strconv.Atoi(strings.TrimSpace(first))
	return number
}

// fits compares the value of a path with its field.
func (l *linter) fits(w *mapping.Row, p *mapping.Path, g known, f sobject.FieldType) {
	switch {
	case w.Values != nil:
		if structured(g.typ) && g.typ != "Coding" && g.typ != "CodeableConcept" {
			l.fail("wrong-type", p.Place, w.Field, fmt.Sprintf("the source gives %s, a value table takes codes", withArticle(g.typ)), "take the code of it")
		}
		return
	case structured(g.typ):
		l.fail("wrong-type", p.Place, w.Field, fmt.Sprintf("the source gives %s, the field takes one value", withArticle(g.typ)),
			"take a part of it, or write transform: text")
		return
	case w.Ref.Object != "" || w.Lookup.Object != "":
		return
	}
	if severity, hint := mismatch(g.kind, f.Type, g.typ); severity != "" {
		l.judged(severity, "wrong-type", p.Place, w.Field, fmt.Sprintf("the row gives %s, %s is %s", kindText(g.kind), f.Name, typeText(f.Type)), hint)
		return
	}
	l.length(w, p, g, f)
	if g.kind == sobject.Text && f.RestrictedPicklist && len(f.PicklistValues) > 0 {
		l.warn("unknown-value", p.Place, w.Field, "any text of the source goes into a picklist that takes listed values only", "give the row a value table")
	}
}

func (l *linter) judged(s Severity, check string, at mapping.Place, field string, texts ...string) {
	if s == Error {
		l.fail(check, at, field, texts[0], texts[1])
		return
	}
	l.warn(check, at, field, texts[0], texts[1])
}

// length compares the longest text with the field's length.
func (l *linter) length(w *mapping.Row, p *mapping.Path, g known, f sobject.FieldType) {
	if g.kind != sobject.Text || f.Length == 0 || !textType(f.Type) {
		return
	}
	cutAt := slices.ContainsFunc(w.Transforms, func(t mapping.Transform) bool { return t.Name == "truncate" })
	switch {
	case g.limit == noLimit:
		l.warn("too-long", p.Place, w.Field, fmt.Sprintf("the source sets no limit, %s takes %d characters: Salesforce would refuse the record", f.Name, f.Length),
			fmt.Sprintf("transform: truncate(%d, hold)", f.Length))
	case g.limit > f.Length && cutAt:
		l.fail("too-long", l.at(w.Place, "transform"), w.Field, fmt.Sprintf("%d characters may pass, %s takes %d", g.limit, f.Name, f.Length),
			fmt.Sprintf("truncate(%d, hold)", f.Length))
	case g.limit > f.Length:
		l.fail("too-long", p.Place, w.Field, fmt.Sprintf("the value may have %d characters, %s takes %d", g.limit, f.Name, f.Length), "")
	}
}

func textType(typ string) bool {
	switch typ {
	case "string", "textarea", "email", "phone", "url", "encryptedstring", "combobox":
		return true
	}
	return false
}

func numeric(typ string) bool {
	return slices.Contains([]string{"double", "currency", "percent", "int", "long"}, typ)
}

func picklist(typ string) bool { return typ == "picklist" || typ == "multipicklist" }

// mismatch tells whether a field of a type takes a kind of value; an empty severity says that it does.
func mismatch(kind sobject.Kind, typ, source string) (Severity, string) {
	fit := func(kinds ...sobject.Kind) bool { return kind == sobject.Null || slices.Contains(kinds, kind) }
	switch {
	case typ == "boolean" && !fit(sobject.Bool):
		return Error, "give it true or false: a boolean of the source, or a value table with true and false"
	case typ == "datetime" && !fit(sobject.DateTime):
		return Error, "transform: utc"
	case typ == "date" && !fit(sobject.Date):
		return Error, "transform: date"
	case numeric(typ) && !fit(sobject.Number):
		return Error, "take a number of the source"
	case slices.Contains([]string{"int", "long"}, typ) && strings.EqualFold(strings.TrimPrefix(source, "System."), "decimal"):
		return Warning, "a number with decimals is refused: write round()"
	case (typ == "reference" || typ == "id") && !fit():
		return Error, "name the record with ref or lookup"
	case textType(typ) && !fit(sobject.Text):
		return Warning, "write toString(), if a text is meant"
	case picklist(typ) && !fit(sobject.Text):
		return Error, "give the row a value table with texts"
	}
	return "", ""
}

func kindText(k sobject.Kind) string {
	switch k {
	case sobject.Bool:
		return "true or false"
	case sobject.Number:
		return "a number"
	case sobject.DateTime:
		return "an instant"
	case sobject.Date:
		return "a day"
	}
	return "a text"
}

func typeText(typ string) string {
	switch typ {
	case "boolean":
		return "a checkbox"
	case "datetime":
		return "an instant (dateTime)"
	case "date":
		return "a day (date)"
	case "reference":
		return "a reference to a record"
	case "int", "long", "double", "currency", "percent":
		return "a number (" + typ + ")"
	}
	return withArticle(typ)
}

// withArticle gives a type with a or an before it; nothing for none.
func withArticle(typ string) string {
	switch {
	case typ == "":
		return ""
	case strings.ContainsRune("aeioAEIO", rune(typ[0])), strings.HasPrefix(typ, "un"):
		return "an " + typ
	}
	return "a " + typ
}

// outputs checks every value of a row's value table.
func (l *linter) outputs(w *mapping.Row, f sobject.FieldType) {
	for _, c := range w.Values.Codes {
		at := l.at(c.Place, "to")
		l.fixed(fixed{value: c.To, Place: at}, f)
	}
	if n := l.named(w.Values.Place, "unlisted"); n != nil && w.Values.Unlisted == "" {
		l.fixed(fixed{value: w.Values.Other, Place: mapping.Place{File: w.Values.File, Line: n.Line, Column: n.Column}}, f)
	}
	if w.Values.Unlisted == mapping.UnlistedKeep && f.RestrictedPicklist && len(f.PicklistValues) > 0 {
		l.warn("unknown-value", l.at(w.Place, "values"), w.Field, "codes that are not listed go into a picklist that takes listed values only",
			"unlisted: hold")
	}
}

// fixed checks a value that a table writes down: its kind, its length, and whether a picklist has it.
func (l *linter) fixed(c fixed, f sobject.FieldType) {
	kind := c.value.Kind()
	if kind == sobject.Null {
		return
	}
	if severity, hint := mismatch(kind, f.Type, ""); severity != "" {
		switch _, err := strconv.ParseFloat(c.value.Reveal(), 64); {
		case f.Type == "boolean":
			hint = "write true or false without quotes"
		case numeric(f.Type) && err == nil:
			hint = fmt.Sprintf("a constant number is a path: from: %q", c.value.Reveal())
		}
		l.judged(severity, "wrong-type", c.Place, f.Name, fmt.Sprintf("the value is %s, %s is %s", kindText(kind), f.Name, typeText(f.Type)), hint)
		return
	}
	text := c.value.Reveal()
	if n := mapping.TextLength(text); textType(f.Type) && f.Length > 0 && n > f.Length {
		l.fail("too-long", c.Place, f.Name, fmt.Sprintf("the value has %d characters, %s takes %d", n, f.Name, f.Length), "")
	}
	if picklist(f.Type) {
		l.picked(c.Place, text, f)
	}
}

// picked checks that a picklist has a value; multi-select values stand together with semicolons.
func (l *linter) picked(at mapping.Place, text string, f sobject.FieldType) {
	values := active(f)
	if len(values) == 0 {
		return
	}
	parts := []string{text}
	if f.Type == "multipicklist" {
		parts = strings.Split(text, ";")
	}
	for _, part := range parts {
		if slices.Contains(values, part) {
			continue
		}
		hint := mapping.Nearest(part, values)
		if hint == "" {
			hint = "it has " + strings.Join(values[:min(len(values), 12)], ", ")
		}
		severity, message := Warning, fmt.Sprintf("picklist %s does not list %q: people would not find it", f.Name, mapping.Short(part))
		if f.RestrictedPicklist {
			severity, message = Error, fmt.Sprintf("picklist %s does not take %q", f.Name, mapping.Short(part))
		}
		l.judged(severity, "unknown-value", at, f.Name, message, hint)
	}
}

func active(f sobject.FieldType) []string {
	var out []string
	for _, v := range f.PicklistValues {
		if v.Active {
			out = append(out, v.Value)
		}
	}
	return out
}
