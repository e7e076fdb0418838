package mapping

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func TestPatientIdentityIsHeldByKind(t *testing.T) {
	set := starterTables(t)
	cases := map[string]struct{ subject, want string }{
		"no identifier":        {`{"type":"Patient"}`, "NHS number is missing"},
		"another system":       {`{"identifier":{"system":"https://epr.example.nhs.uk/mrn","value":"9990000018"}}`, "NHS number is missing"},
		"eleven digits":        {`{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"99900000181"}}`, "NHS number does not have ten digits"},
		"letters":              {`{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"99900O0018"}}`, "NHS number does not have ten digits"},
		"wrong check digit":    {`{"identifier":{"system":"http://fhir.nhs.net/Id/nhs-number","value":"9990000019"}}`, "NHS number has a wrong check digit"},
		"two numbers":          {`{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"},"reference":"Patient/p1"}`, "two different NHS numbers for one patient"},
		"both systems, spaces": {`{"identifier":{"system":"http://fhir.nhs.net/Id/nhs-number","value":"999 000 0042"},"reference":"Patient/p1"}`, ""},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			in := input(t, "fhir-everything")
			in.Focus = resource(t, []byte(`{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order","subject":`+c.subject+`}`))
			out, err := set.Map(in)
			if c.want == "" {
				require.NoError(t, err)
				v, _ := mapped(t, out, "ClinicalServiceRequest").Record.Get("PatientId")
				assert.Equal(t, "9990000042", v.LookupKey())
				return
			}
			f := faults(t, err)
			require.Len(t, f, 1)
			assert.Equal(t, PatientIdentity, f[0].Kind)
			assert.Equal(t, c.want, f[0].Message)
			assert.Equal(t, "PatientId", f[0].Field)
			assert.Equal(t, "service-request.yaml", f[0].File)
		})
	}
}

func TestPatientsAreNotCreatedWithoutAKey(t *testing.T) {
	set, err := Load(Default(), Options{})
	require.NoError(t, err)
	_, err = set.Map(input(t, "fhir-create-patient"))
	assert.Contains(t, err.Error(), "patients cannot be created")
}

func TestAKeyNeverHoldsTheNHSNumber(t *testing.T) {
	in := input(t, "fhir-everything")
	in.Focus = resource(t, []byte(strings.Replace(string(in.Focus.Raw()), `"id": "sr-1"`, `"id": "sr-9990000042"`, 1)))
	out, err := starterTables(t).Map(in)
	assert.Empty(t, out.Records)
	assert.Contains(t, err.Error(), "the key would hold the patient's NHS number")
	assert.NotContains(t, err.Error(), "9990000042")
}

func TestAKeyNeverHoldsTheNumberOfAnIdentifierHoweverItIsBrokenUp(t *testing.T) {
	const subject, related = `"subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"%s"}}`, `"subject":{"reference":"Patient/1"}`
	of := func(from, subject string, in ...string) error {
		set, err := Load(files("a.yaml", "object: X__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows: [{field: F__c, from: \""+from+
			"\", ref: Y__c.K__c}]\n", "b.yaml", "object: Z__c\nsource: ServiceRequest\nkey: {field: K__c, from: \""+from+"\"}\nrows: [{field: F__c, from: id}]\n"), Options{})
		require.NoError(t, err)
		i := Input{Focus: resource(t, []byte(`{"resourceType":"ServiceRequest","id":"9990000026","identifier":[{"system":"https://fhir.nhs.uk/Id/UBRN",`+
			`"value":"000099000018"}],`+subject+`}`)), Variables: map[string]string{"source": "epr"}}
		for _, r := range in {
			i.Related = append(i.Related, resource(t, []byte(r)))
		}
		_, err = set.Map(i)
		return err
	}
	for _, number := range []string{"9990000018", "999-000-0018", "999 000 0018"} {
		err := of("%source & '.' & subject.identifier.value.replace(' ', '-')", fmt.Sprintf(subject, number))
		require.Error(t, err, number)
		assert.Equal(t, "a.yaml:4:8: F__c: the key would hold the patient's NHS number, and keys stand in URLs\n"+
			"b.yaml:3:6: K__c: the key would hold the patient's NHS number, and keys stand in URLs", err.Error())
	}
	patient := `{"resourceType":"Patient","id":"1","identifier":[{"system":"http://fhir.nhs.net/Id/nhs-number","value":"9990000018"}]}`
	require.Error(t, of("%source & '.' & subject.resolve().identifier.value", related, patient))

	require.NoError(t, of("%source & '.' & id", fmt.Sprintf(subject, "9990000018"), patient), "an id that passes the check digit is no NHS number")
	require.NoError(t, of("%source & '.' & identifier.value", fmt.Sprintf(subject, "9990000018"), patient))
}

func TestAResourceWithoutIDIsHeldAndSharesNoKeyWithAnother(t *testing.T) {
	set := starterTables(t)
	patient := `"subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}`
	for _, src := range []string{
		`{"resourceType":"ServiceRequest","status":"active","intent":"order",` + patient + `}`,
		`{"resourceType":"ServiceRequest","status":"active","intent":"plan","identifier":[{"value":"1"}],` +
			`"bodySite":[{"coding":[{"system":"http://snomed.info/sct","code":"1"}]}],` + patient + `}`,
		`{"resourceType":"Appointment","status":"proposed","created":"2026-01-01","basedOn":[{"reference":"ServiceRequest/1"}]}`,
	} {
		out, err := set.Map(Input{Focus: resource(t, []byte(src)), Variables: world("fhir-")})
		var faults Faults
		require.ErrorAs(t, err, &faults, "%s", src)
		assert.Empty(t, out.Records)
		assert.True(t, faults.Has(RequiredMissing))
		assert.Contains(t, err.Error(), "the source has nothing to make a key of")
	}
}

func TestAnAppointmentWhoseReferralIsNotNamedIsHeld(t *testing.T) {
	src := `{"resourceType":"Appointment","id":"1","status":"proposed","created":"2026-01-01"}`
	_, err := starterTables(t).Map(Input{Focus: resource(t, []byte(src)), Variables: world("fhir-")})
	assert.ErrorContains(t, err, "ParentRecordId")
}

func TestAKeyWithAnEmptyPartIsRefused(t *testing.T) {
	set, err := Load(files("a.yaml", "object: A__c\nsource: ServiceRequest\nkey: {field: K__c, from: id}\nrows: [{field: F__c, default: x}]\n"), Options{})
	require.NoError(t, err)
	for key, good := range map[string]bool{
		"ers.sr.1": true, "1": true, "a-b_c.D": true, strings.Repeat("x", maxKey): true,
		"ers.sr.": false, "ers.sr. ": false, ".sr.1": false, "ers..1": false, ".": false, "": false, strings.Repeat("x", maxKey+1): false, "a/b": false,
	} {
		src := `{"resourceType":"ServiceRequest","id":"` + key + `"}`
		_, err := set.Map(Input{Focus: resource(t, []byte(src)), Variables: world("fhir-")})
		assert.Equal(t, good, err == nil, "%q: %v", key, err)
	}
}

// The far end decides what stands in a resource. Nothing of it may reach a message.
func TestFaultsHoldNothingAboutAPerson(t *testing.T) {
	const name, number, text = "Zebedee Quillfeather", "9990000050", "has a secret worry"
	markers := []string{"Zebedee", "Quillfeather", number, "secret worry", "999 000 0050"}
	set := starterTables(t)
	src := string(input(t, "fhir-everything").Focus.Raw())
	appointment := string(input(t, "fhir-appointment").Focus.Raw())
	var planted []string
	for _, marker := range []string{name, number, text, "999 000 0050", number + "x"} {
		for _, value := range quoted(src) {
			planted = append(planted, strings.ReplaceAll(src, value, `"`+marker+`"`))
		}
		for _, value := range quoted(appointment) {
			planted = append(planted, strings.ReplaceAll(appointment, value, `"`+marker+`"`))
		}
	}
	held := 0
	for _, p := range planted {
		in := input(t, "fhir-everything")
		focus, err := fhir.Parse([]byte(p))
		if err != nil {
			continue
		}
		in.Focus = focus
		_, err = set.Map(in)
		if err == nil {
			continue
		}
		held++
		for _, m := range markers {
			require.NotContains(t, err.Error(), m)
			for _, f := range faults(t, err) {
				require.NotContains(t, f.Source, m)
			}
		}
	}
	require.Greater(t, held, 50, "the planted values must hold something")
}

// quoted gives the string values of a document, each once.
func quoted(src string) []string {
	seen := map[string]bool{}
	var out []string
	for _, line := range strings.Split(src, "\n") {
		_, value, ok := strings.Cut(line, ": ")
		value = strings.TrimSuffix(strings.TrimSpace(value), ",")
		if ok && strings.HasPrefix(value, `"`) && !seen[value] {
			seen[value] = true
			out = append(out, value)
		}
	}
	return out
}
