package lane_test

import (
	"context"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ers/erssim"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sfdcsim"
	"refbridge/sfdc/sobject"
)

func TestDoubtRule01_EachAttemptIsWrittenDownWithItsValuesBeforeItsFirstByte(t *testing.T) {
	d := newReferral(t)
	d.source("status", "on-hold")
	var known [][]ledger.Intent // at each attempt
	d.gate.before = func(object string) {
		if object == referral {
			known = append(known, d.open())
		}
	}
	d.gate.next[referral] = []string{cut, saved}
	d.step()
	require.Len(t, known, 2)
	require.Len(t, known[0], 1)
	require.Len(t, known[1], 2, "the second attempt is an intent of its own")
	for _, in := range known[1] {
		meant, _ := in.Meant.Get("Status")
		assert.Equal(t, "On-Hold", meant.Reveal())
		assert.Equal(t, d.key, in.Key)
		assert.WithinDuration(t, d.now().Add(13*time.Minute), in.Deadline, time.Minute)
	}
	assert.NotEqual(t, known[1][0].ID, known[1][1].ID)
	assert.Equal(t, known[0][0].ID, d.open()[0].ID, "the answer closed the second, not the first")
}

func TestDoubtRule02_NoFateAndNoNewerVersionClosesAnIntent(t *testing.T) {
	d := newReferral(t)
	d.gate.next[referral] = []string{late}
	d.source("status", "on-hold")
	d.step()
	require.Len(t, d.open(), 1)
	first := d.open()[0].ID
	d.source("status", "completed")
	d.step()
	require.Equal(t, "Completed", d.status())
	n, err := d.ward.ReopenHeld(t.Context())
	require.NoError(t, err)
	require.Positive(t, n)
	d.step()
	require.Len(t, d.open(), 1)
	assert.Equal(t, first, d.open()[0].ID)
	assert.Equal(t, ledger.Unknown, d.became().Fate)
	d.rest()
	assert.Equal(t, ledger.Applied, d.became().Fate)
}

func TestDoubtRule02_ARefusedWriteIsClosedAndTheImageStays(t *testing.T) {
	d := newReferral(t)
	require.NoError(t, d.org.Break(sfdcsim.Fault{Kind: sfdcsim.Rule, Object: referral, Field: "Status", Equals: "On-Hold", Message: "synthetic"}))
	d.source("status", "on-hold")
	d.step()
	assert.Empty(t, d.open())
	rows, err := d.ledger.Rows(t.Context(), referral, []string{d.key})
	require.NoError(t, err)
	is, _ := rows[d.key].Image.Record.Get("Status")
	assert.Equal(t, "Active", is.Reveal())
}

func TestDoubtRule03_APersonWhoSetsExactlyTheValueInDoubtIsNeitherWrittenOverNorCarried(t *testing.T) {
	// Before: on-hold was sent and never arrived. A coordinator sets On-Hold, and the source goes back to active.
	d := newReferral(t)
	d.gate.next[referral] = []string{late}
	d.source("status", "on-hold")
	d.step()
	d.person("Status", "On-Hold")
	d.source("status", "active")
	d.step()
	assert.Equal(t, "On-Hold", d.status())
	assert.Equal(t, "value-in-doubt", d.became().Reason.Code)
	d.rest()
	assert.Equal(t, "On-Hold", d.status(), "nobody can tell, also when the write is settled")
	assert.Equal(t, "value-in-doubt", d.became().Reason.Code)
	assert.Zero(t, d.sentBack())
	assert.Empty(t, d.proposed("ward"))
	// A person decides: both sides agree.
	d.person("Status", "Active")
	d.rest()
	assert.Equal(t, ledger.Applied, d.became().Fate)
	d.source("status", "completed")
	d.step()
	assert.Equal(t, "Completed", d.status(), "what both sides agreed on is known to be ours")
}

func TestDoubtRule04_NewerNewsIsWrittenInDoubtAndIsUnknownUntilTheLastDeadline(t *testing.T) {
	d := newReferral(t)
	d.gate.next[referral] = []string{late}
	d.source("status", "on-hold")
	d.step()
	until := d.open()[0].Deadline
	d.source("status", "completed")
	r := d.step()
	assert.Equal(t, "Completed", d.status())
	assert.Equal(t, 1, r.Unknown)
	e := d.became()
	assert.Equal(t, ledger.Unknown, e.Fate)
	assert.Equal(t, "in-doubt", e.Reason.Code)
	assert.Contains(t, e.Reason.Text, until.UTC().Format(time.RFC3339))
	assert.Equal(t, until.Add(time.Second).UnixMilli(), e.Next.UnixMilli())
	for range 9 { // before the deadline no look is believed
		d.wait(time.Minute)
		d.sync(d.ward)
	}
	require.Len(t, d.open(), 1)
	require.Equal(t, ledger.Unknown, d.became().Fate)
	d.wait(3 * time.Minute)
	d.sync(d.ward)
	assert.Empty(t, d.open())
	assert.Equal(t, ledger.Applied, d.became().Fate)
}

func TestDoubtRule04_WaitingInDoubtNeverEndsARecord(t *testing.T) {
	d := newReferral(t)
	d.gate.next[referral] = []string{late}
	d.source("status", "on-hold")
	d.step()
	d.source("status", "completed")
	d.step()
	for range 12 {
		_, err := d.ward.ReopenHeld(t.Context())
		require.NoError(t, err)
		d.wait(10 * time.Second)
		d.sync(d.ward)
		require.Equal(t, ledger.Unknown, d.became().Fate)
	}
	d.rest()
	assert.Equal(t, ledger.Applied, d.became().Fate)
}

func TestDoubtRule04_AHeldRecordIsProbed(t *testing.T) {
	// Before: on-hold was sent without an answer, and the next version cannot be mapped.
	d := newReferral(t)
	d.gate.next[referral] = []string{lost}
	d.source("status", "on-hold")
	d.step()
	d.source("intent", "no-such-intent")
	d.step()
	require.Equal(t, ledger.Held, d.became().Fate)
	require.Len(t, d.open(), 1)
	d.rest()
	assert.Empty(t, d.proposed("ward"), "what was meant and is there is ours")
	d.source("intent", "order")
	d.source("status", "active")
	d.rest()
	assert.Equal(t, "Active", d.status())
	assert.Zero(t, d.sentBack())
}

func TestDoubtRule05_NothingIsCarriedWhileTheRecordIsInDoubt(t *testing.T) {
	d := newReferral(t)
	d.gate.next[referral] = []string{late}
	d.source("priority", "stat")
	d.step()
	d.person("Status", "Revoked")
	for range 3 {
		d.wait(time.Minute)
		d.sync(d.ward)
		require.Zero(t, d.sentBack())
	}
	d.rest()
	assert.Equal(t, 1, d.sentBack())
	assert.Equal(t, "Revoked", d.status())
}

func TestDoubtRule05_WhatTheSourceSaysAfterItsSilenceIsNews(t *testing.T) {
	// Before: a booked referral was accepted in Salesforce, and A013 was done. e-RS keeps BOOKED, of which the tables say nothing.
	d := newDoubtful(t, setting{referrals: 20, permits: accepting()})
	d.run(d.eRS)
	ubrns, _ := d.bookings()
	d.wait(time.Minute)
	d.edit(ubrns[0], map[string]any{"IsAccepted": true})
	d.wait(time.Minute)
	d.sync(d.eRS)
	require.Len(t, d.ers.Report().Operations, 1)
	d.wait(time.Minute)
	d.sync(d.eRS)
	// e-RS goes on by itself: it is rejected.
	d.ersSays(ubrns[0], erssim.Edit{State: "REJECTED"})
	assert.Equal(t, false, d.row(referral, "ers.sr."+ubrns[0])["IsAccepted"])
	assert.Len(t, d.ers.Report().Operations, 1)
}

func TestDoubtRule06_ADeletedRecordInDoubtIsMarkedAndItsValuesAreKnown(t *testing.T) {
	// Before: on-hold was sent without an answer. Past its deadline the source deletes the referral, and has it again later.
	d := newReferral(t)
	f := d.behind()
	d.gate.next[referral] = []string{lost}
	d.source("status", "on-hold")
	d.step()
	require.Len(t, d.open(), 1)
	f.lost["ServiceRequest/"+d.id], f.history["ServiceRequest/"+d.id] = 410, true
	d.days(1)
	d.run(d.ward)
	d.rest()
	assert.Equal(t, "Unknown", d.status(), "it is marked")
	assert.Empty(t, d.proposed("ward"))
	assert.Zero(t, d.sentBack())
}

func TestDoubtRule07_TheOwnerOfARowInDoubtIsWhoMeantIt(t *testing.T) {
	d := newDoubtful(t, setting{ward: 12})
	d.gate.next[referral] = []string{lost}
	d.run(d.ward)
	for _, in := range d.open() {
		source, ref, err := d.ledger.RefOfKey(t.Context(), in.Object, in.Key)
		require.NoError(t, err)
		assert.Equal(t, in.Source, source)
		if in.Object == referral {
			assert.Equal(t, in.Ref.Current(), ref)
		}
	}
}

func TestDoubtRule08_WhatAnOpenCreateLeftToTheOrgIsKnown(t *testing.T) {
	// Before: referrals were created without a word of acceptance, and nobody saw the answer.
	d := newDoubtful(t, setting{referrals: 20})
	d.gate.next[referral] = []string{lost}
	d.run(d.eRS)
	ubrn := ""
	for _, r := range d.ers.Referrals() {
		if r.State == "AWAITING_TRIAGE" && d.row(referral, "ers.sr."+r.UBRN) != nil {
			ubrn = r.UBRN
		}
	}
	require.NotEmpty(t, ubrn)
	require.NotEmpty(t, d.open())
	d.ersSays(ubrn, erssim.Edit{State: "TRIAGED_PROVIDER_TO_ACTION"})
	assert.Equal(t, true, d.row(referral, "ers.sr."+ubrn)["IsAccepted"])
	assert.NotEqual(t, ledger.Held, d.fate("ers", "ReferralRequest", ubrn).Fate)
}

// between lets something happen between a plan and its first call.
type between struct {
	*sfdc.Client
	once func()
}

func (b *between) Retrieve(ctx context.Context, s ...sfdc.Selection) ([]sobject.Record, error) {
	if b.once != nil && s[0].Object == referral {
		b.once()
		b.once = nil
	}
	return b.Client.Retrieve(ctx, s...)
}

func TestDoubtRule09_AnEditBetweenPlanAndCallIsComparedAnew(t *testing.T) {
	d := newReferral(t)
	d.source("status", "on-hold")
	d.ward.Applier.Target = &between{d.ward.Applier.Target.(*sfdc.Client), func() { d.person("Status", "Revoked") }}
	d.step()
	assert.Equal(t, "Revoked", d.status(), "it is not written over")
	assert.Equal(t, "both-sides-changed", d.became().Reason.Code, "and it is listed")
	assert.Empty(t, d.open())
}

func TestDoubtRule09_ARowThatMovedForAnotherReasonIsWrittenInTheNextBatch(t *testing.T) {
	d := newReferral(t)
	d.source("status", "on-hold")
	d.ward.Applier.Target = &between{d.ward.Applier.Target.(*sfdc.Client), func() { d.person("Bridge_Action_Reason__c", "x") }}
	d.step()
	assert.Equal(t, "On-Hold", d.status())
	assert.Equal(t, ledger.Applied, d.became().Fate)
}

func TestDoubtBadInput_ThreeUnknownWritesOfOneRecordCommitInAnyOrder(t *testing.T) {
	for n, order := range [][]int{{}, {0}, {1}, {2}, {0, 1, 2}, {0, 2, 1}, {1, 0, 2}, {1, 2, 0}, {2, 0, 1}, {2, 1, 0}} {
		t.Run(fmt.Sprint(order), func(t *testing.T) {
			d := newReferral(t)
			d.gate.next[referral] = []string{late, late, late}
			for _, status := range []string{"on-hold", "revoked", "completed"} {
				d.source("status", status)
				d.step()
			}
			require.Len(t, d.gate.held, 3)
			require.Len(t, d.open(), 3)
			for _, i := range order {
				d.commit(i)
				if n%2 == 0 {
					d.step() // and refbridge runs in between
				}
			}
			d.rest()
			d.rest()
			assert.Equal(t, "Completed", d.status())
			assert.Equal(t, ledger.Applied, d.became().Fate)
			assert.Zero(t, d.sentBack())
			assert.Empty(t, d.proposed("ward"))
		})
	}
}

func TestDoubtBadInput_AnAnswerAfterItsDeadlineIsAnAnswer(t *testing.T) {
	d := newReferral(t)
	d.source("status", "on-hold")
	d.gate.before = func(object string) {
		if object == referral {
			d.wait(20 * time.Minute)
		}
	}
	d.step()
	d.gate.before = nil
	assert.Equal(t, "On-Hold", d.status())
	assert.Equal(t, ledger.Applied, d.became().Fate)
	assert.Empty(t, d.open())
	d.source("status", "active")
	d.step()
	assert.Equal(t, "Active", d.status())
	assert.Zero(t, d.sentBack())
}

func TestDoubtBadInput_TwoDeadlinesOverARestart(t *testing.T) {
	d := newReferral(t)
	d.gate.next[referral] = []string{late, late}
	d.source("status", "on-hold")
	d.step()
	d.wait(6 * time.Minute)
	d.source("status", "completed")
	d.kill(wardOf, writesBack())
	require.Len(t, d.open(), 2)
	d.commit(0)
	d.wait(6 * time.Minute) // the first deadline is over, the second is not
	d.sync(d.ward)
	assert.Equal(t, "Completed", d.status(), "the newest wish is written at once")
	require.NotEmpty(t, d.open())
	d.commit(1)
	d.rest()
	assert.Equal(t, "Completed", d.status())
	assert.Equal(t, ledger.Applied, d.became().Fate)
	assert.Zero(t, d.sentBack())
	assert.Empty(t, d.proposed("ward"))
}
