package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"time"

	"refbridge/bridge/lane"
	"refbridge/bridge/source"
	"refbridge/daemon"
	"refbridge/fhir"
)

type syncCmd struct {
	AcceptGone []string `help:"Take what this source does not show or has deleted for gone, however much it is. Look at the source first." placeholder:"NAME"`
	JSON       bool     `name:"json" help:"One JSON object a line."`
}

// Help is printed below the flags.
func (syncCmd) Help() string {
	return `Polls every source once (as far as its ration allows), works off everything that is due, and carries approved changes
back. What cannot be done is held with a reason; refbridge statement lists it.

Where ten records in a row, more than 5 % of a source's live records (and five at least), or all of three or more are not visible
or deleted at once, the source halts and nothing of it is settled: a wrong address looks like this. --accept-gone lets it go on.

Example: refbridge sync

Exit codes: 0 done, 1 error, 64 usage, 75 another refbridge writes to this ledger, 130 interrupted.`
}

// Run is the command.
func (c *syncCmd) Run(ctx context.Context, p *program) error {
	a, err := p.open(ctx, writing)
	if err != nil {
		return err
	}
	defer a.close()
	if err := c.accept(a); err != nil {
		return err
	}
	return p.lanes(ctx, a.flows, c.JSON)
}

// lanes polls and syncs every source, each as a lane of its own: one whose far end hangs delays no other. What came of them is printed in
// the order of the configuration.
func (p *program) lanes(ctx context.Context, flows []*lane.Flow, json bool) error {
	bars, done := p.applying()
	results := make([]laneResult, len(flows))
	var all sync.WaitGroup
	for i, f := range flows {
		all.Go(func() {
			polled := f.Poll(ctx)
			end := bars.follow(f)
			report, err := f.SyncAfter(ctx, polled)
			end()
			results[i] = laneResult{polled, report, err}
		})
	}
	all.Wait()
	done()
	var failed error
	for i, f := range flows {
		if results[i].polled != nil {
			// A poll that fails does not keep what is known already from being synced.
			failed = errors.Join(failed, fmt.Errorf("poll %s: %w", f.Name, results[i].polled))
		}
		failed = errors.Join(failed, p.tell(f, results[i].report, results[i].err, json))
	}
	return failed
}

// laneResult is what came of one lane.
type laneResult struct {
	polled error
	report lane.Report
	err    error
}

// accept lets the named sources lose as many records as they say.
func (c *syncCmd) accept(a *app) error {
	for _, name := range c.AcceptGone {
		i := slices.IndexFunc(a.flows, func(f *lane.Flow) bool { return f.Name == name })
		if i < 0 {
			return misused(fmt.Sprintf("--accept-gone: the configuration has no source %q", name), "name a source as refbridge.yaml does")
		}
		a.flows[i].AcceptGone = true
	}
	return nil
}

// sync works one flow off and prints what came of it.
func (p *program) sync(ctx context.Context, f *lane.Flow, json bool) error {
	bars, done := p.applying()
	end := bars.follow(f)
	report, err := f.Sync(ctx)
	end()
	done()
	return p.tell(f, report, err, json)
}

// tell prints what came of a sync.
func (p *program) tell(f *lane.Flow, report lane.Report, err error, json bool) error {
	if json {
		if err := line(p.out, reportJSON{Flow: f.Name, Report: report}); err != nil {
			return err
		}
	} else {
		fmt.Fprintf(p.out, "%s: %d applied, %d held, %d dead, %d unknown; %d records written; %d carried back\n",
			f.Name, report.Applied, report.Held, report.Dead, report.Unknown, report.Writes, report.StatusBack)
		if report.Divergent > 0 {
			fmt.Fprintf(p.out, "%s: %d changes made in Salesforce are open; refbridge statement lists them\n", f.Name, report.Divergent)
		}
		if report.Refused > 0 {
			fmt.Fprintf(p.out, "%s: the source refused %d of them: the two sides differ until somebody puts one right\n", f.Name, report.Refused)
		}
	}
	if err != nil {
		return fmt.Errorf("sync %s: %w", f.Name, err)
	}
	return nil
}

type reportJSON struct {
	Flow string `json:"flow"`
	lane.Report
}

type runCmd struct{}

// Help is printed below the flags.
func (runCmd) Help() string {
	return `Each source is a lane with two schedules in cron syntax, in the time zone of the configuration (Europe/London).
Stop it with SIGINT or SIGTERM: calls in flight are finished and written down.

Example: refbridge run --verbose

Exit codes: 0 stopped, 1 error, 64 usage, 75 another refbridge writes to this ledger.`
}

// Run is the command.
func (c *runCmd) Run(ctx context.Context, p *program) error {
	a, err := p.open(ctx, writing)
	if err != nil {
		return err
	}
	defer a.close()
	d := daemon.Daemon{Now: p.now, Logger: a.logger}
	for i, f := range a.flows {
		src := a.cfg.Sources[i]
		poll, err := daemon.Parse(src.Poll, a.cfg.Location())
		if err != nil {
			return fmt.Errorf("source %s: poll: %w", src.Name, err)
		}
		sync, err := daemon.Parse(src.Sync, a.cfg.Location())
		if err != nil {
			return fmt.Errorf("source %s: sync: %w", src.Name, err)
		}
		d.Lanes = append(d.Lanes, daemon.Lane{Name: f.Name, Flow: laneOf{f}, Poll: poll, Sync: sync})
	}
	return d.Run(ctx)
}

// laneOf is a flow as the daemon asks for it.
type laneOf struct{ *lane.Flow }

// Sync is Flow.Sync without its report.
func (l laneOf) Sync(ctx context.Context) error {
	_, err := l.Flow.Sync(ctx)
	return err
}

type retryCmd struct {
	UBRN string `arg:"" optional:"" name:"ubrn" help:"The UBRN, or Type/id of a FHIR resource."`
	All  bool   `help:"Everything that is held or unknown."`
	JSON bool   `name:"json" help:"One JSON object a line."`
}

// Help is printed below the flags.
func (retryCmd) Help() string {
	return `Opens what is held, dead or unknown again and works it off at once, without polling.

Example: refbridge retry 000000070001

Exit codes: 0 tried (see what became of it), 1 error or nothing to retry, 64 usage, 75 ledger in use, 130 interrupted.`
}

// Run is the command.
func (c *retryCmd) Run(ctx context.Context, p *program) error {
	if (c.UBRN == "") == !c.All {
		return misused("retry takes one UBRN, or --all", "refbridge retry 000000070001")
	}
	a, err := p.open(ctx, writing)
	if err != nil {
		return err
	}
	defer a.close()
	opened := 0
	failed := forEach(a.flows, func(f *lane.Flow) error {
		n, err := c.reopen(ctx, a, f)
		if opened += n; n == 0 || err != nil {
			return err
		}
		return p.sync(ctx, f, c.JSON)
	})
	if failed != nil {
		return failed
	}
	if opened == 0 {
		return hinted{errors.New("nothing to retry"), "refbridge statement lists what is held"}
	}
	return nil
}

// forEach does the same for each of several, whatever becomes of the others.
func forEach[T any](all []T, do func(T) error) error {
	var failed error
	for _, one := range all {
		failed = errors.Join(failed, do(one))
	}
	return failed
}

func (c *retryCmd) reopen(ctx context.Context, a *app, f *lane.Flow) (int, error) {
	if c.All {
		return f.ReopenHeld(ctx)
	}
	ref, err := a.reference(ctx, f.Name, c.UBRN)
	if err != nil {
		return 0, err
	}
	return a.ledger.Reopen(ctx, f.Name, ref)
}

type backfillCmd struct {
	UBRNs  string    `name:"ubrns" help:"A file with one UBRN a line (e-RS)." placeholder:"FILE"`
	From   time.Time `help:"Bring in what changed from this day on (FHIR servers)." format:"2006-01-02" placeholder:"DATE"`
	To     time.Time `help:"Up to and without this day; default: up to now." format:"2006-01-02" placeholder:"DATE"`
	Source string    `help:"The source by name, where several could be meant." placeholder:"NAME"`
	JSON   bool      `name:"json" help:"One JSON object a line."`
}

// Help is printed below the flags.
func (backfillCmd) Help() string {
	return `Records that a backfill creates carry Bridge_Run__c = backfill, so that automations of the org can tell them from
live ones and stay quiet. UBRNs are read from e-RS one by one (A005); no worklist ration is spent.

Example: refbridge backfill --ubrns ubrns.txt
         refbridge backfill --from 2026-01-01 --to 2026-04-01

Exit codes: 0 done, 1 error, 64 usage, 75 another refbridge writes to this ledger, 130 interrupted.`
}

// Run is the command.
func (c *backfillCmd) Run(ctx context.Context, p *program) error {
	if (c.UBRNs == "") == c.From.IsZero() || c.UBRNs != "" && !c.To.IsZero() {
		return misused("backfill takes --ubrns, or --from", "refbridge backfill --help shows both")
	}
	if c.UBRNs == "" && !c.To.IsZero() && !c.To.After(c.From) {
		return misused("--to is not after --from", "--from 2026-01-01 --to 2026-02-01 is January")
	}
	a, err := p.open(ctx, writing)
	if err != nil {
		return err
	}
	defer a.close()
	f, err := c.flow(a)
	if err != nil {
		return err
	}
	if server, ok := f.Poller.(*source.FHIRServer); ok {
		err = f.Window(ctx, server, dayIn(c.From, a.cfg.Location()), c.until(p, a.cfg.Location()))
	} else {
		err = c.sight(ctx, f)
	}
	if err != nil {
		return fmt.Errorf("backfill %s: %w", f.Name, err)
	}
	return p.sync(ctx, f, c.JSON)
}

// until returns the end of the period that is asked for: now, unless a day is named.
func (c *backfillCmd) until(p *program, zone *time.Location) time.Time {
	if c.To.IsZero() {
		return p.now()
	}
	return dayIn(c.To, zone)
}

// dayIn returns when a day of a flag, which knows no zone, begins in a zone.
func dayIn(day time.Time, zone *time.Location) time.Time {
	return time.Date(day.Year(), day.Month(), day.Day(), 0, 0, 0, 0, zone)
}

// flow gives the one source that is meant: of kind ers for UBRNs, of kind fhir for a period.
func (c *backfillCmd) flow(a *app) (*lane.Flow, error) {
	kind := "fhir"
	if c.UBRNs != "" {
		kind = "ers"
	}
	var found []*lane.Flow
	for i, f := range a.flows {
		if a.cfg.Sources[i].Kind == kind && (c.Source == "" || c.Source == f.Name) {
			found = append(found, f)
		}
	}
	switch len(found) {
	case 1:
		return found[0], nil
	case 0:
		return nil, fmt.Errorf("the configuration has no such source of kind %s", kind)
	}
	return nil, misused(fmt.Sprintf("there are %d sources of kind %s", len(found), kind), "say which one with --source NAME")
}

func (c *backfillCmd) sight(ctx context.Context, f *lane.Flow) error {
	refs, err := readUBRNs(c.UBRNs)
	if err != nil {
		return err
	}
	if err := f.Mark(ctx, refs, "backfill"); err != nil {
		return err
	}
	return f.Sight(ctx, refs)
}

// readUBRNs reads one UBRN a line; spaces inside are taken out, empty lines and # comments are passed over.
func readUBRNs(name string) ([]fhir.Reference, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	var refs []fhir.Reference
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		text := strings.ReplaceAll(strings.TrimSpace(lines.Text()), " ", "")
		if text == "" || strings.HasPrefix(text, "#") {
			continue
		}
		if !isUBRN(text) {
			return nil, hinted{fmt.Errorf("%s:%d: not a UBRN", name, n), "twelve digits, leading zeros included"}
		}
		refs = append(refs, fhir.Reference{Type: "ReferralRequest", ID: text})
	}
	return refs, lines.Err()
}
