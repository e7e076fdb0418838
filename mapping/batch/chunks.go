package batch

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"slices"
)

// chunkReader cuts a stream into chunks of whole lines.
type chunkReader struct {
	in      io.Reader
	rest    []byte // the beginning of a line, read with the last chunk
	line    int
	started bool
}

// feed reads chunks until the end of the input.
func (r *chunkReader) feed(ctx context.Context, free <-chan *chunk, todo, order chan<- *chunk) error {
	for {
		var c *chunk
		select {
		case c = <-free:
		case <-ctx.Done():
			return ctx.Err()
		}
		err := r.next(c)
		if err != nil && err != io.EOF {
			return err
		}
		order <- c
		todo <- c
		if err == io.EOF {
			return nil
		}
	}
}

// next reads the next chunk; io.EOF comes with the last one, which may be empty.
func (r *chunkReader) next(c *chunk) error {
	c.line, c.whole = r.line, false
	c.in = append(slices.Grow(c.in[:0], 2*chunkSize), r.rest...)
	r.rest = r.rest[:0]
	for {
		n, err := io.ReadAtLeast(r.in, c.in[len(c.in):min(len(c.in)+chunkSize, cap(c.in))], 1)
		c.in = c.in[:len(c.in)+n]
		if err == io.EOF {
			return r.last(c)
		}
		if err != nil {
			return fmt.Errorf("read: %w", err)
		}
		if !r.started && r.manyLines(c) {
			return r.whole(c)
		}
		end := bytes.LastIndexByte(c.in, '\n')
		if end >= 0 && len(c.in) >= chunkSize {
			r.rest = append(r.rest, c.in[end+1:]...)
			c.in = c.in[:end+1]
			r.line += bytes.Count(c.in, []byte{'\n'})
			return nil
		}
		if end < 0 && len(c.in) > maxLine {
			return fmt.Errorf("line %d: %w", r.line, ErrLongLine)
		}
		c.in = slices.Grow(c.in, chunkSize)
	}
}

func (r *chunkReader) last(c *chunk) error {
	if !r.started && r.manyLines(c) {
		c.whole = true
	}
	return io.EOF
}

// manyLines tells, once there is a first line, whether the input is one document over many lines: an opening bracket or a
// comma ends the line.
func (r *chunkReader) manyLines(c *chunk) bool {
	text := bytes.TrimLeft(c.in, " \t\r\n")
	end := bytes.IndexByte(text, '\n')
	if end < 0 {
		return false
	}
	r.started = true
	line := bytes.TrimRight(text[:end], " \t\r")
	return len(line) > 0 && bytes.IndexByte([]byte("{[,"), line[len(line)-1]) >= 0
}

// whole reads the rest of the input as one document.
func (r *chunkReader) whole(c *chunk) error {
	rest, err := io.ReadAll(io.LimitReader(r.in, maxWhole+1))
	if err != nil {
		return fmt.Errorf("read: %w", err)
	}
	if len(rest) > maxWhole {
		return fmt.Errorf("a document of more than %d MiB: write a resource a line", maxWhole>>20)
	}
	c.in, c.whole = append(c.in, rest...), true
	return io.EOF
}
