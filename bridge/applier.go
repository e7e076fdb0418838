package bridge

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

const (
	batchSize      = 200              // rows a call: the limit of sObject Collections
	settleTime     = 10 * time.Second // to finish writing down after a stop
	flightTime     = 20 * time.Second // to let a call in flight end after a stop
	lateCommit     = 11 * time.Minute // a Salesforce call may still commit this long after our deadline
	maxPermissions = 10               // refused rows in a row before it is the org, not the record
)

// upserter writes records to Salesforce by external key, and reads back what the org made of them.
type upserter interface {
	Upsert(ctx context.Context, object, keyField string, records []sobject.Record) ([]sfdc.SaveResult, error)
	Retrieve(ctx context.Context, s sfdc.Selection) ([]sobject.Record, error)
}

// journal is where the applier writes down what it is about to do and what came of it.
type journal interface {
	Intend(ctx context.Context, intents []ledger.Intent) error
	Settle(ctx context.Context, s []ledger.Settlement) error
}

// Applier executes plans.
type Applier struct {
	Target  upserter
	Journal journal
	Objects []string // in the order of writing: parents before children
	Now     func() time.Time
	// Progress is told how many steps of the plan are settled; nil = nobody listens.
	Progress func(done, total int)

	refused int                 // rows refused for permission, one after the other
	open    map[string][]string // intents of earlier runs that nothing has closed, by record
}

// Resume takes over the intents that an earlier run left open: they are closed with the next settlement of their record,
// whose plan has read Salesforce by key and so knows whether the write happened.
func (a *Applier) Resume(open []ledger.Intent) {
	a.open = map[string][]string{}
	for _, in := range open {
		id := in.Source + " " + in.Ref.Current().String()
		a.open[id] = append(a.open[id], in.ID)
	}
}

// leftOpen gives and forgets the open intents of a record.
func (a *Applier) leftOpen(source string, ref fhir.Reference) []string {
	id := source + " " + ref.Current().String()
	ids := a.open[id]
	delete(a.open, id)
	return ids
}

// Result sums up one Apply.
type Result struct {
	Applied, Held, Dead, Unknown, Superseded int
	Writes                                   int // records that Salesforce accepted
}

// Apply writes the plan and settles every step. One record's failure is settled with the record. The error is for what
// concerns all of them: a stopped context, a ledger that cannot be written, or ErrHalted; steps that were not reached
// then stay pending, and doing them again is harmless because every write is an upsert by key.
func (a *Applier) Apply(ctx context.Context, plan Plan) (Result, error) {
	run := applying{Applier: a, plan: plan, ids: map[string]string{}, failed: map[string]error{},
		meant: map[*Step][]string{}, unsent: map[*Step]bool{}, stopped: map[*Write]bool{}, unstopped: map[*Step]error{}}
	err := run.ahead(ctx)
	for _, object := range a.Objects {
		if err != nil {
			break
		}
		err = run.object(ctx, object)
	}
	// A crash here loses nothing: the rows are in Salesforce under our keys, the steps are pending in the ledger, and the
	// next run finds the records equal and settles them. A stop must not lose what is already known, hence the new limit.
	settling, done := inFlight(ctx, settleTime)
	defer done()
	return run.settle(settling, err)
}

// applying is the state of one Apply.
type applying struct {
	*Applier
	plan   Plan
	ids    map[string]string  // record -> Salesforce id, for rows that were accepted
	failed map[string]error   // record -> why it was not
	meant  map[*Step][]string // intents that were written down
	unsent map[*Step]bool     // a record of it never left, because of a stop
	writes int
	// stopped are the stop flags that were written; unstopped the steps of which one was not, and why.
	stopped   map[*Write]bool
	unstopped map[*Step]error
}

// object writes the rows of one object, 200 a call; rows whose step already failed are left out.
func (r *applying) object(ctx context.Context, object string) error {
	var rows []*Write
	var steps []*Step
	for _, s := range r.plan.Steps {
		for _, w := range s.Writes {
			if w.Object == object && r.due(s, w) && r.parents(w) {
				rows, steps = append(rows, w), append(steps, s)
			}
		}
	}
	for len(rows) > 0 {
		n := min(batchSize, len(rows))
		if err := r.batch(ctx, steps[:n], rows[:n]); err != nil {
			return err
		}
		rows, steps = rows[n:], steps[n:]
	}
	return nil
}

func (r *applying) due(s *Step, w *Write) bool {
	return s.Fate == ledger.Pending && !s.deferred && !w.shared && w.Action != Same && r.cause(s) == nil
}

// parentError says that a record was not sent because the one that it refers to was not written.
type parentError struct{ object, key string }

func (e parentError) Error() string { return "its " + e.object + " " + e.key + " was not written" }

// parents notes a record whose parent failed in this run as failed itself: sending it would only give a worse message.
func (r *applying) parents(w *Write) bool {
	for _, v := range w.Send.Refs() {
		to := v.To()
		if r.failed[recordID(to.Object, sobject.Key{Value: v.Key()})] != nil {
			r.failed[recordID(w.Object, w.Key)] = parentError{to.Object, v.Key()}
			return false
		}
	}
	return true
}

// cause gives the first failure among the step's own and shared records.
func (r *applying) cause(s *Step) error {
	if err := r.unstopped[s]; err != nil {
		return err
	}
	for _, w := range s.Writes {
		if err := r.failed[recordID(w.Object, w.Key)]; err != nil {
			return err
		}
	}
	return nil
}

// errResults says that the client did not answer for every record.
var errResults = errors.New("not every record has a result")

// inFlight returns a context that outlives ctx by d, and has no limit as long as nobody stops ctx.
func inFlight(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return sending, func() { stop(); cancel() }
}

func (r *applying) batch(ctx context.Context, steps []*Step, rows []*Write) error {
	if err := ctx.Err(); err != nil {
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
		stop = r.defaults(ctx, rows)
	}
	return stop
}

// send writes the intents down and sends the rows. stop is why nothing more may be sent, err why it is not known what became of them.
func (r *applying) send(ctx context.Context, steps []*Step, rows []*Write) (results []sfdc.SaveResult, stop, err error) {
	intents := make([]ledger.Intent, len(rows))
	records := make([]sobject.Record, len(rows))
	for i, w := range rows {
		intents[i] = r.intent(steps[i], w)
		records[i] = w.Send
	}
	// Committed before the first byte is sent: whatever happens from here on, the ledger knows what was meant.
	if err := r.Journal.Intend(ctx, intents); err != nil {
		return nil, nil, fmt.Errorf("write down intents: %w", err)
	}
	for i, s := range steps {
		r.meant[s] = append(r.meant[s], intents[i].ID)
	}
	// A stop does not cut a call in flight: what it did would have to be found out again.
	sending, done := inFlight(ctx, flightTime)
	defer done()
	results, stop = r.Target.Upsert(sending, rows[0].Object, rows[0].Key.Field, records)
	if len(results) != len(rows) {
		return nil, nil, fmt.Errorf("upsert %s: %w", rows[0].Object, errors.Join(errResults, stop))
	}
	return results, stop, nil
}

// defaults reads back what the org itself put into fields that the source says nothing about (a status reason None, a
// checkbox). Without it the org's default would look like a person's decision at the next change.
func (r *applying) defaults(ctx context.Context, rows []*Write) error {
	sel := sfdc.Selection{Object: rows[0].Object, KeyField: rows[0].Key.Field}
	for _, w := range rows {
		if w.Action != Create || !r.written(w) {
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
		if stopped(ctx, err) {
			return err
		}
		return nil // the image stays without them: where both sides change later, the record is held instead
	}
	for _, w := range rows {
		i := slices.IndexFunc(got, func(g sobject.Record) bool { return g.Key == w.Key })
		if i >= 0 && w.Action == Create {
			remember(w, got[i])
		}
	}
	return nil
}

// remember takes over the values of fields that the source says nothing about.
func remember(w *Write, have sobject.Record) {
	for i, f := range w.Image.Fields {
		if f.Value.IsNull() && f.KeepIfAbsent {
			w.Image.Fields[i].Value, _ = have.Get(f.Name)
		}
	}
}

// result notes one row; it fails only where the whole lane has to stop.
func (r *applying) result(s *Step, w *Write, res sfdc.SaveResult) error {
	id := recordID(w.Object, w.Key)
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
	if v := ofTarget(res.Err, s.Work, r.Now()); v.halt != nil {
		return v.halt
	}
	var e *sfdc.Error
	if errors.As(res.Err, &e) && e.Class() == sfdc.Permission {
		if r.refused++; r.refused > maxPermissions {
			return fmt.Errorf("%w: Salesforce refused %d records for missing permission (%w)", ErrHalted, r.refused, e)
		}
	}
	return nil
}

func (r *applying) intent(s *Step, w *Write) ledger.Intent {
	body, _ := sobject.Encode(w.Send)
	digest := sha256.Sum256(body)
	in := ledger.Intent{Source: s.Work.Source, Ref: s.Work.Ref, Object: w.Object, Key: w.Key.Value,
		Digest: hex.EncodeToString(digest[:]), Tables: r.plan.Tables, Deadline: r.Now().Add(lateCommit)}
	name := sha256.Sum256([]byte(in.Source + "|" + in.Ref.String() + "|" + in.Object + "|" + in.Key + "|" + in.Digest))
	in.ID = hex.EncodeToString(name[:16])
	return in
}

// settle writes down every step that is decided. With halted set, the steps that were not reached stay pending.
func (r *applying) settle(ctx context.Context, halted error) (Result, error) {
	out := Result{Writes: r.writes}
	var batch []ledger.Settlement
	flush := func() error {
		if len(batch) == 0 {
			return nil
		}
		err := r.Journal.Settle(ctx, batch)
		batch = batch[:0]
		return err
	}
	for i, s := range r.plan.Steps {
		if st, ok := r.settlement(s, halted != nil); ok {
			batch = append(batch, st)
			out.count(st.Fate)
		}
		if len(batch) == batchSize {
			if err := flush(); err != nil {
				return out, fmt.Errorf("settle: %w", err)
			}
		}
		if r.Progress != nil {
			r.Progress(i+1, len(r.plan.Steps))
		}
	}
	if err := flush(); err != nil {
		return out, fmt.Errorf("settle: %w", err)
	}
	return out, halted
}

func (r *Result) count(f ledger.Fate) {
	switch f {
	case ledger.Applied:
		r.Applied++
	case ledger.Held:
		r.Held++
	case ledger.Dead:
		r.Dead++
	case ledger.Unknown:
		r.Unknown++
	case ledger.Superseded:
		r.Superseded++
	}
}

// settlement says what became of a step; ok is false for one that stays pending.
func (r *applying) settlement(s *Step, halted bool) (ledger.Settlement, bool) {
	v := verdict{fate: s.Fate, reason: s.Reason, next: s.Next}
	if s.skip || r.unsent[s] || s.deferred && s.Fate == ledger.Pending {
		return ledger.Settlement{}, false
	}
	if s.Fate == ledger.Pending || r.unstopped[s] != nil || halted && len(s.Ahead) > 0 {
		var ok bool
		if v, ok = r.outcome(s, halted); !ok {
			return ledger.Settlement{}, false
		}
	}
	st := v.settlement(s.Work)
	st.Intents = append(r.meant[s], r.leftOpen(s.Work.Source, s.Work.Ref)...)
	if st.Fate == ledger.Applied {
		st.Next = s.turn
		st.Known = &ledger.Known{Version: s.Work.Ref.Version, Digest: s.Digest.String(), Tables: r.plan.Tables,
			Patient: s.Patient, Terminal: s.Terminal}
	}
	st.Images = r.flagged(s, r.images(s, st.Fate == ledger.Applied))
	return st, true
}

// outcome judges a step that was to be applied by what became of its records.
func (r *applying) outcome(s *Step, halted bool) (verdict, bool) {
	if err := r.cause(s); err != nil {
		if parent := (parentError{}); errors.As(err, &parent) {
			return r.waits(parent), true
		}
		v := ofTarget(err, s.Work, r.Now())
		v.reason.Rule = r.rule(s, v.reason.Field)
		return v, v.halt == nil
	}
	for _, w := range s.Ahead {
		if !r.stopped[w] && halted {
			return verdict{}, false
		}
	}
	if s.Fate != ledger.Pending {
		return verdict{fate: s.Fate, reason: s.Reason, next: s.Next}, true
	}
	for _, w := range s.Writes {
		if w.Action == Same || r.written(w) {
			continue
		}
		// Not failed and not written: a halt came first, or the first step of a shared record did not get through.
		return r.waits(parentError{w.Object, w.Key.Value}), !halted
	}
	return verdict{fate: ledger.Applied, reason: s.Reason}, true
}

// rule gives the row of the tables that wrote the field which Salesforce refused.
func (r *applying) rule(s *Step, field string) string {
	for _, w := range s.Writes {
		if r.failed[recordID(w.Object, w.Key)] == nil {
			continue
		}
		if i := slices.IndexFunc(w.Fields, func(f FieldChange) bool { return f.Field == field }); i >= 0 {
			return w.Fields[i].Rule.FileLine()
		}
	}
	return ""
}

func (r *applying) waits(e parentError) verdict {
	return verdict{fate: ledger.Held, next: r.Now().Add(nextRun), reason: ledger.Reason{Code: codeParent, Text: e.Error()}}
}

func (r *applying) written(w *Write) bool {
	_, ok := r.ids[recordID(w.Object, w.Key)]
	return ok
}

// images gives what Salesforce holds now: every record of a step that is applied, and of any other step those that were
// accepted before it failed. Without these the next look at Salesforce would take our own writes for somebody else's.
func (r *applying) images(s *Step, all bool) []sobject.Record {
	var out []sobject.Record
	for _, w := range s.Writes {
		if !all && !r.written(w) {
			continue
		}
		image := w.Image
		if id, ok := r.ids[recordID(w.Object, w.Key)]; ok && id != "" {
			image.ID = id
		}
		out = append(out, image)
	}
	return out
}
