package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// The codes of reasons on the way back.
const (
	codeNotCarried   = "not-carried"     // no rule of the tables carries this change
	codeNotAllowed   = "not-switched-on" // the operation is not switched on for this flow
	codeSourceMoved  = "source-moved"    // the source changed since the user decided
	codeNotOffered   = "not-offered"     // the source does not offer the operation now
	codeRefused      = "refused"         // the source refused it
	codeWithdrawn    = "withdrawn"       // Salesforce does not ask for it any more
	codeAwaitsPerson = "awaits-approval" // an operator has to approve it
)

// watcher gives what changed in Salesforce.
type watcher interface {
	target
	Changed(ctx context.Context, s sfdc.Selection, since time.Time, keyPrefix string) ([]sobject.Record, error)
}

// reader reads the current version of a record at its source, whole, with the version that was read.
type reader interface {
	Read(ctx context.Context, ref fhir.Reference) (fhir.Reference, []byte, error)
}

// origin is a source as the way back sees it.
type origin interface {
	reader
	normaliser
}

// operator changes something at a source.
type operator interface {
	Invoke(ctx context.Context, op fhir.Operation) (fhir.Reference, error)
}

// Permit switches one operation of the way back on.
type Permit struct {
	Operation string // "$ers.cancelReferral", …, or fhir.OperationUpdate
	Authority string // reference of the reviewed use case
	Approval  bool   // an operator approves each one
}

// Reconciler carries what people changed in Salesforce back to the source, as far as the tables have a rule for it and the
// site has switched the operation on. Everything else is reported, never guessed.
type Reconciler struct {
	Flow    string
	Dialect string // "ers" or "fhir": which rules of the tables speak
	Target  watcher
	Source  origin
	Invoke  operator
	Ledger  *ledger.Ledger
	Tables  *mapping.Set
	Permits []Permit
	Logger  *slog.Logger
	Now     func() time.Time

	refused map[string]bool // what the source refused, so that it is not asked again
}

// Back sums up one Run.
type Back struct{ Done, Divergent int }

// Run looks at what changed, proposes what follows from it, and carries what is approved.
func (r *Reconciler) Run(ctx context.Context) (Back, error) {
	var back Back
	refused, err := r.Ledger.Writebacks(ctx, r.Flow, ledger.Refused)
	if err != nil {
		return back, err
	}
	r.refused = map[string]bool{}
	for _, w := range refused {
		r.refused[refusal(w)] = w.Reason.Code != codeWithdrawn
	}
	for _, o := range r.Tables.Objects() {
		if len(r.Tables.BackFields(o.Name)) == 0 {
			continue
		}
		if err := r.watch(ctx, o); err != nil {
			return back, err
		}
		if err := r.recheck(ctx, o); err != nil {
			return back, err
		}
	}
	done, err := r.carry(ctx)
	if err != nil {
		return Back{Done: done}, err
	}
	open, err := r.Ledger.Writebacks(ctx, r.Flow, ledger.Reported, ledger.Waiting, ledger.Approved, ledger.Unclear)
	return Back{Done: done, Divergent: len(open)}, err
}

// recheck looks again at what is only reported: the configuration may allow it now, what was missing may have been given, or
// the two sides may agree by now.
func (r *Reconciler) recheck(ctx context.Context, o mapping.Object) error {
	open, err := r.Ledger.Writebacks(ctx, r.Flow, ledger.Reported, ledger.Waiting)
	if err != nil {
		return err
	}
	keys := map[string]bool{}
	for _, w := range open {
		if w.Object == o.Name {
			keys[w.Key] = true
		}
	}
	if len(keys) == 0 {
		return nil
	}
	rows, err := r.Target.Retrieve(ctx, sfdc.Selection{Object: o.Name, KeyField: o.KeyField,
		Keys: slices.Sorted(maps.Keys(keys)), Fields: o.Fields, Refs: o.Refs})
	if err != nil {
		return r.halted(ctx, err, "retrieve "+o.Name)
	}
	now := map[string]sobject.Record{}
	for _, row := range rows {
		now[row.Key.Value] = row
	}
	if err := r.compare(ctx, o, rows); err != nil {
		return err
	}
	return r.withdraw(ctx, open, now)
}

// withdraw concludes what Salesforce does not ask for any more.
func (r *Reconciler) withdraw(ctx context.Context, open []ledger.Writeback, now map[string]sobject.Record) error {
	for _, w := range open {
		row, there := now[w.Key]
		value, _ := row.Get(w.Field)
		if !there || value.Reveal() == w.To && !r.agrees(ctx, w, value) {
			continue
		}
		reason := ledger.Reason{Code: codeWithdrawn, Text: "Salesforce does not ask for it any more"}
		if err := r.Ledger.Conclude(ctx, w.ID, ledger.Refused, reason); err != nil {
			return err
		}
	}
	return nil
}

// agrees tells whether the source has the value by itself now.
func (r *Reconciler) agrees(ctx context.Context, w ledger.Writeback, value sobject.Value) bool {
	image, ok, err := r.Ledger.Image(ctx, w.Object, w.Key)
	last, _ := image.Get(w.Field)
	return err == nil && ok && last.Equal(value)
}

func (r *Reconciler) halted(ctx context.Context, err error, what string) error {
	if stopped(ctx, err) {
		return err
	}
	return fmt.Errorf("%w: %s in Salesforce: %w", ErrHalted, what, err)
}

// compare proposes what follows from rows that differ from their last-synced images.
func (r *Reconciler) compare(ctx context.Context, o mapping.Object, rows []sobject.Record) error {
	keys := make([]string, len(rows))
	for i, row := range rows {
		keys[i] = row.Key.Value
	}
	images, err := r.Ledger.ImagesByKey(ctx, o.Name, keys)
	for i := 0; err == nil && i < len(rows); i++ {
		if image, known := images[keys[i]]; known {
			err = r.propose(ctx, o, image, rows[i])
		}
	}
	return err
}

func (r *Reconciler) propose(ctx context.Context, o mapping.Object, image, now sobject.Record) error {
	changed := changes(image, now, r.Tables.BackFields(o.Name))
	if len(changed) == 0 {
		return nil
	}
	source, ref, err := r.Ledger.RefOfKey(ctx, o.Name, now.Key.Value)
	if err != nil || source != r.Flow {
		return err
	}
	proposals := slices.DeleteFunc(r.proposals(ref, changed, image, now), r.refusedBefore)
	return r.Ledger.Propose(ctx, proposals)
}

// refusedBefore tells whether the source refused this very change of this very edit: it is not sent again until somebody
// edits the record.
func (r *Reconciler) refusedBefore(w ledger.Writeback) bool {
	return r.refused[refusal(w)]
}

func refusal(w ledger.Writeback) string {
	return strings.Join([]string{w.Ref.Current().String(), w.Field, w.To, w.Digest, w.Stamp}, "|")
}

// changes gives the fields that differ from what was last synced; those that the source has no value for come last, since the
// org's own default in them is nobody's decision.
func changes(image, now sobject.Record, fields []string) []sobject.FieldDiff {
	var ours, defaults []sobject.FieldDiff
	for _, field := range fields {
		was, _ := image.Get(field)
		is, _ := now.Get(field)
		switch d := (sobject.FieldDiff{Field: field, Have: was, Want: is}); {
		case was.Equal(is):
		case was.IsNull():
			defaults = append(defaults, d)
		default:
			ours = append(ours, d)
		}
	}
	return append(ours, defaults...)
}

// proposals gives one row per changed field; the operation that carries them stands with the first.
func (r *Reconciler) proposals(ref fhir.Reference, changed []sobject.FieldDiff, image, now sobject.Record) []ledger.Writeback {
	ops, err := r.Tables.Back(mapping.Change{Dialect: r.Dialect, Ref: ref, Image: image, Now: now})
	var out []ledger.Writeback
	for i, c := range changed {
		w := ledger.Writeback{Source: r.Flow, Ref: ref, Object: now.Object, Key: now.Key.Value, Field: c.Field,
			From: c.Have.Reveal(), To: c.Want.Reveal(), Stamp: stamp(now), State: ledger.Reported}
		switch {
		case i > 0 && (err != nil || len(ops) > 0):
			continue // the first row speaks for the whole change
		case err != nil:
			w.Reason = ofMapping(err, ledger.Work{}).reason
		case len(ops) == 0 && (c.Have.IsNull() || r.Tables.Carries(r.Dialect, now.Object, c.Field)):
			continue // the org's own default, or two values that the source cannot tell apart
		case len(ops) == 0:
			w.Reason = ledger.Reason{Code: codeNotCarried, Text: "no rule of the tables carries this change to the source"}
		default:
			w.Operation, w.Digest = ops[0].Name, digestOf(ops[0])
			w.State, w.Reason = r.permitted(w.Operation)
		}
		out = append(out, w)
	}
	return out
}

func stamp(r sobject.Record) string { return r.Modified.UTC().Format(time.RFC3339Nano) }

// digestOf stands for an operation with everything that it says: an approval is for this and for nothing else.
func digestOf(op fhir.Operation) string {
	h := sha256.New()
	fmt.Fprintf(h, "%s|%s", op.Name, op.On.Current())
	for _, p := range op.Parameters {
		fmt.Fprintf(h, "|%s|%s|%s|%d:%s", p.Name, p.System, p.Code, len(p.Text), p.Text.Reveal())
	}
	return hex.EncodeToString(h.Sum(nil)[:16])
}

func (r *Reconciler) permitted(operation string) (ledger.WritebackState, ledger.Reason) {
	i := slices.IndexFunc(r.Permits, func(p Permit) bool { return p.Operation == operation })
	switch {
	case i < 0:
		return ledger.Reported, ledger.Reason{Code: codeNotAllowed, Text: operation + " is not switched on for this flow"}
	case r.Permits[i].Approval:
		return ledger.Waiting, ledger.Reason{Code: codeAwaitsPerson, Text: "an operator has to approve " + operation}
	}
	return ledger.Approved, ledger.Reason{}
}

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
		return ledger.Reported, ofMapping(err, ledger.Work{}).reason, nil
	case err != nil:
		return "", ledger.Reason{}, err
	case d.agreed && w.State != ledger.Approved:
		return ledger.Done, ledger.Reason{}, nil // sent before, and the source has it by now
	case d.op.Name == "" || digestOf(d.op) != w.Digest:
		// Not what was approved any more. What Salesforce asks for now has a row of its own.
		return ledger.Refused, ledger.Reason{Code: codeWithdrawn, Text: "Salesforce does not ask for it any more"}, r.proposeAgain(ctx, d)
	}
	if state, reason := r.permitted(d.op.Name); state == ledger.Reported {
		return state, reason, nil
	}
	version, moved, err := r.moved(ctx, w)
	switch {
	case stopped(ctx, err):
		return "", ledger.Reason{}, err
	case err != nil:
		return "", ledger.Reason{}, nil // nothing was sent: it stays where it is, for the next run
	case moved:
		// The user acted on an older state. The new one is synced first; then both sides are compared again.
		return "", ledger.Reason{}, r.sight(ctx, w.Ref)
	}
	d.op.On = version
	return r.send(ctx, w, d.op)
}

func (r *Reconciler) send(ctx context.Context, w ledger.Writeback, op fhir.Operation) (ledger.WritebackState, ledger.Reason, error) {
	// Committed before the first byte: after a crash the row says Sent, and the next run looks at the source before it sends.
	if err := r.Ledger.Conclude(ctx, w.ID, ledger.Sent, ledger.Reason{}); err != nil {
		return "", ledger.Reason{}, err
	}
	sending, done := inFlight(ctx, flightTime)
	defer done()
	if _, err := r.Invoke.Invoke(sending, op); err != nil {
		return r.failed(ctx, w, err)
	}
	r.Logger.Info("carried back", "flow", r.Flow, "operation", op.Name)
	return ledger.Done, ledger.Reason{}, r.sight(ctx, w.Ref)
}

// decided is what both sides say of a write-back now.
type decided struct {
	op     fhir.Operation // what the change asks for; no name: nothing
	agreed bool           // the source has the value by itself
	object mapping.Object
	now    sobject.Record
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
	image, ok, err := r.Ledger.Image(ctx, w.Object, w.Key)
	if err != nil || !ok || len(rows) != 1 {
		return decided{}, err
	}
	d := decided{object: o, now: rows[0]}
	is, _ := rows[0].Get(w.Field)
	was, _ := image.Get(w.Field)
	d.agreed = is.Equal(was) && is.Reveal() == w.To
	ops, err := r.Tables.Back(mapping.Change{Dialect: r.Dialect, Ref: w.Ref, Image: image, Now: rows[0]})
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
	seen, err := withListed(ctx, r.Ledger, r.Flow, ledger.Sighting{Ref: ref, Body: body})
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

// failed says what a refused or lost operation means.
func (r *Reconciler) failed(ctx context.Context, w ledger.Writeback, err error) (ledger.WritebackState, ledger.Reason, error) {
	reason := ledger.Reason{Code: codeRefused, Text: err.Error()}
	answered, status, ambiguous := answerOf(err)
	switch {
	case errors.Is(err, errNotOffered):
		reason.Code = codeNotOffered
		return ledger.Refused, reason, nil
	case status == 401 || status == 403:
		return ledger.Approved, reason, fmt.Errorf("%w: the source refuses %s: %w", ErrHalted, w.Operation, err)
	case errors.Is(err, errNotSent):
		return ledger.Approved, reason, nil
	case ambiguous:
		// It may have happened (e-RS 502 and 504 come from the hospital's own system): look before anything is sent again.
		reason.Code = codeUnknownOutcome
		return ledger.Unclear, reason, r.sight(context.WithoutCancel(ctx), w.Ref)
	case !answered || status == 412 && r.Dialect == "ers":
		// It never left, or e-RS misses something mandatory: somebody has to look, sending it again changes nothing.
		return ledger.Reported, reason, nil
	case status == 409 || status == 412 || status == 423 || status == 429:
		// Version moved or locked: read again, decide again.
		reason.Code = codeSourceMoved
		return ledger.Approved, reason, r.sight(ctx, w.Ref)
	}
	return ledger.Refused, reason, nil
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

// errNotOffered says that the source does not list the operation as available now.
var errNotOffered = errors.New("the source does not offer this operation now")

// errNotSent says that what came before the operation failed: the source was not asked to change anything.
var errNotSent = errors.New("not sent")
