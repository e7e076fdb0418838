package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strings"

	"github.com/vbauerster/mpb/v8"
	"github.com/vbauerster/mpb/v8/decor"

	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/mapping"
	"refbridge/mapping/batch"
)

// exitRecordsFailed is for commands that went through, with records that could not be mapped.
const exitRecordsFailed = 3

// shownErrors is how many failed lines are told on stderr where no file takes them.
const shownErrors = 10

type mappingRunCmd struct {
	Tables  string `help:"Folder of the tables; without it those of the configuration, else the built-in ones." placeholder:"DIR"`
	In      string `default:"-" help:"Resources, one a line; - is standard input." placeholder:"FILE"`
	Out     string `default:"-" help:"What became of them, one a line; - is standard output." placeholder:"FILE"`
	Errors  string `help:"Where lines that fail are told, as JSON, one for each fault." placeholder:"FILE"`
	Workers int    `help:"How many map at the same time; 0 is one for each processor." default:"0"`
	Target  string `default:"records" enum:"records,referral,appointment" help:"What is made: ${enum}."`
	Source  string `default:"ers" help:"Name of the source: the first part of every key." placeholder:"NAME"`
	Patient string `default:"link" enum:"link,create" help:"Whether patients are linked or created: ${enum}."`
}

// Help is shown by --help.
func (mappingRunCmd) Help() string {
	return `Maps a stream with no network: R4 resources, one a line, of which the tables read ServiceRequest and Appointment; Bundles of
them; referrals of e-RS in STU3. A single document over many lines is read too. The order of the lines is kept, memory is constant.

--target records writes a line of JSON for each line, with the list of its records; referral and appointment write the bodies of
the Referral Management and Book Appointment APIs, which tables with body: make. The output holds patient data; --errors does not.

A line that fails is written nowhere but to --errors, or to stderr: line number, reason, and the rule as file:line:column.

Example: refbridge mapping run --in referrals.ndjson --out records.ndjson --errors failed.ndjson

Exit codes: 0 done, 3 some lines failed, 1 error, 64 usage.`
}

// Run is the command.
func (c mappingRunCmd) Run(ctx context.Context, p *program) error {
	tables, err := p.offlineTables(c.Tables)
	if err != nil {
		return err
	}
	if c.Target != batch.Records && !slices.Contains(tables.BodyNames(), c.Target) {
		return hinted{fmt.Errorf("the tables make no %s body", c.Target), "a table says body: " + c.Target + "; --target records makes records"}
	}
	in, size, err := c.input(p)
	if err != nil {
		return err
	}
	defer in.Close()
	out, err := c.output(p)
	if err != nil {
		return err
	}
	j := &batch.Job{Tables: tables, Target: c.Target, Workers: c.Workers, Now: p.now(), Prepare: prepared,
		Variables: map[string]string{"source": c.Source, "run": "backfill", "patientMode": c.Patient, "system": fhir.SystemUBRN}}
	if j.Workers <= 0 {
		j.Workers = runtime.GOMAXPROCS(0)
	}
	t, err := c.run(ctx, p, j, files{in: in, out: out, size: size})
	if closeErr := out.Close(); err == nil && closeErr != nil {
		err = fmt.Errorf("write %s: %w", c.Out, closeErr)
	}
	if err != nil {
		return err
	}
	if t.Failed > 0 {
		fmt.Fprintf(p.err, "refbridge: %d lines mapped, %d failed\n", t.Mapped, t.Failed)
		return exit(exitRecordsFailed)
	}
	return nil
}

type files struct {
	in   io.Reader
	out  io.Writer
	size int64 // of in, 0 where it is not known
}

// run maps with a progress bar and a file of errors.
func (c mappingRunCmd) run(ctx context.Context, p *program, j *batch.Job, f files) (batch.Tally, error) {
	faults, err := c.faults(p)
	if err != nil {
		return batch.Tally{}, err
	}
	j.Failed = faults.add
	if terminal(p.err) {
		bars := mpb.New(mpb.WithOutput(p.err), mpb.WithWidth(40))
		bar := bars.AddBar(f.size, mpb.BarRemoveOnComplete(), mpb.PrependDecorators(decor.Name("map ")),
			mpb.AppendDecorators(decor.Counters(decor.SizeB1024(0), "% .1f / % .1f")))
		j.Progress = func(bytes, _ int) { bar.IncrBy(bytes) }
		defer bars.Wait()
		defer bar.Abort(true)
	}
	t, err := j.Run(ctx, f.in, f.out)
	if closeErr := faults.close(); err == nil {
		err = closeErr
	}
	return t, err
}

func (c mappingRunCmd) input(p *program) (io.ReadCloser, int64, error) {
	if c.In == "-" {
		return io.NopCloser(p.in), 0, nil
	}
	f, err := os.Open(c.In)
	if err != nil {
		return nil, 0, err
	}
	info, err := f.Stat()
	if err != nil {
		return nil, 0, err
	}
	return f, info.Size(), c.apart()
}

// apart refuses a file that stands for two things, before any of them is opened for writing.
func (c mappingRunCmd) apart() error {
	flags, names := []string{"--in", "--out", "--errors"}, []string{c.In, c.Out, c.Errors}
	for i := range names {
		for j := range i {
			if sameFile(names[i], names[j]) {
				return misused(flags[j]+" and "+flags[i]+" are the same file", "write to another file")
			}
		}
	}
	return nil
}

// sameFile tells whether two names given on a command line mean one file; "-" and "" are streams.
func sameFile(a, b string) bool {
	if a == "" || a == "-" || b == "" || b == "-" {
		return false
	}
	one, errA := os.Stat(a)
	two, errB := os.Stat(b)
	if errA != nil || errB != nil {
		return filepath.Clean(a) == filepath.Clean(b)
	}
	return os.SameFile(one, two)
}

type keepOpen struct{ io.Writer }

func (keepOpen) Close() error { return nil }

func (c mappingRunCmd) output(p *program) (io.WriteCloser, error) {
	if c.Out == "-" {
		return keepOpen{p.out}, nil
	}
	return os.OpenFile(c.Out, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
}

// prepared makes the bundles of what is no resource of the tables: as a sync does.
func prepared(r fhir.Resource) ([]fhir.Bundle, error) {
	switch r.Type() {
	case "ReferralRequest", "Parameters", "Bundle":
	default:
		return nil, nil
	}
	if b, ok := mapping.BundleOf(r); ok && r.Type() == "Bundle" {
		return []fhir.Bundle{b}, nil
	}
	found, err := ers.Referrals(r.Raw())
	if err != nil {
		return nil, err
	}
	var out []fhir.Bundle
	for _, one := range found {
		b, err := ers.Normalise(one)
		if err != nil {
			return nil, err
		}
		out = append(out, b)
	}
	return out, nil
}

// faultSink writes what is wrong with lines: to a file, or the first of it for people.
type faultSink struct {
	c     mappingRunCmd
	file  *os.File
	to    *bufio.Writer
	err   error
	shown int
	words io.Writer
}

func (c mappingRunCmd) faults(p *program) (*faultSink, error) {
	s := &faultSink{c: c, words: p.err}
	if c.Errors == "" {
		return s, nil
	}
	f, err := os.OpenFile(c.Errors, os.O_WRONLY|os.O_CREATE|os.O_TRUNC, 0o600)
	if err != nil {
		return nil, err
	}
	s.file, s.to = f, bufio.NewWriter(f)
	return s, nil
}

// lineError is one fault of one line, as --errors holds it.
type lineError struct {
	Line    int    `json:"line"`
	Reason  string `json:"reason"`
	Rule    string `json:"rule,omitempty"`  // file:line:column
	Field   string `json:"field,omitempty"` // or path of a body
	From    string `json:"from,omitempty"`  // FHIRPath of the rule
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (s *faultSink) add(f batch.LineFault) {
	if f.Err != nil {
		s.write(lineError{Line: f.Line, Reason: "unreadable", Message: f.Err.Error()})
	}
	for _, one := range f.Faults {
		e := lineError{Line: f.Line, Reason: string(one.Kind), Field: one.Field, From: one.Source, Message: one.Message, Hint: one.Hint}
		if one.File != "" {
			e.Rule = fmt.Sprintf("%s:%d:%d", one.File, one.Line, one.Column)
		}
		s.write(e)
	}
}

func (s *faultSink) write(e lineError) {
	if s.to == nil {
		s.show(e)
		return
	}
	line, err := json.Marshal(e)
	if err == nil {
		_, err = s.to.Write(append(line, '\n'))
	}
	if s.err == nil {
		s.err = err
	}
}

func (s *faultSink) show(e lineError) {
	s.shown++
	switch {
	case s.shown <= shownErrors:
		fmt.Fprintf(s.words, "refbridge: error: line %d: %s\n", e.Line, strings.TrimSpace(e.Rule+" "+e.Field+" "+e.Message))
		if e.Hint != "" {
			fmt.Fprintf(s.words, "refbridge: hint: %s\n", e.Hint)
		}
	case s.shown == shownErrors+1:
		fmt.Fprintf(s.words, "refbridge: hint: more lines fail; --errors FILE takes all of them\n")
	}
}

func (s *faultSink) close() error {
	if s.to == nil {
		return nil
	}
	err := errors.Join(s.err, s.to.Flush(), s.file.Close())
	if err != nil {
		return fmt.Errorf("write %s: %w", s.c.Errors, err)
	}
	return nil
}
