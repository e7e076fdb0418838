package bridge

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"refbridge/sfdc/sobject"
)

func TestOneFieldIsDecidedByItsOwner(t *testing.T) {
	text, none := sobject.TextValue, sobject.Value{}
	to := func(key string) sobject.Value {
		return sobject.RefValue(sobject.Target{Object: "ClinicalServiceRequest", Field: "Bridge_Key__c"}, key)
	}
	for _, c := range []struct {
		name             string
		field            string
		owner            sobject.Owner
		want, have, last sobject.Value
		remembered       bool
		decision         Decision
	}{
		{"source, equal", "Type", sobject.Source, text("a"), text("a"), text("b"), true, Leave},
		{"source, it changed", "Type", sobject.Source, text("b"), text("a"), text("a"), true, Overwrite},
		{"source, Salesforce changed", "Type", sobject.Source, text("a"), text("b"), text("a"), true, Overwrite},
		{"source, cleared", "Type", sobject.Source, none, text("a"), text("a"), true, Overwrite},
		{"target, differs", "Run", sobject.TargetSide, text("b"), text("a"), text("a"), true, Leave},
		{"latest, equal", "Status", sobject.Latest, text("a"), text("a"), text("x"), true, Leave},
		{"latest, the source changed", "Status", sobject.Latest, text("b"), text("a"), text("a"), true, Overwrite},
		{"latest, Salesforce changed", "Status", sobject.Latest, text("a"), text("b"), text("a"), true, KeepTheirs},
		{"latest, both changed", "Status", sobject.Latest, text("b"), text("c"), text("a"), true, Conflict},
		{"latest, nothing remembered, empty", "Status", sobject.Latest, text("b"), none, none, false, Overwrite},
		{"latest, nothing remembered, differs", "Status", sobject.Latest, text("b"), text("c"), none, false, Conflict},
		{"create-only, equal", "ParentRecordId", sobject.CreateOnly, to("a"), to("a"), to("a"), true, Leave},
		{"create-only, the source moved it", "ParentRecordId", sobject.CreateOnly, to("b"), to("a"), to("a"), true, Moved},
		{"create-only, a person moved it", "ParentRecordId", sobject.CreateOnly, to("a"), to("b"), to("a"), true, Leave},
		{"create-only, both moved it", "ParentRecordId", sobject.CreateOnly, to("b"), to("c"), to("a"), true, Moved},
		{"create-only, nothing remembered, differs", "ParentRecordId", sobject.CreateOnly, to("b"), to("a"), none, false, Moved},
		{"create-only, a text that the source changed", "Kind__c", sobject.CreateOnly, text("b"), text("a"), text("a"), true, Moved},
		{"create-only, the Account of another patient", "PatientId", sobject.CreateOnly, text("b"), text("a"), text("a"), true, OtherPatient},
		{"create-only, the patient by their key", "PatientId", sobject.CreateOnly, to("b"), to("a"), to("a"), true, Moved},
		{"create-only, nothing remembered, empty", "ParentRecordId", sobject.CreateOnly, to("b"), none, none, false, Leave},
		{"create-only, emptied in Salesforce", "ParentRecordId", sobject.CreateOnly, to("a"), none, to("a"), true, Leave},
		{"create-only, the source says nothing", "ParentRecordId", sobject.CreateOnly, none, to("a"), to("a"), true, Leave},
		{"patient, another Account", "PatientId", sobject.CreateOnly, text("001B"), text("001A"), text("001A"), true, OtherPatient},
		{"patient, another Account, nothing remembered", "PatientId", sobject.CreateOnly, text("001B"), text("001A"), none, false, OtherPatient},
		{"identity, equal", "PersonBirthdate", sobject.Identity, text("1950-01-01"), text("1950-01-01"), none, false, Leave},
		{"identity, empty there", "PersonBirthdate", sobject.Identity, text("1950-01-01"), none, none, false, Overwrite},
		{"identity, the source says nothing", "PersonBirthdate", sobject.Identity, none, text("1950-01-01"), none, false, Leave},
		{"identity, differs", "PersonBirthdate", sobject.Identity, text("1988-01-01"), text("1950-01-01"), none, false, OtherPerson},
		{"identity, the source changed it", "PersonBirthdate", sobject.Identity, text("1988-01-01"), text("1950-01-01"), text("1950-01-01"), true, OtherPerson},
		{"identity, the same year alone", "PersonBirthdate", sobject.Identity, sobject.DateValue("1950"), sobject.DateValue("1950-01-01"), none, false, Leave},
		{"identity, another month alone", "PersonBirthdate", sobject.Identity, sobject.DateValue("1950-02"), sobject.DateValue("1950-01-01"), none, false, OtherPerson},
		{"identity, a year alone, empty there", "PersonBirthdate", sobject.Identity, sobject.DateValue("1950"), none, none, false, Leave},
	} {
		got := Decide(sobject.Field{Name: c.field, Value: c.want, Owner: c.owner}, c.have, Past{Image: c.last, Known: c.remembered, Whose: c.field == "PatientId"})
		assert.Equal(t, c.decision, got, c.name)
	}
}

func TestWhatSaysWhoSomebodyIsIsComparedAsFarAsBothGo(t *testing.T) {
	day := sobject.DateValue
	for _, c := range []struct {
		name string
		a, b sobject.Value
		same bool
	}{
		{"two days", day("1950-01-01"), day("1950-01-01"), true},
		{"two other days", day("1950-01-01"), day("1950-01-02"), false},
		{"a year and a day in it", day("1950"), day("1950-01-02"), true},
		{"a day and the month that it is in", day("1950-01-02"), day("1950-01"), true},
		{"a day and another month", day("1950-01-02"), day("1950-02"), false},
		{"a month and the year before", day("1950-01"), day("1949"), false},
		{"two texts", sobject.TextValue("19"), sobject.TextValue("1950"), false},
		{"a text and a day", sobject.TextValue("1950"), day("1950-01-01"), false},
	} {
		assert.Equal(t, c.same, SameIdentity(c.a, c.b), c.name)
		assert.Equal(t, c.same, SameIdentity(c.b, c.a), c.name)
	}
}
