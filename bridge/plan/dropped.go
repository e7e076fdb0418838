package plan

import (
	"context"
	"fmt"
	"slices"

	"refbridge/bridge"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// gone marks rows that this source record produced before and does not any more, for example the appointment that a new one
// replaced: rows that are known, and rows that a write whose outcome nobody saw may have made. Nothing is deleted.
func (c *comparison) gone(ctx context.Context, s *bridge.Step) error {
	if c.planner.Memory == nil || c.planner.Target == nil {
		return nil
	}
	old, err := c.planner.Memory.RowsOf(ctx, s.Work.Source, s.Work.Ref)
	if err != nil {
		return fmt.Errorf("read what is known of the rows of %s: %w", s.Work.Ref.Current(), err)
	}
	for _, row := range old {
		if !produces(s, row) {
			s.Open = append(s.Open, row.Open...) // until a read closes them, the record is in doubt
		}
	}
	if s.Deleted {
		return c.buried(ctx, s, old)
	}
	for _, row := range old {
		if produces(s, row) || (bridge.Owner{Source: row.Source, Ref: row.Ref}) != bridge.OwnerOf(s) {
			continue // another source record may have it by now
		}
		if valueless(row) {
			if err := c.unknownRow(ctx, s, row); err != nil {
				return err
			}
			continue
		}
		fields := c.planner.Tables.Gone(bridge.Likely(row))
		if len(fields) == 0 {
			continue // nothing to be marked
		}
		if err := c.drop(ctx, s, row, fields); err != nil {
			return err
		}
	}
	return nil
}

func produces(s *bridge.Step, row ledger.Row) bool {
	return slices.ContainsFunc(s.Writes, func(w *bridge.Write) bool { return w.Object == row.Object && w.Key.Value == row.Key })
}

// valueless reports whether nothing is known of a row but that it may be there: an older refbridge kept no values of what it meant.
func valueless(row ledger.Row) bool {
	return (!row.Known || row.Image.Unseen) && !slices.ContainsFunc(row.Open, func(in ledger.Intent) bool { return in.Meant.Object != "" }) && len(row.Open) > 0
}

// unknownRow looks for a row of which nothing is known, and that the source does not have any more. Where it is there, a person must say what
// becomes of it: whether it is ours is not known.
func (c *comparison) unknownRow(ctx context.Context, s *bridge.Step, row ledger.Row) error {
	read := c.planner.Now()
	rows, err := c.planner.Target.Retrieve(ctx, Selections(c.planner.Tables.Objects(), map[string][]string{row.Object: {row.Key}})...)
	if err != nil {
		return c.planner.refused(ctx, err, "read what is there")
	}
	w := &bridge.Write{Action: bridge.Same, Object: row.Object, Key: sobject.Key{Value: row.Key}}
	w.Remember(row, read)
	if len(rows) == 1 && len(c.planner.Tables.Gone(rows[0])) > 0 {
		w.Key, w.Have, w.Image.ID = rows[0].Key, rows[0], rows[0].ID
		w.See(row, rows[0])
		s.HoldFirst(ledger.Reason{Code: bridge.CodeUnclearValue, Text: row.Object + " " + row.Key + " may have been made by a write of an older refbridge " +
			"whose outcome nobody saw, and the source does not have it any more; look at it in Salesforce, and mark it there"}, c.planner.Now().Add(bridge.NextRun))
	}
	s.Writes = append(s.Writes, w)
	return nil
}

// drop reads a row and marks it, where the fields to mark have a value of ours: what a person has changed since (an appointment that
// took place) is theirs.
func (c *comparison) drop(ctx context.Context, s *bridge.Step, row ledger.Row, fields []sobject.Field) error {
	like := bridge.Likely(row)
	sel := sfdc.Selection{Object: row.Object, KeyField: like.Key.Field, Keys: []string{row.Key}}
	for _, o := range c.planner.Tables.Objects() {
		if o.Name == row.Object {
			sel.Fields, sel.Refs = slices.Clone(o.Fields), o.Refs
		}
	}
	for _, f := range fields {
		if !slices.Contains(sel.Fields, f.Name) {
			sel.Fields = append(sel.Fields, f.Name)
		}
	}
	read := c.planner.Now()
	rows, err := c.planner.Target.Retrieve(ctx, sel)
	if err != nil {
		return c.planner.refused(ctx, err, "retrieve "+row.Object)
	}
	w := &bridge.Write{Action: bridge.Same, Object: row.Object, Key: like.Key, Image: like}
	w.Remember(row, read)
	if len(rows) == 1 {
		markRow(w, row, rows[0], fields)
	}
	s.Writes = append(s.Writes, w)
	return nil
}

// markRow sets the fields that tell a person that the source has dropped a row, all of them or none.
func markRow(w *bridge.Write, row ledger.Row, have sobject.Record, fields []sobject.Field) {
	w.See(row, have)
	w.Have, w.Image.ID = have, have.ID
	w.Image.Fields = slices.Clone(w.Image.Fields)
	w.Send = sobject.Record{Object: w.Object, Key: w.Key, ID: have.ID}
	var send []sobject.Field
	var changes []bridge.FieldChange
	ours := true
	for _, f := range fields {
		f.Owner = sobject.Latest
		there, _ := have.Get(f.Name)
		p := bridge.PastOf(row, f.Name, have)
		d := bridge.Decide(f, there, p)
		w.Know(f, p.After(f.Value, there, d))
		switch d {
		case bridge.Overwrite:
			send = append(send, f)
			changes = append(changes, bridge.FieldChange{Field: f.Name, Have: there, Want: f.Value})
		case bridge.Leave:
		default:
			ours = false
		}
	}
	if ours && len(send) > 0 {
		w.Action, w.Send.Fields, w.Fields = bridge.Update, send, changes
		for _, f := range send {
			w.Image.Set(f.Name, f.Value)
		}
	}
}
