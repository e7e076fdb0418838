package fhirpath

import (
	"fmt"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"

	"refbridge/fhir"
)

// odd has what real resources hold rarely: primitives with extensions alone, lists with gaps, single objects for lists,
// choices, and members that are no FHIR.
const odd = `{"resourceType":"ServiceRequest","id":"1","status":null,"_status":{"extension":[{"url":"u","valueCode":"x"}]},
 "identifier":[{"system":"a","value":"1"},null,{"system":["a"],"value":"2"},{"value":"3","_system":{"extension":[{"url":"u"}]}},{"system":"a","value":4}],
 "category":{"coding":{"system":"a","code":"c"}},"reasonCode":[{"coding":[{"code":"r1"},{"code":"r2","system":"a"}],"text":"t"},{"text":""}],
 "occurrencePeriod":{"start":"2026-01-01","_end":{"extension":[{"url":"u"}]}},"subject":{"reference":"#p"},"performer":[{"reference":"#p"},{"reference":"#none"},{"reference":"Patient/9"}],
 "contained":[{"resourceType":"Patient","id":"p","name":[{"use":"official","given":["A",null,"B"],"_given":[null,{"extension":[{"url":"u"}]}]},{"given":"C"}],"active":true}],
 "extension":[{"url":"u","valueString":"s"},{"url":"v","valueReference":{"reference":"#p"}},{"url":"u","valueInteger":7},{"url":"w","extension":[{"url":"u","valueBoolean":false}]}],
 "note":[{"authorString":"Dr A","text":"n1"},{"authorReference":{"display":"B"},"text":"n2"}],"value":"odd"}`

func steps() []string {
	return []string{"id", "status", "identifier", "system", "value", "category", "coding", "code", "reasonCode", "text", "occurrence", "start", "end",
		"subject", "performer", "contained", "name", "given", "active", "extension", "note", "author", "use", "reference", "display", "url", "first()",
		"extension('u')", "extension('w')", "resolve()", "where(system = 'a')", "where(code = 'r1' and system.empty())", "where(coding.code = 'r2')",
		"where(use = 'official')", "where(text.exists())", "where(reference.startsWith('#'))", "ofType(Period)", "ofType(string)", "ofType(Reference)",
		"ofType(integer)", "where($this = 'A')", "where(extension('u').exists())", "exists()", "empty()", "count()", "join('+')", "select(text & '-')",
		"iif(text.exists(), text, url)", "skip(1)", "combine(id)", "substring(0, 1)", "startsWith('s')", "children()", "where(given.exists())"}
}

// TestAWalkGivesWhatItsStepsGive holds the two ways of working out a path against each other: with Seen every step is done by
// itself.
func TestAWalkGivesWhatItsStepsGive(t *testing.T) {
	var doc fhir.Doc
	require.NoError(t, doc.Parse([]byte(odd)))
	root := doc.Root()
	slots := func(int) (fhir.Node, Collection) { return root, nil }
	walks := 0
	rapid.Check(t, func(t *rapid.T) {
		path := rapid.SampledFrom([]string{"", "%x.", "$this."}).Draw(t, "head")
		for i := range rapid.IntRange(1, 5).Draw(t, "length") {
			if i > 0 {
				path += "."
			}
			path += rapid.SampledFrom(steps()).Draw(t, "step")
		}
		e, err := Compile(path, "x")
		if err != nil {
			return
		}
		c := &Context{Resource: root, Variables: slots}
		want, wantErr := e.Eval(&Context{Resource: root, Variables: slots, Seen: func(fhir.Node) {}}, root)
		got, gotErr := e.Eval(c, root)
		require.Equal(t, fmt.Sprint(wantErr), fmt.Sprint(gotErr), path)
		require.Equal(t, describe(want), describe(got), path)

		var first Item
		n, err := e.One(c, root, &first)
		require.Equal(t, wantErr == nil, err == nil, path)
		require.Equal(t, min(len(want), 2), n, path)
		if n > 0 {
			require.Equal(t, want[0].Text()+want[0].Type(), first.Text()+first.Type(), path)
		}
		yes, err := e.Holds(c, root)
		require.Equal(t, wantErr == nil, err == nil, path)
		require.Equal(t, wantErr == nil && truthful(want), yes, path)
		if e.Walks() {
			walks++
		}
	})
	assert.Positive(t, walks)
}

func truthful(c Collection) bool {
	if len(c) != 1 {
		return len(c) > 1
	}
	yes, ok := c[0].Bool()
	return yes || !ok && !valueless(c[0].node)
}

func TestSeenIsToldOfEveryNodeThatAPathReaches(t *testing.T) {
	var doc fhir.Doc
	require.NoError(t, doc.Parse([]byte(odd)))
	e, err := Compile("subject.resolve().name.where(use = 'official').given.first()")
	require.NoError(t, err)
	var seen []string
	got, err := e.Eval(&Context{Resource: doc.Root(), Seen: func(n fhir.Node) { seen = append(seen, n.Path()) }}, doc.Root())
	require.NoError(t, err)
	assert.Equal(t, "[FHIR.string A]", describe(got))
	assert.Equal(t, []string{"ServiceRequest.subject", "ServiceRequest.contained[0]", "ServiceRequest.contained[0].name[0]",
		"ServiceRequest.contained[0].name[1]", "ServiceRequest.contained[0].name[0].use", "ServiceRequest.contained[0].name[0].given[0]",
		"ServiceRequest.contained[0].name[0]._given[1]", "ServiceRequest.contained[0].name[0].given[2]"}, seen)
}

func TestElementsAreThoseThatAPathGives(t *testing.T) {
	var doc fhir.Doc
	require.NoError(t, doc.Parse([]byte(odd)))
	for path, want := range map[string]int{"identifier": 4, "reasonCode.where(coding.exists())": 1, "nothing.here": -2, "identifier.value.count()": -1, "note | reasonCode": 4} {
		e, err := Compile(path)
		if want == -2 {
			require.Error(t, err)
			continue
		}
		require.NoError(t, err)
		nodes, ok, err := e.Elements(nil, &Context{Resource: doc.Root()}, doc.Root())
		require.NoError(t, err)
		assert.Equal(t, want >= 0, ok, path)
		if ok {
			assert.Len(t, nodes, want, path)
		}
	}
}

func TestAVariableMayHaveDotsInItsName(t *testing.T) {
	names := []string{"a.b", "a.b.c"}
	named := &Context{Variables: func(place int) (fhir.Node, Collection) { return fhir.Node{}, Collection{StringItem(names[place])} }}
	e, err := Compile("%a.b.c & %a.b.length()", names...)
	require.NoError(t, err)
	got, err := e.Eval(named, fhir.Node{})
	if err == nil {
		t.Fatal("a number is no text for &", got)
	}
	e, err = Compile("%a.b.c & %a.b.upper()", names...)
	require.NoError(t, err)
	got, err = e.Eval(named, fhir.Node{})
	require.NoError(t, err)
	assert.Equal(t, "a.b.cA.B", got[0].Text())
}
