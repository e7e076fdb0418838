package fhir

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// strict tells what Parse takes, by encoding/json alone: valid JSON in UTF-8, no name twice, no lone surrogate, no deeper than MaxDepth,
// no object with more than MaxMembers.
func strict(src []byte) bool {
	return json.Valid(src) && utf8.Valid(src) && !twice(src) && nesting(src) <= MaxDepth && !lone(src)
}

// nesting tells how far below the root the deepest value stands.
func nesting(src []byte) int {
	d := json.NewDecoder(bytes.NewReader(src))
	depth, deepest := 0, 0
	for {
		token, err := d.Token()
		if err != nil {
			return deepest
		}
		switch token {
		case json.Delim('}'), json.Delim(']'):
			depth--
			continue
		}
		deepest = max(deepest, depth)
		if token == json.Delim('{') || token == json.Delim('[') {
			depth++
		}
	}
}

// twice tells whether an object has a name twice.
func twice(src []byte) bool {
	d := json.NewDecoder(bytes.NewReader(src))
	var names []map[string]bool // nil for an array
	key := false
	for {
		token, err := d.Token()
		if err == io.EOF || err != nil {
			return false
		}
		top := len(names) - 1
		if text, is := token.(string); is && key {
			if names[top][text] {
				return true
			}
			names[top][text] = true
			key = false
			continue
		}
		switch token {
		case json.Delim('{'):
			names = append(names, map[string]bool{})
		case json.Delim('['):
			names = append(names, nil)
		case json.Delim('}'), json.Delim(']'):
			names = names[:top]
		}
		key = len(names) > 0 && names[len(names)-1] != nil
	}
}

// lone tells whether a text has an escape that is half of a surrogate pair: encoding/json makes U+FFFD of it.
func lone(src []byte) bool {
	for at := 0; at < len(src); at++ {
		if src[at] != '\\' {
			continue
		}
		at++
		if at >= len(src) || src[at] != 'u' || at+5 > len(src) {
			continue
		}
		var r rune
		fmt.Sscanf(string(src[at+1:at+5]), "%04x", &r)
		at += 4
		if r < 0xd800 || r > 0xdfff {
			continue
		}
		var low rune
		if r >= 0xdc00 || at+7 > len(src) || src[at+1] != '\\' || src[at+2] != 'u' {
			return true
		}
		fmt.Sscanf(string(src[at+3:at+7]), "%04x", &low)
		if low < 0xdc00 || low > 0xdfff {
			return true
		}
		at += 6
	}
	return false
}

// value gives what Parse read as encoding/json gives it.
func value(n Node) any {
	switch n.Kind() {
	case Object:
		out := map[string]any{}
		for m := range n.Members() {
			out[m.Name()] = value(m)
		}
		return out
	case Array:
		out := []any{}
		for c := n.First(); c.Exists(); c = c.Next() {
			out = append(out, value(c))
		}
		return out
	case String:
		return n.Text()
	case Number:
		return json.Number(n.Text())
	case Bool:
		return n.Text() == "true"
	}
	return nil
}

func checkParse(t require.TestingT, d *Doc, src []byte) {
	err := d.Parse(src)
	require.Equal(t, strict(src), err == nil, "%q: %v", src, err)
	if err != nil {
		require.False(t, d.Root().Exists())
		return
	}
	decoder := json.NewDecoder(bytes.NewReader(src))
	decoder.UseNumber()
	var want any
	require.NoError(t, decoder.Decode(&want))
	require.Equal(t, want, value(d.Root()), "%q", src)
	var again any
	decoder = json.NewDecoder(bytes.NewReader(d.Root().AppendRaw(nil)))
	decoder.UseNumber()
	require.NoError(t, decoder.Decode(&again))
	require.Equal(t, want, again)
	checkMembers(t, d.Root(), want)
}

// checkMembers looks every member up by its name, and names beside it that are not there.
func checkMembers(t require.TestingT, n Node, want any) {
	members, ok := want.(map[string]any)
	if !ok {
		for c := n.First(); c.Exists(); c = c.Next() {
			checkMembers(t, c, value(c))
		}
		return
	}
	for m := range n.Members() {
		name := m.Name()
		require.True(t, n.Get(name).Same(m), "%q", name)
		require.True(t, m.Parent().Same(n))
		require.True(t, n.Any(NamesOf("no", name)).Same(m), "%q", name)
		for _, other := range []string{name + "x", name + "\x00", "_" + name, "", name[:len(name)/2]} {
			_, there := members[other]
			require.Equal(t, there, n.Get(other).Exists(), "%q of %q", other, name)
		}
		checkMembers(t, m, members[name])
	}
}

// TestParseTakesWhatStrictJSONIs holds Parse, in a Doc that is used again and again, against encoding/json.
func TestParseTakesWhatStrictJSONIs(t *testing.T) {
	var d Doc
	piece := rapid.SampledFrom([]string{"{", "}", "[", "]", ",", ":", `"`, `"a"`, `"abcdefgh1"`, `"abcdefgh2"`, `"abcdefgh"`, `"abcdefg"`, `""`, `"\u0061"`, `"a\u0000"`, `"\u00e9"`, `"é"`, `"\ud83d\ude00"`,
		`"\ud83d"`, `"\ude00"`, `"\ud83d\u0041"`, `"\x"`, "\"\x01\"", "\"\xff\"", "\"abcdefghijkl\xc3\"", "\"\xed\xa0\x80\"", "1", "-1", "01", "1.", ".5", "1.5e+3", "1e", "-", "0", "-0", "true", "false", "null", "nul", " ", "\t", "\n", "\r", "\x00", "\ufeff",
		`{"a":1}`, `{"a":1,"a":2}`, `{"a":1,"\u0061":2}`, `[1,2]`, `[[]]`, `{}`, `[]`, `"a":`, `"b":`, `"abcdefgh1":`, `"abcdefgh2":`, `"\u0061":`, `"":`, "/", `\`, `"\/\b\f\n\r\t\"\\"`, "'", "\x7f", "\"\x7f\""})
	rapid.Check(t, func(t *rapid.T) {
		checkParse(t, &d, []byte(rapid.StringOfN(rapid.RuneFrom([]rune("{}[]\",:\\u01aé \n")), 0, 20, -1).Draw(t, "soup")))
		var src string
		for _, s := range rapid.SliceOfN(piece, 0, 12).Draw(t, "pieces") {
			src += s
		}
		checkParse(t, &d, []byte(src))
		good := []byte(randomJSON(t, 4))
		checkParse(t, &d, good)
		if len(good) > 0 { // one byte of it is another
			at := rapid.IntRange(0, len(good)-1).Draw(t, "at")
			bad := bytes.Clone(good)
			bad[at] = rapid.Byte().Draw(t, "byte")
			checkParse(t, &d, bad)
			checkParse(t, &d, good[:at])
		}
	})
}

func randomJSON(t *rapid.T, depth int) string {
	text := rapid.SampledFrom([]string{`""`, `"a"`, `"abcdefgh1"`, `"abcdefgh2"`, `"abcdefghi"`, `"abcdefgh"`, `"é and a long text\n behind it"`, `"\u0061bcdefgh1"`, `"\ud83d\ude00"`, `"12345678\"12345678"`, `"_a"`, `"\u0000"`})
	switch k := rapid.IntRange(0, 5).Draw(t, "kind"); {
	case k == 0 && depth > 0:
		out := "["
		for i := range rapid.IntRange(0, 4).Draw(t, "items") {
			if i > 0 {
				out += ","
			}
			out += randomJSON(t, depth-1)
		}
		return out + "]"
	case k <= 3 && depth > 0:
		out := "{ "
		for i := range rapid.IntRange(0, 5).Draw(t, "members") {
			if i > 0 {
				out += ","
			}
			name := text.Draw(t, "name")
			if rapid.Bool().Draw(t, "numbered") {
				name = fmt.Sprintf(`"member%d"`, rapid.IntRange(0, 200).Draw(t, "number"))
			}
			out += name + ":" + randomJSON(t, depth-1)
		}
		return out + "}"
	case k == 4:
		return rapid.SampledFrom([]string{"1", "-1.50", "1e5", "true", "false", "null", "0", " 1 "}).Draw(t, "plain")
	}
	return text.Draw(t, "text")
}

func TestNestingIsRefusedBeyondMaxDepthAndNotBefore(t *testing.T) {
	var d Doc
	for lists, inner := range map[int]string{MaxDepth: "1", MaxDepth + 1: ""} {
		in := func(n int) []byte { return []byte(strings.Repeat("[", n) + inner + strings.Repeat("]", n)) }
		require.NoError(t, d.Parse(in(lists)))
		require.ErrorContains(t, d.Parse(in(lists+1)), "nested too deeply")
		checkParse(t, &d, in(lists))
		checkParse(t, &d, in(lists+1))
	}
}

func TestAnObjectHasAThousandMembersAtMostAndNoneTwice(t *testing.T) {
	var d Doc
	for _, n := range []int{62, 63, 64, 65, 66, 67, 500, MaxMembers - 1} {
		src := []byte("{")
		for i := range n {
			src = fmt.Appendf(src, `"member%d":%d,`, i, i)
		}
		checkParse(t, &d, append(bytes.Clone(src), `"x":0}`...))
		for _, i := range []int{0, 1, 60, n - 1} {
			checkParse(t, &d, append(bytes.Clone(src), fmt.Sprintf(`"member%d":0}`, i)...))
			checkParse(t, &d, append(bytes.Clone(src), fmt.Sprintf(`"\u006dember%d":0}`, i)...))
		}
		err := d.Parse(append(bytes.Clone(src), `"x":0,"y":{}}`...))
		if n+2 > MaxMembers {
			require.ErrorContains(t, err, "more than 1000 members in one object")
			continue
		}
		require.NoError(t, err)
		wide := 0
		if n+2 > manyMembers {
			wide = n + 2
		}
		require.Equal(t, wide, d.Root().Widest())
	}
}

func FuzzParseIsStrictJSON(f *testing.F) {
	for _, s := range []string{`{"resourceType":"Patient","id":"1","name":[{"given":["a\n","é"]}]}`, `{"abcdefgh1":1,"abcdefgh2":2}`, `["\ud83d\ude00",1.5e3,-0,null]`} {
		f.Add([]byte(s))
	}
	var d Doc
	f.Fuzz(func(t *testing.T, src []byte) { checkParse(t, &d, src) })
}
