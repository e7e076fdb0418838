package wire

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// Attempts is how often a call is made that fails in a way that may pass by itself; longer patience is the caller's.
const Attempts = 3

const (
	firstBackoff = time.Second // then 2, 4 … seconds
	longBackoff  = time.Minute
)

// Failure is what a client says of a call that failed.
type Failure struct {
	Again bool          // the same call may succeed
	Busy  bool          // the far end wants fewer calls: of all of ours, and not of this one alone
	Asked time.Duration // how long it asks to be left alone
}

// ReadTime is how long one read of a source may take. Two of them in vain, one after the other, are a far end that hangs, within three
// minutes.
const ReadTime = 75 * time.Second

const (
	hangs     = 2*ReadTime - 10*time.Second // waited in vain, call after call
	hangPause = 2 * time.Minute
)

// AfterOne lets one call that had no answer in time count as a far end that hangs.
func (p *Pace) AfterOne() *Pace {
	p.hangs = time.Second
	return p
}

// Paused says that a call was not sent: the far end has asked for a longer pause than a call waits for, or it hangs.
type Paused struct {
	Left  time.Duration
	Hangs bool
}

// Error says so.
func (p *Paused) Error() string {
	if p.Hangs {
		return "not sent: the calls before it had no answer in time"
	}
	return fmt.Sprintf("not sent: the far end asked for a pause, %s of which are left", p.Left.Round(time.Second))
}

// Pace spaces calls evenly, and holds all of them back where an answer asked for it: limits are of an application, not of one call.
type Pace struct {
	limiter *rate.Limiter
	longest time.Duration // that one call waits in all for a far end that wants fewer calls
	told    func(err error, wait time.Duration)

	// Sleep waits between tries. Tests over sockets, which have no clock of their own, replace it.
	Sleep func(context.Context, time.Duration) error

	mu    sync.Mutex
	until time.Time     // nothing is sent before
	hangs time.Duration // waited in vain: the far end hangs
	vain  time.Duration // waited for answers that did not come in time, since the last one that did
	hung  time.Time     // nothing is sent before, nor waited for
}

// NewPace allows so many calls a second, 0 for any number; one call waits no longer than longest for a far end that wants fewer. told is
// called before each wait for another try.
func NewPace(perSecond float64, longest time.Duration, told func(err error, wait time.Duration)) *Pace {
	limit := rate.Inf
	if perSecond > 0 {
		limit = rate.Limit(perSecond)
	}
	return &Pace{limiter: rate.NewLimiter(limit, 1), longest: longest, told: told, Sleep: Sleep, hangs: hangs}
}

// Ready returns when the next call may leave. Its error is the context's, or *Paused: nothing was sent.
func (p *Pace) Ready(ctx context.Context) error {
	for {
		if err := p.limiter.Wait(ctx); err != nil {
			if ctx.Err() == nil {
				return context.DeadlineExceeded // its turn would come too late
			}
			return ctx.Err()
		}
		p.mu.Lock()
		left, hung := time.Until(p.until), time.Until(p.hung)
		p.mu.Unlock()
		switch {
		case hung > 0:
			return &Paused{Left: hung, Hangs: true}
		case left <= 0:
			return nil
		case left > p.longest:
			return &Paused{Left: left}
		}
		if err := p.Sleep(ctx, left); err != nil {
			return err
		}
	}
}

// Hold keeps every call back for so long.
func (p *Pace) Hold(wait time.Duration) {
	until := time.Now().Add(wait)
	p.mu.Lock()
	defer p.mu.Unlock()
	if until.After(p.until) {
		p.until = until
	}
}

// Watch makes one exchange and notes whether it was answered. A far end that lets calls wait in vain, one after the other, hangs: the next
// ones are not sent for two minutes, so that a run of many records ends in three minutes and not in hours.
func (p *Pace) Watch(exchange func() error) error {
	began := time.Now()
	err := exchange()
	p.mu.Lock()
	defer p.mu.Unlock()
	if !errors.Is(err, ErrTimeout) {
		p.vain = 0
	} else if p.vain += time.Since(began); p.vain >= p.hangs {
		p.vain, p.hung = 0, time.Now().Add(hangPause)
	}
	return err
}

// Try repeats a call that changes nothing, as long as its patience lasts; all calls are held back while a far end wants fewer of them.
// judge says what an error is. The error is that of the last try, or the context's.
func (p *Pace) Try(ctx context.Context, try func() error, judge func(error) Failure) error {
	patience := patience{longest: p.longest}
	for {
		err := try()
		if err == nil {
			return nil
		}
		f := judge(err)
		wait, again := patience.next(f)
		if f.Busy {
			p.Hold(wait)
		} else {
			wait = max(spread(wait), f.Asked)
		}
		if !again {
			return err
		}
		p.told(err, wait)
		if err := p.Sleep(ctx, wait); err != nil {
			return err
		}
	}
}

// Pause waits before an attempt is made again, for so long as the far end asks for at least.
func (p *Pace) Pause(ctx context.Context, attempt int, asked time.Duration) error {
	return p.Sleep(ctx, max(asked, spread(backoff(attempt))))
}

// patience counts the tries of one call. What may pass by itself is tried three times. A far end that wants fewer calls is waited for, up
// to the longest wait of one call; what asks for more than is left of that is the caller's to keep.
type patience struct {
	longest time.Duration
	failed  int
	busy    int
	waited  time.Duration
}

// next returns how long to wait before the same call is sent again, and reports whether it is to be sent again.
func (p *patience) next(f Failure) (time.Duration, bool) {
	if !f.Busy {
		p.failed++
		wait := max(f.Asked, backoff(p.failed))
		return wait, f.Again && p.failed < Attempts && wait <= p.longest
	}
	p.busy++
	wait := max(f.Asked, backoff(p.busy))
	p.waited += wait
	return wait, f.Again && p.waited <= p.longest
}

// backoff returns 1, 2, 4 … seconds, up to a minute.
func backoff(attempt int) time.Duration { return min(firstBackoff<<min(attempt-1, 10), longBackoff) }

// spread shortens a wait by up to a half: who failed together does not return together.
func spread(wait time.Duration) time.Duration { return wait/2 + rand.N(wait/2+1) }

// Sleep waits, or returns the context's error.
func Sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}
