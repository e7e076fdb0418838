package sfdcsim

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"slices"
	"time"
)

// Edit changes a record as a coordinator does in the user interface: another user than the integration user, the same
// validation, and the stamps move. The key is an external id of the record, or its id. The error names codes and fields,
// no values.
func (s *Server) Edit(object, key string, fields map[string]any) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.edit(object, key, fields); err != nil {
		return fmt.Errorf("edit %s: %s %v", object, err.code, err.fields)
	}
	return nil
}

func (s *Server) edit(object, key string, fields map[string]any) *apiError {
	o := s.schema.object(object)
	if o == nil {
		return notFound()
	}
	found := s.byAnyKey(o, key)
	if len(found) != 1 {
		return notFound()
	}
	body, _ := plain(fields).(map[string]any)
	t := s.begin(s.users.coordinator)
	saved := t.change(found[0], body)
	if saved.err != nil {
		t.rollback(0)
	}
	return saved.err
}

func (s *Server) byAnyKey(o *object, key string) []*row {
	if id, ok := parseID(key); ok && s.store.byID[id] != nil {
		return s.store.find(o, o.field("Id"), id)
	}
	for _, f := range o.Fields {
		if f.Name == "Id" || !f.lookupKey() {
			continue
		}
		if found := s.store.find(o, f, key); len(found) > 0 {
			return found
		}
	}
	return nil
}

// serveControl answers the simulator's own endpoints, on loopback only.
func (s *Server) serveControl(w http.ResponseWriter, r *http.Request, path []string) {
	host, _, err := net.SplitHostPort(r.RemoteAddr)
	if err != nil || !net.ParseIP(host).IsLoopback() {
		writeError(w, bare(http.StatusForbidden, "FORBIDDEN", "The control endpoints answer on loopback only"))
		return
	}
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, 1<<20))
	if err != nil || len(path) != 1 {
		writeError(w, notFound())
		return
	}
	writeResponse(w, s.control(r, r.Method+" "+path[0], body))
}

// control routes "POST clock" and its like.
func (s *Server) control(r *http.Request, call string, body []byte) response {
	switch call {
	case "GET report":
		return response{status: 200, body: s.Report()}
	case "GET credentials":
		return response{status: 200, body: s.Credentials(baseOf(r))}
	case "GET rows":
		return response{status: 200, body: slices.Concat([]map[string]any{}, s.Rows(r.URL.Query().Get("object")))}
	case "POST faults":
		var f Fault
		if err := decodeJSON(body, &f); err != nil {
			return failed(err)
		}
		return done(s.Break(f))
	case "DELETE faults":
		s.Repair()
		return response{status: 204}
	case "POST clock":
		return s.controlClock(body)
	case "POST people":
		var in struct {
			Person int `json:"person"`
		}
		if err := decodeJSON(body, &in); err != nil {
			return failed(err)
		}
		return done(s.AddPerson(in.Person))
	case "POST edit":
		return s.controlEdit(body)
	}
	return failed(notFound())
}

func done(err error) response {
	if err != nil {
		return failed(bare(400, "INVALID_INPUT", err.Error()))
	}
	return response{status: 204}
}

func (s *Server) controlClock(body []byte) response {
	var in struct {
		Advance string `json:"advance"`
	}
	if err := decodeJSON(body, &in); err != nil {
		return failed(err)
	}
	d, err := time.ParseDuration(in.Advance)
	if err != nil || d < 0 {
		return failed(bare(400, "INVALID_INPUT", "advance must be a duration such as 24h"))
	}
	s.Advance(d)
	return response{status: 204}
}

func (s *Server) controlEdit(body []byte) response {
	var in struct {
		Object string         `json:"object"`
		Key    string         `json:"key"`
		Fields map[string]any `json:"fields"`
	}
	if err := decodeJSON(body, &in); err != nil {
		return failed(err)
	}
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.edit(in.Object, in.Key, in.Fields); err != nil {
		return failed(err)
	}
	return response{status: 204}
}
