package fhir

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestMembersAreFoundByPreparedNames(t *testing.T) {
	names := []string{"a", "ab", "abcdefgh", "abcdefghi", "abcdefghj", "_a", "é", "\u0000", "a\"b", "valueCodeableConcept", "valueCoding", ""}
	var object strings.Builder
	for i, name := range names {
		if i > 0 {
			object.WriteString(", ")
		}
		object.Write(append(AppendJSONString(nil, name), fmt.Sprintf(": %d", i)...))
	}
	for _, src := range []string{"{" + object.String() + "}", `{"inner": {` + object.String() + `}, "a": "outer"}`} {
		var doc Doc
		require.NoError(t, doc.Parse([]byte(src)))
		o := doc.Root()
		if inner := o.Get("inner"); inner.Exists() {
			o = inner
		}
		for i, name := range names {
			assert.Equal(t, fmt.Sprint(i), o.Member(NameOf(name)).Text(), name)
			assert.Equal(t, fmt.Sprint(i), o.Get(name).Text(), name)
		}
		assert.False(t, o.Member(NameOf("abcdefghk")).Exists())
		assert.False(t, o.Member(NameOf("A")).Exists())
	}
	assert.False(t, Node{}.Member(NameOf("a")).Exists())
}

func TestAnyOfSeveralNamesIsFoundInDocumentOrder(t *testing.T) {
	var doc Doc
	require.NoError(t, doc.Parse([]byte(`{"a": 1, "valueString": 2, "b": 3, "_valueString": 4, "c": {"x": 1}}`)))
	var many []string
	for i := range 200 {
		many = append(many, fmt.Sprintf("value%d", i))
	}
	set := NamesOf(append(many, "_valueString", "valueString")...)
	first := doc.Root().Any(set)
	assert.Equal(t, "valueString", first.Name())
	second := first.Other(set)
	assert.Equal(t, "_valueString", second.Name())
	assert.False(t, second.Other(set).Exists())
	assert.False(t, doc.Root().Get("c").Any(set).Exists())
	assert.False(t, Node{}.Any(set).Exists())
}

func TestTheWordOfAKeyIsThatOfItsName(t *testing.T) {
	for n := range 20 {
		name := strings.Repeat("x", n)
		for _, src := range []string{`{"` + name + `":1}`, `{"` + name + `":1, "padding": "so that the key is far from the end"}`} {
			var doc Doc
			require.NoError(t, doc.Parse([]byte(src)))
			assert.Equal(t, wordOf(name), doc.nodes[1].word, src)
		}
	}
}

func TestAPathSaysWhereANodeStands(t *testing.T) {
	r, err := Parse([]byte(`{"resourceType":"Patient","name":[{"given":["A","B"]}],"contained":[{"resourceType":"Organization","name":"x"}]}`))
	require.NoError(t, err)
	root := r.Root()
	assert.Equal(t, "Patient", root.Path())
	assert.Equal(t, "Patient.name[0].given[1]", root.Get("name").At(0).Get("given").At(1).Path())
	assert.Equal(t, "Patient.contained[0].name", root.Get("contained").At(0).Get("name").Path())
	assert.Empty(t, Node{}.Path())
	assert.True(t, root.Get("name").Root().Same(root))
}

func TestRawBytesComeAsTheyWereWritten(t *testing.T) {
	var doc Doc
	require.NoError(t, doc.Parse([]byte(`{"a": "x y", "b": "\u0041\n", "c": 1.50, "d": [1, 2]}`)))
	var out []byte
	for m := range doc.Root().Members() {
		out = append(m.AppendRaw(out), ' ')
	}
	assert.Equal(t, `"x y" "A\n" 1.50 [1, 2] `, string(out))
	assert.Empty(t, Node{}.AppendRaw(nil))
}
