package mapping

import (
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

var update = flag.Bool("update", false, "write what the tables give now into testdata/golden")

// testKey stands for the keyed hash of an NHS number: the tests see that it is used, and that the number is not.
func testKey(n fhir.NHSNumber) string { return "k" + n.Reveal()[8:] }

func starterTables(t testing.TB) *Set {
	t.Helper()
	s, err := Load(Default(), Options{PatientKey: testKey})
	require.NoError(t, err)
	return s
}

// input reads a bundle: its first entry is the focus, the others are related. The name of the file chooses the world.
func input(t testing.TB, name string) Input {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("testdata", "golden", name+".json"))
	require.NoError(t, err)
	bundle := resource(t, src)
	in := Input{Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC), Variables: world(name)}
	for e := range bundle.Root().Get("entry").Items() {
		one, err := fhir.ResourceAt(e.Get("resource"))
		require.NoError(t, err)
		in.Related = append(in.Related, one)
	}
	require.NotEmpty(t, in.Related)
	in.Focus, in.Related = in.Related[0], in.Related[1:]
	return in
}

func resource(t testing.TB, src []byte) fhir.Resource {
	t.Helper()
	r, err := fhir.Parse(src)
	require.NoError(t, err)
	return r
}

func world(name string) map[string]string {
	v := map[string]string{"source": "ers", "run": "live", "patientMode": "link", "system": "https://fhir.nhs.uk/Id/UBRN"}
	if strings.HasPrefix(name, "fhir-") {
		v["source"], v["system"] = "epr", "https://epr.example.nhs.uk/fhir"
	}
	if strings.HasPrefix(name, "fhir-create-") {
		v["patientMode"] = "create"
	}
	return v
}

// ersReferral is a referral of e-RS as R4, with a state, a reason and a FHIR status.
func ersReferral(t *testing.T, state, reason, status string) Input {
	t.Helper()
	in := input(t, "ers-returned-with-advice")
	src := strings.NewReplacer("TRIAGED_PROVIDER_TO_ACTION", state, "RETURN_TO_REFERRER_WITH_ADVICE", reason,
		`"status": "active"`, `"status": "`+status+`"`).Replace(string(in.Focus.Raw()))
	in.Focus = resource(t, []byte(src))
	return in
}

func mapped(t *testing.T, out Output, object string) Mapped {
	t.Helper()
	for _, m := range out.Records {
		if m.Record.Object == object {
			return m
		}
	}
	require.Fail(t, "there is no "+object)
	return Mapped{}
}

func reveal(t *testing.T, r sobject.Record, field string) string {
	t.Helper()
	v, ok := r.Get(field)
	require.True(t, ok, "%s is not written", field)
	return v.Reveal()
}

func faults(t *testing.T, err error) Faults {
	t.Helper()
	var f Faults
	require.ErrorAs(t, err, &f)
	return f
}

func golden(t *testing.T, path, got string) {
	t.Helper()
	if *update {
		writeFile(t, path, got)
	}
	assert.Equal(t, readFile(t, path), got)
}

func writeFile(t *testing.T, path, text string) {
	t.Helper()
	require.NoError(t, os.WriteFile(path, []byte(text), 0o644))
}

func readFile(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	require.NoError(t, err)
	return string(b)
}
