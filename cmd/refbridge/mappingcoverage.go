package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"refbridge/bridge/report"
	"refbridge/mapping"
	"refbridge/mapping/measure"
)

type mappingCoverageCmd struct {
	sampleFlags
	Tables    string  `help:"Folder of the tables; default: those of the configuration, else the built-in ones." placeholder:"DIR" type:"path"`
	FailUnder float64 `help:"Fail where fewer of a hundred source paths are accounted for." placeholder:"PERCENT"`
	JSON      bool    `name:"json" help:"One JSON object."`
	HTML      string  `name:"html" help:"Write a page to read, too." placeholder:"FILE" type:"path"`
}

// Help is printed below the flags.
func (mappingCoverageCmd) Help() string {
	return `Says of real records what the tables make of them, both ways. Every source path that was seen is mapped to a field, only looked
at by a condition, dropped on purpose, passed over by a rule that did not count, or unaccounted; every field is filled so
often, by this rule; every code that its value table does not list is counted. Of a referral of e-RS what does not become R4
counts too. Percentages are of distinct paths; a path counts as unaccounted where it is so in any record. A path of a held
record counts by its rules, mapped where one carries it, though nothing of that record is written; such records are counted
apart. The output holds paths, rules and codes, and nothing about a person.

` + samplesHelp + `

Example: refbridge mapping coverage --in in.ndjson --html page.html

Exit codes: 0 done, 3 some records could not be read, 1 error or below --fail-under, 64 usage.`
}

// Run is the command.
func (c *mappingCoverageCmd) Run(ctx context.Context, p *program) error {
	if err := c.check(); err != nil {
		return err
	}
	dir, err := p.tablesInUse(c.Tables)
	if err != nil {
		return err
	}
	set, err := offlineTables(dir)
	if err != nil {
		return err
	}
	p.warnOfFaults(dir)
	s, err := p.samples(c.sampleFlags)
	if err != nil {
		return err
	}
	coverage := measure.NewCoverage(set)
	if err := s.each(ctx, coverage.Add); err != nil {
		return err
	}
	report := coverage.Report()
	if c.HTML != "" {
		if err := replaceFile(c.HTML, measure.Page{CoverageReport: report, Tables: set.Hash(), Read: s.counts.summary(), Made: p.now()}.HTML); err != nil {
			return err
		}
	}
	if err := c.print(p, report, s.counts); err != nil {
		return err
	}
	if err := c.enough(report, s.counts); err != nil {
		return err
	}
	return s.end()
}

// check refuses flags that contradict each other, before anything is read or written.
func (c *mappingCoverageCmd) check() error {
	if !(c.FailUnder >= 0 && c.FailUnder <= 100) {
		return misused("--fail-under is a percentage", "a number from 0 to 100")
	}
	if c.HTML == "" || c.In == "" || c.In == "-" {
		return nil
	}
	in, err := os.Stat(c.In)
	if err != nil {
		return err
	}
	if page, err := os.Stat(c.HTML); err == nil && os.SameFile(in, page) {
		return misused("--html names the file of --in", "the page would take the place of the records: give it another name")
	}
	return nil
}

// enough is the error of --fail-under. Where nothing was seen or mapped there is nothing to pass.
func (c *mappingCoverageCmd) enough(r measure.CoverageReport, counts sampleCounts) error {
	switch {
	case c.FailUnder == 0:
	case r.Records == 0:
		return hinted{fmt.Errorf("no record is covered: %s", counts.summary()), "--fail-under wants records that the tables map"}
	case !r.Writes():
		return hinted{errors.New("nothing in the records is mapped, or all that is belongs to held records"), "--fail-under wants records that the tables map; look at what is held"}
	case r.Percent() < c.FailUnder:
		return hinted{fmt.Errorf("%.1f %% of the source paths are accounted for, less than %g %%", r.Percent(), c.FailUnder),
			"map what is unaccounted, or drop it with a purpose"}
	}
	return nil
}

// pathsLine says how many of the paths are accounted for.
func pathsLine(r measure.CoverageReport) string {
	if r.Seen == 0 {
		return "no paths"
	}
	return fmt.Sprintf("%d source paths, %d accounted for: %.1f %%", r.Seen, r.Accounted, r.Percent())
}

type coverageJSON struct {
	Input sampleCounts `json:"input"`
	measure.CoverageReport
	Percent float64 `json:"percent"`
}

func (c *mappingCoverageCmd) print(p *program, r measure.CoverageReport, counts sampleCounts) error {
	if c.JSON {
		return line(p.out, coverageJSON{Input: counts, CoverageReport: r, Percent: r.Percent()})
	}
	out := newPrinter(p.out)
	fmt.Fprintf(p.out, "%s; %d held\n", counts.summary(), r.Held)
	fmt.Fprintln(p.out, pathsLine(r))
	printPaths(out, r, measure.Unaccounted, "Unaccounted: nobody reads it, and no table says why")
	printCodes(out, r.Codes)
	printHolds(out, "Held", r.Holds)
	printPaths(out, r, mapping.PassedOver, "Passed over: a rule reads it that did not count for these records")
	printDropped(out, r.Reasons())
	printPaths(out, r, mapping.Looked, "Looked at by a condition, and carried to no field")
	printPaths(out, r, mapping.Carried, mappedTitle(r.Held))
	printFilled(out, r.Fields)
	if none := r.Unmade(); len(none) > 0 {
		out.Title("No records: " + strings.Join(none, ", "))
	}
	return nil
}

// mappedTitle is the title of what is mapped: rules say of held records too what they carry, and nothing of those is written.
func mappedTitle(held int) string {
	if held == 0 {
		return "Mapped"
	}
	return "Mapped; nothing of a held record is written until its reason is gone"
}

func printPaths(p report.Printer, r measure.CoverageReport, state mapping.State, title string) {
	first := true
	for _, path := range r.Paths {
		if path.State != state {
			continue
		}
		if first {
			p.Title(title)
			first = false
		}
		printPath(p, path)
	}
}

func printPath(p report.Printer, path measure.Path) {
	n, of := path.Records, ""
	if path.State == measure.Unaccounted && path.Unaccounted < n {
		n, of = path.Unaccounted, fmt.Sprintf(" (of %d that have it)", path.Records)
	}
	if path.State == mapping.Carried && path.Held > 0 {
		of = fmt.Sprintf(" (%d held)", path.Held)
	}
	fmt.Fprintf(p.W, "  %6d  %s\n", n, report.Wrap(path.Path+of, 10))
	if path.Lost && path.State == measure.Unaccounted {
		fmt.Fprintf(p.W, "          %s\n", report.Wrap("!  "+measure.LostHint, 13))
	}
	for _, u := range path.Uses {
		text := useOf(u)
		if u.Records < path.Records {
			text += fmt.Sprintf(" (%d)", u.Records)
		}
		fmt.Fprintf(p.W, "          %s %s\n", text[:2], p.Ruled(text[2:], u.Rule, 13))
	}
}

// printDropped lists what is left out on purpose under the reasons.
func printDropped(p report.Printer, reasons []measure.Reason) {
	if len(reasons) > 0 {
		p.Title("Dropped on purpose")
	}
	for _, r := range reasons {
		fmt.Fprintf(p.W, "  %s\n", p.Ruled(r.Why, r.Rule, 2))
		for _, path := range r.Paths {
			fmt.Fprintf(p.W, "  %6d  %s\n", path.Records, path.Path)
		}
	}
}

// useOf says what a rule does with a value: a sign of two characters, and words.
func useOf(u measure.Use) string {
	to := u.Object + "." + u.Field
	if u.Field == "" {
		to = "which " + u.Object + " are made"
	}
	switch u.State {
	case mapping.Dropped, mapping.PassedOver:
		return "x " + u.Why
	case mapping.Looked:
		return "? " + to
	}
	return "->" + to
}

func printCodes(p report.Printer, codes []measure.Code) {
	if len(codes) > 0 {
		p.Title("Codes that their value table does not list")
	}
	for _, c := range codes {
		fmt.Fprintf(p.W, "  %6d  %s\n          %s\n", c.Records, report.Wrap(report.CodeText(c.UnlistedCode), 10), p.Ruled(report.CodePlace(c.UnlistedCode), c.Rule, 10))
	}
}

// printFilled lists the fields of the objects that there are records of.
func printFilled(p report.Printer, fields []measure.Field) {
	object := ""
	for _, f := range fields {
		if f.Records == 0 {
			continue
		}
		if f.Object != object {
			object = f.Object
			p.Title(object + ": " + mapping.Plural(f.Records, "record"))
		}
		fmt.Fprintf(p.W, "  %6d  %-30s %s\n", f.Filled, f.Field, p.Paint("2", report.Wrap(rulesWith(f), 41)))
	}
}

// rulesWith gives the rules behind a field; where none gave a value, all that could.
func rulesWith(f measure.Field) string {
	var rules []string
	for _, r := range f.Rules {
		switch {
		case f.Filled == 0:
			rules = append(rules, r.Rule+" never")
		case r.Default > 0:
			rules = append(rules, fmt.Sprintf("%s %d, %d by default", r.Rule, r.Filled, r.Default))
		case r.Filled > 0:
			rules = append(rules, fmt.Sprintf("%s %d", r.Rule, r.Filled))
		}
	}
	return strings.Join(rules, "; ")
}
