package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"path/filepath"
	"slices"
	"strings"
	"unicode/utf8"

	"refbridge/bridge/report"
	"refbridge/mapping"
	"refbridge/mapping/measure"
)

type mappingImpactCmd struct {
	sampleFlags
	Base     string `required:"" help:"Folder of the tables as they were." placeholder:"DIR" type:"path"`
	Tables   string `help:"Folder of the tables as they would be; default: those of the configuration, else the built-in ones." placeholder:"DIR" type:"path"`
	JSON     bool   `name:"json" help:"One JSON object." xor:"form"`
	Markdown bool   `help:"Markdown, for a pull request." xor:"form"`
}

// Help is printed below the flags.
func (mappingImpactCmd) Help() string {
	return `Maps the same records with two versions of the tables and says what differs: records, fields, values with their counts, what is
newly held and what is not held any more. Values out of the tables and checkboxes are shown; of all others a token (~1f2e3d4c) says
whether two are the same, and it is another one in the next run. Nothing in the output is about a person.

` + samplesHelp + `

Example: refbridge mapping impact --base before --in in.ndjson --markdown

Exit codes: 0 done, 3 some records could not be read, 1 error, 64 usage.`
}

// Run is the command.
func (c *mappingImpactCmd) Run(ctx context.Context, p *program) error {
	base, err := baseTables(c.Base)
	if err != nil {
		return err
	}
	folder, err := p.tablesInUse(c.Tables)
	if err != nil {
		return err
	}
	next, err := tablesOf(folder)
	if err != nil {
		return err
	}
	p.warnOfFaults(folder)
	s, err := p.samples(c.sampleFlags)
	if err != nil {
		return err
	}
	impact := measure.NewImpact(base, next)
	if err := s.each(ctx, impact.Add); err != nil {
		return err
	}
	r := impact.Report()
	switch {
	case c.JSON:
		err = line(p.out, impactJSON{Input: s.counts, ImpactReport: r})
	case c.Markdown:
		impactMarkdown(p.out, r, s.counts)
	default:
		printImpact(newPrinter(p.out), r, s.counts)
	}
	if err != nil {
		return err
	}
	return s.end()
}

// baseTables loads the tables of --base.
func baseTables(dir string) (*mapping.Set, error) {
	if err := isFolder(dir, "--base names the folder of the tables as they were"); err != nil {
		return nil, err
	}
	return tablesOf(dir)
}

// tablesOf loads the tables of a folder; their faults name it.
func tablesOf(dir string) (*mapping.Set, error) {
	set, err := offlineTables(dir)
	var faults mapping.Faults
	switch {
	case errors.As(err, &faults):
		faults = slices.Clone(faults)
		for i := range faults {
			faults[i].File = filepath.Join(dir, faults[i].File)
		}
		return nil, faults
	case err != nil:
		return nil, fmt.Errorf("the tables of %s: %w", cmp.Or(dir, "refbridge itself"), err)
	}
	return set, nil
}

type impactJSON struct {
	Input sampleCounts `json:"input"`
	measure.ImpactReport
}

func printImpact(p report.Printer, r measure.ImpactReport, counts sampleCounts) {
	fmt.Fprintf(p.W, "%s; %d of %d become something else\n", counts.summary(), r.Touched, r.Records)
	fmt.Fprintf(p.W, "held: %d before, %d after; %d for another reason\n", r.HeldBefore, r.HeldAfter, r.OtherReason)
	if len(r.Objects) > 0 {
		p.Title("Salesforce records")
	}
	for _, o := range r.Objects {
		fmt.Fprintf(p.W, "  %s: %d changed, %d more, %d fewer\n", o.Object, o.Changed, o.Added, o.Removed)
	}
	if len(r.Fields) > 0 {
		p.Title("Fields, of records that both make")
	}
	for _, f := range r.Fields {
		fmt.Fprintf(p.W, "  %s\n      %s\n", report.Wrap(f.Object+"."+f.Field+": "+fieldChanges(f), 6), p.Paint("2", report.Wrap(rulesOf(f), 6)))
	}
	if len(r.Values) > 0 {
		p.Title("Values")
	}
	for _, v := range r.Values {
		field, change := v.Object+"."+v.Field+":", fmt.Sprintf("%s -> %s, %d", v.From, v.To, v.Count)
		if utf8.RuneCountInString(field+change) > 77 {
			field += "\n     "
		}
		fmt.Fprintf(p.W, "  %s %s\n", field, change)
	}
	printHolds(p, "Newly failing", r.Failing)
	printHolds(p, "Newly passing, held before", r.Passing)
}

func fieldChanges(f measure.FieldChange) string {
	var out []string
	for _, part := range []struct {
		n    int
		what string
	}{{f.Changed, "changed"}, {f.Filled, "filled"}, {f.Cleared, "cleared"},
		{f.Unwritten, "no longer written: Salesforce keeps what it has"},
		{f.Emptied, "newly written empty: Salesforce's value is cleared"}, {f.Policy, "with another owner or keepIfAbsent"}} {
		if part.n > 0 {
			out = append(out, fmt.Sprintf("%d %s", part.n, part.what))
		}
	}
	return strings.Join(out, ", ")
}

func rulesOf(f measure.FieldChange) string {
	before, after := strings.Join(f.Before, ", "), strings.Join(f.After, ", ")
	if before == after {
		return after
	}
	return strings.TrimSpace(before + " -> " + after)
}

func impactMarkdown(w io.Writer, r measure.ImpactReport, counts sampleCounts) {
	fmt.Fprintf(w, "## Impact on the mapping\n\n%s. **%d of %d records become something else.** Held: %d before, %d after, %d for another reason.\n",
		counts.summary(), r.Touched, r.Records, r.HeldBefore, r.HeldAfter, r.OtherReason)
	table(w, "Salesforce records", "Object | Changed | More | Fewer", len(r.Objects), func(i int) []any {
		o := r.Objects[i]
		return []any{o.Object, o.Changed, o.Added, o.Removed}
	})
	table(w, "Fields", "Field | What | Rules", len(r.Fields), func(i int) []any {
		f := r.Fields[i]
		return []any{f.Object + "." + f.Field, fieldChanges(f), rulesOf(f)}
	})
	table(w, "Values", "Field | From | To | Count", len(r.Values), func(i int) []any {
		v := r.Values[i]
		return []any{v.Object + "." + v.Field, v.From, v.To, v.Count}
	})
	held := func(in []measure.Hold) func(int) []any {
		return func(i int) []any { return []any{in[i].Count, in[i].Kind, in[i].Field, in[i].Message, in[i].Rule} }
	}
	table(w, "Newly failing", "Records | Reason | Field | Message | Rule", len(r.Failing), held(r.Failing))
	table(w, "Newly passing", "Records | Reason | Field | Message | Rule", len(r.Passing), held(r.Passing))
}

// table writes a table of Markdown, nothing where it is empty.
func table(w io.Writer, title, head string, n int, row func(int) []any) {
	if n == 0 {
		return
	}
	fmt.Fprintf(w, "\n### %s\n\n| %s |\n|%s\n", title, head, strings.Repeat(" --- |", strings.Count(head, "|")+1))
	for i := range n {
		for _, cell := range row(i) {
			text := strings.NewReplacer("|", "\\|", "\n", " ", "<", "&lt;", "~", "\\~").Replace(fmt.Sprint(cell))
			fmt.Fprintf(w, "| %s ", text)
		}
		fmt.Fprintln(w, "|")
	}
}
