package lane_test

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/back"
	"refbridge/ers/erssim"
	"refbridge/fhir/fhirsim"
	"refbridge/ledger"
	"refbridge/sfdc/sfdcsim"
)

func TestFinding_doubt_C8_WhatTheSourceRefusedIsListedWhileTheTwoSidesDiffer(t *testing.T) {
	// Before: a booked referral is accepted in Salesforce. Source: e-RS refuses the acceptance.
	d := newDoubtful(t, setting{referrals: 20, permits: accepting()})
	d.run(d.eRS)
	ubrns, _ := d.bookings()
	listed := func() []ledger.Writeback {
		open, err := back.Differing(t.Context(), d.ledger, "ers")
		require.NoError(t, err)
		return open
	}
	d.ers.SetFaults(erssim.Faults{Next: []erssim.Fault{{Call: "A013", Status: 422, Code: "INVALID_REQUEST_STATE"}}})
	d.wait(time.Minute)
	d.edit(ubrns[0], map[string]any{"IsAccepted": true})
	d.wait(time.Minute)
	for range 3 {
		r := d.sync(d.eRS)
		assert.Equal(t, 1, r.Divergent)
		assert.Equal(t, 1, r.Refused)
		require.Len(t, listed(), 1)
		assert.Equal(t, ledger.Refused, listed()[0].State)
		assert.Contains(t, listed()[0].Reason.Text, "422, INVALID_REQUEST_STATE")
		d.wait(time.Minute)
	}
	assert.Empty(t, d.ers.Report().Operations, "it is not sent again")

	// The coordinator takes it back: the two sides agree.
	d.edit(ubrns[0], map[string]any{"IsAccepted": false})
	d.wait(time.Minute)
	r := d.sync(d.eRS)
	assert.Zero(t, r.Refused)
	assert.Empty(t, listed())

	// The same again is another edit, and is sent.
	d.wait(time.Minute)
	d.edit(ubrns[0], map[string]any{"IsAccepted": true})
	d.wait(time.Minute)
	r = d.sync(d.eRS)
	assert.Equal(t, 1, r.StatusBack)
	assert.Len(t, d.ers.Report().Operations, 1)
	assert.Empty(t, listed())
}

func TestFinding_doubt_C8_WhatTheSourceRefusedIsSettledWhenTheSourceHasItByItself(t *testing.T) {
	d := newReferral(t)
	require.NoError(t, d.fhir.SetFaults(fhirsim.Faults{Next: []fhirsim.Fault{{Call: "update ServiceRequest", Status: 422, Code: "business-rule"}}}))
	d.person("Status", "Revoked")
	d.wait(time.Minute)
	r := d.sync(d.ward)
	require.Equal(t, 1, r.Refused)
	d.source("status", "revoked")
	r = d.step()
	assert.Zero(t, r.Refused)
	assert.Zero(t, r.Divergent)
	assert.Zero(t, d.sentBack())
}

func TestFinding_doubt_C16_WhatAValidationRuleRefusedIsTriedOnceADay(t *testing.T) {
	// Before: a rule of the org refuses On-Hold. Source: a referral is put on hold.
	d := newReferral(t)
	require.NoError(t, d.org.Break(sfdcsim.Fault{Kind: sfdcsim.Rule, Object: referral, Field: "Status", Equals: "On-Hold", Message: "synthetic"}))
	d.source("status", "on-hold")
	d.step()
	e := d.became()
	require.Equal(t, ledger.Held, e.Fate)
	assert.Equal(t, "salesforce-validation", e.Reason.Code)
	assert.WithinDuration(t, d.now().Add(24*time.Hour), e.Next, time.Minute, "a person is told when it is tried again")
	d.wait(20 * time.Hour)
	d.sync(d.ward)
	assert.Equal(t, 1, d.became().Attempts)

	// The rule is switched off, and nobody tells refbridge.
	d.org.Repair()
	d.wait(5 * time.Hour)
	d.sync(d.ward)
	assert.Equal(t, ledger.Applied, d.became().Fate)
	assert.Equal(t, "On-Hold", d.status())
}
