package mapping

import (
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// optionalTable is a table with a row that is optional, and a rule back that reads its field.
const optionalTable = `object: ServiceAppointment
source: Appointment
key: {field: Bridge_Key__c, from: "%source + '.ap.' + id"}
rows:
  - {field: Status, from: status}
  - {field: StatusReason, from: comment, optional: true}
  - {field: Subject, from: ["%fields.StatusReason", "%fields.Status"]}
gone:
  - {field: Comments, to: gone}
GONE
values:
  back: {codes: [{code: Canceled / NoShow, to: noshow}, {code: Canceled / *, to: cancelled}, {code: None / *, to: proposed}]}
  on: {codes: [{code: noshow, to: Canceled}, {code: cancelled, to: Canceled}, {code: proposed, to: None}]}
  why: {codes: [{code: noshow, to: NoShow}, {code: cancelled, to: Proposed}, {code: proposed, to: None}]}
back:
  - dialect: fhir
    changed: [Status, StatusReason]
    operation: update
WHILE
    parameters:
      - {name: status, from: [Status, StatusReason], values: back, required: true, forward: {Status: on, StatusReason: why}}
`

func optionalSet(t *testing.T, gone, while string) *Set {
	t.Helper()
	text := strings.NewReplacer("GONE\n", gone, "WHILE\n", while).Replace(optionalTable)
	s, err := Load(fstest.MapFS{"a.yaml": {Data: []byte(text)}}, Options{})
	require.NoError(t, err)
	return s
}

var lackingReason = map[string][]string{"ServiceAppointment": {"StatusReason", "Status"}}

func TestFinding_values_O9_AnOptionalFieldThatTheOrgLacksIsNeitherWrittenNorReadNorCompared(t *testing.T) {
	t.Parallel()
	s := optionalSet(t, "", "")
	assert.Equal(t, []string{"StatusReason"}, s.Optional("ServiceAppointment"))
	assert.Empty(t, s.Optional("Account"))
	assert.Same(t, s, s.Without(map[string][]string{"ServiceAppointment": {"Status"}}), "what is not optional stays")
	w := s.Without(lackingReason)
	assert.Equal(t, s.Hash(), w.Hash())
	assert.Equal(t, []string{"Status", "StatusReason", "Subject"}, s.Objects()[0].Fields, "nothing is taken from the tables as they were read")
	assert.Equal(t, []string{"Status", "Subject"}, w.Objects()[0].Fields)
	assert.Equal(t, []string{"Status"}, w.BackFields("ServiceAppointment"))

	focus, err := fhir.Parse([]byte(`{"resourceType": "Appointment", "id": "1", "status": "booked", "comment": "late"}`))
	require.NoError(t, err)
	in := Input{Focus: focus, Variables: map[string]string{"source": "ward"}}
	for set, want := range map[*Set][]string{s: {"booked", "late", "late"}, w: {"booked", "", "booked"}} {
		out, err := set.Map(in)
		require.NoError(t, err)
		var got []string
		for _, name := range []string{"Status", "StatusReason", "Subject"} {
			v, _ := out.Records[0].Record.Get(name)
			got = append(got, v.Reveal())
		}
		assert.Equal(t, want, got)
	}
}

func TestFinding_values_O9_ARuleBackWorksWithoutAFieldThatTheOrgLacks(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		was, is string // Status
		reason  string // StatusReason as synced while the org had it
		while   string
		sent    string
	}{
		"another status is told":                     {was: "None", is: "Canceled", sent: "cancelled"},
		"whatever the reason was":                    {was: "None", is: "Canceled", reason: "NoShow", sent: "cancelled"},
		"the same status is none, though the reason": {was: "Canceled", is: "Canceled", reason: "NoShow"},
		"what the source cannot see is no news":      {was: "Canceled", is: "Canceled"},
		"nobody knows that it is so":                 {was: "None", is: "Canceled", reason: "None", while: "    while: {StatusReason: None}\n"},
		"that it is not set is known":                {was: "None", is: "Canceled", reason: "None", while: "    while: {StatusReason: 'false'}\n", sent: "cancelled"},
		"nobody waits for it":                        {was: "None", is: "Canceled", while: "    while: {Status: None}\n", sent: "cancelled"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			record := func(status, reason string) sobject.Record {
				r := sobject.Record{Object: "ServiceAppointment"}
				r.Set("Status", sobject.TextValue(status))
				if reason != "" {
					r.Set("StatusReason", sobject.TextValue(reason))
				}
				return r
			}
			ops, err := optionalSet(t, "", c.while).Without(lackingReason).Back(Change{Dialect: "fhir",
				Ref: fhir.Reference{Type: "Appointment", ID: "1"}, Image: record(c.was, c.reason), Now: record(c.is, "")})
			require.NoError(t, err)
			if c.sent == "" {
				assert.Empty(t, ops)
				return
			}
			require.Len(t, ops, 1)
			assert.Equal(t, c.sent, ops[0].Parameters[0].Code)
		})
	}
}

func TestFinding_values_O9_ARecordIsMarkedWithoutAFieldThatTheOrgLacks(t *testing.T) {
	t.Parallel()
	image := sobject.Record{Object: "ServiceAppointment"}
	for gone, marked := range map[string]int{
		"": 1,
		"  - {field: StatusReason, to: Proposed}\n":               1,
		"  - {field: StatusReason, to: Proposed, only: [None]}\n": 0, // nobody can say that it is so
	} {
		assert.Len(t, optionalSet(t, gone, "").Without(lackingReason).Gone(image), marked, gone)
	}
}

func TestFinding_values_O9_WhatARecordCannotDoWithoutIsNeverOptional(t *testing.T) {
	t.Parallel()
	for row, why := range map[string]string{
		"{field: Status, from: status, optional: true, required: true}":                                     "required or optional, not both",
		"{field: Stop__c, from: 'true', optional: true, owner: stop}":                                       "never optional",
		"{field: Born__c, from: status, optional: true, owner: identity}":                                   "never optional",
		"{field: Who, from: id, transform: nhsNumber, lookup: Account.nhsNumber, optional: true}":           "never optional",
		"{field: Status, from: status, optional: perhaps}":                                                  "optional",
		"{field: Status, from: status, optional: true, owner: latest}":                                      "",
		"{field: Status, from: id, optional: true, ref: ClinicalServiceRequest.Key__c, keepIfAbsent: true}": "",
	} {
		_, err := Load(fstest.MapFS{"a.yaml": {Data: []byte("object: Account\nsource: Appointment\nkey: {field: K__c, from: id}\nrows:\n  - " + row + "\n")}}, Options{})
		if why == "" {
			assert.NoError(t, err, row)
			continue
		}
		assert.ErrorContains(t, err, why, row)
	}
}
