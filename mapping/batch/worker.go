package batch

import (
	"errors"
	"slices"
	"strings"

	"refbridge/fhir"
	"refbridge/mapping"
)

// worker maps chunks.
type worker struct {
	*Job
	doc    fhir.Doc
	mapper *mapping.Mapper
	direct map[string]bool        // resource types that the tables read
	used   map[fhir.Resource]bool // of a Bundle: resources that a table has read
}

func (j *Job) worker() *worker {
	w := &worker{Job: j, mapper: j.Tables.Mapper(), direct: map[string]bool{}, used: map[fhir.Resource]bool{}}
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
	for r := range c.Records() {
		err := r.Err
		if err == nil {
			err = w.line(c, r.Text)
		}
		if err != nil {
			f := LineFault{Line: r.Line}
			if !errors.As(err, &f.Faults) {
				f.Err = err
			}
			c.faults = append(c.faults, f)
			continue
		}
		c.mapped++
	}
}

// line maps one line; nothing of it is written where it fails.
func (w *worker) line(c *chunk, line []byte) error {
	if len(line) > maxKept {
		defer func() { w.doc = fhir.Doc{} }() // a tree of that size is not kept
	}
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
	samples, err := w.prepared(r)
	if err != nil {
		return err
	}
	if c.out, err = w.many(c.out, r, samples); err != nil {
		c.out = c.out[:before]
		return err
	}
	w.unread(c, r, samples)
	return nil
}

func (w *worker) prepared(r fhir.Resource) ([]mapping.Sample, error) {
	if w.Prepare == nil {
		return nil, mapping.Faults{w.Tables.NoTable(r)}
	}
	samples, err := w.Prepare(r)
	if err == nil && len(samples) == 0 {
		return nil, mapping.Faults{w.Tables.NoTable(r)}
	}
	return samples, err
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

// many appends what the resources of one line became: a line for all records, or a line for each body.
func (w *worker) many(dst []byte, line fhir.Resource, samples []mapping.Sample) ([]byte, error) {
	clear(w.used)
	var inputs []mapping.Input
	for _, s := range samples {
		s.Now = w.Now
		for _, focus := range s.Focus {
			if w.direct[focus.Type()] {
				w.used[focus] = true
				in := s.Input(focus)
				in.Reached = func(r fhir.Resource) { w.used[r] = true }
				inputs = append(inputs, in)
			}
		}
	}
	if len(inputs) == 0 {
		return dst, mapping.Faults{w.Tables.NoTable(line)}
	}
	if w.Target == Records {
		out, faults := w.mapper.MapAll(inputs)
		if len(faults) > 0 {
			return dst, faults.Err()
		}
		return append(mapping.AppendRecords(dst, out.Records), '\n'), nil
	}
	var faults mapping.Faults
	for _, in := range inputs {
		var err error
		dst, err = w.one(dst, in)
		faults = append(faults, mapping.FaultsOf(err)...)
		dst = append(dst, '\n')
	}
	return dst, faults.Err()
}

// unread counts the resources of a Bundle that no table has read.
func (w *worker) unread(c *chunk, bundle fhir.Resource, samples []mapping.Sample) {
	if bundle.Type() != "Bundle" {
		return
	}
	for e := range bundle.Root().Get("entry").Items() {
		r, _ := fhir.ResourceAt(e.Get("resource"))
		normalised := slices.ContainsFunc(samples, func(s mapping.Sample) bool { return s.Sent.Exists() && s.Sent.Type() == r.Type() })
		if !w.used[r] && !normalised {
			c.unread[strings.Clone(r.Type())]++
		}
	}
}
