package bridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"time"

	"refbridge/fhir"
	"refbridge/ledger"
)

// inbox is where a poll leaves what a source said, before anything else happens with it.
type inbox interface {
	cursor(ctx context.Context, name string) (string, error)
	receive(ctx context.Context, a ledger.Answer, c ledger.Cursor) error
}

// poller asks a source once, and reads what it said.
type poller interface {
	Poll(ctx context.Context, in inbox) error
	Sightings(a ledger.Answer) ([]ledger.Sighting, error)
}

// Flow is a lane: one source into Salesforce and back. A schedule calls Poll and Sync; both find their work in the ledger,
// so that a call that is lost, doubled or interrupted does no harm.
type Flow struct {
	Name    string
	Poller  poller
	Source  reader
	Planner Planner
	Applier *Applier // nil: this flow can only plan
	Ledger  *ledger.Ledger
	Back    *Reconciler   // nil: nothing is watched in Salesforce
	Refresh time.Duration // how often every live record is read again; zero = only what a poll names
	Logger  *slog.Logger
	Now     func() time.Time
}

// planBatch is how many records are planned together: enough for full Salesforce calls, few enough for constant memory.
const planBatch = 200

// Poll asks the source once and notes what it said.
func (f *Flow) Poll(ctx context.Context) error {
	failed := f.Poller.Poll(ctx, flowInbox{f})
	if err := f.Observe(ctx); err != nil {
		return errors.Join(failed, err)
	}
	if err := f.refresh(ctx); err != nil {
		return errors.Join(failed, err)
	}
	if err := f.fetch(ctx); err != nil || failed != nil {
		return errors.Join(failed, err)
	}
	return f.Ledger.SetCursor(ctx, f.Name, ledger.Cursor{Name: "polled", Value: f.Now().UTC().Format(time.RFC3339)})
}

// flowInbox is the ledger's inbox under the flow's name.
type flowInbox struct{ f *Flow }

func (i flowInbox) cursor(ctx context.Context, name string) (string, error) {
	return i.f.Ledger.Cursor(ctx, i.f.Name, name)
}

func (i flowInbox) receive(ctx context.Context, a ledger.Answer, c ledger.Cursor) error {
	a.Source = i.f.Name
	_, err := i.f.Ledger.Receive(ctx, a, c)
	return err
}

// Observe reads the answers that nobody has read yet. A crash before this loses nothing: the answer is in the inbox.
func (f *Flow) Observe(ctx context.Context) error {
	answers, err := f.Ledger.Unread(ctx, f.Name)
	if err != nil {
		return fmt.Errorf("read the inbox: %w", err)
	}
	for _, a := range answers {
		seen, err := f.Poller.Sightings(a)
		if err != nil {
			// The answer as a whole is no worklist or page. It stays listed as one record that nobody could read.
			f.Logger.Error("an answer in the inbox cannot be read", "flow", f.Name, "kind", a.Kind, "answer", a.ID, "error", err)
			seen = []ledger.Sighting{unreadable("List", a.ID, 0, err)}
		}
		if err := f.Ledger.Observe(ctx, a, seen); err != nil {
			return fmt.Errorf("note answer %d: %w", a.ID, err)
		}
	}
	return nil
}

// refresh marks every live record to be read again: leaving a worklist says nothing of what happened to a referral.
func (f *Flow) refresh(ctx context.Context) error {
	if f.Refresh == 0 {
		return nil
	}
	last, err := f.Ledger.Cursor(ctx, f.Name, "refreshed")
	if err != nil {
		return err
	}
	if t, err := time.Parse(time.RFC3339, last); err == nil && f.Now().Sub(t) < f.Refresh {
		return nil
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

// Window brings in what changed at a FHIR server between two instants, for a backfill.
func (f *Flow) Window(ctx context.Context, server *FHIRServer, from, to time.Time) error {
	if err := server.Window(ctx, flowInbox{f}, from, to); err != nil {
		return err
	}
	return f.Observe(ctx)
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

// LastPoll gives when Poll last ended well; the zero time = never.
func (f *Flow) LastPoll(ctx context.Context) (time.Time, error) {
	mark, err := f.Ledger.Cursor(ctx, f.Name, "polled")
	at, _ := time.Parse(time.RFC3339, mark)
	return at, err
}

// Report sums up one Sync.
type Report struct {
	Result
	StatusBack int // changes carried back to the source
	Divergent  int // changes in Salesforce that are reported, waiting or refused
}

// Sync works off what is due: plan, apply, settle, batch after batch, then the way back.
func (f *Flow) Sync(ctx context.Context) (Report, error) {
	var report Report
	if err := f.Observe(ctx); err != nil {
		return report, err
	}
	if err := f.reopen(ctx); err != nil {
		return report, err
	}
	if err := f.fetch(ctx); err != nil {
		return report, err
	}
	open, err := f.Ledger.Unresolved(ctx)
	if err != nil {
		return report, err
	}
	f.Applier.Resume(open)
	for {
		n, res, err := f.batch(ctx)
		report.add(res)
		if err != nil {
			return report, err
		}
		if n == 0 {
			break
		}
	}
	if f.Back == nil {
		return report, nil
	}
	back, err := f.Back.Run(ctx)
	report.StatusBack, report.Divergent = back.Done, back.Divergent
	return report, err
}

func (r *Report) add(o Result) {
	r.Applied += o.Applied
	r.Held += o.Held
	r.Dead += o.Dead
	r.Unknown += o.Unknown
	r.Superseded += o.Superseded
	r.Writes += o.Writes
}

func (f *Flow) batch(ctx context.Context) (int, Result, error) {
	work, err := f.Ledger.Due(ctx, f.Name, planBatch)
	if err != nil || len(work) == 0 {
		return 0, Result{}, err
	}
	plan, err := f.Planner.Inbound(ctx, work)
	if err != nil {
		return 0, Result{}, err
	}
	res, err := f.Applier.Apply(ctx, plan)
	return plan.decided(), res, err
}

// fetch reads what was only named, and writes it down before anything is decided on it. Planning, dry runs and restarts then
// read the ledger and ask the source for nothing.
func (f *Flow) fetch(ctx context.Context) error {
	work, err := f.Ledger.ToRead(ctx, f.Name)
	if err != nil {
		return err
	}
	for _, w := range work {
		if err := f.read(ctx, w); err != nil {
			return err
		}
	}
	return nil
}

// read reads one record. Its failure is settled with the record; the error is for what stops the run.
func (f *Flow) read(ctx context.Context, w ledger.Work) error {
	banned, err := f.banned(ctx, w.Ref)
	if err != nil {
		return err
	}
	if banned.Code != "" {
		return f.Ledger.Settle(ctx, []ledger.Settlement{{Source: f.Name, Ref: w.Ref, Fate: ledger.Dead, Reason: banned}})
	}
	ref, body, err := f.Source.Read(ctx, w.Ref)
	if err == nil {
		_, err = f.Ledger.Keep(ctx, f.Name, ref, body)
		return err
	}
	if stopped(ctx, err) {
		return err
	}
	v := ofSource(err, w, f.Now())
	if v.halt != nil {
		return v.halt
	}
	return f.Ledger.Settle(ctx, []ledger.Settlement{v.settlement(w)})
}

// banned gives the reason why a record is never read again: e-RS asked not to try a second time, whatever version it names.
func (f *Flow) banned(ctx context.Context, ref fhir.Reference) (ledger.Reason, error) {
	dead, err := f.Ledger.Entries(ctx, ledger.Filter{Source: f.Name, Ref: ref.Current(), Fates: []ledger.Fate{ledger.Dead}})
	if err != nil {
		return ledger.Reason{}, err
	}
	for _, e := range dead {
		if e.Reason.Code == codePatientError {
			return e.Reason, nil
		}
	}
	return ledger.Reason{}, nil
}

// reopen gives held records another try when the tables have changed since: their reason may be gone.
func (f *Flow) reopen(ctx context.Context) error {
	before, err := f.Ledger.Cursor(ctx, f.Name, "tables")
	now := f.Planner.Tables.Hash()
	if err != nil || before == now {
		return err
	}
	held, err := f.Ledger.Entries(ctx, ledger.Filter{Source: f.Name, Fates: []ledger.Fate{ledger.Held}})
	if err != nil {
		return err
	}
	for _, e := range held {
		if !reopens(e.Reason.Code) {
			continue
		}
		if _, err := f.Ledger.Reopen(ctx, f.Name, e.Ref.Current()); err != nil {
			return err
		}
	}
	return f.Ledger.SetCursor(ctx, f.Name, ledger.Cursor{Name: "tables", Value: now})
}

// Plan is a dry run: what Sync would do now with what the ledger and its inbox hold. It changes nothing anywhere.
func (f *Flow) Plan(ctx context.Context, limit int) (Plan, error) {
	work, err := f.due(ctx, limit)
	if err != nil {
		return Plan{}, err
	}
	return f.Planner.Inbound(ctx, work)
}

// due is the ledger's due work and what stands in answers that are not read yet.
func (f *Flow) due(ctx context.Context, limit int) ([]ledger.Work, error) {
	work, err := f.Ledger.Due(ctx, f.Name, limit)
	if err != nil {
		return nil, err
	}
	answers, err := f.Ledger.Unread(ctx, f.Name)
	if err != nil {
		return nil, err
	}
	taken := map[fhir.Reference]bool{}
	for _, w := range work {
		taken[w.Ref.Current()] = true
	}
	for _, a := range answers {
		seen, err := f.Poller.Sightings(a)
		if err != nil {
			continue // Observe will list it
		}
		for _, s := range seen {
			if taken[s.Ref.Current()] || limit > 0 && len(work) >= limit {
				continue
			}
			taken[s.Ref.Current()] = true
			known, err := f.Ledger.Known(ctx, f.Name, s.Ref.Current())
			if err != nil {
				return nil, err
			}
			if known.Version == "" || known.Version != s.Ref.Version {
				work = append(work, ledger.Work{Source: f.Name, Ref: s.Ref, Body: s.Body, Known: known, First: a.Received})
			}
		}
	}
	return work, nil
}
