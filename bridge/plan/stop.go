package plan

import (
	"context"
	"fmt"
	"slices"
	"time"

	"refbridge/bridge"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// stops notes which records of a step are to say that nobody may contact the patient, whatever else becomes of the step.
func (p *Planner) stops(s *bridge.Step, in mapping.Input) {
	for _, r := range p.Tables.Stops(in) {
		if !slices.ContainsFunc(s.Stops, func(have sobject.Record) bool {
			return bridge.RecordID(have.Object, have.Key) == bridge.RecordID(r.Object, r.Key)
		}) {
			s.Stops = append(s.Stops, r)
		}
	}
}

// Stop plans what is left to do for a record that the source refuses to give for its patient's sake (PATIENT_ERROR): the stop flag
// of whatever was written for it before. The step ends as the verdict says.
func (p *Planner) Stop(ctx context.Context, w ledger.Work, v bridge.Verdict) (bridge.Plan, error) {
	s := &bridge.Step{Work: w}
	s.Settled(v)
	plan := bridge.Plan{Flow: p.Flow, At: p.Now(), Tables: p.Tables.Hash(), Steps: []*bridge.Step{s}}
	if p.Memory == nil {
		return plan, nil
	}
	rows, err := p.Memory.RowsOf(ctx, w.Source, w.Ref)
	if err != nil {
		return plan, fmt.Errorf("read what is known of the rows of %s: %w", w.Ref.Current(), err)
	}
	for _, row := range rows {
		if r, ok := p.Tables.StopsOf(bridge.Likely(row)); ok {
			s.Stops = append(s.Stops, r)
		}
	}
	return plan, p.ahead(ctx, plan.Steps)
}

// flagged reports whether a flag of a record is written ahead.
func flagged(s *bridge.Step, w *bridge.Write, field string) bool {
	return slices.ContainsFunc(s.Ahead, func(a *bridge.Write) bool {
		_, sent := a.Send.Get(field)
		return a.Object == w.Object && a.Key == w.Key && sent
	})
}

// ahead plans the stop flags: only of records that are in Salesforce under our key, as one that is not there yet gets its flag
// when it is made. They are written in calls of their own, before anything else.
func (p *Planner) ahead(ctx context.Context, steps []*bridge.Step) error {
	keys := map[string][]string{}
	for _, s := range steps {
		for _, r := range s.Stops {
			keys[r.Object] = append(keys[r.Object], r.Key.Value)
		}
	}
	if len(keys) == 0 {
		return nil
	}
	read := p.Now()
	rows, err := p.rows(ctx, keys)
	if err != nil {
		return err
	}
	current, err := p.current(ctx, keys)
	if err != nil {
		return err
	}
	if p.Target == nil { // offline, what was last synced is what is known of Salesforce
		for id, row := range rows {
			if row.Image.Record.Object != "" {
				current[id] = row.Image.Record
			}
		}
	}
	planned := map[string]bool{}
	for _, s := range steps {
		for _, r := range s.Stops {
			id := bridge.RecordID(r.Object, r.Key)
			if have, there := current[id]; there && !planned[id] {
				s.Ahead = append(s.Ahead, stopWrites(r, have, rows[id], read)...)
				planned[id] = true
			}
		}
	}
	return nil
}

// stopWrites makes the write that sets the flags of one record; none where they are set, or where a person has taken them back.
func stopWrites(want, have sobject.Record, row ledger.Row, read time.Time) []*bridge.Write {
	w := &bridge.Write{Action: bridge.Update, Object: want.Object, Key: want.Key, Have: have, Image: row.Image.Record,
		Send: sobject.Record{Object: want.Object, Key: want.Key, ID: have.ID}}
	w.Remember(row, read)
	w.See(row, have)
	w.Image.Object, w.Image.Key, w.Image.ID = want.Object, want.Key, have.ID
	w.Image.Fields = slices.Clone(row.Image.Record.Fields)
	for _, f := range want.Fields {
		f.Owner = sobject.Stop
		there, _ := have.Get(f.Name)
		p := bridge.PastOf(row, f.Name, have)
		d := bridge.Decide(f, there, p)
		w.Know(f, p.After(f.Value, there, d))
		if d != bridge.Overwrite {
			continue
		}
		w.Send.Fields = append(w.Send.Fields, f)
		w.Fields = append(w.Fields, bridge.FieldChange{Field: f.Name, Have: there, Want: f.Value})
		bridge.SetField(&w.Image, f)
	}
	if len(w.Send.Fields) == 0 {
		return nil
	}
	return []*bridge.Write{w}
}
