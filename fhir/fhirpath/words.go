package fhirpath

import (
	"cmp"
	"net/url"
	"path"
	"strconv"
	"strings"
	"unicode"
)

// Words says in plain English what the expression gives, for people who review it and do not read FHIRPath: "the value of
// the identifier where the system is “UBRN” (fhir.nhs.uk)". It is empty where the expression has a part that there are no words for:
// half a sentence would mislead.
func (e *Expr) Words() string {
	c := compiler{src: e.src}
	t := c.parse()
	if c.err != nil {
		return ""
	}
	w := words{}
	s := w.say(t)
	if w.lost {
		return ""
	}
	return s
}

// words says trees; lost is set where it has no word for a part.
type words struct{ lost bool }

// phrase is what has been said of a path so far: "the" "value" "of the identifier".
type phrase struct {
	det, head, rest string
	condition       string // set where the path has become a question: "there is a code"
	negated         string // the same, denied
}

func (p phrase) String() string {
	if p.condition != "" {
		return p.condition
	}
	return strings.Join(strings.Fields(p.det+" "+p.head+" "+p.rest), " ")
}

// about is a part of what was said: the head of what follows "of".
func (p phrase) about(head string) phrase {
	if p.head == "" {
		return phrase{det: "the", head: head}
	}
	return phrase{det: "the", head: head, rest: "of " + p.String()}
}

func (w *words) say(t *tree) string {
	if t == nil {
		w.lost = true
		return ""
	}
	switch t.kind {
	case operatorTree:
		return w.operator(t)
	case literalTree:
		return literalWords(t.lit)
	case emptyTree:
		return "nothing"
	}
	return w.path(phrase{}, t).String()
}

func literalWords(i Item) string {
	if i.Type() != "System.String" {
		return i.Text()
	}
	s := i.Text()
	switch s {
	case "http://snomed.info/sct":
		return "SNOMED CT"
	case "http://loinc.org":
		return "LOINC"
	case "https://fhir.nhs.uk/Id/nhs-number":
		return "NHS number (fhir.nhs.uk)"
	case "http://fhir.nhs.net/Id/nhs-number":
		return "NHS number (fhir.nhs.net, the old one)"
	}
	if u, err := url.Parse(s); err == nil && u.Host != "" && len(u.Path) > 1 && !strings.HasSuffix(s, "/") {
		return "“" + path.Base(u.Path) + "” (" + u.Host + ")"
	}
	return "“" + s + "”"
}

// operator says what stands between two values. Sides of another operator stand in brackets where English is not clear.
func (w *words) operator(t *tree) string {
	switch t.name {
	case "and", "or":
		return w.list(t, " "+t.name+" ", " "+t.name+" ")
	case "&", "+":
		return w.list(t, ", then ", ", then ")
	case "|":
		return w.list(t, ", ", " and ")
	case "in":
		return w.side(t, t.args[0]) + " is one of " + w.choices(t.args[1])
	}
	between := map[string]string{"=": "is", "!=": "is not", "~": "is like", "<": "is less than", ">": "is more than",
		"<=": "is at most", ">=": "is at least"}[t.name]
	if between == "" {
		w.lost = true
	}
	return w.side(t, t.args[0]) + " " + between + " " + w.side(t, t.args[1])
}

// list says a row of the same operator, which is left-associative; last stands before the last of them.
func (w *words) list(t *tree, between, last string) string {
	parts := w.parts(t, t.name)
	n := len(parts) - 1
	return strings.Join(parts[:n], between) + last + parts[n]
}

func (w *words) parts(t *tree, name string) []string {
	left := t.args[0]
	if left != nil && left.kind == operatorTree && left.name == name {
		return append(w.parts(left, name), w.side(t, t.args[1]))
	}
	return []string{w.side(t, left), w.side(t, t.args[1])}
}

// choices says the values on the right of in.
func (w *words) choices(t *tree) string {
	if t = unbracketed(t); t != nil && t.kind == operatorTree && t.name == "|" {
		return w.list(t, ", ", " or ")
	}
	return w.say(t)
}

func unbracketed(t *tree) *tree {
	for t != nil && t.kind == pathTree && len(t.args) == 1 {
		t = t.args[0]
	}
	return t
}

func (w *words) side(t, side *tree) string {
	inner := unbracketed(side)
	s := w.say(inner)
	if inner != nil && inner.kind == operatorTree && joins(inner.name) && joins(t.name) && inner.name != t.name {
		return "(" + s + ")"
	}
	return s
}

func joins(operator string) bool { return operator == "and" || operator == "or" || operator == "|" }

// path says a step, or the steps of a path, after what was said before.
func (w *words) path(p phrase, t *tree) phrase {
	switch t.kind {
	case pathTree:
		steps := t.args
		if result, n := resultOf(t); n > 0 {
			p, steps = phrase{head: result}, steps[n:]
		}
		for _, step := range steps {
			p = w.path(p, step)
		}
		return p
	case memberTree:
		return w.member(p, t.name)
	case variableTree:
		return phrase{head: variableWords(t.name)}
	case contextTree:
		if t.name == "this" {
			return phrase{head: "it"}
		}
	case literalTree:
		return phrase{head: literalWords(t.lit)}
	case operatorTree:
		return phrase{head: "(" + w.say(t) + ")"}
	case emptyTree:
		return phrase{head: w.say(t)}
	case indexTree:
		if n := t.args[0]; n.kind == literalTree && n.lit.Type() == "System.Integer" {
			return p.chosen("the " + ordinal(n.lit.Text()))
		}
	case callTree:
		return w.call(p, t)
	}
	w.lost = true
	return p
}

// resultOf gives the variable of a mapping table that holds what an earlier row gave (%fields.Status,
// %body.patient.fields.LastName), and of how many steps it is made; 0 where the path begins otherwise.
func resultOf(t *tree) (name string, steps int) {
	if first := t.args[0]; first.kind != variableTree || first.name != "fields" && first.name != "body" {
		return "", 0
	}
	name = "%" + t.args[0].name
	for _, step := range t.args[1:] {
		if step.kind != memberTree {
			break
		}
		name, steps = name+"."+step.name, steps+1
	}
	return name, steps + 1
}

func (w *words) member(p phrase, name string) phrase {
	if p.condition != "" {
		w.lost = true
	}
	if r, _ := splitFirst(name); p.head == "" && unicode.IsUpper(r) {
		return phrase{det: "the", head: name} // Patient.name
	}
	return p.about(spaced(name))
}

func splitFirst(s string) (rune, string) {
	for i, r := range s {
		return r, s[i:]
	}
	return 0, ""
}

// spaced writes an element name as people do: patientInstruction, patient instruction.
func spaced(name string) string {
	switch name {
	case "meta":
		return "metadata"
	case "lastUpdated":
		return "time of the last update"
	case "versionId":
		return "version"
	case "asNeeded":
		return "precondition"
	case "telecom":
		return "contact detail"
	case "cancelationReason":
		return "cancellation reason"
	case "minutesDuration":
		return "duration in minutes"
	}
	var b strings.Builder
	for _, r := range name {
		if unicode.IsUpper(r) {
			b.WriteByte(' ')
		}
		b.WriteRune(unicode.ToLower(r))
	}
	return strings.TrimSpace(b.String())
}

func variableWords(name string) string {
	switch name {
	case "resource", "rootResource", "context":
		return "the whole resource"
	}
	return "%" + name
}

// ordinal of an index, which counts from 0.
func ordinal(index string) string {
	names := []string{"first", "second", "third", "fourth", "fifth"}
	n, err := strconv.Atoi(index)
	switch {
	case err != nil:
		return index
	case n < len(names):
		return names[n]
	}
	n++
	end := "th"
	if n/10%10 != 1 {
		end = map[int]string{1: "st", 2: "nd", 3: "rd"}[n%10]
	}
	return strconv.Itoa(n) + cmp.Or(end, "th")
}

// chosen says which of several it is: the first category, the first of %codings.
func (p phrase) chosen(which string) phrase {
	if strings.HasPrefix(p.head, "%") {
		which += " of"
	}
	p.det = which
	return p
}

func (w *words) call(p phrase, t *tree) phrase {
	switch t.name {
	case "exists", "hasValue", "empty", "not":
		return w.question(p, t)
	case "startsWith", "endsWith", "contains":
		verb := map[string]string{"startsWith": "begins with", "endsWith": "ends with", "contains": "contains"}[t.name]
		return phrase{condition: p.String() + " " + verb + " " + w.argument(t, 0),
			negated: "it is not so that " + p.String() + " " + verb + " " + w.argument(t, 0)}
	case "where":
		p.rest += " where " + w.argument(t, 0)
		return p
	case "select":
		return phrase{head: w.argument(t, 0) + ", for " + p.String()}
	case "iif":
		return w.either(t)
	case "ofType", "as":
		return w.ofType(p, t)
	case "resolve":
		return phrase{det: "the", head: "record", rest: "that " + p.String() + " points to"}
	case "extension":
		return p.about("extension " + strings.Replace(w.argument(t, 0), "“Extension-", "“", 1))
	}
	return w.shaped(p, t)
}

// shaped says the functions that choose among what is there, or change how it is written.
func (w *words) shaped(p phrase, t *tree) phrase {
	switch t.name {
	case "first", "last", "single":
		return p.chosen("the " + strings.Replace(t.name, "single", "only", 1))
	case "skip", "take":
		p.det = map[string]string{"skip": "all but the first ", "take": "the first "}[t.name] + strings.TrimPrefix(w.argument(t, 0), "1")
	case "tail":
		p.det = "all but the first"
	case "count":
		return phrase{det: "the number of", head: p.String()}
	case "distinct":
		p.rest += ", each once"
	case "trim", "toString":
	case "join":
		with := w.argument(t, 0)
		p.rest += " joined by " + strings.ReplaceAll(with, "“\n”", "a new line")
	default:
		w.lost = true
	}
	return p
}

func (w *words) argument(t *tree, n int) string {
	if n >= len(t.args) {
		w.lost = true
		return ""
	}
	return w.say(t.args[n])
}

// question says exists(), empty() and not().
func (w *words) question(p phrase, t *tree) phrase {
	if t.name == "not" {
		if p.negated == "" {
			return phrase{condition: "it is not so that " + p.String(), negated: p.String()}
		}
		return phrase{condition: p.negated, negated: p.condition}
	}
	if t.name == "exists" && len(t.args) == 1 {
		p.rest += " where " + w.argument(t, 0)
	}
	what := strings.TrimPrefix(p.String(), "the ")
	yes, no := "there is "+article(what)+what, "there is no "+what
	if strings.HasPrefix(what, "%") {
		yes, no = what+" has a value", what+" has no value"
	}
	if t.name == "empty" {
		yes, no = no, yes
	}
	return phrase{condition: yes, negated: no}
}

func article(what string) string {
	if strings.ContainsAny(what[:min(1, len(what))], "aeiou") {
		return "an "
	}
	return "a "
}

func (w *words) either(t *tree) phrase {
	s := "if " + w.argument(t, 0) + ": " + w.argument(t, 1)
	if len(t.args) > 2 {
		s += "; otherwise " + w.argument(t, 2)
	}
	return phrase{head: s}
}

// ofType says the type of a choice, and the kind of record behind a reference.
func (w *words) ofType(p phrase, t *tree) phrase {
	if len(t.args) != 1 || t.args[0].kind != memberTree {
		w.lost = true
		return p
	}
	name := t.args[0].name
	if p.head == "record" && strings.HasSuffix(p.rest, "points to") {
		p.head = name
		return p
	}
	p.rest += " (if it is " + typeWords(name) + ")"
	return p
}

func typeWords(name string) string {
	switch name {
	case "boolean":
		return "yes or no"
	case "dateTime", "date", "instant":
		return "a date"
	case "string":
		return "a text"
	case "CodeableConcept":
		return "a coded concept"
	}
	return article(spaced(name)) + spaced(name)
}
