package main

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"sort"

	"refbridge/bridge"
	"refbridge/bridge/lane"
	"refbridge/bridge/plan"
	"refbridge/bridge/report"
	"refbridge/config"
	"refbridge/fhir"
	"refbridge/fhir/ndjson"
	"refbridge/ledger"
	"refbridge/mapping"
)

type planCmd struct {
	From  string `help:"Plan resources in a file or folder, or - for standard input, with no network at all." placeholder:"FILE|DIR|-"`
	JSON  bool   `name:"json" help:"One JSON object a line."`
	Limit int    `help:"At most so many records." placeholder:"N"`
	Poll  bool   `help:"Ask the sources first. What they say is kept, and the next sync uses it; nothing is written to Salesforce."`
}

// Help is printed below the flags.
func (planCmd) Help() string {
	return `Without --from it prints what the next sync would do with what the ledger and its inbox hold. It reads Salesforce,
asks the sources for nothing and changes nothing. --poll asks the sources first, on the first day too: FHIR servers freely,
e-RS within its ration of worklist calls, which is said before it is spent. The answers are written to the ledger, and what a
source could not give is held with its reason; nothing is written to Salesforce or to a source.

With --from it maps files with no network: R4 ServiceRequest, Appointment, Bundle or NDJSON, STU3 ReferralRequest and worklists as
e-RS sends them; the diff is against the last-synced image where the ledger has one. A file, or a folder with the files below
it, is one set of records, such as a bulk export: a referral finds its patient in any line of any file, in constant memory.
Standard input is read once, and references lead within a line or a Bundle only. Everything that was read is accounted for:
what is not mapped by itself is counted by kind, with the reason; of a history the newest version of a resource counts. An
Account is announced where none is known here; Salesforce is not asked whether it has one.

The output holds patient data.

Example: refbridge plan --poll
         refbridge plan --from referral.json

Exit codes: 0 nothing to do, 2 there are changes (with --from also what is held, even if it only waits for its
patient; what is not mapped by itself is no change), 1 error or a
record that cannot be read, 64 usage, 75 --poll: another refbridge writes to this ledger.`
}

// Run is the command.
func (c *planCmd) Run(ctx context.Context, p *program) error {
	switch {
	case c.From != "" && c.Poll:
		return misused("plan takes --from or --poll", "files are planned without any network")
	case c.From != "":
		return c.files(ctx, p)
	}
	mode := planning
	if c.Poll {
		mode = polling
	}
	a, err := p.open(ctx, mode)
	if err != nil {
		return err
	}
	defer a.close()
	var failed error
	for i := 0; c.Poll && i < len(a.flows); i++ {
		// A source that cannot be read does not hide what the others say, nor what is known of it already.
		failed = errors.Join(failed, p.ask(ctx, a.flows[i]))
	}
	changes := 0
	for _, f := range a.flows {
		n, err := c.flow(ctx, p, a, f)
		if err != nil {
			return errors.Join(failed, fmt.Errorf("plan %s: %w", f.Name, err))
		}
		changes += n
	}
	if failed == nil && changes > 0 {
		return exit(exitChanges)
	}
	return failed
}

// ask polls one source, and says before what it spends.
func (p *program) ask(ctx context.Context, f *lane.Flow) error {
	cost, err := f.Cost(ctx)
	if err != nil {
		return err
	}
	for _, line := range cost {
		fmt.Fprintf(p.err, "%s: this poll spends, for %s\n", f.Name, line)
	}
	if err := f.Poll(ctx); err != nil {
		return fmt.Errorf("poll %s: %w", f.Name, err)
	}
	return nil
}

// flow prints the plan of one flow as it is made, and returns how many records it would write.
func (c *planCmd) flow(ctx context.Context, p *program, a *app, f *lane.Flow) (int, error) {
	var counts bridge.Counts
	err := f.Plan(ctx, c.Limit, func(batch bridge.Plan) error {
		counts.Add(batch.Counts())
		return c.print(p, batch)
	})
	if err != nil {
		return 0, err
	}
	fresh, err := f.Freshness(ctx)
	if err != nil {
		return 0, err
	}
	unread, err := f.ToRead(ctx)
	if err != nil {
		return 0, err
	}
	if c.JSON {
		return counts.Writes, line(p.out, report.Outlook{Flow: f.Name, LastPoll: fresh.LastPoll, ToRead: unread, Writes: counts.Writes})
	}
	out := newPrinter(p.out)
	out.Counts(f.Name, counts)
	out.Outlook(f.Name, report.When(fresh.LastPoll, a.cfg.Location()), unread)
	return counts.Writes, nil
}

// print prints one batch.
func (c *planCmd) print(p *program, plan bridge.Plan) error {
	out := newPrinter(p.out)
	for _, s := range plan.Steps {
		if c.JSON {
			if err := line(p.out, report.StepOf(s)); err != nil {
				return err
			}
			continue
		}
		out.Step(s)
	}
	return nil
}

// files plans files. A record that cannot be read is reported in its place; the others go on.
func (c *planCmd) files(ctx context.Context, p *program) error {
	planners, done, err := c.offline(ctx, p)
	if err != nil {
		return err
	}
	defer done()
	report := fileReport{cmd: c, program: p, out: newPrinter(p.out)}
	names := []string{c.From}
	if c.From != "-" {
		if names, err = jsonFiles(c.From); err != nil {
			return err
		}
		set := ndjson.NewSet(names...)
		defer set.Close()
		planners.Beyond.More, planners.Beyond.Others = set.Find, set.OfAnother
	}
	for _, name := range names {
		if err := report.file(ctx, planners, name); err != nil {
			return err
		}
	}
	return report.end()
}

// offline gives planners with no target. Where there is a configuration and a ledger, the last-synced images are read.
func (c *planCmd) offline(ctx context.Context, p *program) (plan.Files, func(), error) {
	tables, memory, done := (*mapping.Set)(nil), (*ledger.Ledger)(nil), func() {}
	names := map[string]string{"ers": "ers", "fhir": "fhir"}
	modes := map[string]string{"ers": "link", "fhir": "link"}
	systems := map[string]string{"ers": fhir.SystemUBRN, "fhir": ""}
	bases := map[string]string{}
	switch cfg, err := config.Load(p.config, checkSchedule); {
	case errors.Is(err, config.ErrNoFile):
		if tables, err = loadTables("", []byte("offline")); err != nil {
			return plan.Files{}, done, err
		}
	case err != nil:
		return plan.Files{}, done, err
	default:
		for i := len(cfg.Sources) - 1; i >= 0; i-- {
			s := cfg.Sources[i]
			names[s.Kind], modes[s.Kind], systems[s.Kind], bases[s.Kind] = s.Name, s.Patient, s.System, s.BaseURL
		}
		if tables, memory, done, err = p.remembered(ctx, cfg); err != nil {
			return plan.Files{}, done, err
		}
	}
	planner := func(kind string) plan.Planner {
		out := plan.Planner{Flow: names[kind], Tables: tables, Now: p.now, Policy: plan.Policy{
			Patient: plan.PatientMode(modes[kind]), System: systems[kind], Run: "live", Token: []byte("offline")}}
		if memory != nil {
			out.Memory = memory
		}
		return out
	}
	return plan.Files{ERS: planner("ers"), FHIR: planner("fhir"), Beyond: fhir.NewResolver(bases["fhir"])}, done, nil
}

// remembered opens the ledger for reading where there is one.
func (p *program) remembered(ctx context.Context, cfg *config.Config) (*mapping.Set, *ledger.Ledger, func(), error) {
	none := func() {}
	if _, err := os.Stat(cfg.Ledger.Path); errors.Is(err, fs.ErrNotExist) {
		patientKey, err := offlineKey(cfg)
		if err != nil {
			patientKey = []byte("offline") // nothing was created with the real one yet
		}
		tables, err := loadTables(cfg.Tables, patientKey)
		return tables, nil, none, err
	}
	a, err := p.join(ctx, cfg, looking)
	if err != nil {
		return nil, nil, none, err
	}
	return a.tables, a.ledger, a.close, nil
}

// offlineKey gives the key of created accounts. Where no source creates any it is not needed: a folder that init has just
// written can plan files before any secret is there.
func offlineKey(cfg *config.Config) ([]byte, error) {
	for _, s := range cfg.Sources {
		if s.Patient == string(plan.CreateMode) {
			return cfg.Salesforce.PatientKey.Hash()
		}
	}
	return []byte("offline"), nil
}

// jsonFiles lists the files to read, in order; a folder is read with what is below it.
func jsonFiles(from string) ([]string, error) {
	var out []string
	err := filepath.WalkDir(from, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() && (path == from || isJSON(path)) {
			out = append(out, path)
		}
		return err
	})
	if err == nil && len(out) == 0 {
		err = hinted{fmt.Errorf("%s: no .json or .ndjson file in it", from), "give a file, or a folder of FHIR JSON files"}
	}
	sort.Strings(out)
	return out, err
}

func isJSON(path string) bool {
	switch filepath.Ext(path) {
	case ".json", ".ndjson", ".jsonl":
		return true
	}
	return false
}
