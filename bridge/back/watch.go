package back

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"
	"time"

	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

const (
	readAtOnce   = 200             // changed rows that are read in one call
	watchOverlap = 5 * time.Minute // a commit can become visible so much later than its stamp
	watchSkew    = 2 * time.Minute // between the clock of Salesforce, which stamps rows, and ours
)

// seen is how far a watch has come with an object. Each look lists keys and stamps from an overlap on, as commits become visible
// late; where the overlap is as it was, none of its rows is read again.
type seen struct {
	newest  time.Time // stamp of a row; zero = nothing yet
	looked  time.Time // when, by our clock
	overlap string    // a hash of the rows stamped from since() to until()
}

// String is the form in which a cursor keeps it.
func (s seen) String() string {
	return s.newest.UTC().Format(time.RFC3339Nano) + " " + s.looked.UTC().Format(time.RFC3339) + " " + s.overlap
}

func parseSeen(text string) (s seen) {
	stamp, rest, _ := strings.Cut(text, " ")
	looked, overlap, _ := strings.Cut(rest, " ")
	s.newest, _ = time.Parse(time.RFC3339Nano, stamp)
	s.looked, _ = time.Parse(time.RFC3339, looked)
	s.overlap = overlap
	return s
}

// since returns from when on rows are listed; the zero time = all. What was stamped long before the last look cannot become visible
// any more: once an org is quiet, the overlap shrinks to the newest row.
func (s seen) since() time.Time {
	if s.newest.IsZero() {
		return time.Time{}
	}
	from := s.newest.Add(-watchOverlap)
	if quiet := s.looked.Add(-watchOverlap - watchSkew); quiet.After(from) {
		from = quiet
	}
	if from.After(s.newest) {
		return s.newest
	}
	return from
}

// until returns up to when rows are known as they are. A stamp has whole seconds: in the second of the newest row, a row could be edited
// again after it was read and keep its stamp.
func (s seen) until() time.Time {
	if s.looked.After(s.newest.Add(watchSkew)) {
		return s.newest
	}
	return s.newest.Add(-time.Second)
}

// look takes the listed rows, oldest first, and says which have to be read. It remembers those near the newest, and those of the last
// overlap until it is past them: one that is not as it was (a late commit, a row edited since, one that is gone) is read whole.
type look struct {
	last    seen
	newest  time.Time
	overlap []sobject.Record // of the last look, as it is now
	decided bool             // whether the overlap is as it was
	recent  []sobject.Record
}

func (s seen) look() *look { return &look{last: s, newest: s.newest, decided: s.overlap == ""} }

// take returns the keys of those rows of a page that have to be read.
func (l *look) take(page []sobject.Record) (keys []string) {
	for _, row := range page {
		if row.Modified.After(l.newest) {
			l.newest = row.Modified
		}
		l.recent = append(l.recent, row)
		if !l.decided && !row.Modified.After(l.last.until()) {
			l.overlap = append(l.overlap, row)
			continue
		}
		keys = append(append(keys, l.decide()...), row.Key.Value)
	}
	l.recent = within(l.recent, l.newest.Add(-watchOverlap), l.newest)
	return keys
}

// decide returns the keys of the last overlap where it is not as it was.
func (l *look) decide() (keys []string) {
	if !l.decided && stampsOf(within(l.overlap, l.last.since(), l.last.until())) != l.last.overlap {
		for _, row := range l.overlap {
			keys = append(keys, row.Key.Value)
		}
	}
	l.decided, l.overlap = true, nil
	return keys
}

// end returns what is left to read when nothing more is listed, and how far the watch is then.
func (l *look) end(now time.Time) ([]string, seen) {
	keys := l.decide()
	next := l.last
	next.looked, next.newest = now.UTC().Truncate(time.Second), l.newest
	next.overlap = stampsOf(within(l.recent, next.since(), next.until()))
	return keys, next
}

// within returns the rows stamped between two moments, both included.
func within(listed []sobject.Record, from, to time.Time) (out []sobject.Record) {
	for _, row := range listed {
		if !row.Modified.Before(from) && !row.Modified.After(to) {
			out = append(out, row)
		}
	}
	return out
}

func stampsOf(rows []sobject.Record) string {
	h := sha256.New()
	for _, r := range rows {
		fmt.Fprintf(h, "%s %d\n", r.Key.Value, r.Modified.UnixMilli())
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

// watch compares what changed with the last-synced images and proposes; then the cursor moves. A crash between the two
// proposes the same again, which is the same row.
func (r *Reconciler) watch(ctx context.Context, o mapping.Object) error {
	name := "changed:" + o.Name
	text, err := r.Ledger.Cursor(ctx, r.Flow, name)
	if err != nil {
		return err
	}
	l := parseSeen(text).look()
	var failed error // of what was listed
	read := func(keys []string) error {
		for chunk := range slices.Chunk(keys, readAtOnce) {
			if failed = r.changed(ctx, o, chunk); failed != nil {
				return failed
			}
		}
		return nil
	}
	err = r.Target.Changed(ctx, sfdc.Selection{Object: o.Name, KeyField: o.KeyField}, l.last.since(), r.Flow+".",
		func(page []sobject.Record) error { return read(l.take(page)) })
	if failed != nil {
		return failed
	}
	if err != nil {
		return r.halted(ctx, err, "list changes of "+o.Name)
	}
	keys, next := l.end(r.Now())
	if err := read(keys); err != nil {
		return err
	}
	if next.newest.IsZero() {
		return nil
	}
	return r.Ledger.SetCursor(ctx, r.Flow, ledger.Cursor{Name: name, Value: next.String()})
}

// changed compares rows that changed.
func (r *Reconciler) changed(ctx context.Context, o mapping.Object, keys []string) error {
	rows, err := r.Target.Retrieve(ctx, sfdc.Selection{Object: o.Name, KeyField: o.KeyField, Keys: keys, Fields: o.Fields, Refs: o.Refs})
	if err != nil {
		return r.halted(ctx, err, "read changes of "+o.Name)
	}
	return r.compare(ctx, o, rows)
}
