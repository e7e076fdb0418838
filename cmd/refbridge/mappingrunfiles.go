package main

import (
	"bufio"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"maps"
	"os"
	"path/filepath"
	"slices"

	"refbridge/bridge/report"
	"refbridge/fhir/ndjson"
	"refbridge/mapping/batch"
)

// runFiles are what mapping run reads and writes.
type runFiles struct {
	in     *bufio.Reader // nil: the files of a folder are opened one by one
	names  []string      // of the input
	folder bool
	size   int64       // of the input, 0 where it is not known
	set    *ndjson.Set // where references look; nil: a stream that is read once
	out    io.Writer
	errors *bufio.Writer // nil: none
	opened []*os.File
	fresh  []*os.File // those of opened that are written
	made   []string   // those of fresh that were not there before
}

// open opens all files and looks at the input, and only then empties those that are written. What it made is gone again where
// that fails.
func (c mappingRunCmd) open(ctx context.Context, p *program) (*runFiles, error) {
	if err := c.apart(p); err != nil {
		return nil, err
	}
	f := &runFiles{out: p.out, names: []string{c.In}}
	err := f.open(ctx, c, p.in)
	if err == nil {
		err = f.empty()
	}
	if err == nil {
		return f, nil
	}
	err = errors.Join(err, f.close())
	for _, name := range f.made {
		err = errors.Join(err, os.Remove(name))
	}
	return nil, err
}

func (f *runFiles) open(ctx context.Context, c mappingRunCmd, stdin io.Reader) error {
	if err := f.openInput(c.In, stdin); err != nil {
		return err
	}
	if c.Out != "-" {
		out, err := f.create(c.Out)
		if err != nil {
			return err
		}
		f.out = out
	}
	if c.Errors != "" {
		to, err := f.create(c.Errors)
		if err != nil {
			return err
		}
		f.errors = bufio.NewWriter(to)
	}
	if f.folder {
		return nil
	}
	return f.check(ctx, c.In)
}

// each hands out the files of the input, in order.
func (f *runFiles) each(take func(name string, in io.Reader) error) error {
	if !f.folder {
		return take(f.names[0], f.in)
	}
	for _, name := range f.names {
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		if err := errors.Join(take(name, in), in.Close()); err != nil {
			return err
		}
	}
	return nil
}

// openFolder looks at the files of a folder: nothing is written before all of them can be read.
func (f *runFiles) openFolder(name string) error {
	names, err := jsonFiles(name)
	if err != nil {
		return err
	}
	f.folder, f.names, f.set = true, names, ndjson.NewSet(names...)
	for _, name := range names {
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		info, err := in.Stat()
		if err == nil {
			f.size += info.Size()
			err = ndjson.Check(bufio.NewReader(in))
		}
		if err = errors.Join(err, in.Close()); err != nil {
			return notRead(name, err)
		}
	}
	return nil
}

func (f *runFiles) openInput(name string, stdin io.Reader) error {
	if name == "-" {
		f.in = bufio.NewReader(stdin)
		return nil
	}
	in, err := os.Open(name)
	if err != nil {
		return err
	}
	f.opened = append(f.opened, in)
	info, err := in.Stat()
	if err != nil {
		return err
	}
	if info.IsDir() {
		return f.openFolder(name)
	}
	if info.Mode().IsRegular() {
		f.set = ndjson.NewSet(name)
	}
	f.in, f.size = bufio.NewReader(in), info.Size()
	return nil
}

func (f *runFiles) create(name string) (*os.File, error) {
	_, missing := os.Stat(name)
	file, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE, 0o600)
	if err != nil {
		return nil, err
	}
	f.opened = append(f.opened, file)
	f.fresh = append(f.fresh, file)
	if errors.Is(missing, fs.ErrNotExist) {
		f.made = append(f.made, name)
	}
	return file, nil
}

// check refuses what is packed. It may wait for its first bytes: not longer than the context.
func (f *runFiles) check(ctx context.Context, name string) error {
	checked := make(chan error, 1)
	go func() { checked <- ndjson.Check(f.in) }()
	select {
	case err := <-checked:
		if err != nil {
			return notRead(name, err)
		}
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// empty empties the files that are written; devices and pipes have nothing to be emptied.
func (f *runFiles) empty() error {
	for _, file := range f.fresh {
		info, err := file.Stat()
		if err == nil && info.Mode().IsRegular() {
			err = file.Truncate(0)
		}
		if err != nil {
			return err
		}
	}
	return nil
}

func (f *runFiles) close() error {
	var errs []error
	if f.errors != nil {
		errs = append(errs, f.errors.Flush())
	}
	for _, file := range f.opened {
		errs = append(errs, file.Close())
	}
	if f.set != nil {
		errs = append(errs, f.set.Close())
	}
	return errors.Join(errs...)
}

// apart refuses a file that stands for two things, before any of them is opened.
func (c mappingRunCmd) apart(p *program) error {
	if c.Errors == "-" {
		return misused("--errors takes the name of a file", "without --errors the first faults are told on standard error")
	}
	ends := []runEnd{endOf("--in", c.In, p.in), endOf("--out", c.Out, p.out), endOf("--errors", c.Errors, nil)}
	if info, err := os.Stat(c.In); c.In != "-" && err == nil && info.IsDir() {
		names, err := jsonFiles(c.In)
		if err != nil {
			return err
		}
		for _, name := range names {
			ends = append(ends, endOf("--in", name, nil))
		}
	}
	for i, one := range ends {
		for _, other := range ends[:i] {
			if one.same(other) {
				return misused(other.flag+" and "+one.flag+" are the same file", "write to another file")
			}
		}
	}
	return nil
}

// runEnd is one of the files of mapping run, as the command line names it.
type runEnd struct {
	flag string
	path string      // absolute; empty for a stream
	info os.FileInfo // nil: it is not there yet
}

func endOf(flag, name string, stream any) runEnd {
	e := runEnd{flag: flag}
	switch file, opened := stream.(*os.File); {
	case name == "":
	case name != "-":
		e.path = absolute(name)
		e.info, _ = os.Stat(name)
	case opened:
		e.info, _ = file.Stat()
	}
	return e
}

// same tells whether two names mean one file. Devices and pipes may stand for two things.
func (e runEnd) same(o runEnd) bool {
	if e.info != nil && o.info != nil {
		return e.info.Mode().IsRegular() && os.SameFile(e.info, o.info)
	}
	return e.path != "" && e.path == o.path
}

// absolute gives the path of a file that need not be there; its folder may be called by several names.
func absolute(name string) string {
	path, err := filepath.Abs(name)
	if err != nil {
		return filepath.Clean(name)
	}
	if dir, err := filepath.EvalSymlinks(filepath.Dir(path)); err == nil {
		path = filepath.Join(dir, filepath.Base(path))
	}
	return path
}

// shownErrors is how many failed lines are told on stderr where no file takes them.
const shownErrors = 10

// faultSink writes what is wrong with lines: to a file, or the first of it for people.
type faultSink struct {
	file  string        // of the line, where there are several
	to    *bufio.Writer // nil: none
	shown int
	words io.Writer
}

// lineError is one fault of one line, as --errors holds it.
type lineError struct {
	File    string `json:"file,omitempty"` // where a folder is read
	Line    int    `json:"line"`
	Reason  string `json:"reason"`
	Rule    string `json:"rule,omitempty"`    // file:line:column
	Field   string `json:"field,omitempty"`   // or path of a body
	From    string `json:"from,omitempty"`    // FHIRPath of the rule
	Element string `json:"element,omitempty"` // place in the resource
	Message string `json:"message"`
	Hint    string `json:"hint,omitempty"`
}

func (s *faultSink) add(f batch.LineFault) {
	if f.Err != nil {
		s.write(lineError{Line: f.Line, Reason: "unreadable", Message: f.Err.Error()})
	}
	for _, one := range f.Faults {
		e := lineError{Line: f.Line, Reason: string(one.Kind), Field: one.Field, From: one.Source, Element: one.Element,
			Message: one.Message, Hint: one.Hint}
		if one.File != "" {
			e.Rule = fmt.Sprintf("%s:%d:%d", one.File, one.Line, one.Column)
		}
		s.write(e)
	}
}

// aside tells what is not mapped by itself: it is no error, and stands with the errors so that everything is accounted for.
func (s *faultSink) aside(t batch.Tally) {
	if s.to == nil {
		return // end tells it
	}
	for _, kind := range slices.Sorted(maps.Keys(t.Unread)) {
		s.write(lineError{Line: t.First[kind], Reason: "not-mapped", Message: notMapped(map[string]int{kind: t.Unread[kind]})[0]})
	}
}

func (s *faultSink) write(e lineError) {
	e.File = s.file
	if s.to == nil {
		s.show(e)
		return
	}
	if line, err := json.Marshal(e); err == nil { // texts and a number: it cannot fail
		_, _ = s.to.Write(append(line, '\n')) // Flush tells what went wrong
	}
}

func (s *faultSink) show(e lineError) {
	s.shown++
	switch {
	case s.shown <= shownErrors:
		text := fmt.Sprintf("line %d: %s %s %s", e.Line, e.Rule, e.Field, e.Message)
		if e.File != "" {
			text = e.File + ", " + text
		}
		if e.Element != "" {
			text += ", at " + e.Element
		}
		fmt.Fprintf(s.words, "refbridge: error: %s\n", report.Wrap(text, len("refbridge: error: ")))
		if e.Hint != "" { // in one line: it may hold a row to be added
			fmt.Fprintf(s.words, "refbridge: hint: %s\n", e.Hint)
		}
	case s.shown == shownErrors+1:
		fmt.Fprintf(s.words, "refbridge: hint: more lines fail; --errors FILE takes all of them\n")
	}
}
