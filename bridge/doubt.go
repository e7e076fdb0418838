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

// probe reads the rows of writes that are open past their deadline, and closes them by what the rows show (doubt rules 2 and 4). Records
// that are planned in this run have closed theirs by then: what is left belongs to records that are held or dead, of which nobody
// knows what the source wants now.
func (f *Flow) probe(ctx context.Context) error {
	open, err := f.Ledger.Unresolved(ctx)
	if err != nil {
		return err
	}
	now := f.Now()
	for _, o := range f.Planner.Tables.Objects() {
		var keys []string
		for _, in := range open {
			if in.Object == o.Name && in.Source == f.Name && in.Deadline.Before(now) && !slices.Contains(keys, in.Key) {
				keys = append(keys, in.Key)
			}
		}
		for chunk := range slices.Chunk(keys, batchSize) {
			sel := sfdc.Selection{Object: o.Name, KeyField: o.KeyField, Keys: chunk, Fields: o.Fields, Refs: o.Refs}
			if err := f.probeRows(ctx, sel); err != nil {
				return err
			}
		}
	}
	return nil
}

func (f *Flow) probeRows(ctx context.Context, sel sfdc.Selection) error {
	read := f.Now()
	found, err := f.Applier.Target.Retrieve(ctx, sel)
	if err != nil {
		return readRefused(ctx, err, "look for writes of "+sel.Object, read)
	}
	there := records{}
	for _, r := range found {
		there[recordID(r.Object, r.Key)] = r
	}
	rows, err := f.Ledger.Rows(ctx, sel.Object, sel.Keys)
	if err != nil {
		return fmt.Errorf("read what is known of %s: %w", sel.Object, err)
	}
	var probes []ledger.Probe
	for _, key := range sel.Keys {
		have, is := there[recordID(sel.Object, sobject.Key{Value: key})]
		w := &Write{Object: sel.Object, Key: sobject.Key{Field: sel.KeyField, Value: key}}
		w.remember(rows[key], read)
		if is {
			w.see(rows[key], have)
		}
		p := ledger.Probe{Source: f.Name, Ref: f.writerOf(rows[key]), Intents: w.closes}
		if !equalImages(w.before, w.Known) {
			p.Images = []ledger.Image{w.Known}
		}
		probes = append(probes, p)
	}
	return f.Ledger.Probed(ctx, probes)
}

// writerOf returns which version of this flow meant an open write of a row. A row that several sources share may have others' too.
func (f *Flow) writerOf(row ledger.Row) fhir.Reference {
	i := slices.IndexFunc(row.Open, func(in ledger.Intent) bool { return in.Source == f.Name })
	return row.Open[i].Ref
}

// see takes over what a read shows of a row while nobody knows what the source wants of it.
func (w *Write) see(row ledger.Row, have sobject.Record) {
	w.Known.Record.ID, w.Known.Unseen, w.Known.Deleted = have.ID, false, false
	calm := true
	for _, f := range fieldsOf(row) {
		there, read := have.Get(f.Name)
		p := pastOf(row, f.Name, have)
		if read {
			p = p.seen(there)
		} else {
			p = p.remembered()
		}
		calm = calm && p.known && p.image.Equal(there)
		w.know(f, p)
	}
	if calm || !movedSince(row, have) {
		w.Known.Record.Modified = have.Modified
	}
}

// fieldsOf returns the fields of a row that are known or were meant.
func fieldsOf(row ledger.Row) []sobject.Field {
	out := slices.Clone(row.Image.Record.Fields)
	for _, in := range row.Open {
		for _, f := range in.Meant.Fields {
			if !slices.ContainsFunc(out, func(known sobject.Field) bool { return known.Name == f.Name }) {
				out = append(out, f)
			}
		}
	}
	return out
}
