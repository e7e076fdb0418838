package ndjson

import (
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

// naive reads a file whose first record is a line: what bytes.Split gives.
func naive(in []byte) (out []string) {
	in = bytes.TrimPrefix(in, []byte("\xef\xbb\xbf"))
	for i, line := range bytes.Split(in, []byte("\n")) {
		switch text := bytes.TrimSpace(line); {
		case len(text) == 0:
		case len(line) > MaxLine:
			out = append(out, fmt.Sprint(i+1, " ", ErrLongLine))
		case line[0] == '<':
			out = append(out, fmt.Sprint(i+1, " ", ErrMarkup))
		default:
			out = append(out, fmt.Sprint(i+1, " ", string(text)))
		}
	}
	return out
}

// chunked reads with a Reader, in chunks that are filled again and again, and checks their sizes.
func chunked(t require.TestingT, in io.Reader, size int) (out []string) {
	r := NewReader(in)
	chunks, total := [3]Chunk{}, 0
	for i := 0; ; i++ {
		c := &chunks[i%3]
		r.Next(c)
		total += c.Size
		for one := range c.Records() {
			if one.Err != nil {
				out = append(out, fmt.Sprint(one.Line, " ", one.Err))
				continue
			}
			out = append(out, fmt.Sprint(one.Line, " ", string(bytes.TrimSpace(one.Text))))
		}
		if c.End != nil {
			require.Equal(t, io.EOF, c.End)
			require.Equal(t, size, total, "bytes that the chunks stand for")
			return out
		}
	}
}

func TestLinesAcrossChunksAreThoseThatANaiveReaderGives(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
		var in bytes.Buffer
		in.WriteString(rapid.SampledFrom([]string{"", "\xef\xbb\xbf"}).Draw(t, "mark"))
		in.WriteString(strings.Repeat(end, rapid.IntRange(0, 2).Draw(t, "blank")))
		in.WriteString(`{"first":1}` + end)
		for i := range rapid.IntRange(0, 12).Draw(t, "lines") {
			switch rapid.IntRange(0, 6).Draw(t, "kind") {
			case 0:
				in.WriteString(end)
				continue
			case 1:
				in.WriteString("{" + end) // broken, and no document, as lines came before
				continue
			case 2: // up to the border of a chunk, or a little beside it
				border := chunkSize*(in.Len()/chunkSize+1) + rapid.IntRange(-3, 3).Draw(t, "beside") - len(end)
				fill := max(border-in.Len()-8, 0)
				in.WriteString(fmt.Sprintf(`{"x":"%s"}`, strings.Repeat("y", fill)) + end)
				continue
			}
			size := rapid.SampledFrom([]int{0, 1, 10, 4000, chunkSize - 12, chunkSize, 2*chunkSize - 5, 3 * chunkSize}).Draw(t, "size")
			in.WriteString(fmt.Sprintf(`{"n":%d,"x":"%s"}`, i, strings.Repeat("z", size)) + end)
		}
		all := in.Bytes()
		if rapid.Bool().Draw(t, "open") {
			all = bytes.TrimRight(all, "\r\n")
		}
		want := naive(all)
		for _, r := range []io.Reader{bytes.NewReader(all), iotest.HalfReader(bytes.NewReader(all)), iotest.DataErrReader(bytes.NewReader(all))} {
			got := chunked(t, r, len(all))
			require.Equal(t, len(want), len(got))
			for i := range want {
				require.True(t, want[i] == got[i], "record %d: %.40s %d, %.40s %d", i, want[i], len(want[i]), got[i], len(got[i]))
			}
		}
	})
}

// TestDocumentsAcrossChunksAreAllRead writes documents over many lines, of sizes about that of a chunk, with line records behind.
func TestDocumentsAcrossChunksAreAllRead(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		end := rapid.SampledFrom([]string{"\n", "\r\n"}).Draw(t, "end")
		var in bytes.Buffer
		var want []string
		n := rapid.IntRange(1, 6).Draw(t, "documents")
		for i := range n {
			size := rapid.SampledFrom([]int{0, 5, 4000, chunkSize - 40, chunkSize - 39, chunkSize, 2 * chunkSize, 5 * chunkSize}).Draw(t, "size") + rapid.IntRange(0, 3).Draw(t, "more")
			text := fmt.Sprintf("{%s  \"n\": %d,%s  \"x\": \"%s\",%s  \"y\": [%s{%s}%s]%s}", end, i, end, strings.Repeat("z", size), end, end, end, end, end)
			want = append(want, fmt.Sprint(1+bytes.Count(in.Bytes(), []byte("\n")), " ", text))
			in.WriteString(text + rapid.SampledFrom([]string{end, end + end}).Draw(t, "gap"))
		}
		for i := range rapid.IntRange(0, 3).Draw(t, "lines") {
			text := fmt.Sprintf(`{"line":%d}`, i)
			want = append(want, fmt.Sprint(1+bytes.Count(in.Bytes(), []byte("\n")), " ", text))
			in.WriteString(text + end)
		}
		got := chunked(t, iotest.HalfReader(bytes.NewReader(in.Bytes())), in.Len())
		require.Equal(t, len(want), len(got))
		for i := range want {
			require.True(t, want[i] == got[i], "record %d: %.60q, %.60q", i, want[i], got[i])
		}
	})
}
