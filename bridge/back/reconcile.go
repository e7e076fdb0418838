// Package back carries what people changed in Salesforce to the source: it notices changes, proposes operations as the tables say, and sends
// what is permitted, after it has read both sides again.
package back

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"log/slog"
	"maps"
	"slices"
	"strings"
	"time"

	"refbridge/bridge"
	"refbridge/fhir"
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
	codeSettledSince = "settled-since"   // the source had refused it, and the two sides do not differ over it any more
	codeAwaitsPerson = "awaits-approval" // an operator has to approve it
)

// watcher gives what changed in Salesforce.
type watcher interface {
	Retrieve(ctx context.Context, s ...sfdc.Selection) ([]sobject.Record, error)
	Changed(ctx context.Context, s sfdc.Selection, since time.Time, keyPrefix string, take func([]sobject.Record) error) error
}

// origin is a source as the way back sees it. Read gives the current version of a record, whole, with the version that was read.
type origin interface {
	Read(ctx context.Context, ref fhir.Reference) (fhir.Reference, []byte, error)
	Normalise(ctx context.Context, body []byte) (b fhir.Bundle, terminal bool, err error)
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
type Back struct {
	Done      int
	Divergent int // changes that are open; those that the source refused are among them
	Refused   int // changes that the source refused, while Salesforce goes on asking for them
}

// Run looks at what changed, proposes what follows from it, and carries what is approved.
func (r *Reconciler) Run(ctx context.Context) (Back, error) {
	var back Back
	ended, err := r.Ledger.Writebacks(ctx, r.Flow, ledger.Refused, ledger.Reported)
	if err != nil {
		return back, err
	}
	r.refused = map[string]bool{}
	for _, w := range ended {
		r.refused[refusal(w)] = notAgain(w)
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
	open, err := Differing(ctx, r.Ledger, r.Flow)
	back = Back{Done: done, Divergent: len(open)}
	for _, w := range open {
		if w.State == ledger.Refused {
			back.Refused++
		}
	}
	return back, err
}

// Differing lists the changes made in Salesforce over which the two sides differ, as far as is known: what is not carried back, and what
// the source refused while Salesforce goes on asking for it.
func Differing(ctx context.Context, l *ledger.Ledger, source string) ([]ledger.Writeback, error) {
	all, err := l.Writebacks(ctx, source, ledger.Reported, ledger.Waiting, ledger.Approved, ledger.Sent, ledger.Unclear, ledger.Refused)
	return slices.DeleteFunc(all, settled), err
}

// settled reports whether a change that the source refused is not asked for any more.
func settled(w ledger.Writeback) bool {
	return w.State == ledger.Refused && (w.Reason.Code == codeWithdrawn || w.Reason.Code == codeSettledSince)
}

// notAgain reports whether the very change of a write-back is not sent again: the source refused it, or it was sent without an answer
// and the source has moved since.
func notAgain(w ledger.Writeback) bool {
	if w.State == ledger.Refused {
		return w.Reason.Code != codeWithdrawn
	}
	return w.Reason.Code == bridge.CodeUnknownOutcome
}

// recheck looks again at what is only reported, or was refused: the configuration may allow it now, what was missing may have been given,
// or the two sides may agree by now.
func (r *Reconciler) recheck(ctx context.Context, o mapping.Object) error {
	open, err := r.Ledger.Writebacks(ctx, r.Flow, ledger.Reported, ledger.Waiting, ledger.Refused)
	if err != nil {
		return err
	}
	open = slices.DeleteFunc(open, settled)
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
	return r.withdraw(ctx, o, open, now)
}

// withdraw concludes what Salesforce does not ask for any more.
func (r *Reconciler) withdraw(ctx context.Context, o mapping.Object, open []ledger.Writeback, now map[string]sobject.Record) error {
	for _, w := range open {
		row, there := now[w.Key]
		if w.Object != o.Name || !there && w.State != ledger.Refused {
			continue
		}
		rows, err := r.Ledger.Rows(ctx, w.Object, []string{w.Key})
		if err != nil {
			return err
		}
		if there && asked(rows[w.Key], row, w) {
			continue
		}
		reason := ledger.Reason{Code: codeWithdrawn, Text: "Salesforce does not ask for it any more"}
		if w.State == ledger.Refused { // it stays known that the source refused it
			reason = ledger.Reason{Code: codeSettledSince, Text: "the source had refused it; Salesforce does not ask for it any more, or the source has it by now"}
		}
		if err := r.Ledger.Conclude(ctx, w.ID, ledger.Refused, reason); err != nil {
			return err
		}
	}
	return nil
}

// asked reports whether a row still asks for a write-back: it has the value, and the value is not one of ours.
func asked(known ledger.Row, now sobject.Record, w ledger.Writeback) bool {
	value, _ := now.Get(w.Field)
	return value.Reveal() == w.To && !bridge.PastOf(known, w.Field, now).Ours(value)
}

func (r *Reconciler) halted(ctx context.Context, err error, what string) error {
	if bridge.Stopped(ctx, err) {
		return err
	}
	return fmt.Errorf("%w: %s in Salesforce: %w", bridge.ErrHalted, what, err)
}

// compare proposes what follows from rows in which a person has set something.
func (r *Reconciler) compare(ctx context.Context, o mapping.Object, rows []sobject.Record) error {
	keys := make([]string, len(rows))
	for i, row := range rows {
		keys[i] = row.Key.Value
	}
	known, err := r.Ledger.Rows(ctx, o.Name, keys)
	for i := 0; err == nil && i < len(rows); i++ {
		row := known[keys[i]]
		if row.Source == r.Flow && (row.Known && !row.Image.Unseen || len(row.Open) > 0) {
			err = r.propose(ctx, o, row, rows[i])
		}
	}
	return err
}

func (r *Reconciler) propose(ctx context.Context, o mapping.Object, row ledger.Row, now sobject.Record) error {
	image := ours(o, row, now)
	changed := changes(image, now, r.Tables.BackFields(o.Name))
	if len(changed) == 0 {
		return nil
	}
	held, err := r.held(ctx, row.Ref)
	if err != nil {
		return err
	}
	changed = slices.DeleteFunc(changed, func(c sobject.FieldDiff) bool { return undecided(held, c.Field) })
	if len(changed) == 0 {
		return nil
	}
	proposals := slices.DeleteFunc(r.proposals(row.Ref, changed, image, now), r.refusedBefore)
	return r.Ledger.Propose(ctx, proposals)
}

// held lists the versions of a source's record that are held.
func (r *Reconciler) held(ctx context.Context, ref fhir.Reference) ([]ledger.Entry, error) {
	return r.Ledger.Entries(ctx, ledger.Filter{Source: r.Flow, Ref: ref.Current(), Fates: []ledger.Fate{ledger.Held}})
}

// undecided reports whether a record is held because nobody but a person can choose between the two values of a field; no field: of any.
func undecided(held []ledger.Entry, field string) bool {
	return slices.ContainsFunc(held, func(e ledger.Entry) bool {
		return (e.Reason.Code == bridge.CodeConflict || e.Reason.Code == bridge.CodeUnclearValue) && (field == "" || e.Reason.Field == field)
	})
}

// ours returns a row as far as it is ours, to be compared with what is there now: what differs, a person has set (doubt rule 5). A value
// that may be ours is, a value of which nobody knows whose it is asks for nothing, and what was carried back stays carried.
func ours(o mapping.Object, row ledger.Row, now sobject.Record) sobject.Record {
	image := bridge.Likely(row)
	image.Fields = slices.Clone(image.Fields)
	for _, field := range o.Fields {
		have, _ := now.Get(field)
		p := bridge.PastOf(row, field, now)
		carried := slices.ContainsFunc(row.Image.Carried, func(c ledger.Carried) bool { return c.Field == field && c.Value.Equal(have) })
		switch {
		case carried, p.Unclear, p.Ours(have), len(p.Candidates()) == 0 && slices.Contains(o.Mapped, field):
			image.Set(field, have)
		case !p.Known && len(p.Meant) > 0:
			image.Set(field, p.Meant[len(p.Meant)-1])
		}
	}
	return image
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
			w.Reason = bridge.OfMapping(err, ledger.Work{}).Reason
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
