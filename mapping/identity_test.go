package mapping

import (
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func TestWhoThePatientIsComesWhetherOrNotPatientsAreCreated(t *testing.T) {
	set, err := Load(Default(), Options{}) // without a patient key: none is needed to compare
	require.NoError(t, err)
	for _, c := range []struct{ name, mode, subject, patient, want string }{
		{"mode create", "create", "Patient/1", `,"birthDate":"1962-02-11"`, "1962-02-11"},
		{"mode link", "link", "Patient/1", `,"birthDate":"1962-02-11"`, "1962-02-11"},
		{"a year alone", "link", "Patient/1", `,"birthDate":"1962"`, "1962"},
		{"no birth date", "link", "Patient/1", ``, ""},
		{"what is no date says nothing here", "link", "Patient/1", `,"birthDate":"yesterday"`, ""},
		{"somebody else is not the patient", "link", "Patient/2", `,"birthDate":"1962-02-11"`, ""},
	} {
		variables := map[string]string{"source": "s", "patientMode": c.mode}
		in := Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"r","subject":{"reference":"`+c.subject+`"}}`)),
			Related: []fhir.Resource{resource(t, []byte(`{"resourceType":"Patient","id":"1"`+c.patient+`}`))}, Variables: variables}
		got := ""
		for _, r := range set.Identities(in) {
			require.Equal(t, "Account", r.Object, c.name)
			born, _ := r.Get("PersonBirthdate")
			got = born.Reveal()
		}
		assert.Equal(t, c.want, got, c.name)
		assert.Equal(t, c.mode, variables["patientMode"], c.name)
	}
}

func TestADateInPartIsForWhatSaysWhoTheRecordIsAbout(t *testing.T) {
	for owner, fault := range map[string]string{"identity": "", "source": "owner identity", "latest": "owner identity"} {
		_, err := Load(fstest.MapFS{"a.yaml": {Data: []byte("object: Account\nsource: Patient\nkey: {field: K__c, from: id}\n" +
			"rows: [{field: Born, from: birthDate, transform: date(partial), owner: " + owner + "}]\n")}}, Options{})
		if fault == "" {
			assert.NoError(t, err, owner)
			continue
		}
		assert.ErrorContains(t, err, fault, owner)
	}
}
