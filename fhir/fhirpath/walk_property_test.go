package fhirpath

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"refbridge/fhir"
)

// memberNames are elements, what stands beside them, choices, names that share the first eight bytes and the length with an
// element, the empty name and one that is written with an escape.
func memberNames() []string {
	return []string{"id", "status", "_status", "identifier", "identifies", "system", "_system", "value", "_value", "valueString",
		"valueCode", "valueReference", "valueInteger", "valueQuantity", "category", "coding", "code", "_code", "text", "occurrenceDateTime",
		"_occurrenceDateTime", "occurrencePeriod", "occurrencePeriox", "start", "subject", "reference", "referencx", "contained", "name", "given",
		"_given", "family", "extension", "extensiox", "url", "use", "note", "authorString", "authorReference", "authoredOn",
		"birthDate", "_birthDate", "reasonCode", "reasonCoqq", "", "_", `\u0069d`, `co\u0064e`, "resourceType"}
}

func randomText(t *rapid.T) string {
	return rapid.SampledFrom([]string{`"a"`, `"b"`, `"u"`, `"v"`, `"r1"`, `"#p"`, `"#"`, `"Patient/9"`, `""`, `" "`, `"2026-01-01"`, `"2026-01-01T10:00:00Z"`,
		`"\u0061"`, `"é\n"`, `"ServiceRequest"`, `"Patient"`, `"official"`}).Draw(t, "text")
}

func randomValue(t *rapid.T, depth int) string {
	kinds := 12
	if depth <= 0 {
		kinds = 7
	}
	switch k := rapid.IntRange(0, kinds).Draw(t, "kind"); k {
	case 0:
		return "null"
	case 1:
		return rapid.SampledFrom([]string{"true", "false", "1", "1.50", "-0"}).Draw(t, "plain")
	case 2, 3, 4, 5, 6, 7:
		return randomText(t)
	case 8, 9:
		var items []string
		for range rapid.IntRange(0, 3).Draw(t, "items") {
			items = append(items, randomValue(t, depth-1))
		}
		return "[" + strings.Join(items, ",") + "]"
	default:
		return randomObject(t, depth-1, "")
	}
}

func randomObject(t *rapid.T, depth int, first string) string {
	var members []string
	seen := map[string]bool{}
	if first != "" {
		members, seen["resourceType"] = append(members, `"resourceType":"`+first+`"`), true
	}
	for range rapid.IntRange(0, 6).Draw(t, "members") {
		name := rapid.SampledFrom(memberNames()).Draw(t, "name")
		plain := strings.NewReplacer(`\u0069`, "i", `\u0064`, "d").Replace(name)
		if seen[plain] {
			continue
		}
		seen[plain] = true
		value := ""
		switch {
		case (name == "coding" || name == "identifier" || name == "note") && rapid.Bool().Draw(t, "list"):
			var items []string
			for range rapid.IntRange(1, 3).Draw(t, "items") {
				items = append(items, randomObject(t, depth-1, ""))
			}
			value = "[" + strings.Join(items, ",") + "]"
		case name == "extension" || name == "_status" || name == "_value" || name == "_valueString" || name == "_occurrenceDateTime" || name == "_birthDate":
			value = randomExtensions(t, depth-1)
			if name != "extension" {
				value = `{"extension":` + value + `}`
			}
			if rapid.IntRange(0, 5).Draw(t, "odd") == 0 {
				value = "[" + value + "]"
			}
		case name == "contained":
			value = `[` + randomObject(t, depth-1, "Patient") + `]`
		case name == "subject":
			value = `{"reference":` + randomText(t) + `}`
		default:
			value = randomValue(t, depth)
		}
		members = append(members, `"`+name+`":`+value)
	}
	return "{" + strings.Join(members, ",") + "}"
}

// randomExtensions makes a list of extensions, or one in place of a list; each has one value at most, as the model wants it:
// where it has two, or where a choice stands in an element that has none, ofType() on the way and behind it differ.
func randomExtensions(t *rapid.T, depth int) string {
	var items []string
	for range rapid.IntRange(1, 3).Draw(t, "extensions") {
		url := rapid.SampledFrom([]string{`"url":"u"`, `"url":"v"`, `"url":""`, `"id":"1"`, `"url":"\u0075"`}).Draw(t, "url")
		value := rapid.SampledFrom([]string{"", `,"valueString":"a"`, `,"valueString":null,"_valueString":{"extension":[{"url":"u","valueCode":"a"}]}`, `,"valueCode":"a"`,
			`,"valueDateTime":"2026-01-01"`, `,"valueReference":{"reference":"#p"}`, `,"valuePeriod":{"start":"2026"}`, `,"valueQuantity":{"value":1.0}`,
			`,"_valueString":{"extension":[{"url":"u","valueString":"b"}]}`, `,"valueInteger":1`, `,"valueString":"a","_valueString":{"extension":{"url":"v"}}`,
			`,"valueCodeableConcept":{"coding":[{"code":"a"}]}`, `,"valueString":["a"]`, `,"value":"a"`}).Draw(t, "value")
		if depth > 0 && rapid.IntRange(0, 3).Draw(t, "nested") == 0 {
			value += `,"extension":` + randomExtensions(t, depth-1)
		}
		items = append(items, "{"+url+value+"}")
	}
	if len(items) == 1 && rapid.Bool().Draw(t, "single") {
		return items[0]
	}
	return "[" + strings.Join(items, ",") + "]"
}

func randomTest(t *rapid.T) string {
	p := rapid.SampledFrom([]string{"system", "code", "$this", "use", "text", "value", "id", "extension('u')", "coding.code", "reference", "subject.reference",
		"occurrence", "%x", "%x.id", "identifier.value", "name.given", "birthDate", "authoredOn", "contained.id",
		"resolve().id", "coding.where(system = 'a').code", "url", "status", "status.extension('u').value"}).Draw(t, "tested")
	switch rapid.IntRange(0, 4).Draw(t, "test") {
	case 0:
		return p + " = '" + rapid.SampledFrom([]string{"a", "u", "r1", "", "2026-01-01", "#p"}).Draw(t, "to") + "'"
	case 1:
		return p + ".exists()"
	case 2:
		return p + ".empty()"
	case 3:
		return p + ".startsWith('" + rapid.SampledFrom([]string{"#", "a", "", "2026"}).Draw(t, "with") + "')"
	}
	return randomTest(t) + " and " + randomTest(t)
}

func randomPath(t *rapid.T) string {
	path := rapid.SampledFrom([]string{"", "", "", "%x.", "$this.", "%a.b."}).Draw(t, "head")
	members := []string{"id", "status", "identifier", "system", "value", "category", "coding", "code", "text", "occurrence", "start", "subject", "reference",
		"contained", "name", "given", "extension", "url", "note", "author", "authoredOn", "birthDate", "reasonCode", "family"}
	others := []string{"first()", "resolve()", "extension('u')", "extension('')", "first()", "ofType(Patient)", "first()"}
	typed := []string{"extension('u').value.ofType(string)", "extension('v').value.ofType(dateTime)", "extension.value.ofType(code)",
		"extension.value.ofType(Period).start", "extension.value.ofType(Reference).resolve().id", "extension.first().value.ofType(string)", "extension('u').value.ofType(string).extension('u')", "extension('u').extension('u').value.ofType(string)"}
	if rapid.IntRange(0, 5).Draw(t, "typed") == 0 {
		return path + rapid.SampledFrom(typed).Draw(t, "of a type")
	}
	for i := range rapid.IntRange(1, 5).Draw(t, "length") {
		if i > 0 {
			path += "."
		}
		switch {
		case i == 0 || rapid.IntRange(0, 2).Draw(t, "step") > 0:
			path += rapid.SampledFrom(members).Draw(t, "member")
		case rapid.Bool().Draw(t, "where"):
			path += "where(" + randomTest(t) + ")"
		default:
			path += rapid.SampledFrom(others).Draw(t, "function")
		}
	}
	return path
}

func randomExpression(t *rapid.T, depth int) string {
	switch rapid.IntRange(0, 8).Draw(t, "shape") {
	case 0:
		return randomPath(t) + ".count()"
	case 1:
		return randomPath(t) + ".join('; ')"
	case 2:
		return randomPath(t) + rapid.SampledFrom([]string{".substring(0, 1)", ".substring(1, 2)", ".substring(0, 10)", ".substring(9, 3)"}).Draw(t, "part")
	case 3:
		return randomPath(t) + " = 'a'"
	case 4, 5:
		if depth == 0 {
			return randomTest(t)
		}
		s := "iif(" + randomTest(t) + ", " + randomExpression(t, depth-1)
		if rapid.Bool().Draw(t, "else") {
			s += ", " + randomExpression(t, depth-1)
		}
		return s + ")"
	case 6:
		return randomTest(t)
	}
	return randomPath(t)
}

// ways works out expressions in the quick ways and step by step, and counts what it compared.
type ways struct {
	quick *Context
	slow  Context
	focus fhir.Node
	kinds map[string]int
}

// TestQuickWaysGiveWhatStepsGiveOnAnyResource holds the quick ways of working out a path (walks, tails, tests, picks) against the
// steps done one by one, on resources of any shape.
func TestQuickWaysGiveWhatStepsGiveOnAnyResource(t *testing.T) {
	var doc, other fhir.Doc
	require.NoError(t, other.Parse([]byte(`{"resourceType":"Patient","id":"9","name":[{"given":["a"]}],"extension":[{"url":"u","valueString":"a"}],"identifier":{"value":"a"}}`)))
	w := ways{quick: &Context{}, kinds: map[string]int{}}
	rapid.Check(t, func(t *rapid.T) {
		typ := rapid.SampledFrom([]string{"ServiceRequest", "Patient", "Observation", "Basic", ""}).Draw(t, "type")
		source := randomObject(t, 4, typ)
		if err := doc.Parse([]byte(source)); err != nil {
			t.Skip(err)
		}
		root := doc.Root()
		w.focus = root
		if rapid.Bool().Draw(t, "deeper") {
			for n := root.First(); n.Exists(); n = n.Next() {
				if w.focus = n; rapid.Bool().Draw(t, "this") {
					break
				}
			}
		}
		if w.focus.Kind() == fhir.Array {
			w.focus = root
		}
		give := rapid.IntRange(0, 4).Draw(t, "variable")
		slots := func(int) (fhir.Node, Collection) { return variableFor(give, root, other.Root()) }
		find := func(string, fhir.Node) (fhir.Node, bool) { return other.Root(), true }
		w.slow = Context{Resource: root, Variables: slots, Resolve: find, Seen: func(fhir.Node) {}}
		w.quick.Resource, w.quick.Variables, w.quick.Resolve = root, slots, find
		for range 60 {
			src := randomExpression(t, 2)
			e, err := Compile(src, "x", "a.b")
			if err != nil || strings.Contains(src, "value.ofType") && (!w.focus.Same(root) || typ == "" || give >= 3) {
				continue
			}
			w.compare(t, e, fmt.Sprint(src, "\non ", source, "\nat ", w.focus.Path(), " with ", give))
		}
	})
	for _, kind := range []string{"walk", "pick", "tail", "tests", "found"} {
		require.Positive(t, w.kinds[kind], kind)
	}
}

// variableFor gives what the variables of a path hold: nothing, an element, a text, several elements, an element and a text.
func variableFor(which int, root, other fhir.Node) (fhir.Node, Collection) {
	switch which {
	case 0:
		return fhir.Node{}, nil
	case 1:
		return root, nil
	case 2:
		return fhir.Node{}, Collection{StringItem("a")}
	case 3:
		return fhir.Node{}, Collection{NodeItem(root), NodeItem(other)}
	}
	return fhir.Node{}, Collection{NodeItem(root), StringItem("r1")}
}

func (w *ways) compare(t *rapid.T, e *Expr, what string) {
	w.slow.Reset()
	want, wantErr := e.Eval(&w.slow, w.focus)
	got, err := e.Eval(w.quick, w.focus)
	require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err), what)
	require.Equal(t, places(want), places(got), what)

	var first Item
	n, err := e.One(w.quick, w.focus, &first)
	require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err), what)
	require.Equal(t, min(len(want), 2), n, what)
	if n > 0 {
		require.Equal(t, places(want[:1]), places(Collection{first}), what)
	}
	if e.Walks() {
		w.compareNode(t, e, want, fmt.Sprint(wantErr), what)
	}
	yes, err := e.Holds(w.quick, w.focus)
	require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err), what)
	require.Equal(t, wantErr == nil && truthful(want), yes, what)
	nodes, ok, err := e.Elements(nil, w.quick, w.focus)
	require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(err), what)
	if wantErr == nil && ok {
		require.Len(t, nodes, len(want), what)
		for i := range nodes {
			require.True(t, nodes[i].Same(want[i].Node()), what)
		}
	}
	w.count(e, len(want))
}

func (w *ways) compareNode(t *rapid.T, e *Expr, want Collection, wantFault, what string) {
	node, n, err := e.Node(w.quick, w.focus)
	if n < 0 {
		return
	}
	w.kinds["walk"]++
	require.Equal(t, wantFault, fmt.Sprint(err), what)
	require.Equal(t, min(len(want), 2), n, what)
	if n > 0 {
		require.True(t, node.Same(want[0].Node()), what)
	}
}

func (w *ways) count(e *Expr, found int) {
	switch {
	case e.walk != nil && e.walk.pick != nil:
		w.kinds["pick"]++
	case e.tail != nil:
		w.kinds["tail"]++
	case e.tests != nil:
		w.kinds["tests"]++
	}
	if found > 0 {
		w.kinds["found"]++
	}
}

// places tells items apart by where they stand, and computed ones by type and text.
func places(c Collection) (out []string) {
	for _, i := range c {
		if i.Node().Exists() {
			out = append(out, i.Node().Path()+" "+i.Type()+" "+string(i.Node().Raw()))
			continue
		}
		out = append(out, i.Type()+" "+i.Text())
	}
	return out
}
