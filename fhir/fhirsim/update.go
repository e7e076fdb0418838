package fhirsim

import (
	"encoding/json"
	"io"
	"mime"
	"net/http"
	"slices"
	"strings"
)

const maxBody = 4 << 20

// update replaces a resource, if the client knows its current version. There is no update as create, and no update
// without If-Match: 428 (RFC 6585) where it is absent, 412 where it names another version.
func (s *Server) update(w http.ResponseWriter, r *http.Request) {
	typ, id := r.PathValue("type"), r.PathValue("id")
	record := s.store[typ][id]
	if record == nil || record.current().deleted {
		fail(w, http.StatusNotFound, "not-found")
		return
	}
	if media, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || media != "application/fhir+json" {
		fail(w, http.StatusUnsupportedMediaType, "not-supported")
		return
	}
	match := r.Header.Get("If-Match")
	switch match {
	case "":
		fail(w, http.StatusPreconditionRequired, "required")
		return
	case record.etag():
	default:
		fail(w, http.StatusPreconditionFailed, "conflict")
		return
	}
	resource, status, code := readResource(r, typ, id)
	if status != http.StatusOK {
		fail(w, status, code)
		return
	}
	record.put(resource, s.now())
	s.report.Updates = append(s.report.Updates, Update{Ref: record.ref, IfMatch: match, Version: len(record.versions)})
	if strings.Contains(r.Header.Get("Prefer"), "return=minimal") {
		w.Header().Set("ETag", record.etag())
		w.Header().Set("Last-Modified", record.current().at.Format(http.TimeFormat))
		w.WriteHeader(http.StatusOK)
		return
	}
	sendVersion(w, http.StatusOK, len(record.versions), record.current())
}

// readResource reads a body and checks what a server checks first: that it is JSON, of this type and id, with a
// status that R4 knows.
func readResource(r *http.Request, typ, id string) (resource object, status int, code string) {
	d := json.NewDecoder(r.Body)
	d.UseNumber()
	if d.Decode(&resource) != nil || d.Decode(new(any)) != io.EOF {
		return nil, http.StatusBadRequest, "structure"
	}
	if resource["resourceType"] != typ || resource["id"] != id {
		return nil, http.StatusBadRequest, "invalid"
	}
	if known := statuses(typ); known != nil {
		if status, _ := resource["status"].(string); !slices.Contains(known, status) {
			return nil, http.StatusUnprocessableEntity, "code-invalid"
		}
	}
	return resource, http.StatusOK, ""
}

// statuses of R4 (request-status and appointmentstatus); nil for a type without a status.
func statuses(typ string) []string {
	switch typ {
	case "ServiceRequest":
		return []string{"draft", "active", "on-hold", "revoked", "completed", "entered-in-error", "unknown"}
	case "Appointment":
		return []string{"proposed", "pending", "booked", "arrived", "fulfilled", "cancelled", "noshow",
			"entered-in-error", "checked-in", "waitlist"}
	}
	return nil
}
