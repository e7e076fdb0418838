package fhir

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsOneJSONValueIsTaken(t *testing.T) {
	for _, src := range []string{
		`{}`, `[]`, `""`, `0`, `-0`, `null`, `true`, `false`, ` 1 `, "\t\r\n{ \"a\" : [ 1 , 2 ] }\n",
		`1e400`, `1.50`, `-1.5E+10`, `1e-9`, `123456789012345678901234567890`, `0.10`, `0e0`,
		`"\u0000"`, `"\ud83d\ude00"`, `"\"\\\/\b\f\n\r\t"`, `"é😀"`, "\"\u007f\"", `{"":1}`, `{"a":{"a":{"a":1}}}`, `[[],{}]`,
		strings.Repeat("[", 64) + strings.Repeat("]", 64),
	} {
		var d Doc
		assert.NoError(t, d.Parse([]byte(src)), "%q", src)
		assert.True(t, d.Root().Exists())
	}
}

func TestWhatIsNoJSONOrCannotBeTrustedIsRefused(t *testing.T) {
	for _, src := range []string{
		"", " ", "\ufeff{}", "\x00", "{}\x00", "{} {}", "{}x", "[1,]", "[,1]", "[1 2]", "[", "]", "{", "}", `{"a"}`, `{"a":}`, `{"a":1,}`,
		`{a:1}`, `{'a':1}`, `{1:1}`, `{"a" 1}`, `{"a":1 "b":2}`, `//x`, `/* x */ 1`,
		`01`, `-01`, `00`, `1.`, `.5`, `-`, `+1`, `- 1`, `1e`, `1e+`, `1.e1`, `0x10`, `1_000`, `NaN`, `Infinity`, `-Infinity`, `nul`, `nulll`,
		`True`, `tru`, `truefalse`, `undefined`,
		`"`, `"abc`, `"\`, `"\"`, `"\x"`, `"\u12"`, `"\u12G4"`, `"\U0041"`, "\"a\nb\"", "\"a\tb\"", "\"a\x00b\"", "\"\x1f\"", "\"\\n\x01\"",
		`"\ud800"`, `"\udc00"`, `"\ud800x"`, `"\ud800\u0041"`, `"\ud800\ud800"`, `"\udc00\ud800"`, `"\ud800\n"`, `{"\ud800":1}`,
		"\"\xff\"", "\"\xc3\"", "\"\xed\xa0\x80\"", "\"\xc0\x80\"", "{\"\xff\":1}", "\"\\n\xff\"", "\"\xf4\x90\x80\x80\"",
		`{"a":1,"a":1}`, `{"a":1,"b":2,"a":3}`, `{"a":1,"\u0061":2}`, `{"x":{"é":1,"\u00e9":2}}`, `[{"":1,"":2}]`,
		strings.Repeat("[", 66) + strings.Repeat("]", 66), strings.Repeat("[", 10_000), strings.Repeat(`{"a":`, 10_000),
	} {
		d := Doc{}
		require.NoError(t, d.Parse([]byte(`{"a":"before"}`)))
		assert.ErrorIs(t, d.Parse([]byte(src)), ErrSyntax, "%.40q", src)
		assert.False(t, d.Root().Exists(), "nothing of a refused document is left: %.40q", src)
		assert.Equal(t, "", d.Root().Get("a").Text(), "nor of the one before")
	}
}

func TestASyntaxErrorNamesThePlaceAndNotTheContent(t *testing.T) {
	for _, src := range []string{
		`{"name":"Quillfeather"`, `{"Quillfeather":1,"Quillfeather":2}`, `["Quillfeather`, `{"a":Quillfeather}`, "[\"Quillfeather\n\"]", `["\Quillfeather"]`,
	} {
		err := new(Doc).Parse([]byte(src))
		require.ErrorIs(t, err, ErrSyntax)
		assert.NotContains(t, err.Error(), "Quill")
		assert.Contains(t, err.Error(), " at byte ")
	}
}

func TestLiteralsStayAsTheSourceWroteThem(t *testing.T) {
	var d Doc
	require.NoError(t, d.Parse([]byte(`{"n":1.50,"big":123456789012345678901234567890,"e":1e400,"t":true,"s":"x","z":null,"o":{},"l":[]}`)))
	for name, want := range map[string]string{
		"n": "1.50", "big": "123456789012345678901234567890", "e": "1e400", "t": "true", "s": "x", "z": "", "o": "", "l": "", "none": "",
	} {
		assert.Equal(t, want, d.Root().Get(name).Text(), name)
	}
	for name, want := range map[string]Kind{"n": Number, "t": Bool, "s": String, "z": Null, "o": Object, "l": Array, "none": Missing} {
		assert.Equal(t, want, d.Root().Get(name).Kind(), name)
		assert.Equal(t, want != Missing, d.Root().Get(name).Exists(), name)
	}
	assert.Equal(t, `"x"`, string(d.Root().Get("s").Raw()))
	assert.Equal(t, `1.50`, string(d.Root().Get("n").Raw()))
	assert.Nil(t, d.Root().Get("none").Raw())
}

func TestPathsThroughWhatIsNotThereNeedNoChecks(t *testing.T) {
	var n Node
	assert.Equal(t, Missing, n.Get("a").At(3).First().Next().Parent().Kind())
	assert.Zero(t, n.Len())
	assert.Empty(t, n.Name())
	assert.Empty(t, n.Text())
	for range n.Items() {
		t.Fatal("a missing node has no items")
	}
	for range n.Members() {
		t.Fatal("a missing node has no members")
	}
	var d Doc
	assert.False(t, d.Root().Exists())
	require.NoError(t, d.Parse([]byte(`["a",{"b":1}]`)))
	assert.False(t, d.Root().Get("b").Exists(), "an array has no members")
	assert.False(t, d.Root().At(-1).Exists())
	assert.False(t, d.Root().At(2).Exists())
	assert.Equal(t, "1", d.Root().At(1).Get("b").Text())
	assert.False(t, d.Root().Parent().Exists())
	assert.True(t, d.Root().At(1).Get("b").Parent().Parent().Same(d.Root()))
	assert.False(t, d.Root().Next().Exists())
}

func TestOneValueIsAListOfOne(t *testing.T) {
	var d Doc
	require.NoError(t, d.Parse([]byte(`{"one":{"code":"a"},"many":[{"code":"a"},{"code":"b"}],"none":[]}`)))
	codes := func(name string) (out []string) {
		for n := range d.Root().Get(name).Items() {
			out = append(out, n.Get("code").Text())
		}
		return out
	}
	assert.Equal(t, []string{"a"}, codes("one"))
	assert.Equal(t, []string{"a", "b"}, codes("many"))
	assert.Empty(t, codes("none"))
	assert.Empty(t, codes("missing"))
	assert.Equal(t, "a", d.Root().Get("one").At(0).Get("code").Text())
	assert.False(t, d.Root().Get("one").At(1).Exists())
	assert.Equal(t, "b", d.Root().Get("many").At(1).Get("code").Text())
	for n := range d.Root().Get("many").Items() {
		assert.Equal(t, "a", n.Get("code").Text())
		break
	}
}

func TestMembersComeInDocumentOrderWithDecodedNames(t *testing.T) {
	var d Doc
	require.NoError(t, d.Parse([]byte(`{"z":1,"\u0061":2,"m":3}`)))
	var names []string
	for m := range d.Root().Members() {
		names = append(names, m.Name())
	}
	assert.Equal(t, []string{"z", "a", "m"}, names)
	assert.Equal(t, "2", d.Root().Get("a").Text())
	assert.Equal(t, 3, d.Root().Len())
}

func TestStringsAreWrittenSoThatEveryReaderReadsThemBack(t *testing.T) {
	for _, s := range []string{"", "plain", "\"\\/\b\f\n\r\t\x00\x1f\x7f", "é😀\u2028\u2029<>&"} {
		var back string
		require.NoError(t, json.Unmarshal(AppendJSONString(nil, s), &back))
		assert.Equal(t, s, back)
		var d Doc
		require.NoError(t, d.Parse(AppendJSONString(nil, s)))
		assert.Equal(t, s, d.Root().Text())
	}
}

// plain turns a node into what encoding/json with UseNumber gives.
func plain(n Node) any {
	switch n.Kind() {
	case Object:
		out := map[string]any{}
		for m := range n.Members() {
			out[m.Name()] = plain(m)
		}
		return out
	case Array:
		out := []any{}
		for item := range n.Items() {
			out = append(out, plain(item))
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

// reference decodes with the standard library and tells whether there is exactly one value.
func reference(src []byte) (any, bool) {
	d := json.NewDecoder(bytes.NewReader(src))
	d.UseNumber()
	var out any
	if d.Decode(&out) != nil {
		return nil, false
	}
	_, err := d.Token()
	return out, errors.Is(err, io.EOF)
}

// stricter names what Parse refuses on purpose and the standard library takes.
func stricter(err error) bool {
	for _, reason := range []string{"a member name twice", "not UTF-8", "a lone surrogate", "nested too deeply"} {
		if strings.Contains(err.Error(), reason) {
			return true
		}
	}
	return false
}

func FuzzParseAgreesWithTheStandardLibrary(f *testing.F) {
	for _, seed := range []string{
		`{"resourceType":"Patient","id":"1","name":[{"family":"A","given":["B","C"]}],"n":1.50,"b":true,"z":null}`,
		`[1,-0,1e400,"\u00e9\ud83d\ude00\n",{},[],[[]]]`, `{"a":1,"a":2}`, `"\ud800"`, "\"\xff\"", `01`, `1.`, `.5`, `-`, "\ufeff1", `{"a":[{"b":{}}]}`,
		"[1,\n2]", `{"":""}`, `[1,]`, `{"a":1,}`, `"\/"`, strings.Repeat("[", 70) + strings.Repeat("]", 70), "nul", "\x00", " 1 ", `{"a" :1}`,
	} {
		f.Add([]byte(seed))
	}
	var reused Doc
	f.Fuzz(func(t *testing.T, src []byte) {
		want, valid := reference(src)
		err := reused.Parse(src)
		if err != nil {
			require.ErrorIs(t, err, ErrSyntax)
			require.True(t, !valid || stricter(err), "the standard library takes what Parse refuses: %v", err)
			return
		}
		require.True(t, valid, "Parse takes what the standard library refuses")
		require.Equal(t, want, plain(reused.Root()))
		again := bytes.Clone(reused.Root().Raw())
		var second Doc
		require.NoError(t, second.Parse(again), "Raw is JSON again")
		require.Equal(t, want, plain(second.Root()))
	})
}

func FuzzResourcesKeepTheirContent(f *testing.F) {
	f.Add([]byte(`{"resourceType":"Patient","id":"1","meta":{"versionId":"1"},"active":true}`))
	f.Add([]byte(`{"resourceType":"Bundle","entry":[{"resource":{"resourceType":"Patient","meta":{"versionId":"1"}}}]}`))
	f.Add([]byte(`{"resourceType":"\u0050atient","contained":[{"resourceType":"X1"}],"x":"\u003c\ud83d\ude00"}`))
	f.Add([]byte(`{"resourceType":1}`))
	f.Fuzz(func(t *testing.T, src []byte) {
		r, err := Parse(src)
		if err != nil {
			require.True(t, errors.Is(err, ErrSyntax) || errors.Is(err, ErrNotResource))
			return
		}
		require.NotEmpty(t, r.Type())
		require.True(t, utf8.Valid(r.Raw()))
		require.Equal(t, r.Digest(), r.Clone().Digest())
		var tree any
		d := json.NewDecoder(bytes.NewReader(src))
		d.UseNumber()
		require.NoError(t, d.Decode(&tree))
		sorted, err := json.Marshal(tree) // other order, other escapes, no white space
		require.NoError(t, err)
		same, err := Parse(sorted)
		require.NoError(t, err)
		require.Equal(t, r.Digest(), same.Digest())
	})
}

// fourKB is a ServiceRequest of about four kilobytes.
func fourKB(t testing.TB) []byte {
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"ServiceRequest","id":"sr1","meta":{"versionId":"3"},"status":"active","note":[`)
	for i := 0; b.Len() < 4000; i++ {
		if i > 0 {
			b.WriteByte(',')
		}
		fmt.Fprintf(&b, `{"time":"2026-03-20T08:%02d:00Z","text":"Line %d of a synthetic \"note\" \u2013 é","n":%d.50,"ok":true}`, i, i, i)
	}
	b.WriteString(`],"code":{"coding":[{"system":"http://snomed.info/sct","code":"3457005","display":"Patient referral"}]}}`)
	require.InDelta(t, 4096, b.Len(), 200)
	return b.Bytes()
}

func TestAReusedDocumentNeedsNoMemory(t *testing.T) {
	src := fourKB(t)
	var d Doc
	require.NoError(t, d.Parse(src))
	assert.Zero(t, testing.AllocsPerRun(100, func() { _ = d.Parse(src) }))
}

func BenchmarkParse(b *testing.B) {
	src := fourKB(b)
	var d Doc
	b.SetBytes(int64(len(src)))
	b.ReportAllocs()
	for b.Loop() {
		if err := d.Parse(src); err != nil {
			b.Fatal(err)
		}
	}
}

func TestModifiersAreToldOfByTheParser(t *testing.T) {
	var doc Doc
	for text, want := range map[string]bool{
		`{"resourceType":"A","modifierExtension":[]}`:                 true,
		`{"a":[{"b":{"modifierExtension":[]}}]}`:                      true,
		`{"a":[{"b":{"modif\u0069erExtension":[]}}]}`:                 true,
		`{"implicitRules":"http://x.example"}`:                        true,
		`{"_implicitRules":{}}`:                                       true,
		`{"\u005fimplicitRules":{}}`:                                  true,
		`{"a":"modifierExtension","b":"implicitRules","c":"x\u0026"}`: false,
		`{"resourceType":"A"}`:                                        false,
		`{"m":1}`:                                                     false,
		`[]`:                                                          false,
	} {
		require.NoError(t, doc.Parse([]byte(text)), text)
		assert.Equal(t, want, doc.Root().MayModify(), text)
	}
	assert.False(t, Node{}.MayModify())
}

func TestStringEndIsBehindTheString(t *testing.T) {
	for text, want := range map[string]int{
		`"a`:                           1,
		`plain", "more"`:               6,
		`a long text, and it ends" ""`: 25,
		`\"\\",`:                       5,
		`a` + "\x01" + `b",`:           4,
		`not closed`:                   10,
		`not closed\`:                  11,
		`not closed\"`:                 12,
		``:                             0,
	} {
		assert.Equal(t, want, StringEnd([]byte(text), 0), text)
	}
	assert.Equal(t, 3, StringEnd([]byte("abc"), 7))
}
