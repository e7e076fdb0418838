package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/report"
	"refbridge/fhir/fhirsim"
	"refbridge/mapping"
	"refbridge/mapping/measure"
)

// liveOf returns what the statement raises of a source.
func liveOf(s report.Statement, source string) report.Live {
	for _, l := range s.Live {
		if l.Source == source {
			return l
		}
	}
	return report.Live{}
}

// sending edits the referrals that e-RS answers with; each is a new version.
func sending(edit func(referral map[string]any)) func(string) string {
	return func(right string) string {
		var r map[string]any
		if err := json.Unmarshal([]byte(right), &r); err != nil || r["resourceType"] != "ReferralRequest" {
			return right
		}
		r["meta"].(map[string]any)["versionId"] = "99"
		edit(r)
		edited, err := json.Marshal(r)
		if err != nil {
			return right
		}
		return string(edited)
	}
}

func TestTheStatementRaisesWhatIsNewInLiveData(t *testing.T) {
	t.Parallel()
	// Before: e-RS has six referrals, all of them synced under tables of the trust's own. The statement raises nothing.
	off := &atomic.Bool{}
	w := newWorld(t, setting{referrals: 6, spoil: spoil{on: off, path: "/ReferralRequest/", edit: sending(func(r map[string]any) {
		r["newElement"] = "Zebedee Quillfeather"
		extension := func(url string, value any) any { return map[string]any{"url": url, "valueCoding": value} }
		r["extension"] = append(r["extension"].([]any), extension("https://example.org/colour", map[string]any{"system": "https://example.org/colours", "code": "MAUVE"}))
	})}})
	tables := filepath.Join(w.dir, "tables")
	require.NoError(t, os.CopyFS(tables, mapping.Default()))
	cfg, err := os.ReadFile(filepath.Join(w.dir, "refbridge.yaml"))
	require.NoError(t, err)
	w.write("refbridge.yaml", string(cfg)+"\ntables: tables\n")
	w.run(exitDone, "sync")
	before := liveOf(w.statement(), "ers")
	require.Equal(t, report.Live{Source: "ers", Bodies: 6, Since: before.Since, Paths: []measure.LivePath{}, Codes: []measure.LiveCode{}}, before)
	assert.NotContains(t, w.run(exitDone, "statement").out, "New in live data")

	// e-RS begins to send an extension and an element that it never sent. The sync goes on as before, and the statement raises them.
	off.Store(true)
	w.run(exitDone, "sync")
	after := liveOf(w.statement(), "ers")
	assert.Equal(t, 12, after.Bodies)
	require.Len(t, after.Paths, 3)
	for i, path := range []string{"ReferralRequest.newElement", "ServiceRequest.extension('https://example.org/colour').valueCoding.code",
		"ServiceRequest.extension('https://example.org/colour').valueCoding.system"} {
		assert.Equal(t, path, after.Paths[i].Path)
		assert.Equal(t, 6, after.Paths[i].Records, "records, not versions")
		assert.True(t, after.Paths[i].Since.After(after.Since), "since the second sync")
		assert.False(t, after.Paths[i].Standing)
	}
	assert.Empty(t, after.Codes)
	text := w.run(exitDone, "statement").out
	assert.Regexp(t, `(?m)^New in live data of ers, and no table accounts for it$`, text)
	assert.Regexp(t, `(?m)^ +6  ReferralRequest\.newElement\n +since .*, in none of the 6 seen before\n +! refbridge does not take it over`, text)
	assert.NotContains(t, text, "Quillfeather")

	// A row takes the extension, and its value table does not list the code: now the code is news, though nothing is held for it.
	rewrite(t, filepath.Join(tables, "service-request.yaml"), "rows:\n", `rows:
  - {field: SourceChannel, from: "extension.where(url = 'https://example.org/colour').value", values: colours, purpose: The colour of the referral.}
`)
	rewrite(t, filepath.Join(tables, "values.yaml"), "values:\n", `values:
  colours:
    unlisted: none
    codes: [{system: https://example.org/colours, code: RED, to: Red}]
`)
	after = liveOf(w.statement(), "ers")
	require.Len(t, after.Paths, 1)
	require.Len(t, after.Codes, 1)
	assert.Equal(t, "MAUVE none 6", fmt.Sprint(after.Codes[0].Code, " ", after.Codes[0].Unlisted, " ", after.Codes[0].Records))
	assert.Contains(t, w.run(exitDone, "statement").out, "     6  code MAUVE of https://example.org/colours\n")

	// The table lists it: the statement is silent about everything that a table can account for.
	rewrite(t, filepath.Join(tables, "values.yaml"), "code: RED, to: Red}", "code: RED, to: Red}, {system: https://example.org/colours, code: MAUVE, to: Mauve}")
	after = liveOf(w.statement(), "ers")
	require.Len(t, after.Paths, 1)
	assert.Empty(t, after.Codes)
	assert.Equal(t, "ReferralRequest.newElement", after.Paths[0].Path)
	assert.True(t, after.Paths[0].Lost)
}

func TestWhatASourceSentFromTheStartIsNoNews(t *testing.T) {
	t.Parallel()
	// Before: a FHIR server whose requests have an extension that the starter tables say nothing about, and one unknown code.
	w := newWorld(t, setting{ward: 10, spoil: spoil{on: on(), path: "/ServiceRequest", edit: func(right string) string {
		return strings.ReplaceAll(right, `"intent":`, `"extension":[{"url":"https://example.org/colour","valueCode":"mauve"}],"intent":`)
	}}})
	w.run(exitDone, "sync")
	ward := liveOf(w.statement(), "ward")
	require.Len(t, ward.Paths, 1)
	for _, p := range ward.Paths {
		assert.True(t, p.Standing, p.Path)
	}
	text := w.run(exitDone, "statement").out
	assert.Contains(t, strings.Join(strings.Fields(text), " "), "Also in the oldest of them, or too rare to tell since when, "+
		"and no table accounts for it: 1 path and 1 code.")
	assert.NotContains(t, text, "New in live data")
	assert.NotContains(t, text, "example.org/colour")
}

func TestTheStarterTablesAccountForWhatAPlainServerSends(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{ward: 10})
	w.run(exitDone, "sync")
	w.fhir.Evolve(fhirsim.Changes{StatusChanges: 3, Moves: 3, Cancellations: 2})
	w.run(exitDone, "sync")
	ward := liveOf(w.statement(), "ward")
	assert.Greater(t, ward.Bodies, 10)
	assert.Empty(t, ward.Paths, "map it, or say in the starter tables why not")
}

func TestFinding_values_O20_WhatERSBeginsToSendIsRaisedByTheStatement(t *testing.T) {
	t.Parallel()
	// Before: six referrals are synced, and the statement raises nothing.
	on := &atomic.Bool{}
	w := newWorld(t, setting{referrals: 6, spoil: spoil{on: on, path: "/ReferralRequest/", edit: sending(func(r map[string]any) {
		coded := map[string]any{"coding": []any{map[string]any{"code": "MAUVE"}}}
		r["note"] = []any{map[string]any{"text": "Zebedee Quillfeather"}}
		r["priority"], r["description"] = "urgent", "Zebedee Quillfeather"
		r["reasonCode"], r["type"] = []any{coded}, coded
		r["requester"] = map[string]any{"agent": map[string]any{"display": "Zebedee Quillfeather"}}
		r["recipient"] = []any{map[string]any{"display": "Zebedee Quillfeather"}}
	})}})
	w.run(exitDone, "sync")
	require.Empty(t, liveOf(w.statement(), "ers").Paths)

	// e-RS begins to send elements of STU3 that it never sent. Each of them is raised, and nothing that they say is shown.
	on.Store(true)
	w.run(exitDone, "sync")
	raised := map[string]bool{}
	for _, p := range liveOf(w.statement(), "ers").Paths {
		assert.True(t, p.Lost && !p.Standing, p.Path)
		raised[p.Path] = true
	}
	text := w.run(exitDone, "statement").out
	for _, path := range []string{"note[].text", "priority", "description", "reasonCode[].coding[].code", "type.coding[].code", "requester.agent.display", "recipient[].display"} {
		assert.True(t, raised["ReferralRequest."+path], path)
		assert.Contains(t, text, "ReferralRequest."+path+"\n")
	}
	assert.NotContains(t, text, "Quillfeather")
}
