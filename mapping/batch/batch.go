// Package batch maps streams: NDJSON in, NDJSON out, in order and in constant memory, with the engine and the checks of a sync.
package batch

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"sync"
	"time"

	"refbridge/fhir"
	"refbridge/mapping"
)

// Records is the target of a Job that makes records; the others are the names of bodies.
const Records = "records"

// Job maps a stream: a resource a line in, what became of it a line out, in the same order and in constant memory. It works
// with the same Parse, Map and checks as a sync.
//
//	in -> chunks of whole lines -> workers (a Doc and a Mapper each) -> chunks in their order -> out
type Job struct {
	Tables    *mapping.Set
	Target    string // Records, referral or appointment
	Workers   int    // 0 counts as 1
	Variables map[string]string
	Now       time.Time
	// Prepare makes the bundles of a resource that no table reads itself: a Bundle, a ReferralRequest of e-RS. Nil, or no
	// bundles: such a resource is a fault.
	Prepare func(fhir.Resource) ([]fhir.Bundle, error)
	// Failed is told of every line that could not be mapped, in their order.
	Failed func(LineFault)
	// Progress, where it is not nil, is told how many bytes and lines are done since it was told last.
	Progress func(bytes, lines int)
}

// LineFault is a line that was not mapped: what is wrong, free of personal data.
type LineFault struct {
	Line   int // 1-based
	Faults mapping.Faults
	Err    error // where the line is no resource that can be read; Faults is empty then
}

// Tally counts lines.
type Tally struct {
	Mapped, Failed int
}

const (
	chunkSize = 128 << 10
	maxLine   = 16 << 20 // bytes of one resource, as for files elsewhere
	maxWhole  = 64 << 20 // bytes of a document over many lines
)

// ErrLongLine is given for an input with a line that no FHIR resource has.
var ErrLongLine = errors.New("a line of more than 16 MiB")

// chunk is a piece of the input, and what became of it.
type chunk struct {
	in, out []byte
	line    int  // of the first
	whole   bool // in is one document
	lines   int  // blank ones too
	mapped  int
	faults  []LineFault
	done    chan struct{}
}

// Run maps in to out. The error is for the stream as a whole; lines that fail are told to Failed.
func (j *Job) Run(ctx context.Context, in io.Reader, out io.Writer) (Tally, error) {
	r := &chunkReader{in: in, line: 1}
	var t Tally
	if j.Workers <= 1 {
		return t, j.alone(ctx, r, out, &t)
	}
	return t, j.together(ctx, r, out, &t)
}

func (j *Job) alone(ctx context.Context, r *chunkReader, out io.Writer, t *Tally) error {
	w := j.worker()
	c := &chunk{}
	for {
		end := r.next(c)
		if end != nil && end != io.EOF {
			return end
		}
		w.work(c)
		if err := j.finish(ctx, c, out, t); err != nil || end == io.EOF {
			return err
		}
	}
}

// together lets several workers map chunks, and writes them in their order.
func (j *Job) together(ctx context.Context, r *chunkReader, out io.Writer, t *Tally) error {
	ctx, cancel := context.WithCancel(ctx)
	defer cancel()
	size := 2*j.Workers + 2
	free, todo, order := make(chan *chunk, size), make(chan *chunk, size), make(chan *chunk, size)
	for range size {
		free <- &chunk{done: make(chan struct{}, 1)}
	}
	var workers sync.WaitGroup
	for range j.Workers {
		workers.Go(func() {
			w := j.worker()
			for c := range todo {
				w.work(c)
				c.done <- struct{}{}
			}
		})
	}
	var readErr error
	workers.Go(func() {
		defer close(order)
		defer close(todo)
		readErr = r.feed(ctx, free, todo, order)
	})
	var err error
	for c := range order {
		<-c.done
		if err == nil {
			err = j.finish(ctx, c, out, t)
		}
		if err != nil {
			cancel()
		}
		free <- c
	}
	workers.Wait()
	if err == nil {
		err = readErr
	}
	return err
}

// finish writes a chunk that is done.
func (j *Job) finish(ctx context.Context, c *chunk, out io.Writer, t *Tally) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(c.out) > 0 {
		if _, err := out.Write(c.out); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	t.Mapped += c.mapped
	t.Failed += len(c.faults)
	for _, f := range c.faults {
		if j.Failed != nil {
			j.Failed(f)
		}
	}
	if j.Progress != nil {
		j.Progress(len(c.in), c.lines)
	}
	return nil
}

// worker maps chunks.
type worker struct {
	*Job
	doc    fhir.Doc
	mapper *mapping.Mapper
	direct map[string]bool // resource types that the tables read
}

func (j *Job) worker() *worker {
	w := &worker{Job: j, mapper: j.Tables.Mapper(), direct: map[string]bool{}}
	for _, t := range j.Tables.Tables() {
		if t.Body == j.body() {
			w.direct[t.Source] = true
		}
	}
	return w
}

// body is the name of the body that is made, empty for records.
func (j *Job) body() string {
	if j.Target == Records {
		return ""
	}
	return j.Target
}

func (w *worker) work(c *chunk) {
	c.out, c.faults, c.mapped, c.lines = c.out[:0], c.faults[:0], 0, 0
	rest := c.in
	for len(rest) > 0 {
		line := rest
		if end := bytes.IndexByte(rest, '\n'); end >= 0 && !c.whole {
			line = rest[:end]
			rest = rest[end+1:]
		} else {
			rest = nil
		}
		number := c.line + c.lines
		c.lines++
		if blankLine(line) {
			continue
		}
		if err := w.line(c, line); err != nil {
			f := LineFault{Line: number}
			if !errors.As(err, &f.Faults) {
				f.Err = err
			}
			c.faults = append(c.faults, f)
			continue
		}
		c.mapped++
	}
}

func blankLine(line []byte) bool {
	return len(line) == 0 || line[0] <= ' ' && len(bytes.TrimSpace(line)) == 0
}

// line maps one line; nothing of it is written where it fails.
func (w *worker) line(c *chunk, line []byte) error {
	r, err := w.doc.Resource(line)
	if err != nil {
		return err
	}
	before := len(c.out)
	if w.direct[r.Type()] {
		if c.out, err = w.one(c.out, mapping.Input{Focus: r, Variables: w.Variables, Now: w.Now}); err != nil {
			c.out = c.out[:before]
			return err
		}
		c.out = append(c.out, '\n')
		return nil
	}
	bundles, err := w.prepared(r)
	if err != nil {
		return err
	}
	if c.out, err = w.many(c.out, bundles); err != nil {
		c.out = c.out[:before]
	}
	return err
}

func (w *worker) prepared(r fhir.Resource) ([]fhir.Bundle, error) {
	if w.Prepare == nil {
		return nil, mapping.Faults{w.Tables.NoTable(r)}
	}
	bundles, err := w.Prepare(r)
	if err == nil && len(bundles) == 0 {
		return nil, mapping.Faults{w.Tables.NoTable(r)}
	}
	return bundles, err
}

// one appends what a single resource became.
func (w *worker) one(dst []byte, in mapping.Input) ([]byte, error) {
	if w.Target != Records {
		return w.mapper.AppendBody(dst, w.Target, in)
	}
	out, err := w.mapper.Map(in)
	if err != nil {
		return dst, err
	}
	return mapping.AppendRecords(dst, out.Records), nil
}

// many appends what several resources of one line became: a line for all records, or a line for each body.
func (w *worker) many(dst []byte, bundles []fhir.Bundle) ([]byte, error) {
	var inputs []mapping.Input
	for _, b := range bundles {
		for _, focus := range b.Focus {
			if w.direct[focus.Type()] {
				inputs = append(inputs, mapping.Input{Focus: focus, Related: b.Related, Variables: w.Variables, Now: w.Now})
			}
		}
	}
	if len(inputs) == 0 {
		return dst, mapping.Faults{w.Tables.NoTable(fhir.Resource{})}
	}
	if w.Target == Records {
		return w.allRecords(dst, inputs)
	}
	for _, in := range inputs {
		var err error
		if dst, err = w.one(dst, in); err != nil {
			return dst, err
		}
		dst = append(dst, '\n')
	}
	return dst, nil
}

func (w *worker) allRecords(dst []byte, inputs []mapping.Input) ([]byte, error) {
	var records []mapping.Mapped
	for _, in := range inputs {
		out, err := w.mapper.Map(in)
		if err != nil {
			return dst, err
		}
		records = append(records, out.Records...)
	}
	return append(mapping.AppendRecords(dst, records), '\n'), nil
}
