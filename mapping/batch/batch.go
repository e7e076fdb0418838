// Package batch maps streams: NDJSON in, NDJSON out, in order and in constant memory, with the engine and the checks of a sync.
package batch

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/fhir/ndjson"
	"refbridge/mapping"
)

// Records is the target of a Job that makes records; the others are the names of bodies.
const Records = "records"

// Job maps a stream: a resource a line in, what became of it a line out, in the same order and in constant memory. It works
// with the same Parse, Map and checks as a sync. Each worker has a Doc and a Mapper of its own:
//
//	in -> the next chunk of whole lines -> worker -> the chunks that are ready, in their order -> out
//	      (one worker at a time)                     (one worker at a time; the others go on mapping)
type Job struct {
	Tables    *mapping.Set
	Target    string            // Records, referral or appointment
	Workers   int               // 0 counts as 1
	Variables map[string]string // for resources that the tables read as they are
	Now       time.Time
	// Prepare takes a resource apart that no table reads itself: a Bundle, a ReferralRequest of e-RS. Nil, or nothing in it: such a
	// resource is a fault.
	Prepare func(fhir.Resource) (Prepared, error)
	// Resolver finds what references of resources point to that the tables read as they are; nil: only themselves.
	Resolver *fhir.Resolver
	// Check refuses what the tables would map and a sync would hold all the same; nil: nothing. Its error is mapping.Faults.
	Check func(mapping.Input) error
	// Failed is told of every line that could not be mapped, in their order.
	Failed func(LineFault)
	// Progress, where it is not nil, is told how many bytes are done since it was told last.
	Progress func(bytes int)
}

// Prepared is what stands in a resource that no table reads itself.
type Prepared struct {
	Samples []mapping.Sample // each fails alone; they have variables of their own, Now is that of the Job
	Failed  []error          // what could not be read, such as one entry of a Bundle
	Others  map[string]int   // what is not mapped by itself, by kind
}

// LineFault is a line, or one entry of a Bundle on it, that was not mapped: what is wrong, free of personal data.
type LineFault struct {
	Line   int // 1-based
	Faults mapping.Faults
	Err    error // where the line is no resource that can be read; Faults is empty then
}

// Tally accounts for everything that was read.
type Tally struct {
	Mapped int // lines of which something came out
	Failed int // lines, or entries of Bundles, that nothing came out of
	// Unread counts, by kind, what no table has read: it is the focus of none, and no path of its own Bundle came to it. A type that
	// R4 does not have is unknown.
	Unread map[string]int
	First  map[string]int // the line of the first one of each kind of Unread
}

// Add adds what became of another stream.
func (t *Tally) Add(more Tally) {
	t.Mapped, t.Failed = t.Mapped+more.Mapped, t.Failed+more.Failed
	for kind, n := range more.Unread {
		t.unread(kind, n, more.First[kind])
	}
}

// ReadError says why the input cannot be read any further.
type ReadError struct{ Err error }

// Error implements error.
func (e ReadError) Error() string { return "read: " + e.Err.Error() }

// Unwrap gives what the input said.
func (e ReadError) Unwrap() error { return e.Err }

const maxKept = 1 << 20 // bytes of a buffer that is used again

// chunk is a piece of the input, and what became of it.
type chunk struct {
	ndjson.Chunk
	number int
	out    []byte
	mapped int
	faults []LineFault
	unread map[string]int
	first  map[string]int // line of the first one of each kind
}

// begin forgets what became of the chunk before; memory that only a huge line needed is let go.
func (c *chunk) begin(number int) {
	if cap(c.out) > maxKept {
		c.out = nil
	}
	clear(c.unread)
	clear(c.first)
	*c = chunk{Chunk: c.Chunk, number: number, out: c.out[:0], faults: c.faults[:0], unread: c.unread, first: c.first}
}

// stream is a Job at work.
type stream struct {
	*Job
	free chan *chunk

	reading sync.Mutex
	in      *ndjson.Reader
	count   int // chunks that were read
	ended   bool

	queue   sync.Mutex
	ready   []*chunk // by number, modulo: there are no more chunks than places
	next    int      // number of the chunk to be written
	writing bool

	writes  sync.Mutex
	out     io.Writer
	tally   Tally
	through bool // the last chunk is written
	err     error
	stopped atomic.Bool
}

// Run maps in to out. The error is for the stream as a whole; lines that fail are told to Failed. When the context ends Run
// returns, even while in is waited for: nothing is written or told any more, but in may be read from once more.
func (j *Job) Run(ctx context.Context, in io.Reader, out io.Writer) (Tally, error) {
	workers := max(j.Workers, 1)
	chunks := 2*workers + 1
	s := &stream{Job: j, in: ndjson.NewReader(in), out: out, free: make(chan *chunk, chunks), ready: make([]*chunk, chunks)}
	for range chunks {
		s.free <- &chunk{unread: map[string]int{}, first: map[string]int{}}
	}
	var running sync.WaitGroup
	for range workers {
		running.Go(func() { s.work(ctx) })
	}
	done := make(chan struct{})
	go func() {
		running.Wait()
		close(done)
	}()
	select {
	case <-done:
	case <-ctx.Done():
	}
	s.writes.Lock()
	defer s.writes.Unlock()
	s.stopped.Store(true)
	if s.err == nil && !s.through {
		s.err = ctx.Err()
	}
	return s.tally, s.err
}

// work is what each worker does.
func (s *stream) work(ctx context.Context) {
	w := s.worker()
	for c := range s.free {
		if s.stopped.Load() || !s.read(c) {
			s.free <- c // for those who wait for one
			return
		}
		w.work(c)
		s.deliver(ctx, c)
	}
}

// read is false at the end of the input.
func (s *stream) read(c *chunk) bool {
	s.reading.Lock()
	defer s.reading.Unlock()
	if s.ended {
		return false
	}
	c.begin(s.count)
	s.in.Next(&c.Chunk)
	s.count++
	s.ended = c.End != nil
	return true
}

// deliver hands in a chunk that is mapped. Who finds the next one to be written writes it, and those behind it that are there.
func (s *stream) deliver(ctx context.Context, c *chunk) {
	s.queue.Lock()
	defer s.queue.Unlock()
	s.ready[c.number%len(s.ready)] = c
	if s.writing {
		return
	}
	s.writing = true
	for at := s.next % len(s.ready); s.ready[at] != nil; at = s.next % len(s.ready) {
		c := s.ready[at]
		s.ready[at] = nil
		s.next++
		s.queue.Unlock()
		s.write(ctx, c)
		s.free <- c
		s.queue.Lock()
	}
	s.writing = false
}

func (s *stream) write(ctx context.Context, c *chunk) {
	s.writes.Lock()
	defer s.writes.Unlock()
	if s.stopped.Load() {
		return
	}
	switch err := s.finish(ctx, c); {
	case err != nil:
		s.err = err
	case c.End == io.EOF:
		s.through = true
	case c.End != nil:
		s.err = ReadError{c.End}
	}
	s.stopped.Store(s.err != nil)
}

// finish writes a chunk and tells of it.
func (s *stream) finish(ctx context.Context, c *chunk) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if len(c.out) > 0 {
		if _, err := s.out.Write(c.out); err != nil {
			return fmt.Errorf("write: %w", err)
		}
	}
	s.tally.Mapped += c.mapped
	s.tally.Failed += len(c.faults)
	for typ, n := range c.unread {
		s.tally.unread(typ, n, c.first[typ])
	}
	for _, f := range c.faults {
		if s.Failed != nil {
			s.Failed(f)
		}
	}
	if s.Progress != nil {
		s.Progress(c.Size)
	}
	return nil
}

// unread adds resources of a type. What is no type of R4 could be anything: its name is not kept.
func (t *Tally) unread(typ string, n, line int) {
	if _, known := t.Unread[typ]; !known && mapping.WhyNot(typ) == "" {
		if _, err := fhirpath.Compile("ofType(" + typ + ")"); err != nil {
			typ = "unknown"
		}
	}
	if t.Unread == nil {
		t.Unread, t.First = map[string]int{}, map[string]int{}
	}
	if t.Unread[typ] += n; t.First[typ] == 0 || line < t.First[typ] {
		t.First[typ] = line
	}
}
