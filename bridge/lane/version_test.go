package lane_test

import (
	"fmt"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/ledger"
)

// page puts a search page of the ward's server into the inbox, as a poll would.
func (w *world) page(resources ...string) {
	w.t.Helper()
	body := `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":` + strings.Join(resources, `},{"resource":`) + `}]}`
	_, err := w.ledger.Receive(w.t.Context(), ledger.Answer{Source: "ward", Kind: "ServiceRequest", Received: w.now(), Body: []byte(body)}, ledger.Cursor{})
	require.NoError(w.t, err)
}

// request is a ServiceRequest about somebody who is in Salesforce.
func (w *world) request(id, version, updated, status string) string {
	return fmt.Sprintf(`{"resourceType":"ServiceRequest","id":%q,"meta":{"versionId":%q,"lastUpdated":%q},"status":%q,"intent":"order","priority":"routine",
		"subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":%q}}}`, id, version, updated, status, w.ers.People()[0].NHSNumber)
}

func TestFinding_code_T3_APageOfALaggingCopyRollsNoReferralBack(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 5})
	w.page(w.request("x1", "3", "2026-03-01T10:03:00Z", "completed"))
	w.sync(w.ward)
	require.Equal(t, "Completed", w.row("ClinicalServiceRequest", "ward.sr.x1")["Status"])
	w.page(w.request("x1", "2", "2026-03-01T10:02:00Z", "active"))
	w.sync(w.ward)
	assert.Equal(t, "Completed", w.row("ClinicalServiceRequest", "ward.sr.x1")["Status"])
	assert.Equal(t, 1, w.statement().Superseded)
	w.page(w.request("x1", "4", "2026-03-01T10:04:00Z", "revoked"))
	w.sync(w.ward)
	assert.Equal(t, "Revoked", w.row("ClinicalServiceRequest", "ward.sr.x1")["Status"])
}

func TestFinding_inputs_B15_OfOpaqueVersionsTheOneThatTheServerChangedLastCounts(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 5})
	w.page(w.request("x2", "f00d", "2026-03-01T10:05:00Z", "revoked"), w.request("x2", "0ff1", "2026-03-01T10:00:00Z", "active"))
	w.sync(w.ward)
	assert.Equal(t, "Revoked", w.row("ClinicalServiceRequest", "ward.sr.x2")["Status"])
	w.page(w.request("x2", "beef", "2026-03-01T10:01:00Z", "on-hold"))
	w.sync(w.ward)
	assert.Equal(t, "Revoked", w.row("ClinicalServiceRequest", "ward.sr.x2")["Status"], "an older page, seen later")
	assert.Equal(t, 2, w.statement().Superseded)
}

// ahead lets a worklist name a version of each referral that is so far ahead of what A005 gives.
func (w *world) ahead(by int) {
	w.t.Helper()
	entries, err := w.ledger.Entries(w.t.Context(), ledger.Filter{Source: "ers", Fates: []ledger.Fate{ledger.Applied}})
	require.NoError(w.t, err)
	require.NotEmpty(w.t, entries)
	var seen []ledger.Sighting
	for _, e := range entries {
		n, err := strconv.Atoi(ledger.OwnVersion(e.Ref.Version))
		require.NoError(w.t, err)
		seen = append(seen, ledger.Sighting{Ref: fhir.Reference{Type: e.Ref.Type, ID: e.Ref.ID, Version: strconv.Itoa(n + by)}})
	}
	require.NoError(w.t, w.ledger.Observe(w.t.Context(), ledger.Answer{Source: "ers"}, seen))
}

func TestFinding_clients_J1_AWorklistAheadOfA005BlocksNothingAndCostsOneReadAPoll(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 6})
	w.run(w.eRS)
	before := w.statement()
	require.Equal(t, 6, before.Applied)
	for range 2 {
		w.ahead(7)
		require.Equal(t, 6, w.statement().Pending)
		calls := w.ers.Report().Calls
		w.sync(w.eRS)
		assert.Equal(t, calls+6, w.ers.Report().Calls, "each is read once")
		for range 2 {
			w.sync(w.eRS)
		}
		assert.Equal(t, calls+6, w.ers.Report().Calls, "and not again and again")
		assert.Zero(t, w.statement().Pending)
	}
	assert.Equal(t, before.Superseded+6, w.statement().Superseded)
	open, err := w.ledger.Entries(t.Context(), ledger.Filter{Source: "ers", Fates: []ledger.Fate{ledger.Superseded}})
	require.NoError(t, err)
	assert.Equal(t, "named-only", open[0].Reason.Code)
	assert.Contains(t, open[0].Reason.Text, "the source gave version ")
}
