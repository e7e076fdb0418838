package plan

import (
	"context"
	"fmt"

	"refbridge/bridge"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// current asks for all keys, and for the parents that the records refer to: several objects in one call.
func (p *Planner) current(ctx context.Context, keys map[string][]string) (bridge.Records, error) {
	out := bridge.Records{}
	if p.Target == nil {
		return out, nil
	}
	rows, err := p.Target.Retrieve(ctx, Selections(p.Tables.Objects(), keys)...)
	if err != nil {
		return nil, p.refused(ctx, err, "read what is there")
	}
	for _, r := range rows {
		out[bridge.RecordID(r.Object, r.Key)] = r
	}
	return out, nil
}

// Selections are the rows with some keys, by object, with all that the tables read of them.
func Selections(objects []mapping.Object, keys map[string][]string) []sfdc.Selection {
	var out []sfdc.Selection
	for _, o := range objects {
		if len(keys[o.Name]) > 0 {
			out = append(out, sfdc.Selection{Object: o.Name, KeyField: o.KeyField, Keys: keys[o.Name], Fields: o.Fields, Refs: o.Refs})
		}
	}
	return out
}

// deletedOnes asks for rows in doubt that are not there among those that somebody deleted (doubt rule 8): a create that went
// unanswered may have been deleted since, and is not made again then.
func (p *Planner) deletedOnes(ctx context.Context, keys map[string][]string, rows rowsByID, current bridge.Records) (bridge.Records, error) {
	out := bridge.Records{}
	if p.Target == nil {
		return out, nil
	}
	for _, o := range p.Tables.Objects() {
		var missing []string
		for _, key := range keys[o.Name] {
			id := bridge.RecordID(o.Name, sobject.Key{Value: key})
			if _, there := current[id]; !there && len(rows[id].Open) > 0 {
				missing = append(missing, key)
			}
		}
		if len(missing) == 0 {
			continue
		}
		found, err := p.Target.Deleted(ctx, sfdc.Selection{Object: o.Name, KeyField: o.KeyField, Keys: missing})
		if err != nil {
			return nil, p.refused(ctx, err, "look for deleted rows of "+o.Name)
		}
		for _, r := range found {
			out[bridge.RecordID(o.Name, r.Key)] = r
		}
	}
	return out, nil
}

// wantedKeys gives the keys to ask for by object: of the records themselves and of those they refer to.
func wantedKeys(steps []*bridge.Step) map[string][]string {
	keys, seen := map[string][]string{}, map[string]bool{}
	add := func(object, key string) {
		if id := object + " " + key; !seen[id] {
			seen[id] = true
			keys[object] = append(keys[object], key)
		}
	}
	for _, s := range steps {
		if s.Fate != ledger.Pending {
			continue
		}
		for _, w := range s.Writes {
			add(w.Object, w.Key.Value)
			for _, v := range w.Image.Refs() {
				add(v.To().Object, v.Key())
			}
		}
	}
	return keys
}

// rowsByID are what the ledger knows of rows, by object and external key.
type rowsByID map[string]ledger.Row

func (p *Planner) rows(ctx context.Context, keys map[string][]string) (rowsByID, error) {
	out := rowsByID{}
	if p.Memory == nil {
		return out, nil
	}
	for object, some := range keys {
		rows, err := p.Memory.Rows(ctx, object, some)
		if err != nil {
			return nil, fmt.Errorf("read what is known of %s: %w", object, err)
		}
		for key, r := range rows {
			out[bridge.RecordID(object, sobject.Key{Value: key})] = r
		}
	}
	return out, nil
}
