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
	fails, unknown               error
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
func (f *flow) LastPoll(context.Context) (time.Time, error) { return f.last, f.unknown }
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

func TestAPollIsMissedWhenItsTimeCameWhileNobodyRan(t *testing.T) {
	for _, c := range []struct {
		name, spec, last, now string
		want                  bool
	}{
		{"never polled", "0 7 * * *", "", "2026-06-02T06:00:00Z", true},
		{"its time came yesterday", "0 7 * * *", "2026-06-01T06:00:00Z", "2026-06-02T06:00:00Z", true},
		{"polled since", "0 7 * * *", "2026-06-01T07:00:00Z", "2026-06-02T06:00:00Z", false},
		{"its time is now: the schedule does it", "0 7 * * *", "2026-06-01T07:00:00Z", "2026-06-02T07:00:00Z", false},
		{"a second ago", "0 7 * * *", "2026-06-01T07:00:00Z", "2026-06-02T07:00:01Z", true},
		{"polled by a clock that was ahead", "0 7 * * *", "2026-06-03T07:00:00Z", "2026-06-02T08:00:00Z", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Parse(c.spec, time.UTC)
			require.NoError(t, err)
			var last time.Time
			if c.last != "" {
				last = at(t, c.last)
			}
			assert.Equal(t, c.want, missed(s, last, at(t, c.now)))
		})
	}
	assert.False(t, missed(never{}, time.Unix(1, 0), time.Unix(2, 0)), "a schedule that never comes is not missed")
	assert.True(t, missed(never{}, time.Time{}, time.Unix(2, 0)), "but a source that was never polled is polled once")
}

// never is a schedule that does not come.
type never struct{}

func (never) Next(time.Time) time.Time { return time.Time{} }

func TestWhenAJobRunsNextWhateverTheClockDoes(t *testing.T) {
	for _, c := range []struct {
		name, spec, from, now string
		at                    string
		wait                  time.Duration
	}{
		{"far away: it looks again in a minute", "10 7 * * *", "2026-06-01T08:00:00Z", "2026-06-01T09:00:00Z", "2026-06-02T07:10:00Z", time.Minute},
		{"near", "10 7 * * *", "2026-06-01T08:00:00Z", "2026-06-02T07:09:30Z", "2026-06-02T07:10:00Z", 30 * time.Second},
		{"it is time", "10 7 * * *", "2026-06-01T08:00:00Z", "2026-06-02T07:10:00Z", "2026-06-02T07:10:00Z", 0},
		{"the machine slept for three hours", "10 7 * * *", "2026-06-01T08:00:00Z", "2026-06-02T10:10:00Z", "2026-06-02T07:10:00Z", -3 * time.Hour},
		{"just served, and the clock stepped back 2 s", "10 7 * * *", "2026-06-02T07:10:00Z", "2026-06-02T07:09:58Z", "2026-06-03T07:10:00Z", time.Minute},
		{"an hour back is a correction still", "10 7 * * *", "2026-06-02T07:10:00Z", "2026-06-02T06:10:00Z", "2026-06-03T07:10:00Z", time.Minute},
		{"the clock had been a year ahead", "10 7 * * *", "2027-06-02T07:10:00Z", "2026-06-02T07:00:00Z", "2026-06-02T07:10:00Z", time.Minute},
		{"every ten minutes", "@every 10m", "2026-06-02T07:00:00Z", "2026-06-02T07:09:59Z", "2026-06-02T07:10:00Z", time.Second},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Parse(c.spec, time.UTC)
			require.NoError(t, err)
			next, wait := nextTurn(s, at(t, c.from), at(t, c.now))
			assert.Equal(t, c.at, next.at.Format(time.RFC3339))
			assert.Equal(t, c.wait, wait)
		})
	}
}

func TestATurnIsServedOnceAndWhatPassedMeanwhileIsNotMadeUpFor(t *testing.T) {
	done := turn{at: at(t, "2026-06-02T07:10:00Z")}
	for name, c := range map[string]struct{ now, want string }{
		"the job took a second":    {"2026-06-02T07:10:01Z", "2026-06-02T07:10:01Z"},
		"the job took two hours":   {"2026-06-02T09:10:00Z", "2026-06-02T09:10:00Z"},
		"the clock stepped back":   {"2026-06-02T07:09:58Z", "2026-06-02T07:10:00Z"},
		"it took no time at all":   {"2026-06-02T07:10:00Z", "2026-06-02T07:10:00Z"},
		"the clock was a day fast": {"2026-06-01T07:10:00Z", "2026-06-02T07:10:00Z"}, // nextTurn then counts anew
	} {
		assert.Equal(t, c.want, done.served(at(t, c.now)).Format(time.RFC3339), name)
	}
}

// movedClock is the clock of the test's bubble plus what a step has added.
type movedClock struct{ offset atomic.Int64 }

func (c *movedClock) now() time.Time { return time.Now().Add(time.Duration(c.offset.Load())) }

func TestFinding_code_T12_AClockThatStepsBackAroundAScheduleDoesNotRunItTwice(t *testing.T) {
	for name, c := range map[string]struct{ after, by time.Duration }{
		"just before":       {59*time.Minute + 59*time.Second, 2 * time.Second},
		"while it is at it": {time.Hour + 5*time.Second, 30 * time.Second},
		"just after":        {time.Hour + 10*time.Second, 11 * time.Second},
	} {
		synctest.Test(t, func(t *testing.T) { // bubbles begin at midnight
			var clock movedClock
			f := &flow{last: time.Now().Add(24 * time.Hour), takes: 10 * time.Second}
			poll, err := Parse("0 1 * * *", time.UTC)
			require.NoError(t, err)
			ctx, stop := context.WithTimeout(t.Context(), 2*time.Hour)
			defer stop()
			step := time.AfterFunc(c.after, func() { clock.offset.Store(-int64(c.by)) })
			defer step.Stop()
			d := Daemon{Lanes: []Lane{{Name: "ers", Flow: f, Poll: poll, Sync: never{}}}, Now: clock.now, Logger: quiet()}
			require.NoError(t, d.Run(ctx))
			assert.EqualValues(t, 1, f.polls.Load(), name)
		})
	}
}

func TestFinding_doubt_C17_AScheduleIsInTimeAfterTheClockHasJumped(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var c movedClock
		f := &flow{last: time.Now().Add(24 * time.Hour)}
		poll, err := Parse("0 7 * * *", time.UTC)
		require.NoError(t, err)
		ctx, stop := context.WithTimeout(t.Context(), 12*time.Minute)
		defer stop()
		jump := time.AfterFunc(10*time.Minute, func() { c.offset.Store(int64(7 * time.Hour)) })
		defer jump.Stop()
		d := Daemon{Lanes: []Lane{{Name: "ers", Flow: f, Poll: poll, Sync: never{}}}, Now: c.now, Logger: quiet()}
		require.NoError(t, d.Run(ctx))
		assert.EqualValues(t, 1, f.polls.Load(), "within two minutes of the jump, and not seven hours later")
	})
}

func TestALaneWhoseLastPollIsUnknownIsSyncedAndPolledByItsSchedule(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &flow{unknown: errors.New("the ledger does not open")}
		run(t, f, "0 7 * * *", "@every 1h", 30*time.Minute)
		assert.EqualValues(t, 0, f.polls.Load())
		assert.EqualValues(t, 1, f.syncs.Load())
	})
}
