package main

import (
	"context"
	"errors"
	"fmt"
	"slices"

	"refbridge/bridge"
	"refbridge/bridge/lane"
	"refbridge/bridge/report"
)

type ledgerCmd struct {
	Rebuild rebuildCmd `cmd:"" help:"Make what the ledger knows anew from Salesforce."`
}

type rebuildCmd struct {
	Source []string `help:"Only this source; may be given several times. Default: all." placeholder:"NAME"`
}

// Help is printed below the flags.
func (rebuildCmd) Help() string {
	return `For a ledger that is older than Salesforce: restored from a backup, cut, or lost. refbridge notices that by itself; this command is for
when you know better.

Nothing is written and nothing is proposed for 13 minutes: a write that was sent before may still take effect. The first sync after
that reads every row under the source's keys, and what people deleted, reads the referrals of e-RS again, and compares both sides. What
differs and may be a person's decision is held and listed. Today's worklist calls count as spent. Nothing is deleted in Salesforce.

Example: refbridge ledger rebuild --source ers

Exit codes: 0 begun, 1 error, 64 usage, 75 another refbridge writes to this ledger.`
}

// Run is the command.
func (c *rebuildCmd) Run(ctx context.Context, p *program) error {
	a, err := p.open(ctx, writing)
	if err != nil {
		return err
	}
	defer a.close()
	for _, name := range c.Source {
		if !slices.ContainsFunc(a.flows, func(f *lane.Flow) bool { return f.Name == name }) {
			return misused(fmt.Sprintf("--source: the configuration has no source %q", name), "name a source as refbridge.yaml does")
		}
	}
	for _, f := range a.flows {
		if len(c.Source) > 0 && !slices.Contains(c.Source, f.Name) {
			continue
		}
		err := f.BeginRebuild(ctx, "an operator asked for it")
		if !errors.Is(err, bridge.ErrHalted) {
			return err
		}
		fmt.Fprintf(p.out, "%s: nothing is written before %s; the first sync after that makes the ledger anew\n",
			f.Name, report.When(p.now().Add(lane.RebuildWait), a.cfg.Location()))
	}
	return nil
}
