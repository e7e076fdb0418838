// Package lane moves one source: it polls, fetches what was only named, plans batch by batch, lets the plan be applied and settled, and
// carries back what people changed. It finds its work in the ledger, so that a run goes on where another one ended, and it notices a
// ledger that is older than the truth before anything is written.
package lane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"strings"
	"time"

	"refbridge/bridge"
	"refbridge/bridge/back"
	"refbridge/bridge/deliver"
	"refbridge/bridge/plan"
	"refbridge/bridge/source"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
)

// poller asks a source once, and reads what it said.
type poller interface {
	Poll(ctx context.Context, in source.Inbox) error
	Sightings(a ledger.Answer) ([]ledger.Sighting, error)
}

// reader reads the current version of a record at its source, whole, with the version that was read.
type reader interface {
	Read(ctx context.Context, ref fhir.Reference) (fhir.Reference, []byte, error)
}

// Flow is a lane: one source into Salesforce and back. A schedule calls Poll and Sync; both find their work in the ledger,
// so that a call that is lost, doubled or interrupted does no harm.
type Flow struct {
	Name    string
	Poller  poller
	Source  reader
	Planner plan.Planner
	Applier *deliver.Applier // nil: this flow can only plan
	Ledger  *ledger.Ledger
	Back    *back.Reconciler // nil: nothing is watched in Salesforce
	Refresh time.Duration    // how often every live record is read again; zero = only what a poll names
	MaxPoll time.Duration    // how long one poll lasts before it leaves the rest to the next; zero = until it is done
	// AcceptGone takes records as not visible or deleted however many there are: an operator has looked.
	AcceptGone bool
	Recovery   *Recovery // nil: nobody asks whether the ledger is as new as Salesforce
	Base       string    // address of the source: records that were not visible are read again when it changes
	// Retention is how long raw bodies are kept; zero = for ever.
	Retention time.Duration
	// Describe gives a hash of what the org says of the tables' objects; nil = its changes release nothing.
	Describe func(ctx context.Context) (string, error)
	// Fit returns the tables as they run against the target, without optional fields that it lacks; an error where they do not fit
	// it: nothing is planned then. Nil = nobody asks.
	Fit    func(ctx context.Context) (*mapping.Set, error)
	Logger *slog.Logger
	Now    func() time.Time

	unread map[fhir.Reference]ledger.Fate // what reading alone has settled since the last Sync
}

// planBatch is how many records are planned together: enough for full Salesforce calls, few enough for constant memory.
const planBatch = 200

// Poll asks the source once and notes what it said, and since when it cannot be asked.
func (f *Flow) Poll(ctx context.Context) error {
	if err := f.current(ctx); err != nil {
		return err
	}
	err := f.poll(ctx)
	if bridge.Stopped(ctx, err) {
		return err
	}
	return errors.Join(err, f.notePoll(ctx, err))
}

// heardCursor holds when something came of the source last, however little of it: one of its worklists, one of its resource types.
const heardCursor = "heard"

func (f *Flow) poll(ctx context.Context) error {
	heard, end := false, f.pollEnd()
	failed := f.Poller.Poll(ctx, flowInbox{PollEnd: end, f: f, heard: &heard})
	if heard {
		c := ledger.Cursor{Name: heardCursor, Value: f.Now().UTC().Format(time.RFC3339)}
		if err := f.Ledger.SetCursor(ctx, f.Name, c); err != nil {
			return errors.Join(failed, err)
		}
	}
	if err := f.Observe(ctx); err != nil {
		return errors.Join(failed, err)
	}
	if err := f.refresh(ctx); err != nil {
		return errors.Join(failed, err)
	}
	if errors.Is(failed, bridge.ErrHalted) {
		return failed // the source is not asked for records either
	}
	if err := f.fetch(ctx, end); err != nil || failed != nil {
		return errors.Join(failed, err)
	}
	return f.Ledger.SetCursor(ctx, f.Name, ledger.Cursor{Name: "polled", Value: f.Now().UTC().Format(time.RFC3339)})
}

// flowInbox is the ledger's inbox under the flow's name.
type flowInbox struct {
	source.PollEnd
	f     *Flow
	heard *bool // an answer came, or one without news; nil = nobody asks
}

func (i flowInbox) Cursor(ctx context.Context, name string) (string, error) {
	return i.f.Ledger.Cursor(ctx, i.f.Name, name)
}

func (i flowInbox) Receive(ctx context.Context, a ledger.Answer, c ledger.Cursor) error {
	if i.heard != nil && !strings.HasPrefix(c.Name, source.NoticeCursor) {
		*i.heard = true
	}
	if a.Body == nil {
		return i.f.Ledger.SetCursor(ctx, i.f.Name, c)
	}
	a.Source = i.f.Name
	_, err := i.f.Ledger.Receive(ctx, a, c)
	return err
}

func (i flowInbox) News(ctx context.Context, seen []ledger.Sighting) ([]bool, error) {
	return i.f.Ledger.News(ctx, i.f.Name, seen)
}

// Observe reads the answers that nobody has read yet. A crash before this loses nothing: the answer is in the inbox.
func (f *Flow) Observe(ctx context.Context) error {
	for a, err := range f.Ledger.Unread(ctx, f.Name) {
		if err != nil {
			return fmt.Errorf("read the inbox: %w", err)
		}
		seen, err := f.Poller.Sightings(a)
		if err != nil {
			// The answer as a whole is no worklist or page. It stays listed as one record that nobody could read.
			f.Logger.Error("an answer in the inbox cannot be read", "flow", f.Name, "kind", a.Kind, "answer", a.ID, "error", err)
			seen = []ledger.Sighting{source.UnreadableAnswer(a.Body, err)}
		}
		if err := f.Ledger.Observe(ctx, a, seen); err != nil {
			return fmt.Errorf("note answer %d: %w", a.ID, err)
		}
	}
	return nil
}

// refresh marks every live record to be read again: leaving a worklist says nothing of what happened to a referral.
func (f *Flow) refresh(ctx context.Context) error {
	if due, err := f.refreshDue(ctx); err != nil || !due {
		return err
	}
	live, err := f.Ledger.Live(ctx, f.Name)
	if err != nil {
		return err
	}
	if err := f.Sight(ctx, live); err != nil {
		return err
	}
	return f.Ledger.SetCursor(ctx, f.Name, ledger.Cursor{Name: "refreshed", Value: f.Now().UTC().Format(time.RFC3339)})
}

// refreshDue reports whether the live records are to be read again now.
func (f *Flow) refreshDue(ctx context.Context) (bool, error) {
	if f.Refresh == 0 {
		return false, nil
	}
	last, err := f.Ledger.Cursor(ctx, f.Name, "refreshed")
	return elapsed(last, f.Now(), f.Refresh), err
}

// elapsed reports whether so long has passed since last, RFC 3339; also where last is no time.
func elapsed(last string, now time.Time, every time.Duration) bool {
	t, err := time.Parse(time.RFC3339, last)
	return err != nil || now.Sub(t) >= every
}

// Sight marks records to be read at their source.
func (f *Flow) Sight(ctx context.Context, refs []fhir.Reference) error {
	if len(refs) == 0 {
		return nil
	}
	seen := make([]ledger.Sighting, len(refs))
	for i, ref := range refs {
		seen[i] = ledger.Sighting{Ref: ref.Current()}
	}
	return f.Ledger.Observe(ctx, ledger.Answer{Source: f.Name}, seen)
}

// Mark notes how records came, for the marker field of what is created from them.
func (f *Flow) Mark(ctx context.Context, refs []fhir.Reference, run string) error {
	for _, ref := range refs {
		if err := f.Ledger.SetCursor(ctx, f.Name, ledger.Cursor{Name: plan.MarkerOf(ref), Value: run}); err != nil {
			return err
		}
	}
	return nil
}

// Window brings in what changed at a FHIR server between two instants, for a backfill. What it finds that was not known is
// marked so; what a poll left in the inbox is not its own.
func (f *Flow) Window(ctx context.Context, server *source.FHIRServer, from, to time.Time) error {
	failed := server.Window(ctx, backfilled{flowInbox{f: f}}, from, to)
	if bridge.Stopped(ctx, failed) {
		return failed
	}
	return errors.Join(failed, f.Observe(ctx))
}

// backfilled is the inbox of a backfill.
type backfilled struct{ flowInbox }

// Receive marks the records before their answer is kept. A crash in between leaves marks of records that the backfill will find
// when it is repeated.
func (b backfilled) Receive(ctx context.Context, a ledger.Answer, c ledger.Cursor) error {
	seen, err := b.f.Poller.Sightings(a)
	if err != nil {
		return b.flowInbox.Receive(ctx, a, c) // Observe lists it
	}
	refs := make([]fhir.Reference, len(seen))
	for i, s := range seen {
		refs[i] = s.Ref
	}
	if err := b.f.Mark(ctx, refs, "backfill"); err != nil {
		return err
	}
	return b.flowInbox.Receive(ctx, a, c)
}

// ReopenHeld gives everything that is held or unknown another try, now.
func (f *Flow) ReopenHeld(ctx context.Context) (int, error) {
	held, err := f.Ledger.Entries(ctx, ledger.Filter{Source: f.Name, Fates: []ledger.Fate{ledger.Held, ledger.Unknown}})
	if err != nil {
		return 0, err
	}
	opened := 0
	for _, e := range held {
		n, err := f.Ledger.Reopen(ctx, f.Name, e.Ref.Current())
		if err != nil {
			return opened, err
		}
		opened += n
	}
	return opened, nil
}

// Report sums up one Sync.
type Report struct {
	deliver.Result
	StatusBack int // changes carried back to the source
	Divergent  int // changes in Salesforce that are open
	Refused    int // of these, what the source refused
}

// Sync works off what is due: read what was only named, plan, apply, settle, batch after batch, then the way back. A source
// that cannot be read does not keep what is known already from being applied.
func (f *Flow) Sync(ctx context.Context) (Report, error) { return f.SyncAfter(ctx, nil) }

// SyncAfter is Sync right after a Poll that ended with polled. Where the source halted it, the source is not asked for the same
// records a second time, and the halt is not told a second time.
func (f *Flow) SyncAfter(ctx context.Context, polled error) (Report, error) {
	var report Report
	if err := f.current(ctx); err != nil {
		return report, err
	}
	if err := f.prepare(ctx); err != nil {
		return report, err
	}
	var halted error
	if !errors.Is(polled, bridge.ErrHalted) {
		halted = f.fetch(ctx, f.pollEnd())
	}
	if halted != nil && !errors.Is(halted, bridge.ErrHalted) && !errors.Is(halted, source.ErrPollEnded) {
		return report, halted
	}
	for _, fate := range f.unread {
		report.Count(fate)
	}
	f.unread = nil
	unfit := f.fit(ctx)
	if unfit == nil {
		if err := f.apply(ctx, &report); err != nil {
			return report, errors.Join(halted, err)
		}
		if err := f.probe(ctx); err != nil {
			return report, errors.Join(halted, err)
		}
	}
	halted = errors.Join(halted, unfit)
	if f.Back != nil {
		back, err := f.Back.Run(ctx)
		report.StatusBack, report.Divergent, report.Refused = back.Done, back.Divergent, back.Refused
		if unfit == nil || !errors.Is(err, bridge.ErrHalted) { // what does not fit is told already
			halted = errors.Join(halted, err)
		}
	}
	return report, errors.Join(halted, f.finish(ctx))
}

// prepare brings the ledger up to date before anything is decided.
func (f *Flow) prepare(ctx context.Context) error {
	if err := f.Observe(ctx); err != nil {
		return err
	}
	if err := f.release(ctx); err != nil {
		return err
	}
	if err := f.refresh(ctx); err != nil {
		return err
	}
	_, err := f.Ledger.TakeTurns(ctx, f.Name)
	return err
}

// fit asks whether the tables fit the target, and takes them as they run there; where they do not fit, the lane halts. What was polled is in the ledger and waits there.
func (f *Flow) fit(ctx context.Context) error {
	if f.Fit == nil {
		return nil
	}
	tables, err := f.Fit(ctx)
	if err != nil {
		return fmt.Errorf("%w: %w", bridge.ErrHalted, err)
	}
	f.Planner.Tables = tables
	if f.Back != nil {
		f.Back.Tables = tables
	}
	return nil
}

// apply takes every record that was due when it began, each once: one that waits for the next run cannot keep the others
// from their turn.
func (f *Flow) apply(ctx context.Context, report *Report) error {
	planner, err := f.marked(ctx)
	if err != nil {
		return err
	}
	turns := turns{flow: f, due: f.Ledger.Due, turn: ledger.Turn{At: f.Now(), Read: true}}
	f.Applier.Begin()
	for {
		work, err := turns.next(ctx)
		if err != nil || len(work) == 0 {
			return err
		}
		plan, err := planner.Inbound(ctx, work)
		if errors.Is(err, bridge.ErrOlder) && f.Recovery != nil {
			return f.BeginRebuild(ctx, err.Error())
		}
		if err != nil {
			return err
		}
		res, err := f.Applier.Apply(ctx, plan)
		report.add(res)
		if err != nil {
			return err
		}
		turns.waiting = plan.Deferred()
	}
}

// marked gives the planner as this run has it: with the marker of the run: what the first sync ever brings in is no news to
// anybody.
func (f *Flow) marked(ctx context.Context) (plan.Planner, error) {
	planner := f.Planner
	synced, err := f.Ledger.Cursor(ctx, f.Name, "synced")
	if err != nil {
		return planner, err
	}
	if synced == "" && planner.Policy.Run == "live" {
		planner.Policy.Run = "first"
	}
	anew, err := f.Ledger.Cursor(ctx, f.Name, rebuiltCursor)
	planner.Anew, _ = time.Parse(time.RFC3339, anew)
	return planner, err
}

// heard reports whether a poll ever brought anything in. One service of several that cannot be read does not keep the others from
// being carried, so neither does it keep their bodies for ever.
func (f *Flow) heard(ctx context.Context) (bool, error) {
	mark, err := f.Ledger.Cursor(ctx, f.Name, heardCursor)
	if err != nil || mark != "" {
		return mark != "", err
	}
	polled, err := f.LastPoll(ctx) // by an older version
	return !polled.IsZero(), err
}

// finish notes that a sync went through, and once a day erases what the retention time is over for.
func (f *Flow) finish(ctx context.Context) error {
	now := f.Now()
	if heard, err := f.heard(ctx); err != nil || !heard {
		return err // a backfill, or a source that could not be polled: what it brings in first is yet to come
	}
	last, err := f.Ledger.Cursor(ctx, f.Name, "synced")
	if err != nil {
		return err
	}
	if err := f.Ledger.SetCursor(ctx, f.Name, ledger.Cursor{Name: "synced", Value: now.UTC().Format(time.RFC3339)}); err != nil {
		return err
	}
	if !purgeDue(last, now, f.Retention) {
		return nil
	}
	_, err = f.Ledger.Purge(ctx, now.Add(-f.Retention))
	return err
}

// purgeDue reports whether a sync erases what the retention time is over for: the first one of a day (UTC). last is when the one
// before ended, RFC 3339.
func purgeDue(last string, now time.Time, retention time.Duration) bool {
	before, err := time.Parse(time.RFC3339, last)
	sameDay := err == nil && before.UTC().Format(time.DateOnly) == now.UTC().Format(time.DateOnly)
	return retention != 0 && !sameDay
}

func (r *Report) add(o deliver.Result) {
	r.Applied += o.Applied
	r.Held += o.Held
	r.Dead += o.Dead
	r.Unknown += o.Unknown
	r.Superseded += o.Superseded
	r.Writes += o.Writes
}

// release gives held records another try when what they may have waited for has changed: the tables, or what describe says of
// the org's objects. Both are noted at each sync, also where nothing is held: the next change is a change then.
func (f *Flow) release(ctx context.Context) error {
	codes, err := f.released(ctx, f.changed)
	if err != nil {
		return err
	}
	moved, err := f.changed(ctx, "base", f.Base)
	if err != nil {
		return err
	}
	if moved {
		codes = append(codes, bridge.CodeSourceGone)
	}
	_, err = f.Ledger.Release(ctx, f.Name, codes)
	return err
}

// released returns the reasons whose records are tried again now. compare says whether a hash differs from the one noted.
func (f *Flow) released(ctx context.Context, compare func(ctx context.Context, name, hash string) (bool, error)) ([]string, error) {
	tables, err := compare(ctx, "tables", f.Planner.Tables.Hash())
	if err != nil || f.Describe == nil {
		return bridge.Releases(tables, false), err
	}
	hash, err := f.Describe(ctx)
	if err != nil {
		if bridge.Stopped(ctx, err) {
			return nil, err
		}
		return bridge.Releases(tables, false), nil // the org says nothing now: what waits for it waits on
	}
	described, err := compare(ctx, "describe", hash)
	return bridge.Releases(tables, described), err
}

// changed compares a hash with the one that was noted before, and notes it.
func (f *Flow) changed(ctx context.Context, name, hash string) (bool, error) {
	before, err := f.Ledger.Cursor(ctx, f.Name, name)
	if err != nil || before == hash {
		return false, err
	}
	return differs(before, hash), f.Ledger.SetCursor(ctx, f.Name, ledger.Cursor{Name: name, Value: hash})
}

// differing is changed without a note.
func (f *Flow) differing(ctx context.Context, name, hash string) (bool, error) {
	before, err := f.Ledger.Cursor(ctx, f.Name, name)
	return differs(before, hash), err
}

// differs reports whether a hash is news: the first one ever noted is none.
func differs(before, now string) bool { return before != "" && before != now }

func (f *Flow) pollEnd() source.PollEnd {
	if f.MaxPoll == 0 {
		return source.PollEnd{}
	}
	return source.PollEnd{At: f.Now().Add(f.MaxPoll), Most: f.MaxPoll, Now: f.Now}
}
