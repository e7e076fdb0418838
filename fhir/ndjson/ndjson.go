// Package ndjson reads files of FHIR records as they are found: a resource a line, or documents over many lines, with the marks
// and the damage that such files have. It looks for records and leaves their JSON to others.
package ndjson

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"iter"
)

const (
	// MaxLine is how many bytes a record on one line may have.
	MaxLine = 16 << 20
	// MaxDocument is how many bytes a record over many lines may have.
	MaxDocument = 64 << 20
)

var (
	// ErrLongLine is the fault of a line that no FHIR resource has.
	ErrLongLine = errors.New("a line of more than 16 MiB")
	// ErrMarkup is the fault of what a server answers that knows nothing of FHIR.
	ErrMarkup = errors.New("an HTML page or XML, not FHIR JSON")
	// ErrGzip is given for an input that is not unpacked.
	ErrGzip = errors.New("this is gzip")
	// ErrLongDocument is given for an input whose records cannot be told apart.
	ErrLongDocument = errors.New("a document of more than 64 MiB")
)

// Record is one record of a file.
type Record struct {
	Line int    // where it begins, 1-based
	At   int64  // the same in bytes from the beginning of the file
	Text []byte // JSON, where it is any
	Err  error  // ErrLongLine or ErrMarkup; Text is nil then
}

// Records gives the records of a file one by one, in memory that does not grow with it. Their texts are the caller's. The
// error is for the file as a whole, and the last that is given.
func Records(in io.Reader) iter.Seq2[Record, error] {
	return func(yield func(Record, error) bool) {
		r := NewReader(in)
		var c Chunk
		for c.End == nil {
			r.Next(&c)
			for one := range c.Records() {
				one.Text = bytes.Clone(one.Text)
				if !yield(one, nil) {
					return
				}
			}
		}
		if c.End != io.EOF {
			yield(Record{}, c.End)
		}
	}
}

// Check looks at the beginning of a file, and takes nothing of it: ErrGzip is for what a Reader refuses at once.
func Check(in *bufio.Reader) error {
	head, err := in.Peek(2)
	if err != nil && err != io.EOF {
		return err
	}
	return refused(head)
}

func refused(head []byte) error {
	if bytes.HasPrefix(head, []byte{0x1f, 0x8b}) {
		return ErrGzip
	}
	return nil
}

// Chunk is a piece of a file: whole lines, or one document over many. It may be filled again and again.
type Chunk struct {
	Size int   // bytes of the file that it stands for
	End  error // io.EOF for the last one; others: the file cannot be read any further, and nothing is in this chunk

	text  []byte
	at    int64 // of text in the file
	line  int   // of its beginning
	whole bool  // text is one document
	long  bool  // in place of one line that is too long
}

// Records gives the records of the chunk; their texts are parts of it. Blank lines are none.
func (c *Chunk) Records() iter.Seq[Record] {
	return func(yield func(Record) bool) {
		if c.long {
			yield(Record{Line: c.line, Err: ErrLongLine})
			return
		}
		if c.whole {
			text := bytes.TrimLeft(c.text, blanks)
			if len(text) > 0 {
				before := c.text[:len(c.text)-len(text)]
				one := record(c.line+bytes.Count(before, []byte{'\n'}), text, MaxDocument)
				one.At = c.at + int64(len(before))
				yield(one)
			}
			return
		}
		at := c.line
		for rest := c.text; len(rest) > 0; at++ {
			line, from := rest, c.at+int64(len(c.text)-len(rest))
			if end := bytes.IndexByte(rest, '\n'); end >= 0 {
				line, rest = rest[:end], rest[end+1:]
			} else {
				rest = nil
			}
			if blank(line) {
				continue
			}
			one := record(at, line, MaxLine)
			one.At = from
			if !yield(one) {
				return
			}
		}
	}
}

const blanks = " \t\r\n"

func blank(line []byte) bool {
	return len(line) == 0 || line[0] <= ' ' && len(bytes.TrimSpace(line)) == 0
}

func record(line int, text []byte, longest int) Record {
	switch {
	case len(text) > longest:
		return Record{Line: line, Err: ErrLongLine}
	case text[0] == '<':
		return Record{Line: line, Err: ErrMarkup}
	}
	return Record{Line: line, Text: text}
}
