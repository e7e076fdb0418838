package bridge

import (
	"errors"
	"fmt"
	"time"
)

// ErrPollEnded ends a poll, or what a sync reads, that has lasted too long: between two calls. What it read is kept, and the next
// one goes on from there.
var ErrPollEnded = errors.New("reading the source was ended")

// pollEnd is when one poll of one source ends, whether it is done or not. The zero pollEnd never comes.
type pollEnd struct {
	at   time.Time
	most time.Duration
	now  func() time.Time
}

// check returns ErrPollEnded once the poll has lasted too long.
func (e pollEnd) check() error {
	if e.now == nil || e.now().Before(e.at) {
		return nil
	}
	return fmt.Errorf("%w after %s (max_poll): what was read is kept, and the next run goes on from there", ErrPollEnded, e.most)
}

// ending is an inbox that says when the poll it belongs to ends.
type ending interface{ check() error }

// check returns ErrPollEnded once the poll has lasted too long. A backfill has no end of its own.
func (s *search) check() error {
	if e, ok := s.in.(ending); ok {
		return e.check()
	}
	return nil
}
