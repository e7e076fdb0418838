package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"sync/atomic"
	"time"

	"refbridge/bridge"
	"refbridge/bridge/report"
	"refbridge/config"
	"refbridge/ers/erssim"
	"refbridge/fhir/fhirsim"
	"refbridge/sfdc/sfdcsim"
)

const (
	demoDir     = "refbridge-demo"
	demoMarker  = "made-by-refbridge-demo"
	demoDiffs   = 3  // steps of the plan that are printed in full
	demoHeld    = 12 // held records that are listed in full
	demoPeriods = 24 * time.Hour
)

type demoCmd struct {
	Exit      bool `help:"End after the report; otherwise the simulators go on until interrupted."`
	JSON      bool `name:"json" help:"End with the report as one JSON object on the last line."`
	Referrals int  `default:"200" help:"How many referrals: three quarters from e-RS, the rest from a FHIR server." placeholder:"N"`
}

// Help is printed below the flags.
func (demoCmd) Help() string {
	return `Starts simulators of e-RS, of a FHIR server and of Salesforce on this machine and does the main job against them over
HTTP: polls, prints the plan, applies it, syncs changes, carries a status back, breaks Salesforce and repairs it. All
people in it are synthetic. What it remembers is in ./refbridge-demo, made anew each time.

Example: refbridge demo --exit --json

Exit codes: 0 the report is as it must be, 1 it is not, or an error, 64 usage.`
}

// demoReport is counted where it happened: versions in the ledger, writes, duplicates and operations in the simulators' own
// stores.
type demoReport struct {
	Observed          int  `json:"observed"`
	Applied           int  `json:"applied"`
	Superseded        int  `json:"superseded"`
	Held              int  `json:"held"`
	Dead              int  `json:"dead"`
	Unknown           int  `json:"unknown"`
	Pending           int  `json:"pending"`
	SecondSyncWrites  int  `json:"secondSyncWrites"`
	Duplicates        int  `json:"duplicates"`
	Balanced          bool `json:"balanced"`
	StatusWrittenBack int  `json:"statusWrittenBack"`
	SalesforceCalls   int  `json:"salesforceCalls"`
	ERSCalls          int  `json:"ersCalls"`
}

func (r demoReport) good() bool {
	return r.Balanced && r.Pending == 0 && r.SecondSyncWrites == 0 && r.Duplicates == 0 && r.StatusWrittenBack == 1
}

// demo is the world: three far ends, one virtual day, and refbridge between them.
type demo struct {
	*program
	cmd    *demoCmd
	shift  atomic.Int64 // the virtual day: added to the real clock, for refbridge and for the simulators alike
	ers    *erssim.Server
	fhir   *fhirsim.Server
	org    *sfdcsim.Server
	app    *app
	out    report.Printer
	report demoReport
}

// Run is the command.
func (c *demoCmd) Run(ctx context.Context, p *program) error {
	d := &demo{program: p, cmd: c, out: newPrinter(p.out)}
	real := p.now
	p.now = func() time.Time { return real().Add(time.Duration(d.shift.Load())) }
	ctx, stop := context.WithCancel(ctx)
	defer stop()
	if err := d.start(ctx); err != nil {
		return err
	}
	defer d.app.close()
	for _, part := range []func(context.Context) error{
		d.poll, d.plan, d.apply, d.again, d.timePasses, d.coordinator, d.breakage, d.sums,
	} {
		if err := part(ctx); err != nil {
			return err
		}
	}
	return d.end(ctx)
}

func (d *demo) say(format string, a ...any) { fmt.Fprintf(d.program.out, format+"\n", a...) }

func (d *demo) title(text string) { d.say("\n%s", d.out.Paint("1", "== "+text)) }

// poll asks every source once; what they say is in the ledger before anything else happens with it.
func (d *demo) poll(ctx context.Context) error {
	d.title("Poll: what do the sources say?")
	for _, f := range d.app.flows {
		if err := f.Poll(ctx); err != nil {
			return fmt.Errorf("poll %s: %w", f.Name, err)
		}
	}
	s, err := d.app.ledger.Statement(ctx)
	if err != nil {
		return err
	}
	d.say("%d records observed and written down", s.Observed)
	return nil
}

// plan is a dry run by an app of its own, whose ledger is read-only and whose transports refuse every change.
func (d *demo) plan(ctx context.Context) error {
	d.title("Plan: a dry run, nothing is changed")
	a, err := d.open(ctx, planning)
	if err != nil {
		return err
	}
	defer a.close()
	before := d.org.Writes()
	var shown []*bridge.Step
	for _, f := range a.flows {
		var counts bridge.Counts
		err := f.Plan(ctx, 0, func(batch bridge.Plan) error {
			counts.Add(batch.Counts())
			shown = append(shown, changing(batch.Steps, demoDiffs-len(shown))...)
			return nil
		})
		if err != nil {
			return fmt.Errorf("plan %s: %w", f.Name, err)
		}
		d.out.Counts(f.Name, counts)
	}
	d.say("\nThe first %d in full (+ create, ~ update; field, value, rule):\n", len(shown))
	for _, s := range shown {
		d.out.Step(s)
	}
	if n := d.org.Writes() - before; n != 0 {
		return fmt.Errorf("the dry run wrote %d records", n)
	}
	return nil
}

// changing returns the first n steps that change something.
func changing(steps []*bridge.Step, n int) []*bridge.Step {
	var out []*bridge.Step
	for _, s := range steps {
		if len(out) < n && s.Changes() {
			out = append(out, s)
		}
	}
	return out
}

func (d *demo) apply(ctx context.Context) error {
	d.title("Apply")
	return d.sync(ctx)
}

func (d *demo) sync(ctx context.Context) error {
	for _, f := range d.app.flows {
		if err := d.program.sync(ctx, f, false); err != nil {
			return err
		}
	}
	return nil
}

// again: the next day everything is read once more. Versions that moved without a change of content write nothing.
func (d *demo) again(ctx context.Context) error {
	d.title("The next day, nothing has happened: the second sync writes nothing")
	d.shift.Add(int64(demoPeriods))
	d.ers.Evolve(erssim.Changes{InternalBumps: 8})
	d.fhir.Evolve(fhirsim.Changes{VersionBumps: 3})
	before := d.org.Writes()
	if err := d.pollAndSync(ctx); err != nil {
		return err
	}
	d.report.SecondSyncWrites = d.org.Writes() - before
	d.say("writes counted by Salesforce itself: %d", d.report.SecondSyncWrites)
	return nil
}

func (d *demo) pollAndSync(ctx context.Context) error {
	for _, f := range d.app.flows {
		if err := f.Poll(ctx); err != nil {
			return fmt.Errorf("poll %s: %w", f.Name, err)
		}
	}
	return d.sync(ctx)
}

func (d *demo) timePasses(ctx context.Context) error {
	d.title("Time passes: bookings, cancellations, triage outcomes")
	d.shift.Add(int64(demoPeriods))
	for _, e := range d.ers.Evolve(erssim.Changes{Bookings: 6, Cancellations: 6, TriageOutcomes: 4, NotAttended: 2}) {
		d.say("  e-RS %s  %s: %s", e.UBRN, e.Change, e.State)
	}
	moved := d.fhir.Evolve(fhirsim.Changes{StatusChanges: 3, Moves: 3, Cancellations: 2})
	d.say("  FHIR server: %d statuses, %d moved and %d cancelled appointments", moved.StatusChanges, moved.Moves, moved.Cancellations)
	return d.pollAndSync(ctx)
}

// coordinator: a person cancels a referral in Health Cloud; e-RS is told by A036 with If-Match.
func (d *demo) coordinator(ctx context.Context) error {
	d.title("A coordinator cancels a referral in Health Cloud")
	ubrn, err := d.bookedReferral()
	if err != nil {
		return err
	}
	err = d.org.Edit("ClinicalServiceRequest", "ers.sr."+ubrn, map[string]any{
		"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"})
	if err != nil {
		return fmt.Errorf("edit as coordinator: %w", err)
	}
	if err := d.sync(ctx); err != nil {
		return err
	}
	for _, o := range d.ers.Report().Operations {
		d.say("e-RS took %s on %s: version %d became %d", o.Name, o.UBRN, o.Before, o.After)
	}
	return d.sync(ctx) // and reads back what became of it
}

// bookedReferral gives a referral that is booked at e-RS and stands in Salesforce.
func (d *demo) bookedReferral() (string, error) {
	there := map[any]bool{}
	for _, row := range d.org.Rows("ClinicalServiceRequest") {
		there[row["Bridge_Key__c"]] = true
	}
	for _, r := range d.ers.Referrals() {
		if r.State == "BOOKED" && !r.Sensitive && !r.MovedOn && there["ers.sr."+r.UBRN] {
			return r.UBRN, nil
		}
	}
	return "", errors.New("the simulated e-RS has no booked referral that Salesforce knows")
}

// breakage: rows are locked and a validation rule appears; what it hits is held with the reason, the rest goes on.
func (d *demo) breakage(ctx context.Context) error {
	d.title("Salesforce breaks for a moment: row locks, and a new validation rule")
	d.shift.Add(int64(demoPeriods))
	err := errors.Join(
		d.org.Break(sfdcsim.Fault{Kind: sfdcsim.Lock, Object: "ClinicalServiceRequest", Every: 4}),
		d.org.Break(sfdcsim.Fault{Kind: sfdcsim.Rule, Object: "ServiceAppointment", Field: "Status", Equals: "Canceled",
			Message: "A cancelled appointment needs an outcome form."}))
	if err != nil {
		return err
	}
	d.ers.Evolve(erssim.Changes{Bookings: 5, Cancellations: 5, TriageOutcomes: 3})
	if err := d.pollAndSync(ctx); err != nil {
		return err
	}
	if err := d.listHeld(ctx, codesOfBreakage()); err != nil {
		return err
	}
	d.title("Repaired: what was held is tried again")
	d.org.Repair()
	for _, f := range d.app.flows {
		if _, err := f.ReopenHeld(ctx); err != nil {
			return err
		}
	}
	return d.sync(ctx)
}

func codesOfBreakage() []string { return []string{"salesforce-transient", "salesforce-validation"} }

func (d *demo) end(ctx context.Context) error {
	if d.cmd.JSON {
		if err := line(d.program.out, d.report); err != nil {
			return err
		}
	}
	if !d.report.good() {
		return errors.New("the demo's report is not as it must be: see the sums above")
	}
	if d.cmd.Exit {
		return nil
	}
	d.say("\nThe simulators go on until you stop them (Ctrl-C). In another terminal:")
	d.say("  refbridge statement -c %s", filepath.Join(demoDir, "refbridge.yaml"))
	<-ctx.Done()
	return nil
}

// open joins refbridge from the demo's own configuration file, as every command does.
func (d *demo) open(ctx context.Context, a access) (*app, error) {
	cfg, err := config.Load(filepath.Join(demoDir, "refbridge.yaml"), checkSchedule)
	if err != nil {
		return nil, err
	}
	return d.program.join(ctx, cfg, a)
}

// freshDir makes ./refbridge-demo anew; it removes only what a demo made.
func freshDir() error {
	if entries, err := os.ReadDir(demoDir); err == nil && len(entries) > 0 {
		if _, err := os.Stat(filepath.Join(demoDir, demoMarker)); err != nil {
			return hinted{fmt.Errorf("./%s is there and was not made by a demo", demoDir), "move it away, or run the demo elsewhere"}
		}
	}
	if err := os.RemoveAll(demoDir); err != nil {
		return err
	}
	if err := os.MkdirAll(demoDir, 0o700); err != nil {
		return err
	}
	return os.WriteFile(filepath.Join(demoDir, demoMarker), nil, 0o600)
}
