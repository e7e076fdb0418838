package sfdcsim

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// saved is the outcome of one record's write.
type saved struct {
	id      string
	created bool
	several []*row // the external id matches more than one record
	err     *apiError
}

// create writes a new record from the body of a request.
func (t *tx) create(o *object, body map[string]any) saved {
	changes, err := t.read(o, body, forCreate)
	if err != nil {
		return saved{err: err}
	}
	r, err := t.insert(o, changes, "")
	if err != nil {
		return saved{err: err}
	}
	return saved{id: r.id, created: true}
}

// change updates a record from the body of a request.
func (t *tx) change(r *row, body map[string]any) saved {
	changes, err := t.read(r.object, body, forUpdate)
	if err == nil {
		err = t.update(r, changes, "")
	}
	if err != nil {
		return saved{id: r.id, err: err}
	}
	return saved{id: r.id}
}

// upsert finds a record by a key field and updates it, or creates it.
func (t *tx) upsert(o *object, key *field, value any, body map[string]any) saved {
	v, err := convert(key, value)
	if err != nil {
		return saved{err: err}
	}
	if v == nil {
		return saved{err: refuse("MISSING_ARGUMENT", key.Name+" not specified")}
	}
	found := t.s.store.find(o, key, v)
	switch {
	case len(found) > 1:
		return saved{several: found, err: refuse("DUPLICATE_EXTERNAL_ID", moreThanOne(key, found))}
	case len(found) == 1:
		changes, err := t.read(o, body, forUpdate)
		if err == nil {
			err = t.update(found[0], changes, fmt.Sprint(v))
		}
		return saved{id: found[0].id, err: err}
	}
	whole := map[string]any{key.Name: v}
	maps.Copy(whole, body)
	changes, err := t.read(o, whole, forCreate)
	if err != nil {
		return saved{err: err}
	}
	r, err := t.insert(o, changes, fmt.Sprint(v))
	if err != nil {
		return saved{err: err}
	}
	return saved{id: r.id, created: true}
}

// insert validates and stores a new record; key is the one that the caller found it missing by.
func (t *tx) insert(o *object, changes map[string]any, key string) (*row, *apiError) {
	if o.ReadOnly {
		return nil, refuse("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type "+o.Name+" does not support create")
	}
	values := maps.Clone(changes)
	maps.DeleteFunc(values, func(_ string, v any) bool { return v == nil })
	n := t.s.store.number(o)
	r := &row{id: newID(o.Prefix, t.s.store.instance, n), seq: n, object: o, values: values}
	if err := t.shape(r, changes, nil); err != nil {
		return nil, err
	}
	t.setDefaults(r, changes)
	if err := required(r); err != nil {
		return nil, err
	}
	t.derive(r)
	if err := t.guard(r, key, true); err != nil {
		return nil, err
	}
	t.stamp(values, true)
	t.add(r)
	if values["IsPersonAccount"] == true {
		t.addPersonContact(r)
	}
	t.counted(func(c *counts) *int { return &c.creates })
	return r, nil
}

// update validates and stores changes of a record. A change to the same values is a write too: the stamps move.
func (t *tx) update(r *row, changes map[string]any, key string) *apiError {
	if r.object.ReadOnly {
		return refuse("CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "entity type "+r.object.Name+" does not support update")
	}
	next := &row{id: r.id, seq: r.seq, object: r.object, values: maps.Clone(r.values)}
	maps.Copy(next.values, changes)
	maps.DeleteFunc(next.values, func(_ string, v any) bool { return v == nil })
	if err := t.shape(next, changes, r); err != nil {
		return err
	}
	if err := required(next); err != nil {
		return err
	}
	t.derive(next)
	if err := t.guard(next, key, false); err != nil {
		return err
	}
	changed := !maps.Equal(r.values, next.values)
	t.stamp(next.values, false)
	t.set(r, next.values)
	t.counted(func(c *counts) *int {
		if changed {
			return &c.updates
		}
		return &c.unchanged
	})
	return nil
}

// remove deletes a record and, as the platform does, the details that cannot be without it; lookups to it are cleared.
func (t *tx) remove(r *row) *apiError {
	if r.object.ReadOnly {
		return refuse("INSUFFICIENT_ACCESS_OR_READONLY", "entity type "+r.object.Name+" does not support delete")
	}
	t.cascade(r)
	t.counted(func(c *counts) *int { return &c.deletes })
	return nil
}

func (t *tx) cascade(r *row) {
	t.delete(r)
	for _, o := range t.s.schema.objects {
		for _, f := range o.Fields {
			if f.Type == "reference" && slices.Contains(f.To, r.object.Name) && f.indexed() {
				t.orphan(o, f, r.id)
			}
		}
	}
}

func (t *tx) orphan(o *object, f *field, id string) {
	for _, child := range slices.Clone(t.s.store.find(o, f, id)) {
		if f.is('M') || f.required() || o.Name == "Contact" {
			t.cascade(child)
			continue
		}
		values := maps.Clone(child.values)
		delete(values, f.Name)
		t.stamp(values, false)
		t.set(child, values)
	}
}

func (t *tx) setDefaults(r *row, changes map[string]any) {
	for _, f := range r.object.Fields {
		_, given := changes[f.Name]
		switch {
		case f.is('A'):
			r.values[f.Name] = fmt.Sprintf(f.Format, r.seq)
		case given:
		case f.Default != nil:
			r.values[f.Name] = f.Default
		case f.Name == "OwnerId":
			r.values[f.Name] = t.user
		}
	}
}

func required(r *row) *apiError {
	var missing []string
	for _, f := range r.object.Fields {
		if f.is('C') && !f.is('N') && (!f.is('D') || f.Type == "picklist") && f.Type != "boolean" && r.values[f.Name] == nil {
			missing = append(missing, f.Name)
		}
	}
	return missingFields(missing)
}

func missingFields(missing []string) *apiError {
	if missing == nil {
		return nil
	}
	return refuse("REQUIRED_FIELD_MISSING", "Required fields are missing: ["+strings.Join(missing, ", ")+"]", missing...)
}

// guard holds a record that is about to be stored against the rules that look at the whole record and at others.
func (t *tx) guard(r *row, key string, creating bool) *apiError {
	if err := t.s.faults.lock(t, r, key); err != nil {
		return err
	}
	if err := consistent(r); err != nil {
		return err
	}
	if err := t.s.faults.rule(r); err != nil {
		return err
	}
	for _, f := range r.object.Fields {
		if !f.is('Q') || r.values[f.Name] == nil {
			continue
		}
		for _, other := range t.s.store.find(r.object, f, r.values[f.Name]) {
			if other.id != r.id {
				return refuse("DUPLICATE_VALUE", "duplicate value found: "+f.Name+" duplicates value on record with id: "+other.id)
			}
		}
	}
	if creating {
		return t.s.faults.duplicate(t, r)
	}
	return nil
}

// stamp sets the audit fields.
func (t *tx) stamp(values map[string]any, creating bool) {
	if creating {
		values["CreatedDate"], values["CreatedById"] = t.at, t.user
	}
	values["LastModifiedDate"], values["LastModifiedById"], values["SystemModstamp"] = t.at, t.user, t.at
}

// counted counts a write of the integration user; a rollback takes it back.
func (t *tx) counted(which func(*counts) *int) {
	if t.user != t.s.users.integration {
		return
	}
	n := which(&t.s.count)
	*n++
	t.undo = append(t.undo, func() { *n-- })
}
