// Package shelf is what a planner reads, as values: for tests.
package shelf

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// Shelf is what a planner reads: the rows of Salesforce and the memory of the ledger, as values.
type Shelf struct {
	Accounts map[string][]string       // of patients, by NHS number
	There    map[string]sobject.Record // in Salesforce
	Images   map[string]sobject.Record // as last synced
	Owners   map[string]bridge.Owner
	Open     map[string][]ledger.Intent  // writes whose outcome nobody saw
	Unclear  map[string][]string         // fields with a value that may be ours or a person's
	Carried  map[string][]ledger.Carried // what a person set and the source took over
	Removed  map[string]sobject.Record   // rows that somebody deleted
	known    map[fhir.Reference]ledger.Known
	Bodies   map[fhir.Reference][]byte // of versions that were read before
	cursors  map[string]string
	Unseen   map[string]bool // nobody has seen the row
	Purged   map[string]bool // the row's image was purged
	Broken   error           // what Salesforce answers instead
	Only     string          // object of which it does; empty = all
	Lost     error           // what the ledger answers instead
}

// New is a shelf with the Accounts of two people and nothing else.
func New() *Shelf {
	return &Shelf{Accounts: map[string][]string{bridgetest.ANumber: {bridgetest.AnAccount}, bridgetest.BNumber: {bridgetest.TwoAccount}}, There: map[string]sobject.Record{},
		Images: map[string]sobject.Record{}, Owners: map[string]bridge.Owner{}, Open: map[string][]ledger.Intent{},
		Unclear: map[string][]string{}, Unseen: map[string]bool{}, Removed: map[string]sobject.Record{}, known: map[fhir.Reference]ledger.Known{}, cursors: map[string]string{}}
}

// Put is what an applied step leaves behind.
func (s *Shelf) Put(steps ...*bridge.Step) {
	for _, st := range steps {
		for _, w := range st.Writes {
			id := bridge.RecordID(w.Object, w.Key)
			image := w.Image
			image.Fields = slices.DeleteFunc(slices.Clone(image.Fields), func(f sobject.Field) bool { return f.Value.IsNull() && f.KeepIfAbsent })
			image.ID, image.Modified = fmt.Sprintf("a%02d", len(s.There)+1), bridgetest.Noon().Add(-time.Hour)
			s.Images[id], s.Owners[id] = image, bridge.OwnerOf(st)
			image.Fields = slices.Clone(image.Fields)
			s.There[id] = image
		}
		s.known[st.Work.Ref.Current()] = ledger.Known{Version: st.Work.Ref.Version, Digest: st.Digest.String(), Patient: st.Patient}
	}
}

// Edit changes fields of a row as a person would.
func (s *Shelf) Edit(id string, fields map[string]sobject.Value) {
	if len(fields) == 0 {
		return
	}
	Set(s.There, id, fields)
	r := s.There[id]
	r.Theirs, r.Modified = true, bridgetest.Noon().Add(-time.Minute)
	s.There[id] = r
}

// Set changes fields of a record; a field that it does not have is added.
func Set(in map[string]sobject.Record, id string, fields map[string]sobject.Value) {
	r := in[id]
	r.Fields = slices.Clone(r.Fields)
	for name, v := range fields {
		r.Set(name, v)
	}
	in[id] = r
}

// Retrieve returns rows of Salesforce.
func (s *Shelf) Retrieve(_ context.Context, all ...sfdc.Selection) ([]sobject.Record, error) {
	var out []sobject.Record
	for _, sel := range all {
		if s.Broken != nil && (s.Only == "" || s.Only == sel.Object) {
			return nil, s.Broken
		}
		for _, key := range sel.Keys {
			if r, ok := s.There[sel.Object+" "+key]; ok {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

// FindParents returns Accounts by NHS number.
func (s *Shelf) FindParents(_ context.Context, _ sfdc.Lookup, keys []string) (map[string][]string, error) {
	if s.Broken != nil && (s.Only == "" || s.Only == "Account") {
		return nil, s.Broken
	}
	return s.Accounts, nil
}

// Deleted returns the rows that somebody deleted.
func (s *Shelf) Deleted(_ context.Context, sel sfdc.Selection) ([]sobject.Record, error) {
	if s.Broken != nil && s.Only == "deleted" {
		return nil, s.Broken
	}
	var out []sobject.Record
	for _, key := range sel.Keys {
		if r, ok := s.Removed[sel.Object+" "+key]; ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// row is what is known of a row from before.
func (s *Shelf) row(object, key string) (ledger.Row, bool) {
	id := object + " " + key
	image, known := s.Images[id]
	o := s.Owners[id]
	r := ledger.Row{Object: object, Key: key, Image: ledger.Image{Record: image, Unclear: s.Unclear[id], Carried: s.Carried[id], Unseen: s.Unseen[id]}, Known: known, Open: s.Open[id], Source: o.Source, Ref: o.Ref,
		Purged: s.Purged[id]}
	return r, known || r.Purged || len(r.Open) > 0
}

// RowsOf returns what is known of the rows of a source record.
func (s *Shelf) RowsOf(_ context.Context, source string, ref fhir.Reference) ([]ledger.Row, error) {
	var out []ledger.Row
	for _, id := range slices.Sorted(maps.Keys(s.Owners)) {
		object, key, _ := strings.Cut(id, " ")
		if r, ok := s.row(object, key); ok && s.Owners[id] == (bridge.Owner{Source: source, Ref: ref.Current()}) {
			out = append(out, r)
		}
	}
	return out, s.Lost
}

// Rows returns what is known of rows by their keys.
func (s *Shelf) Rows(_ context.Context, object string, keys []string) (map[string]ledger.Row, error) {
	out := map[string]ledger.Row{}
	for _, key := range keys {
		if r, ok := s.row(object, key); ok {
			out[key] = r
		}
	}
	return out, s.Lost
}

// Cursor returns a cursor of the ledger.
func (s *Shelf) Cursor(_ context.Context, _, name string) (string, error) {
	return s.cursors[name], nil
}

// RefOfKey returns the source record that a row belongs to.
func (s *Shelf) RefOfKey(_ context.Context, object, key string) (string, fhir.Reference, error) {
	if o, ok := s.Owners[object+" "+key]; ok {
		return o.Source, o.Ref, nil
	}
	return "", fhir.Reference{}, ledger.ErrNotFound
}

// Known returns what was last applied of a source record.
func (s *Shelf) Known(_ context.Context, _ string, ref fhir.Reference) (ledger.Known, error) {
	return s.known[ref], nil
}

// Body returns what was read of a version before.
func (s *Shelf) Body(_ context.Context, _ string, ref fhir.Reference) ([]byte, error) {
	return s.Bodies[ref], s.Lost
}
