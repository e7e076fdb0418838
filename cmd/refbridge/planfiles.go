package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"os"
	"slices"
	"strings"

	"refbridge/bridge"
	"refbridge/bridge/plan"
	"refbridge/bridge/report"
	"refbridge/fhir/ndjson"
	"refbridge/ledger"
	"refbridge/mapping"
)

// fileReport prints what files become and counts it.
type fileReport struct {
	cmd     *planCmd
	program *program
	out     report.Printer
	counts  bridge.Counts
	failed  int
	records int
	others  map[string]*kindJSON
	creates int // Accounts
}

// kindJSON says of a kind of resources that they are not mapped by themselves: one line for all of them.
type kindJSON struct {
	File string `json:"file"` // of the first one
	Line int    `json:"line"`
	Kind string `json:"kind"`
	N    int    `json:"count"`
	Note string `json:"note"`
}

type fileJSON struct {
	File      string   `json:"file"`
	Line      int      `json:"line"`
	Error     string   `json:"error,omitempty"`
	Note      string   `json:"note,omitempty"`
	Sightings []string `json:"sightings,omitempty"`
	*report.Step
}

func (r *fileReport) file(ctx context.Context, planners plan.Files, name string) error {
	in := io.Reader(r.program.in)
	if name != "-" {
		f, err := os.Open(name)
		if err != nil {
			return err
		}
		defer f.Close()
		in = f
	}
	for rec, err := range ndjson.Records(in) {
		if err != nil {
			return notRead(name, err)
		}
		err := planners.Plan(ctx, rec, func(f plan.FileRecord) error { return r.take(name, f) })
		if errors.Is(err, errEnough) {
			return nil
		}
		if err != nil {
			return fmt.Errorf("%s:%d: %w", name, rec.Line, err)
		}
	}
	return nil
}

var errEnough = errors.New("as many records as --limit says")

func (r *fileReport) take(name string, rec plan.FileRecord) error {
	if r.cmd.Limit > 0 && r.records >= r.cmd.Limit {
		return errEnough
	}
	if rec.Others != nil {
		r.aside(name, rec)
		return nil
	}
	r.records++
	r.count(rec)
	if r.cmd.JSON {
		return r.json(name, rec)
	}
	r.text(name, rec)
	return nil
}

// aside counts what is not mapped by itself.
func (r *fileReport) aside(name string, rec plan.FileRecord) {
	for kind, n := range rec.Others {
		if r.others == nil {
			r.others = map[string]*kindJSON{}
		}
		if r.others[kind] == nil {
			r.others[kind] = &kindJSON{File: name, Line: rec.Line, Kind: kind}
		}
		r.others[kind].N += n
	}
}

func (r *fileReport) count(rec plan.FileRecord) {
	damaged := slices.ContainsFunc(rec.Sightings, func(s ledger.Sighting) bool { return s.Reason.Code != "" })
	if rec.Err != nil || damaged {
		r.failed++
	}
	if rec.Step == nil {
		return
	}
	r.counts.Add(bridge.Plan{Steps: []*bridge.Step{rec.Step}}.Counts())
	for _, w := range rec.Step.Writes {
		if w.Object == "Account" && w.Action == bridge.Create {
			r.creates++
		}
	}
}

func (r *fileReport) json(name string, rec plan.FileRecord) error {
	j := fileJSON{File: name, Line: rec.Line, Note: rec.Note}
	if rec.Err != nil {
		j.Error = rec.Err.Error()
	}
	for _, s := range rec.Sightings {
		if s.Reason.Code != "" {
			j.Error = s.Reason.Text // the last one; the text form has them all
			continue
		}
		j.Sightings = append(j.Sightings, s.Ref.String())
	}
	if rec.Step != nil {
		s := report.StepOf(rec.Step)
		j.Step = &s
	}
	return line(r.program.out, j)
}

func (r *fileReport) text(name string, rec plan.FileRecord) {
	w := r.program.out
	switch {
	case rec.Err != nil:
		fmt.Fprintf(w, "%s:%d: %s: %v\n\n", name, rec.Line, strings.TrimSpace(rec.Type+" cannot be read"), rec.Err)
	case rec.Step != nil:
		fmt.Fprintf(w, "%s:%d\n", name, rec.Line)
		r.out.Step(rec.Step)
	case rec.Note != "":
		fmt.Fprintf(w, "%s:%d: %s\n\n", name, rec.Line, rec.Note)
	default:
		fmt.Fprintf(w, "%s:%d: a worklist with %d entries\n", name, rec.Line, len(rec.Sightings))
		for _, s := range rec.Sightings {
			if s.Reason.Code != "" {
				fmt.Fprintf(w, "  ! %s\n", s.Reason.Text)
				continue
			}
			fmt.Fprintf(w, "  ? %s\n", s.Ref)
		}
		fmt.Fprintln(w)
	}
}

// end prints the sums and gives the exit code: an unreadable record is an error, whatever else there was.
func (r *fileReport) end() error {
	if err := r.asides(); err != nil {
		return err
	}
	if !r.cmd.JSON {
		fmt.Fprintf(r.program.out, "%s read, %d unreadable\n", mapping.Plural(r.records, "record"), r.failed)
		r.out.Counts("plan", r.counts)
	}
	if r.creates > 0 && !r.cmd.JSON {
		text := fmt.Sprintf("%s: Salesforce was not asked. Where it has an Account with the NHS number already, a sync links to that one and makes none.",
			mapping.Plural(r.creates, "new Account"))
		fmt.Fprintln(r.program.out, report.Wrap(text, 2))
	}
	switch {
	case r.failed > 0:
		return fmt.Errorf("%d of %s cannot be read", r.failed, mapping.Plural(r.records, "record"))
	case r.counts.Writes > 0 || r.counts.Held > 0:
		return exit(exitChanges)
	}
	return nil
}

// asides prints what is not mapped by itself, a line for each kind.
func (r *fileReport) asides() error {
	kinds := map[string]int{}
	for kind, k := range r.others {
		kinds[kind] = k.N
	}
	for i, text := range notMapped(kinds) {
		k := r.others[slices.Sorted(maps.Keys(kinds))[i]]
		if k.Note = text; r.cmd.JSON {
			if err := line(r.program.out, k); err != nil {
				return err
			}
			continue
		}
		fmt.Fprintln(r.program.out, report.Wrap(text, 2))
	}
	return nil
}
