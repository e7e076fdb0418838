package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

const plainRequest = `{"resourceType":"ServiceRequest","id":"%","status":"active","intent":"order","subject":{"identifier":` +
	`{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}}}`

func plainRequests(ids ...string) string {
	var lines []string
	for _, id := range ids {
		lines = append(lines, strings.Replace(plainRequest, "%", id, 1))
	}
	return strings.Join(lines, "\n") + "\n"
}

func TestMappingRunRefusesOneFileForTwoThingsAndTouchesNone(t *testing.T) {
	dir := t.TempDir()
	in := filepath.Join(dir, "in.ndjson")
	require.NoError(t, os.WriteFile(in, []byte(plainRequests("a", "b")), 0o600))
	other := filepath.Join(t.TempDir(), "link")
	require.NoError(t, os.Symlink(dir, other))
	for _, flags := range [][]string{
		{"--in", in, "--out", filepath.Join(dir, "out"), "--errors", in},
		{"--in", in, "--out", in},
		{"--in", in, "--out", filepath.Join(dir, "x"), "--errors", filepath.Join(dir, ".", "x")},
		{"--in", "-", "--out", filepath.Join(dir, "x"), "--errors", filepath.Join(dir, "x")},
		{"--in", in, "--out", filepath.Join(dir, "x"), "--errors", filepath.Join(other, "x")},
		{"--in", in, "--out", "x.ndjson", "--errors", absolute("x.ndjson")},
		{"--in", in, "--out", filepath.Join(other, "in.ndjson")},
		{"--in", in, "--errors", "-"},
	} {
		r := refbridge(t, append([]string{"mapping", "run", "--tables", "../../mapping/tables"}, flags...)...)
		assert.Equal(t, exitUsage, r.code, "%v: %s", flags, r.err)
		kept, err := os.ReadFile(in)
		require.NoError(t, err)
		assert.Equal(t, plainRequests("a", "b"), string(kept))
		assert.NoFileExists(t, filepath.Join(dir, "x"))
	}
}

func TestMappingRunRefusesToWriteOverItsRedirectedInput(t *testing.T) {
	name := filepath.Join(t.TempDir(), "in.ndjson")
	require.NoError(t, os.WriteFile(name, []byte(plainRequests("a")), 0o600))
	in, err := os.Open(name)
	require.NoError(t, err)
	defer in.Close()
	for _, flag := range []string{"--out", "--errors"} {
		var out, errOut bytes.Buffer
		code := run([]string{"mapping", "run", "--tables", "../../mapping/tables", flag, name}, in, &out, &errOut)
		assert.Equal(t, exitUsage, code)
		assert.Contains(t, errOut.String(), "--in and "+flag+" are the same file")
	}
	kept, err := os.ReadFile(name)
	require.NoError(t, err)
	assert.Equal(t, plainRequests("a"), string(kept))
}

func TestMappingRunEmptiesNothingBeforeAllFilesAreOpen(t *testing.T) {
	dir := t.TempDir()
	in, out := filepath.Join(dir, "in.ndjson"), filepath.Join(dir, "out.ndjson")
	require.NoError(t, os.WriteFile(in, []byte(plainRequests("a")), 0o600))
	require.NoError(t, os.WriteFile(out, []byte("of yesterday"), 0o600))
	for _, flags := range [][]string{{"--in", in, "--errors", filepath.Join(dir, "none", "errors")}, {"--in", t.TempDir()}} {
		r := refbridge(t, append([]string{"mapping", "run", "--tables", "../../mapping/tables", "--out", out}, flags...)...)
		assert.Equal(t, exitError, r.code, r.err)
		kept, err := os.ReadFile(out)
		require.NoError(t, err)
		assert.Equal(t, "of yesterday", string(kept))
	}
	r := refbridge(t, "mapping", "run", "--tables", "../../mapping/tables", "--in", in, "--out", out)
	assert.Equal(t, exitDone, r.code, r.err)
	written, err := os.ReadFile(out)
	require.NoError(t, err)
	assert.NotContains(t, string(written), "of yesterday")
}

func TestMappingRunMayThrowAwayBothOfItsOutputs(t *testing.T) {
	in := filepath.Join(t.TempDir(), "in.ndjson")
	require.NoError(t, os.WriteFile(in, []byte(plainRequests("a")), 0o600))
	r := refbridge(t, "mapping", "run", "--tables", "../../mapping/tables", "--in", in, "--out", os.DevNull, "--errors", os.DevNull)
	assert.Equal(t, exitDone, r.code, r.err)
}

func TestMappingRunKeepsTheOrderTellsOfEveryBadLineAndEndsWithThree(t *testing.T) {
	dir := t.TempDir()
	in, out, faults := filepath.Join(dir, "in.ndjson"), filepath.Join(dir, "out.ndjson"), filepath.Join(dir, "errors.ndjson")
	text := plainRequests("a", "b") + "{broken Humperdinck\n" + strings.Replace(plainRequests("c"), "active", "humperdinck 9990000018", 1) + plainRequests("d")
	require.NoError(t, os.WriteFile(in, []byte(text), 0o600))
	r := refbridge(t, "mapping", "run", "--tables", "../../mapping/tables", "--in", in, "--out", out, "--errors", faults, "--workers", "2")
	assert.Equal(t, 3, r.code, r.err)
	got, err := os.ReadFile(out)
	require.NoError(t, err)
	var last int
	for _, id := range []string{".sr.a", ".sr.b", ".sr.d"} {
		at := strings.Index(string(got), id)
		require.Greater(t, at, last)
		last = at
	}
	said, err := os.ReadFile(faults)
	require.NoError(t, err)
	assert.Contains(t, string(said), `"line":3`)
	assert.Contains(t, string(said), `"line":4`)
	for _, text := range []string{string(said), r.err, r.out} {
		assert.NotContains(t, strings.ToLower(text), "humperdinck")
		assert.NotContains(t, text, "9990000018")
	}
}

// Two lines, or two files of a folder, may be of two servers: one record's key would be that of the other.
func TestFinding_inputs_B1_RecordsOfTwoServersInAFolderAreHeld(t *testing.T) {
	bundle := func(base string) string {
		return `{"resourceType":"Bundle","type":"collection","entry":[{"fullUrl":"` + base + `/ServiceRequest/a","resource":` +
			strings.TrimSpace(plainRequests("a")) + "}]}\n"
	}
	for name, c := range map[string]struct {
		files []string
		bad   int
	}{
		"two lines":      {[]string{bundle("https://a.example/r4") + bundle("https://b.example/r4")}, 2},
		"two files":      {[]string{bundle("https://a.example/r4"), bundle("https://b.example/r4")}, 2},
		"one server":     {[]string{bundle("https://a.example/r4"), bundle("http://A.example/r4")}, 0},
		"a line without": {[]string{bundle("https://a.example/r4") + plainRequests("a")}, 0},
	} {
		dir, bad := t.TempDir(), filepath.Join(t.TempDir(), "bad.json")
		for i, text := range c.files {
			require.NoError(t, os.WriteFile(filepath.Join(dir, string(rune('a'+i))+".ndjson"), []byte(text), 0o600))
		}
		r := refbridge(t, "mapping", "run", "--tables", "../../mapping/tables", "--in", dir, "--errors", bad)
		told, err := os.ReadFile(bad)
		require.NoError(t, err)
		assert.Equal(t, c.bad, strings.Count(string(told), `"two-servers"`), "%s: %s", name, told)
		assert.Equal(t, c.bad == 0, r.code == 0, "%s: %s", name, r.err)
		assert.Equal(t, c.bad > 0, r.out == "", name)
	}
}
