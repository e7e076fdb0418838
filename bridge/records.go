package bridge

import (
	"slices"

	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// RecordID names a record of Salesforce by its object and key.
func RecordID(object string, key sobject.Key) string { return object + " " + key.Value }

// Records are rows by object and external key.
type Records map[string]sobject.Record

// Get returns a record, and whether it is there.
func (r Records) Get(object string, key sobject.Key) (sobject.Record, bool) {
	rec, ok := r[RecordID(object, key)]
	return rec, ok
}

// Owner is a source record.
type Owner struct {
	Source string
	Ref    fhir.Reference // without a version
}

// OwnerOf is the source record of a step.
func OwnerOf(s *Step) Owner { return Owner{Source: s.Work.Source, Ref: s.Work.Ref.Current()} }

// SetField sets a field of a record that may not have it yet.
func SetField(r *sobject.Record, f sobject.Field) {
	if i := slices.IndexFunc(r.Fields, func(have sobject.Field) bool { return have.Name == f.Name }); i >= 0 {
		r.Fields[i].Value = f.Value
		return
	}
	r.Fields = append(r.Fields, f)
}

// Likely returns a row as it most likely is: its image, or without one what was meant last.
func Likely(row ledger.Row) sobject.Record {
	if row.Known && !row.Image.Unseen || len(row.Open) == 0 {
		return row.Image.Record
	}
	return row.Open[len(row.Open)-1].Meant
}
