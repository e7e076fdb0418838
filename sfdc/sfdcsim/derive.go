package sfdcsim

import (
	"slices"
	"strings"
	"time"
)

// shape holds the rules that depend on what kind of record it is: person accounts and business accounts are one object.
func (t *tx) shape(r *row, changes map[string]any, before *row) *apiError {
	if r.object.Name != "Account" {
		return nil
	}
	person := before != nil && before.values["IsPersonAccount"] == true
	switch typ := t.s.store.byID[r.text("RecordTypeId")]; {
	case typ == nil && before == nil:
		person = r.values["LastName"] != nil || r.values["FirstName"] != nil
		t.setRecordType(r, person)
	case typ != nil:
		now := typ.values["IsPersonType"] == true
		if before != nil && now != person {
			return refuse("INVALID_PERSON_ACCOUNT_OPERATION", "a record type of the other kind of account cannot be set", "RecordTypeId")
		}
		person = now
	}
	if person {
		r.values["IsPersonAccount"] = true
	}
	return accountFields(r, changes, person)
}

// accountFields refuses the fields of the other kind of account and asks for the name of this kind.
func accountFields(r *row, changes map[string]any, person bool) *apiError {
	var bad []string
	for _, f := range r.object.Fields {
		_, given := changes[f.Name]
		if given && (person && f.Name == "Name" || !person && f.is('P')) {
			bad = append(bad, f.Name)
		}
	}
	if bad != nil {
		return refuse("INVALID_FIELD_FOR_INSERT_UPDATE", "Account: bad field names on insert/update call: "+strings.Join(bad, ", "), bad...)
	}
	if name := map[bool]string{true: "LastName", false: "Name"}[person]; r.values[name] == nil {
		return missingFields([]string{name})
	}
	return nil
}

// setRecordType gives an account without one the record type of its kind.
func (t *tx) setRecordType(account *row, person bool) {
	for _, r := range t.s.store.live("RecordType") {
		if r.values["IsPersonType"] == person {
			account.values["RecordTypeId"] = r.id
		}
	}
}

// addPersonContact stores the contact that stands behind a person account.
func (t *tx) addPersonContact(account *row) {
	o := t.s.schema.object("Contact")
	if o == nil || account.values["PersonContactId"] != nil {
		return
	}
	n := t.s.store.number(o)
	contact := &row{id: newID(o.Prefix, t.s.store.instance, n), seq: n, object: o, values: map[string]any{
		"AccountId": account.id, "LastName": account.values["LastName"], "Name": account.values["Name"],
		"IsPersonAccount": true, "OwnerId": account.values["OwnerId"],
	}}
	if first := account.values["FirstName"]; first != nil {
		contact.values["FirstName"] = first
	}
	t.stamp(contact.values, true)
	t.add(contact)
	values := account.values
	values["PersonContactId"] = contact.id
	t.s.store.reindex(account, nil, map[string]any{"PersonContactId": contact.id})
}

// derive computes the fields that nobody writes.
func (t *tx) derive(r *row) {
	switch r.object.Name {
	case "Account":
		if r.values["IsPersonAccount"] == true {
			r.values["Name"] = fullName(r)
		}
	case "Contact":
		r.values["Name"] = fullName(r)
	case "Identifier":
		r.values["IdentifierKey"] = r.id
	case "HealthcareProvider":
		r.values["ProviderFullName"] = r.values["Name"]
	case "ServiceAppointment":
		t.deriveAppointment(r)
	}
}

func fullName(r *row) string {
	return strings.TrimSpace(r.text("FirstName") + " " + r.text("LastName"))
}

// deriveAppointment: the account comes from the parent, the category from the status.
func (t *tx) deriveAppointment(r *row) {
	if parent := t.s.store.byID[r.text("ParentRecordId")]; parent != nil {
		r.values["ParentRecordType"] = parent.object.Name
		switch parent.object.Name {
		case "Account":
			r.values["AccountId"] = parent.id
		case "ClinicalServiceRequest":
			r.values["AccountId"] = parent.values["PatientId"]
		}
	}
	r.values["StatusCategory"] = strings.ReplaceAll(r.text("Status"), " ", "")
	delete(r.values, "DurationInMinutes")
	if d, ok := r.values["Duration"].(float64); ok {
		if r.text("DurationType") == "Hours" {
			d *= 60
		}
		r.values["DurationInMinutes"] = d
	}
}

// consistent holds the rules over two fields of one record.
func consistent(r *row) *apiError {
	switch r.object.Name {
	case "ServiceAppointment":
		if before(r, "DueDate", "EarliestStartTime") {
			return refuse("FIELD_INTEGRITY_EXCEPTION", "The due date can't be earlier than the earliest start permitted.", "DueDate")
		}
		if before(r, "SchedEndTime", "SchedStartTime") {
			return refuse("FIELD_INTEGRITY_EXCEPTION", "The scheduled end can't be earlier than the scheduled start.", "SchedEndTime")
		}
	case "ClinicalServiceRequest":
		if r.values["HasPrerequisites"] == true && r.values["PrerequisiteCodeId"] != nil {
			return refuse("FIELD_INTEGRITY_EXCEPTION", "A request that has prerequisites can't have a prerequisite code.", "PrerequisiteCodeId")
		}
	}
	return nil
}

func before(r *row, end, start string) bool {
	e, hasEnd := r.values[end].(time.Time)
	s, hasStart := r.values[start].(time.Time)
	return hasEnd && hasStart && e.Before(s)
}

// statusCategories are the appointment statuses of a fresh org, with their categories.
func statusCategories(o *schema) [][2]string {
	var out [][2]string
	appointments := o.object("ServiceAppointment")
	if appointments == nil || appointments.field("Status") == nil {
		return nil
	}
	for _, v := range slices.Compact(slices.Clone(appointments.field("Status").Values)) {
		out = append(out, [2]string{v, strings.ReplaceAll(v, " ", "")})
	}
	return out
}
