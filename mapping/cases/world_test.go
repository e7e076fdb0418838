package cases

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"time"

	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/mapping"
)

func starterTables(t testing.TB) *mapping.Set {
	t.Helper()
	s, err := mapping.Load(mapping.Default(), mapping.Options{PatientKey: func(n fhir.NHSNumber) string { return "k" + n.Reveal()[8:] }})
	require.NoError(t, err)
	return s
}

func tables(t testing.TB, files map[string]string) *mapping.Set {
	t.Helper()
	dir := fstest.MapFS{}
	for name, text := range files {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	s, err := mapping.Load(dir, mapping.Options{})
	require.NoError(t, err)
	return s
}

func resource(t testing.TB, src []byte) fhir.Resource {
	t.Helper()
	r, err := fhir.Parse(src)
	require.NoError(t, err)
	return r
}

// golden reads a bundle of ../testdata/golden: its first entry is what is mapped. The name of the file chooses the source.
func golden(t testing.TB, name string) mapping.Sample {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "testdata", "golden", name+".json"))
	require.NoError(t, err)
	in := mapping.Sample{Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC),
		Variables: map[string]string{"source": "ers", "run": "live", "patientMode": "link", "system": fhir.SystemUBRN}}
	if strings.HasPrefix(name, "fhir-") {
		in.Variables["source"], in.Variables["system"] = "epr", "https://epr.example.nhs.uk/fhir"
	}
	if strings.HasPrefix(name, "fhir-create-") {
		in.Variables["patientMode"] = "create"
	}
	for e := range resource(t, src).Root().Get("entry").Items() {
		r, err := fhir.ResourceAt(e.Get("resource"))
		require.NoError(t, err)
		in.Related = append(in.Related, r)
	}
	require.NotEmpty(t, in.Related)
	in.Focus, in.Related = in.Related[:1], in.Related[1:]
	return in
}

// sample is a record of e-RS that is one resource.
func sample(t testing.TB, focus string) mapping.Sample {
	t.Helper()
	return mapping.Sample{Bundle: fhir.Bundle{Focus: []fhir.Resource{resource(t, []byte(focus))}},
		Variables: map[string]string{"source": "ers"}, Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
}

// quoted gives the string values of a document, each once.
func quoted(src string) []string {
	seen := map[string]bool{}
	var out []string
	for line := range strings.Lines(src) {
		_, value, ok := strings.Cut(line, ": ")
		value = strings.TrimSuffix(strings.TrimSpace(value), ",")
		if ok && strings.HasPrefix(value, `"`) && !seen[value] {
			seen[value] = true
			out = append(out, value)
		}
	}
	return out
}
