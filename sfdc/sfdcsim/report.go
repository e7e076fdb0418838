package sfdcsim

import "slices"

// counts is what the org remembers of its traffic. Everything else in a Report is computed from the store.
type counts struct {
	creates, updates, unchanged, deletes int // committed writes of the integration user
	calls                                int
	refusals, violations                 map[string]int
}

func (c *counts) writes() int { return c.creates + c.updates + c.unchanged + c.deletes }

// Report is what the org can say of its state and of the client.
type Report struct {
	Records    map[string]int `json:"records"`    // live records by object
	Creates    int            `json:"creates"`    // by the integration user, committed
	Updates    int            `json:"updates"`    // that changed a field
	Unchanged  int            `json:"unchanged"`  // updates that changed nothing: writes all the same
	Deletes    int            `json:"deletes"`    //
	Calls      int            `json:"calls"`      // API calls since the start, tokens not among them
	UsedToday  int            `json:"usedToday"`  // of the day's allocation
	Duplicates Duplicates     `json:"duplicates"` // ids, grouped; no group is smaller than two
	Refusals   map[string]int `json:"refusals"`   // by error code
	Violations map[string]int `json:"violations"` // what no correct client does, by what it is
}

// Duplicates are records that stand for the same thing.
type Duplicates struct {
	Referrals    [][]string `json:"referrals"`    // ClinicalServiceRequests with the same SourceSystem and SourceSystemIdentifier
	Appointments [][]string `json:"appointments"` // open ServiceAppointments (not Canceled, Completed or Cannot Complete) under one parent
	Patients     [][]string `json:"patients"`     // Accounts with the same NHS number
}

// Count is the number of groups.
func (d Duplicates) Count() int { return len(d.Referrals) + len(d.Appointments) + len(d.Patients) }

// Report computes the report.
func (s *Server) Report() Report {
	s.mu.Lock()
	defer s.mu.Unlock()
	r := Report{Records: map[string]int{}, Creates: s.count.creates, Updates: s.count.updates, Unchanged: s.count.unchanged,
		Deletes: s.count.deletes, Calls: s.count.calls, UsedToday: s.usedCalls(), Duplicates: s.duplicates(),
		Refusals: map[string]int{}, Violations: map[string]int{}}
	for _, o := range s.schema.objects {
		if n := len(s.store.live(o.Name)); n > 0 {
			r.Records[o.Name] = n
		}
	}
	for k, n := range s.count.refusals {
		r.Refusals[k] = n
	}
	for k, n := range s.count.violations {
		r.Violations[k] = n
	}
	if n := s.numbersInKeys(); n > 0 {
		r.Violations["an NHS number in an external id"] = n
	}
	return r
}

// Writes counts the committed writes of the integration user: creates, updates whether or not they changed a field, and
// deletes.
func (s *Server) Writes() int {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.count.writes()
}

// Rows gives the live records of an object in order of creation, each with all its fields as the API answers them; nil
// for an object that the org does not have.
func (s *Server) Rows(object string) []map[string]any {
	s.mu.Lock()
	defer s.mu.Unlock()
	o := s.schema.object(object)
	if o == nil {
		return nil
	}
	out := []map[string]any{}
	for _, r := range s.store.live(o.Name) {
		record := map[string]any{}
		for _, f := range o.Fields {
			record[f.Name] = output(f, r.get(f))
		}
		out = append(out, record)
	}
	return out
}

func (s *Server) duplicates() Duplicates {
	return Duplicates{
		Referrals: groups(s.store.live("ClinicalServiceRequest"), func(r *row) (string, string) {
			if r.text("SourceSystemIdentifier") == "" {
				return "", ""
			}
			return r.text("SourceSystem") + "\n" + r.text("SourceSystemIdentifier"), r.id
		}),
		Appointments: groups(s.store.live("ServiceAppointment"), func(r *row) (string, string) {
			switch r.text("Status") {
			case "Canceled", "Completed", "Cannot Complete":
				return "", "" // over: a new one beside it is a follow-up or a rebooking
			}
			return r.text("ParentRecordId"), r.id
		}),
		Patients: groups(s.store.live("Identifier"), func(r *row) (string, string) {
			parent := s.store.byID[r.text("ParentRecordId")]
			if r.text("SourceSystem") != nhsNumberSystem || parent == nil || parent.object.Name != "Account" {
				return "", ""
			}
			return r.text("IdValue"), parent.id
		}),
	}
}

// groups collects the different ids that share a key, where there is more than one; "" is no key.
func groups(rows []*row, keyAndID func(*row) (string, string)) [][]string {
	byKey, order := map[string][]string{}, []string{}
	for _, r := range rows {
		key, id := keyAndID(r)
		if key == "" || slices.Contains(byKey[key], id) {
			continue
		}
		if byKey[key] == nil {
			order = append(order, key)
		}
		byKey[key] = append(byKey[key], id)
	}
	out := [][]string{}
	for _, key := range order {
		if len(byKey[key]) > 1 {
			out = append(out, byKey[key])
		}
	}
	return out
}

// numbersInKeys counts external ids that hold a synthetic NHS number.
func (s *Server) numbersInKeys() int {
	n := 0
	for _, o := range s.schema.objects {
		for _, f := range o.Fields {
			if f.is('X') {
				n += countNumbers(s.store.tables[o.Name].index[f.Name])
			}
		}
	}
	return n
}

func countNumbers(index map[string][]*row) int {
	n := 0
	for key := range index {
		if nhsNumberPattern.MatchString(key) {
			n++
		}
	}
	return n
}
