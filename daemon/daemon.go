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
	last, err := r.lane.Flow.LastPoll(ctx)
	if err != nil {
		r.Logger.Error("last poll is unknown", "lane", r.lane.Name, "error", err)
	} else if missed(r.lane.Poll, last, r.wall()) {
		r.do(ctx, "poll", r.lane.Flow.Poll)
	}
	r.do(ctx, "sync", r.lane.Flow.Sync)
	var jobs sync.WaitGroup
	jobs.Go(func() { r.repeat(ctx, r.lane.Poll, "poll", r.lane.Flow.Poll) })
	jobs.Go(func() { r.repeat(ctx, r.lane.Sync, "sync", r.lane.Flow.Sync) })
	jobs.Wait()
}

// missed reports whether a poll's time came while nobody was running. It is made up for once; what that costs is bounded by the ration in
// the ledger.
func missed(s Schedule, last, now time.Time) bool {
	next := s.Next(last)
	return last.IsZero() || !next.IsZero() && next.Before(now)
}

const (
	// lookEvery is how long a job sleeps at most before it looks at the clock again. A timer counts the time that the machine is awake:
	// after a suspended night, or a jump of the clock, it alone would come late by the jump.
	lookEvery = time.Minute
	// setBack is how far the clock may step back without a new count. A correction of seconds must not bring an instant twice that
	// was served; a clock that had been wrong by more must not keep a lane waiting for it.
	setBack = time.Hour
)

// turn is when a job runs next.
type turn struct {
	from time.Time // the first instant after it is the job's
	at   time.Time // zero: never
}

// nextTurn returns the turn after an instant: that of the last turn, or of the start. wait is how long to sleep before asking again;
// not above 0: it is time.
func nextTurn(s Schedule, from, now time.Time) (t turn, wait time.Duration) {
	if from.Sub(now) > setBack {
		from = now
	}
	t = turn{from: from, at: s.Next(from)}
	return t, min(t.at.Sub(now), lookEvery)
}

// served returns from when the turn after this one is counted, once its job has ended. Instants that passed meanwhile are not made up for.
func (t turn) served(now time.Time) time.Time {
	if now.Before(t.at) {
		return t.at
	}
	return now
}

func (r *runner) repeat(ctx context.Context, s Schedule, what string, job func(context.Context) error) {
	for from := r.wall(); ctx.Err() == nil; {
		t, wait := nextTurn(s, from, r.wall())
		if t.at.IsZero() {
			return
		}
		from = t.from
		if wait > 0 {
			sleep(ctx, wait)
			continue
		}
		r.do(ctx, what, job)
		from = t.served(r.wall())
	}
}

// wall returns the time of day alone. With the reading of the timer that time.Now adds, a difference would be that of the time that the
// machine was awake.
func (r *runner) wall() time.Time { return r.Now().Round(0) }

// sleep waits, or until ctx ends.
func sleep(ctx context.Context, d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
	case <-timer.C:
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
