package deliver

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"slices"
	"time"

	"refbridge/bridge"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// settle writes down every step that is decided, and of the others what is known of their rows. With halted set, the steps that were
// not reached stay pending.
func (r *applying) settle(ctx context.Context, halted error) (Result, error) {
	out := Result{Writes: r.writes}
	for steps := range slices.Chunk(r.plan.Steps, bridge.BatchSize) {
		var settled []ledger.Settlement
		var probes []ledger.Probe
		for _, s := range steps {
			if st, ok := r.settlement(s, halted != nil); ok {
				settled = append(settled, st)
				out.Count(st.Fate)
			} else if p := r.partial(s); len(p.Intents) > 0 || len(p.Images) > 0 {
				probes = append(probes, p)
			}
		}
		if err := r.writeDown(ctx, settled, probes); err != nil {
			return out, fmt.Errorf("settle: %w", err)
		}
		if r.Progress != nil {
			r.Progress(min(r.settled+len(steps), len(r.plan.Steps)), len(r.plan.Steps))
		}
		r.settled += len(steps)
	}
	return out, halted
}

func (r *applying) writeDown(ctx context.Context, settled []ledger.Settlement, probes []ledger.Probe) error {
	if len(settled) > 0 {
		if err := r.Journal.Settle(ctx, settled); err != nil {
			return err
		}
	}
	if len(probes) == 0 {
		return nil
	}
	return r.Journal.Probed(ctx, probes)
}

// Count counts a record by its fate.
func (r *Result) Count(f ledger.Fate) {
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
func (r *applying) settlement(s *bridge.Step, halted bool) (ledger.Settlement, bool) {
	v := bridge.Verdict{Fate: s.Fate, Reason: s.Reason, Next: s.Next}
	err, unflagged := r.unflagged(s)
	if s.Reason.Code == bridge.CodePatientError && unflagged { // never read again, so that it has to be written down now
		v = flagWaits(err, s.Work, r.Now())
	} else if s.Skip || r.unsent[s] || s.Deferred && s.Fate == ledger.Pending {
		return ledger.Settlement{}, false
	} else if s.Fate == ledger.Pending || r.unstopped[s] != nil || halted && len(s.Ahead) > 0 {
		var ok bool
		if v, ok = r.outcome(s, halted); !ok {
			return ledger.Settlement{}, false
		}
	}
	closed, open := r.intents(s)
	v = bridge.Doubted(v, open)
	st := v.Settlement(s.Work)
	st.Intents = closed
	if st.Fate == ledger.Applied {
		st.Next = s.Turn
		st.Known = &ledger.Known{Version: s.Work.Ref.Version, Digest: s.Digest.String(), Tables: r.plan.Tables,
			Patient: s.Patient, Terminal: s.Terminal}
		if awaitsAnswer(s) {
			st.Known.Digest = "" // the next version is compared also where its content is the same
		}
	}
	st.Images = r.images(s, v.Fate == ledger.Applied || v.Reason.Code == bridge.CodeInDoubt)
	return st, true
}

// awaitsAnswer reports whether a change was carried back of which the source's own answer has not been read yet.
func awaitsAnswer(s *bridge.Step) bool {
	return slices.ContainsFunc(s.Writes, func(w *bridge.Write) bool {
		return slices.ContainsFunc(w.Known.Carried, func(c ledger.Carried) bool { return !c.Seen })
	})
}

// intents returns which intents of a step are closed, by an answer or by a read after their deadline, and until when each of the
// others is open.
func (r *applying) intents(s *bridge.Step) (closed []string, open []time.Time) {
	var left []ledger.Intent
	for _, w := range slices.Concat(s.Writes, s.Ahead) {
		closed = append(closed, w.Closes...)
		left = append(left, r.unanswered(s, w)...)
		for _, a := range r.attempts[w] {
			if a.outcome != sfdc.Unanswered {
				closed = append(closed, a.id)
			}
		}
	}
	for _, in := range append(left, s.Open...) {
		// A row that records share (a code, a patient) is in doubt for the record that wrote it, which looks at it again.
		if own := (bridge.Owner{Source: in.Source, Ref: in.Ref.Current()}) == bridge.OwnerOf(s); own && !slices.Contains(closed, in.ID) {
			open = append(open, in.Deadline)
		}
	}
	slices.Sort(closed)
	return slices.Compact(closed), open
}

// unanswered returns the intents of a write that stay open.
func (r *applying) unanswered(s *bridge.Step, w *bridge.Write) []ledger.Intent {
	out := slices.Clone(w.Open)
	for _, a := range r.attempts[w] {
		if a.outcome == sfdc.Unanswered {
			out = append(out, ledger.Intent{ID: a.id, Source: s.Work.Source, Ref: s.Work.Ref, Deadline: a.by})
		}
	}
	return out
}

// partial is what is known of a step that keeps its place: some of its rows may have been written before it was stopped.
func (r *applying) partial(s *bridge.Step) ledger.Probe {
	p := ledger.Probe{Source: s.Work.Source, Ref: s.Work.Ref}
	if s.Skip {
		return p
	}
	p.Intents, _ = r.intents(s)
	p.Images = r.images(s, false)
	return p
}

// outcome judges a step that was to be applied by what became of its records.
func (r *applying) outcome(s *bridge.Step, halted bool) (bridge.Verdict, bool) {
	if err := r.cause(s); err != nil {
		if errors.Is(err, errMoved) {
			s.Deferred = r.moves[bridge.OwnerOf(s)] < maxMoves
			return bridge.Verdict{}, false
		}
		if parent := (parentError{}); errors.As(err, &parent) {
			return bridge.WaitsFor(parent, r.Now()), true
		}
		v := bridge.OfTarget(err, s.Work, r.Now())
		v.Reason.Rule = r.rule(s, v.Reason.Field)
		return v, v.Halt == nil
	}
	for _, w := range s.Ahead {
		if !r.stopped[w] && halted {
			return bridge.Verdict{}, false
		}
	}
	if s.Fate != ledger.Pending {
		return bridge.Verdict{Fate: s.Fate, Reason: s.Reason, Next: s.Next}, true
	}
	for _, w := range s.Writes {
		if w.Action == bridge.Same || r.written(w) {
			continue
		}
		// Not failed and not written: a halt came first, or the first step of a shared record did not get through.
		return bridge.WaitsFor(parentError{w.Object, w.Key.Value}, r.Now()), !halted
	}
	return bridge.Verdict{Fate: ledger.Applied, Reason: s.Reason}, true
}

// rule gives the row of the tables that wrote the field which Salesforce refused.
func (r *applying) rule(s *bridge.Step, field string) string {
	for _, w := range s.Writes {
		if r.failed[bridge.RecordID(w.Object, w.Key)] == nil {
			continue
		}
		if i := slices.IndexFunc(w.Fields, func(f bridge.FieldChange) bool { return f.Field == field }); i >= 0 {
			return w.Fields[i].Rule.FileLine()
		}
	}
	return ""
}

func (r *applying) written(w *bridge.Write) bool {
	_, ok := r.ids[bridge.RecordID(w.Object, w.Key)]
	return ok
}

// images returns what is known of the rows of a step now: of all of them where it is done, and of any other step where that is news.
// Without it the next look at Salesforce would take our own writes for somebody else's.
func (r *applying) images(s *bridge.Step, all bool) []ledger.Image {
	var out []ledger.Image
	for _, w := range slices.Concat(s.Writes, s.Ahead) {
		if w.First != nil {
			w = w.First
		}
		now := r.known(w)
		same := func(image ledger.Image) bool {
			return image.Record.Object == w.Object && image.Record.Key == w.Key
		}
		if now.Record.Object == "" || slices.ContainsFunc(out, same) {
			continue // nobody has looked at the row
		}
		if news := !EqualImages(w.Before, now); news || all && !now.Unseen {
			out = append(out, now)
		}
	}
	return out
}

// known returns what is known of a row after it was read, and written.
func (r *applying) known(w *bridge.Write) ledger.Image {
	image := w.Known
	image.Record.Fields = slices.Clone(image.Record.Fields)
	if r.written(w) {
		image.Record.ID = r.ids[bridge.RecordID(w.Object, w.Key)]
		takeAnswer(w, &image)
	}
	for flag := range r.stopped {
		if flag.Object == w.Object && flag.Key == w.Key {
			takeAnswer(flag, &image)
		}
	}
	return image
}

// takeAnswer takes over what an accepted write says.
func takeAnswer(w *bridge.Write, image *ledger.Image) {
	fields := w.Send.Fields
	if w.Action == bridge.Create {
		fields = w.Image.Fields
	}
	image.Unseen, image.Deleted = false, false
	for _, f := range fields {
		if f.Value.IsNull() && f.KeepIfAbsent || f.Value.Partial() {
			continue // what the org put there is read back
		}
		bridge.SetField(&image.Record, f)
		image.Unclear = slices.DeleteFunc(slices.Clone(image.Unclear), func(name string) bool { return name == f.Name })
		image.Said = slices.DeleteFunc(slices.Clone(image.Said), func(said sobject.Field) bool { return said.Name == f.Name })
	}
}

// EqualImages reports whether the ledger knows already what is known now.
func EqualImages(before ledger.Row, now ledger.Image) bool {
	if !before.Known {
		return now.Unseen && len(now.Said) == 0 && len(now.Record.Fields) == 0
	}
	old := before.Image
	old.Record.Theirs, now.Record.Theirs = false, false
	old.Record.Modified, now.Record.Modified = old.Record.Modified.UTC(), now.Record.Modified.UTC()
	return reflect.DeepEqual(old, now)
}
