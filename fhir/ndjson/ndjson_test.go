package ndjson

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const good = `{"resourceType":"Patient","id":"a"}`

// indented is good over several lines.
const indented = "{\n  \"resourceType\": \"Patient\",\n  \"id\": \"a\"\n}\n"

// read gives a line of words for each record: where it begins, and whether it is good, damaged or what is wrong with it.
func read(t *testing.T, in io.Reader) []string {
	t.Helper()
	var out []string
	for r, err := range Records(in) {
		require.NoError(t, err)
		var flat bytes.Buffer
		switch {
		case r.Err != nil:
			assert.Empty(t, r.Text)
			out = append(out, fmt.Sprint(r.Line, " ", r.Err))
		case json.Compact(&flat, r.Text) == nil:
			out = append(out, fmt.Sprint(r.Line, " ", strings.ReplaceAll(flat.String(), good, "good")))
		default:
			out = append(out, fmt.Sprint(r.Line, " damaged"))
		}
	}
	return out
}

func TestARecordIsFoundWhateverIsAroundIt(t *testing.T) {
	for name, c := range map[string]struct {
		in   string
		want []string
	}{
		"nothing":                     {"", nil},
		"the mark of UTF-8 alone":     {"\ufeff", nil},
		"blank lines":                 {"\n \r\n\t\n", nil},
		"a record a line":             {good + "\n" + good + "\n", []string{"1 good", "2 good"}},
		"no end of the last line":     {good + "\n" + good, []string{"1 good", "2 good"}},
		"lines of Windows":            {"\ufeff" + good + "\r\n\r\n" + good + "\r\n", []string{"1 good", "3 good"}},
		"space before a record":       {"  " + good + "\n " + good, []string{"1 good", "2 good"}},
		"damage in the middle":        {good + "\nx\n{\n" + good + "\n", []string{"1 good", "2 damaged", "3 damaged", "4 good"}},
		"damage at the beginning":     {"# of Monday\n# by hand\n" + good + "\n", []string{"1 damaged", "2 damaged", "3 good"}},
		"a page in the middle":        {good + "\n<html>\n" + good + "\n", []string{"1 good", "2 " + ErrMarkup.Error(), "3 good"}},
		"a page":                      {"<!DOCTYPE html>\n<html>\n<body>{\n</body>\n", []string{"1 " + ErrMarkup.Error()}},
		"a page on a line":            {"<html></html>", []string{"1 " + ErrMarkup.Error()}},
		"a document":                  {indented, []string{"1 good"}},
		"a document, marked":          {"\ufeff" + indented, []string{"1 good"}},
		"a document behind a blank":   {"\n \n" + indented, []string{"3 good"}},
		"a document in one's own way": {"{\"resourceType\":\"Patient\"\n,\"id\":\"a\"}", []string{"1 good"}},
		"documents":                   {strings.Repeat(indented, 3), []string{"1 good", "5 good", "9 good"}},
		"documents without a break":   {strings.ReplaceAll(indented+indented, "}\n{", "}{"), []string{"1 good", "4 good"}},
		"items at the margin":         {"[\n" + good + ",\n" + good + "\n]\n", []string{"1 [good,good]"}},
		"a document, then lines":      {indented + good + "\n" + good + "\nx\n", []string{"1 good", "5 good", "6 good", "7 damaged"}},
		"a document that is broken":   {"{\n  \"id\": \"a\"\n  \"b\": 1\n}\n", []string{"1 damaged"}},
		"a document that is cut":      {"\n" + indented[:20], []string{"2 damaged"}},
		"one broken, others whole":    {strings.Replace(indented, ",", "", 1) + indented + indented, []string{"1 damaged", "5 good", "9 good"}},
		"larger than a chunk":         {"{\n" + strings.Repeat(" ", 3*chunkSize) + indented[1:], []string{"1 good"}},
		"longer than a line may be":   {"{\n" + strings.Repeat(" \n", MaxLine/2) + indented[1:], []string{"1 good"}},
	} {
		assert.Equal(t, c.want, read(t, strings.NewReader(c.in)), name)
		assert.Equal(t, c.want, read(t, iotest.HalfReader(strings.NewReader(c.in))), name)
		if len(c.in) < chunkSize {
			assert.Equal(t, c.want, read(t, iotest.OneByteReader(strings.NewReader(c.in))), name)
			assert.Equal(t, c.want, read(t, iotest.DataErrReader(strings.NewReader(c.in))), name)
		}
	}
}

func TestABrokenFirstLineLosesNoOther(t *testing.T) {
	for _, first := range []string{`{"resourceType":"ServiceRequest",`, `{`, `{"resourceType":"ServiceRequest","note":[`, `{"resourceType":"ServiceRequest","x":"cut,`,
		"export of 49 resources, [", `[`, good + " x", good + good} {
		for _, gap := range []string{"\n", "\r\n", "\n\n"} {
			for _, lead := range []string{"", "\n"} {
				got := read(t, strings.NewReader(lead+first+gap+strings.Repeat(good+"\n", 49)))
				require.Len(t, got, 50, first)
				assert.Equal(t, fmt.Sprint(1+len(lead), " damaged"), got[0], first)
				assert.False(t, slices.ContainsFunc(got[1:], func(s string) bool { return !strings.HasSuffix(s, " good") }), first)
			}
		}
	}
}

func TestALineThatIsTooLongFailsAloneAndTheLinesBehindItAreRead(t *testing.T) {
	long := strings.Repeat("x", MaxLine+1)
	for name, in := range map[string]string{
		"in the middle":           good + "\n" + long + "\n" + good + "\n",
		"much longer":             good + "\n" + long + long + "\n" + good + "\n",
		"first":                   "\n" + long + long + "\n" + good + "\n" + good + "\n",
		"last":                    good + "\n" + good + "\n\n" + long,
		"by a little":             good + "\n" + good + "\n" + strings.Repeat(" ", MaxLine) + "x\n",
		"behind a chunk of lines": strings.Repeat("\n", chunkSize-2) + long + "\n" + good + "\n" + good + "\n",
	} {
		got := read(t, iotest.HalfReader(strings.NewReader(in)))
		require.Len(t, got, 3, name)
		assert.Contains(t, got, fmt.Sprint(1+strings.Count(in[:strings.Index(in, "x")], "\n"), " ", ErrLongLine), name)
	}
}

func TestAFileThatCannotBeReadSaysWhy(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte(good))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	broken := errors.New("no cable")
	for _, c := range []struct {
		in   io.Reader
		want error
	}{
		{&packed, ErrGzip},
		{strings.NewReader("{\n" + strings.Repeat(" \n", MaxDocument/2)), ErrLongDocument},
		{io.MultiReader(strings.NewReader("{\n"), iotest.ErrReader(broken)), broken},
		{iotest.ErrReader(broken), broken},
	} {
		records, told := 0, error(nil)
		for _, err := range Records(c.in) {
			records++
			told = err
		}
		assert.ErrorIs(t, told, c.want)
		assert.Equal(t, 1, records, "the error alone")
	}
}

func TestCheckTakesNothing(t *testing.T) {
	in := bufio.NewReader(strings.NewReader("\x1f\x8b\x08"))
	assert.ErrorIs(t, Check(in), ErrGzip)
	assert.ErrorIs(t, Check(in), ErrGzip)
	for _, text := range []string{"", "{", good} {
		in := bufio.NewReader(strings.NewReader(text))
		require.NoError(t, Check(in))
		rest, err := io.ReadAll(in)
		require.NoError(t, err)
		assert.Equal(t, text, string(rest))
	}
}

func TestTheTextsOfRecordsAreTheCallers(t *testing.T) {
	var kept [][]byte
	in := strings.Repeat(good+"\n", 3*chunkSize/len(good))
	for r := range Records(strings.NewReader(in)) {
		kept = append(kept, r.Text)
	}
	assert.Equal(t, strings.TrimSuffix(in, "\n"), string(bytes.Join(kept, []byte("\n"))))
}

// A number that no float64 holds says nothing of where its document ends: it fails no file.
func TestFinding_security_SEC21_ANumberBeyondAFloatEndsNoFile(t *testing.T) {
	for _, number := range []string{"2" + strings.Repeat("0", 301), "2" + strings.Repeat("0", 400), "1e400", "-1E99999"} {
		var texts []string
		for r, err := range Records(strings.NewReader("{\n\"n\": " + number + "\n}\n" + good + "\n")) {
			require.NoError(t, err, number)
			require.NoError(t, r.Err, number)
			texts = append(texts, strings.TrimSpace(string(r.Text)))
		}
		assert.Equal(t, []string{"{\n\"n\": " + number + "\n}", strings.TrimSpace(good)}, texts)
	}
}

// FuzzRecords holds that no byte of a file is lost: all that is not blank is in a record, or counted in one that is too long.
func FuzzRecords(f *testing.F) {
	for _, in := range []string{good, indented + good, "\ufeff{\r\n", "[\n{\n<", "x\n{}\n{\n}{\n\n", "[\n1e400\n]\n{}"} {
		f.Add([]byte(in))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		var got []byte
		last := 0
		for r, err := range Records(bytes.NewReader(in)) {
			if errors.Is(err, ErrGzip) {
				return
			}
			require.NoError(t, err)
			require.GreaterOrEqual(t, r.Line, max(last, 1))
			last = r.Line
			if r.Err != nil {
				return
			}
			got = append(got, r.Text...)
		}
		squeeze := func(b []byte) string {
			return strings.Join(strings.FieldsFunc(string(b), func(r rune) bool { return r <= ' ' }), "")
		}
		require.Equal(t, squeeze(bytes.TrimPrefix(in, []byte("\xef\xbb\xbf"))), squeeze(got))
	})
}
