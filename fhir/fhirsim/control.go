package fhirsim

import (
	"encoding/json"
	"maps"
	"net"
	"net/http"
	"slices"
	"time"
)

// Changes says how many records change, and how. Asked of Evolve; what it answers is what was possible.
type Changes struct {
	StatusChanges int `json:"statusChanges"` // ServiceRequests go to the next status
	Moves         int `json:"moves"`         // booked Appointments get another day
	Cancellations int `json:"cancellations"` // booked Appointments are cancelled
	VersionBumps  int `json:"versionBumps"`  // ServiceRequests get a version without any change of content
}

// Update is one PUT that was accepted.
type Update struct {
	Ref     string `json:"ref"`     // "ServiceRequest/sr100000"
	IfMatch string `json:"ifMatch"` // as the client sent it
	Version int    `json:"version"` // what it became
}

// Report says what the server holds and what was done to it.
type Report struct {
	Resources map[string]int `json:"resources"` // by type
	Updates   []Update       `json:"updates"`
	Calls     map[string]int `json:"calls"` // by interaction and type: "search ServiceRequest", "token", "metadata"
}

// Advance moves the server's clock.
func (s *Server) Advance(d time.Duration) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.offset += d
}

// Evolve changes the world as the staff of a hospital would, each record once, and gives what was possible.
func (s *Server) Evolve(c Changes) Changes {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.evolve(c)
}

// Report gives what the server holds and what was done to it.
func (s *Server) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.reported()
}

func (s *Server) reported() Report {
	out := Report{Resources: map[string]int{}, Updates: append([]Update{}, s.report.Updates...), Calls: maps.Clone(s.report.Calls)}
	for typ, records := range s.store {
		out.Resources[typ] = len(records)
	}
	return out
}

func (s *Server) evolve(c Changes) (done Changes) {
	now := s.now() // one stamp for all
	requests := s.shuffled("ServiceRequest", func(object) bool { return true })
	for _, r := range requests {
		next, moves := nextStatus(r.current().resource["status"])
		switch {
		case moves && done.StatusChanges < c.StatusChanges:
			r.change(now, func(o object) { o["status"] = next })
			done.StatusChanges++
		case done.VersionBumps < c.VersionBumps:
			r.change(now, func(object) {})
			done.VersionBumps++
		}
	}
	for _, r := range s.shuffled("Appointment", func(o object) bool { return o["status"] == "booked" }) {
		switch {
		case done.Moves < c.Moves:
			r.change(now, s.move)
			done.Moves++
		case done.Cancellations < c.Cancellations:
			r.change(now, cancel)
			done.Cancellations++
		}
	}
	return done
}

// shuffled gives the records of a type whose current version fits, in an order that only the seed decides.
func (s *Server) shuffled(typ string, fits func(object) bool) []*record {
	var out []*record
	for _, id := range slices.Sorted(maps.Keys(s.store[typ])) {
		if r := s.store[typ][id]; !r.current().deleted && fits(r.current().resource) {
			out = append(out, r)
		}
	}
	s.random.Shuffle(len(out), func(i, j int) { out[i], out[j] = out[j], out[i] })
	return out
}

// nextStatus: draft -> active -> completed, and back from on-hold. What has ended does not move.
func nextStatus(status any) (string, bool) {
	switch status {
	case "draft", "on-hold":
		return "active", true
	case "active":
		return "completed", true
	}
	return "", false
}

// move puts an appointment on another day at the same London time, so its time in UTC may change too.
func (s *Server) move(o object) {
	days := 1 + s.random.IntN(40)
	for _, name := range []string{"start", "end"} {
		text, _ := o[name].(string)
		at, err := time.Parse(time.RFC3339, text)
		if err == nil {
			o[name] = stamp(at.In(s.london).AddDate(0, 0, days))
		}
	}
}

func cancel(o object) {
	o["status"] = "cancelled"
	o["cancelationReason"] = concept("http://terminology.hl7.org/CodeSystem/appointment-cancellation-reason", "pat", "Patient")
}

// local lets only this machine in.
func local(next http.HandlerFunc) http.HandlerFunc {
	return func(w http.ResponseWriter, r *http.Request) {
		host, _, err := net.SplitHostPort(r.RemoteAddr)
		ip := net.ParseIP(host)
		if err != nil || ip == nil || !ip.IsLoopback() {
			sendJSON(w, http.StatusForbidden, object{"error": "control is for this machine only"})
			return
		}
		next(w, r)
	}
}

func (s *Server) controlClock(w http.ResponseWriter, r *http.Request) {
	var in struct {
		Advance string `json:"advance"`
	}
	err := json.NewDecoder(r.Body).Decode(&in)
	d, parseErr := time.ParseDuration(in.Advance)
	if err != nil || parseErr != nil {
		sendJSON(w, http.StatusBadRequest, object{"error": `expected {"advance":"24h"}`})
		return
	}
	s.offset += d
	sendJSON(w, http.StatusOK, object{"now": stamp(s.now())})
}

func (s *Server) controlEvolve(w http.ResponseWriter, r *http.Request) {
	var in Changes
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	if d.Decode(&in) != nil {
		sendJSON(w, http.StatusBadRequest, object{"error": `expected {"statusChanges":1,"moves":1,"cancellations":1,"versionBumps":1}`})
		return
	}
	sendJSON(w, http.StatusOK, s.evolve(in))
}

func (s *Server) controlFaults(w http.ResponseWriter, r *http.Request) {
	var in Faults
	d := json.NewDecoder(r.Body)
	d.DisallowUnknownFields()
	err := d.Decode(&in)
	if err == nil {
		err = s.setFaults(in)
	}
	if err != nil {
		sendJSON(w, http.StatusBadRequest, object{"error": err.Error()})
		return
	}
	sendJSON(w, http.StatusOK, in)
}

func (s *Server) controlReport(w http.ResponseWriter, _ *http.Request) {
	sendJSON(w, http.StatusOK, s.reported())
}
