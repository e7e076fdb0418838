package daemon

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// flow counts what is asked of it and notices when two jobs overlap.
type flow struct {
	polls, syncs, busy, overlaps atomic.Int32
	takes                        time.Duration
	last                         time.Time
	fails                        error
}

func (f *flow) work(n *atomic.Int32) error {
	if f.busy.Add(1) > 1 {
		f.overlaps.Add(1)
	}
	time.Sleep(f.takes)
	f.busy.Add(-1)
	n.Add(1)
	return f.fails
}

func (f *flow) Poll(context.Context) error                  { return f.work(&f.polls) }
func (f *flow) Sync(context.Context) error                  { return f.work(&f.syncs) }
func (f *flow) LastPoll(context.Context) (time.Time, error) { return f.last, nil }
func quiet() *slog.Logger                                   { return slog.New(slog.NewTextHandler(io.Discard, nil)) }
func run(t *testing.T, f *flow, poll, sync string, d time.Duration) {
	t.Helper()
	p, err := Parse(poll, time.UTC)
	require.NoError(t, err)
	s, err := Parse(sync, time.UTC)
	require.NoError(t, err)
	ctx, stop := context.WithTimeout(t.Context(), d)
	defer stop()
	daemon := Daemon{Lanes: []Lane{{Name: "ers", Flow: f, Poll: p, Sync: s}}, Now: time.Now, Logger: quiet()}
	require.NoError(t, daemon.Run(ctx))
}

func TestALaneIsPolledAndSyncedByItsSchedules(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flow{last: time.Now()}
		run(t, f, "0 7,13 * * *", "*/10 * * * *", 24*time.Hour+time.Minute)
		assert.EqualValues(t, 2, f.polls.Load())
		assert.EqualValues(t, 24*6+1, f.syncs.Load(), "every ten minutes, and once at the start")
	})
}

func TestAPollWhoseTimeCameWhileNobodyRanIsMadeUpForOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flow{last: time.Now().Add(-72 * time.Hour)}
		run(t, f, "0 7 * * *", "@every 1h", time.Hour)
		assert.EqualValues(t, 1, f.polls.Load())
	})
}

func TestJobsOfOneLaneNeverOverlapAndAFailureDoesNotEndTheLane(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flow{takes: 25 * time.Minute, fails: errors.New("the source is down")}
		run(t, f, "*/10 * * * *", "*/10 * * * *", 6*time.Hour)
		assert.Zero(t, f.overlaps.Load())
		assert.Greater(t, f.polls.Load()+f.syncs.Load(), int32(10))
	})
}

func TestAStopEndsTheDaemonWithoutAnError(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		s, err := Parse("@hourly", time.UTC)
		require.NoError(t, err)
		done := make(chan error, 1)
		go func() {
			d := Daemon{Lanes: []Lane{{Name: "ers", Flow: &flow{}, Poll: s, Sync: s}}, Now: time.Now, Logger: quiet()}
			done <- d.Run(ctx)
		}()
		synctest.Wait()
		stop()
		require.NoError(t, <-done)
	})
}
