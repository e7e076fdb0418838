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

func TestMappingShowWritesAPageOfTheBuiltInTables(t *testing.T) {
	code, out, errOut := ran(t, "", "mapping", "show")
	require.Equal(t, exitDone, code, errOut)
	assert.True(t, strings.HasPrefix(out, "<!DOCTYPE html>"))
	assert.Contains(t, out, "SourceSystemIdentifier")
	assert.NotContains(t, out, "no example", "each row of the starter tables has an example")

	code, out, errOut = ran(t, "", "mapping", "show", "--markdown")
	require.Equal(t, exitDone, code, errOut)
	assert.True(t, strings.HasPrefix(out, "# Mapping tables for review"))
}

func TestMappingShowWritesAFileOrNothing(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "mapping.html")
	code, out, errOut := ran(t, "", "mapping", "show", "--out", file)
	require.Equal(t, exitDone, code, errOut)
	assert.Empty(t, out)
	assert.True(t, strings.HasSuffix(errOut, "\nmapping.html written\n"), errOut)
	have, err := os.ReadFile(file)
	require.NoError(t, err)
	assert.Contains(t, string(have), "</html>")
	left, err := os.ReadDir(dir)
	require.NoError(t, err)
	assert.Len(t, left, 1, "no half-written file stays")

	code, _, errOut = ran(t, "", "mapping", "show", "--out", filepath.Join(dir, "none", "mapping.html"))
	assert.Equal(t, exitError, code)
	assert.Contains(t, errOut, "refbridge: error: ")
}

func TestMappingShowTellsEveryFaultOfTheTables(t *testing.T) {
	dir := t.TempDir()
	table := "object: X\nsource: ServiceRequest\nkey: {field: K, from: idd}\nrows:\n  - {field: A, from: statsu}\n"
	require.NoError(t, os.WriteFile(filepath.Join(dir, "x.yaml"), []byte(table), 0o644))
	code, out, errOut := ran(t, "", "mapping", "show", "--tables", dir)
	assert.Equal(t, exitError, code)
	assert.Empty(t, out)
	assert.GreaterOrEqual(t, strings.Count(errOut, "refbridge: error: x.yaml:"), 2, errOut)
	assert.Contains(t, errOut, "refbridge: hint: did you mean status?")
}

func TestMappingShowSaysFirstWhatChangedAgainstOtherTables(t *testing.T) {
	dir := t.TempDir()
	code, _, errOut := ran(t, "", "init", dir)
	require.Equal(t, exitDone, code, errOut)
	base := filepath.Join(dir, "before")
	require.NoError(t, os.CopyFS(base, os.DirFS(filepath.Join(dir, "tables"))))
	values := filepath.Join(dir, "tables", "values.yaml")
	src, err := os.ReadFile(values)
	require.NoError(t, err)
	src = bytes.Replace(src, []byte("{code: TWO_WEEK_WAIT, to: ASAP, purpose: urgent suspected cancer}"), []byte("{code: TWO_WEEK_WAIT, to: Urgent}"), 1)
	require.NoError(t, os.WriteFile(values, src, 0o644))

	code, out, errOut := ran(t, "", "mapping", "show", "--tables", filepath.Dir(values), "--base", base, "--markdown")
	require.Equal(t, exitDone, code, errOut)
	assert.Less(t, strings.Index(out, "## What changed"), strings.Index(out, "## How to read this"))
	assert.Contains(t, out, "| **TWO_WEEK_WAIT** **changed**<br>code of ers-priority · values.yaml:61 | Becomes: ASAP<br>Note: urgent suspected cancer | Becomes: Urgent |")
	assert.Contains(t, out, "| Example: TWO_WEEK_WAIT becomes ASAP | Example: TWO_WEEK_WAIT becomes Urgent |")

	require.NoError(t, os.WriteFile(filepath.Join(base, "values.yaml"), []byte("values: 1\n"), 0o644))
	code, _, errOut = ran(t, "", "mapping", "show", "--tables", filepath.Dir(values), "--base", base)
	assert.Equal(t, exitError, code)
	assert.Contains(t, errOut, filepath.Join(base, "values.yaml"), "the fault is one of the base")
}

func TestInitWritesTablesThatTheCommandsTake(t *testing.T) {
	dir := t.TempDir()
	code, _, errOut := ran(t, "", "init", dir)
	require.Equal(t, exitDone, code, errOut)
	for _, name := range []string{"refbridge.yaml", "tables/service-request.yaml", "tables/schema.json", "tables/cases/ers-referral.yaml"} {
		assert.FileExists(t, filepath.Join(dir, name))
	}
	code, _, errOut = ran(t, "", "mapping", "lint", "--strict", "--tables", filepath.Join(dir, "tables"))
	assert.Equal(t, exitDone, code, errOut)
	code, _, errOut = ran(t, "", "init", dir)
	assert.Equal(t, exitError, code)
	assert.Contains(t, errOut, "is there already")
}

func TestEveryMappingCommandEndsItsHelpInAnExampleAndExitCodes(t *testing.T) {
	_, overview, _ := ran(t, "", "mapping", "--help")
	for _, name := range []string{"lint", "test", "case add", "coverage", "impact", "run", "show"} {
		assert.Contains(t, overview, "mapping "+name)
		code, out, _ := ran(t, "", append(append([]string{"mapping"}, strings.Fields(name)...), "--help")...)
		assert.Equal(t, exitDone, code)
		assert.Contains(t, out, "Example: refbridge mapping "+name, name)
		assert.Contains(t, out, "Exit codes: 0 ", name)
	}
}
