package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
)

func TestObjectsSayWhatToRetrieve(t *testing.T) {
	set := starterTables(t)
	var names []string
	for _, o := range set.Objects() {
		names = append(names, o.Name)
		assert.NotContains(t, o.Fields, o.KeyField)
	}
	assert.Equal(t, []string{"CodeSet", "Account", "CodeSetBundle", "ClinicalServiceRequest", "ServiceAppointment",
		"ClinicalServiceRequestDetail", "Identifier"}, names)
	assert.Equal(t, []string{"Bridge_Action_Comment__c", "Bridge_Action_Reason__c", "Bridge_Source_State__c", "IsAccepted", "Status"},
		set.BackFields("ClinicalServiceRequest"))
	assert.Equal(t, []string{"Status", "StatusReason"}, set.BackFields("ServiceAppointment"))
	csr := set.Objects()[3]
	assert.Equal(t, sobject.Target{Object: "CodeSetBundle", Field: "CodeSetBundleKey"}, csr.Refs["ReasonCodeId"])
	assert.Contains(t, csr.Fields, "Bridge_Action_Comment__c")
}

func TestWhatIsGoneIsMarkedByTheTableThatMadeIt(t *testing.T) {
	set := starterTables(t)
	ofReferral, err := set.Map(input(t, "ers-booked-two-week-wait"))
	require.NoError(t, err)
	assert.Equal(t, []sobject.Field{{Name: "IdUsageType", Value: sobject.TextValue("Old")}}, set.Gone(mapped(t, ofReferral, "Identifier").Record))
	ofPatient, err := set.Map(input(t, "fhir-create-patient"))
	require.NoError(t, err)
	assert.Empty(t, set.Gone(mapped(t, ofPatient, "Identifier").Record), "an NHS number stays, also when patients are only linked again")
	appointment, err := set.Map(input(t, "ers-appointment-booked"))
	require.NoError(t, err)
	booked := mapped(t, appointment, "ServiceAppointment").Record
	assert.Equal(t, "Canceled", set.Gone(booked)[0].Value.Reveal())
	booked.Set("Status", sobject.TextValue("Cannot Complete"))
	assert.Empty(t, set.Gone(booked), "an appointment that was missed stays missed when a new one is booked")
}
