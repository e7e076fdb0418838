package lane

import (
	"context"
	"fmt"
	"slices"
	"time"

	"refbridge/bridge"
	"refbridge/bridge/deliver"
	"refbridge/bridge/plan"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// probe reads the rows of writes that are open past their deadline, and closes them by what the rows show (doubt rules 2 and 4). Records
// that are planned in this run have closed theirs by then: what is left belongs to records that are held or dead, of which nobody
// knows what the source wants now.
func (f *Flow) probe(ctx context.Context) error {
	open, err := f.Ledger.Unresolved(ctx)
	if err != nil {
		return err
	}
	now := f.Now()
	late := map[string][]string{} // keys by object
	for _, in := range open {
		if in.Source == f.Name && in.Deadline.Before(now) && !slices.Contains(late[in.Object], in.Key) {
			late[in.Object] = append(late[in.Object], in.Key)
		}
	}
	for len(late) > 0 {
		some := map[string][]string{}
		for object, keys := range late {
			n := min(bridge.BatchSize, len(keys))
			if some[object], late[object] = keys[:n], keys[n:]; len(late[object]) == 0 {
				delete(late, object)
			}
		}
		if err := f.probeRows(ctx, plan.Selections(f.Planner.Tables.Objects(), some)); err != nil {
			return err
		}
	}
	return nil
}

// probeRows reads rows of several objects, in one call, and settles what they show.
func (f *Flow) probeRows(ctx context.Context, all []sfdc.Selection) error {
	read := f.Now()
	found, err := f.Applier.Target.Retrieve(ctx, all...)
	if err != nil {
		return bridge.ReadRefused(ctx, err, "look for writes in doubt", read)
	}
	there := bridge.Records{}
	for _, r := range found {
		there[bridge.RecordID(r.Object, r.Key)] = r
	}
	var probes []ledger.Probe
	for _, sel := range all {
		rows, err := f.Ledger.Rows(ctx, sel.Object, sel.Keys)
		if err != nil {
			return fmt.Errorf("read what is known of %s: %w", sel.Object, err)
		}
		for _, key := range sel.Keys {
			w := &bridge.Write{Object: sel.Object, Key: sobject.Key{Field: sel.KeyField, Value: key}}
			probes = append(probes, f.probed(w, rows[key], there, read))
		}
	}
	return f.Ledger.Probed(ctx, probes)
}

// probed is what a read shows of one row, which is there or not.
func (f *Flow) probed(w *bridge.Write, row ledger.Row, there bridge.Records, read time.Time) ledger.Probe {
	w.Remember(row, read)
	if have, is := there.Get(w.Object, w.Key); is {
		w.See(row, have)
	}
	p := ledger.Probe{Source: f.Name, Ref: f.writerOf(row), Intents: w.Closes}
	if !deliver.EqualImages(w.Before, w.Known) {
		p.Images = []ledger.Image{w.Known}
	}
	return p
}

// writerOf returns which version of this flow meant an open write of a row. A row that several sources share may have others' too.
func (f *Flow) writerOf(row ledger.Row) fhir.Reference {
	i := slices.IndexFunc(row.Open, func(in ledger.Intent) bool { return in.Source == f.Name })
	return row.Open[i].Ref
}
