package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"time"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"refbridge/fhir/ndjson"
	"refbridge/mapping"
)

// file reads the records of a file. One that cannot be read does not touch the others.
func (s *samples) file(ctx context.Context, name string, r io.Reader, take func(mapping.Sample)) error {
	for rec, err := range ndjson.Records(r) {
		at := fmt.Sprintf("%s:%d", name, rec.Line)
		switch {
		case ctx.Err() != nil:
			return ctx.Err()
		case err != nil:
			return notRead(name, err)
		case rec.Err != nil:
			s.unreadable(at, rec.Err)
		default:
			s.record(at, rec.Text, take)
		}
	}
	return ctx.Err()
}

// notRead says why a file of records cannot be read.
func notRead(name string, err error) error {
	if name == "-" {
		name = "standard input"
	}
	err = fmt.Errorf("read %s: %w", name, err)
	switch {
	case errors.Is(err, ndjson.ErrGzip):
		return hinted{err, "unpack it first: gunzip -c FILE | refbridge …, with - as the file"}
	case errors.Is(err, ndjson.ErrLongDocument):
		return hinted{err, "write a record a line (NDJSON), for example with jq -c"}
	}
	return err
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

// lateBars are progress bars that are drawn from quietFor on, and what ends them.
func lateBars(w io.Writer) (*mpb.Progress, func()) {
	late := make(chan struct{})
	wait := time.AfterFunc(quietFor, func() { close(late) })
	bars := mpb.New(mpb.WithOutput(w), mpb.WithWidth(40), mpb.WithRenderDelay(late))
	return bars, func() {
		wait.Stop()
		bars.Wait()
	}
}

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
