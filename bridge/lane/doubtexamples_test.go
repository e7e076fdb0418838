package lane_test

import (
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/back"
	"refbridge/ers/erssim"
	"refbridge/fhir"
	"refbridge/ledger"
)

// bookings returns the booked referrals of e-RS whose appointments are in Salesforce, with the keys of both rows.
func (d *doubtful) bookings() (ubrns, keys []string) {
	d.t.Helper()
	for _, r := range d.ers.Referrals() {
		row := d.row(referral, "ers.sr."+r.UBRN)
		for _, ap := range d.org.Rows("ServiceAppointment") {
			key, _ := ap["Bridge_Key__c"].(string)
			if r.State == "BOOKED" && row != nil && ap["ParentRecordId"] == row["Id"] && strings.HasPrefix(key, "ers.ap.") {
				ubrns, keys = append(ubrns, r.UBRN), append(keys, key)
			}
		}
	}
	require.GreaterOrEqual(d.t, len(ubrns), 2)
	return ubrns, keys
}

// ersSays changes a referral in e-RS and lets refbridge hear of it.
func (d *doubtful) ersSays(ubrn string, e erssim.Edit) {
	d.t.Helper()
	d.wait(time.Minute)
	d.ers.SetFaults(erssim.Faults{Edits: map[string]erssim.Edit{ubrn: e}})
	require.NoError(d.t, d.eRS.Sight(d.t.Context(), []fhir.Reference{{Type: "ReferralRequest", ID: ubrn}}))
	d.sync(d.eRS)
}

func TestDoubtExample1_TheFirstOfTwoAppointmentsIsFoundAndCanceled(t *testing.T) {
	// Before: e-RS has bookings. They are created, and nobody sees the answer.
	d := newDoubtful(t, setting{referrals: 20})
	d.gate.next["ServiceAppointment"] = []string{lost}
	d.run(d.eRS)
	ubrns, keys := d.bookings()
	require.NotEmpty(t, d.open())
	// The patient cancels and books another one.
	d.ersSays(ubrns[0], erssim.Edit{Appointment: 990002})

	assert.Equal(t, "Canceled", d.row("ServiceAppointment", keys[0])["Status"])
	assert.Equal(t, "Scheduled", d.row("ServiceAppointment", "ers.ap.990002")["Status"])
	d.wait(15 * time.Minute)
	d.sync(d.eRS)
	assert.Empty(t, d.open())
	d.sync(d.eRS) // the first row is past what may be marked: its read closed the write, and the next run finds nothing open
	assert.Equal(t, ledger.Applied, d.fate("ers", "ReferralRequest", ubrns[0]).Fate)
	assert.Equal(t, "Canceled", d.row("ServiceAppointment", keys[0])["Status"])
	assert.Empty(t, d.ers.Report().Operations)
}

func TestDoubtExample1_TheFirstOfTwoAppointmentsIsCanceledWhenItComesLate(t *testing.T) {
	d := newDoubtful(t, setting{referrals: 20})
	d.gate.next["ServiceAppointment"] = []string{late}
	d.run(d.eRS)
	require.Empty(t, d.org.Rows("ServiceAppointment"))
	number := ""
	for _, in := range d.open() {
		if in.Object == "ServiceAppointment" {
			number = in.Ref.ID
			d.key = in.Key
			break
		}
	}
	d.ersSays(number, erssim.Edit{Appointment: 990002})
	require.Equal(t, "Scheduled", d.row("ServiceAppointment", "ers.ap.990002")["Status"])
	require.Equal(t, ledger.Unknown, d.fate("ers", "ReferralRequest", number).Fate)
	d.commit(0)
	require.Equal(t, "Scheduled", d.row("ServiceAppointment", d.key)["Status"])
	for range 2 {
		d.wait(15 * time.Minute)
		d.sync(d.eRS)
	}
	assert.Equal(t, "Canceled", d.row("ServiceAppointment", d.key)["Status"])
	assert.Equal(t, ledger.Applied, d.fate("ers", "ReferralRequest", number).Fate)
	assert.Empty(t, d.open())
}

func TestDoubtExample2_OnHoldWithoutAnAnswerIsOursAndTheSourceGoesBack(t *testing.T) {
	d := newReferral(t)
	d.gate.next[referral] = []string{lost}
	d.source("status", "on-hold")
	d.step()
	require.Equal(t, "On-Hold", d.status())
	require.Equal(t, ledger.Unknown, d.became().Fate)
	d.source("status", "active")
	d.step()
	assert.Equal(t, "Active", d.status())
	d.rest()
	assert.Equal(t, "Active", d.status())
	assert.Equal(t, ledger.Applied, d.became().Fate)
	assert.Zero(t, d.sentBack())
	assert.Empty(t, d.proposed("ward"))
}

func TestDoubtExample3_APersonsRevocationStaysWhileThePriorityIsInDoubt(t *testing.T) {
	d := newReferral(t)
	d.gate.next[referral] = []string{late}
	d.source("priority", "stat")
	d.kill(wardOf, writesBack())
	require.NotEqual(t, "Stat", d.row(referral, d.key)["Priority"])
	d.person("Status", "Revoked")
	d.step()
	assert.Equal(t, "Revoked", d.status())
	assert.Zero(t, d.sentBack(), "nothing goes back in doubt")
	d.rest()
	assert.Equal(t, "Revoked", d.status())
	assert.Equal(t, 1, d.sentBack())
	assert.Equal(t, ledger.Applied, d.became().Fate)
	assert.Equal(t, "Stat", d.row(referral, d.key)["Priority"])
}

func TestDoubtExample4_AnAcceptanceArrivesDaysAfterAKillInTheFirstSync(t *testing.T) {
	d := newDoubtful(t, setting{referrals: 20})
	d.kill(ersOf, nil)
	d.wait(time.Minute)
	d.sync(d.eRS)
	ubrn := ""
	for _, r := range d.ers.Referrals() {
		if r.State == "AWAITING_TRIAGE" && d.row(referral, "ers.sr."+r.UBRN) != nil {
			ubrn = r.UBRN
		}
	}
	require.NotEmpty(t, ubrn)
	d.days(2)
	d.sync(d.eRS)
	require.Empty(t, d.open())
	d.ersSays(ubrn, erssim.Edit{State: "TRIAGED_PROVIDER_TO_ACTION"})
	assert.Equal(t, true, d.row(referral, "ers.sr."+ubrn)["IsAccepted"])
	assert.Equal(t, ledger.Applied, d.fate("ers", "ReferralRequest", ubrn).Fate)
	assert.Empty(t, d.proposed("ers"))
}

func TestDoubtExample5_AnOlderVersionThatCommitsLateIsWrittenOver(t *testing.T) {
	d := newReferral(t)
	d.gate.next[referral] = []string{late}
	d.source("status", "on-hold")
	d.step()
	require.Equal(t, "Active", d.status())
	d.source("status", "completed")
	d.step()
	require.Equal(t, "Completed", d.status())
	require.Equal(t, "in-doubt", d.became().Reason.Code)
	d.commit(0)
	require.Equal(t, "On-Hold", d.status())
	d.step()
	d.rest()
	assert.Equal(t, "Completed", d.status())
	assert.Equal(t, ledger.Applied, d.became().Fate)
	assert.Zero(t, d.sentBack())
	assert.Empty(t, d.proposed("ward"))
}

func accepting() []back.Permit {
	return []back.Permit{{Operation: "$ers.acceptReferral", Authority: "test"}}
}

func TestDoubtExample6_AnAcceptanceIsSentOnceThoughERSKeepsTheStateBooked(t *testing.T) {
	d := newDoubtful(t, setting{referrals: 20, permits: accepting()})
	d.run(d.eRS)
	ubrns, _ := d.bookings()
	d.wait(time.Minute)
	d.edit(ubrns[0], map[string]any{"IsAccepted": true})
	d.wait(time.Minute)
	d.sync(d.eRS)
	require.Len(t, d.ers.Report().Operations, 1)
	for range 4 {
		d.days(1)
		d.run(d.eRS)
	}
	assert.Len(t, d.ers.Report().Operations, 1)
	assert.Equal(t, true, d.row(referral, "ers.sr."+ubrns[0])["IsAccepted"])
	assert.Equal(t, "BOOKED", d.row(referral, "ers.sr."+ubrns[0])["Bridge_Source_State__c"])
}

func TestDoubtExample7_AnAppointmentNumberOfAnotherPatientInDoubtIsHeld(t *testing.T) {
	// Before: the first patient's appointment was created, and nobody saw the answer: there is an open intent and no image.
	d := newDoubtful(t, setting{referrals: 20})
	d.gate.next["ServiceAppointment"] = []string{lost}
	d.run(d.eRS)
	ubrns, keys := d.bookings()
	before := d.row("ServiceAppointment", keys[0])
	number := strings.TrimPrefix(keys[0], "ers.ap.")
	d.ersSays(ubrns[1], erssim.Edit{Appointment: atoi(t, number)})
	held := d.fate("ers", "ReferralRequest", ubrns[1])
	assert.Equal(t, ledger.Held, held.Fate)
	assert.Equal(t, "row-of-another", held.Reason.Code)
	assert.Contains(t, held.Reason.Text, ubrns[0])
	assert.Contains(t, held.Reason.Text, ubrns[1])
	assert.Equal(t, before, d.row("ServiceAppointment", keys[0]))
}

func TestDoubtExample8_TheFirstAttemptOfACallCommitsAfterTheNextVersion(t *testing.T) {
	d := newReferral(t)
	d.gate.next[referral] = []string{cut, saved}
	d.source("status", "on-hold")
	d.step()
	require.Equal(t, "On-Hold", d.status())
	require.Len(t, d.open(), 1, "the second attempt is answered, the first is not")
	require.Equal(t, "in-doubt", d.became().Reason.Code)
	d.source("status", "completed")
	d.step()
	require.Equal(t, "Completed", d.status())
	d.commit(0)
	require.Equal(t, "On-Hold", d.status())
	d.rest()
	assert.Equal(t, "Completed", d.status())
	assert.Zero(t, d.sentBack())
	assert.Empty(t, d.proposed("ward"))
}

func TestDoubtExample9_ARowThatAPersonDeletedIsNotCreatedAgain(t *testing.T) {
	d := newDoubtful(t, setting{ward: 12, permits: writesBack()})
	d.gate.next[referral] = []string{lost}
	d.run(d.ward)
	d.pick()
	d.wait(time.Minute)
	d.remove(referral, d.key)
	d.step()
	assert.Nil(t, d.row(referral, d.key))
	assert.Equal(t, ledger.Dead, d.became().Fate)
	assert.Equal(t, "deleted-in-salesforce", d.became().Reason.Code)
	d.source("priority", "stat")
	d.step()
	d.rest()
	assert.Nil(t, d.row(referral, d.key), "known as deleted, whatever the source says next")
	assert.Equal(t, "deleted-in-salesforce", d.became().Reason.Code)
}

func TestDoubtExample10_TheSourceGoesBackByItselfAfterAPersonsValueWasCarried(t *testing.T) {
	d := newReferral(t)
	d.person("Status", "On-Hold")
	d.step()
	require.Equal(t, 1, d.sentBack())
	d.step()
	d.source("status", "active")
	d.step()
	assert.Equal(t, "Active", d.status())
	d.rest()
	assert.Equal(t, "Active", d.status())
	assert.Equal(t, 1, d.sentBack())
	assert.Equal(t, ledger.Applied, d.became().Fate)
}

func atoi(t *testing.T, text string) int {
	t.Helper()
	n, err := strconv.Atoi(text)
	require.NoError(t, err)
	return n
}
