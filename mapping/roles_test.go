package mapping

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestWhatIsSpecialAboutAnObjectIsSaidByItsTable(t *testing.T) {
	s := starterTables(t)
	assert.Equal(t, "Account", s.PatientObject())
	for object, want := range map[string]string{"ClinicalServiceRequest": "PatientId", "ServiceAppointment": "", "Account": "", "Nothing": ""} {
		assert.Equal(t, want, s.PatientField(object), object)
	}
	assert.Equal(t, []string{"Appointment"}, s.SourceTypes("ServiceAppointment"))
	assert.Equal(t, []string{"ServiceRequest"}, s.SourceTypes("Identifier"))
	assert.Empty(t, s.SourceTypes("Nothing"))
	// Another org keeps its referrals elsewhere.
	other, err := Load(files("a.yaml", `object: Referral__c
source: ServiceRequest
key: {field: K__c, from: id}
rows:
  - {field: Person__c, from: subject.identifier.value, transform: nhsNumber, lookup: Contact.nhsNumber, owner: create-only}
  - {field: Number__c, from: subject.identifier.value, transform: nhsNumber}
  - {field: Note__c, from: patientInstruction, private: true}
  - {field: Status__c, from: status}
`), Options{})
	require.NoError(t, err)
	assert.Equal(t, "Contact", other.PatientObject())
	assert.Equal(t, "Person__c", other.PatientField("Referral__c"))
	out, err := other.Map(Input{Variables: map[string]string{"source": "s"}, Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","status":"active","patientInstruction":"x",
		"subject":{"identifier":{"value":"9990000018"}}}`))})
	require.NoError(t, err)
	private := map[string]bool{}
	for i, f := range out.Records[0].Record.Fields {
		private[f.Name] = out.Records[0].Rules[i].Private
	}
	assert.Equal(t, map[string]bool{"Person__c": false, "Number__c": true, "Note__c": true, "Status__c": false}, private)
	_, err = Load(files("a.yaml", "object: X__c\nsource: Appointment\npatient: participant[\nkey: {field: K__c, from: id}\nrows: [{field: F__c, from: status}]\n"), Options{})
	assert.ErrorContains(t, err, "a.yaml:3")
}

// By whom an appointment names its patients: a row a case.
func TestByWhatAnAppointmentNamesPatients(t *testing.T) {
	const booked = `{"resourceType":"Appointment","id":"1","status":"booked","supportingInformation":[{"reference":"Patient/2"}],
		"participant":[{"actor":{"reference":"Patient/1"}},{"actor":{"display":"Room 4"}},{"status":"accepted"}]}`
	table := func(line string) string {
		return "object: A__c\nsource: Appointment\n" + line + "key: {field: K__c, from: id}\nrows: [{field: F__c, from: status}]\n"
	}
	for _, c := range []struct {
		about, table, resource string
		want                   []string
	}{
		{"the table says so", table("patient: participant.actor\n"), booked, []string{"Patient/1", ""}},
		{"the table says another place", table("patient: supportingInformation\n"), booked, []string{"Patient/2"}},
		{"a choice of them", table("patient: participant.actor.where(reference.startsWith('Patient/'))\n"), booked, []string{"Patient/1"}},
		{"no table says so: its participants", table(""), booked, []string{"Patient/1", "", ""}},
		{"a referral names none beside its subject", table(""), `{"resourceType":"ServiceRequest","id":"1"}`, nil},
	} {
		s, err := Load(files("a.yaml", c.table), Options{})
		require.NoError(t, err, c.about)
		var got []string
		for _, n := range s.Named(Input{Focus: resource(t, []byte(c.resource))}) {
			got = append(got, n.Get("reference").Text())
		}
		assert.Equal(t, strings.Join(c.want, "|"), strings.Join(got, "|"), c.about)
		assert.Len(t, got, len(c.want), c.about)
	}
}
