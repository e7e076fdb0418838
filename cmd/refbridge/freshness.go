package main

import (
	"context"
	"fmt"
	"time"

	"refbridge/bridge/lane"
	"refbridge/bridge/report"
	"refbridge/bridge/source"
	"refbridge/daemon"
)

// freshness returns how old what the ledger holds of each source is, by the schedules of the configuration.
func (a *app) freshness(ctx context.Context, now time.Time) ([]report.Freshness, error) {
	out := []report.Freshness{}
	for _, src := range a.cfg.Sources {
		fresh, err := lane.FreshnessOf(ctx, a.ledger, src.Name)
		if err != nil {
			return nil, err
		}
		polls, err := daemon.Parse(src.Poll, a.cfg.Location())
		if err != nil {
			return nil, fmt.Errorf("source %s: poll: %w", src.Name, err)
		}
		odd, err := source.NoticesOf(ctx, a.ledger, src.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, report.Freshness{Source: src.Name, LastPoll: fresh.LastPoll, LastSync: fresh.LastSync,
			FailingSince: fresh.Failing, Failure: fresh.Failure, Overdue: fresh.Overdue(polls.Next, now), Notices: odd})
	}
	return out, nil
}
