package review

import (
	"fmt"
	"strings"

	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

func wordsOf(p *mapping.Path) *path {
	if p == nil {
		return nil
	}
	out := &path{Text: strings.Join(strings.Fields(p.Text), " "), Words: p.Expr.Words()}
	if !strings.ContainsAny(out.Text, ".('&|=[ ") {
		out.Words = "" // "the status" says no more than status
	}
	return out
}

func pathWords(paths []*mapping.Path) []path {
	var out []path
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

func transformRules(transforms []mapping.Transform) []string {
	var out []string
	for _, t := range transforms {
		out = append(out, transformWords(t))
	}
	return out
}

// transformWords says what a transform does; docs/tables.md says it with an example.
func transformWords(t mapping.Transform) string {
	_, rest, _ := strings.Cut(t.Text, "(")
	first, second, _ := strings.Cut(strings.TrimSuffix(strings.TrimSpace(rest), ")"), ",")
	argument := strings.TrimSpace(first)
	switch t.Name {
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
	if said := plainTransform(t.Name); said != "" {
		return said
	}
	return t.Text
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
func otherRules(w *mapping.Row) []string {
	var out []string
	add := func(format string, args ...any) { out = append(out, fmt.Sprintf(format, args...)) }
	if w.Ref.Object != "" {
		add("points to the %s with this key", w.Ref.Object)
	}
	if w.Lookup.Object != "" {
		add("finds the %s that has it; none, or more than one: the record is not written", w.Lookup.Object)
	}
	if !w.Fallback.IsNull() {
		if len(w.Paths) == 0 {
			add("always %s", constantWords(w.Fallback))
		} else {
			add("without a value: %s", constantWords(w.Fallback))
		}
	}
	if w.Joined {
		add("all values joined by %q", w.Join)
	}
	if w.KeepIfAbsent {
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
func unlistedWords(v *mapping.ValueTable) string {
	switch v.Unlisted {
	case mapping.UnlistedHold:
		return "any other code: the record is held until somebody adds it"
	case mapping.UnlistedKeep:
		return "any other code is kept as it is"
	case mapping.UnlistedNone:
		return "any other code gives no value"
	}
	return "any other code becomes " + constantWords(v.Other)
}

// listed joins words: a, b or c.
func listed(words []string, last string) string {
	if len(words) < 2 {
		return strings.Join(words, "")
	}
	return strings.Join(words[:len(words)-1], ", ") + " " + last + " " + words[len(words)-1]
}

// back is a rule of the way back, in words.
type back struct {
	Source, Purpose, When, While, Action, Code, Place string
	Parameters                                        []string
}

func backOf(b *mapping.BackRule) back {
	out := back{Source: map[string]string{"ers": "NHS e-RS", "fhir": "FHIR R4 servers"}[b.Dialect], Purpose: b.Purpose,
		Code: b.Name, Place: fmt.Sprintf("%s:%d", b.File, b.Line), Action: operationWords(b.Name)}
	out.When = listed(b.Changed, "or") + " is changed in Salesforce"
	if len(b.To) > 0 {
		out.When = b.Changed[0] + " becomes " + listed(valueTexts(b.To), "or") + " in Salesforce"
	}
	var while []string
	for _, c := range b.While {
		while = append(while, c.Field+" was "+listed(valueTexts(c.Values), "or"))
	}
	out.While = strings.Join(while, " and ")
	for i := range b.Parameters {
		out.Parameters = append(out.Parameters, parameterWords(&b.Parameters[i]))
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

func parameterWords(p *mapping.BackParameter) string {
	if p.Code != "" {
		return p.Name + ": always " + p.Code
	}
	s := p.Name + ": what stands in " + listed(p.From, "and")
	if p.ValuesName != "" {
		s += ", translated by " + p.ValuesName
	}
	if p.Length > 0 {
		s += fmt.Sprintf(", at most %d characters", p.Length)
	}
	switch {
	case p.Required:
		s += "; without it nothing is sent and the change is held"
	case len(p.RequiredFor) > 0:
		var needs []string
		for _, c := range p.RequiredFor {
			needs = append(needs, c.Field+" is "+listed(valueTexts(c.Values), "or"))
		}
		s += "; needed where " + strings.Join(needs, " and ")
	}
	if len(p.Forward) > 0 {
		s += "; not sent where the source could not see a difference"
	}
	return s
}

// bodyWords names the part of a body that a table makes.
func bodyWords(t *mapping.Table) string {
	name := map[string]string{"referral": "Referral Management API", "appointment": "Book Appointment API"}[t.Body]
	part := t.Array
	for i, w := range t.Rows {
		head, _, _ := strings.Cut(w.Field, ".")
		if i > 0 && head != part {
			return name
		}
		part = head
	}
	return name + ": " + strings.TrimSuffix(part, "[]")
}

func limitWords(t *mapping.Table) string {
	if t.ForEach == nil || t.Array == "" {
		return ""
	}
	if t.Max > 0 {
		return fmt.Sprintf("at most %d, the rest is left out", t.Max)
	}
	return "as many as the API takes; more hold the record"
}
