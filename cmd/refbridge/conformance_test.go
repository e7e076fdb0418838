package main

import (
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/report"
)

// examples gives the folder of NHS's own e-RS examples (github.com/NHSDigital/e-referrals-service-api, sandbox/src/mocks), which
// stand beside the repository and not in it.
func examples(t *testing.T) string {
	t.Helper()
	dir, err := filepath.Abs("../../../shared/conformance/ers-examples")
	require.NoError(t, err)
	if _, err := os.Stat(dir); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the e-RS examples are not beside the repository: %s", dir)
		}
		t.Skip("the e-RS examples are not beside the repository; the synthetic ones in testdata cover the same")
	}
	return dir
}

// record is a line of plan --json --from.
type record struct {
	File, Error, Note, Outcome string
	Sightings                  []string
	Reason                     *report.Reason
	Writes                     []report.Write
}

// planned gives what plan --json makes of a file or folder, by file.
func planned(t *testing.T, path string) map[string][]record {
	t.Helper()
	r := refbridge(t, "plan", "--json", "--from", path, "-c", filepath.Join(t.TempDir(), "none.yaml"))
	require.Contains(t, []int{exitDone, exitChanges}, r.code, "%s", r.err)
	assert.Empty(t, r.err)
	assert.NotRegexp(t, `99\d{8}\b`, r.out, "the NHS number of the examples")
	out := map[string][]record{}
	for _, line := range strings.Split(strings.TrimSpace(r.out), "\n") {
		var f record
		require.NoError(t, json.Unmarshal([]byte(line), &f))
		out[f.File] = append(out[f.File], f)
	}
	return out
}

// recordValues flattens the records of a step: "ServiceAppointment.Status" -> "Scheduled", and "ServiceAppointment" -> its key.
func recordValues(f record) map[string]string {
	out := map[string]string{}
	for _, w := range f.Writes {
		if w.Object == "CodeSet" || w.Object == "CodeSetBundle" || w.Object == "Identifier" {
			continue // several of each
		}
		out[w.Object] = w.Key
		for _, v := range w.Fields {
			if v.Want != nil {
				out[w.Object+"."+v.Field] = *v.Want
			}
		}
	}
	return out
}

func TestEveryReferralOfTheOfficialExamplesIsPlanned(t *testing.T) {
	t.Parallel()
	root := examples(t)
	for folder, referrals := range map[string]int{
		"stu3/retrieveReferralRequest": 6, "stu3/acceptReferral": 1, "stu3/rejectReferral": 2, "stu3/recordTriageOutcome": 3,
		"stu3/cancelReferral": 2, "r4/searchServiceRequest": 3,
	} {
		t.Run(folder, func(t *testing.T) {
			t.Parallel()
			files := 0
			require.NoError(t, filepath.WalkDir(filepath.Join(root, folder), func(path string, d fs.DirEntry, err error) error {
				if err == nil && strings.HasSuffix(path, ".json") {
					files++
				}
				return err
			}))
			found := 0
			got := planned(t, filepath.Join(root, folder))
			assert.Len(t, got, files, "every file is spoken of")
			for name, records := range got {
				for _, f := range records {
					assert.Empty(t, f.Error, name)
					if f.Outcome == "" {
						assert.NotEmpty(t, f.Note, name)
						continue
					}
					found++
					assert.Equal(t, "held", f.Outcome, name)
					assert.Equal(t, "patient-not-found", f.Reason.Code, "%s: nothing else is wrong with it", name)
					assert.NotEmpty(t, recordValues(f)["ClinicalServiceRequest.Status"], name)
				}
			}
			assert.GreaterOrEqual(t, found, referrals)
		})
	}
}

func TestEveryOfficialWorklistIsReadAsAnInbox(t *testing.T) {
	t.Parallel()
	dir := filepath.Join(examples(t), "stu3/retrieveWorklist/responses")
	got := planned(t, dir)
	require.NotEmpty(t, got)
	for name, records := range got {
		require.Len(t, records, 1, name)
		assert.Empty(t, records[0].Error, name)
		assert.NotEmpty(t, records[0].Sightings, name)
	}
	// Read by hand: this list gives versions, Appointment Slot Issues does not.
	assert.Equal(t, []string{"ReferralRequest/000000070002/_history/7", "ReferralRequest/000000070001/_history/12"},
		got[filepath.Join(dir, "ReferralsForReview.json")][0].Sightings)
	assert.Equal(t, []string{"ReferralRequest/000000070001", "ReferralRequest/000000070000"}, got[filepath.Join(dir, "AppointmentSlotIssues.json")][0].Sightings)
}

// The wanted values were read off the example files by hand, by the rules of the mapping (HL7's STU3 to R4 maps, Salesforce's
// field reference, NHS's meaning of each state).
func TestTheOfficialExamplesComeToTheRightValues(t *testing.T) {
	t.Parallel()
	root := examples(t)
	for file, want := range map[string]map[string]string{
		// A directly bookable service: a quarter of an hour; the pathway start stands in for the date of the request.
		"stu3/retrieveReferralRequest/responses/BookedDBS.json": {
			"ClinicalServiceRequest":                           "ers.sr.000000070001",
			"ClinicalServiceRequest.Status":                    "Active",
			"ClinicalServiceRequest.Type":                      "Order",
			"ClinicalServiceRequest.Priority":                  "Routine",
			"ClinicalServiceRequest.Bridge_Source_State__c":    "BOOKED",
			"ClinicalServiceRequest.Bridge_Version__c":         "5",
			"ClinicalServiceRequest.DateSigned":                "",
			"ClinicalServiceRequest.Bridge_Pathway_Start__c":   "2024-05-08T09:54:23.000Z",
			"ClinicalServiceRequest.SourceSystem":              "https://fhir.nhs.uk/Id/UBRN",
			"ClinicalServiceRequest.SourceSystemIdentifier":    "000000070001",
			"ClinicalServiceRequest.IsAccepted":                "",
			"ServiceAppointment":                               "ers.ap.70009",
			"ServiceAppointment.ParentRecordId":                "ers.sr.000000070001",
			"ServiceAppointment.Status":                        "Scheduled",
			"ServiceAppointment.SchedStartTime":                "2021-06-13T12:30:00.000Z",
			"ServiceAppointment.SchedEndTime":                  "2021-06-13T12:45:00.000Z",
			"ServiceAppointment.EarliestStartTime":             "2021-06-13T12:30:00.000Z",
			"ServiceAppointment.DueDate":                       "2021-06-13T12:45:00.000Z",
			"ServiceAppointment.CancellationReason":            "",
			"ClinicalServiceRequest.Bridge_Source_Priority__c": "ROUTINE",
			"ClinicalServiceRequest.RequesterId":               "",
			"ClinicalServiceRequest.SourceSystemModified":      "",
		},
		// An indirectly bookable service: the appointment has a time and no length.
		"stu3/retrieveReferralRequest/responses/BookedIBS.json": {
			"ClinicalServiceRequest":            "ers.sr.000000070002",
			"ClinicalServiceRequest.Status":     "Active",
			"ServiceAppointment.Status":         "Scheduled",
			"ServiceAppointment.SchedStartTime": "2021-07-05T10:00:00.000Z",
			"ServiceAppointment.SchedEndTime":   "2021-07-05T10:00:00.000Z",
			"ServiceAppointment.Duration":       "",
		},
		"stu3/retrieveReferralRequest/responses/DeferredToProvider.json": {
			"ClinicalServiceRequest":                           "ers.sr.000000070003",
			"ClinicalServiceRequest.Status":                    "Active",
			"ClinicalServiceRequest.Priority":                  "Urgent",
			"ClinicalServiceRequest.Bridge_Source_Reason__c":   "NO_SLOTS_AT_SERVICE",
			"ClinicalServiceRequest.Bridge_Contact_By__c":      "2021-06-25",
			"ClinicalServiceRequest.Bridge_Contact_By_Kind__c": "APPOINTMENT_DEFERRAL",
			"ServiceAppointment":                               "",
		},
		// Urgent suspected cancer is ASAP, as NHS renders it, and the code is kept.
		"stu3/retrieveReferralRequest/responses/ConvertedFromAdviceAndGuidance.json": {
			"ClinicalServiceRequest":                           "ers.sr.000000070004",
			"ClinicalServiceRequest.Status":                    "Active",
			"ClinicalServiceRequest.Priority":                  "ASAP",
			"ClinicalServiceRequest.Bridge_Source_Priority__c": "TWO_WEEK_WAIT",
			"ClinicalServiceRequest.Bridge_Source_State__c":    "TRIAGED_PROVIDER_TO_ACTION",
			"ClinicalServiceRequest.IsAccepted":                "true",
		},
		"stu3/retrieveReferralRequest/responses/Unbooked.json": {
			"ClinicalServiceRequest":        "ers.sr.000000070000",
			"ClinicalServiceRequest.Status": "Active",
			"ServiceAppointment":            "",
		},
		// Booked, and yet without an appointment.
		"stu3/retrieveReferralRequest/responses/WithAdditionalRequirements.json": {
			"ClinicalServiceRequest":                        "ers.sr.000000070011",
			"ClinicalServiceRequest.Bridge_Source_State__c": "BOOKED",
			"ServiceAppointment":                            "",
		},
		// Accepting leaves no trace in e-RS.
		"stu3/acceptReferral/responses/ExampleResponse.json": {
			"ClinicalServiceRequest.Status":            "Active",
			"ClinicalServiceRequest.IsAccepted":        "",
			"ClinicalServiceRequest.Bridge_Version__c": "9",
			"ServiceAppointment.Status":                "Scheduled",
		},
		// The status of a rejected referral stays active.
		"stu3/rejectReferral/responses/ExampleResponseDbs.json": {
			"ClinicalServiceRequest.Status":         "Active",
			"ClinicalServiceRequest.IsAccepted":     "false",
			"ServiceAppointment.Status":             "Canceled",
			"ServiceAppointment.CancellationReason": "Inappropriate service",
			"ServiceAppointment.SchedStartTime":     "",
		},
		"stu3/recordTriageOutcome/responses/AcceptReferBookLater.json": {
			"ClinicalServiceRequest.Status":               "Active",
			"ClinicalServiceRequest.IsAccepted":           "true",
			"ClinicalServiceRequest.Bridge_Contact_By__c": "",
			"ServiceAppointment":                          "",
		},
		// e-RS gives this the state of an accepted referral; the reason tells the truth.
		"stu3/recordTriageOutcome/responses/ReturnToReferrerWithAdvice.json": {
			"ClinicalServiceRequest.Status":                 "Active",
			"ClinicalServiceRequest.IsAccepted":             "false",
			"ClinicalServiceRequest.Bridge_Source_State__c": "TRIAGE_RESPONSE",
		},
		"stu3/cancelReferral/responses/CancelledReferralWithCancelledBookingNoLongerRequired.json": {
			"ClinicalServiceRequest.Status":                  "Revoked",
			"ClinicalServiceRequest.IsAccepted":              "",
			"ClinicalServiceRequest.Bridge_Source_Reason__c": "TREATMENT_NO_LONGER_REQUIRED",
			"ClinicalServiceRequest.Bridge_Source_State__c":  "CANCELLED_REFERRAL",
			"ClinicalServiceRequest.Bridge_Version__c":       "4",
			"ServiceAppointment":                             "ers.ap.70001",
			"ServiceAppointment.Status":                      "Canceled",
		},
		"r4/searchServiceRequest/responses/ResponseExampleReferral.json": {
			"ClinicalServiceRequest":          "fhir.sr.r.832db7fa-ebdd-44b6-ab3b-8329c2d43149",
			"ClinicalServiceRequest.Status":   "Active",
			"ClinicalServiceRequest.Type":     "Order",
			"ClinicalServiceRequest.Priority": "",
		},
	} {
		t.Run(filepath.Base(file), func(t *testing.T) {
			t.Parallel()
			records := planned(t, filepath.Join(root, file))[filepath.Join(root, file)]
			require.Len(t, records, 1)
			got := recordValues(records[0])
			for name, value := range want {
				assert.Equal(t, value, got[name], name)
			}
		})
	}
}
