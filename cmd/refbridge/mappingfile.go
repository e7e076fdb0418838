package main

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"refbridge/mapping"
)

const (
	longestLine     = 16 << 20
	longestDocument = 64 << 20
)

// file reads NDJSON line by line, or one document over several lines: only where the whole is one. A line that cannot be read does not
// touch the others.
func (s *samples) file(ctx context.Context, name string, r io.Reader, take func(mapping.Sample)) error {
	in := bufio.NewReaderSize(r, 64<<10)
	if err := plainText(in); err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	first, long, err := nextLine(in)
	switch {
	case err != nil && err != io.EOF:
		return fmt.Errorf("read %s, line 1: %w", name, err)
	case long:
		s.unreadable(name+":1", errLongLine)
		return s.lines(ctx, name, 2, in, take)
	case err == io.EOF || json.Valid(first):
		return s.lines(ctx, name, 1, io.MultiReader(bytes.NewReader(first), in), take)
	}
	rest, err := io.ReadAll(io.LimitReader(in, longestDocument))
	if err != nil {
		return fmt.Errorf("read %s: %w", name, err)
	}
	whole := append(first, rest...)
	switch {
	case len(rest) < longestDocument && (json.Valid(whole) || !holdsRecord(whole)):
		s.record(name+":1", whole, take)
		return ctx.Err()
	case !holdsRecord(whole):
		return hinted{fmt.Errorf("%s is longer than %d MiB and holds no record on a line of its own", name, longestDocument>>20),
			"give one record a line (NDJSON), for example with jq -c"}
	}
	return s.lines(ctx, name, 1, io.MultiReader(bytes.NewReader(whole), in), take)
}

// plainText passes by a byte order mark and refuses what is packed.
func plainText(in *bufio.Reader) error {
	head, err := in.Peek(3)
	switch {
	case err != nil && err != io.EOF:
		return err
	case bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
		return hinted{errors.New("it is compressed with gzip"), "unpack it first: gunzip -c FILE | refbridge … --in -"}
	case bytes.Equal(head, []byte("\xef\xbb\xbf")):
		_, err = in.Discard(len(head))
		return err
	}
	return nil
}

// holdsRecord tells whether a line is a JSON object by itself.
func holdsRecord(text []byte) bool {
	for line := range bytes.Lines(text) {
		if line = bytes.TrimSpace(line); bytes.HasPrefix(line, []byte("{")) && len(line) > len("{}") && json.Valid(line) {
			return true
		}
	}
	return false
}

var errLongLine = errors.New("longer than 16 MiB")

// lines reads one record a line, from a line on.
func (s *samples) lines(ctx context.Context, name string, from int, r io.Reader, take func(mapping.Sample)) error {
	in := bufio.NewReaderSize(r, 64<<10)
	for line := from; ; line++ {
		doc, long, err := nextLine(in)
		if err != nil && err != io.EOF {
			return fmt.Errorf("read %s, line %d: %w", name, line, err)
		}
		at := fmt.Sprintf("%s:%d", name, line)
		switch {
		case long:
			s.unreadable(at, errLongLine)
		case len(bytes.TrimSpace(doc)) > 0:
			s.record(at, doc, take)
		}
		if err == io.EOF || ctx.Err() != nil {
			return ctx.Err()
		}
	}
}

// nextLine gives a line that may be kept; of a line that is too long it gives none of it, and goes on behind it.
func nextLine(in *bufio.Reader) (line []byte, long bool, err error) {
	for {
		part, err := in.ReadSlice('\n')
		if len(line)+len(part) > longestLine {
			line, long = nil, true
		}
		if !long {
			line = append(line, part...)
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, long, err
		}
	}
}

// reading shows on a terminal how much of a file has been read, once that takes a while.
func (s *samples) reading(f *os.File) (io.Reader, func()) {
	info, err := f.Stat()
	if err != nil || !info.Mode().IsRegular() || !terminal(s.err) {
		return f, func() {}
	}
	m := &meter{in: f, size: info.Size(), out: s.err, since: time.Now()}
	return m, m.done
}

// quietFor is how long people wait without a word.
const quietFor = 2 * time.Second

// meter is a reader that draws how far it is, from quietFor on.
type meter struct {
	in    io.Reader
	size  int64
	out   io.Writer
	since time.Time
	read  int64
	bars  *mpb.Progress
	bar   *mpb.Bar
}

// Read implements io.Reader.
func (m *meter) Read(p []byte) (int, error) {
	n, err := m.in.Read(p)
	m.read += int64(n)
	if m.bar == nil && time.Since(m.since) > quietFor {
		m.bars = mpb.New(mpb.WithOutput(m.out), mpb.WithWidth(40))
		m.bar = m.bars.AddBar(m.size, mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name("read ")),
			mpb.AppendDecorators(decor.Counters(decor.SizeB1024(0), "% .1f / % .1f")))
	}
	if m.bar != nil {
		m.bar.SetCurrent(m.read)
	}
	return n, err
}

func (m *meter) done() {
	if m.bar != nil {
		m.bar.Abort(true)
		m.bars.Wait()
	}
}
