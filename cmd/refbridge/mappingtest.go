package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"refbridge/bridge/report"
	"refbridge/ers"
	"refbridge/mapping"
	"refbridge/mapping/cases"
)

type mappingTestCmd struct {
	Tables string `help:"Folder of the tables, with the cases in cases/; default: those of the configuration, else the built-in ones." placeholder:"DIR" type:"path"`
	Watch  bool   `help:"Run again whenever a table or a case changes, until stopped."`
	JSON   bool   `name:"json" help:"One JSON object a case."`
}

// Help is printed below the flags.
func (mappingTestCmd) Help() string {
	return `Runs the cases beside the tables: what a record becomes, or why it is held. A case that fails is shown as a diff, - expected
and + found, with the rule behind each value. docs/mapping.md says how cases are written; mapping case add makes one.

Example: refbridge mapping test --tables tables --watch

Exit codes: 0 all cases hold, 1 one fails or an error, 64 usage.`
}

// Run is the command.
func (c *mappingTestCmd) Run(ctx context.Context, p *program) error {
	dir, err := p.tablesInUse(c.Tables)
	if err != nil {
		return err
	}
	if !c.Watch {
		return c.once(p, dir)
	}
	if dir == "" {
		return hinted{errors.New("the built-in tables do not change"), "--tables DIR names a folder"}
	}
	return c.watch(ctx, p, dir)
}

// once runs all cases.
func (c *mappingTestCmd) once(p *program, dir string) error {
	set, err := offlineTables(dir)
	if err != nil {
		return err
	}
	if !c.JSON {
		p.warnOfFaults(dir)
	}
	list, err := tableCases(dir)
	if err != nil {
		return err
	}
	if len(list) == 0 {
		return hinted{errors.New("there are no cases"), "they stand in " + filepath.Join(dir, mapping.CasesFolder) + "; refbridge mapping case add makes one"}
	}
	if err := cases.Check(set, list); err != nil {
		return err
	}
	failed := 0
	for _, one := range list {
		failures := tested(set, one)
		if len(failures) > 0 {
			failed++
		}
		if err := c.print(p, one, failures); err != nil {
			return err
		}
	}
	if !c.JSON {
		fmt.Fprintf(p.out, "%s, %d failed\n", mapping.Plural(len(list), "case"), failed)
	}
	if failed > 0 {
		return exit(exitError)
	}
	return nil
}

// tableCases reads the cases beside the tables of a folder, none where there are none: an author may not have written any yet.
func tableCases(dir string) ([]cases.Case, error) {
	if dir == "" {
		return cases.Read(mapping.DefaultCases())
	}
	return cases.Read(os.DirFS(filepath.Join(dir, mapping.CasesFolder)))
}

// tested runs one case; a referral of e-RS is normalised as a sync does it.
func tested(set *mapping.Set, c cases.Case) []cases.Failure {
	in, ok := c.Sample()
	if !ok && c.Input.Type() == "ReferralRequest" {
		b, err := ers.Normalise(c.Input)
		if err != nil {
			return []cases.Failure{{Line: c.Line, Message: err.Error()}}
		}
		in.Bundle, ok = b.With(c.Related...), true
	}
	if !ok {
		return []cases.Failure{{Line: c.Line, Message: "the input holds nothing that is mapped"}}
	}
	return c.Run(set, in)
}

type caseJSON struct {
	Case     string        `json:"case"` // file:line
	Name     string        `json:"name"`
	Passed   bool          `json:"passed"`
	Failures []failureJSON `json:"failures,omitempty"`
}

type failureJSON struct {
	Line    int      `json:"line"`
	Object  string   `json:"object,omitempty"`
	Key     string   `json:"key,omitempty"`
	Field   string   `json:"field,omitempty"`
	Want    string   `json:"want,omitempty"`
	Have    string   `json:"have,omitempty"`
	Rules   []string `json:"rules,omitempty"`
	Message string   `json:"message,omitempty"`
	Held    []string `json:"held,omitempty"`
}

func (c *mappingTestCmd) print(p *program, one cases.Case, failures []cases.Failure) error {
	if c.JSON {
		j := caseJSON{Case: fmt.Sprintf("%s:%d", one.File, one.Line), Name: one.Name, Passed: len(failures) == 0}
		for _, f := range failures {
			j.Failures = append(j.Failures, failureOf(f))
		}
		return line(p.out, j)
	}
	if len(failures) > 0 {
		printFailed(newPrinter(p.out), one, failures)
	}
	return nil
}

func failureOf(f cases.Failure) failureJSON {
	j := failureJSON{Line: f.Line, Object: f.Object, Key: f.Key, Field: f.Field, Want: f.Want, Have: f.Have, Message: f.Message}
	for _, r := range f.Rules {
		j.Rules = append(j.Rules, r.FileLine())
	}
	for _, held := range f.Faults {
		j.Held = append(j.Held, held.String())
	}
	return j
}

// printFailed shows a case that fails.
func printFailed(p report.Printer, c cases.Case, failures []cases.Failure) {
	at := fmt.Sprintf("  %s:%d  ", c.File, c.Line)
	fmt.Fprintf(p.W, "%s%s%s\n", p.Paint("31", "FAIL"), at, p.Paint("1", report.Wrap(c.Name, len("FAIL")+len(at))))
	record := ""
	for _, f := range failures {
		if head := strings.TrimSpace(f.Object + " " + f.Key); head != record {
			record = head
			fmt.Fprintf(p.W, "  %s\n", head)
		}
		if f.Field == "" {
			fmt.Fprintf(p.W, "    %s  %s\n", report.Wrap(f.Message, 4), p.Paint("2", fmt.Sprintf("%s:%d", c.File, f.Line)))
			for _, held := range f.Faults {
				fmt.Fprintf(p.W, "    %s %s\n", p.Paint("31", "!"), report.Wrap(held.String(), 6))
			}
			continue
		}
		printDifference(p, c, f)
	}
	fmt.Fprintln(p.W)
}

func printDifference(p report.Printer, c cases.Case, f cases.Failure) {
	from := make([]string, len(f.Rules))
	for i, r := range f.Rules {
		from[i] = r.FileLine()
	}
	rules := strings.Join(from, ", ")
	if len(from) == 1 && f.Rules[0].From != "" {
		rules += " " + f.Rules[0].From
	}
	fmt.Fprintf(p.W, "    %s\n", f.Field)
	fmt.Fprintf(p.W, "      %s  %s\n", p.Paint("31", "- "+orNone(f.Want)), p.Paint("2", fmt.Sprintf("%s:%d", c.File, f.Line)))
	fmt.Fprintf(p.W, "      %s  %s\n", p.Paint("32", "+ "+orNone(f.Have)), p.Paint("2", rules))
}

func orNone(value string) string {
	if value == "" {
		return "(no value)"
	}
	return strings.ReplaceAll(value, "\n", "⏎")
}

// watchEvery is how often the folder is looked at.
const watchEvery = 500 * time.Millisecond

// watch runs the cases again whenever a file of the tables or the cases is another than before.
func (c *mappingTestCmd) watch(ctx context.Context, p *program, dir string) error {
	tick := time.NewTicker(watchEvery)
	defer tick.Stop()
	for last := ""; ; {
		if now := fingerprint(dir); now != last {
			last = now
			if !c.JSON {
				fmt.Fprintln(p.out, p.now().Format(time.TimeOnly))
			}
			if err := c.once(p, dir); err != nil {
				p.report(ctx, err)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// fingerprint is another text when a file was written, added or removed.
func fingerprint(dir string) string {
	var b strings.Builder
	for _, folder := range []string{dir, filepath.Join(dir, mapping.CasesFolder)} {
		entries, err := os.ReadDir(folder)
		if err != nil {
			fmt.Fprintln(&b, err)
		}
		for _, e := range entries {
			info, err := e.Info()
			if errors.Is(err, fs.ErrNotExist) || e.IsDir() {
				continue
			}
			if err == nil {
				fmt.Fprintln(&b, e.Name(), info.Size(), info.ModTime().UnixNano())
			}
		}
	}
	return b.String()
}
