package bridge

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

// news returns the keys of the listed rows that have to be read, and how far the watch is then. Rows are listed by their stamps,
// oldest first. Where the overlap is not as it was (a late commit, a row edited since, one that is gone), all of it is read.
func (s seen) news(listed []sobject.Record, now time.Time) ([]string, seen) {
	next := s
	next.looked = now.UTC().Truncate(time.Second)
	if n := len(listed); n > 0 && listed[n-1].Modified.After(s.newest) {
		next.newest = listed[n-1].Modified
	}
	next.overlap = stampsOf(within(listed, next.since(), next.until()))
	fresh := listed
	if s.overlap != "" && stampsOf(within(listed, s.since(), s.until())) == s.overlap {
		fresh = listed[len(within(listed, time.Time{}, s.until())):]
	}
	keys := make([]string, len(fresh))
	for i, row := range fresh {
		keys[i] = row.Key.Value
	}
	return keys, next
}

// within returns the rows stamped between two moments, both included.
func within(listed []sobject.Record, from, to time.Time) []sobject.Record {
	first := slices.IndexFunc(listed, func(r sobject.Record) bool { return !r.Modified.Before(from) })
	if first < 0 {
		return nil
	}
	end := first
	for end < len(listed) && !listed[end].Modified.After(to) {
		end++
	}
	return listed[first:end]
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
	before := parseSeen(text)
	listed, err := r.Target.Changed(ctx, sfdc.Selection{Object: o.Name, KeyField: o.KeyField}, before.since(), r.Flow+".")
	if err != nil {
		return r.halted(ctx, err, "list changes of "+o.Name)
	}
	keys, next := before.news(listed, r.Now())
	for chunk := range slices.Chunk(keys, planBatch) {
		rows, err := r.Target.Retrieve(ctx, sfdc.Selection{Object: o.Name, KeyField: o.KeyField, Keys: chunk, Fields: o.Fields, Refs: o.Refs})
		if err != nil {
			return r.halted(ctx, err, "read changes of "+o.Name)
		}
		if err := r.compare(ctx, o, rows); err != nil {
			return err
		}
	}
	if next.newest.IsZero() {
		return nil
	}
	return r.Ledger.SetCursor(ctx, r.Flow, ledger.Cursor{Name: name, Value: next.String()})
}
