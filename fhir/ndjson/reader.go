package ndjson

import (
	"bytes"
	"encoding/json"
	"errors"
	"io"
	"slices"
)

const (
	chunkSize = 128 << 10
	maxKept   = 1 << 20 // bytes of a buffer that is used again
)

// Reader cuts a file into chunks, for those who work on several at a time; Records is simpler. The mark of UTF-8 is no part
// of the first line, and a line that is too long touches no other.
//
// What begins with a bracket and is no JSON by itself begins a document over many lines. Where that is broken it ends before the
// next line that begins with a brace: it is one fault, and what is behind it is read. The first line that is a record, or
// nothing that could begin one, says that the rest of the file has a record a line.
type Reader struct {
	in    io.Reader
	rest  []byte // read with the last chunk, and no part of it
	read  int64  // bytes of the file, rest included
	line  int    // of the next chunk, 0 before the first
	lines bool   // a record a line; else the next one may begin a document over many lines
}

// NewReader makes the reader of a file.
func NewReader(in io.Reader) *Reader { return &Reader{in: in} }

// Next reads the next chunk. There is none behind one with an End.
func (r *Reader) Next(c *Chunk) {
	c.begin(max(r.line, 1))
	c.at = r.read - int64(len(r.rest))
	c.text = append(c.text, r.rest...)
	taken := len(r.rest)
	r.rest = r.rest[:0]
	if cap(r.rest) > maxKept {
		r.rest = nil
	}
	err := r.open(c)
	if err == nil {
		err = r.cut(c)
	}
	c.Size += len(c.text) - taken + len(r.rest)
	r.read += int64(c.Size)
	if err != nil && err != io.EOF {
		c.text, c.whole, c.long = c.text[:0], false, false
	}
	c.End = err
}

// begin forgets what was in the chunk before; memory that only a huge line needed is let go.
func (c *Chunk) begin(line int) {
	if cap(c.text) > maxKept {
		c.text = nil
	}
	*c = Chunk{text: slices.Grow(c.text[:0], 2*chunkSize), line: line}
}

// open looks at the first bytes of the file.
func (r *Reader) open(c *Chunk) error {
	if r.line > 0 {
		return nil
	}
	r.line = 1
	n, err := io.ReadAtLeast(r.in, c.text[:chunkSize], 3)
	c.text = c.text[:n]
	if err := refused(c.text); err != nil {
		return err
	}
	if text, marked := bytes.CutPrefix(c.text, []byte("\xef\xbb\xbf")); marked {
		c.Size += 3
		c.at += 3
		c.text = append(c.text[:0], text...)
	}
	if err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	return nil
}

// cut reads until the chunk has enough, and leaves the line that is not through to the next one.
func (r *Reader) cut(c *Chunk) error {
	end, seen := -1, 0
	for {
		if at := bytes.LastIndexByte(c.text[seen:], '\n'); at >= 0 {
			end = seen + at
		}
		seen = len(c.text)
		if end >= 0 && !r.lines && r.document(c.text) {
			return r.whole(c)
		}
		if end >= 0 && len(c.text) >= chunkSize {
			r.leave(c, end+1)
			return nil
		}
		if end < 0 && len(c.text) > MaxLine {
			return r.skip(c)
		}
		if err := r.more(c); err != nil {
			return err
		}
	}
}

// leave leaves all but the first bytes of a chunk to the next one.
func (r *Reader) leave(c *Chunk, size int) {
	r.rest = append(r.rest, c.text[size:]...)
	c.text = c.text[:size]
	r.line += bytes.Count(c.text, []byte{'\n'})
}

func (r *Reader) more(c *Chunk) error {
	c.text = slices.Grow(c.text, chunkSize)
	n, err := io.ReadAtLeast(r.in, c.text[len(c.text):len(c.text)+chunkSize], 1)
	c.text = c.text[:len(c.text)+n]
	return err
}

// skip reads to the end of a line that is too long, and keeps none of it.
func (r *Reader) skip(c *Chunk) error {
	c.long = true
	c.Size += len(c.text)
	c.text = nil
	r.line++
	for {
		c.Size += len(c.text)
		c.text = c.text[:0]
		if err := r.more(c); err != nil {
			return err
		}
		if end := bytes.IndexByte(c.text, '\n'); end >= 0 {
			r.rest = append(r.rest, c.text[end+1:]...)
			c.text = c.text[:end+1]
			return nil
		}
	}
}

// document tells, once there is a line that is not blank, whether it looks like the first one of a document over many lines.
func (r *Reader) document(text []byte) bool {
	text = bytes.TrimLeft(text, blanks)
	end := bytes.IndexByte(text, '\n')
	if end < 0 {
		return false
	}
	r.lines = bytes.IndexByte([]byte("{[<"), text[0]) < 0 || json.Valid(text[:end])
	return !r.lines
}

// whole reads on until a document is through.
func (r *Reader) whole(c *Chunk) error {
	c.whole = true
	kept := bytes.NewBuffer(c.text)
	more := io.TeeReader(io.LimitReader(r.in, MaxDocument), kept)
	size, err := documentSize(io.MultiReader(bytes.NewReader(c.text), more))
	c.text = kept.Bytes()
	if syntax := (*json.SyntaxError)(nil); err != nil && !errors.As(err, &syntax) && err != io.EOF && err != io.ErrUnexpectedEOF {
		return err
	}
	if err == nil && bytes.IndexByte(bytes.TrimSpace(c.text[:size]), '\n') >= 0 { // on one line there is more behind it
		r.leave(c, int(size))
		return nil
	}
	return r.broken(c)
}

// broken reads on to the next line that may begin a record.
func (r *Reader) broken(c *Chunk) error {
	seen := len(c.text) - len(bytes.TrimLeft(c.text, blanks))
	for {
		if at := bytes.Index(c.text[seen:], []byte("\n{")); at >= 0 {
			r.leave(c, seen+at+1)
			return nil
		}
		if len(c.text) > MaxDocument {
			return ErrLongDocument
		}
		seen = len(c.text) - 1
		if err := r.more(c); err != nil {
			return err
		}
	}
}

// documentSize gives the size of the JSON value at the beginning of a stream.
func documentSize(in io.Reader) (int64, error) {
	d := json.NewDecoder(in)
	d.UseNumber() // one that no float64 holds is no fault here
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
