package fhirpath_test

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir/fhirpath"
)

func TestWordsSayWhatAnExpressionGives(t *testing.T) {
	cases := map[string]string{
		"status":                            "the status",
		"meta.versionId":                    "the version of the metadata",
		"'Minutes'":                         "“Minutes”",
		"category.first()":                  "the first category",
		"category.skip(1)":                  "all but the first category",
		"%codings[1]":                       "the second of %codings",
		"name.given[11]":                    "the 12th given of the name",
		"occurrence.ofType(Period)":         "the occurrence (if it is a period)",
		"subject.resolve().ofType(Patient)": "the Patient that the subject points to",
		"identifier.where(system = 'https://x.example/UBRN').value":     "the value of the identifier where the system is “UBRN” (x.example)",
		"extension('https://x.example/State').extension('state').value": "the value of the extension “state” of the extension “State” (x.example)",
		"use.exists().not() or use != 'old'":                            "there is no use or the use is not “old”",
		"(code | category).where(coding.exists() and (text.exists() or id = '1'))": "(the code and the category) where there is a coding " +
			"and (there is a text or the id is “1”)",
		"%source & '.sr.' & id":                            "%source, then “.sr.”, then the id",
		"%referral.first().select(%source & $this)":        "%source, then it, for the first of %referral",
		"iif(status = 'cancelled', cancelationReason, {})": "if the status is “cancelled”: the cancellation reason; otherwise nothing",
		"%patientMode = 'create' and %numbers.exists()":    "%patientMode is “create” and %numbers has a value",
		"system = 'http://snomed.info/sct' or system.startsWith('http://hl7.org/fhir/')": "the system is SNOMED CT or " +
			"the system begins with “http://hl7.org/fhir/”",
		"line.join('\\n')":      "the line joined by a new line",
		"status in ('a' | 'b')": "the status is one of “a” or “b”",
		"%fields.Status = 'Active' and %body.patient.fields.NHS_Number__c.exists()": "%fields.Status is “Active” and " +
			"%body.patient.fields.NHS_Number__c has a value",
		"identifier.value.matches('[0-9]+')": "",
		"code.coding.repeat(extension)":      "",
	}
	for src, want := range cases {
		expr, err := fhirpath.Compile(src, "source", "referral", "patientMode", "numbers", "codings", "fields.Status", "body.patient.fields.NHS_Number__c")
		require.NoError(t, err, src)
		assert.Equal(t, want, expr.Words(), src)
	}
}

// What the official suite has no test for: the page of functions says that tests of ours are there.
func TestFunctionsThatTheOfficialSuiteLeavesOut(t *testing.T) {
	on := focus(t, `{"resourceType": "Patient", "active": true, "birthDate": "1962-02-11", "name": [{"given": ["Ada", "Marigold"]}]}`)
	for expression, want := range map[string]string{
		"(true | false).anyTrue()":                     "true",
		"(false).anyTrue()":                            "false",
		"{}.anyTrue()":                                 "false",
		"(true | false).anyFalse()":                    "true",
		"(true).anyFalse()":                            "false",
		"(true | false).allFalse()":                    "false",
		"{}.allFalse()":                                "true",
		"birthDate.getValue() = '1962-02-11'.toDate()": "true",
		"active.getValue()":                            "true",
		"'banana'.lastIndexOf('an')":                   "3",
		"'banana'.lastIndexOf('x')":                    "-1",
		"'2026-06-15T09:30:00Z'.toDateTime()":          "2026-06-15T09:30:00Z",
		"'no time'.toDateTime().exists()":              "false",
		"'09:30'.toTime()":                             "09:30",
		"'25:30'.toTime().exists()":                    "false",
	} {
		assert.Equal(t, want, eval(t, nil, expression, on), expression)
	}
}
