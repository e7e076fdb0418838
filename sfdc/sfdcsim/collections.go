package sfdcsim

import (
	"fmt"
	"maps"
	"net/http"
	"strings"
)

const maxCollection, maxChunks = 200, 10

// collection is one call of sObject Collections (REST API Developer Guide, "sObject Collections").
type collection struct {
	AllOrNone bool             `json:"allOrNone"`
	Records   []map[string]any `json:"records"`
}

// collections is /composite/sobjects: POST creates, PATCH updates, PATCH /{Object}/{ExtField} upserts. The answer is 200
// even when no record was saved.
func (s *Server) collections(t *tx, q request) response {
	path := q.path[2:]
	upsert := len(path) == 2 && q.method == http.MethodPatch
	if !upsert && len(path) != 0 {
		return failed(notFound())
	}
	if q.method != http.MethodPost && q.method != http.MethodPatch {
		return failed(notAllowed(q.method, "POST", "PATCH"))
	}
	var c collection
	if err := decodeJSON(q.body, &c); err != nil {
		return failed(err)
	}
	if err := s.checkCollection(c); err != nil {
		return failed(err)
	}
	if upsert {
		return s.upsertCollection(t, c, path[0], path[1])
	}
	save := t.createOne
	if q.method == http.MethodPatch {
		save = t.updateOne
	}
	return s.saveAll(t, c, save, false)
}

func (s *Server) checkCollection(c collection) *apiError {
	switch {
	case len(c.Records) == 0:
		return bare(400, "REQUIRED_FIELD_MISSING", "At least 1 record is required")
	case len(c.Records) > maxCollection:
		s.count.violations["more than 200 records in a call"]++
		return bare(400, "EXCEEDED_ID_LIMIT", "record limit reached. cannot submit more than 200 records into this call")
	}
	chunks, last := 0, ""
	for _, r := range c.Records {
		if typ := typeOf(r); typ != last || chunks == 0 {
			chunks, last = chunks+1, typ
		}
	}
	if chunks > maxChunks {
		return bare(400, "LIMIT_EXCEEDED", "Cannot have more than 10 chunks in a single operation. Please rearrange the data to reduce chunking.")
	}
	return nil
}

func typeOf(record map[string]any) string {
	attributes, _ := record["attributes"].(map[string]any)
	typ, _ := attributes["type"].(string)
	return typ
}

func (t *tx) objectOf(record map[string]any) (*object, *apiError) {
	typ := typeOf(record)
	if o := t.s.schema.object(typ); o != nil {
		return o, nil
	}
	return nil, refuse("INVALID_TYPE", "sObject type '"+typ+"' is not supported.")
}

func (t *tx) createOne(record map[string]any) saved {
	o, err := t.objectOf(record)
	if err != nil {
		return saved{err: err}
	}
	return t.create(o, record)
}

func (t *tx) updateOne(record map[string]any) saved {
	o, err := t.objectOf(record)
	if err != nil {
		return saved{err: err}
	}
	body := maps.Clone(record)
	id := ""
	for name := range record {
		if strings.EqualFold(name, "id") {
			id, _ = record[name].(string)
			delete(body, name)
		}
	}
	if id == "" {
		return saved{err: refuse("MISSING_ARGUMENT", "Id not specified in an update call")}
	}
	r, err := t.s.byID(o, id)
	if err != nil {
		if err.code == "NOT_FOUND" {
			err = refuse("INVALID_CROSS_REFERENCE_KEY", "invalid cross reference id")
		}
		return saved{err: err}
	}
	return t.change(r, body)
}

func (s *Server) upsertCollection(t *tx, c collection, objectName, keyName string) response {
	o := s.schema.object(objectName)
	if o == nil {
		return failed(notFound())
	}
	key := o.field(keyName)
	if key == nil || !key.lookupKey() {
		return failed(bare(400, "INVALID_FIELD", noLookup(keyName, o)))
	}
	times := map[string]int{}
	for _, r := range c.Records {
		if typ := typeOf(r); !strings.EqualFold(typ, o.Name) {
			return failed(bare(400, "INVALID_TYPE", "The record type '"+typ+"' does not match "+o.Name))
		}
		times[indexKey(key, member(r, key))]++
	}
	save := func(record map[string]any) saved {
		value := member(record, key)
		if k := indexKey(key, value); k != "" && times[k] > 1 {
			s.count.violations["a key twice in one call"]++
			return saved{err: refuse("DUPLICATE_VALUE", fmt.Sprintf("Duplicate external id specified: %v", value), key.Name)}
		}
		if key.Name == "Id" {
			return t.updateOne(record)
		}
		body := maps.Clone(record)
		maps.DeleteFunc(body, func(name string, _ any) bool { return strings.EqualFold(name, key.Name) })
		return t.upsert(o, key, value, body)
	}
	return s.saveAll(t, c, save, true)
}

func member(record map[string]any, f *field) any {
	for name, v := range record {
		if strings.EqualFold(name, f.Name) {
			return v
		}
	}
	return nil
}

// saveAll saves the records one by one; a refused record leaves nothing behind. With allOrNone one refusal takes the
// others back.
func (s *Server) saveAll(t *tx, c collection, save func(map[string]any) saved, upsert bool) response {
	all := t.mark()
	outcomes := make([]saved, len(c.Records))
	refusals := 0
	for i, record := range c.Records {
		mark := t.mark()
		if outcomes[i] = save(record); outcomes[i].err != nil {
			t.rollback(mark)
			s.count.refusals[outcomes[i].err.code]++
			refusals++
		}
	}
	if c.AllOrNone && refusals > 0 {
		t.rollback(all)
		for i := range outcomes {
			if outcomes[i].err == nil {
				outcomes[i] = saved{err: refuse("ALL_OR_NONE_OPERATION_ROLLED_BACK",
					"Record rolled back because not all records were valid and the request was using AllOrNone header")}
			}
		}
	}
	results := []any{}
	for _, w := range outcomes {
		results = append(results, collectionResult(w, upsert))
	}
	return response{status: 200, body: results}
}

func collectionResult(w saved, upsert bool) map[string]any {
	out := map[string]any{"success": w.err == nil, "errors": []any{}}
	if w.id != "" {
		out["id"] = w.id
	}
	if upsert {
		out["created"] = w.created && w.err == nil
	}
	if w.err != nil {
		out["errors"] = []any{w.err.result()}
	}
	return out
}
