package main

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"time"

	"refbridge/bridge/back"
	"refbridge/bridge/plan"
	"refbridge/bridge/report"
	"refbridge/ledger"
)

type statementCmd struct {
	JSON bool `name:"json" help:"One JSON object."`
}

// Help is printed below the flags.
func (statementCmd) Help() string {
	return `Every version that was ever observed is in exactly one place: applied, superseded, held, dead, unknown or pending. The
statement counts them, checks the sums and the ledger's own hashes, and lists first what the sources have deleted, then what
they changed of patients in the last week whose Accounts refbridge does not own, then what is held, dead or unknown, with reasons.
New in live data is what the sources have sent lately and the tables, as they are now, do not account for: elements and
extensions that no rule reads and no drop names, and codes that their value table does not list, whatever it does with them. It
is looked for in at most 2000 bodies of each source: of those that the ledger still keeps the newest thousand, and a thousand spread
over the older ones. What is in the oldest of them too, or so rare that nobody can tell since when, is counted only. Works beside a
running daemon.

A source is overdue when its schedule called for a poll and none has ended well since, half an interval later (15 minutes at
least, two hours at most). What was not read is in no sum.

Example: refbridge statement --json

Exit codes: 0 the sums balance, 1 they do not, or an error, 4 they balance and a source is overdue, 64 usage.`
}

// keptFor is how long the statement lists what the source changed of a patient whose Account is left to its owner.
const keptFor = 7 * 24 * time.Hour

// Run is the command.
func (c *statementCmd) Run(ctx context.Context, p *program) error {
	a, err := p.open(ctx, looking)
	if err != nil {
		return err
	}
	defer a.close()
	return a.statement(ctx, p, c.JSON)
}

func (a *app) statement(ctx context.Context, p *program, json bool) error {
	s, err := a.ledger.Statement(ctx)
	if err != nil {
		return err
	}
	gone, err := a.ledger.Gone(ctx)
	if err != nil {
		return err
	}
	kept, err := a.ledger.Noted(ctx, plan.CodePatientKept, p.now().Add(-keptFor))
	if err != nil {
		return err
	}
	open, err := a.ledger.Entries(ctx, ledger.Filter{Fates: []ledger.Fate{ledger.Held, ledger.Dead, ledger.Unknown}})
	if err != nil {
		return err
	}
	for i := range open {
		if err := a.recall(ctx, &open[i]); err != nil {
			return err
		}
	}
	back, err := a.differing(ctx)
	if err != nil {
		return err
	}
	unresolved, err := a.ledger.Unresolved(ctx)
	if err != nil {
		return err
	}
	sources, err := a.freshness(ctx, p.now())
	if err != nil {
		return err
	}
	live, damaged := a.live(ctx, p) // of a damaged ledger the counts are told all the same
	if json {
		j := report.StatementOf(s, open, back)
		j.Gone, j.PatientsKept = report.EntriesOf(gone), report.EntriesOf(kept)
		j.Live, j.Sources, j.InDoubt = live, sources, report.DoubtsOf(unresolved)
		err = line(p.out, j)
	} else {
		report.PrintListed(p.out, "deleted at the source; marked in Salesforce, not deleted:", gone)
		report.PrintListed(p.out, "patients whom the source changed in the last week; their Accounts are not refbridge's to change:", kept)
		report.PrintOpen(p.out, open, back)
		report.PrintDoubts(p.out, report.DoubtsOf(unresolved))
		newPrinter(p.out).Live(live)
		report.PrintStatement(p.out, s)
		report.PrintFreshness(p.out, a.cfg.Location(), sources)
	}
	if err == nil {
		err = cmp.Or(a.ledger.Verify(ctx), damaged)
	}
	switch {
	case err == nil && !s.Balanced():
		return errors.New("the statement does not balance: the ledger has lost count of a version")
	case err == nil && slices.ContainsFunc(sources, func(f report.Freshness) bool { return f.Overdue }):
		return exit(exitOverdue)
	}
	return err
}

// differing lists the changes in Salesforce that did not get to their sources, of all sources.
func (a *app) differing(ctx context.Context) (out []ledger.Writeback, err error) {
	for _, src := range a.cfg.Sources {
		b, err := back.Differing(ctx, a.ledger, src.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}
