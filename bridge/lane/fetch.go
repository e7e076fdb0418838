package lane

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"time"

	"refbridge/bridge"
	"refbridge/bridge/source"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
)

// An outage is told from one bad record by its neighbours: so many in a row, and it is the source.
const (
	outageAfter  = 5  // records that the source failed to give, one after the other
	refusedAfter = 10 // records that the source refused, or gave no usable answer for, one after the other
)

// fetch reads what was only named, and writes it down before anything is decided on it. Planning, dry runs and restarts then
// read the ledger and ask the source for nothing. In an outage nothing is counted against the records, and where too much
// is not visible or deleted at once nothing of that is settled. At end it leaves the rest to the next.
func (f *Flow) fetch(ctx context.Context, end source.PollEnd) error {
	work, err := f.Ledger.ToRead(ctx, f.Name)
	if err != nil || len(work) == 0 {
		return err
	}
	live, err := f.Ledger.Live(ctx, f.Name)
	if err != nil {
		return err
	}
	r := round{flow: f, losses: losses{records: max(len(live), len(work))}, read: map[fhir.Reference]bool{}}
	r.many, _ = f.Source.(source.ManyReader)
	for some := range slices.Chunk(work, source.ReadBatch) {
		if err := r.take(ctx, some); err != nil {
			return err
		}
		if work = work[len(some):]; len(work) == 0 {
			break
		}
		if err := end.Check(); err != nil {
			return err // what failed or was not found up to here is read again: how much of the lane it is, is not known yet
		}
	}
	return r.finish(ctx)
}

// round is one pass over what is to be read.
type round struct {
	flow    *Flow
	many    source.ManyReader // nil: the source gives one record an answer
	read    map[fhir.Reference]bool
	given   int                 // records that the source gave
	failed  []ledger.Settlement // since the last of them
	losses  losses
	missing []ledger.Settlement // not visible
	gone    []fhir.Reference    // deleted
}

// take reads some records in their order.
func (r *round) take(ctx context.Context, work []ledger.Work) error {
	found, err := r.together(ctx, work)
	if err != nil {
		return err
	}
	var kept []ledger.Sighting
	for _, w := range work {
		ref := w.Ref.Current()
		if r.read[ref] {
			continue // marked, and named in a list too
		}
		r.read[ref] = true
		if s, ok := found[ref]; ok {
			delete(r.flow.unread, ref)
			kept = append(kept, s)
			err = r.well(ctx)
		} else {
			err = r.one(ctx, w)
		}
		if err != nil {
			break
		}
	}
	// A crash here loses nothing: what was not kept is still to be read.
	if _, bad := r.flow.Ledger.KeepAll(ctx, r.flow.Name, kept); bad != nil {
		return bad
	}
	return err
}

// together reads what can be read in one answer. What fails as a whole is read one by one: what is wrong with which record
// is told from its own answer.
func (r *round) together(ctx context.Context, work []ledger.Work) (map[fhir.Reference]ledger.Sighting, error) {
	if r.many == nil || len(work) < 2 {
		return nil, nil
	}
	refs := make([]fhir.Reference, len(work))
	for i, w := range work {
		refs[i] = w.Ref.Current()
	}
	found, err := r.many.ReadMany(ctx, refs)
	if err == nil || bridge.Stopped(ctx, err) {
		return found, err
	}
	if v := bridge.OfSource(err, ledger.Work{}, r.flow.Now()); v.Halt != nil {
		return nil, v.Halt
	}
	r.flow.Logger.Info("records are read one by one", "flow", r.flow.Name, "error", err)
	r.many = nil
	return nil, nil
}

// one reads one record by itself.
func (r *round) one(ctx context.Context, w ledger.Work) error {
	st, err := r.flow.read(ctx, w)
	switch {
	case err != nil:
		return err
	case st == nil:
		return r.well(ctx)
	case st.Reason.Code == bridge.CodePatientError:
		return r.flow.settle(ctx, []ledger.Settlement{*st}) // e-RS asks not to be asked again: nothing may lose that
	case st.Reason.Code == bridge.CodeSourceGone || st.Reason.Code == bridge.CodeSourceDeleted:
		return r.lost(w, *st)
	}
	r.failed = append(r.failed, *st)
	return outage(r.failed, r.given)
}

// well notes that the source gave a record: what failed before it was not the source.
func (r *round) well(ctx context.Context) error {
	r.given++
	r.losses.run = 0
	err := r.flow.settle(ctx, r.failed)
	r.failed = nil
	return err
}

// lost notes a record that is not visible or deleted. It counts once: a record that has been so before says nothing new of
// the lane.
func (r *round) lost(w ledger.Work, st ledger.Settlement) error {
	news := true
	if st.Reason.Code == bridge.CodeSourceDeleted {
		r.gone = append(r.gone, w.Ref.Current())
		if news = !ledger.Deleted(w.Known.Version); news {
			r.losses.deleted++
		}
	} else {
		r.missing = append(r.missing, st)
		if news = w.Reason.Code != bridge.CodeSourceGone; news {
			r.losses.missing++
		}
	}
	if news {
		r.losses.run++
	}
	if l := r.losses; !r.flow.AcceptGone && l.tooMany() {
		return &LostError{Source: r.flow.Name, Records: l.records, Missing: l.missing, Deleted: l.deleted, Run: l.run}
	}
	return nil
}

// finish writes down what was not found, once it is known that it is the records and not the lane.
func (r *round) finish(ctx context.Context) error {
	if err := r.flow.settle(ctx, slices.Concat(r.failed, r.missing)); err != nil {
		return err
	}
	for _, ref := range r.gone {
		if _, err := r.flow.Ledger.KeepGone(ctx, r.flow.Name, ref, bridge.Tombstone(ref)); err != nil {
			return err
		}
	}
	return nil
}

func (f *Flow) settle(ctx context.Context, st []ledger.Settlement) error {
	if len(st) == 0 {
		return nil
	}
	if f.unread == nil {
		f.unread = map[fhir.Reference]ledger.Fate{}
	}
	for _, s := range st {
		f.unread[s.Ref.Current()] = s.Fate
	}
	return f.Ledger.Settle(ctx, st)
}

// outage tells whether the failures in a row are the source's and not the records'. given is how many records the source gave
// before: an answer that cannot be used, given for every record, is the source's.
func outage(failed []ledger.Settlement, given int) error {
	counts := map[string]int{}
	for _, st := range failed {
		counts[st.Reason.Code]++
	}
	last := failed[len(failed)-1].Reason.Text
	switch {
	case counts[bridge.CodeSource] >= outageAfter:
		return fmt.Errorf("%w: the source failed %d times in a row (%s)", bridge.ErrHalted, counts[bridge.CodeSource], last)
	case counts[bridge.CodeRelationship] >= refusedAfter:
		return fmt.Errorf("%w: the source refused %d records in a row; a permission may be lost (%s)",
			bridge.ErrHalted, counts[bridge.CodeRelationship], last)
	case counts[bridge.CodeUnreadable] >= refusedAfter && given == 0:
		return fmt.Errorf("%w: the source gave no usable answer for any of %d records; check base_url (%s)",
			bridge.ErrHalted, counts[bridge.CodeUnreadable], last)
	}
	return nil
}

// read reads one record. nil: it is in the ledger now; otherwise how its failure would be settled. The error is for what
// stops the run.
func (f *Flow) read(ctx context.Context, w ledger.Work) (*ledger.Settlement, error) {
	if done, err := f.refusedBefore(ctx, w); done || err != nil {
		return nil, err
	}
	ref, body, err := f.Source.Read(ctx, w.Ref)
	if err == nil {
		delete(f.unread, w.Ref.Current())
		seen, err := source.WithListed(ctx, f.Ledger, f.Name, readAs(ref, body))
		if err == nil {
			_, err = f.Ledger.KeepAll(ctx, f.Name, []ledger.Sighting{seen})
		}
		return nil, err
	}
	if bridge.Stopped(ctx, err) {
		return nil, err
	}
	gone, unknown := f.deleted(ctx, w.Ref, err)
	if unknown != nil {
		return nil, unknown
	}
	v := bridge.OfSource(err, w, f.Now())
	if v.Halt != nil {
		return nil, v.Halt
	}
	if v.Reason.Code == bridge.CodePatientError && f.Applier != nil {
		return nil, f.stop(ctx, w, v)
	}
	st := v.Settlement(w)
	if gone {
		st.Reason = ledger.Reason{Code: bridge.CodeSourceDeleted}
	}
	return &st, nil
}

// unflaggedCursor begins the names of cursors of records that the source refuses to give for their patient's sake, and whose stop flags
// are not all written yet.
const unflaggedCursor = "unflagged:"

// stop sets the stop flags of a record that the source refuses to give for its patient's sake, and settles it. It is noted first: a crash,
// or an org that cannot be written to now, leaves the note, and the next run sets the flags without asking the source again.
func (f *Flow) stop(ctx context.Context, w ledger.Work, v bridge.Verdict) error {
	note := ledger.Cursor{Name: unflaggedCursor + w.Ref.Current().String(), Value: f.Now().UTC().Format(time.RFC3339)}
	if err := f.Ledger.SetCursor(ctx, f.Name, note); err != nil {
		return err
	}
	plan, err := f.Planner.Stop(ctx, w, v)
	if err != nil {
		return err
	}
	done, err := f.Applier.Apply(ctx, plan)
	if f.unread == nil {
		f.unread = map[fhir.Reference]ledger.Fate{}
	}
	f.unread[w.Ref.Current()] = ledger.Held
	if err != nil || done.Held > 0 {
		return err
	}
	f.unread[w.Ref.Current()] = ledger.Dead
	if done.Writes < len(plan.Steps[0].Ahead) {
		return nil // given up: the note stays, for an operator's retry
	}
	note.Value = ""
	return f.Ledger.SetCursor(ctx, f.Name, note)
}

// refusedBefore settles a record that the source has refused to give for its patient's sake, and asks not to be asked for again: its stop
// flags first, where they are not written yet. It reports whether it was such a one.
func (f *Flow) refusedBefore(ctx context.Context, w ledger.Work) (bool, error) {
	since, err := f.Ledger.Cursor(ctx, f.Name, unflaggedCursor+w.Ref.Current().String())
	if err != nil {
		return false, err
	}
	if since != "" && f.Applier != nil {
		return true, f.stop(ctx, w, bridge.PatientError())
	}
	banned, err := f.banned(ctx, w.Ref)
	if err != nil || banned.Code == "" {
		return false, err
	}
	return true, f.settle(ctx, []ledger.Settlement{{Source: f.Name, Ref: w.Ref, Fate: ledger.Dead, Reason: banned}})
}

// banned gives the reason why a record is never read again: e-RS asked not to try a second time, whatever version it names.
func (f *Flow) banned(ctx context.Context, ref fhir.Reference) (ledger.Reason, error) {
	dead, err := f.Ledger.Entries(ctx, ledger.Filter{Source: f.Name, Ref: ref.Current(), Fates: []ledger.Fate{ledger.Dead}})
	if err != nil {
		return ledger.Reason{}, err
	}
	for _, e := range dead {
		if e.Reason.Code == bridge.CodePatientError {
			return e.Reason, nil
		}
	}
	return ledger.Reason{}, nil
}

// readAs returns what a read gave, with the times at which the source says that it changed the record and its patient.
func readAs(ref fhir.Reference, body []byte) ledger.Sighting {
	s := ledger.Sighting{Ref: ref, Body: body}
	r, err := fhir.Parse(body)
	if err != nil {
		return s
	}
	if r.Type() != "Bundle" {
		s.Updated = r.LastUpdated()
		return s
	}
	for e := range r.Root().Get("entry").Items() {
		one, err := fhir.ResourceAt(e.Get("resource"))
		switch {
		case err != nil:
		case one.Type() == ref.Type && one.ID() == ref.ID:
			s.Updated = one.LastUpdated()
		case one.Type() == source.PatientType && s.Patient.ID == "":
			s.Beside, s.Patient = one.LastUpdated(), source.PatientOf(one)
		}
	}
	return s
}

// historian is a source that can say how a record ended.
type historian interface {
	Deleted(ctx context.Context, ref fhir.Reference) (bool, error)
}

// deleted reports whether the source says that it has deleted a record that it did not show. Where the answer to the read
// does not say so, its history is asked, if it has one; what that does not know is no deletion.
func (f *Flow) deleted(ctx context.Context, ref fhir.Reference, read error) (bool, error) {
	var e *rest.Error
	history, ok := f.Source.(historian)
	switch {
	case saysDeleted(read):
		return true, nil
	case !ok || !errors.As(read, &e) || e.Status != http.StatusNotFound && e.Status != http.StatusGone:
		return false, nil
	}
	gone, err := history.Deleted(ctx, ref)
	if bridge.Stopped(ctx, err) {
		return false, err
	}
	return gone && err == nil, nil
}

// saysDeleted reports whether a failed read is the source's own word that it has deleted the record: 410 with its
// OperationOutcome. A page of a gateway is not, and a 404 never.
func saysDeleted(err error) bool {
	var e *rest.Error
	return errors.As(err, &e) && e.Status == http.StatusGone && e.Outcome
}
