package back

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"time"

	"refbridge/bridge"
	"refbridge/bridge/source"
	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// carry sends what is approved, one after the other: never two writes in flight for one record.
func (r *Reconciler) carry(ctx context.Context) (int, error) {
	open, err := r.Ledger.Writebacks(ctx, r.Flow, ledger.Approved, ledger.Sent, ledger.Unclear)
	if err != nil {
		return 0, err
	}
	done := 0
	for _, w := range open {
		state, reason, stop := r.one(ctx, w)
		if state != "" {
			// Committed after the source answered: a crash before this leaves the row Sent, and the next run looks first.
			if err := r.Ledger.Conclude(context.WithoutCancel(ctx), w.ID, state, reason); err != nil {
				return done, err
			}
		}
		if stop != nil {
			return done, stop
		}
		if state == ledger.Done {
			done++
		}
	}
	return done, nil
}

// one decides again on fresh reads of both sides, then sends. An empty state leaves the row as it is; the error is for what
// stops the run.
func (r *Reconciler) one(ctx context.Context, w ledger.Writeback) (ledger.WritebackState, ledger.Reason, error) {
	d, err := r.decideAgain(ctx, w)
	var faults mapping.Faults
	switch {
	case errors.As(err, &faults):
		return ledger.Reported, bridge.OfMapping(err, ledger.Work{}).Reason, nil
	case err != nil:
		return "", ledger.Reason{}, err
	}
	held, err := r.held(ctx, w.Ref)
	if err != nil {
		return "", ledger.Reason{}, err
	}
	n := r.before(w, d, held)
	if n.do == readSource {
		version, moved, err := r.moved(ctx, w)
		switch {
		case bridge.Stopped(ctx, err):
			return "", ledger.Reason{}, err
		case err != nil:
			return unread(w, err, r.Now())
		}
		d.op.On = version
		n = after(w, held, version.Version, moved)
	}
	switch n.do {
	case compareAgain:
		return n.state, n.reason, r.proposeAgain(ctx, d)
	case syncFirst:
		return n.state, n.reason, r.sight(ctx, w.Ref)
	case sendNow:
		return r.send(ctx, w, d)
	}
	return n.state, n.reason, nil
}

// backNext is what becomes of a write-back now.
type backNext struct {
	state  ledger.WritebackState // empty: it stays as it is
	reason ledger.Reason
	do     backDo
}

// backDo is what is done for a write-back next.
type backDo int

const (
	nothing      backDo = iota
	readSource          // it is still asked for: what the source says now decides
	compareAgain        // what the record asks for instead is noted
	syncFirst           // the source has changed: its news is synced, then both sides are compared again
	sendNow
)

// before judges a write-back by what Salesforce asks for now.
func (r *Reconciler) before(w ledger.Writeback, d decided, held []ledger.Entry) backNext {
	switch {
	case d.doubt:
		return backNext{} // nothing is carried while the record is in doubt
	case d.agreed && w.State != ledger.Approved:
		return backNext{state: ledger.Done} // sent before, and the source has it by now
	case d.op.Name == "" || digestOf(d.op) != w.Digest:
		// Not what was approved any more. What Salesforce asks for now has a row of its own.
		return backNext{ledger.Refused, ledger.Reason{Code: codeWithdrawn, Text: "Salesforce does not ask for it any more"}, compareAgain}
	}
	if state, reason := r.permitted(d.op.Name); state == ledger.Reported {
		return backNext{state: state, reason: reason}
	}
	if undecided(held, "") {
		return backNext{} // a person chooses between both sides first
	}
	return backNext{do: readSource}
}

// after judges a write-back that is asked for by what the source says now: its version, and whether its content is another than what
// was last synced.
func after(w ledger.Writeback, held []ledger.Entry, version string, moved bool) backNext {
	switch {
	case w.State != ledger.Approved && version != w.Ref.Version:
		return backNext{state: ledger.Reported, reason: ledger.Reason{Code: bridge.CodeUnknownOutcome, Text: "it was sent once, nobody saw the answer, and the source has changed " +
			"since: compare both sides; an edit in Salesforce sends it anew"}}
	case moved && len(held) > 0: // the new one is known, and waits for something else
		return backNext{}
	case moved:
		return backNext{do: syncFirst}
	}
	return backNext{do: sendNow}
}

func (r *Reconciler) send(ctx context.Context, w ledger.Writeback, d decided) (ledger.WritebackState, ledger.Reason, error) {
	// Committed before the first byte: after a crash the row says Sent, and the next run looks at the source before it sends.
	if err := r.Ledger.SendAgainst(ctx, w.ID, d.op.On.Version); err != nil {
		return "", ledger.Reason{}, err
	}
	sending, done := bridge.InFlight(ctx, bridge.FlightTime)
	defer done()
	made, err := r.Invoke.Invoke(sending, d.op)
	if err != nil {
		return r.failed(ctx, w, err)
	}
	r.Logger.Info("carried back", "flow", r.Flow, "operation", d.op.Name)
	// Both sides had the value: that is what is known of the row now, and what the source says after it is no news to Salesforce.
	if err := r.Ledger.Carry(context.WithoutCancel(ctx), w.ID, d.carried(made.Version)); err != nil {
		return "", ledger.Reason{}, err
	}
	return ledger.Done, ledger.Reason{}, r.sight(ctx, w.Ref)
}

// decided is what both sides say of a write-back now.
type decided struct {
	op     fhir.Operation // what the change asks for; no name: nothing
	agreed bool           // the source has the value by itself
	doubt  bool           // a write of the row is open
	object mapping.Object
	fields []string // that the rules back read
	row    ledger.Row
	now    sobject.Record
}

// carried returns what is known of the row when its change was carried back: what a person set is known on both sides now. made is
// the version that the operation made of the source's record.
func (d decided) carried(made string) ledger.Image {
	image := d.row.Image
	image.Record.Fields = slices.Clone(image.Record.Fields)
	for _, c := range changes(ours(d.object, d.row, d.now), d.now, d.fields) {
		image.Record.Set(c.Field, c.Want)
		image.Carried = slices.DeleteFunc(slices.Clone(image.Carried), func(old ledger.Carried) bool { return old.Field == c.Field })
		if slices.Contains(d.object.Mapped, c.Field) {
			image.Carried = append(image.Carried, ledger.Carried{Field: c.Field, Value: c.Want, Against: d.op.On.Version, Made: made})
		}
	}
	return image
}

// proposeAgain notes what the record asks for instead.
func (r *Reconciler) proposeAgain(ctx context.Context, d decided) error {
	if d.now.Object == "" {
		return nil
	}
	return r.compare(ctx, d.object, []sobject.Record{d.now})
}

func (r *Reconciler) decideAgain(ctx context.Context, w ledger.Writeback) (decided, error) {
	objects := r.Tables.Objects()
	i := slices.IndexFunc(objects, func(o mapping.Object) bool { return o.Name == w.Object })
	if i < 0 {
		return decided{}, nil
	}
	o := objects[i]
	rows, err := r.Target.Retrieve(ctx, sfdc.Selection{Object: o.Name, KeyField: o.KeyField, Keys: []string{w.Key},
		Fields: o.Fields, Refs: o.Refs})
	if err != nil {
		return decided{}, r.halted(ctx, err, "retrieve "+o.Name)
	}
	known, err := r.Ledger.Rows(ctx, w.Object, []string{w.Key})
	if err != nil {
		return decided{}, err
	}
	return r.asksFor(w, o, known[w.Key], rows)
}

// asksFor is what a row asks for now. rows is what Salesforce has of it. Where that is nothing, or nobody knows what refbridge wrote
// there, it asks for nothing.
func (r *Reconciler) asksFor(w ledger.Writeback, o mapping.Object, row ledger.Row, rows []sobject.Record) (decided, error) {
	if len(rows) != 1 || len(row.Open) == 0 && (!row.Known || row.Image.Unseen) {
		return decided{}, nil
	}
	d := decided{object: o, fields: r.Tables.BackFields(o.Name), row: row, now: rows[0], doubt: len(row.Open) > 0}
	is, _ := rows[0].Get(w.Field)
	was, _ := row.Image.Record.Get(w.Field)
	d.agreed = is.Equal(was) && is.Reveal() == w.To
	ops, err := r.Tables.Back(mapping.Change{Dialect: r.Dialect, Ref: w.Ref, Image: ours(o, row, rows[0]), Now: rows[0]})
	if len(ops) > 0 {
		d.op = ops[0]
	}
	return d, err
}

// moved reads the source and tells whether its content still is what was last synced.
func (r *Reconciler) moved(ctx context.Context, w ledger.Writeback) (fhir.Reference, bool, error) {
	ref, body, err := r.Source.Read(ctx, w.Ref.Current())
	if err != nil {
		return ref, false, err
	}
	seen, err := source.WithListed(ctx, r.Ledger, r.Flow, ledger.Sighting{Ref: ref, Body: body})
	if err != nil {
		return ref, false, err
	}
	b, _, err := r.Source.Normalise(ctx, seen.Body)
	if err != nil {
		return ref, false, err
	}
	known, err := r.Ledger.Known(ctx, r.Flow, w.Ref.Current())
	return ref, known.Digest != b.DigestAt(r.Now(), r.Tables.Zone()).String(), err
}

func (r *Reconciler) sight(ctx context.Context, ref fhir.Reference) error {
	return r.Ledger.Observe(ctx, ledger.Answer{Source: r.Flow}, []ledger.Sighting{{Ref: ref.Current()}})
}

// failed notes what a refused or lost operation means.
func (r *Reconciler) failed(ctx context.Context, w ledger.Writeback, err error) (ledger.WritebackState, ledger.Reason, error) {
	f := failure(r.Dialect, w.Operation, err)
	if f.look {
		if err := r.sight(context.WithoutCancel(ctx), w.Ref); err != nil {
			return f.state, f.reason, err
		}
	}
	return f.state, f.reason, f.halt
}

// failedBack is what a refused or lost operation means.
type failedBack struct {
	state  ledger.WritebackState
	reason ledger.Reason
	look   bool  // the source is read before anything is decided again
	halt   error // it is no matter of this record
}

// failure judges a refused or lost operation.
func failure(dialect, operation string, err error) failedBack {
	f := failedBack{state: ledger.Refused, reason: ledger.Reason{Code: codeRefused, Text: err.Error()}}
	answered, status, ambiguous := answerOf(err)
	switch {
	case errors.Is(err, source.ErrNotOffered):
		f.reason.Code = codeNotOffered
	case source.SignInFailed(err, time.Time{}) != nil:
		f.state, f.halt = ledger.Approved, source.SignInFailed(err, time.Time{})
	case status == 401 || status == 403:
		f.state, f.halt = ledger.Approved, fmt.Errorf("%w: the source refuses %s: %w", bridge.ErrHalted, operation, err)
	case errors.Is(err, source.ErrNotSent):
		f.state = ledger.Approved
	case ambiguous:
		// It may have happened (e-RS 502 and 504 come from the hospital's own system): look before anything is sent again.
		f.state, f.reason.Code, f.look = ledger.Unclear, bridge.CodeUnknownOutcome, true
	case !answered || status == 412 && dialect == "ers":
		// It never left, or e-RS misses something mandatory: somebody has to look, sending it again changes nothing.
		f.state = ledger.Reported
	case status == 409 || status == 412 || status == 423 || status == 429:
		// Version moved or locked: read again, decide again.
		f.state, f.reason.Code, f.look = ledger.Approved, codeSourceMoved, true
	}
	return f
}

// unread says what becomes of a write-back whose source record cannot be read: nothing was sent, and it stays where it is, with the
// reason, for the next run. What e-RS asks not to try again is not tried again.
func unread(w ledger.Writeback, err error, now time.Time) (ledger.WritebackState, ledger.Reason, error) {
	v := bridge.OfSource(err, ledger.Work{}, now)
	if v.Halt != nil {
		return "", ledger.Reason{}, v.Halt
	}
	if v.Reason.Code == bridge.CodePatientError {
		return ledger.Refused, v.Reason, nil
	}
	return w.State, v.Reason, nil
}

// answerOf tells whether a client says anything of the call, the status of the answer, and whether the call may have taken
// effect all the same.
func answerOf(err error) (answered bool, status int, ambiguous bool) {
	var e *ers.Error
	if errors.As(err, &e) {
		return true, e.Status, e.Ambiguous()
	}
	var f *rest.Error
	if errors.As(err, &f) {
		return true, f.Status, f.Ambiguous()
	}
	return false, 0, false
}
