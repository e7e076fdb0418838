package main

import (
	"slices"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir/fhirsim"
)

// wardLines adds settings to the world's FHIR source.
func (w *world) wardLines(lines string) {
	w.t.Helper()
	text := w.read("refbridge.yaml")
	changed := strings.Replace(text, "system: urn:ward}", "system: urn:ward, "+lines+"}", 1)
	require.NotEqual(w.t, text, changed)
	w.write("refbridge.yaml", changed)
}

// ofWard gives the ids of the ward's referrals that Salesforce holds in a status.
func (w *world) ofWard(status string) []string {
	var out []string
	for _, row := range w.org.Rows("ClinicalServiceRequest") {
		key, _ := row["Bridge_Key__c"].(string)
		if id, ours := strings.CutPrefix(key, "ward.sr."); ours && row["Status"] == status {
			out = append(out, id)
		}
	}
	slices.Sort(out)
	return out
}

// status gives the status of a referral of the ward in Salesforce.
func (w *world) status(id string) any {
	return w.row("ClinicalServiceRequest", "ward.sr."+id)["Status"]
}

func TestFinding_server_MP4_RowsThatMoveBetweenOffsetPagesAreReadAllTheSame(t *testing.T) {
	t.Parallel()
	// Source: pages of four by offset; behind each of the first three, rows that were read are changed and move to the end.
	var w *world
	pages := &atomic.Int32{}
	moving := func(page string) string {
		if pages.Add(1) <= 3 {
			w.fhir.Evolve(fhirsim.Changes{VersionBumps: 3})
		}
		return page
	}
	w = newWorld(t, setting{ward: 24, spoil: spoil{on: on(), path: "/ServiceRequest", edit: moving}})
	require.NoError(t, w.fhir.SetFaults(fhirsim.Faults{Paging: "offset", PageCap: 4}))
	w.run(exitDone, "sync")
	s := w.statement()
	seen := map[string]bool{}
	for _, row := range w.org.Rows("ClinicalServiceRequest") {
		seen[strings.TrimPrefix(row["Bridge_Key__c"].(string), "ward.sr.")] = true
	}
	for _, e := range s.Open {
		if typ, id, _ := strings.Cut(e.Ref, "/"); typ == "ServiceRequest" {
			id, _, _ = strings.Cut(id, "/")
			seen[id] = true
		}
	}
	assert.Len(t, seen, 24, "each is in Salesforce or in the statement")
	assert.Zero(t, s.Pending)
}

func TestFinding_server_MP5_WhatTheSourceDeletedIsMarkedAndListedFirst(t *testing.T) {
	t.Parallel()
	// Before: all is synced. Source: one referral deleted (410), one not shown any more (404).
	w := newWorld(t, setting{ward: 24})
	w.wardLines("refresh: 1ms")
	w.run(exitDone, "sync")
	active := w.ofWard("Active")
	gone, hidden := active[0], active[1]
	require.NoError(t, w.fhir.SetFaults(fhirsim.Faults{Delete: []string{"ServiceRequest/" + gone, "ServiceRequest/" + hidden},
		Next: []fhirsim.Fault{{Call: "read ServiceRequest", Ref: "ServiceRequest/" + hidden, Status: 404, Code: "not-found", Times: -1},
			{Call: "history ServiceRequest", Ref: "ServiceRequest/" + hidden, Status: 404, Code: "not-found", Times: -1}}}))
	w.run(exitDone, "sync")
	assert.Equal(t, "Unknown", w.status(gone), "marked, not deleted")
	assert.Equal(t, "Active", w.status(hidden), "nobody said that it is deleted")
	text := w.run(exitDone, "statement").out
	assert.True(t, strings.HasPrefix(text, "deleted at the source; marked in Salesforce, not deleted:\nward ServiceRequest/"+gone), text)
	s := w.statement()
	require.Len(t, s.Gone, 1)
	fate, code := openOf(s, "ServiceRequest/"+hidden)
	assert.Equal(t, "held", fate)
	assert.Equal(t, "not-visible", code)
}

func TestFinding_server_MP5_ALaneOfWhichTooMuchIsGoneHaltsOnceAndGoesOnWhenAPersonSaysSo(t *testing.T) {
	t.Parallel()
	// Before: all is synced. Source: every active referral is deleted, more than one in twenty.
	w := newWorld(t, setting{ward: 24})
	w.wardLines("refresh: 1ms")
	w.run(exitDone, "sync")
	active := w.ofWard("Active")
	require.Greater(t, len(active), 5)
	var deleted []string
	for _, id := range active {
		deleted = append(deleted, "ServiceRequest/"+id)
	}
	require.NoError(t, w.fhir.SetFaults(fhirsim.Faults{Delete: deleted}))
	writes, calls := w.org.Writes(), w.fhir.Report().Calls["read ServiceRequest"]

	halted := w.run(exitError, "sync")
	assert.Equal(t, 1, strings.Count(halted.err, "lane halted"), "it is told once: %s", halted.err)
	assert.Contains(t, halted.err, "refbridge sync --accept-gone ward")
	assert.LessOrEqual(t, w.fhir.Report().Calls["read ServiceRequest"]-calls, 10, "and asked for once")
	assert.Equal(t, writes, w.org.Writes())
	assert.Empty(t, w.statement().Gone)

	w.run(exitUsage, "sync", "--accept-gone", "wards")
	w.run(exitDone, "sync", "--accept-gone", "ward")
	for _, id := range active {
		assert.Equal(t, "Unknown", w.status(id), id)
	}
	s := w.statement()
	assert.Len(t, s.Gone, len(active))
	assert.Zero(t, s.Pending)
}

func TestFinding_server_MP7_AServerThatWantsFewerCallsAndSaysNotWhenIsAskedAgain(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{ward: 3})
	// Source: refuses more often than what fails in another way is tried.
	require.NoError(t, w.fhir.SetFaults(fhirsim.Faults{Next: []fhirsim.Fault{{Call: "search ServiceRequest", Status: 429, Code: "throttled", Times: 3}}}))
	w.run(exitDone, "sync")
	assert.Equal(t, 3, w.org.Report().Records["ClinicalServiceRequest"])

	// Where it goes on, the call ends after max_wait, and the next sync begins anew.
	w.wardLines("max_wait: 1ms")
	w.fhir.Evolve(fhirsim.Changes{StatusChanges: 3})
	require.NoError(t, w.fhir.SetFaults(fhirsim.Faults{Next: []fhirsim.Fault{{Call: "search ServiceRequest", Status: 429, Code: "throttled", Times: -1}}}))
	r := w.run(exitError, "sync")
	assert.Contains(t, r.err, "429")
	require.NoError(t, w.fhir.SetFaults(fhirsim.Faults{}))
	w.run(exitDone, "sync")
	assert.Zero(t, w.statement().Pending)
}

func TestFinding_code_T3_APageOfACopyThatLagsChangesNothingBack(t *testing.T) {
	t.Parallel()
	// Before: a server whose referrals are ten minutes old is synced, and again after each has changed twice, six and four minutes ago.
	w := newWorld(t, setting{})
	at := &atomic.Int64{}
	at.Store(int64(-10 * time.Minute))
	clock := func() time.Time { return time.Now().Add(time.Duration(at.Load())) }
	far, err := fhirsim.New(fhirsim.Options{Seed: 5, Referrals: 4, Now: clock})
	require.NoError(t, err)
	stamps := map[string]string{}
	for _, id := range []string{"sr100000", "sr100001", "sr100002", "sr100003"} {
		stamps["ServiceRequest/"+id] = clock().UTC().Format(time.RFC3339)
	}
	require.NoError(t, far.SetFaults(fhirsim.Faults{Stamps: stamps}))
	w.ward(far)
	w.run(exitDone, "sync")
	for _, ago := range []time.Duration{6 * time.Minute, 4 * time.Minute} {
		at.Store(int64(-ago))
		require.Positive(t, far.Evolve(fhirsim.Changes{StatusChanges: 1, VersionBumps: 3}).StatusChanges)
	}
	at.Store(0)
	w.run(exitDone, "sync")
	after := map[string]any{}
	for _, row := range w.org.Rows("ClinicalServiceRequest") {
		after[row["Bridge_Key__c"].(string)] = row["Status"]
	}

	// Source: searches show the state between the two changes, which nobody has seen here.
	lag := 5 * time.Minute
	require.NoError(t, far.SetFaults(fhirsim.Faults{Lag: lag.String()}))
	writes, superseded := w.org.Writes(), w.statement().Superseded
	w.run(exitDone, "sync")
	w.run(exitDone, "sync")
	assert.Equal(t, writes, w.org.Writes())
	assert.Equal(t, superseded+4, w.statement().Superseded)
	for _, row := range w.org.Rows("ClinicalServiceRequest") {
		assert.Equal(t, after[row["Bridge_Key__c"].(string)], row["Status"])
	}
}

// ward puts another FHIR server in the place of the world's.
func (w *world) ward(far *fhirsim.Server) {
	w.t.Helper()
	url := far.Credentials(serving(w.t, far)).BaseURL
	text := w.read("refbridge.yaml")
	i, j := strings.Index(text, "base_url: "), strings.Index(text, ", patient: create")
	w.write("refbridge.yaml", text[:i]+"base_url: "+url+text[j:])
}
