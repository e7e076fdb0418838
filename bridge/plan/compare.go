package plan

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"time"

	"refbridge/bridge"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// compare retrieves what Salesforce holds of everything that the steps want, and decides field by field.
func (p *Planner) compare(ctx context.Context, steps []*bridge.Step) error {
	keys := wantedKeys(steps)
	c := comparison{planner: p, read: p.Now(), planned: map[string]*bridge.Write{}, owners: map[string]bridge.Owner{}}
	var err error
	if c.rows, err = p.rows(ctx, keys); err != nil {
		return err
	}
	if c.current, err = p.current(ctx, keys); err != nil {
		return err
	}
	if c.deleted, err = p.deletedOnes(ctx, keys, c.rows, c.current); err != nil {
		return err
	}
	for _, s := range steps {
		if s.Fate != ledger.Pending {
			continue
		}
		if err := c.step(ctx, s); err != nil {
			return err
		}
	}
	return nil
}

// comparison is the state of one compare.
type comparison struct {
	planner *Planner
	read    time.Time // when the rows were asked for
	rows    rowsByID  // what is known from before
	current bridge.Records
	deleted bridge.Records           // rows in doubt that somebody deleted
	planned map[string]*bridge.Write // what earlier steps of this plan write
	owners  map[string]bridge.Owner  // of the records that earlier steps of this plan have, whatever became of them
}

func (c *comparison) step(ctx context.Context, s *bridge.Step) error {
	c.planner.accountsOfOthers(s, c.current)
	for _, w := range s.Writes {
		if !c.belongs(s, w) {
			return nil
		}
		if c.takenBefore(s, w) {
			if s.Deferred || s.Fate != ledger.Pending {
				return nil
			}
			continue
		}
		if !c.parents(s, w) {
			return nil
		}
		if c.older(w) {
			return fmt.Errorf("%s %s: %w", w.Object, w.Key.Value, bridge.ErrOlder)
		}
		c.write(s, w)
		if s.Fate != ledger.Pending {
			return nil
		}
	}
	if err := c.gone(ctx, s); err != nil {
		return err
	}
	for _, w := range s.Writes {
		if !w.Shared && (w.Action != bridge.Same || w.Have.ID != "") {
			c.planned[bridge.RecordID(w.Object, w.Key)] = w
			c.owners[bridge.RecordID(w.Object, w.Key)] = bridge.OwnerOf(s)
		}
	}
	return nil
}

// takenBefore: the same record stands in an earlier step. With the same content it is written once; with other content
// this step waits for the next batch, so that versions are applied one after the other.
func (c *comparison) takenBefore(s *bridge.Step, w *bridge.Write) bool {
	first, taken := c.planned[bridge.RecordID(w.Object, w.Key)]
	if !taken {
		_, w.Shared = c.planner.Foreseen.wanted(w)
		if w.Shared {
			w.Action = bridge.Same
		}
		return w.Shared
	}
	w.Shared, w.First = true, first
	w.Action, w.Fields, w.Send, w.Have, w.Image.ID = first.Action, first.Fields, first.Send, first.Have, first.Image.ID
	if name := otherIdentity(first.Image, w.Image); name != "" {
		s.Hold(patientDiffers(w.Object, name), c.planner.Now().Add(bridge.NotVisibleWait))
		return true
	}
	s.Deferred = !sameWish(first.Image, w.Image)
	return true
}

// sameWish tells whether two steps want the same of a record. What is never written once the record is there, and what a
// step says nothing about, makes no difference.
func sameWish(a, b sobject.Record) bool {
	for _, f := range b.Fields {
		other, _ := a.Get(f.Name)
		written := f.Owner == sobject.Source || f.Owner == sobject.Latest
		if written && !(f.Value.IsNull() && f.KeepIfAbsent) && !other.Equal(f.Value) {
			return false
		}
	}
	return true
}

// parents holds the step unless every record that w refers to is there or is written before it.
func (c *comparison) parents(s *bridge.Step, w *bridge.Write) bool {
	if c.planner.Target == nil {
		return true
	}
	for _, v := range w.Image.Refs() {
		if c.present(s, v) {
			continue
		}
		s.Hold(ledger.Reason{Code: bridge.CodeParent, Text: fmt.Sprintf(
			"its %s %s is not in Salesforce yet", v.To().Object, v.Key())}, c.planner.Now().Add(bridge.NextRun))
		return false
	}
	return true
}

func (c *comparison) present(s *bridge.Step, v sobject.Value) bool {
	id := bridge.RecordID(v.To().Object, sobject.Key{Value: v.Key()})
	if _, there := c.current[id]; there {
		return true
	}
	if _, planned := c.planned[id]; planned {
		return true
	}
	return c.planner.Foreseen.has(id) ||
		slices.ContainsFunc(s.Writes, func(w *bridge.Write) bool { return bridge.RecordID(w.Object, w.Key) == id })
}

// older reports whether a row shows that the ledger is older than the truth.
func (c *comparison) older(w *bridge.Write) bool {
	have, there := c.current.Get(w.Object, w.Key)
	return there && w.Exclusive() && strings.HasPrefix(w.Key.Value, c.planner.Flow+".") &&
		bridge.OlderBy(c.rows[bridge.RecordID(w.Object, w.Key)], have, c.planner.Anew)
}

// write decides what is sent for one record.
func (c *comparison) write(s *bridge.Step, w *bridge.Write) {
	id := bridge.RecordID(w.Object, w.Key)
	row := c.rows[id]
	have, there := c.current.Get(w.Object, w.Key)
	seen := row.Known && !row.Image.Unseen
	if c.planner.Target == nil && seen {
		have, there = row.Image.Record, true // offline: the last-synced image is what we know of Salesforce
	}
	w.Remember(row, c.read)
	switch gone, deleted := c.deleted[id]; {
	case there:
		c.update(s, w, have, row)
	case c.planner.Target != nil && (deleted || seen || row.Purged) && w.StaysDeleted():
		// A person deleted it. Recreating would undo a decision; the record stays listed until somebody decides.
		w.Known.Deleted, w.Known.Unseen = true, false
		if deleted {
			w.Known.Record.ID, w.Known.Record.Modified = gone.ID, gone.Modified
		}
		s.Die(ledger.Reason{Code: bridge.CodeDeleted, Text: w.Object + " " + w.Key.Value + " was deleted in Salesforce"})
	default:
		c.create(w, row)
		if written, _ := c.planner.Foreseen.wanted(w); written {
			w.Action = bridge.Update // an earlier batch of this dry run would have created it
		}
	}
}

func (c *comparison) create(w *bridge.Write, row ledger.Row) {
	w.Action = bridge.Create
	w.Send = sobject.Record{Object: w.Object, Key: w.Key}
	for i, f := range w.Image.Fields {
		f.Value = forwarded(row, f)
		w.Image.Fields[i].Value = f.Value
		w.Say(f)
		if f.Value.IsNull() || f.Value.Partial() {
			continue
		}
		w.Send.Fields = append(w.Send.Fields, f)
		w.Fields = append(w.Fields, bridge.FieldChange{Field: f.Name, Want: f.Value, Rule: w.Rules[i]})
	}
}

// forwarded returns the source's value of a field. Where it is silent about one that it leaves as it is then, that is what an older
// version said and nobody has seen settled (doubt, "wish").
func forwarded(row ledger.Row, f sobject.Field) sobject.Value {
	if !f.KeepIfAbsent || !f.Value.IsNull() {
		return f.Value
	}
	said, _ := sobject.Record{Fields: bridge.SaidLast(row)}.Get(f.Name)
	return said
}

func (c *comparison) update(s *bridge.Step, w *bridge.Write, have sobject.Record, row ledger.Row) {
	w.Action, w.Have = bridge.Same, have
	w.Image.ID, w.Known.Record.ID = have.ID, have.ID
	w.Known.Unseen, w.Known.Deleted = false, false
	w.Send = sobject.Record{Object: w.Object, Key: w.Key, ID: have.ID}
	calm := true // every field is as the image has it
	for i := range w.Image.Fields {
		f := &w.Image.Fields[i]
		there, _ := have.Get(f.Name)
		there = c.asRef(there, f.Value)
		f.Value = forwarded(row, *f)
		silent := f.Value.IsNull() && f.KeepIfAbsent
		p := bridge.PastOf(row, f.Name, have).Adopted(there, f.KeepIfAbsent, silent)
		p.Whose = c.planner.Tables.PatientField(w.Object) == f.Name
		carried, stands := stillCarried(w.Known.Carried, *f, there, s.Work.Ref.Version)
		w.Known.Carried = carried
		d := bridge.Leave
		if !silent {
			d = c.field(s, *f, there, p, stands)
			p = p.After(f.Value, there, d)
		}
		w.Know(*f, p)
		calm = calm && p.Known && p.Image.Equal(there)
		c.settle(s, w, i, there, d)
	}
	if calm || !bridge.MovedSince(row, have) {
		w.Known.Record.Modified = have.Modified
	}
}

// field decides about one field; stands says that it was carried back to the source, and that both sides still are as they were then.
func (c *comparison) field(s *bridge.Step, f sobject.Field, there sobject.Value, p bridge.Past, stands bool) bridge.Decision {
	d := bridge.Decide(f, there, p)
	if f.Owner == sobject.Stop && s.Work.Known.Version == s.Work.Ref.Version && d == bridge.Overwrite && !f.Value.Equal(sobject.BoolValue(true)) {
		d = bridge.KeepTheirs // only a newer version takes a stop flag back
	}
	if stands && d != bridge.Leave {
		d = bridge.KeepTheirs
	}
	return d
}

// settle does what was decided about field i of w.
func (c *comparison) settle(s *bridge.Step, w *bridge.Write, i int, there sobject.Value, d bridge.Decision) {
	f, rule := w.Image.Fields[i], w.Rules[i]
	if flagged(s, w, f.Name) {
		return // written ahead
	}
	switch d {
	case bridge.Moved:
		s.HoldFirst(c.elsewhere(w, f, there), c.planner.Now().Add(bridge.NotVisibleWait))
	case bridge.OtherPerson:
		s.HoldFirst(patientDiffers(w.Object, f.Name), c.planner.Now().Add(bridge.NotVisibleWait))
	case bridge.KeepTheirs:
		w.Kept = append(w.Kept, f.Name)
	case bridge.Conflict, bridge.Unclear:
		s.HoldFirst(differsBoth(f, there, d, rule), c.planner.Now().Add(bridge.NextRun))
	case bridge.OtherPatient:
		s.Die(ledger.Reason{Code: bridge.CodePatientChanged, Field: f.Name,
			Text: "the record in Salesforce belongs to another Account than this patient's"})
	case bridge.Overwrite:
		w.Action = bridge.Update
		w.Send.Fields = append(w.Send.Fields, f)
		w.Fields = append(w.Fields, bridge.FieldChange{Field: f.Name, Have: there, Want: f.Value, Rule: rule})
	}
}

// differsBoth says that a field has two values of which nobody but a person can choose.
func differsBoth(f sobject.Field, there sobject.Value, d bridge.Decision, rule mapping.Rule) ledger.Reason {
	r := ledger.Reason{Code: bridge.CodeConflict, Field: f.Name, Rule: rule.FileLine(),
		Text:   "both the source and Salesforce changed this field since the last sync; make one side equal to the other",
		Detail: fhir.Private(fmt.Sprintf("the source says %s, Salesforce says %s", shown(f.Value), shown(there)))}
	if rule.Private {
		r.Detail = "the two values are private and are not shown"
	}
	if d == bridge.Unclear {
		r.Code = bridge.CodeUnclearValue
		r.Text = "Salesforce has a value that refbridge may have written, in a write whose outcome nobody saw, or that a person may have set; " +
			"make one side equal to the other"
	}
	return r
}

// stillCarried returns what still stands of what was carried back, and whether a field does: the row has the value that a person
// set, and the source says what it said after it had taken it over. Where that version was passed over unread, whatever the source
// says is news.
func stillCarried(all []ledger.Carried, f sobject.Field, there sobject.Value, version string) (rest []ledger.Carried, stands bool) {
	own := ledger.OwnVersion(version)
	for _, c := range all {
		if c.Field != f.Name {
			rest = append(rest, c)
			continue
		}
		switch {
		case !c.Value.Equal(there), c.Seen && !c.After.Equal(f.Value):
			continue // a person has changed it since, or the source has moved on by itself
		case c.Seen:
		case c.Made == "" && own != ledger.OwnVersion(c.Against), c.Made != "" && own == c.Made:
			c.Seen, c.After = true, f.Value
		case own != ledger.OwnVersion(c.Against):
			continue
		}
		rest, stands = append(rest, c), true
	}
	return rest, stands
}

// asRef gives what is there as a key where Salesforce could only give the id (a reference to more than one object) and it is
// the id of the very record that is wanted.
func (c *comparison) asRef(there, want sobject.Value) sobject.Value {
	if there.Kind() != sobject.Text || want.Kind() != sobject.Ref {
		return there
	}
	row, ok := c.current[bridge.RecordID(want.To().Object, sobject.Key{Value: want.Key()})]
	if ok && row.ID == there.Reveal() {
		return want
	}
	return there
}

// shown is a value for the operator's terminal.
func shown(v sobject.Value) string {
	switch {
	case v.IsNull():
		return "(empty)"
	case v.Kind() == sobject.Ref:
		return v.Key()
	}
	return v.Reveal()
}
