package mapping

import (
	"fmt"
	"strings"

	"refbridge/sfdc/sobject"
)

func wordsOf(p *path) *reviewPath {
	if p == nil {
		return nil
	}
	out := &reviewPath{Text: strings.Join(strings.Fields(p.text), " "), Words: p.expr.Words()}
	if !strings.ContainsAny(out.Text, ".('&|=[ ") {
		out.Words = "" // "the status" says no more than status
	}
	return out
}

func pathWords(paths []*path) []reviewPath {
	var out []reviewPath
	for _, p := range paths {
		out = append(out, *wordsOf(p))
	}
	return out
}

// ownerWords says who decides over a field, in the words that the page explains.
func ownerWords(o sobject.Owner) string {
	switch o {
	case sobject.TargetSide:
		return "Salesforce keeps it"
	case sobject.Latest:
		return "last change wins"
	case sobject.CreateOnly:
		return "set once"
	}
	return "source decides"
}

func transformRules(transforms []transform) []string {
	var out []string
	for _, t := range transforms {
		out = append(out, t.words())
	}
	return out
}

// words says what a transform does; docs/tables.md says it with an example.
func (t transform) words() string {
	_, rest, _ := strings.Cut(t.text, "(")
	first, second, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(rest), ")"), ",")
	argument := strings.TrimSpace(first)
	switch t.name {
	case "utc":
		if argument == "UTC" {
			return "as an instant in UTC; a day alone begins at midnight UTC"
		}
		return "as an instant in UTC; a day alone begins in Britain"
	case "truncate":
		if strings.TrimSpace(second) == "cut" {
			return "cut after " + argument + " characters"
		}
		return "longer than " + argument + " characters: the record is held"
	case "humanName":
		return map[string]string{"family": "the family name", "given": "the first given name", "middle": "the other given names",
			"prefix": "the title", "full": "the full name"}[argument] + " of the name in use, never an old one"
	case "referenceId":
		return "the id of the " + argument + " that it points to"
	case "hash":
		return "as a hash of " + argument + " digits"
	}
	if said := plainTransform(t.name); said != "" {
		return said
	}
	return t.text
}

func plainTransform(name string) string {
	switch name {
	case "date":
		return "as a day"
	case "nhsNumber":
		return "checked as an NHS number; a wrong check digit, or two numbers: the record is held"
	case "patientKey":
		return "as a secret-keyed hash of the NHS number"
	case "codingKey":
		return "as the key of the code"
	case "conceptKey":
		return "as the key of the coded concept"
	case "phone":
		return "as a telephone number without spaces"
	case "upper":
		return "in capitals"
	case "lower":
		return "in small letters"
	case "text":
		return "as a person reads it: its text, else its display, else its code"
	}
	return ""
}

// otherRules says what a row does beside its transforms and its value table.
func (w *row) otherRules() []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if w.ref.Object != "" {
		add("points to the %s with this key", w.ref.Object)
	}
	if w.lookup.Object != "" {
		add("finds the %s that has it; none, or more than one: the record is not written", w.lookup.Object)
	}
	if !w.fallback.IsNull() {
		if len(w.paths) == 0 {
			add("always %s", constantWords(w.fallback))
		} else {
			add("without a value: %s", constantWords(w.fallback))
		}
	}
	if w.joined {
		add("all values joined by %q", w.join)
	}
	if w.keepIfAbsent {
		add("without a value Salesforce keeps what it has")
	}
	return out
}

func constantWords(v sobject.Value) string {
	if v.Kind() == sobject.Bool {
		return exampleText(v)
	}
	return "“" + v.Reveal() + "”"
}

// unlistedWords says what becomes of a code that has no line.
func (v *valueTable) unlistedWords() string {
	switch v.unlisted {
	case unlistedHold:
		return "any other code: the record is held until somebody adds it"
	case unlistedKeep:
		return "any other code is kept as it is"
	case unlistedNone:
		return "any other code gives no value"
	}
	return "any other code becomes " + constantWords(v.other)
}

// listed joins words: a, b or c.
func listed(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// reviewBack is a rule of the way back, in words.
type reviewBack struct {
	Source, Purpose, When, While, Action, Code, Place string
	Parameters                                        []string
}

func (b *backRule) review() reviewBack {
	out := reviewBack{Source: map[string]string{"ers": "NHS e-RS", "fhir": "FHIR R4 servers"}[b.dialect], Purpose: b.purpose,
		Code: b.name, Place: fmt.Sprintf("%s:%d", b.file, b.line), Action: operationWords(b.name)}
	out.When = listed(b.changed, "or") + " is changed in Salesforce"
	if len(b.to) > 0 {
		out.When = b.changed[0] + " becomes " + listed(valueTexts(b.to), "or") + " in Salesforce"
	}
	var while []string
	for _, c := range b.while {
		while = append(while, c.field+" was "+listed(valueTexts(c.values), "or"))
	}
	out.While = strings.Join(while, " and ")
	for i := range b.parameters {
		out.Parameters = append(out.Parameters, b.parameters[i].words())
	}
	return out
}

// valueTexts gives values as people read them; a checkbox that is not set is compared as an empty text.
func valueTexts(values []string) []string {
	out := make([]string, len(values))
	for i, v := range values {
		switch v {
		case "":
			out[i] = "not ticked or empty"
		case "true":
			out[i] = "ticked"
		default:
			out[i] = v
		}
	}
	return out
}

func operationWords(name string) string {
	switch name {
	case "$ers.acceptReferral":
		return "accept the referral (A013)"
	case "$ers.recordReviewOutcome":
		return "record the outcome of the review (A028)"
	case "$ers.cancelReferral":
		return "cancel the referral for good (A036)"
	}
	return "update the resource, if nobody changed it meanwhile"
}

func (p *backParameter) words() string {
	if p.code != "" {
		return p.name + ": always " + p.code
	}
	s := p.name + ": what stands in " + listed(p.from, "and")
	if p.valuesName != "" {
		s += ", translated by " + p.valuesName
	}
	if p.length > 0 {
		s += fmt.Sprintf(", at most %d characters", p.length)
	}
	switch {
	case p.required:
		s += "; without it nothing is sent and the change is held"
	case len(p.requiredFor) > 0:
		var needs []string
		for _, c := range p.requiredFor {
			needs = append(needs, c.field+" is "+listed(valueTexts(c.values), "or"))
		}
		s += "; needed where " + strings.Join(needs, " and ")
	}
	if len(p.forward) > 0 {
		s += "; not sent where the source could not see a difference"
	}
	return s
}

// bodyWords names the part of a body that a table makes.
func bodyWords(t *table) string {
	name := map[string]string{"referral": "Referral Management API", "appointment": "Book Appointment API"}[t.body]
	part := t.array
	for i, w := range t.rows {
		head, _, _ := strings.Cut(w.field, ".")
		if i > 0 && head != part {
			return name
		}
		part = head
	}
	return name + ": " + strings.TrimSuffix(part, "[]")
}

func limitWords(t *table) string {
	if t.forEach == nil || t.array == "" {
		return ""
	}
	if t.max > 0 {
		return fmt.Sprintf("at most %d, the rest is left out", t.max)
	}
	return "as many as the API takes; more hold the record"
}
