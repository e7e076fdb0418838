package fhirpath

import (
	"errors"
	"flag"
	"fmt"
	"maps"
	"os"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

var updatePage = flag.Bool("update", false, "write docs/fhirpath.md from the functions and the results of the official suite")

const page = "../../docs/fhirpath.md"

// functionWords says what each function does, in groups; the page has a line for each function that Compile takes.
func functionWords() []functionGroup {
	return []functionGroup{
		{"Choosing among items", `where(condition)|items for which the condition holds
select(expression)|what the expression gives for each item
repeat(expression)|the same, again and again on what it gave, each item once
ofType(Type)|items of the type: occurrence.ofType(Period)
as(Type)|the only item, where it is of the type
first()|the first item
last()|the last item
tail()|all but the first
skip(n)|all but the first n
take(n)|the first n
single()|the only item; two are an error
iif(condition, then, else)|one of two; the one that is not wanted is not worked out
sort(key)|in order of the key; - before it turns the order round`},
		{"Asking", `exists(condition)|whether there is an item (for which the condition holds)
empty()|whether there is none
all(condition)|whether the condition holds for all
count()|how many
not()|true for false and the other way round
is(Type)|whether the only item is of the type, or of one derived from it
hasValue()|whether there is one primitive with a value
allTrue()|whether all are true
anyTrue()|whether one is true
allFalse()|whether all are false
anyFalse()|whether one is false
isDistinct()|whether no two are equal
subsetOf(other)|whether all are in the other
supersetOf(other)|whether all of the other are in it
comparable(quantity)|whether two quantities have units that can be compared
trace(name, expression)|its input, unchanged; nothing is logged`},
		{"Sets", `distinct()|each once
union(other)|both, each once; also written a | b
combine(other)|both, with repetitions
intersect(other)|what is in both
exclude(other)|what is not in the other
aggregate(expression, start)|one value out of all: $this is the item, $total what came before`},
		{"The parts of a resource", `extension(url)|extensions with the URL
resolve()|what a reference points to: contained, the focus itself, or what came with it, by the rules in docs/tables.md
children()|all parts one level down
descendants()|all parts of all levels
getValue()|the value of a primitive
type()|its namespace and name`},
		{"Texts", `contains(text)|whether the text is in it
startsWith(text)|whether it begins so
endsWith(text)|whether it ends so
matches(pattern)|whether the pattern (RE2, a literal) is found in it
matchesFull(pattern)|whether the pattern fits the whole text
replaceMatches(pattern, by)|with what fits replaced; $1 is the first group
replace(text, by)|with a text replaced
indexOf(text)|where it first stands, from 0; -1 where it does not
lastIndexOf(text)|where it last stands
substring(start, length)|a part
length()|characters
upper()|in capitals
lower()|in small letters
trim()|without white space at the ends
split(separator)|its parts
join(separator)|all texts as one
toChars()|its characters
encode(format)|as hex, base64 or urlbase64
decode(format)|and back
escape(format)|for html or json
unescape(format)|and back`},
		{"Conversions", conversionWords()},
		{"Numbers", `abs()|without its sign
ceiling()|the next integer up
floor()|the next integer down
truncate()|without its fraction
round(digits)|rounded
sqrt()|square root
exp()|e to its power
ln()|natural logarithm
log(base)|logarithm
power(exponent)|its power
precision()|digits of a number, or of a date
lowBoundary(precision)|the least that it can mean
highBoundary(precision)|the most that it can mean`},
		{"Time", `now()|the instant of the run, as the caller gives it
today()|its day
timeOfDay()|its time`},
	}
}

type functionGroup struct{ title, lines string }

func conversionWords() string {
	var b strings.Builder
	for _, t := range []string{"Boolean", "Date", "DateTime", "Decimal", "Integer", "Long", "Quantity", "String", "Time"} {
		if _, ok := functions()["to"+t]; ok {
			fmt.Fprintf(&b, "to%s()|as %s; nothing where it cannot be\nconvertsTo%s()|whether it can\n", t, t, t)
		}
	}
	return strings.TrimSpace(b.String())
}

// score counts the tests of the suite in which a function stands.
type score struct{ right, all int }

type refusal struct{ test, expression, message, hint string }

func TestThePageOfFunctionsIsUpToDate(t *testing.T) {
	tests := readSuite(t)
	inputs := map[string]fhir.Node{"": {}}
	total, scores := map[verdict]int{}, map[string]score{}
	var refusals []refusal
	for _, test := range tests {
		if _, known := inputs[test.Input]; !known {
			inputs[test.Input] = readInput(t, test.Input)
		}
		v, _ := test.judge(inputs[test.Input])
		total[v]++
		for name := range calls(test.Expression.Text) {
			s := scores[name]
			s.all++
			if v == right {
				s.right++
			}
			scores[name] = s
		}
		if v == refused {
			refusals = append(refusals, refuse(strings.TrimSpace(test.Expression.Text), test.Name))
		}
	}
	got := writePage(t, total, scores, refusals)
	if *updatePage {
		require.NoError(t, os.WriteFile(page, []byte(got), 0o644))
	}
	have, err := os.ReadFile(page)
	require.NoError(t, err)
	assert.Equal(t, string(have), got, "go test ./fhir/fhirpath -run PageOfFunctions -update writes it anew")
}

// calls gives the functions that stand in an expression, also in one that is refused.
func calls(src string) map[string]bool {
	c := compiler{src: src}
	found := map[string]bool{}
	for c.next(); c.err == nil && c.tok.kind != endToken; {
		name := c.tok
		c.next()
		if name.kind == nameToken && c.tok.kind == symbolToken && c.tok.text == "(" {
			found[name.text] = true
		}
	}
	return found
}

func refuse(src, test string) refusal {
	r := refusal{test: test, expression: src}
	var at *Error
	if _, err := Compile(src, "source"); errors.As(err, &at) {
		r.message, r.hint = at.Message, at.Hint
	}
	return r
}

func writePage(t *testing.T, total map[verdict]int, scores map[string]score, refusals []refusal) string {
	var b strings.Builder
	all := total[right] + total[refused] + total[wrong]
	fmt.Fprintf(&b, pageHead, total[right], all, total[refused], total[wrong])
	listed := map[string]bool{}
	for _, g := range functionWords() {
		fmt.Fprintf(&b, "\n### %s\n\n| function | gives | suite |\n|---|---|---|\n", g.title)
		for line := range strings.SplitSeq(g.lines, "\n") {
			call, gives, ok := strings.Cut(line, "|")
			name, _, _ := strings.Cut(call, "(")
			require.True(t, ok, line)
			require.Contains(t, functions(), name, "the page has a function that Compile does not take")
			listed[name] = true
			fmt.Fprintf(&b, "| `%s` | %s | %s |\n", call, cell(gives), scored(scores[name]))
		}
	}
	require.Equal(t, slices.Sorted(maps.Keys(allFunctions())), slices.Sorted(maps.Keys(listed)), "each function needs a line in functionWords")
	b.WriteString(pageRest)
	b.WriteString("\n## What is refused\n\n" + pageRefused + "\n| written | refused with | nearest way |\n|---|---|---|\n")
	for _, src := range refusedExamples() {
		r := refuse(src, "")
		require.NotEmpty(t, r.message, "%s is not refused any more: take it out of the page", src)
		fmt.Fprintf(&b, "| `%s` | %s | %s |\n", cell(src), cell(r.message), cell(r.hint))
	}
	b.WriteString("\n### The tests of the suite that are refused\n\n| test | expression | refused with | nearest way |\n|---|---|---|---|\n")
	for _, r := range refusals {
		fmt.Fprintf(&b, "| %s | `%s` | %s | %s |\n", r.test, cell(r.expression), cell(r.message), cell(r.hint))
	}
	return b.String()
}

func scored(s score) string {
	switch {
	case s.all == 0:
		return "not in the suite; tests of ours"
	case s.right == s.all:
		return fmt.Sprintf("%d right", s.all)
	}
	return fmt.Sprintf("%d of %d right, the rest refused", s.right, s.all)
}

func cell(s string) string {
	return strings.ReplaceAll(strings.Join(strings.Fields(s), " "), "|", `\|`)
}

func refusedExamples() []string {
	return []string{"identifier.frist()", "Patient.naem", "%soruce", "name = \"x\"", "Observation.valueQuantity", "Encounter.name",
		"children().first()", "id.matches('(?=x)')", "name.given.matches(%source)", "code.memberOf('http://hl7.org/fhir/ValueSet/x')",
		"code.subsumes(category)", "conformsTo('http://hl7.org/fhir/StructureDefinition/Patient')", "text.div.htmlChecks()",
		"identifier.slice('x', 'y')", "extension.checkModifiers('x')", "name.any(use = 'old')", "name.filter(use = 'old')",
		"name.map(family)", "name.size()", "resourceType", "@2026-01-01 + 1 'mo'", "@2026-02-30"}
}

const pageHead = `<!-- Generated: go test ./fhir/fhirpath -run PageOfFunctions -update -->
# FHIRPath in mapping tables

A path in a table is [FHIRPath](https://hl7.org/fhirpath/N1/) with the functions that [FHIR R4](https://hl7.org/fhir/R4/fhirpath.html)
adds. It is compiled once, when the tables are loaded, and worked out on each resource as it was received: extensions on primitives,
contained resources and elements that no model knows stay reachable.

Of the official suite of FHIR R4 (FHIR/fhir-test-cases, r4/fhirpath) **%d of %d tests are right, %d are refused by Compile, %d are
wrong**. Refused means: when the tables are loaded, with file, line, column and the nearest supported way; never while a referral is
mapped. The column *suite* counts the tests in which a function stands.

## Functions
`

const pageRest = `
## Everything else

| | |
|---|---|
| paths | ` + "`name.given`, `name[0]`, `Patient.name`, `value` for `value[x]` of any type, `valueCoding` on extensions" + ` |
| operators | ` + "`= != ~ !~ < > <= >=`, `and or xor implies`, `in contains`, `is as`, `\\|`, `+ - * / div mod &`" + ` |
| literals | ` + "`'text'`, `42`, `1.50`, `true`, `@2026-06-15`, `@2026-06-15T09:30:00+01:00`, `@T09:30`, `4 days`, `5 'mg'`, `{}`" + ` |
| inside of functions | ` + "`$this`, `$index`, `$total`" + ` |
| variables | ` + "`%resource`, `%rootResource`, `%context`, `%ucum`, `%sct`, `%loinc`, `` %`vs-…` ``, `` %`ext-…` ``; `%source`, `%run`, `%patientMode`, `%system` and the names of `let` in tables" + ` |
| bounds | patterns are RE2; nothing is read or written; a path that takes too many steps on one resource is stopped, and the record is held; so is one that is nested more than 64 levels deep, or has an object with more than 1,000 members |
`

const pageRefused = `Compile refuses what it does not support and what cannot be meant. Some of it, with what the message says:
`
