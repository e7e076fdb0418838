package bridge

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge/bridgetest"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/wire"
)

// Of several faults of one record the gravest is told: who it is about comes before everything else.
func TestWhichFaultOfARecordIsTold(t *testing.T) {
	who := mapping.Fault{Kind: mapping.PatientIdentity, Field: "PatientId"}
	code, other := mapping.Fault{Kind: mapping.UnknownCode, Field: "Priority"}, mapping.Fault{Kind: mapping.BadValue, Field: "Status"}
	for _, c := range []struct {
		about  string
		faults mapping.Faults
		told   mapping.Fault
	}{
		{"one alone", mapping.Faults{code}, code},
		{"the first, where none is graver", mapping.Faults{code, other}, code},
		{"who it is about, though it comes last", mapping.Faults{code, other, who}, who},
		{"who it is about, and it comes first", mapping.Faults{who, code}, who},
	} {
		assert.Equal(t, c.told, gravest(c.faults), c.about)
	}
}

// A write that had no answer in time halts the lane; other failures of a call do not, by themselves.
func TestWhichFailuresOfAWriteHaltTheLane(t *testing.T) {
	assert.NoError(t, Hanging(nil))
	assert.NoError(t, Hanging([]sfdc.SaveResult{{ID: "a01"}, {Err: bridgetest.RefusedRow("UNABLE_TO_LOCK_ROW")}}))
	assert.NoError(t, Hanging([]sfdc.SaveResult{{Err: fmt.Errorf("upsert: %w", wire.ErrCut)}}))
	err := Hanging([]sfdc.SaveResult{{ID: "a01"}, {Err: fmt.Errorf("upsert: %w", wire.ErrTimeout)}})
	assert.ErrorIs(t, err, ErrHalted)
	assert.ErrorContains(t, err, "Salesforce does not answer in time")
}

func TestASourceThatLetsCallsWaitInVainHaltsTheLane(t *testing.T) {
	paused := func(hangs bool) error { return fmt.Errorf("read: %w", &wire.Paused{Left: time.Minute, Hangs: hangs}) }
	assert.True(t, doesNotAnswer(paused(true)))
	assert.False(t, doesNotAnswer(paused(false)))
	assert.False(t, doesNotAnswer(wire.ErrTimeout))
	v := ofStatus(429, paused(true), ledger.Work{}, bridgetest.Noon())
	assert.ErrorIs(t, v.Halt, ErrHalted)
	assert.ErrorContains(t, v.Halt, "does not answer")
	assert.ErrorContains(t, ofStatus(429, paused(false), ledger.Work{}, bridgetest.Noon()).Halt, "fewer calls")
}

func TestFinding_server_MP18_APatientWhoIsNotThereIsLookedForAgainInAMinute(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	w := ledger.Work{}
	for _, wait := range []time.Duration{time.Minute, 5 * time.Minute, 15 * time.Minute} {
		v := OfSource(fhir.ErrUnresolved, w, now)
		assert.Equal(t, now.Add(wait), v.Next)
		assert.Contains(t, v.Reason.Text, "the patient that this referral names is not there")
		w.Reason, w.Attempts = v.Reason, w.Attempts+1
	}
	w.Attempts = 100
	assert.Equal(t, ledger.Held, OfSource(fhir.ErrUnresolved, w, now).Fate, "it is never given up")
}
