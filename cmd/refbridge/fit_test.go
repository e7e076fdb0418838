package main

import (
	"encoding/json"
	"io"
	"io/fs"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTablesThatDoNotFitTheOrgNeverRunAndLoseNothing(t *testing.T) {
	t.Parallel()
	// Before: tables of the trust's own, with a field that the org does not have.
	w := newWorld(t, setting{referrals: 5, ward: 2})
	require.Zero(t, refbridge(t, "init", filepath.Join(w.dir, "own")).code)
	right := w.read("own/tables/service-request.yaml")
	w.write("refbridge.yaml", w.read("refbridge.yaml")+"\ntables: own/tables\n")
	w.write("own/tables/service-request.yaml", strings.Replace(right, "  - field: PatientInstruction", "  - field: PatientInstructions", 1))

	// Sync polls, writes nothing, and says where the fault is. A dry run says the same.
	r := w.run(exitError, "sync")
	assert.Contains(t, r.err, "service-request.yaml:")
	assert.Contains(t, r.err, "ClinicalServiceRequest has no field PatientInstructions")
	assert.Contains(t, r.err, "what was polled is kept, and nothing was written")
	assert.NotContains(t, r.err, "field-not-visible", "one cause is told once")
	assert.Empty(t, w.org.Rows("ClinicalServiceRequest"))
	assert.Contains(t, w.run(exitError, "plan").err, "PatientInstructions")
	before := w.statement()
	require.Equal(t, 9, before.Observed, "five referrals, two of the ward with an appointment each")
	assert.Equal(t, 9, before.Pending, "every record keeps its place")

	// Put right, all of it goes through.
	w.write("own/tables/service-request.yaml", right)
	w.run(exitDone, "sync")
	after := w.statement()
	assert.Zero(t, after.Pending)
	assert.Equal(t, 9, after.Applied+after.Superseded)
}

// describing stands before the org and edits what describe says of an object.
type describing struct {
	org   http.Handler
	edit  func(object string, field map[string]any)
	asked map[string]int
}

func (d *describing) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	object, isDescribe := strings.CutSuffix(r.URL.Path, "/describe")
	if !isDescribe {
		d.org.ServeHTTP(w, r)
		return
	}
	object = object[strings.LastIndexByte(object, '/')+1:]
	d.asked[object]++
	answer := httptest.NewRecorder()
	d.org.ServeHTTP(answer, r)
	var says map[string]any
	_ = json.Unmarshal(answer.Body.Bytes(), &says)
	fields, _ := says["fields"].([]any)
	for _, f := range fields {
		d.edit(object, f.(map[string]any))
	}
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(answer.Code)
	_ = json.NewEncoder(w).Encode(says)
}

// behind puts something between refbridge and the org of a world, whose only source is e-RS in mode link.
func (w *world) behind(edit func(object string, field map[string]any)) *describing {
	w.t.Helper()
	d := &describing{org: w.org, edit: edit, asked: map[string]int{}}
	text := regexp.MustCompile(`login_url: "[^"]*"`).ReplaceAllString(w.read("refbridge.yaml"), `login_url: "`+serving(w.t, d)+`"`)
	w.write("refbridge.yaml", regexp.MustCompile(`(?m)^  - \{name: ward.*\n`).ReplaceAllString(text, ""))
	return d
}

func TestAnOrgThatOnlyLinksPatientsNeedsNoWritableAccount(t *testing.T) {
	t.Parallel()
	// Before: the integration user may read Accounts and their identifiers, and no more.
	w := newWorld(t, setting{referrals: 4})
	w.behind(func(object string, f map[string]any) {
		if object == "Account" {
			f["createable"], f["updateable"] = false, false
		}
	})
	w.run(exitDone, "sync")
	assert.Equal(t, 4, len(w.org.Rows("ClinicalServiceRequest")))
}

func TestARequiredFieldThatAutomationMayFillStopsNoTable(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{referrals: 4})
	w.behind(func(object string, f map[string]any) {
		if object == "ClinicalServiceRequest" && f["name"] == "ReferralScore" {
			f["nillable"], f["defaultedOnCreate"] = false, false
		}
	})
	w.run(exitDone, "sync")
	assert.Equal(t, 4, len(w.org.Rows("ClinicalServiceRequest")))
}

func TestAFieldThatMayNotBeWrittenStopsTheTablesBeforeAnythingIsWritten(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{referrals: 4})
	granted := false
	w.behind(func(object string, f map[string]any) {
		if object == "ClinicalServiceRequest" && f["name"] == "PatientInstruction" {
			f["createable"], f["updateable"] = granted, granted
		}
	})
	r := w.run(exitError, "sync")
	assert.Regexp(t, `the tables do not fit this org: service-request\.yaml:\d+:\d+: .*PatientInstruction`, r.err)
	assert.Empty(t, w.org.Rows("ClinicalServiceRequest"))
	granted = true
	w.run(exitDone, "sync")
	assert.Equal(t, 4, len(w.org.Rows("ClinicalServiceRequest")))
}

func TestTablesThatSomebodyIsEditingStayJudgedAsTheyRun(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{referrals: 1})
	require.Zero(t, refbridge(t, "init", filepath.Join(w.dir, "own")).code)
	const name = "own/tables/service-request.yaml"
	right := w.read(name)
	w.write("refbridge.yaml", w.read("refbridge.yaml")+"\ntables: own/tables\n")
	p := &program{out: io.Discard, err: io.Discard, now: time.Now, config: filepath.Join(w.dir, "refbridge.yaml")}
	a, err := p.open(t.Context(), writing)
	require.NoError(t, err)
	defer a.close()
	fit := a.flows[0].Fit

	w.write(name, right+"\n# half a sen")
	judged := func() error { _, err := fit(t.Context()); return err }
	require.ErrorContains(t, judged(), "before they were checked against the org", "nobody has judged what runs")
	w.write(name, right)
	require.NoError(t, judged())
	w.write(name, "object: [")
	require.NoError(t, judged(), "what runs was right, and still runs")
}

// Why tables that run cannot be checked: a row a case.
func TestFinding_doubt_C14_WhatKeepsTablesFromBeingCheckedIsNamed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		name       string
		read       error
		says, hint string
		denies     string
	}{
		{"somebody edited them", nil, "were changed after they were read", "start refbridge again", "could not be read"},
		{"no file can be opened", &fs.PathError{Op: "open", Path: ".", Err: syscall.EMFILE}, "could not be read again", "ulimit -n", "changed"},
		{"no process can open a file", &fs.PathError{Op: "open", Path: ".", Err: syscall.ENFILE}, "could not be read again", "ulimit -n", "changed"},
		{"no permission", &fs.PathError{Op: "open", Path: "patient.yaml", Err: fs.ErrPermission}, "open patient.yaml: permission denied", "let the user", "changed"},
		{"the disk", &fs.PathError{Op: "read", Path: "patient.yaml", Err: syscall.EIO}, "input/output error", "let the user", "changed"},
	} {
		err := unjudged(c.read)
		assert.ErrorContains(t, err, c.says, c.name)
		assert.NotContains(t, err.Error(), c.denies, c.name)
		assert.Contains(t, hintOf(err), c.hint, c.name)
	}
}

func TestFinding_doubt_C14_TablesThatCannotBeReadAreNotCalledChanged(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{referrals: 1})
	require.Zero(t, refbridge(t, "init", filepath.Join(w.dir, "own")).code)
	w.write("refbridge.yaml", w.read("refbridge.yaml")+"\ntables: own/tables\n")
	p := &program{out: io.Discard, err: io.Discard, now: time.Now, config: filepath.Join(w.dir, "refbridge.yaml")}
	a, err := p.open(t.Context(), writing)
	require.NoError(t, err)
	defer a.close()
	judged := func() error { _, err := a.flows[0].Fit(t.Context()); return err }

	// Before anybody has checked them, the folder is one that cannot be listed.
	own, aside := filepath.Join(w.dir, "own", "tables"), filepath.Join(w.dir, "aside")
	require.NoError(t, os.Rename(own, aside))
	require.NoError(t, os.WriteFile(own, nil, 0o600))
	require.ErrorContains(t, judged(), "could not be read again")
	assert.NotContains(t, judged().Error(), "were changed")

	// Put right, they are checked, and a fault that comes later takes nothing from what was judged.
	require.NoError(t, os.Remove(own))
	require.NoError(t, os.Rename(aside, own))
	require.NoError(t, judged())
	require.NoError(t, os.Rename(own, aside))
	require.NoError(t, os.WriteFile(own, nil, 0o600))
	require.NoError(t, judged())
}

func TestFinding_clients_J13_AVersionThatTheOrgDoesNotServeIsNamedAsThat(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{referrals: 1})
	w.write("refbridge.yaml", strings.Replace(w.read("refbridge.yaml"), "salesforce: {", "salesforce: {api_version: v99.0, ", 1))
	for _, command := range []string{"sync", "describe"} {
		r := w.run(exitError, command)
		assert.Contains(t, r.out+r.err, "this org does not serve v99.0, its newest is v", command)
		assert.Contains(t, r.out+r.err, "set api_version", command)
		assert.NotContains(t, r.out+r.err, "has no object", command)
	}
}
