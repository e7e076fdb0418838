// Package daemon says when: every lane is polled and synced by its schedule, never two things of one lane at a time. What
// there is to do it does not know: a lane finds its work in the ledger.
package daemon

import (
	"context"
	"errors"
	"log/slog"
	"sync"
	"time"
)

// lane is a flow as the daemon sees it.
type lane interface {
	// Poll asks the source once.
	Poll(ctx context.Context) error
	// Sync works off what is due.
	Sync(ctx context.Context) error
	// LastPoll gives when Poll last ended well; the zero time = never.
	LastPoll(ctx context.Context) (time.Time, error)
}

// Lane is one flow with its two schedules.
type Lane struct {
	Name string
	Flow lane
	Poll Schedule
	Sync Schedule
}

// Daemon runs lanes until its context ends.
type Daemon struct {
	Lanes  []Lane
	Now    func() time.Time
	Logger *slog.Logger
}

// Run works until ctx ends; that is no failure. A job that fails is logged and comes again by its schedule.
func (d *Daemon) Run(ctx context.Context) error {
	var all sync.WaitGroup
	for _, l := range d.Lanes {
		r := &runner{Daemon: d, lane: l, turn: make(chan struct{}, 1)}
		all.Go(func() { r.start(ctx) })
	}
	all.Wait()
	return nil
}

// runner is one lane at work. Its two jobs take turns.
type runner struct {
	*Daemon
	lane Lane
	turn chan struct{} // holds one token; who has it works
}

func (r *runner) start(ctx context.Context) {
	// A poll whose time came while nobody was running is made up for; what it costs is bounded by the ration in the ledger.
	last, err := r.lane.Flow.LastPoll(ctx)
	if err != nil {
		r.Logger.Error("last poll is unknown", "lane", r.lane.Name, "error", err)
	} else if missed := r.lane.Poll.Next(last); last.IsZero() || !missed.IsZero() && missed.Before(r.Now()) {
		r.do(ctx, "poll", r.lane.Flow.Poll)
	}
	r.do(ctx, "sync", r.lane.Flow.Sync)
	var jobs sync.WaitGroup
	jobs.Go(func() { r.repeat(ctx, r.lane.Poll, "poll", r.lane.Flow.Poll) })
	jobs.Go(func() { r.repeat(ctx, r.lane.Sync, "sync", r.lane.Flow.Sync) })
	jobs.Wait()
}

func (r *runner) repeat(ctx context.Context, s Schedule, what string, job func(context.Context) error) {
	for {
		next := s.Next(r.Now())
		if next.IsZero() {
			return
		}
		timer := time.NewTimer(next.Sub(r.Now()))
		select {
		case <-ctx.Done():
			timer.Stop()
			return
		case <-timer.C:
			r.do(ctx, what, job)
		}
	}
}

func (r *runner) do(ctx context.Context, what string, job func(context.Context) error) {
	r.turn <- struct{}{}
	defer func() { <-r.turn }()
	if ctx.Err() != nil {
		return
	}
	began := r.Now()
	err := job(ctx)
	switch {
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
	case err != nil:
		r.Logger.Error(what+" failed", "lane", r.lane.Name, "error", err)
	default:
		r.Logger.Info(what+" done", "lane", r.lane.Name, "took", r.Now().Sub(began).Round(time.Millisecond))
	}
}
