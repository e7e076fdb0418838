// Package deliver executes a bridge.Plan: stop flags first, then objects in the order of their references, each call behind its intents, and
// settles every record in the ledger by what became of its rows.
package deliver

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"refbridge/bridge"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

const (
	settleTime     = 10 * time.Second // to finish writing down after a stop
	maxPermissions = 10               // refused rows in a row before it is the org, not the record
)

// Upserter writes records to Salesforce by external key, and reads back what the org made of them.
type Upserter interface {
	Upsert(ctx context.Context, object, keyField string, records []sobject.Record,
		before func(ctx context.Context, rows []int) error) ([]sfdc.SaveResult, error)
	Retrieve(ctx context.Context, s ...sfdc.Selection) ([]sobject.Record, error)
}

// journal is where the applier writes down what it is about to do and what came of it.
type journal interface {
	Intend(ctx context.Context, intents []ledger.Intent) (ids []string, err error)
	Settle(ctx context.Context, s []ledger.Settlement) error
	Probed(ctx context.Context, probes []ledger.Probe) error
}

// Applier executes plans.
type Applier struct {
	Target  Upserter
	Journal journal
	Objects []string // in the order of writing: parents before children
	Now     func() time.Time
	// Raise is called before the first write of a run; where it fails nothing is written. Nil = nobody counts runs.
	Raise func(ctx context.Context) error
	// Progress is told how many steps of the plan are settled; nil = nobody listens.
	Progress func(done, total int)

	refused int                  // rows refused for permission, one after the other
	moves   map[bridge.Owner]int // how often a row of a record moved between plan and write, in this run
	raised  bool                 // Raise was called in this run
}

// Begin begins a run.
func (a *Applier) Begin() { a.moves, a.raised = map[bridge.Owner]int{}, false }

const maxMoves = 3 // then the record waits for the next run

// Result sums up one Apply.
type Result struct {
	Applied, Held, Dead, Unknown, Superseded int
	Writes                                   int // records that Salesforce accepted
}

// Apply writes the plan and settles every step. One record's failure is settled with the record. The error is for what
// concerns all of them: a stopped context, a ledger that cannot be written, or ErrHalted; steps that were not reached
// then stay pending, and doing them again is harmless because every write is an upsert by key.
func (a *Applier) Apply(ctx context.Context, plan bridge.Plan) (Result, error) {
	if a.moves == nil {
		a.Begin()
	}
	run := applying{Applier: a, plan: plan, creates: creators(plan), ids: map[string]string{}, failed: map[string]error{},
		attempts: map[*bridge.Write][]attempt{}, unsent: map[*bridge.Step]bool{}, stopped: map[*bridge.Write]bool{}, unstopped: map[*bridge.Step]error{}}
	err := run.ahead(ctx)
	for _, object := range a.Objects {
		if err != nil {
			break
		}
		err = run.object(ctx, object)
	}
	// A crash here loses nothing: the rows are in Salesforce under our keys, the steps are pending in the ledger, and the
	// next run finds the records equal and settles them. A stop must not lose what is already known, hence the new limit.
	settling, done := bridge.InFlight(ctx, settleTime)
	defer done()
	return run.settle(settling, err)
}

// applying is the state of one Apply.
type applying struct {
	*Applier
	plan   bridge.Plan
	ids    map[string]string // record -> Salesforce id, for rows that were accepted
	failed map[string]error  // record -> why it was not
	// creates are the steps by the records that they are to create.
	creates map[string]*bridge.Step
	// attempts are those of this run, by what they write.
	attempts map[*bridge.Write][]attempt
	unsent   map[*bridge.Step]bool // a record of it never left, because of a stop or because its row moved
	writes   int
	settled  int // steps
	// stopped are the stop flags that were written; unstopped the steps of which one was not, and why.
	stopped   map[*bridge.Write]bool
	unstopped map[*bridge.Step]error
}

// object writes the rows of one object, 200 a call; rows whose step already failed are left out.
func (r *applying) object(ctx context.Context, object string) error {
	var rows []*bridge.Write
	var steps []*bridge.Step
	for _, s := range r.plan.Steps {
		for _, w := range s.Writes {
			if w.Object == object && r.due(s, w) && r.parents(w) {
				rows, steps = append(rows, w), append(steps, s)
			}
		}
	}
	for len(rows) > 0 {
		n := min(bridge.BatchSize, len(rows))
		if err := r.batch(ctx, steps[:n], rows[:n]); err != nil {
			return err
		}
		rows, steps = rows[n:], steps[n:]
	}
	return nil
}

func (r *applying) due(s *bridge.Step, w *bridge.Write) bool {
	return s.Fate == ledger.Pending && !s.Deferred && !w.Shared && w.Action != bridge.Same && r.cause(s) == nil
}

// parentError says that a record was not sent because the one that it refers to was not written.
type parentError struct{ object, key string }

func (e parentError) Error() string { return "its " + e.object + " " + e.key + " was not written" }

// parents notes a record whose parent failed in this run as failed itself: sending it would only give a worse message.
func (r *applying) parents(w *bridge.Write) bool {
	for _, v := range w.Send.Refs() {
		to := v.To()
		if err := r.missing(bridge.RecordID(to.Object, sobject.Key{Value: v.Key()})); err != nil {
			if !errors.Is(err, errMoved) {
				err = parentError{to.Object, v.Key()}
			}
			r.failed[bridge.RecordID(w.Object, w.Key)] = err
			return false
		}
	}
	return true
}

// missing says why a record that others refer to is not there: its write failed, or it was to be created and its step was stopped before.
func (r *applying) missing(id string) error {
	if err := r.failed[id]; err != nil {
		return err
	}
	if _, written := r.ids[id]; written {
		return nil
	}
	if s := r.creates[id]; s != nil {
		return r.cause(s)
	}
	return nil
}

// creators returns the step that is to create each record.
func creators(plan bridge.Plan) map[string]*bridge.Step {
	out := map[string]*bridge.Step{}
	for _, s := range plan.Steps {
		for _, w := range s.Writes {
			if w.Action == bridge.Create && !w.Shared {
				out[bridge.RecordID(w.Object, w.Key)] = s
			}
		}
	}
	return out
}

// cause gives the first failure among the step's own and shared records.
func (r *applying) cause(s *bridge.Step) error {
	if err := r.unstopped[s]; err != nil {
		return err
	}
	for _, w := range s.Writes {
		if err := r.failed[bridge.RecordID(w.Object, w.Key)]; err != nil {
			return err
		}
	}
	return nil
}

// errResults says that the client did not answer for every record.
var errResults = errors.New("not every record has a result")

func (r *applying) batch(ctx context.Context, steps []*bridge.Step, rows []*bridge.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	steps, rows, err := r.unmoved(ctx, steps, rows)
	if err != nil || len(rows) == 0 {
		return err
	}
	results, stop, err := r.send(ctx, steps, rows)
	if err != nil {
		return err
	}
	for i, w := range rows {
		// After a stop the results still say which rows were saved.
		if err := r.result(steps[i], w, results[i]); stop == nil && err != nil {
			stop = err
		}
	}
	if stop == nil {
		stop = bridge.Hanging(results)
	}
	if stop == nil {
		stop = r.defaults(ctx, rows)
	}
	return stop
}

// send sends the rows; each attempt is written down before its first byte. stop is why nothing more may be sent, err why it is not
// known what became of them.
func (r *applying) send(ctx context.Context, steps []*bridge.Step, rows []*bridge.Write) (results []sfdc.SaveResult, stop, err error) {
	if r.Raise != nil && !r.raised {
		if err := r.Raise(ctx); err != nil {
			return nil, nil, err
		}
		r.raised = true
	}
	records := make([]sobject.Record, len(rows))
	for i, w := range rows {
		records[i] = w.Send
	}
	var unwritten error
	before := func(ctx context.Context, positions []int) error {
		unwritten = r.intend(ctx, steps, rows, positions)
		return unwritten
	}
	// A stop does not cut a call in flight: what it did would have to be found out again.
	sending, done := bridge.InFlight(ctx, bridge.FlightTime)
	defer done()
	results, stop = r.Target.Upsert(sending, rows[0].Object, rows[0].Key.Field, records, before)
	if len(results) != len(rows) {
		return nil, nil, fmt.Errorf("upsert %s: %w", rows[0].Object, errors.Join(errResults, stop))
	}
	for i, w := range rows {
		r.answered(w, results[i].Attempts)
	}
	return results, errors.Join(unwritten, without(stop, unwritten)), nil
}

// without returns an error unless it says no more than another.
func without(err, other error) error {
	if other != nil && errors.Is(err, other) {
		return nil
	}
	return err
}

// attempt is one attempt of a write.
type attempt struct {
	id      string
	by      time.Time // after it the attempt cannot take effect any more
	outcome sfdc.Outcome
}

// intend writes an attempt of some rows down. It is committed before the first byte is sent: whatever happens from here on, the
// ledger knows what was meant.
func (r *applying) intend(ctx context.Context, steps []*bridge.Step, rows []*bridge.Write, positions []int) error {
	intents := make([]ledger.Intent, len(positions))
	for n, i := range positions {
		intents[n] = r.intent(steps[i], rows[i])
	}
	ids, err := r.Journal.Intend(ctx, intents)
	if err != nil {
		return fmt.Errorf("write down intents: %w", err)
	}
	for n, i := range positions {
		r.attempts[rows[i]] = append(r.attempts[rows[i]], attempt{id: ids[n], by: intents[n].Deadline})
	}
	return nil
}

func (r *applying) answered(w *bridge.Write, outcomes []sfdc.Outcome) {
	for i := range min(len(outcomes), len(r.attempts[w])) {
		r.attempts[w][i].outcome = outcomes[i]
	}
}

// defaults reads back what the org itself put into fields that the source says nothing about (a status reason None, a
// checkbox). Without it the org's default would look like a person's decision at the next change.
func (r *applying) defaults(ctx context.Context, rows []*bridge.Write) error {
	sel := sfdc.Selection{Object: rows[0].Object, KeyField: rows[0].Key.Field}
	for _, w := range rows {
		if w.Action != bridge.Create || !r.written(w) {
			continue
		}
		for _, f := range w.Image.Fields {
			if f.Value.IsNull() && f.KeepIfAbsent && !slices.Contains(sel.Fields, f.Name) {
				sel.Fields = append(sel.Fields, f.Name)
			}
		}
		sel.Keys = append(sel.Keys, w.Key.Value)
	}
	if len(sel.Fields) == 0 || len(sel.Keys) == 0 {
		return nil
	}
	got, err := r.Target.Retrieve(ctx, sel)
	if err != nil {
		if bridge.Stopped(ctx, err) {
			return err
		}
		return nil // the image stays without them: what is there at the next look is taken for the org's own
	}
	for _, w := range rows {
		i := slices.IndexFunc(got, func(g sobject.Record) bool { return g.Key == w.Key })
		if i >= 0 && w.Action == bridge.Create && !got[i].Theirs {
			filled(w, got[i])
		}
	}
	return nil
}

// filled takes over the values of fields that the source says nothing about.
func filled(w *bridge.Write, have sobject.Record) {
	w.Known.Record.Modified = have.Modified
	for _, f := range w.Image.Fields {
		if f.Value.IsNull() && f.KeepIfAbsent {
			f.Value, _ = have.Get(f.Name)
			bridge.SetField(&w.Known.Record, f)
		}
	}
}

// result notes one row; it fails only where the whole lane has to stop.
func (r *applying) result(s *bridge.Step, w *bridge.Write, res sfdc.SaveResult) error {
	id := bridge.RecordID(w.Object, w.Key)
	if res.Err == nil {
		r.ids[id], r.refused = res.ID, 0
		r.writes++
		return nil
	}
	r.failed[id] = res.Err
	var unsent *sfdc.Error
	if errors.As(res.Err, &unsent) && unsent.Code == sfdc.CodeNotSent {
		r.unsent[s] = true // it never left: the step keeps its place
		return nil
	}
	if v := bridge.OfTarget(res.Err, s.Work, r.Now()); v.Halt != nil {
		return v.Halt
	}
	var e *sfdc.Error
	if errors.As(res.Err, &e) && e.Class() == sfdc.Permission {
		if r.refused++; r.refused > maxPermissions {
			return fmt.Errorf("%w: Salesforce refused %d records for missing permission (%w)", bridge.ErrHalted, r.refused, e)
		}
	}
	return nil
}

func (r *applying) intent(s *bridge.Step, w *bridge.Write) ledger.Intent {
	body, _ := sobject.Encode(w.Send)
	digest := sha256.Sum256(body)
	return ledger.Intent{Source: s.Work.Source, Ref: s.Work.Ref, Object: w.Object, Key: w.Key.Value, Meant: w.Send, Creates: w.Action == bridge.Create,
		Digest: hex.EncodeToString(digest[:]), Tables: r.plan.Tables, Deadline: r.Now().Add(bridge.LateCommit)}
}

// unmoved asks again for the stamps of rows right before they are written (doubt rule 9). Where one has moved since it was compared,
// or is there by now, its step waits for the next batch, which compares it anew: somebody may just have decided something.
func (r *applying) unmoved(ctx context.Context, steps []*bridge.Step, rows []*bridge.Write) ([]*bridge.Step, []*bridge.Write, error) {
	sel := sfdc.Selection{Object: rows[0].Object, KeyField: rows[0].Key.Field}
	for _, w := range rows {
		sel.Keys = append(sel.Keys, w.Key.Value)
	}
	found, err := r.Target.Retrieve(ctx, sel)
	if err != nil {
		return nil, nil, bridge.ReadRefused(ctx, err, "ask for the stamps of "+sel.Object, r.Now())
	}
	now := bridge.Records{}
	for _, row := range found {
		now[bridge.RecordID(row.Object, row.Key)] = row
	}
	var still []*bridge.Step
	var same []*bridge.Write
	for i, w := range rows {
		row, there := now.Get(w.Object, w.Key)
		if there != (w.Have.ID != "") || there && r.rowMoved(w, row) {
			r.moves[bridge.OwnerOf(steps[i])]++
			steps[i].Deferred, r.unsent[steps[i]] = r.moves[bridge.OwnerOf(steps[i])] < maxMoves, true
			r.failed[bridge.RecordID(w.Object, w.Key)] = errMoved
			continue
		}
		still, same = append(still, steps[i]), append(same, w)
	}
	return still, same, nil
}

// errMoved says that a row is not as it was when it was compared.
var errMoved = errors.New("its row has changed since it was compared")

// rowMoved reports whether a row has another stamp than when it was compared, for another reason than its stop flag that this run has set.
func (r *applying) rowMoved(w *bridge.Write, now sobject.Record) bool {
	if now.Modified.Equal(w.Have.Modified) {
		return false
	}
	for flag := range r.stopped {
		if flag.Object == w.Object && flag.Key == w.Key && !now.Theirs {
			return false
		}
	}
	return true
}
