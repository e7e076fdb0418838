package bridge

import (
	"slices"
	"time"

	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// See takes over what a read shows of a row while nobody knows what the source wants of it.
func (w *Write) See(row ledger.Row, have sobject.Record) {
	w.Known.Record.ID, w.Known.Unseen, w.Known.Deleted = have.ID, false, false
	calm := true
	for _, f := range FieldsOf(row) {
		there, read := have.Get(f.Name)
		p := PastOf(row, f.Name, have)
		if read {
			p = p.seen(there)
		} else {
			p = p.remembered()
		}
		calm = calm && p.Known && p.Image.Equal(there)
		w.Know(f, p)
	}
	if calm || !MovedSince(row, have) {
		w.Known.Record.Modified = have.Modified
	}
}

// FieldsOf returns the fields of a row that are known or were meant.
func FieldsOf(row ledger.Row) []sobject.Field {
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

// Remember takes over what is known of a row from before it was read, and which of its intents the read closes.
func (w *Write) Remember(row ledger.Row, read time.Time) {
	w.Before, w.Known = row, row.Image
	w.Known.Record.Object, w.Known.Record.Key = w.Object, w.Key
	w.Known.Record.Fields = slices.Clone(row.Image.Record.Fields)
	w.Known.Unseen, w.Known.Said = !row.Known || row.Image.Unseen, SaidLast(row)
	for _, in := range row.Open {
		if in.Deadline.Before(read) {
			w.Closes = append(w.Closes, in.ID)
		} else {
			w.Open = append(w.Open, in)
		}
	}
}

// Know takes over what is known of a field.
func (w *Write) Know(f sobject.Field, p Past) {
	w.Known.Unclear = slices.DeleteFunc(slices.Clone(w.Known.Unclear), func(name string) bool { return name == f.Name })
	if p.Unclear {
		w.Known.Unclear = append(w.Known.Unclear, f.Name)
	}
	if p.Known {
		is := f
		is.Value = p.Image
		SetField(&w.Known.Record, is)
	} else {
		w.Known.Record.Fields = slices.DeleteFunc(w.Known.Record.Fields, func(is sobject.Field) bool { return is.Name == f.Name })
	}
	w.Say(f)
}

// Say remembers what the source says of a field that it may be silent about later, until it is seen settled.
func (w *Write) Say(f sobject.Field) {
	w.Known.Said = slices.DeleteFunc(slices.Clone(w.Known.Said), func(said sobject.Field) bool { return said.Name == f.Name })
	is, known := w.Known.Record.Get(f.Name)
	if f.KeepIfAbsent && !f.Value.IsNull() && !(known && is.Equal(f.Value)) {
		w.Known.Said = append(w.Known.Said, f)
	}
}

// SaidLast returns what the source said last of fields that it may be silent about later, as far as nobody has seen it settled: what
// stands in the image, and what writes say that were begun after it was written and that nobody has settled since.
func SaidLast(row ledger.Row) []sobject.Field {
	said := sobject.Record{Fields: slices.Clone(row.Image.Said)}
	for _, in := range row.Open {
		for _, f := range in.Meant.Fields {
			if f.KeepIfAbsent && !f.Value.IsNull() && !in.Created.Before(row.Changed) {
				SetField(&said, f)
			}
		}
	}
	return said.Fields
}
