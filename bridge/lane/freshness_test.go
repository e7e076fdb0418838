package lane

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestAPollIsOverdueHalfAnIntervalAfterItsTime(t *testing.T) {
	every := func(d time.Duration) func(time.Time) time.Time {
		return func(after time.Time) time.Time { return after.Truncate(d).Add(d) }
	}
	never := func(time.Time) time.Time { return time.Time{} }
	at := func(text string) time.Time {
		out, err := time.Parse("15:04", text)
		assert.NoError(t, err)
		return out.AddDate(2026, 0, 0)
	}
	for _, c := range []struct {
		name          string
		last, failing string
		next          func(time.Time) time.Time
		now           string
		want          bool
	}{
		{"just read", "10:00", "", every(10 * time.Minute), "10:01", false},
		{"the next poll is due", "10:00", "", every(10 * time.Minute), "10:10", false},
		{"a quarter of an hour of grace at least", "10:00", "", every(10 * time.Minute), "10:25", false},
		{"and not more", "10:00", "", every(10 * time.Minute), "10:26", true},
		{"half of an hourly interval", "10:00", "", every(time.Hour), "11:30", false},
		{"and not more than that", "10:00", "", every(time.Hour), "11:31", true},
		{"two hours at most", "01:00", "", every(12 * time.Hour), "14:00", false},
		{"of a daily poll", "01:00", "", every(12 * time.Hour), "14:01", true},
		{"never polled, and nobody tried", "", "", every(time.Hour), "10:00", false},
		{"never polled, though somebody tried just now", "", "10:00", every(time.Hour), "10:15", false},
		{"never polled, though somebody tried long ago", "", "10:00", every(time.Hour), "10:16", true},
		{"a schedule that never comes", "10:00", "", never, "23:00", false},
	} {
		var f Freshness
		if c.last != "" {
			f.LastPoll = at(c.last)
		}
		if c.failing != "" {
			f.Failing = at(c.failing)
		}
		assert.Equal(t, c.want, f.Overdue(c.next, at(c.now)), c.name)
	}
}

func TestFailedPollsAreNotedWithTheFirstOfThem(t *testing.T) {
	now := time.Date(2026, 11, 30, 22, 57, 0, 0, time.UTC)
	first := failing("", errors.New("poll ward:\nstatus 500"), now)
	assert.Equal(t, "2026-11-30T22:57:00Z poll ward: status 500", first)
	assert.Equal(t, "2026-11-30T22:57:00Z poll ward: status 503", failing(first, errors.New("poll ward: status 503"), now.Add(time.Hour)))
	assert.Empty(t, failing(first, nil, now.Add(time.Hour)))
	assert.Empty(t, failing("", nil, now))
	long := failing("", errors.New(strings.Repeat("é", 1000)), now)
	assert.Len(t, []rune(long), len("2026-11-30T22:57:00Z ")+300)
}
