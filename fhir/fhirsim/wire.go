package fhirsim

import (
	"encoding/json"
	"net/http"
	"strconv"
)

const mediaType = "application/fhir+json; charset=utf-8"

func send(w http.ResponseWriter, status int, resource any) {
	body, _ := json.Marshal(resource) // made of JSON only
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	w.Write(body)
}

// fail answers an OperationOutcome. Its diagnostics hold what real servers put there and a client must not print.
func fail(w http.ResponseWriter, status int, code string) {
	failWith(w, status, code, "fhirsim refused the request: "+http.StatusText(status))
}

func failWith(w http.ResponseWriter, status int, code, diagnostics string) {
	issue := object{"severity": "error", "code": code}
	if diagnostics != "" {
		issue["diagnostics"] = diagnostics
	}
	send(w, status, object{"resourceType": "OperationOutcome", "issue": list{issue}})
}

// read answers the current version, or the one that the path names.
func (s *Server) read(w http.ResponseWriter, r *http.Request) {
	record := s.store[r.PathValue("type")][r.PathValue("id")]
	shown := 0
	if record != nil {
		shown = s.shown(record, "read")
	}
	number := shown
	if text := r.PathValue("version"); text != "" {
		number, _ = strconv.Atoi(text)
	}
	if number < 1 || number > shown {
		fail(w, http.StatusNotFound, "not-found")
		return
	}
	v := record.versions[number-1]
	if v.deleted {
		w.Header().Set("ETag", etag(number))
		failWith(w, http.StatusGone, "deleted", "Resource was deleted at "+stamp(v.at))
		return
	}
	v.body = s.spoiled(record.ref, v)
	sendVersion(w, http.StatusOK, number, v)
}

// history answers all versions of a record, newest first; a deletion is an entry without a resource.
func (s *Server) history(w http.ResponseWriter, r *http.Request) {
	record := s.store[r.PathValue("type")][r.PathValue("id")]
	if record == nil {
		fail(w, http.StatusNotFound, "not-found")
		return
	}
	entries := list{}
	for n := s.shown(record, "read"); n > 0; n-- {
		v := record.versions[n-1]
		method := "PUT"
		if n == 1 {
			method = "POST"
		}
		e := object{"fullUrl": origin(r) + basePath + "/" + record.ref, "resource": v.resource}
		if v.deleted {
			method = "DELETE"
			delete(e, "resource")
		}
		e["request"] = object{"method": method, "url": record.ref}
		e["response"] = object{"status": "200", "etag": etag(n), "lastModified": stamp(v.at)}
		entries = append(entries, e)
	}
	send(w, http.StatusOK, object{
		"resourceType": "Bundle", "type": "history", "total": len(entries), "entry": entries,
		"link": list{object{"relation": "self", "url": origin(r) + r.URL.Path}},
	})
}

func sendVersion(w http.ResponseWriter, status, number int, v version) {
	w.Header().Set("ETag", etag(number))
	w.Header().Set("Last-Modified", v.at.Format(http.TimeFormat))
	w.Header().Set("Content-Type", mediaType)
	w.WriteHeader(status)
	w.Write(v.body)
}

// metadata answers the CapabilityStatement.
func (s *Server) metadata(w http.ResponseWriter, _ *http.Request) {
	s.report.Calls["metadata"]++
	var resources list
	for _, typ := range []string{"Appointment", "Patient", "ServiceRequest"} {
		resources = append(resources, object{
			"type": typ, "versioning": "versioned-update", "readHistory": true, "updateCreate": false,
			"interaction":   list{object{"code": "read"}, object{"code": "vread"}, object{"code": "history-instance"}, object{"code": "update"}, object{"code": "search-type"}},
			"searchInclude": includes(typ),
			"searchParam": list{
				object{"name": "_id", "type": "token"}, object{"name": "_lastUpdated", "type": "date"},
			},
		})
	}
	rest := object{"mode": "server", "resource": resources}
	if s.options.RequireToken {
		rest["security"] = object{"service": list{
			concept("http://terminology.hl7.org/CodeSystem/restful-security-service", "SMART-on-FHIR", "SMART-on-FHIR"),
		}}
	}
	send(w, http.StatusOK, object{
		"resourceType": "CapabilityStatement", "status": "active", "date": stamp(s.now()), "kind": "instance",
		"fhirVersion": "4.0.1", "format": list{"application/fhir+json", "json"},
		"software":       object{"name": "fhirsim"},
		"implementation": object{"description": "A simulator with synthetic people"},
		"rest":           list{rest},
	})
}
