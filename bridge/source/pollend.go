package source

import (
	"errors"
	"fmt"
	"time"
)

// ErrPollEnded ends a poll, or what a sync reads, that has lasted too long: between two calls. What it read is kept, and the next
// one goes on from there.
var ErrPollEnded = errors.New("reading the source was ended")

// PollEnd is when one poll of one source ends, whether it is done or not. The zero pollEnd never comes.
type PollEnd struct {
	At   time.Time
	Most time.Duration
	Now  func() time.Time
}

// Check returns ErrPollEnded once the poll has lasted too long.
func (e PollEnd) Check() error {
	if e.Now == nil || e.Now().Before(e.At) {
		return nil
	}
	return fmt.Errorf("%w after %s (max_poll): what was read is kept, and the next run goes on from there", ErrPollEnded, e.Most)
}

// ending is an inbox that says when the poll it belongs to ends.
type ending interface{ Check() error }

// Check returns ErrPollEnded once the poll has lasted too long. A backfill has no end of its own.
func (s *search) Check() error {
	if e, ok := s.in.(ending); ok {
		return e.Check()
	}
	return nil
}
