package lane

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"refbridge/bridge"
	"refbridge/bridge/source"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// rationed is a source with calls that are counted by the day.
type rationed interface {
	// SpendDay takes what is left of today's calls out of the ration: a lost ledger may have made them.
	SpendDay(ctx context.Context) error
}

// rooted is a source whose records can be told by the keys of their rows.
type rooted interface {
	// RefOf returns the record that a row belongs to by the type that it is made of (ServiceRequest: it is the referral's own row; empty:
	// it is one beside that), what its key says behind the source and the kind, and the referral
	// that the row points to; reread says that no poll brings it again, so that it has to be read.
	RefOf(typ, id, referral string) (ref fhir.Reference, reread, ok bool)
}

// BeginRebuild notes that the ledger is older than the truth. The lane halts until nothing that was sent before can take effect any
// more; the first run after that makes the ledger anew. What is left of today's rations counts as spent.
func (f *Flow) BeginRebuild(ctx context.Context, why string) error {
	now := f.Now()
	if source, ok := f.Poller.(rationed); ok {
		if err := source.SpendDay(ctx); err != nil {
			return err
		}
	}
	for _, c := range []ledger.Cursor{
		{Name: source.NoticeCursor + "rebuild", Value: "an older ledger was noticed on " + now.UTC().Format(time.RFC3339) + ": " + why},
		{Name: rebuildCursor, Value: now.UTC().Format(time.RFC3339)},
	} {
		if err := f.Ledger.SetCursor(ctx, f.Name, c); err != nil {
			return err
		}
	}
	f.Logger.Error("the ledger is older than Salesforce", "flow", f.Name, "why", why)
	return waiting(now)
}

// rebuild makes what is known of the lane anew from Salesforce (doubt rule 10). A crash in between leaves the cursor: it is done again.
func (f *Flow) rebuild(ctx context.Context) error {
	source, ok := f.Source.(rooted)
	if !ok {
		return fmt.Errorf("%w: the rows of this source cannot be told by their keys", bridge.ErrHalted)
	}
	if err := f.Ledger.Forget(ctx, f.Name); err != nil {
		return err
	}
	r := rebuild{flow: f, source: source, referrals: map[string]string{}, reread: map[fhir.Reference]bool{}}
	for _, o := range f.Planner.Tables.Objects() {
		if err := r.object(ctx, o); err != nil {
			return err
		}
	}
	if err := f.Sight(ctx, slices.Collect(maps.Keys(r.reread))); err != nil {
		return err
	}
	return f.rebuilt(ctx, r.rows)
}

// rebuild is the state of one rebuild.
type rebuild struct {
	flow      *Flow
	source    rooted
	referrals map[string]string // Salesforce id of a referral -> its key
	reread    map[fhir.Reference]bool
	rows      int
}

// rebuilt ends a rebuild: a new epoch begins, and everything in Salesforce is looked at again.
func (f *Flow) rebuilt(ctx context.Context, rows int) error {
	now := f.Now().UTC().Format(time.RFC3339)
	cursors, err := f.Ledger.Cursors(ctx, f.Name, "changed:")
	if err != nil {
		return err
	}
	for i := range cursors {
		cursors[i].Value = ""
	}
	if err := f.Recovery.Raise(ctx); err != nil {
		return err
	}
	for _, c := range append(cursors,
		ledger.Cursor{Name: source.NoticeCursor + "rebuild", Value: fmt.Sprintf("the ledger was made anew from %s of Salesforce on %s: a new epoch",
			mapping.Plural(rows, "row"), now)},
		ledger.Cursor{Name: rebuiltCursor, Value: now}, ledger.Cursor{Name: rebuildCursor}) {
		if err := f.Ledger.SetCursor(ctx, f.Name, c); err != nil {
			return err
		}
	}
	f.Logger.Warn("the ledger was made anew", "flow", f.Name, "rows", rows)
	return nil
}

// object takes over the rows of an object, those that people deleted too.
func (r *rebuild) object(ctx context.Context, o mapping.Object) error {
	f := r.flow
	sel := sfdc.Selection{Object: o.Name, KeyField: o.KeyField, Refs: o.Refs}
	there := map[string]bool{}
	var failed error // of the ledger, or judged
	err := f.Recovery.Target.Changed(ctx, sfdc.Selection{Object: o.Name, KeyField: o.KeyField}, time.Time{}, f.Name+".", func(page []sobject.Record) error {
		for chunk := range slices.Chunk(page, bridge.BatchSize) {
			sel.Keys, sel.Fields = nil, o.Fields
			for _, row := range chunk {
				sel.Keys = append(sel.Keys, row.Key.Value)
				there[row.Key.Value] = true
			}
			if failed = r.some(ctx, sel); failed != nil {
				return failed
			}
		}
		return nil
	})
	if failed != nil {
		return failed
	}
	if err != nil {
		return bridge.ReadRefused(ctx, err, "list rows of "+o.Name, f.Now())
	}
	sel.Keys, sel.Fields = nil, parentFields(o)
	gone, err := f.Recovery.Target.DeletedUnder(ctx, sel, f.Name+".")
	if err != nil {
		return bridge.ReadRefused(ctx, err, "list deleted rows of "+o.Name, f.Now())
	}
	return r.takeOver(ctx, slices.DeleteFunc(gone, func(row sobject.Record) bool { return there[row.Key.Value] }), true)
}

// some takes over the rows with some keys.
func (r *rebuild) some(ctx context.Context, sel sfdc.Selection) error {
	rows, err := r.flow.Recovery.Target.Retrieve(ctx, sel)
	if err != nil {
		return bridge.ReadRefused(ctx, err, "read rows of "+sel.Object, r.flow.Now())
	}
	return r.takeOver(ctx, rows, false)
}

// parentFields are those fields of an object that point to a record of ours.
func parentFields(o mapping.Object) []string {
	var out []string
	for name := range o.Refs {
		if slices.Contains(o.Fields, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	return out
}

func (r *rebuild) takeOver(ctx context.Context, rows []sobject.Record, deleted bool) error {
	var known []ledger.Rebuilt
	for _, row := range rows {
		if r.referral(row.Object) {
			r.referrals[row.ID] = row.Key.Value
		}
		ref, reread, ok := r.rootOf(row)
		if !ok {
			r.flow.Logger.Warn("a row has no record of this source", "flow", r.flow.Name, "object", row.Object)
			continue
		}
		known = append(known, ledger.Rebuilt{Ref: ref, Image: imageOf(row, deleted, r.referral(row.Object))})
		if reread {
			r.reread[ref] = true
		}
	}
	r.rows += len(known)
	if len(known) == 0 {
		return nil
	}
	return r.flow.Ledger.Rebuild(ctx, r.flow.Name, known)
}

// rootOf returns the record of the source that a row belongs to.
func (r *rebuild) rootOf(row sobject.Record) (ref fhir.Reference, reread, ok bool) {
	referral := ""
	for _, field := range row.Fields {
		switch v := field.Value; {
		case v.Kind() == sobject.Ref && r.referral(v.To().Object):
			referral = keyID(r.flow.Name, v.Key())
		case v.Kind() == sobject.Text && r.referrals[v.Reveal()] != "": // a reference to more than one object comes as an id
			referral = keyID(r.flow.Name, r.referrals[v.Reveal()])
		}
	}
	return r.source.RefOf(r.typeOf(row.Object), keyID(r.flow.Name, row.Key.Value), referral)
}

// referral reports whether an object is that of referrals: its table looks the patient up.
func (r *rebuild) referral(object string) bool {
	return r.flow.Planner.Tables.PatientField(object) != ""
}

// typeOf returns the type of the source's record that an object's rows are made of alone; empty where they stand beside a referral's own.
func (r *rebuild) typeOf(object string) string {
	types := r.flow.Planner.Tables.SourceTypes(object)
	if r.referral(object) || slices.Contains(types, "Appointment") {
		return types[0]
	}
	return ""
}

// keyID returns what a key says behind the source and the kind; empty where it is not of the source.
func keyID(flow, key string) string {
	rest, ok := strings.CutPrefix(key, flow+".")
	if !ok {
		return ""
	}
	_, id, _ := strings.Cut(rest, ".")
	return id
}

// imageOf returns what a rebuilt ledger knows of a row. Of a referral it is only that it is there: what is equal to what the source says
// becomes known, and of the rest nobody can say who set it. Of other rows that only we wrote it is what they are, so that one whose
// source record has gone meanwhile can be marked.
func imageOf(r sobject.Record, deleted, referral bool) ledger.Image {
	image := ledger.Image{Record: sobject.Record{Object: r.Object, Key: r.Key, ID: r.ID}, Deleted: deleted}
	if !r.Theirs {
		image.Record.Modified = r.Modified
	}
	if !deleted && !r.Theirs && !referral {
		image.Record.Fields = r.Fields
	}
	return image
}
