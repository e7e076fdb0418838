package bridge

import (
	"slices"

	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

func recordID(object string, key sobject.Key) string { return object + " " + key.Value }

// records are rows by object and external key.
type records map[string]sobject.Record

func (r records) get(object string, key sobject.Key) (sobject.Record, bool) {
	rec, ok := r[recordID(object, key)]
	return rec, ok
}

// owner is a source record.
type owner struct {
	source string
	ref    fhir.Reference // without a version
}

func ownerOf(s *Step) owner { return owner{s.Work.Source, s.Work.Ref.Current()} }

// setField sets a field of a record that may not have it yet.
func setField(r *sobject.Record, f sobject.Field) {
	if i := slices.IndexFunc(r.Fields, func(have sobject.Field) bool { return have.Name == f.Name }); i >= 0 {
		r.Fields[i].Value = f.Value
		return
	}
	r.Fields = append(r.Fields, f)
}

// likely returns a row as it most likely is: its image, or without one what was meant last.
func likely(row ledger.Row) sobject.Record {
	if row.Known && !row.Image.Unseen || len(row.Open) == 0 {
		return row.Image.Record
	}
	return row.Open[len(row.Open)-1].Meant
}
