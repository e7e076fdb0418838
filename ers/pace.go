package ers

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"net/http"
	"strconv"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

const (
	maxAttempts   = 3                // of a read, in one run
	maxPause      = 60 * time.Second // that a call waits for; a longer one is the caller's to keep
	maxRetryAfter = 15 * time.Minute
	firstBackoff  = time.Second
)

// pacer spaces requests evenly and holds all of them back where an answer asked for it: e-RS limits an application,
// not a request. Waiting uses the real clock, whatever day the configured one shows.
type pacer struct {
	limiter *rate.Limiter
	log     *slog.Logger

	mu     sync.Mutex
	until  time.Time // nothing is sent before
	status int       // the answer that said so
}

// ready returns when the next request may leave. A pause longer than a minute is an *Error at once, unsent.
func (p *pacer) ready(ctx context.Context, q call) error {
	for {
		if err := p.limiter.Wait(ctx); err != nil {
			return q.notBegun(ctx)
		}
		left, status := p.left()
		if left <= 0 {
			return nil
		}
		if left > maxPause {
			return &Error{Call: q.name, Status: status, RetryAfter: left, Reason: "not sent: the lane is paused",
				write: q.write, unsent: true}
		}
		if sleep(ctx, left) != nil {
			return q.notBegun(ctx)
		}
	}
}

// notBegun is the context's error; where only the limiter saw that the deadline is too near, that.
func (q call) notBegun(ctx context.Context) error {
	q.write = false
	if ctx.Err() == nil {
		return q.stopped(context.DeadlineExceeded)
	}
	return q.stopped(ctx.Err())
}

func (p *pacer) left() (time.Duration, int) {
	p.mu.Lock()
	defer p.mu.Unlock()
	return time.Until(p.until), p.status
}

// persist tries up to attempts times, as long as the error promises that another try may help.
//
//	429             1 s, 2 s, 4 s or Retry-After if that is longer, for every call
//	503 + Retry-After   the same
//	5xx, no answer  up to 1 s, 2 s, 4 s (full jitter), for this call only
func (p *pacer) persist(ctx context.Context, attempts int, try func() error) error {
	for attempt := 1; ; attempt++ {
		err := try()
		var e *Error
		if !errors.As(err, &e) || e.unsent && !e.again {
			return err
		}
		pause := p.pause(e, attempt)
		if !e.again || attempt >= attempts || pause > maxPause {
			return err
		}
		p.log.Warn("call failed, trying again", "call", e.Call, "status", e.Status, "codes", e.Codes, "attempt", attempt)
		if sleep(ctx, pause) != nil {
			return call{name: e.Call}.notBegun(ctx)
		}
	}
}

func (p *pacer) pause(e *Error, attempt int) time.Duration {
	backoff := firstBackoff << (attempt - 1)
	if e.Status != http.StatusTooManyRequests && e.RetryAfter == 0 {
		return rand.N(backoff)
	}
	pause := max(backoff, e.RetryAfter)
	p.mu.Lock()
	defer p.mu.Unlock()
	if until := time.Now().Add(pause); until.After(p.until) {
		p.until, p.status = until, e.Status
	}
	return pause
}

// retryAfter reads both forms of the header, seconds and HTTP-date; what it cannot read, or what is past, is 0.
func retryAfter(header string, now time.Time) time.Duration {
	if seconds, err := strconv.ParseInt(header, 10, 64); err == nil {
		return time.Duration(min(max(seconds, 0), int64(maxRetryAfter/time.Second))) * time.Second
	}
	at, err := http.ParseTime(header)
	if err != nil {
		return 0
	}
	return min(max(at.Sub(now), 0), maxRetryAfter)
}

func sleep(ctx context.Context, d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-timer.C:
		return nil
	}
}
