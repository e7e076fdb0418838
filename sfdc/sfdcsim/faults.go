package sfdcsim

import (
	"fmt"
	"slices"
	"strings"
)

// FaultKind names a way in which the org misbehaves.
type FaultKind string

// The kinds of fault.
const (
	Lock        FaultKind = "lock"        // UNABLE_TO_LOCK_ROW for the records of Keys, or for every n-th key seen (Every), until repaired
	Rule        FaultKind = "rule"        // a validation rule: Object's Field may not equal Equals; Message is what it says; until repaired
	Duplicate   FaultKind = "duplicate"   // a duplicate rule on creating Object: a record with the same Fields exists; until repaired
	Sessions    FaultKind = "sessions"    // every session expires now
	Unavailable FaultKind = "unavailable" // 503 with an HTML page for the next Calls calls
	Drop        FaultKind = "drop"        // the next Calls writing calls are committed, then the connection is cut
	Exhausted   FaultKind = "exhausted"   // no API calls left, until repaired
)

// Fault is one thing that is broken. Its Kind says which of the other members count.
type Fault struct {
	Kind      FaultKind `json:"kind"`
	Object    string    `json:"object,omitempty"` // lock: "" means any; duplicate: "" means Account
	Field     string    `json:"field,omitempty"`
	Equals    string    `json:"equals,omitempty"`
	Message   string    `json:"message,omitempty"`
	Keys      []string  `json:"keys,omitempty"` // external ids or record ids
	Every     int       `json:"every,omitempty"`
	Fields    []string  `json:"fields,omitempty"`
	AllowSave bool      `json:"allowSave,omitempty"` // an alert, which Sforce-Duplicate-Rule-Header can override, not a block
	Matches   bool      `json:"matches,omitempty"`   // collections results carry duplicateResult too; whether the platform does that is not documented
	Calls     int       `json:"calls,omitempty"`     // 0 means 1
}

// faults are the active faults of an org.
type faults struct {
	locks, rules, duplicates []Fault
	unavailable, drop        int
	exhausted                bool
	seen                     map[string]int // keys in the order in which a lock with Every saw them
}

// Break adds a fault. It fails when the fault names no kind, object or field of this org.
func (s *Server) Break(f Fault) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if err := s.checkFault(f); err != nil {
		return err
	}
	switch f.Kind {
	case Lock:
		s.faults.locks = append(s.faults.locks, f)
	case Rule:
		s.faults.rules = append(s.faults.rules, f)
	case Duplicate:
		s.faults.duplicates = append(s.faults.duplicates, f)
	case Sessions:
		clear(s.sessions)
	case Unavailable:
		s.faults.unavailable += max(1, f.Calls)
	case Drop:
		s.faults.drop += max(1, f.Calls)
	case Exhausted:
		s.faults.exhausted = true
	default:
		return fmt.Errorf("break %q: no such kind of fault", f.Kind)
	}
	return nil
}

// Repair takes every fault away.
func (s *Server) Repair() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.faults = faults{}
}

func (s *Server) checkFault(f Fault) error {
	object := f.Object
	if f.Kind == Duplicate && object == "" {
		object = "Account"
	}
	o := s.schema.object(object)
	if o == nil && (object != "" || f.Kind == Rule) {
		return fmt.Errorf("break %s: no object %q", f.Kind, object)
	}
	fields := f.Fields
	if f.Kind == Rule {
		fields = append(slices.Clone(fields), f.Field)
	}
	for _, name := range fields {
		if o == nil || o.field(name) == nil {
			return fmt.Errorf("break %s: no field %q", f.Kind, name)
		}
	}
	if f.Kind == Duplicate && len(fields) == 0 || f.Kind == Lock && len(f.Keys) == 0 && f.Every < 1 {
		return fmt.Errorf("break %s: names no records", f.Kind)
	}
	return nil
}

// lock refuses a write of the integration user to a record that someone else holds.
func (f *faults) lock(t *tx, r *row, key string) *apiError {
	if t.user != t.s.users.integration {
		return nil
	}
	keys := keysOf(r, key)
	for _, fault := range f.locks {
		if fault.Object != "" && !strings.EqualFold(fault.Object, r.object.Name) {
			continue
		}
		named := slices.ContainsFunc(keys, func(k string) bool { return slices.Contains(fault.Keys, k) })
		if named || fault.Every > 0 && f.order(r.object.Name+"/"+keys[0])%fault.Every == 0 {
			return refuse("UNABLE_TO_LOCK_ROW", "unable to obtain exclusive access to this record or 1 records: "+r.id)
		}
	}
	return nil
}

// order gives the place of a key among all that were seen, from 1.
func (f *faults) order(key string) int {
	if f.seen == nil {
		f.seen = map[string]int{}
	}
	if f.seen[key] == 0 {
		f.seen[key] = len(f.seen) + 1
	}
	return f.seen[key]
}

// keysOf gives what a record can be named by: the key of the call first, then its external ids, then its id.
func keysOf(r *row, key string) []string {
	var keys []string
	if key != "" {
		keys = append(keys, key)
	}
	for _, f := range r.object.Fields {
		if v, ok := r.values[f.Name].(string); ok && (f.is('X') || f.lookupKey() && f.is('C')) {
			keys = append(keys, v)
		}
	}
	return append(keys, r.id)
}

// rule applies the validation rules: to everyone, as on the platform.
func (f *faults) rule(r *row) *apiError {
	for _, fault := range f.rules {
		if !strings.EqualFold(fault.Object, r.object.Name) {
			continue
		}
		field := r.object.field(fault.Field)
		if v := output(field, r.get(field)); v != nil && fmt.Sprint(v) == fault.Equals {
			return refuse("FIELD_CUSTOM_VALIDATION_EXCEPTION", fault.Message, field.Name)
		}
	}
	return nil
}

// duplicate applies the duplicate rules to a new record.
func (f *faults) duplicate(t *tx, r *row) *apiError {
	if t.user != t.s.users.integration {
		return nil
	}
	for _, fault := range f.duplicates {
		if fault.Object != "" && fault.Object != r.object.Name || fault.Object == "" && r.object.Name != "Account" {
			continue
		}
		if fault.AllowSave && t.allowSave {
			continue
		}
		if matches := t.sameFields(r, fault.Fields); matches != nil {
			err := refuse("DUPLICATES_DETECTED", "Use one of these records?")
			err.duplicate, err.plain = duplicateResult(fault, r.object.Name, matches), !fault.Matches
			return err
		}
	}
	return nil
}

func (t *tx) sameFields(r *row, fields []string) []*row {
	var out []*row
	for _, other := range t.s.store.live(r.object.Name) {
		same := !slices.ContainsFunc(fields, func(name string) bool {
			f := r.object.field(name)
			return r.values[f.Name] == nil || r.values[f.Name] != other.values[f.Name]
		})
		if same {
			out = append(out, other)
		}
	}
	return out
}

// duplicateResult has the shape that the REST API answers with beside DUPLICATES_DETECTED.
func duplicateResult(fault Fault, object string, matches []*row) map[string]any {
	records := []any{}
	for _, m := range matches {
		records = append(records, map[string]any{
			"additionalInformation": []any{}, "fieldDiffs": []any{}, "matchConfidence": 100.0,
			"record": map[string]any{"attributes": attributes("66.0", m), "Id": m.id},
		})
	}
	return map[string]any{
		"allowSave": fault.AllowSave, "duplicateRule": "Standard_" + object + "_Duplicate_Rule",
		"duplicateRuleEntityType": object, "errorMessage": "Use one of these records?",
		"matchResults": []any{map[string]any{
			"entityType": object, "errors": []any{}, "matchEngine": "FuzzyMatchEngine", "matchRecords": records,
			"rule": "Standard_" + object + "_Match_Rule", "size": len(records), "success": true,
		}},
	}
}
