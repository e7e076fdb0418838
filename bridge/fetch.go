package bridge

import (
	"context"
	"fmt"

	"refbridge/fhir"
	"refbridge/ledger"
)

// An outage is told from one bad record by its neighbours: so many in a row, and it is the source.
const (
	outageAfter  = 5  // records that the source failed to give, one after the other
	refusedAfter = 10 // records that the source refused, one after the other
)

// fetch reads what was only named, and writes it down before anything is decided on it. Planning, dry runs and restarts then
// read the ledger and ask the source for nothing. In an outage nothing is counted against the records.
func (f *Flow) fetch(ctx context.Context) error {
	work, err := f.Ledger.ToRead(ctx, f.Name)
	if err != nil {
		return err
	}
	var failed []ledger.Settlement // since the last record that the source gave
	for _, w := range work {
		st, err := f.read(ctx, w)
		switch {
		case err != nil:
			return err
		case st == nil:
			if err := f.settle(ctx, failed); err != nil {
				return err
			}
			failed = nil
			continue
		}
		failed = append(failed, *st)
		if err := outage(failed); err != nil {
			return err
		}
	}
	return f.settle(ctx, failed)
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

// outage tells whether the failures in a row are the source's and not the records'.
func outage(failed []ledger.Settlement) error {
	down, refused := 0, 0
	for _, st := range failed {
		switch st.Reason.Code {
		case codeSource:
			down++
		case codeRelationship:
			refused++
		}
	}
	switch {
	case down >= outageAfter:
		return fmt.Errorf("%w: the source failed %d times in a row (%s)", ErrHalted, down, failed[len(failed)-1].Reason.Text)
	case refused >= refusedAfter:
		return fmt.Errorf("%w: the source refused %d records in a row; a permission may be lost (%s)",
			ErrHalted, refused, failed[len(failed)-1].Reason.Text)
	}
	return nil
}

// read reads one record. nil: it is in the ledger now; otherwise how its failure would be settled. The error is for what
// stops the run.
func (f *Flow) read(ctx context.Context, w ledger.Work) (*ledger.Settlement, error) {
	banned, err := f.banned(ctx, w.Ref)
	if err != nil {
		return nil, err
	}
	if banned.Code != "" {
		return nil, f.settle(ctx, []ledger.Settlement{{Source: f.Name, Ref: w.Ref, Fate: ledger.Dead, Reason: banned}})
	}
	ref, body, err := f.Source.Read(ctx, w.Ref)
	if err == nil {
		delete(f.unread, w.Ref.Current())
		_, err = f.Ledger.KeepAll(ctx, f.Name, []ledger.Sighting{readAs(ref, body)})
		return nil, err
	}
	if stopped(ctx, err) {
		return nil, err
	}
	v := ofSource(err, w, f.Now())
	if v.halt != nil {
		return nil, v.halt
	}
	if v.reason.Code == codePatientError && f.Applier != nil {
		return nil, f.stop(ctx, w, v)
	}
	st := v.settlement(w)
	return &st, nil
}

// stop sets the stop flags of a record that the source refuses to give for its patient's sake, and settles it.
func (f *Flow) stop(ctx context.Context, w ledger.Work, v verdict) error {
	plan, err := f.Planner.stop(ctx, w, v)
	if err != nil {
		return err
	}
	if _, err := f.Applier.Apply(ctx, plan); err != nil {
		return err
	}
	if f.unread == nil {
		f.unread = map[fhir.Reference]ledger.Fate{}
	}
	f.unread[w.Ref.Current()] = plan.Steps[0].Fate
	return nil
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
		case one.Type() == patientType && s.Patient.ID == "":
			s.Beside, s.Patient = one.LastUpdated(), patientOf(one)
		}
	}
	return s
}
