package plan

import (
	"context"
	"slices"

	"refbridge/bridge"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// bury plans what becomes of the records of one that the source has deleted: they are marked, as their tables say.
func (p *Planner) bury(s *bridge.Step) {
	s.Deleted, s.Patient, s.Digest = true, s.Work.Known.Patient, fhir.Bundle{}.Digest()
	s.Reason = ledger.Reason{Code: bridge.CodeSourceDeleted, Text: "the source has deleted this record; in Salesforce it is marked, not deleted"}
}

// buried marks the rows of a deleted record. Whether a row may be marked is told from what Salesforce holds now.
func (c *comparison) buried(ctx context.Context, s *bridge.Step, rows []ledger.Row) error {
	for _, row := range rows {
		if (bridge.Owner{Source: row.Source, Ref: row.Ref}) != bridge.OwnerOf(s) {
			continue // another source record has it by now
		}
		if !c.planner.Tables.Marks(row.Object) {
			continue // shared records are not the deleted one's
		}
		if valueless(row) {
			if err := c.unknownRow(ctx, s, row); err != nil {
				return err
			}
			continue
		}
		read := c.planner.Now()
		like := bridge.Likely(row)
		like.Fields = bridge.FieldsOf(row)
		have, there, err := c.asItIs(ctx, like)
		if err != nil {
			return err
		}
		w := &bridge.Write{Action: bridge.Same, Object: row.Object, Key: like.Key, Image: like}
		w.Remember(row, read)
		if there { // otherwise a person deleted it in Salesforce, or it never came into being
			w.See(row, have)
			buryRow(w, have, c.planner.Tables.Gone(have))
		}
		s.Writes = append(s.Writes, w)
	}
	return nil
}

// asItIs returns a row as it was last known, with the values that its fields have in Salesforce now.
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
	now.ID, now.Fields, now.Modified, now.Theirs = rows[0].ID, slices.Clone(image.Fields), rows[0].Modified, rows[0].Theirs
	for _, name := range sel.Fields {
		value, _ := rows[0].Get(name)
		now.Set(name, value)
	}
	return now, true, nil
}

// buryRow sets the fields that tell people of the deletion, where they do not yet.
func buryRow(w *bridge.Write, have sobject.Record, fields []sobject.Field) {
	w.Have, w.Image.ID = have, have.ID
	w.Image.Fields = slices.Clone(w.Image.Fields)
	w.Send = sobject.Record{Object: w.Object, Key: w.Key, ID: have.ID}
	for _, f := range fields {
		w.Image.Set(f.Name, f.Value)
		is, _ := have.Get(f.Name)
		if is.Equal(f.Value) {
			w.Know(f, bridge.Past{Image: is, Known: true})
			continue
		}
		w.Send.Fields = append(w.Send.Fields, f)
		w.Fields = append(w.Fields, bridge.FieldChange{Field: f.Name, Have: is, Want: f.Value})
	}
	if len(w.Send.Fields) > 0 {
		w.Action = bridge.Update
	}
}
