package lane

import (
	"context"
	"strings"
	"time"

	"refbridge/ledger"
)

// failingCursor holds since when polls fail, and the words of the last failure: RFC 3339, a blank, the text.
const failingCursor = "failing"

// Freshness says how old what is known of a source is.
type Freshness struct {
	LastPoll time.Time // when a poll last ended well; zero = never
	LastSync time.Time // when a sync last went through; zero = never
	Failing  time.Time // since when every poll has failed; zero = the last one ended well
	Failure  string    // what the last failed poll said; nothing about a person
}

// Freshness returns how old what the ledger holds of the flow's source is.
func (f *Flow) Freshness(ctx context.Context) (Freshness, error) {
	return FreshnessOf(ctx, f.Ledger, f.Name)
}

// FreshnessOf is Freshness for who has the ledger and no flow.
func FreshnessOf(ctx context.Context, l *ledger.Ledger, source string) (out Freshness, err error) {
	var marks [3]string
	for i, name := range []string{"polled", "synced", failingCursor} {
		if marks[i], err = l.Cursor(ctx, source, name); err != nil {
			return out, err
		}
	}
	out.LastPoll, _ = time.Parse(time.RFC3339, marks[0])
	out.LastSync, _ = time.Parse(time.RFC3339, marks[1])
	since, text, _ := strings.Cut(marks[2], " ")
	out.Failing, _ = time.Parse(time.RFC3339, since)
	out.Failure = text
	return out, nil
}

// LastPoll returns when Poll last ended well; the zero time = never.
func (f *Flow) LastPoll(ctx context.Context) (time.Time, error) {
	fresh, err := f.Freshness(ctx)
	return fresh.LastPoll, err
}

// notePoll notes that polls fail, since when and why, or that they do not any more.
func (f *Flow) notePoll(ctx context.Context, failed error) error {
	before, err := f.Ledger.Cursor(ctx, f.Name, failingCursor)
	if err != nil {
		return err
	}
	now := failing(before, failed, f.Now())
	if now == before {
		return nil
	}
	return f.Ledger.SetCursor(ctx, f.Name, ledger.Cursor{Name: failingCursor, Value: now})
}

// failing returns the cursor after a poll: empty after one that ended well, else with the time of the first failure in a row.
func failing(before string, failed error, now time.Time) string {
	if failed == nil {
		return ""
	}
	since, _, _ := strings.Cut(before, " ")
	if since == "" {
		since = now.UTC().Format(time.RFC3339)
	}
	const enough = 300 // characters: what a person reads, and no page of joined errors
	text := []rune(strings.Join(strings.Fields(failed.Error()), " "))
	return since + " " + string(text[:min(len(text), enough)])
}

// The grace of a poll: half of the time between two, and neither so short that a long poll is called late nor so long that nobody
// hears of it within a morning.
const (
	minGrace = 15 * time.Minute
	maxGrace = 2 * time.Hour
)

// Overdue reports whether a source was to be read well by now and was not. next is the schedule of its polls.
func (f Freshness) Overdue(next func(after time.Time) time.Time, now time.Time) bool {
	if f.LastPoll.IsZero() {
		return !f.Failing.IsZero() && now.After(f.Failing.Add(minGrace))
	}
	due := next(f.LastPoll)
	if due.IsZero() {
		return false
	}
	grace := maxGrace
	if then := next(due); !then.IsZero() {
		grace = min(max(then.Sub(due)/2, minGrace), maxGrace)
	}
	return now.After(due.Add(grace))
}

// Cost says what the next Poll spends of a ration, a line each; nothing where polls are free.
func (f *Flow) Cost(ctx context.Context) ([]string, error) {
	rationed, ok := f.Poller.(interface {
		Cost(ctx context.Context) ([]string, error)
	})
	if !ok {
		return nil, nil
	}
	return rationed.Cost(ctx)
}
