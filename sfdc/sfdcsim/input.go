package sfdcsim

import (
	"bytes"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strings"
)

// decodeJSON reads one JSON value with numbers kept as written.
func decodeJSON(b []byte, into any) *apiError {
	dec := json.NewDecoder(bytes.NewReader(b))
	dec.UseNumber()
	if err := dec.Decode(into); err != nil || dec.More() {
		return refuseType(fmt.Sprintf("Unexpected character or end of input at [line:1, column:%d]", dec.InputOffset()+1))
	}
	return nil
}

// The rights that a write needs on each field it names.
const (
	forCreate = 'C'
	forUpdate = 'U'
)

// read turns the body of a write into changes by field name (nil clears), or refuses it: unknown columns first, then
// values of the wrong kind, then fields that may not be written in this way.
func (t *tx) read(o *object, body map[string]any, right byte) (map[string]any, *apiError) {
	changes := map[string]any{}
	var refused []string
	for _, name := range slices.Sorted(maps.Keys(body)) {
		if strings.EqualFold(name, "attributes") {
			continue
		}
		f, v, err := t.readMember(o, name, body[name])
		if err != nil {
			return nil, err
		}
		if _, twice := changes[f.Name]; twice {
			return nil, refuse("INVALID_FIELD", "Both the foreign key and the relationship are specified for "+f.Name, f.Name)
		}
		changes[f.Name] = v
		if !f.is(right) {
			refused = append(refused, f.Name)
		}
	}
	if refused != nil {
		return nil, refuse("INVALID_FIELD_FOR_INSERT_UPDATE", "Unable to create/update fields: "+strings.Join(refused, ", ")+
			". Please check the security settings of this field and verify that it is read/write for your profile or permission set.", refused...)
	}
	return changes, nil
}

func (t *tx) readMember(o *object, name string, v any) (*field, any, *apiError) {
	f := o.field(name)
	if f == nil {
		if f = o.relation(name); f == nil {
			return nil, nil, noColumn(name, o.Name)
		}
		id, err := t.related(f, v)
		return f, id, err
	}
	if f.Name == "Id" {
		return nil, nil, bare(400, "INVALID_FIELD", "The Id field should not be specified in the sobject data.")
	}
	if f.Type == "reference" {
		id, err := t.reference(f, v)
		return f, id, err
	}
	value, err := convert(f, v)
	return f, value, err
}

// reference reads the id of another record: well formed, of an object that the field points to, and there.
func (t *tx) reference(f *field, v any) (any, *apiError) {
	if v == nil || v == "" {
		return nil, nil
	}
	s, ok := v.(string)
	if !ok {
		return nil, cannotRead(f, v)
	}
	id, ok := parseID(s)
	if !ok {
		return nil, refuse("MALFORMED_ID", label(f.Name)+": id value of incorrect type: "+s, f.Name)
	}
	target := t.s.schema.byPrefix[id[:3]]
	if target != nil && !slices.Contains(f.To, target.Name) {
		return nil, refuse("FIELD_INTEGRITY_EXCEPTION", label(f.Name)+": id value of incorrect type: "+s, f.Name)
	}
	r := t.s.store.byID[id]
	switch {
	case r == nil:
		return nil, refuse("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
	case r.deleted:
		return nil, refuse("ENTITY_IS_DELETED", "entity is deleted")
	}
	return id, nil
}

// related reads a parent that is named by an external id: {"Bridge_Key__c":"…"}, with attributes.type where the
// relationship has several targets (REST API Developer Guide, "Insert or Update a Record Using an External ID").
func (t *tx) related(f *field, v any) (any, *apiError) {
	if v == nil {
		return nil, nil
	}
	m, ok := v.(map[string]any)
	if !ok {
		return nil, cannotRead(f, v)
	}
	target, err := t.relatedObject(f, m)
	if err != nil {
		return nil, err
	}
	names := slices.DeleteFunc(slices.Sorted(maps.Keys(m)), func(n string) bool { return strings.EqualFold(n, "attributes") })
	if len(names) != 1 {
		return nil, refuse("INVALID_FIELD", fmt.Sprintf("The external foreign key reference %s must name exactly one field", f.Rel))
	}
	key := target.field(names[0])
	if key == nil {
		return nil, noColumn(names[0], target.Name)
	}
	if !key.lookupKey() {
		return nil, refuse("INVALID_FIELD", noLookup(key.Name, target))
	}
	return t.relatedID(target, key, m[names[0]])
}

func noLookup(name string, o *object) string {
	return "Field name provided, " + name + " does not match an External ID, Salesforce Id, or indexed field for " + o.Name
}

func (t *tx) relatedObject(f *field, m map[string]any) (*object, *apiError) {
	attributes, _ := m["attributes"].(map[string]any)
	name, _ := attributes["type"].(string)
	if name == "" && !f.polymorphic() {
		name = f.To[0]
	}
	target := t.s.schema.object(name)
	if target == nil || !slices.Contains(f.To, target.Name) {
		return nil, refuse("INVALID_FIELD", "The external foreign key reference does not reference a valid entity: "+f.Rel)
	}
	return target, nil
}

func (t *tx) relatedID(target *object, key *field, v any) (any, *apiError) {
	if key.Name == "Id" {
		return t.reference(&field{Name: target.Name, To: []string{target.Name}}, v)
	}
	value, err := convert(key, v)
	if err != nil {
		return nil, err
	}
	found := t.s.store.find(target, key, value)
	switch {
	case value == nil || len(found) == 0:
		return nil, refuse("INVALID_FIELD", fmt.Sprintf("Foreign key external ID: %v not found for field %s in entity %s",
			v, key.Name, target.Name))
	case len(found) > 1:
		return nil, refuse("DUPLICATE_EXTERNAL_ID", moreThanOne(key, found))
	}
	return found[0].id, nil
}

func moreThanOne(key *field, found []*row) string {
	ids := make([]string, len(found))
	for i, r := range found {
		ids[i] = r.id
	}
	return key.Name + ": more than one record found for external id field: [" + strings.Join(ids, ", ") + "]"
}
