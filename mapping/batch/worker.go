package batch

import (
	"errors"
	"strings"

	"refbridge/fhir"
	"refbridge/fhir/ndjson"
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
			err = w.line(c, r)
		}
		if err != nil {
			c.fail(r.Line, err)
		}
	}
}

// fail notes what was not mapped.
func (c *chunk) fail(line int, err error) {
	f := LineFault{Line: line}
	if !errors.As(err, &f.Faults) {
		f.Err = err
	}
	c.faults = append(c.faults, f)
}

// line maps one line; the error is for all of it, and then nothing of it is written.
func (w *worker) line(c *chunk, line ndjson.Record) error {
	if len(line.Text) > maxKept {
		defer func() { w.doc = fhir.Doc{} }() // a tree of that size is not kept
	}
	r, err := w.doc.Resource(line.Text)
	if err != nil {
		return err
	}
	if !w.direct[r.Type()] || r.Type() == "Appointment" && mapping.STU3(r) {
		return w.prepared(c, line.Line, r)
	}
	in := mapping.Input{Focus: r, Resolver: w.Resolver, Variables: w.Variables, Now: w.Now}
	if err := w.refused(in); err != nil {
		return err
	}
	before := len(c.out)
	if c.out, err = w.one(c.out, in); err != nil {
		c.out = c.out[:before]
		return err
	}
	c.out = append(c.out, '\n')
	c.mapped++
	return nil
}

// refused returns why a sync would hold one of some resources.
func (w *worker) refused(inputs ...mapping.Input) error {
	for _, in := range inputs {
		if w.Check == nil {
			return nil
		}
		if err := w.Check(in); err != nil {
			return err
		}
	}
	return nil
}

// prepared maps what stands in a resource that no table reads itself. What fails in it fails alone.
func (w *worker) prepared(c *chunk, line int, r fhir.Resource) error {
	if w.Prepare == nil {
		return mapping.Faults{w.Tables.NoTable(r)}
	}
	p, err := w.Prepare(r)
	if err == nil && len(p.Samples)+len(p.Failed)+len(p.Others) == 0 {
		err = mapping.Faults{w.Tables.NoTable(r)}
	}
	if err != nil {
		return err
	}
	if p.Others == nil {
		p.Others = map[string]int{}
	}
	for _, err := range p.Failed {
		c.fail(line, err)
	}
	w.many(c, line, r, p)
	for kind, n := range p.Others {
		if n <= 0 {
			continue
		}
		if c.unread[kind] += n; c.first[kind] == 0 {
			c.first[kind] = line
		}
	}
	return nil
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

// many appends what the samples of one line became: a line for all records, or a line for each body.
func (w *worker) many(c *chunk, line int, r fhir.Resource, p Prepared) {
	clear(w.used)
	before := len(c.out)
	var parts [][]mapping.Mapped
	for _, s := range p.Samples {
		inputs := w.inputs(s, r, p.Others)
		if len(inputs) == 0 {
			continue
		}
		if err := w.refused(inputs...); err != nil {
			c.fail(line, err)
			continue
		}
		if w.Target != Records {
			w.bodies(c, line, inputs)
			continue
		}
		out, faults := w.mapper.MapAll(inputs)
		if len(faults) > 0 {
			c.fail(line, faults.Err())
			continue
		}
		parts = append(parts, out.Records)
	}
	if records := c.united(line, parts); len(records) > 0 {
		c.out = append(mapping.AppendRecords(c.out, records), '\n')
	}
	if len(c.out) > before {
		c.mapped++
	}
}

// united is what the samples of a line make together, each record once. Samples that make one record in two ways fail, all of
// them: which one is right nobody knows.
func (c *chunk) united(line int, parts [][]mapping.Mapped) []mapping.Mapped {
	var all mapping.Union
	for _, records := range parts {
		all.Add(records)
	}
	if len(all.Faults) == 0 {
		return all.Records
	}
	bad := conflicts(parts)
	all = mapping.Union{}
	for i, records := range parts {
		if len(bad[i]) > 0 {
			c.fail(line, bad[i].Err())
			continue
		}
		all.Add(records)
	}
	return all.Records
}

// conflicts are the faults of those parts that make a record otherwise than the first part that makes it, and of that one.
func conflicts(parts [][]mapping.Mapped) map[int]mapping.Faults {
	bad, first := map[int]mapping.Faults{}, map[string]int{}
	var all mapping.Union
	for i, records := range parts {
		for k := range records {
			r := &records[k].Record
			id := r.Object + "\x00" + r.Key.Value
			at, again := first[id]
			if !again {
				first[id] = i
				continue
			}
			if f := all.Conflicts(records[k : k+1]); len(f) > 0 {
				bad[at], bad[i] = append(bad[at], f...), append(bad[i], f...)
			}
		}
		all.Add(records)
	}
	return bad
}

// inputs are those resources of a sample that the tables read. Others counts those that they do not, and what a path comes to in
// the same document no longer.
func (w *worker) inputs(s mapping.Sample, r fhir.Resource, others map[string]int) []mapping.Input {
	var out []mapping.Input
	s.Now = w.Now
	for _, focus := range s.Focus {
		if !w.direct[focus.Type()] {
			others[strings.Clone(focus.Type())]++
			continue
		}
		in := s.Input(focus)
		in.Reached = func(to fhir.Resource) {
			inBundle := to.Root().Name() == "resource" && to.Root().Root().Same(r.Root())
			if inBundle && !w.used[to] && others[to.Type()] > 0 {
				w.used[to] = true
				others[to.Type()]--
			}
		}
		out = append(out, in)
	}
	return out
}

func (w *worker) bodies(c *chunk, line int, inputs []mapping.Input) {
	for _, in := range inputs {
		before := len(c.out)
		var err error
		if c.out, err = w.one(c.out, in); err != nil {
			c.out = c.out[:before]
			c.fail(line, err)
			continue
		}
		c.out = append(c.out, '\n')
	}
}
