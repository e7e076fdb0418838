package ers

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/rogpeppe/go-internal/txtar"
	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"
	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

var update = flag.Bool("update", false, "write the golden files anew")

// cases gives testdata/normalise/*.txtar: why, source.json, want.json.
func cases(t testing.TB) map[string]*txtar.Archive {
	t.Helper()
	files, err := filepath.Glob("testdata/normalise/*.txtar")
	require.NoError(t, err)
	require.Len(t, files, 26)
	out := map[string]*txtar.Archive{}
	for _, f := range files {
		a, err := txtar.ParseFile(f)
		require.NoError(t, err)
		require.Len(t, a.Files, 2, f)
		out[strings.TrimSuffix(filepath.Base(f), ".txtar")] = a
	}
	return out
}

func normalised(t testing.TB, source []byte) fhir.Bundle {
	t.Helper()
	r, err := fhir.Parse(source)
	require.NoError(t, err)
	b, err := Normalise(r)
	require.NoError(t, err)
	return b
}

func TestNormaliseGivesWhatTheGoldenFilesSay(t *testing.T) {
	for name, a := range cases(t) {
		b := normalised(t, a.Files[0].Data)
		got := printed(t, b)
		sound(t, name, b)
		if *update {
			a.Files[1].Data = got
			require.NoError(t, os.WriteFile("testdata/normalise/"+name+".txtar", txtar.Format(a), 0o644))
			continue
		}
		assert.Equal(t, string(a.Files[1].Data), string(got), name)
	}
}

func printed(t testing.TB, b fhir.Bundle) []byte {
	t.Helper()
	var out bytes.Buffer
	for _, r := range append(append([]fhir.Resource{}, b.Focus...), b.Related...) {
		require.NoError(t, json.Indent(&out, r.Raw(), "", " "))
		out.WriteByte('\n')
	}
	return out.Bytes()
}

// sound asserts what must hold for every result: valid R4 codes, nothing empty, no placeholder, the promised ids.
func sound(t testing.TB, name string, b fhir.Bundle) {
	t.Helper()
	require.NotEmpty(t, b.Focus, name)
	assert.Equal(t, "ServiceRequest", b.Focus[0].Type(), name)
	for _, r := range append(append([]fhir.Resource{}, b.Focus...), b.Related...) {
		full(t, name, r.Root())
		_, err := fhir.ParseReference(r.Type() + "/" + r.ID())
		assert.NoError(t, err, "%s: an id of %s", name, r.Type())
		var typed any
		switch r.Type() {
		case "ServiceRequest":
			typed = new(r4.ServiceRequest)
		case "Appointment":
			typed = new(r4.Appointment)
		case "Task":
			typed = new(r4.Task)
		case "DocumentReference":
			typed = new(r4.DocumentReference)
		default:
			assert.Fail(t, "an unexpected type", "%s: %s", name, r.Type())
			continue
		}
		require.NoError(t, json.Unmarshal(r.Raw(), typed), "%s: samply refuses codes that R4 does not have", name)
		assert.NotContains(t, string(r.Raw()), `<unknown>`, name)
	}
}

// full asserts that n holds no empty or null value and no placeholder of a base URL.
func full(t testing.TB, name string, n fhir.Node) {
	t.Helper()
	switch n.Kind() {
	case fhir.Null:
		assert.Fail(t, "a null", "%s: %s", name, n.Name())
	case fhir.String:
		assert.NotEmpty(t, n.Text(), "%s: %s", name, n.Name())
		assert.NotContains(t, strings.ToLower(n.Text()), "_base", name)
	case fhir.Array:
		assert.NotZero(t, n.Len(), "%s: %s", name, n.Name())
		for i := range n.Items() {
			full(t, name, i)
		}
	case fhir.Object:
		assert.NotZero(t, n.Len(), "%s: %s", name, n.Name())
		for m := range n.Members() {
			full(t, name, m)
		}
	}
}

func TestEveryDocumentedStateIsAmongTheCases(t *testing.T) {
	seen := map[string]bool{}
	for _, a := range cases(t) {
		seen[State(normalised(t, a.Files[0].Data))] = true
	}
	for _, state := range strings.Fields(`NOT_BOOKED BOOKED DEFERRED_TO_PROVIDER AWAITING_TRIAGE TRIAGED_PROVIDER_TO_ACTION
		TRIAGE_RESPONSE REJECTED APPT_CANCELLED_BY_PATIENT APPT_CANCELLED_BY_PROVIDER DID_NOT_ATTEND ASSESSMENT_RESULT
		CANCELLED_REFERRAL ON_HOLD_BY_MOON`) {
		assert.True(t, seen[state], state)
	}
	assert.Len(t, seen, 13)
}

func TestOnlyACancelledReferralIsTerminal(t *testing.T) {
	for name, a := range cases(t) {
		assert.Equal(t, strings.HasPrefix(name, "cancelled-referral"), Terminal(normalised(t, a.Files[0].Data)), name)
	}
	assert.False(t, Terminal(fhir.Bundle{}))
}

func TestReturnedWithAdviceIsOneResultWhateverTheState(t *testing.T) {
	all := cases(t)
	plain := string(all["returned"].Files[0].Data)
	other := strings.NewReplacer("TRIAGE_RESPONSE", "TRIAGED_PROVIDER_TO_ACTION", "Triage Response", "Triaged - Provider To Action").Replace(plain)
	require.NotEqual(t, plain, other)
	assert.Equal(t, normalised(t, []byte(plain)).Digest(), normalised(t, []byte(other)).Digest())
}

func TestStatesHaveOneSpelling(t *testing.T) {
	for sent, want := range map[string]string{
		"APP_CANCELLED_BY_PATIENT": "APPT_CANCELLED_BY_PATIENT", "APPOINTMENT_CANCELLED_BY_PATIENT": "APPT_CANCELLED_BY_PATIENT",
		"APP_CANCELLED_BY_PROVIDER": "APPT_CANCELLED_BY_PROVIDER", "APPOINTMENT_CANCELLED_BY_PROVIDER": "APPT_CANCELLED_BY_PROVIDER",
		"DEFER_TO_PROVIDER": "DEFERRED_TO_PROVIDER", "BOOKED": "BOOKED", "CARL": "CARL",
	} {
		assert.Equal(t, want, State(normalised(t, []byte(referralJSON(`"BOOKED"`, `"`+sent+`"`)))), sent)
	}
}

func TestAVersionAloneChangesNoDigest(t *testing.T) {
	a := normalised(t, []byte(referralJSON()))
	b := normalised(t, []byte(referralJSON(`"versionId":"5"`, `"versionId":"6"`)))
	assert.Equal(t, a.Digest(), b.Digest())
	assert.Equal(t, "6", b.Focus[0].VersionID())
	c := normalised(t, []byte(referralJSON(`"active"`, `"completed"`)))
	assert.NotEqual(t, a.Digest(), c.Digest())
}

func TestTheClinicianIsTheSameAsObjectAndAsArray(t *testing.T) {
	var compact bytes.Buffer
	require.NoError(t, json.Compact(&compact, cases(t)["booked-direct"].Files[0].Data))
	const clinician = `{"coding":[{"system":"http://hl7.org/fhir/ValueSet/encounter-participant-type","code":"CON"}]}`
	require.Contains(t, compact.String(), clinician)
	array := strings.ReplaceAll(compact.String(), clinician, "["+clinician+"]")
	assert.Equal(t, normalised(t, compact.Bytes()).Digest(), normalised(t, []byte(array)).Digest())
}

func TestCodeSystemsHaveOneNameInEveryEnvironment(t *testing.T) {
	for system, want := range map[string]string{
		"_baseUrl_/STU3/CodeSystem/SPECIALTY":                                                       "https://fhir.nhs.uk/CodeSystem/eRS-Specialty",
		"_baseUrl_/STU3/v1/CodeSystem/SPECIALTY":                                                    "https://fhir.nhs.uk/CodeSystem/eRS-Specialty",
		"_base/STU3/CodeSystem/SPECIALTY":                                                           "https://fhir.nhs.uk/CodeSystem/eRS-Specialty",
		"https://api.service.nhs.uk/referrals/FHIR/STU3/CodeSystem/SPECIALTY":                       "https://fhir.nhs.uk/CodeSystem/eRS-Specialty",
		"_baseurl_/STU3/CodeSystem/APPOINTMENT-CANCELLATION-REASON":                                 "https://fhir.nhs.uk/CodeSystem/eRS-AppointmentCancellationReason",
		"_baseUrl_/STU3/CodeSystem/CLINIC-TYPE":                                                     "https://fhir.nhs.uk/CodeSystem/eRS-ClinicType",
		"https://fhir.nhs.uk/STU3/CodeSystem/eRS-ClinicType-1":                                      "https://fhir.nhs.uk/CodeSystem/eRS-ClinicType",
		"https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReviewReason-1":                                    "https://fhir.nhs.uk/CodeSystem/eRS-ReviewReason",
		"http://hl7.org/fhir/ValueSet/encounter-participant-type":                                   "http://terminology.hl7.org/CodeSystem/v3-ParticipationType",
		"http://snomed.info/sct":                                                                    "http://snomed.info/sct",
		"https://fhir.nhs.uk/CodeSystem/message-category-servicerequest":                            "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest",
		"urn:oid:2.16.840.1.113883.2.1":                                                             "urn:oid:2.16.840.1.113883.2.1",
		"https://int.api.service.nhs.uk/referrals/FHIR/STU3/CodeSystem/REQUEST-CANCELLATION-REASON": "https://fhir.nhs.uk/CodeSystem/eRS-RequestCancellationReason",
	} {
		assert.Equal(t, want, canonicalSystem(system), system)
	}
}

func TestWhatR4NeedsAndERSDidNotSendIsAnErrorThatNamesTheElement(t *testing.T) {
	const appointment = `"contained":[{"resourceType":"Appointment","status":"booked","participant":[{"status":"accepted","actor":{"display":"x"}}]}],"status":"active"`
	for name, world := range map[string]struct{ source, want string }{
		"UBRN as a number":        {referralJSON(`"id":"`+ubrn+`"`, `"id":81234`), "ReferralRequest.id: not a UBRN of 12 digits"},
		"UBRN too short":          {referralJSON(ubrn, "81234"), "ReferralRequest.id: not a UBRN of 12 digits"},
		"no status":               {referralJSON(`"status":"active",`, ""), "ReferralRequest.status: missing"},
		"unknown status":          {referralJSON(`"active"`, `"`+hostile+`"`), "ReferralRequest.status: no status that e-RS documents"},
		"no state":                {referralJSON(`"url":"state"`, `"url":"`+hostile+`"`), "ReferralRequest.extension(ReferralState).state: missing"},
		"NHS number as a number":  {referralJSON(`"`+nhs+`"`, nhs), "ReferralRequest.subject.identifier.value: a number where a string is expected"},
		"subject a list":          {referralJSON(`"subject":{`, `"subject":[1],"other":{`), "ReferralRequest.subject: an array where an object is expected"},
		"no appointment status":   {referralJSON(`"status":"active"`, strings.Replace(appointment, `"status":"booked",`, "", 1)), "ReferralRequest.contained[0].status: missing"},
		"odd appointment status":  {referralJSON(`"status":"active"`, strings.Replace(appointment, `booked`, hostile, 1)), "ReferralRequest.contained[0].status: no status that e-RS documents"},
		"nobody takes part":       {referralJSON(`"status":"active"`, `"contained":[{"resourceType":"Appointment","status":"booked"}],"status":"active"`), "ReferralRequest.contained[0].participant: missing"},
		"participant status":      {referralJSON(`"status":"active"`, strings.Replace(appointment, `"status":"accepted",`, "", 1)), "ReferralRequest.contained[0].participant[0].status: missing"},
		"start an object":         {referralJSON(`"status":"active"`, strings.Replace(appointment, `"status":"booked"`, `"status":"booked","start":{"x":1}`, 1)), "ReferralRequest.contained[0].start: an object where a string is expected"},
		"supporting info":         {referralJSON(`"status":"active"`, `"supportingInfo":[{"reference":"`+hostile+`"}],"status":"active"`), "ReferralRequest.supportingInfo[0].reference: not a FHIR reference"},
		"appointment's reference": {referralJSON(`"status":"active"`, appointment, `"extension":[{`, `"extension":[{"url":"https://fhir.nhs.uk/STU3/StructureDefinition/Extension-eRS-Appointment-Reference-1","valueReference":{"reference":"`+hostile+`"}},{`), "valueReference.reference: not a reference to an Appointment"},
	} {
		r, err := fhir.Parse([]byte(world.source))
		require.NoError(t, err, name)
		_, err = Normalise(r)
		require.Error(t, err, name)
		assert.True(t, strings.HasSuffix(err.Error(), world.want), "%s: %s", name, err)
		clean(t, name, err.Error())
	}
	_, err := Normalise(fhir.Resource{})
	assert.Error(t, err)
}

func TestABadAttachmentDoesNotHoldBackItsReferral(t *testing.T) {
	b := normalised(t, []byte(referralJSON(`"status":"active"`, `"contained":[
		{"resourceType":"DocumentReference","id":"DocumentReference-1","status":7,"content":[{"attachment":{"url":"Binary/1"}}]},
		{"resourceType":"DocumentReference","id":"DocumentReference-2","status":"current","content":[]},
		{"resourceType":"DocumentReference","id":"DocumentReference-3","status":"current","content":[{"attachment":{"title":9}}]},
		{"resourceType":"DocumentReference","status":"current"},
		{"resourceType":"DocumentReference","id":"DocumentReference-4","status":"current","content":[{"attachment":{"url":"Binary/4"}}]}],
		"supportingInfo":[{"reference":"#DocumentReference-1"},{"reference":"#DocumentReference-4"},{"reference":"#nowhere"},{"display":"x"}],"status":"active"`)))
	require.Len(t, b.Related, 1)
	assert.Equal(t, "4", b.Related[0].ID())
	info := b.Focus[0].Root().Get("supportingInfo")
	assert.Equal(t, 1, info.Len())
	assert.Equal(t, "DocumentReference/4", info.At(0).Get("reference").Text())
	sound(t, "attachments", b)
}

func TestAFinishedAppointmentIsNotUndoneByItsReferral(t *testing.T) {
	const appointment = `"contained":[{"resourceType":"Appointment","status":"fulfilled","participant":[{"status":"accepted","actor":{"display":"x"}}]}],"status":"active"`
	b := normalised(t, []byte(referralJSON(`"status":"active"`, appointment, `"BOOKED"`, `"CANCELLED_REFERRAL"`)))
	assert.Equal(t, "fulfilled", b.Focus[1].Root().Get("status").Text())
	assert.Equal(t, "revoked", b.Focus[0].Root().Get("status").Text())
	assert.Equal(t, ubrn, b.Focus[1].ID(), "without a number of its own it has the UBRN")
}

func FuzzNormalise(f *testing.F) {
	for _, a := range cases(f) {
		f.Add(a.Files[0].Data)
	}
	f.Add([]byte(referralJSON()))
	f.Add([]byte(referralJSON(`"extension":[`, `"extension":[{"url":"https://example.org/new","valueCoding":{}},{"url":"https://example.org/new","valueString":""},`)))
	f.Fuzz(func(t *testing.T, source []byte) {
		r, err := fhir.Parse(source)
		if err != nil {
			return
		}
		b, err := Normalise(r)
		if err != nil {
			return
		}
		require.NotEmpty(t, b.Focus)
		assert.Equal(t, r.ID(), b.Focus[0].ID())
		again, err := Normalise(r)
		require.NoError(t, err)
		assert.Equal(t, b.Digest(), again.Digest())
		assert.NotNil(t, Lost(r), "what can be normalised can be accounted for")
		for _, x := range b.Focus {
			assert.False(t, hollow(x.Root()), "an empty or null element")
		}
	})
}

func hollow(n fhir.Node) bool {
	switch n.Kind() {
	case fhir.Null:
		return true
	case fhir.Array, fhir.Object:
		for m := n.First(); m.Exists(); m = m.Next() {
			if hollow(m) {
				return true
			}
		}
		return n.Len() == 0
	}
	return false
}
