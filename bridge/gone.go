package bridge

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"slices"

	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// tombstoneStart begins what is kept of a deletion: the entry that a history has for it.
const tombstoneStart = `{"resourceType":"Bundle","type":"history","entry":[{"request":{"method":"DELETE","url":`

// tombstone returns what is kept of the deletion of a record.
func tombstone(ref fhir.Reference) []byte {
	return append(fhir.AppendJSONString([]byte(tombstoneStart), ref.Current().Local().String()), `}}]}`...)
}

func isTombstone(body []byte) bool { return bytes.HasPrefix(body, []byte(tombstoneStart)) }

// saysDeleted reports whether a failed read is the source's own word that it has deleted the record: 410 with its
// OperationOutcome. A page of a gateway is not, and a 404 never.
func saysDeleted(err error) bool {
	var e *rest.Error
	return errors.As(err, &e) && e.Status == http.StatusGone && e.Outcome
}

// historian is a source that can say how a record ended.
type historian interface {
	Deleted(ctx context.Context, ref fhir.Reference) (bool, error)
}

// deleted reports whether the source says that it has deleted a record that it did not show. Where the answer to the read
// does not say so, its history is asked, if it has one; what that does not know is no deletion.
func (f *Flow) deleted(ctx context.Context, ref fhir.Reference, read error) (bool, error) {
	var e *rest.Error
	history, ok := f.Source.(historian)
	switch {
	case saysDeleted(read):
		return true, nil
	case !ok || !errors.As(read, &e) || e.Status != http.StatusNotFound && e.Status != http.StatusGone:
		return false, nil
	}
	gone, err := history.Deleted(ctx, ref)
	if stopped(ctx, err) {
		return false, err
	}
	return gone && err == nil, nil
}

// Deleted reports whether the newest entry of a record's history is its deletion.
func (f *FHIRServer) Deleted(ctx context.Context, ref fhir.Reference) (bool, error) {
	return f.Client.Deleted(ctx, ref.Current())
}

// bury plans what becomes of the records of one that the source has deleted: they are marked, as their tables say.
func (p *Planner) bury(s *Step) {
	s.deleted, s.Patient, s.Digest = true, s.Work.Known.Patient, fhir.Bundle{}.Digest()
	s.Reason = ledger.Reason{Code: codeSourceDeleted, Text: "the source has deleted this record; in Salesforce it is marked, not deleted"}
}

// buried marks the records of a deleted one. Whether a record may be marked is told from what Salesforce holds now.
func (c *comparison) buried(ctx context.Context, s *Step, images []sobject.Record) error {
	for _, image := range images {
		if o, known, err := c.planner.owner(ctx, image.Object, image.Key.Value); err != nil || known && o != ownerOf(s) {
			if err != nil {
				return err
			}
			continue // another source record has it by now
		}
		if !c.planner.Tables.Marks(image.Object) {
			continue // shared records are not the deleted one's
		}
		have, there, err := c.asItIs(ctx, image)
		if err != nil {
			return err
		}
		if !there {
			continue // a person deleted it in Salesforce
		}
		if w := buriedWrite(image, have, c.planner.Tables.Gone(have)); w != nil {
			s.Writes = append(s.Writes, w)
		}
	}
	return nil
}

// asItIs returns a record as it was last synced, with the values that its fields have in Salesforce now.
func (c *comparison) asItIs(ctx context.Context, image sobject.Record) (sobject.Record, bool, error) {
	sel := sfdc.Selection{Object: image.Object, KeyField: image.Key.Field, Keys: []string{image.Key.Value}}
	for _, f := range image.Fields {
		if k := f.Value.Kind(); k != sobject.Ref && k != sobject.Lookup {
			sel.Fields = append(sel.Fields, f.Name)
		}
	}
	rows, err := c.planner.Target.Retrieve(ctx, sel)
	if err != nil {
		return sobject.Record{}, false, c.planner.refused(ctx, err, "retrieve "+image.Object)
	}
	if len(rows) != 1 {
		return sobject.Record{}, false, nil
	}
	now := image
	now.ID, now.Fields = rows[0].ID, slices.Clone(image.Fields)
	for _, name := range sel.Fields {
		value, _ := rows[0].Get(name)
		now.Set(name, value)
	}
	return now, true, nil
}

// buriedWrite sets the fields that tell people of the deletion; nil where that is done, or nothing is to be set.
func buriedWrite(image, have sobject.Record, fields []sobject.Field) *Write {
	w := &Write{Action: Update, Object: image.Object, Key: image.Key, Have: have, Image: image,
		Send: sobject.Record{Object: image.Object, Key: image.Key, ID: have.ID}}
	w.Image.ID, w.Image.Fields = have.ID, slices.Clone(image.Fields)
	for _, f := range fields {
		w.Image.Set(f.Name, f.Value)
		is, _ := have.Get(f.Name)
		if is.Equal(f.Value) {
			continue
		}
		w.Send.Fields = append(w.Send.Fields, f)
		w.Fields = append(w.Fields, FieldChange{Field: f.Name, Have: is, Want: f.Value})
	}
	if len(w.Send.Fields) == 0 {
		return nil
	}
	return w
}
