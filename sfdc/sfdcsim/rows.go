package sfdcsim

import (
	"net/http"
	"strings"
)

// sobjects answers /sobjects and everything below it.
func (s *Server) sobjects(t *tx, q request) response {
	if len(q.path) == 1 {
		return s.describeGlobal(q)
	}
	o := s.schema.object(q.path[1])
	if o == nil {
		return failed(notFound())
	}
	switch len(q.path) {
	case 2:
		return s.basic(t, q, o)
	case 3:
		if strings.EqualFold(q.path[2], "describe") {
			return s.describe(q, o)
		}
		return s.rowByID(t, q, o)
	case 4:
		return s.rowByKey(t, q, o)
	}
	return failed(notFound())
}

// basic is /sobjects/X: create, or the object's summary.
func (s *Server) basic(t *tx, q request, o *object) response {
	switch q.method {
	case http.MethodGet:
		return response{status: 200, body: map[string]any{"objectDescribe": s.summary(o, q.version), "recentItems": []any{}}}
	case http.MethodPost:
		var body map[string]any
		if err := decodeJSON(q.body, &body); err != nil {
			return failed(err)
		}
		return savedResponse(t.create(o, body), o, q, false)
	}
	return failed(notAllowed(q.method, "HEAD", "GET", "POST"))
}

// savedResponse is the answer to a single write. Only an upsert tells whether it created (API v46.0 and later).
func savedResponse(w saved, o *object, q request, upsert bool) response {
	if w.several != nil {
		return severalResponse(w.several, q)
	}
	if w.err != nil {
		return failed(w.err)
	}
	if !w.created && !upsert {
		return response{status: 204}
	}
	body := map[string]any{"id": w.id, "success": true, "errors": []any{}}
	if upsert {
		body["created"] = w.created
	}
	if !w.created {
		return response{status: 200, body: body}
	}
	return response{status: 201, body: body, headers: map[string]string{"Location": rowURL(q.version, o, w.id)}}
}

// severalResponse answers an external id that matches more than one record: 300 with their addresses.
func severalResponse(rows []*row, q request) response {
	urls := []any{}
	for _, r := range rows {
		urls = append(urls, rowURL(q.version, r.object, r.id))
	}
	return response{status: http.StatusMultipleChoices, body: urls}
}

func rowURL(version string, o *object, id string) string {
	return "/services/data/v" + version + "/sobjects/" + o.Name + "/" + id
}

func attributes(version string, r *row) map[string]any {
	return map[string]any{"type": r.object.Name, "url": rowURL(version, r.object, r.id)}
}

// rowByID is /sobjects/X/{id}.
func (s *Server) rowByID(t *tx, q request, o *object) response {
	r, err := s.byID(o, q.path[2])
	if err != nil {
		return failed(err)
	}
	return s.onRow(t, q, r)
}

func (s *Server) byID(o *object, text string) (*row, *apiError) {
	id, ok := parseID(text)
	if !ok {
		return nil, bare(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+text)
	}
	r := s.store.byID[id]
	switch {
	case r == nil || r.object != o:
		return nil, notFound()
	case r.deleted:
		return nil, &apiError{status: http.StatusNotFound, code: "ENTITY_IS_DELETED", message: "entity is deleted", fields: []string{}}
	}
	return r, nil
}

// onRow reads, changes or deletes a record that was found.
func (s *Server) onRow(t *tx, q request, r *row) response {
	switch q.method {
	case http.MethodGet:
		return s.retrieve(q, r)
	case http.MethodPatch:
		var body map[string]any
		if err := decodeJSON(q.body, &body); err != nil {
			return failed(err)
		}
		return savedResponse(t.change(r, body), r.object, q, false)
	case http.MethodDelete:
		if err := t.remove(r); err != nil {
			return failed(err)
		}
		return response{status: 204}
	}
	return failed(notAllowed(q.method, "HEAD", "GET", "PATCH", "DELETE"))
}

// retrieve gives all fields, or those of ?fields=.
func (s *Server) retrieve(q request, r *row) response {
	out := map[string]any{"attributes": attributes(q.version, r)}
	fields := r.object.Fields
	if names := q.query.Get("fields"); names != "" {
		fields = nil
		for name := range strings.SplitSeq(names, ",") {
			f := r.object.field(strings.TrimSpace(name))
			if f == nil {
				return failed(noColumn(name, r.object.Name))
			}
			fields = append(fields, f)
		}
	}
	for _, f := range fields {
		out[f.Name] = output(f, r.get(f))
	}
	return response{status: 200, body: out}
}

// rowByKey is /sobjects/X/{field}/{value}: PATCH is the upsert.
func (s *Server) rowByKey(t *tx, q request, o *object) response {
	key := o.field(q.path[2])
	if key == nil || !key.lookupKey() {
		return failed(bare(http.StatusNotFound, "NOT_FOUND", "Provided external ID field does not exist or is not accessible: "+q.path[2]))
	}
	if q.method == http.MethodPatch {
		return s.upsertRow(t, q, o, key)
	}
	found := s.store.find(o, key, q.path[3])
	switch {
	case len(found) == 0:
		return failed(notFound())
	case len(found) > 1:
		return severalResponse(found, q)
	}
	return s.onRow(t, q, found[0])
}

func (s *Server) upsertRow(t *tx, q request, o *object, key *field) response {
	var body map[string]any
	if err := decodeJSON(q.body, &body); err != nil {
		return failed(err)
	}
	for name := range body {
		if strings.EqualFold(name, key.Name) {
			s.count.violations["the key repeated in the body of an upsert"]++
			return failed(bare(400, "INVALID_FIELD", "The "+key.Name+" field should not be specified in the sobject data."))
		}
	}
	if key.Name == "Id" {
		r, err := s.byID(o, q.path[3])
		if err != nil {
			return failed(err)
		}
		return savedResponse(t.change(r, body), o, q, true)
	}
	if strings.EqualFold(q.query.Get("updateOnly"), "true") && len(s.store.find(o, key, q.path[3])) == 0 {
		return failed(notFound())
	}
	return savedResponse(t.upsert(o, key, q.path[3], body), o, q, true)
}
