package bridge

import (
	"slices"
	"time"

	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

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

// remember takes over what is known of a row from before it was read, and which of its intents the read closes.
func (w *Write) remember(row ledger.Row, read time.Time) {
	w.before, w.Known = row, row.Image
	w.Known.Record.Object, w.Known.Record.Key = w.Object, w.Key
	w.Known.Record.Fields = slices.Clone(row.Image.Record.Fields)
	w.Known.Unseen, w.Known.Said = !row.Known || row.Image.Unseen, saidLast(row)
	for _, in := range row.Open {
		if in.Deadline.Before(read) {
			w.closes = append(w.closes, in.ID)
		} else {
			w.open = append(w.open, in)
		}
	}
}

// know takes over what is known of a field.
func (w *Write) know(f sobject.Field, p past) {
	w.Known.Unclear = slices.DeleteFunc(slices.Clone(w.Known.Unclear), func(name string) bool { return name == f.Name })
	if p.unclear {
		w.Known.Unclear = append(w.Known.Unclear, f.Name)
	}
	if p.known {
		is := f
		is.Value = p.image
		setField(&w.Known.Record, is)
	} else {
		w.Known.Record.Fields = slices.DeleteFunc(w.Known.Record.Fields, func(is sobject.Field) bool { return is.Name == f.Name })
	}
	said(w, f)
}

// said remembers what the source says of a field that it may be silent about later, until it is seen settled.
func said(w *Write, f sobject.Field) {
	w.Known.Said = slices.DeleteFunc(slices.Clone(w.Known.Said), func(said sobject.Field) bool { return said.Name == f.Name })
	is, known := w.Known.Record.Get(f.Name)
	if f.KeepIfAbsent && !f.Value.IsNull() && !(known && is.Equal(f.Value)) {
		w.Known.Said = append(w.Known.Said, f)
	}
}

// saidLast returns what the source said last of fields that it may be silent about later, as far as nobody has seen it settled: what
// stands in the image, and what writes say that were begun after it was written and that nobody has settled since.
func saidLast(row ledger.Row) []sobject.Field {
	said := sobject.Record{Fields: slices.Clone(row.Image.Said)}
	for _, in := range row.Open {
		for _, f := range in.Meant.Fields {
			if f.KeepIfAbsent && !f.Value.IsNull() && !in.Created.Before(row.Changed) {
				setField(&said, f)
			}
		}
	}
	return said.Fields
}
