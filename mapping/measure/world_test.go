package measure

import (
	"io/fs"
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

func options() mapping.Options {
	return mapping.Options{PatientKey: func(n fhir.NHSNumber) string { return "k" + n.Reveal()[8:] }}
}

func starterTables(t testing.TB) *mapping.Set {
	t.Helper()
	s, err := mapping.Load(mapping.Default(), options())
	require.NoError(t, err)
	return s
}

func tables(t testing.TB, files map[string]string) *mapping.Set {
	t.Helper()
	dir := fstest.MapFS{}
	for name, text := range files {
		dir[name] = &fstest.MapFile{Data: []byte(text)}
	}
	s, err := mapping.Load(dir, options())
	require.NoError(t, err)
	return s
}

// edited gives the starter tables with one text in place of another in one file.
func edited(t testing.TB, file, from, to string) *mapping.Set {
	t.Helper()
	dir := fstest.MapFS{}
	names, err := fs.Glob(mapping.Default(), "*.yaml")
	require.NoError(t, err)
	for _, name := range names {
		src, err := fs.ReadFile(mapping.Default(), name)
		require.NoError(t, err)
		if name == file {
			require.Contains(t, string(src), from)
			src = []byte(strings.Replace(string(src), from, to, 1))
		}
		dir[name] = &fstest.MapFile{Data: src}
	}
	s, err := mapping.Load(dir, options())
	require.NoError(t, err)
	return s
}

func sample(t testing.TB, focus string, related ...string) mapping.Sample {
	t.Helper()
	in := mapping.Sample{Bundle: fhir.Bundle{Focus: []fhir.Resource{resource(t, []byte(focus))}},
		Variables: map[string]string{"source": "ers"}, Now: time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)}
	for _, r := range related {
		in.Related = append(in.Related, resource(t, []byte(r)))
	}
	return in
}

// golden reads a golden input of package mapping: its first entry is the focus, the others are related. The name of the file chooses
// the world.
func golden(t testing.TB, name string) mapping.Sample {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "testdata", "golden", name+".json"))
	require.NoError(t, err)
	var in mapping.Sample
	for e := range resource(t, src).Root().Get("entry").Items() {
		r, err := fhir.ResourceAt(e.Get("resource"))
		require.NoError(t, err)
		in.Related = append(in.Related, r)
	}
	require.NotEmpty(t, in.Related)
	in.Focus, in.Related = in.Related[:1], in.Related[1:]
	in.Variables = world(name)
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

// plantedSamples are golden inputs with a marker in place of every value, one after the other.
func plantedSamples(t *testing.T) []mapping.Sample {
	t.Helper()
	var out []mapping.Sample
	for _, name := range []string{"fhir-everything", "fhir-appointment", "ers-returned-with-advice"} {
		in := golden(t, name)
		src := string(in.Focus[0].Raw())
		for _, value := range quoted(src) {
			for _, marker := range []string{"Zebedee Quillfeather", "9434765919", "https://x.example/9434765919"} {
				r, err := fhir.Parse([]byte(strings.ReplaceAll(src, value, `"`+marker+`"`)))
				if err != nil {
					continue
				}
				s := in
				s.Focus, s.Sent = []fhir.Resource{r}, r
				out = append(out, s)
			}
		}
	}
	require.Greater(t, len(out), 200)
	return out
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
