package ers

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// stamps answers with h and notes when each request came, as time since the first.
type stamps struct {
	mu    sync.Mutex
	first time.Time
	at    []time.Duration
}

func (s *stamps) around(h http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		s.mu.Lock()
		if s.first.IsZero() {
			s.first = time.Now()
		}
		s.at = append(s.at, time.Since(s.first))
		s.mu.Unlock()
		h(w, r)
	}
}

func TestReadsAreTriedThreeTimesAndWritesOnce(t *testing.T) {
	for _, status := range []int{500, 502, 503, 504} {
		synctest.Test(t, func(t *testing.T) {
			far := &eRS{api: answering(status, "")}
			c := inBubble(t, far)
			begin := time.Now()
			_, err := c.Read(t.Context(), at(""))
			assert.Equal(t, status, refusedWith(t, err).Status)
			assert.Equal(t, 3, far.calls(), status)
			assert.LessOrEqual(t, time.Since(begin), 4*time.Second)

			_, err = c.Actions(t.Context(), at("5"))
			require.Error(t, err)
			assert.Equal(t, 6, far.calls(), status)
			_, err = c.Invoke(t.Context(), fhir.Operation{On: at("5"), Name: AcceptReferral})
			require.Error(t, err)
			assert.Equal(t, 7, far.calls(), "%d: a write is sent once", status)
		})
	}
}

func TestAReadThatIsRefusedForTooManyCallsIsPatientForAMinuteAndAWriteIsSentOnce(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &eRS{api: answering(429, "")}
		c := inBubble(t, far)
		begin := time.Now()
		_, err := c.Read(t.Context(), at(""))
		assert.Equal(t, 429, refusedWith(t, err).Status)
		assert.Equal(t, 6, far.calls(), "after 1, 3, 7, 15 and 31 s")
		assert.LessOrEqual(t, time.Since(begin), time.Minute)

		time.Sleep(time.Minute)
		_, err = c.Invoke(t.Context(), fhir.Operation{On: at("5"), Name: AcceptReferral})
		require.Error(t, err)
		assert.Equal(t, 7, far.calls())
	})
}

func TestAPassingFaultIsNotSeenByTheCaller(t *testing.T) {
	for name, fault := range map[string]error{
		"connection reset": &net.OpError{Op: "read", Err: errors.New("connection reset by peer")},
		"refused":          &net.OpError{Op: "dial", Err: errors.New("connection refused")},
		"no name":          &net.DNSError{Name: "ers.example"},
		"cut":              io.ErrUnexpectedEOF,
	} {
		synctest.Test(t, func(t *testing.T) {
			far := &eRS{api: answering(200, referralJSON())}
			c := inBubble(t, &failing{next: far, times: 2, err: fault})
			_, err := c.Read(t.Context(), at(""))
			require.NoError(t, err, name)
		})
	}
}

// failing breaks the first API calls before they reach e-RS.
type failing struct {
	next  http.RoundTripper
	times int
	err   error
}

func (f *failing) RoundTrip(r *http.Request) (*http.Response, error) {
	if f.times > 0 && !strings.HasSuffix(r.URL.Path, "/token") {
		f.times--
		return nil, f.err
	}
	return f.next.RoundTrip(r)
}

func TestTooManyRequestsBacksOffOneThenTwoSeconds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stamps
		far := &eRS{api: s.around(inTurn(answering(429, ""), answering(429, ""), answering(200, referralJSON())))}
		_, err := inBubble(t, far).Read(t.Context(), at(""))
		require.NoError(t, err)
		require.Len(t, s.at, 3)
		assert.Equal(t, []time.Duration{0, time.Second, 3 * time.Second}, s.at)
	})
}

func TestRetryAfterHoldsTheWholeLane(t *testing.T) {
	date := func() string { return time.Now().Add(30 * time.Second).UTC().Format(http.TimeFormat) }
	seconds := func() string { return "30" }
	for _, status := range []int{429, 503} {
		for _, header := range []func() string{seconds, date} {
			synctest.Test(t, func(t *testing.T) {
				var s stamps
				far := &eRS{api: s.around(inTurn(answering(status, "", "Retry-After", header()), answering(200, referralJSON())))}
				c := inBubble(t, far, func(c *Config) { c.Rate = 4 })
				var wg sync.WaitGroup
				for range 6 {
					wg.Go(func() {
						_, err := c.Read(t.Context(), at(""))
						assert.NoError(t, err)
					})
				}
				wg.Wait()
				require.Len(t, s.at, 7)
				assert.GreaterOrEqual(t, s.at[1], 29*time.Second, "no request of any worker in between")
			})
		}
	}
}

func TestALongPauseIsGivenBackInsteadOfWaitedFor(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &eRS{api: inTurn(answering(503, "", "Retry-After", "600"), answering(200, referralJSON()))}
		c := inBubble(t, far)
		begin := time.Now()
		_, err := c.Read(t.Context(), at(""))
		assert.Equal(t, 10*time.Minute, refusedWith(t, err).RetryAfter)

		_, err = c.Invoke(t.Context(), fhir.Operation{On: at("5"), Name: AcceptReferral})
		e := refusedWith(t, err)
		assert.Equal(t, 429, e.Status)
		assert.False(t, e.Ambiguous(), "it was not sent")
		assert.Greater(t, e.RetryAfter, 9*time.Minute)
		assert.Equal(t, 1, far.calls(), "nothing leaves inside the window")
		assert.Less(t, time.Since(begin), time.Second)

		time.Sleep(10 * time.Minute) // virtual time
		_, err = c.Read(t.Context(), at(""))
		require.NoError(t, err)
	})
}

func TestRequestsAreEvenlySpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var s stamps
		far := &eRS{api: s.around(answering(200, referralJSON()))}
		c := inBubble(t, far, func(c *Config) { c.Rate = 0 })
		var wg sync.WaitGroup
		for range 11 {
			wg.Go(func() { _, _ = c.Read(t.Context(), at("")) })
		}
		wg.Wait()
		for i := 1; i < len(s.at); i++ {
			assert.InDelta(t, 200*time.Millisecond, s.at[i]-s.at[i-1], float64(2*time.Millisecond), "five a second, no burst")
		}
	})
}

func TestACallThatNeverAnswersEnds(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &eRS{api: func(_ http.ResponseWriter, r *http.Request) { <-r.Context().Done() }}
		c := inBubble(t, waiting{far})
		begin := time.Now()
		_, err := c.Read(t.Context(), at(""))
		assert.Equal(t, "no whole answer in time", refusedWith(t, err).Reason)
		assert.Less(t, time.Since(begin), 3*callTimeout+5*time.Second)

		_, err = c.Invoke(t.Context(), fhir.Operation{On: at("5"), Name: AcceptReferral})
		assert.True(t, refusedWith(t, err).Ambiguous(), "it may have arrived")
	})
}

// waiting gives a transport's answer, or the context's end where that comes first.
type waiting struct{ next http.RoundTripper }

func (w waiting) RoundTrip(r *http.Request) (*http.Response, error) {
	resp, err := w.next.RoundTrip(r)
	if r.Context().Err() != nil {
		return nil, r.Context().Err()
	}
	return resp, err
}

func TestAStoppedContextIsNoFailureOfERS(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &eRS{api: answering(500, "")}
		c := inBubble(t, far)
		ctx, stop := context.WithCancel(t.Context())
		far.api = func(w http.ResponseWriter, r *http.Request) {
			stop()
			answering(500, "")(w, r)
		}
		_, err := c.Read(ctx, at(""))
		require.ErrorIs(t, err, context.Canceled)
		var e *Error
		assert.False(t, errors.As(err, &e))
		assert.Equal(t, 1, far.calls())

		_, err = c.Worklist(ctx, clinic, ReferralsForReview)
		require.ErrorIs(t, err, context.Canceled)
	})
}

func TestAWriteThatWasStoppedOnItsWayIsUnknown(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		far := &eRS{api: func(_ http.ResponseWriter, r *http.Request) {
			stop()
			<-r.Context().Done()
		}}
		_, err := inBubble(t, waiting{far}).Invoke(ctx, fhir.Operation{On: at("5"), Name: AcceptReferral})
		require.ErrorIs(t, err, context.Canceled)
		assert.True(t, refusedWith(t, err).Ambiguous())
	})
}

func TestADeadlineTooNearForTheNextTurnIsADeadline(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		far := &eRS{api: answering(200, referralJSON())}
		c := inBubble(t, far, func(c *Config) { c.Rate = 0.01 })
		_, err := c.Read(t.Context(), at(""))
		require.NoError(t, err)
		ctx, stop := context.WithTimeout(t.Context(), time.Second)
		defer stop()
		_, err = c.Read(ctx, at(""))
		assert.ErrorIs(t, err, context.DeadlineExceeded)
		assert.Equal(t, 1, far.calls())
	})
}
