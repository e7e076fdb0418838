package bridge

import (
	"context"
	"fmt"
	"slices"

	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// records are rows by object and external key.
type records map[string]sobject.Record

func recordID(object string, key sobject.Key) string { return object + " " + key.Value }

func (r records) get(object string, key sobject.Key) (sobject.Record, bool) {
	rec, ok := r[recordID(object, key)]
	return rec, ok
}

// compare retrieves what Salesforce holds of everything that the steps want, and decides field by field.
func (p *Planner) compare(ctx context.Context, steps []*Step) error {
	current, err := p.current(ctx, steps)
	if err != nil {
		return err
	}
	images, err := p.images(ctx, steps)
	if err != nil {
		return err
	}
	c := comparison{planner: p, current: current, images: images, planned: map[string]*Write{}, owners: map[string]owner{}}
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

// current asks once per object for all keys, and for the parents that the records refer to.
func (p *Planner) current(ctx context.Context, steps []*Step) (records, error) {
	out := records{}
	if p.Target == nil {
		return out, nil
	}
	keys := wantedKeys(steps)
	for _, o := range p.Tables.Objects() {
		if len(keys[o.Name]) == 0 {
			continue
		}
		rows, err := p.Target.Retrieve(ctx, sfdc.Selection{Object: o.Name, KeyField: o.KeyField,
			Keys: keys[o.Name], Fields: o.Fields, Refs: o.Refs})
		if err != nil {
			return nil, p.refused(ctx, err, "retrieve "+o.Name)
		}
		for _, r := range rows {
			out[recordID(o.Name, r.Key)] = r
		}
	}
	return out, nil
}

// wantedKeys gives the keys to ask for by object: of the records themselves and of those they refer to.
func wantedKeys(steps []*Step) map[string][]string {
	keys, seen := map[string][]string{}, map[string]bool{}
	add := func(object, key string) {
		if id := object + " " + key; !seen[id] {
			seen[id] = true
			keys[object] = append(keys[object], key)
		}
	}
	for _, s := range steps {
		if s.Fate != ledger.Pending {
			continue
		}
		for _, w := range s.Writes {
			add(w.Object, w.Key.Value)
			for _, v := range w.Image.Refs() {
				add(v.To().Object, v.Key())
			}
		}
	}
	return keys
}

func (p *Planner) images(ctx context.Context, steps []*Step) (records, error) {
	out := records{}
	if p.Memory == nil {
		return out, nil
	}
	for object, keys := range wantedKeys(steps) {
		images, err := p.Memory.ImagesByKey(ctx, object, keys)
		if err != nil {
			return nil, fmt.Errorf("read last-synced images of %s: %w", object, err)
		}
		for key, r := range images {
			out[recordID(object, sobject.Key{Value: key})] = r
		}
	}
	return out, nil
}

// comparison is the state of one compare.
type comparison struct {
	planner *Planner
	current records
	images  records
	planned map[string]*Write // what earlier steps of this plan write
	owners  map[string]owner  // of the records that earlier steps of this plan have, whatever became of them
}

func (c *comparison) step(ctx context.Context, s *Step) error {
	s.accountsOfOthers(c.current)
	for _, w := range s.Writes {
		if ours, err := c.belongs(ctx, s, w); err != nil || !ours {
			return err
		}
		if c.takenBefore(s, w) {
			if s.deferred || s.Fate != ledger.Pending {
				return nil
			}
			continue
		}
		if !c.parents(s, w) {
			return nil
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
		if !w.shared {
			c.planned[recordID(w.Object, w.Key)] = w
			c.owners[recordID(w.Object, w.Key)] = ownerOf(s)
		}
	}
	return nil
}

// takenBefore: the same record stands in an earlier step. With the same content it is written once; with other content
// this step waits for the next batch, so that versions are applied one after the other.
func (c *comparison) takenBefore(s *Step, w *Write) bool {
	first, taken := c.planned[recordID(w.Object, w.Key)]
	if !taken {
		_, w.shared = c.planner.foreseen.wanted(w)
		if w.shared {
			w.Action = Same
		}
		return w.shared
	}
	w.shared = true
	w.Action, w.Fields, w.Send, w.Have, w.Image.ID = first.Action, first.Fields, first.Send, first.Have, first.Image.ID
	if name := otherIdentity(first.Image, w.Image); name != "" {
		s.hold(patientDiffers(w.Object, name), c.planner.Now().Add(notVisibleWait))
		return true
	}
	s.deferred = !sameWish(first.Image, w.Image)
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
func (c *comparison) parents(s *Step, w *Write) bool {
	if c.planner.Target == nil {
		return true
	}
	for _, v := range w.Image.Refs() {
		if c.present(s, v) {
			continue
		}
		s.hold(ledger.Reason{Code: codeParent, Text: fmt.Sprintf(
			"its %s %s is not in Salesforce yet", v.To().Object, v.Key())}, c.planner.Now().Add(nextRun))
		return false
	}
	return true
}

func (c *comparison) present(s *Step, v sobject.Value) bool {
	id := recordID(v.To().Object, sobject.Key{Value: v.Key()})
	if _, there := c.current[id]; there {
		return true
	}
	if _, planned := c.planned[id]; planned {
		return true
	}
	return c.planner.foreseen.has(id) ||
		slices.ContainsFunc(s.Writes, func(w *Write) bool { return recordID(w.Object, w.Key) == id })
}

// write decides what is sent for one record.
func (c *comparison) write(s *Step, w *Write) {
	image, known := c.images.get(w.Object, w.Key)
	have, there := c.current.get(w.Object, w.Key)
	switch {
	case c.planner.Target == nil && known:
		have, there = image, true // offline: the last-synced image is what we know of Salesforce
	case c.planner.Target == nil:
	case !there && known && w.kept():
		// A person deleted it. Recreating would undo a decision; the record stays listed until somebody decides.
		s.die(ledger.Reason{Code: codeDeleted, Text: w.Object + " " + w.Key.Value + " was deleted in Salesforce"})
		return
	}
	if !there {
		c.create(w)
		if written, _ := c.planner.foreseen.wanted(w); written {
			w.Action = Update // an earlier batch of this dry run would have created it
		}
		return
	}
	c.update(s, w, have, image)
}

func (c *comparison) create(w *Write) {
	w.Action = Create
	w.Send = sobject.Record{Object: w.Object, Key: w.Key}
	for i, f := range w.Image.Fields {
		if f.Value.IsNull() || partial(f.Value) {
			continue
		}
		w.Send.Fields = append(w.Send.Fields, f)
		w.Fields = append(w.Fields, FieldChange{Field: f.Name, Want: f.Value, Rule: w.rules[i]})
	}
}

func (c *comparison) update(s *Step, w *Write, have, image sobject.Record) {
	w.Action, w.Have = Same, have
	w.Image.ID = have.ID
	w.Send = sobject.Record{Object: w.Object, Key: w.Key, ID: have.ID}
	for i, f := range w.Image.Fields {
		there, _ := have.Get(f.Name)
		there = c.asRef(there, f.Value)
		last, remembered := image.Get(f.Name)
		if f.Value.IsNull() && f.KeepIfAbsent {
			w.Image.Fields[i].Value = last // the source says nothing: what was last known stays what was last known
			continue
		}
		if c.planner.unsettled[recordID(w.Object, w.Key)] && f.Owner == sobject.Latest {
			last, remembered = there, true // an unsettled write of ours: the difference is not taken for a person's
		}
		d := decide(f, there, last, remembered)
		if f.Owner == sobject.Stop && s.Work.Known.Version == s.Work.Ref.Version && d == overwrite && !f.Value.Equal(sobject.BoolValue(true)) {
			d = keepTheirs // only a newer version takes a stop flag back
		}
		if s.flagged(w, f.Name) {
			continue // written ahead
		}
		switch d {
		case moved:
			s.hold(c.elsewhere(w, f, there), c.planner.Now().Add(notVisibleWait))
			return
		case otherPerson:
			s.hold(patientDiffers(w.Object, f.Name), c.planner.Now().Add(notVisibleWait))
			return
		case keepTheirs:
			w.Kept = append(w.Kept, f.Name)
		case conflict:
			s.hold(ledger.Reason{Code: codeConflict, Field: f.Name, Rule: w.rules[i].FileLine(),
				Text:   "both the source and Salesforce changed this field since the last sync; make one side equal to the other",
				Detail: fhir.Private(fmt.Sprintf("the source says %s, Salesforce says %s", shown(f.Value), shown(there)))}, c.planner.Now().Add(nextRun))
			return
		case otherPatient:
			s.die(ledger.Reason{Code: codePatientChanged, Field: f.Name,
				Text: "the record in Salesforce belongs to another Account than this patient's"})
			return
		case overwrite:
			w.Action = Update
			w.Send.Fields = append(w.Send.Fields, f)
			w.Fields = append(w.Fields, FieldChange{Field: f.Name, Have: there, Want: f.Value, Rule: w.rules[i]})
		}
	}
}

// asRef gives what is there as a key where Salesforce could only give the id (a reference to more than one object) and it is
// the id of the very record that is wanted.
func (c *comparison) asRef(there, want sobject.Value) sobject.Value {
	if there.Kind() != sobject.Text || want.Kind() != sobject.Ref {
		return there
	}
	row, ok := c.current[recordID(want.To().Object, sobject.Key{Value: want.Key()})]
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

// decision is what happens to one field of a record that is there.
type decision uint8

const (
	leave        decision = iota // equal, or not ours to write
	overwrite                    // the source's value is sent
	keepTheirs                   // Salesforce changed it and the source did not
	conflict                     // both changed it
	otherPatient                 // the patient link differs: never written
	moved                        // what is set on create only is another now at the source: never written
	otherPerson                  // what says who the record is about differs: never written
)

// decide settles one field by its owner: want is the source's value now, have is Salesforce's, last is what was synced.
//
//	owner       have = want   source unchanged   target unchanged   both changed
//	source      leave         overwrite          overwrite          overwrite
//	latest      leave         keepTheirs         overwrite          conflict
//	target      leave         leave              leave              leave
//	create-only leave         leave              moved              moved
//	identity    leave         otherPerson        otherPerson        otherPerson
//
// A patient link that differs is otherPatient whoever changed it. A field that is empty in Salesforce differs from nothing: a source's
// or latest value fills it, an identity too; of a year or a month alone, which Salesforce takes not as a date, nothing is written.
func decide(want sobject.Field, have, last sobject.Value, remembered bool) decision {
	if have.Equal(want.Value) {
		return leave
	}
	switch want.Owner {
	case sobject.Stop:
		return decideStop(want.Value, have, last, remembered)
	case sobject.TargetSide:
		return leave
	case sobject.CreateOnly:
		switch {
		case want.Value.IsNull() || have.IsNull() && !remembered:
			return leave
		case want.Name == "PatientId" && want.Value.Kind() == sobject.Text && !have.IsNull():
			return otherPatient
		case remembered && last.Equal(want.Value):
			return leave // the source says what it said: Salesforce, or a person there, has it otherwise
		}
		return moved
	case sobject.Identity:
		switch {
		case want.Value.IsNull(), have.IsNull() && partial(want.Value), sameIdentity(have, want.Value):
			return leave
		case have.IsNull():
			return overwrite
		}
		return otherPerson
	case sobject.Latest:
		switch {
		case !remembered && have.IsNull():
			return overwrite // nobody has decided yet: a new row of the tables fills an empty field
		case remembered && last.Equal(have):
			return overwrite
		case remembered && last.Equal(want.Value):
			return keepTheirs
		}
		return conflict
	}
	return overwrite
}

// gone marks records that this source record produced before and does not any more, for example the appointment that a
// new one replaced. Nothing is deleted.
func (c *comparison) gone(ctx context.Context, s *Step) error {
	if c.planner.Memory == nil || c.planner.Target == nil {
		return nil
	}
	old, err := c.planner.Memory.Images(ctx, s.Work.Source, s.Work.Ref)
	if err != nil {
		return fmt.Errorf("read last-synced images of %s: %w", s.Work.Ref.Current(), err)
	}
	if s.deleted {
		return c.buried(ctx, s, old)
	}
	for _, image := range old {
		fields := c.planner.Tables.Gone(image)
		produced := slices.ContainsFunc(s.Writes, func(w *Write) bool { return w.Object == image.Object && w.Key == image.Key })
		if len(fields) == 0 || produced {
			continue
		}
		if o, known, err := c.planner.owner(ctx, image.Object, image.Key.Value); err != nil || known && o != ownerOf(s) {
			if err != nil {
				return err
			}
			continue // another source record has it by now
		}
		have, untouched, err := c.untouched(ctx, image, fields)
		if err != nil {
			return err
		}
		if w := markGone(image, have, fields); untouched && w != nil {
			s.Writes = append(s.Writes, w)
		}
	}
	return nil
}

// untouched reads the record and tells whether the fields to mark still are as they were last synced: what a person has
// changed since (an appointment that took place) is theirs.
func (c *comparison) untouched(ctx context.Context, image sobject.Record, fields []sobject.Field) (sobject.Record, bool, error) {
	sel := sfdc.Selection{Object: image.Object, KeyField: image.Key.Field, Keys: []string{image.Key.Value}}
	for _, f := range fields {
		sel.Fields = append(sel.Fields, f.Name)
	}
	rows, err := c.planner.Target.Retrieve(ctx, sel)
	if err != nil {
		return sobject.Record{}, false, c.planner.refused(ctx, err, "retrieve "+image.Object)
	}
	if len(rows) != 1 {
		return sobject.Record{}, false, nil
	}
	for _, f := range fields {
		have, _ := rows[0].Get(f.Name)
		last, _ := image.Get(f.Name)
		if !have.Equal(last) {
			return sobject.Record{}, false, nil
		}
	}
	return rows[0], true, nil
}

// markGone updates the fields that tell a person that the source has dropped the record; nil where that is done.
func markGone(image, current sobject.Record, fields []sobject.Field) *Write {
	w := &Write{Action: Update, Object: image.Object, Key: image.Key, Have: current, Image: image,
		Send: sobject.Record{Object: image.Object, Key: image.Key, ID: current.ID}}
	w.Image.Fields = slices.Clone(image.Fields)
	for _, f := range fields {
		have, _ := image.Get(f.Name)
		if have.Equal(f.Value) {
			continue
		}
		w.Send.Fields = append(w.Send.Fields, f)
		w.Fields = append(w.Fields, FieldChange{Field: f.Name, Have: have, Want: f.Value})
		w.Image.Set(f.Name, f.Value)
	}
	if len(w.Send.Fields) == 0 {
		return nil
	}
	return w
}
