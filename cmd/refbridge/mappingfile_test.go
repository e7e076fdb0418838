package main

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir/ndjson"
)

// readers are the commands that read a file of records, with standard input for the file.
func readers(tables string) map[string][]string {
	return map[string][]string{
		"plan":     {"plan", "--from", "-"},
		"coverage": {"mapping", "coverage", "--in", "-"},
		"impact":   {"mapping", "impact", "--base", tables, "--in", "-"},
		"case add": {"mapping", "case", "add", "--name", "a referral", "--tables", tables, "--from", "-"},
		"run":      {"mapping", "run", "--in", "-"},
	}
}

func TestAFileThatCannotBeReadIsRefusedByAllInTheSameWords(t *testing.T) {
	for in, want := range map[string]string{
		"\x1f\x8b\x08\x00": "refbridge: error: read standard input: this is gzip\n" +
			"refbridge: hint: unpack it first: gunzip -c FILE | refbridge …, with - as the file\n",
		"{\n" + strings.Repeat(" \n", ndjson.MaxDocument/2+1): "refbridge: error: read standard input: a document of more than 64 MiB\n" +
			"refbridge: hint: write a record a line (NDJSON), for example with jq -c\n",
	} {
		for name, args := range readers(tablesDir(t)) {
			code, out, errOut := ran(t, in, args...)
			assert.Equal(t, exitError, code, name)
			assert.Empty(t, out, name)
			assert.Contains(t, errOut, want, name)
		}
	}
}

func TestARecordThatCannotBeReadHasTheSameReasonWithAll(t *testing.T) {
	good := strings.TrimSpace(oneRequest)
	for in, want := range map[string]string{
		good + "\n" + strings.Repeat("x", ndjson.MaxLine+1) + "\n": "a line of more than 16 MiB",
		good + "\n<html>\n": "an HTML page or XML, not FHIR JSON",
		good + "\n{\n":      "not valid JSON: expected a member name at byte 1",
	} {
		for name, args := range readers(tablesDir(t)) {
			code, out, errOut := ran(t, in, args...)
			assert.Contains(t, []int{exitError, exitRecordsFailed}, code, name)
			assert.Contains(t, strings.Join(strings.Fields(out+errOut), " "), want, name)
		}
	}
}

func TestMappingRunLeavesItsFilesAsTheyWereWhereItCannotBegin(t *testing.T) {
	dir := t.TempDir()
	path := func(name string) string { return filepath.Join(dir, name) }
	require.NoError(t, os.WriteFile(path("packed"), []byte("\x1f\x8b\x08\x00"), 0o600))
	require.NoError(t, os.WriteFile(path("in"), []byte(oneRequest), 0o600))
	require.NoError(t, os.WriteFile(path("old"), []byte("of yesterday"), 0o600))
	for _, flags := range [][]string{
		{"--in", path("packed"), "--out", path("old"), "--errors", path("new")},
		{"--in", path("packed"), "--out", path("new"), "--errors", path("old")},
		{"--in", path("in"), "--out", path("new"), "--errors", path("none/errors")},
	} {
		code, _, errOut := ran(t, "", append([]string{"mapping", "run"}, flags...)...)
		assert.Equal(t, exitError, code, errOut)
		kept, err := os.ReadFile(path("old"))
		require.NoError(t, err)
		assert.Equal(t, "of yesterday", string(kept))
		assert.NoFileExists(t, path("new"))
	}
}
