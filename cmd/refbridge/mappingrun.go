package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"maps"
	"runtime"
	"slices"
	"strings"

	"refbridge/bridge/plan"
	"refbridge/bridge/report"
	"refbridge/config"
	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/mapping"
	"refbridge/mapping/batch"
)

type mappingRunCmd struct {
	Tables  string `help:"Folder of the tables; without it those of the configuration, else the built-in ones." placeholder:"DIR" type:"path"`
	In      string `default:"-" help:"Resources, one a line: a file, a folder of files, or - for standard input." placeholder:"FILE|DIR|-"`
	Out     string `default:"-" help:"What became of them, one a line; - is standard output." placeholder:"FILE"`
	Errors  string `help:"Where lines that fail are told, as JSON, one for each fault." placeholder:"FILE"`
	Workers int    `help:"How many map at the same time; 0 is one for each processor." default:"0"`
	Target  string `default:"records" enum:"records,referral,appointment" help:"What is made: ${enum}."`
	Source  string `help:"Source of all lines, by its name in the configuration; without a configuration any name." placeholder:"NAME"`
	Patient string `default:"" enum:",link,create" help:"How patients are treated, whatever the source says." placeholder:"link|create"`
}

// Help is shown by --help.
func (mappingRunCmd) Help() string {
	return `Maps a stream with no network: R4 resources, one a line, of which the tables read ServiceRequest and Appointment;
Bundles of them; referrals of e-RS in STU3. Documents over many lines are read too. The order of the lines is kept, memory
is constant. A file, or a folder with the files below it, is one set of records, such as a bulk export: a referral finds its
patient in any line of any file. Standard input is read once, and references lead within a line or a Bundle only. Records of two
servers with one type and id are held, as the fullUrls of Bundles tell; on standard input that is seen within a Bundle only. An appointment that
names another patient than the referral it is based on fails, where that referral is found.

--target records writes a line of JSON for each line, with the list of its records; referral and appointment write the bodies of
the Referral Management and Book Appointment APIs, which tables with body: make. The output holds patient data; --errors does
not.

What fails is written nowhere but to --errors, or to stderr: line number, reason, and the rule as file:line:column. One bad
entry of a Bundle costs that entry; two entries that make one record in two ways fail both. What is not mapped by itself (a
Patient, a server's OperationOutcome, a Task, a deletion, an older version of a history) is counted by kind, with the reason, on
stderr and in --errors (reason not-mapped); it fails no line.

The first part of every key, SourceSystem and what is done about patients are those of the source: the one that --source names;
else the first one of its kind in the configuration, ers for what e-RS sent and fhir for R4; where none is configured, a source
of that name that links patients, its system the UBRN for e-RS and none for R4. Bridge_Run__c is backfill.

Example: refbridge mapping run --in in.ndjson --out out.ndjson --errors bad.json

Exit codes: 0 done, 3 some lines or entries failed, 1 error, 64 usage, 130 interrupted.`
}

// Run is the command.
func (c mappingRunCmd) Run(ctx context.Context, p *program) error {
	dir, err := p.tablesInUse(c.Tables)
	if err != nil {
		return err
	}
	tables, err := offlineTables(dir)
	if err != nil {
		return err
	}
	if c.Target == batch.Records { // what a body takes was checked when its tables were loaded
		p.warnOfFaults(dir)
	}
	if c.Target != batch.Records && !slices.Contains(tables.BodyNames(), c.Target) {
		return hinted{fmt.Errorf("the tables make no %s body", c.Target), "a table says body: " + c.Target + "; --target records makes records"}
	}
	from, err := c.origins(p)
	if err != nil {
		return err
	}
	f, err := c.open(ctx, p)
	if err != nil {
		return err
	}
	j := &batch.Job{Tables: tables, Target: c.Target, Workers: c.Workers, Now: p.now(), Variables: from.r4, Prepare: from.prepare, Check: func(in mapping.Input) error { return plan.SamePatient(tables, in) }}
	if f.set != nil {
		from.beyond.More, from.beyond.Others = f.set.Find, f.set.OfAnother
	}
	j.Resolver = from.beyond
	if j.Workers <= 0 {
		j.Workers = runtime.GOMAXPROCS(0)
	}
	faults := &faultSink{to: f.errors, words: p.err}
	j.Failed = faults.add
	progress, done := p.bytesBar("map", f.size)
	j.Progress = progress
	t, err := c.each(ctx, j, f, faults)
	done()
	return c.end(p, t, errors.Join(err, f.close()))
}

// each maps the files of the input, one after another.
func (c mappingRunCmd) each(ctx context.Context, j *batch.Job, f *runFiles, faults *faultSink) (batch.Tally, error) {
	var all batch.Tally
	err := f.each(func(name string, in io.Reader) error {
		if f.folder {
			faults.file = name
		}
		t, err := j.Run(ctx, in, f.out)
		faults.aside(t)
		all.Add(t)
		if read := (batch.ReadError{}); errors.As(err, &read) {
			return notRead(name, read.Err)
		}
		return err
	})
	return all, err
}

// end tells how many lines are done, where that is no matter of course.
func (c mappingRunCmd) end(p *program, t batch.Tally, err error) error {
	if t.Failed > 0 || err != nil && t.Mapped > 0 {
		fmt.Fprintf(p.err, "refbridge: %s mapped, %d failed\n", mapping.Plural(t.Mapped, "line"), t.Failed)
	}
	for _, text := range notMapped(t.Unread) {
		fmt.Fprintf(p.err, "refbridge: %s\n", report.Wrap(text, len("refbridge: ")))
	}
	if err == nil && t.Failed > 0 {
		return exit(exitRecordsFailed)
	}
	return err
}

// notMapped says what was not mapped by itself and why, a line for each kind.
func notMapped(kinds map[string]int) []string {
	var out []string
	for _, kind := range slices.Sorted(maps.Keys(kinds)) {
		text := fmt.Sprintf("not mapped: %d × %s", kinds[kind], kind)
		if why := mapping.WhyNot(kind); why != "" {
			text += " (" + why + ")"
		}
		out = append(out, text)
	}
	return out
}

// origins are the variables of the tables, by where a line comes from.
type origins struct {
	ers, r4 map[string]string
	beyond  *fhir.Resolver // the server that R4 comes from, where it is configured, and what stands in other lines and files
}

// origins takes what plan --from, coverage and impact take, or the source that is named.
func (c mappingRunCmd) origins(p *program) (origins, error) {
	s, err := p.samples(sampleFlags{})
	if err != nil {
		return origins{}, err
	}
	out := origins{ers: maps.Clone(s.worlds["ers"]), r4: maps.Clone(s.worlds["fhir"]), beyond: s.beyond}
	if err := c.named(p, out); err != nil {
		return origins{}, err
	}
	for _, world := range []map[string]string{out.ers, out.r4} {
		world["run"] = "backfill"
		world["patientMode"] = cmp.Or(c.Patient, world["patientMode"])
	}
	return out, nil
}

// named makes all lines those of the source that --source names.
func (c mappingRunCmd) named(p *program, o origins) error {
	if c.Source == "" {
		return nil
	}
	cfg, err := config.Load(p.config, checkSchedule)
	if errors.Is(err, config.ErrNoFile) {
		o.ers["source"], o.r4["source"] = c.Source, c.Source
		return nil
	}
	if err != nil {
		return err
	}
	var names []string
	for _, src := range cfg.Sources {
		if src.Name == c.Source {
			maps.Copy(o.ers, worldOf(src))
			maps.Copy(o.r4, worldOf(src))
			o.beyond.Base = src.BaseURL
			return nil
		}
		names = append(names, src.Name)
	}
	return misused(fmt.Sprintf("%s has no source %s", p.config, c.Source), "its sources: "+strings.Join(names, ", "))
}

// prepare takes apart what is no resource of the tables: as a sync does.
func (o origins) prepare(r fhir.Resource) (batch.Prepared, error) {
	switch r.Type() {
	case "ReferralRequest", "Parameters":
		return o.referrals(r)
	}
	c := mapping.ContentsOf(r)
	c.Among(o.beyond)
	out := batch.Prepared{Failed: c.Broken, Others: c.Others}
	for _, b := range c.Each() {
		out.Samples = append(out.Samples, mapping.Sample{Bundle: b, Variables: o.r4})
	}
	for _, sent := range c.Sent {
		p, err := o.referrals(sent)
		if err != nil {
			out.Failed = append(out.Failed, err)
			continue
		}
		out.Samples, out.Failed = append(out.Samples, p.Samples...), append(out.Failed, p.Failed...)
	}
	if n := len(c.Deleted); n > 0 {
		out.Others[mapping.KindDeleted] += n
	}
	return out, nil
}

// referrals normalises the referrals of e-RS in a resource.
func (o origins) referrals(r fhir.Resource) (batch.Prepared, error) {
	out := batch.Prepared{Others: map[string]int{}}
	found, err := ers.Referrals(r.Raw())
	if err != nil {
		return out, err
	}
	if len(found) == 0 {
		out.Others[strings.Clone(r.Type())]++
	}
	for _, one := range found {
		b, err := ers.Normalise(one.Resource, one.Listed...)
		if err != nil {
			out.Failed = append(out.Failed, err)
			continue
		}
		out.Samples = append(out.Samples, mapping.Sample{Bundle: b, Variables: o.ers, Sent: one.Resource})
	}
	return out, nil
}
