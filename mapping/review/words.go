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
	_, fixed := p.Expr.Literal()
	switch {
	case fixed:
		out.Words = "the fixed text " + out.Words
	case !strings.ContainsAny(out.Text, ".('&|=[ "):
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
	case sobject.Stop:
		return "set before all else"
	case sobject.Identity:
		return "a difference holds"
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
		moment, zone := "midnight", "the UK"
		if t.End {
			moment = "the last second of that day"
		}
		if argument == "UTC" {
			zone = "UTC"
		}
		if argument == "noon" {
			moment, zone = "noon", "UTC, which is that day almost everywhere"
		}
		return "as a date and time in UTC; a date alone means " + moment + " in " + zone
	case "truncate":
		if strings.TrimSpace(second) == "cut" {
			return "cut after " + argument + " characters"
		}
		return "longer than " + argument + " characters: the record is held"
	case "humanName":
		return map[string]string{"family": "the family name", "given": "the first given name", "middle": "the other given names",
			"prefix": "the title", "full": "the full name"}[argument] + " of the name in use today, never an old one"
	case "date":
		if t.Part {
			return "as a date; a year or a month alone is compared as far as it goes, and never written"
		}
	case "referenceId":
		return "the id of the " + argument + " that it points to"
	case "hash":
		return "as a hash of " + argument + " characters"
	}
	if said := plainTransform(t.Name); said != "" {
		return said
	}
	return t.Text
}

func plainTransform(name string) string {
	switch name {
	case "date":
		return "as a date; a year or a month alone gives none"
	case "nhsNumber":
		return "checked as an NHS number; a wrong check digit, or two numbers: the record is held"
	case "patientKey":
		return "as a keyed hash of the NHS number, which does not reveal it"
	case "codingKey":
		return "as the external ID of the code"
	case "conceptKey":
		return "as the external ID of the coded concept"
	case "current":
		return "those in use today, the preferred first; never an old one"
	case "contact":
		return "the preferred one in use today, never an old one"
	case "phone":
		return "as a telephone number without spaces"
	case "upper":
		return "in upper case"
	case "lower":
		return "in lower case"
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
		add("points to the %s with this external ID, %s", w.Ref.Object, w.Ref.Field)
	}
	if w.Lookup.Object != "" {
		add("finds the %s that has it as %s; none, or more than one: the record is not written", w.Lookup.Object, lookupWords(w.Lookup))
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
	if w.Optional {
		add("only where the org has the field")
	}
	if w.Private {
		add("shown to nobody in plans")
	}
	return out
}

func constantWords(v sobject.Value) string {
	if v.Kind() == sobject.Bool {
		return plainConstant(v)
	}
	return "“" + v.Reveal() + "”"
}

// plainConstant gives a value that a table writes down as it looks in Salesforce.
func plainConstant(v sobject.Value) string {
	if v.Kind() == sobject.Bool {
		return map[string]string{"true": "yes (ticked)", "false": "no (not ticked)"}[v.Reveal()]
	}
	return v.Reveal()
}

// lookupWords names the field by which a record is looked up.
func lookupWords(to sobject.Target) string {
	if to.Field == "nhsNumber" {
		return "NHS number"
	}
	return to.Field
}

// unlistedWords says what becomes of a code that has no line.
func unlistedWords(v *mapping.ValueTable) string {
	words := otherCodeWords(v)
	if v.IgnoreCase {
		words += "; whether letters are capital does not matter"
	}
	return words
}

func otherCodeWords(v *mapping.ValueTable) string {
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
	return "as many as the API takes; with more, the record is held"
}
