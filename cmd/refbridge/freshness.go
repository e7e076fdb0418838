package main

import (
	"context"
	"fmt"
	"io"
	"time"

	"refbridge/bridge/lane"
	"refbridge/bridge/source"
	"refbridge/daemon"
)

// freshJSON says how old what is known of one source is.
type freshJSON struct {
	Source       string    `json:"source"`
	LastPoll     time.Time `json:"lastPoll,omitzero"` // that ended well; absent: never
	LastSync     time.Time `json:"lastSync,omitzero"`
	FailingSince time.Time `json:"failingSince,omitzero"`
	Failure      string    `json:"failure,omitempty"`
	Overdue      bool      `json:"overdue"`
	Notices      []string  `json:"notices,omitempty"` // what is odd about its answers
}

// freshness returns how old what the ledger holds of each source is, by the schedules of the configuration.
func (a *app) freshness(ctx context.Context, now time.Time) ([]freshJSON, error) {
	out := []freshJSON{}
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
		out = append(out, freshJSON{Source: src.Name, LastPoll: fresh.LastPoll, LastSync: fresh.LastSync,
			FailingSince: fresh.Failing, Failure: fresh.Failure, Overdue: fresh.Overdue(polls.Next, now), Notices: odd})
	}
	return out, nil
}

// printFreshness prints a line a source, and below it what keeps it from being read.
func (a *app) printFreshness(w io.Writer, sources []freshJSON) {
	for _, s := range sources {
		text := "never polled"
		if !s.LastPoll.IsZero() {
			text = "last polled " + a.when(s.LastPoll)
		}
		if s.Overdue {
			text += ", OVERDUE: what has changed at the source since is not here"
		}
		fmt.Fprintln(w, wrap(s.Source+": "+text, 2))
		if !s.FailingSince.IsZero() {
			fmt.Fprintf(w, "  %s\n", wrap("not readable since "+a.when(s.FailingSince)+": "+s.Failure, 4))
		}
		for _, odd := range s.Notices {
			fmt.Fprintf(w, "  %s\n", wrap(odd, 4))
		}
	}
}

// when prints a moment in the time zone of the configuration, with its name.
func (a *app) when(t time.Time) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(a.cfg.Location()).Format("2 Jan 2006 15:04 MST")
}
