package lane_test

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/lane"
	"refbridge/bridge/source"
	"refbridge/ers/erssim"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
)

// front stands before the ward's server and takes records away: what a search shows is theirs no more, and a read is answered
// as it says.
type front struct {
	w       *world
	lost    map[string]int  // path -> status of a read
	history map[string]bool // path -> its history ends with a deletion
	all     int             // status of everything; 0 = as it is
	gateway bool            // answers of its own are a gateway's page, not FHIR
	reads   int             // of single records
}

func (f *front) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	parts := strings.SplitN(strings.Trim(r.URL.Path, "/"), "/", 3)
	path := strings.Join(parts[1:], "/")
	item, _, past := strings.Cut(path, "/_history")
	if strings.Contains(path, "/") && !past {
		f.reads++
	}
	status := f.lost[item]
	switch {
	case f.all != 0:
		f.refuse(out, f.all)
	case past && f.history[item]:
		out.Header().Set("Content-Type", "application/fhir+json")
		fmt.Fprintf(out, `{"resourceType":"Bundle","type":"history","entry":[{"request":{"method":"DELETE","url":%q}}]}`, item)
	case status != 0:
		f.refuse(out, status)
	case strings.Contains(path, "/"):
		f.w.fhir.ServeHTTP(out, r)
	default:
		f.search(out, r)
	}
}

func (f *front) refuse(out http.ResponseWriter, status int) {
	if f.gateway {
		out.Header().Set("Content-Type", "text/html")
		out.WriteHeader(status)
		_, _ = io.WriteString(out, "<html>no such page</html>")
		return
	}
	out.Header().Set("Content-Type", "application/fhir+json")
	out.WriteHeader(status)
	_, _ = io.WriteString(out, `{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"processing"}]}`)
}

func (f *front) search(out http.ResponseWriter, r *http.Request) {
	answer := httptest.NewRecorder()
	f.w.fhir.ServeHTTP(answer, r)
	var page map[string]any
	if json.Unmarshal(answer.Body.Bytes(), &page) == nil {
		var kept []any
		entries, _ := page["entry"].([]any)
		for _, e := range entries {
			resource, _ := e.(map[string]any)["resource"].(map[string]any)
			if f.lost[fmt.Sprint(resource["resourceType"], "/", resource["id"])] == 0 {
				kept = append(kept, e)
			}
		}
		page["entry"] = kept
	}
	body, _ := json.Marshal(page)
	out.Header().Set("Content-Type", "application/fhir+json")
	out.WriteHeader(answer.Code)
	_, _ = out.Write(body)
}

// behind puts the front before the ward's server and reads every live record again each day.
func (w *world) behind() *front {
	w.t.Helper()
	f := &front{w: w, lost: map[string]int{}, history: map[string]bool{}}
	base := w.fhir.Credentials(w.serve(f)).BaseURL
	client, err := rest.New(rest.Config{BaseURL: base, Transport: w.transport(), Now: w.now, Logger: w.logger})
	require.NoError(w.t, err)
	ward := &source.FHIRServer{Client: client, Base: base, Now: w.now}
	w.ward.Poller, w.ward.Source, w.ward.Planner.Source, w.ward.Back.Source, w.ward.Back.Invoke = ward, ward, ward, ward, ward
	w.ward.Refresh, w.ward.Base = 24*time.Hour, base
	return f
}

// ofWard returns the paths of the ward's records whose Salesforce record has a status.
func (w *world) ofWard(object, kind, typ, status string) []string {
	w.t.Helper()
	var out []string
	for _, row := range w.org.Rows(object) {
		key, _ := row["Bridge_Key__c"].(string)
		if id, ok := strings.CutPrefix(key, "ward."+kind+"."); ok && row["Status"] == status {
			out = append(out, typ+"/"+id)
		}
	}
	require.NotEmpty(w.t, out)
	return out
}

func (w *world) csr(path string) map[string]any {
	return w.row("ClinicalServiceRequest", "ward.sr."+strings.TrimPrefix(path, "ServiceRequest/"))
}

func TestFinding_server_MP5_WhatTheSourceDeletedIsMarkedAndComesBack(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 40})
	f := w.behind()
	w.run(w.ward)
	active := w.ofWard("ClinicalServiceRequest", "sr", "ServiceRequest", "Active")
	over := w.ofWard("ClinicalServiceRequest", "sr", "ServiceRequest", "Completed")[0]
	booked := w.ofWard("ServiceAppointment", "ap", "Appointment", "Scheduled")[0]
	records := w.org.Report().Records["ClinicalServiceRequest"]
	f.lost[active[0]], f.lost[over], f.lost[booked] = http.StatusGone, http.StatusGone, http.StatusGone
	w.days(1)
	w.run(w.ward)
	assert.Equal(t, "Unknown", w.csr(active[0])["Status"])
	assert.Equal(t, "DELETED_AT_SOURCE", w.csr(active[0])["Bridge_Source_Reason__c"])
	assert.Equal(t, "Completed", w.csr(over)["Status"], "what is over stays as it is")
	appointment := w.row("ServiceAppointment", "ward.ap."+strings.TrimPrefix(booked, "Appointment/"))
	assert.Equal(t, "Canceled", appointment["Status"])
	assert.Equal(t, "The source no longer has this appointment", appointment["CancellationReason"])
	assert.Equal(t, records, w.org.Report().Records["ClinicalServiceRequest"], "nothing is deleted in Salesforce")
	gone, err := w.ledger.Gone(t.Context())
	require.NoError(t, err)
	require.Len(t, gone, 3)
	assert.Equal(t, ledger.Applied, gone[0].Fate)
	assert.Equal(t, "deleted-at-source", gone[0].Reason.Code)

	writes, observed := w.org.Writes(), w.statement().Observed
	w.days(1)
	w.run(w.ward)
	assert.Equal(t, writes, w.org.Writes(), "marked once")
	assert.Equal(t, observed, w.statement().Observed)

	f.lost = map[string]int{}
	w.days(1)
	w.run(w.ward)
	assert.Equal(t, "Active", w.csr(active[0])["Status"])
	assert.Nil(t, w.csr(active[0])["Bridge_Source_Reason__c"])
	gone, err = w.ledger.Gone(t.Context())
	require.NoError(t, err)
	assert.Empty(t, gone)
	w.statement()
}

func TestFinding_server_MP5_AReferralThatSalesforceHasMovedOnIsNotMarked(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 30})
	f := w.behind()
	w.run(w.ward)
	active := w.ofWard("ClinicalServiceRequest", "sr", "ServiceRequest", "Active")
	key := func(path string) string { return "ward.sr." + strings.TrimPrefix(path, "ServiceRequest/") }
	require.NoError(t, w.org.Edit("ClinicalServiceRequest", key(active[0]), map[string]any{"Status": "Completed"}))
	require.NoError(t, w.org.Edit("ClinicalServiceRequest", key(active[1]), map[string]any{"Status": "On-Hold"}))
	f.lost[active[0]], f.lost[active[1]] = http.StatusGone, http.StatusGone
	w.days(1)
	w.run(w.ward)
	assert.Equal(t, "Completed", w.csr(active[0])["Status"])
	assert.Equal(t, "Unknown", w.csr(active[1])["Status"], "only what Salesforce holds now decides")
}

func TestFinding_server_MP5_AHistoryThatEndsWithADeletionIsTheSourcesWordToo(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 30})
	f := w.behind()
	w.run(w.ward)
	active := w.ofWard("ClinicalServiceRequest", "sr", "ServiceRequest", "Active")
	f.lost[active[0]], f.lost[active[1]] = http.StatusNotFound, http.StatusNotFound
	f.history[active[0]] = true
	w.days(1)
	w.run(w.ward)
	assert.Equal(t, "Unknown", w.csr(active[0])["Status"])
	assert.Equal(t, "Active", w.csr(active[1])["Status"], "a 404 is no deletion")
	ref, err := fhir.ParseReference(active[1])
	require.NoError(t, err)
	held, err := w.ledger.Entries(t.Context(), ledger.Filter{Source: "ward", Ref: ref, Fates: []ledger.Fate{ledger.Held}})
	require.NoError(t, err)
	require.Len(t, held, 1)
	assert.Equal(t, "not-visible", held[0].Reason.Code)
	f.lost = map[string]int{}
	w.wait(5 * time.Hour)
	w.sync(w.ward)
	held, err = w.ledger.Entries(t.Context(), ledger.Filter{Source: "ward", Ref: ref, Fates: []ledger.Fate{ledger.Held}})
	require.NoError(t, err)
	assert.Empty(t, held, "it is there again, and goes on")
}

func TestFinding_server_MP5_AGatewaysPageIsNoDeletionWhateverItsStatus(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 30})
	f := w.behind()
	w.run(w.ward)
	f.gateway = true
	active := w.ofWard("ClinicalServiceRequest", "sr", "ServiceRequest", "Active")[0]
	f.lost[active] = http.StatusGone
	w.days(1)
	w.run(w.ward)
	assert.Equal(t, "Active", w.csr(active)["Status"])
}

func TestFinding_people_U2_AWrongAddressHaltsTheLaneAndSettlesNothing(t *testing.T) {
	for _, status := range []int{http.StatusNotFound, http.StatusGone} {
		w := newWorld(t, setting{memory: true, ward: 40})
		f := w.behind()
		w.run(w.ward)
		before, writes := w.statement(), w.org.Writes()
		f.all = status
		w.days(1)
		f.reads = 0
		_, err := w.ward.Sync(t.Context())
		var lost *lane.LostError
		require.ErrorAs(t, err, &lost)
		require.ErrorIs(t, err, bridge.ErrHalted)
		assert.Contains(t, err.Error(), "in a row")
		assert.LessOrEqual(t, f.reads, 10)
		after := w.statement()
		assert.Equal(t, before.Held, after.Held)
		assert.Equal(t, before.Applied, after.Applied)
		assert.Equal(t, writes, w.org.Writes())

		f.all = 0
		w.sync(w.ward) // the address is corrected: at once, not in four hours
		assert.Zero(t, w.statement().Pending)
		assert.Equal(t, before.Held, w.statement().Held)
		assert.Equal(t, writes, w.org.Writes())
	}
}

func TestFinding_people_U2_AnOperatorWhoHasLookedCanTakeThemForGone(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 40})
	f := w.behind()
	w.run(w.ward)
	for _, path := range w.ofWard("ClinicalServiceRequest", "sr", "ServiceRequest", "Active") {
		f.lost[path] = http.StatusGone
	}
	require.Greater(t, len(f.lost), 5)
	w.days(1)
	_, err := w.ward.Sync(t.Context())
	require.ErrorIs(t, err, bridge.ErrHalted)
	w.ward.AcceptGone = true
	w.sync(w.ward)
	for path := range f.lost {
		assert.Equal(t, "Unknown", w.csr(path)["Status"], path)
	}
}

func TestFinding_people_U2_AFewThatAreNotVisibleAreReadAgainWhenTheAddressChanges(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 40})
	f := w.behind()
	w.run(w.ward)
	held := w.statement().Held
	path := w.ofWard("ClinicalServiceRequest", "sr", "ServiceRequest", "Active")[0]
	f.lost[path] = http.StatusNotFound
	w.days(1)
	w.run(w.ward)
	require.Equal(t, held+1, w.statement().Held)
	f.lost = map[string]int{}
	w.sync(w.ward)
	require.Equal(t, held+1, w.statement().Held, "it waits its four hours")
	w.ward.Base += "/corrected"
	w.sync(w.ward)
	assert.Equal(t, held, w.statement().Held)
}

func TestLiveRecordsOfAFHIRServerAreReadAgainInFewCalls(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 60})
	f := w.behind()
	w.run(w.ward)
	live, err := w.ledger.Live(t.Context(), "ward")
	require.NoError(t, err)
	require.Greater(t, len(live), 60)
	w.days(1)
	f.reads = 0
	writes := w.org.Writes()
	w.sync(w.ward)
	assert.Zero(t, f.reads, "not one by one")
	assert.Equal(t, writes, w.org.Writes())
	assert.Zero(t, w.statement().Pending)
	assert.False(t, bytes.Contains(w.log.Bytes(), []byte("read one by one")))
}

func TestFinding_people_U2_AnA005ThatAnswers404ForEachReferralHaltsTheLane(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 30})
	w.run(w.eRS)
	before := w.statement()
	w.loseA005(http.StatusNotFound)
	w.days(1)
	_, err := w.eRS.Sync(t.Context())
	require.ErrorIs(t, err, bridge.ErrHalted)
	assert.Contains(t, err.Error(), "ers")
	assert.Equal(t, before.Held, w.statement().Held)
	w.loseA005(0)
	w.sync(w.eRS)
	assert.Equal(t, before.Held, w.statement().Held)
	assert.Zero(t, w.statement().Pending)
}

// loseA005 lets each A005 answer a status; 0 = as it should.
func (w *world) loseA005(status int) {
	w.ers.SetFaults(erssim.Faults{})
	if status != 0 {
		w.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A005", Status: status, Times: -1}}})
	}
}
