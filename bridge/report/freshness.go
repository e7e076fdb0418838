package report

import (
	"fmt"
	"io"
	"time"
)

// Freshness says how old what is known of one source is.
type Freshness struct {
	Source       string    `json:"source"`
	LastPoll     time.Time `json:"lastPoll,omitzero"` // that ended well; absent: never
	LastSync     time.Time `json:"lastSync,omitzero"`
	FailingSince time.Time `json:"failingSince,omitzero"`
	Failure      string    `json:"failure,omitempty"`
	Overdue      bool      `json:"overdue"`
	Notices      []string  `json:"notices,omitempty"` // what is odd about its answers
}

// PrintFreshness prints a line a source, and below it what keeps it from being read.
func PrintFreshness(w io.Writer, zone *time.Location, sources []Freshness) {
	for _, s := range sources {
		text := "never polled"
		if !s.LastPoll.IsZero() {
			text = "last polled " + When(s.LastPoll, zone)
		}
		if s.Overdue {
			text += ", OVERDUE: what has changed at the source since is not here"
		}
		fmt.Fprintln(w, Wrap(s.Source+": "+text, 2))
		if !s.FailingSince.IsZero() {
			fmt.Fprintf(w, "  %s\n", Wrap("not readable since "+When(s.FailingSince, zone)+": "+s.Failure, 4))
		}
		for _, odd := range s.Notices {
			fmt.Fprintf(w, "  %s\n", Wrap(odd, 4))
		}
	}
}

// When is a moment in a time zone, with its name; the zero time is never.
func When(t time.Time, zone *time.Location) string {
	if t.IsZero() {
		return "never"
	}
	return t.In(zone).Format("2 Jan 2006 15:04 MST")
}
