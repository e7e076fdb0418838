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
	send(w, status, object{
		"resourceType": "OperationOutcome",
		"issue": list{object{
			"severity": "error", "code": code,
			"diagnostics": "fhirsim refused the request: " + http.StatusText(status),
		}},
	})
}

// read answers the current version, or the one that the path names.
func (s *Server) read(w http.ResponseWriter, r *http.Request) {
	record := s.store[r.PathValue("type")][r.PathValue("id")]
	if record == nil {
		fail(w, http.StatusNotFound, "not-found")
		return
	}
	for n, v := range record.versions {
		wanted := r.PathValue("version")
		if wanted == strconv.Itoa(n+1) || wanted == "" && n == len(record.versions)-1 {
			sendVersion(w, http.StatusOK, n+1, v)
			return
		}
	}
	fail(w, http.StatusNotFound, "not-found")
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
			"interaction":   list{object{"code": "read"}, object{"code": "vread"}, object{"code": "update"}, object{"code": "search-type"}},
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
