package batch

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
)

const (
	chunkSize = 128 << 10
	maxLine   = 16 << 20 // bytes of one resource, as for files elsewhere
	maxWhole  = 64 << 20 // bytes of a document over many lines
	maxKept   = 1 << 20  // bytes of a buffer that is used again
)

// ErrLongLine is the fault of a line that no FHIR resource has.
var ErrLongLine = errors.New("a line of more than 16 MiB")

// ErrGzip is given for an input that is not unpacked.
var ErrGzip = errors.New("this is gzip")

// chunk is a piece of the input, and what became of it.
type chunk struct {
	in, out []byte
	number  int
	line    int   // of its beginning
	read    int   // bytes of the input that it stands for
	whole   bool  // in is one document
	long    bool  // in place of one line that is too long
	end     error // io.EOF for the last one; others: the input cannot be read any further

	lines, mapped int // lines: blank ones too
	faults        []LineFault
	unread        map[string]int
}

// begin forgets what became of the chunk before; memory that only a huge line needed is let go.
func (c *chunk) begin(line int) {
	if cap(c.in) > maxKept {
		c.in = nil
	}
	if cap(c.out) > maxKept {
		c.out = nil
	}
	clear(c.unread)
	*c = chunk{in: slices.Grow(c.in[:0], 2*chunkSize), out: c.out[:0], line: line, faults: c.faults[:0], unread: c.unread}
}

// chunkReader cuts a stream into chunks of whole lines.
type chunkReader struct {
	in    io.Reader
	rest  []byte // read with the last chunk, and no part of it
	line  int    // of the next chunk, 0 before the first
	lines bool   // a resource a line; else the next one may begin a document over many lines
}

// next reads the next chunk.
func (r *chunkReader) next(c *chunk) {
	c.begin(max(r.line, 1))
	c.in = append(c.in, r.rest...)
	taken := len(r.rest)
	r.rest = r.rest[:0]
	if cap(r.rest) > maxKept {
		r.rest = nil
	}
	err := r.open(c)
	if err == nil {
		err = r.cut(c)
	}
	c.read += len(c.in) - taken + len(r.rest)
	if err != nil && err != io.EOF {
		c.in = c.in[:0]
	}
	c.end = err
}

// open looks at the first bytes of the input: the mark of UTF-8 is no part of the first line.
func (r *chunkReader) open(c *chunk) error {
	if r.line > 0 {
		return nil
	}
	r.line = 1
	n, err := io.ReadAtLeast(r.in, c.in[:chunkSize], 3)
	c.in = c.in[:n]
	if bytes.HasPrefix(c.in, []byte{0x1f, 0x8b}) {
		return ErrGzip
	}
	if text, marked := bytes.CutPrefix(c.in, []byte("\xef\xbb\xbf")); marked {
		c.read += 3
		c.in = append(c.in[:0], text...)
	}
	if err != nil && err != io.EOF && err != io.ErrUnexpectedEOF {
		return fmt.Errorf("read: %w", err)
	}
	return nil
}

// cut reads until the chunk has enough, and leaves the line that is not through to the next one.
func (r *chunkReader) cut(c *chunk) error {
	end, seen := -1, 0
	for {
		if at := bytes.LastIndexByte(c.in[seen:], '\n'); at >= 0 {
			end = seen + at
		}
		seen = len(c.in)
		if end >= 0 && !r.lines && r.document(c.in) {
			return r.whole(c)
		}
		if end >= 0 && len(c.in) >= chunkSize {
			r.rest = append(r.rest, c.in[end+1:]...)
			c.in = c.in[:end+1]
			r.line += bytes.Count(c.in, []byte{'\n'})
			return nil
		}
		if end < 0 && len(c.in) > maxLine {
			return r.skip(c)
		}
		if err := r.more(c); err != nil {
			return err
		}
	}
}

func (r *chunkReader) more(c *chunk) error {
	c.in = slices.Grow(c.in, chunkSize)
	n, err := io.ReadAtLeast(r.in, c.in[len(c.in):len(c.in)+chunkSize], 1)
	c.in = c.in[:len(c.in)+n]
	if err != nil && err != io.EOF {
		return fmt.Errorf("read: %w", err)
	}
	return err
}

// skip reads to the end of a line that is too long, and keeps none of it.
func (r *chunkReader) skip(c *chunk) error {
	c.long = true
	c.read += len(c.in)
	c.in = nil
	r.line++
	for {
		c.read += len(c.in)
		c.in = c.in[:0]
		if err := r.more(c); err != nil {
			return err
		}
		if end := bytes.IndexByte(c.in, '\n'); end >= 0 {
			r.rest = append(r.rest, c.in[end+1:]...)
			c.in = c.in[:end+1]
			return nil
		}
	}
}

// document tells, once there is a line that is not blank, whether it looks like the first one of a document over many lines:
// it ends in an opening bracket or a comma.
func (r *chunkReader) document(text []byte) bool {
	text = bytes.TrimLeft(text, " \t\r\n")
	end := bytes.IndexByte(text, '\n')
	if end < 0 {
		return false
	}
	line := bytes.TrimRight(text[:end], " \t\r")
	r.lines = bytes.IndexByte([]byte("{[,"), line[len(line)-1]) < 0
	return !r.lines
}

// whole reads on until a document is through. What is no JSON, and has another line that begins with a brace, is a resource a
// line, of which the first is broken.
func (r *chunkReader) whole(c *chunk) error {
	kept := bytes.NewBuffer(c.in)
	more := io.TeeReader(io.LimitReader(r.in, maxWhole), kept)
	size, err := documentSize(io.MultiReader(bytes.NewReader(c.in), more))
	c.in = kept.Bytes()
	if syntax := (*json.SyntaxError)(nil); err != nil && !errors.As(err, &syntax) && err != io.EOF && err != io.ErrUnexpectedEOF {
		return fmt.Errorf("read: %w", err)
	}
	if err == nil {
		c.whole = true
		r.rest = append(r.rest, c.in[size:]...)
		c.in = c.in[:size]
		r.line += bytes.Count(c.in, []byte{'\n'})
		return nil
	}
	seen := len(c.in) - len(bytes.TrimLeft(c.in, " \t\r\n"))
	for !bytes.Contains(c.in[seen:], []byte("\n{")) {
		if len(c.in) > maxWhole {
			return fmt.Errorf("a document of more than %d MiB: write a resource a line", maxWhole>>20)
		}
		seen = len(c.in) - 1
		if err := r.more(c); err != nil {
			c.whole = true
			return err
		}
	}
	r.lines = true
	return r.cut(c)
}

// documentSize gives the size of the JSON value at the beginning of a stream.
func documentSize(in io.Reader) (int64, error) {
	d := json.NewDecoder(in)
	for depth := 0; ; {
		token, err := d.Token()
		if err != nil {
			return 0, err
		}
		switch token {
		case json.Delim('{'), json.Delim('['):
			depth++
		case json.Delim('}'), json.Delim(']'):
			depth--
		}
		if depth == 0 {
			return d.InputOffset(), nil
		}
	}
}
