package rest

import (
	"context"
	"errors"
	"io"
	"math"
	"net"
	"net/http"
	"sync"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/wire"
)

func TestAReadIsTriedThreeTimesWhereTheFailureMayPass(t *testing.T) {
	passing := map[string]farEnd{
		"no connection": func(r *http.Request) (*http.Response, error) {
			return nil, &net.OpError{Op: "dial", Err: syscall.ECONNREFUSED}
		},
		"a cut connection": func(*http.Request) (*http.Response, error) { return nil, io.ErrUnexpectedEOF },
	}
	for _, status := range []int{408, 500, 502, 503, 504} {
		passing[http.StatusText(status)] = func(*http.Request) (*http.Response, error) { return reply(status, ""), nil }
	}
	for what, world := range passing {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				calls, start := 0, time.Now()
				c := open(t, func(r *http.Request) (*http.Response, error) { calls++; return world(r) })
				_, err := c.Read(t.Context(), patientRef)
				var failure *Error
				require.ErrorAs(t, err, &failure)
				assert.False(t, failure.Ambiguous(), "a read changes nothing")
				assert.Equal(t, 3, calls)
				assert.LessOrEqual(t, time.Since(start), 3*time.Second, "full jitter of 1 s and 2 s")
			})
		})
	}
}

func TestAReadThatFailsForGoodIsNotTriedAgain(t *testing.T) {
	for _, status := range []int{400, 401, 403, 404, 405, 410, 412, 422, 501, 505} {
		calls := 0
		c := open(t, func(*http.Request) (*http.Response, error) { calls++; return reply(status, ""), nil })
		_, err := c.Read(t.Context(), patientRef)
		var failure *Error
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, status, failure.Status)
		assert.Equal(t, 1, calls, "status %d", status)
	}
}

func TestAReadSucceedsOnceTheServerIsBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		calls := 0
		c := open(t, func(*http.Request) (*http.Response, error) {
			if calls++; calls < 3 {
				return reply(503, ""), nil
			}
			return reply(200, patient("1")), nil
		})
		got, err := c.Read(t.Context(), patientRef)
		require.NoError(t, err)
		assert.Equal(t, "1", got.ID())
	})
}

func TestRetryAfterIsWaitedForWithinLimits(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		now := time.Now()
		at := func(d time.Duration) string { return now.Add(d).UTC().Format(http.TimeFormat) }
		cases := []struct {
			header  string
			atLeast time.Duration
			atMost  time.Duration
		}{
			{"7", 7 * time.Second, 7 * time.Second},
			{"0", 0, time.Second},
			{"-5", 0, time.Second},
			{"1000000000", 15 * time.Minute, 15 * time.Minute},
			{"99999999999999999999999999", 15 * time.Minute, 15 * time.Minute},
			{at(30 * time.Second), 30 * time.Second, 30 * time.Second},
			{at(-time.Hour), 0, time.Second},
			{at(48 * time.Hour), 15 * time.Minute, 15 * time.Minute},
			{"soon", 0, time.Second},
			{"NaN", 0, time.Second},
			{"", 0, time.Second},
		}
		for _, status := range []int{429, 503} {
			for _, c := range cases {
				calls := 0
				client := open(t, func(*http.Request) (*http.Response, error) {
					if calls++; calls == 1 {
						return reply(status, "", "Retry-After", c.header, "Date", at(0)), nil
					}
					return reply(200, patient("1")), nil
				})
				start := time.Now()
				_, err := client.Read(t.Context(), patientRef)
				require.NoError(t, err)
				assert.GreaterOrEqual(t, time.Since(start), c.atLeast, "%d %q", status, c.header)
				assert.LessOrEqual(t, time.Since(start), c.atMost, "%d %q", status, c.header)
			}
		}
	})
}

func TestAPauseThatTheServerAsksForHoldsEveryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start, refused := time.Now(), false
		var mu sync.Mutex
		var early int
		c := open(t, func(*http.Request) (*http.Response, error) {
			mu.Lock()
			defer mu.Unlock()
			if !refused {
				refused = true
				return reply(429, "", "Retry-After", "60"), nil
			}
			if time.Since(start) < time.Minute {
				early++
			}
			return reply(200, patient("1")), nil
		})
		var wait sync.WaitGroup
		wait.Go(func() { _, err := c.Read(t.Context(), patientRef); assert.NoError(t, err) })
		synctest.Wait()
		for range 4 {
			wait.Go(func() { _, err := c.Read(t.Context(), patientRef); assert.NoError(t, err) })
			wait.Go(func() {
				_, err := c.Update(t.Context(), patientRef, []byte(patient("1")))
				assert.NoError(t, err)
			})
		}
		wait.Wait()
		assert.Zero(t, early, "no request from anybody inside the pause")
	})
}

func TestAServerThatNeverAnswersEndsTheCallInBoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := open(t, func(r *http.Request) (*http.Response, error) { <-r.Context().Done(); return nil, r.Context().Err() })
		_, err := c.Read(t.Context(), patientRef)
		require.ErrorIs(t, err, wire.ErrTimeout)
		assert.NotErrorIs(t, err, context.DeadlineExceeded, "our limit is not the caller's")
		assert.LessOrEqual(t, time.Since(start), callTimeout)
	})
}

// loris is a body that gives one byte every ten seconds.
type loris struct{ done <-chan struct{} }

func (l loris) Read(p []byte) (int, error) {
	select {
	case <-time.After(10 * time.Second):
		p[0] = ' '
		return 1, nil
	case <-l.done:
		return 0, errors.New("closed")
	}
}

func (loris) Close() error { return nil }

func TestABodyThatDripsEndsTheCallInBoundedTime(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		start := time.Now()
		c := open(t, func(r *http.Request) (*http.Response, error) {
			out := reply(200, "")
			out.Body = loris{r.Context().Done()}
			return out, nil
		})
		_, err := c.Read(t.Context(), patientRef)
		require.Error(t, err)
		assert.LessOrEqual(t, time.Since(start), callTimeout+10*time.Second)
	})
}

func TestAStoppedCallStopsWaiting(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, cancel := context.WithTimeout(t.Context(), 5*time.Second)
		defer cancel()
		start := time.Now()
		c := open(t, func(*http.Request) (*http.Response, error) { return reply(503, "", "Retry-After", "600"), nil })
		_, err := c.Read(ctx, patientRef)
		require.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 5*time.Second, time.Since(start))
	})
}

func TestCallsKeepToTheRate(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{BaseURL: testBase, Rate: 5, Transport: farEnd(func(*http.Request) (*http.Response, error) {
			return reply(200, patient("1")), nil
		})})
		require.NoError(t, err)
		start := time.Now()
		for range 21 {
			_, err := c.Read(t.Context(), patientRef)
			require.NoError(t, err)
		}
		assert.InDelta(t, 4.0, time.Since(start).Seconds(), 0.01)
		ctx, cancel := context.WithTimeout(t.Context(), time.Millisecond)
		defer cancel()
		_, err = c.Read(ctx, patientRef)
		assert.ErrorIs(t, err, context.DeadlineExceeded, "the turn comes too late")
	})
}

func TestLifetimesOfTokensAreReadAsNumberOrText(t *testing.T) {
	for in, want := range map[any]time.Duration{
		300.0: 5 * time.Minute, "599": 599 * time.Second, nil: tokenLife, 0.0: tokenLife, -1.0: tokenLife,
		"soon": tokenLife, "NaN": tokenLife, 1e30: maxTokenLife, "Inf": maxTokenLife, math.Inf(1): maxTokenLife, true: tokenLife,
	} {
		assert.Equal(t, want, lifetime(in), "%v", in)
	}
}
