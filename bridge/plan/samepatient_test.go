package plan

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/fhir"
	"refbridge/mapping"
)

// An appointment in a stream is refused where a sync would hold it for its patient: a row a case.
func TestFinding_server_MP3_AnAppointmentOfAStreamIsForThePatientOfItsReferral(t *testing.T) {
	person := func(id, number string) string {
		return `{"resourceType":"Patient","id":"` + id + `","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"` + number + `"}]}`
	}
	request := func(subject string) string {
		return `{"resourceType":"ServiceRequest","id":"r1","status":"active","subject":{"reference":"` + subject + `"}}`
	}
	meets := func(basedOn, actor string) string {
		return `{"resourceType":"Appointment","id":"a1","basedOn":[{"reference":"` + basedOn + `"}],"participant":[{"actor":{"reference":"` + actor + `"}}]}`
	}
	for _, c := range []struct {
		about   string
		focus   string
		related []string
		refused string
	}{
		{"the same", meets("ServiceRequest/r1", "Patient/p1"), []string{request("Patient/p1"), person("p1", bridgetest.ANumber)}, ""},
		{"another", meets("ServiceRequest/r1", "Patient/p2"), []string{request("Patient/p1"), person("p1", bridgetest.ANumber), person("p2", bridgetest.BNumber)}, "another patient"},
		{"one of that number under another id", meets("ServiceRequest/r1", "Patient/p2"), []string{request("Patient/p1"), person("p1", bridgetest.ANumber), person("p2", bridgetest.ANumber)}, ""},
		{"one who is not there", meets("ServiceRequest/r1", "Patient/p9"), []string{request("Patient/p1"), person("p1", bridgetest.ANumber)}, "nobody can say"},
		{"another, and the referral is not there", meets("ServiceRequest/r9", "Patient/p2"), []string{person("p2", bridgetest.BNumber)}, ""},
		{"another, and the referral's patient is not there: the referral says so", meets("ServiceRequest/r1", "Patient/p2"), []string{request("Patient/p1"), person("p2", bridgetest.BNumber)}, ""},
		{"another, and the referral is about no patient: it says so", meets("ServiceRequest/r1", "Patient/p2"), []string{request("Group/g1"), `{"resourceType":"Group","id":"g1"}`, person("p2", bridgetest.BNumber)}, ""},
		{"nobody", meets("ServiceRequest/r1", "Location/l1"), []string{request("Patient/p1"), person("p1", bridgetest.ANumber)}, ""},
		{"no appointment", request("Patient/p1"), []string{person("p2", bridgetest.BNumber)}, ""},
	} {
		in := mapping.Input{}
		var err error
		in.Focus, err = fhir.Parse([]byte(c.focus))
		require.NoError(t, err)
		for _, text := range c.related {
			r, err := fhir.Parse([]byte(text))
			require.NoError(t, err)
			in.Related = append(in.Related, r)
		}
		err = SamePatient(planner(shelf.New(), t).Tables, in)
		if c.refused == "" {
			assert.NoError(t, err, c.about)
			continue
		}
		var faults mapping.Faults
		require.ErrorAs(t, err, &faults, c.about)
		assert.Equal(t, mapping.AppointmentPatient, faults[0].Kind, c.about)
		assert.Contains(t, faults[0].Message, c.refused, c.about)
	}
}
