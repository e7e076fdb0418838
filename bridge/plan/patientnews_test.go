package plan

import (
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/fhir"
	"refbridge/ledger"
)

// A change of the Patient alone is told where the Account is not ours to change, by the names of what changed and no values: a row a case.
func TestFinding_server_MP6_WhatIsToldOfAPatientWhoseAccountIsLeftToItsOwner(t *testing.T) {
	const before = `"name":[{"family":"Synthetic"}],"telecom":[{"system":"phone","value":"07700900001"}],"birthDate":"1950-02-01"`
	for _, c := range []struct {
		about string
		was   []byte
		now   []byte
		last  string // version that was applied
		mode  PatientMode
		told  string
	}{
		{about: "nothing of the patient", was: bridgetest.OfPerson("r1", bridgetest.IsActive, before), now: bridgetest.OfPerson("r1", `"status":"on-hold"`, before), last: "1-p1"},
		{about: "the name", was: bridgetest.OfPerson("r1", bridgetest.IsActive, before), now: bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Other"}],"telecom":[{"value":"07700900001","system":"phone"}],"birthDate":"1950-02-01"`),
			last: "1-p1", told: "name"},
		{about: "telephone and death", was: bridgetest.OfPerson("r1", bridgetest.IsActive, before), now: bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Synthetic"}],"deceasedBoolean":true,"birthDate":"1950-02-01"`),
			last: "1-p1", told: "death, telephone or e-mail"},
		{about: "the version alone", was: bridgetest.OfPerson("r1", bridgetest.IsActive, before), now: bridgetest.OfPerson("r1", bridgetest.IsActive, before+`,"meta":{"versionId":"2"}`), last: "1-p1"},
		{about: "it was never applied", was: bridgetest.OfPerson("r1", bridgetest.IsActive, before), now: bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Other"}]`)},
		{about: "what was applied is not kept any more", now: bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Other"}]`), last: "1-p1"},
		{about: "what was applied cannot be read", was: []byte("{"), now: bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Other"}]`), last: "1-p1"},
		{about: "it was deleted before", was: bridge.Tombstone(fhir.Reference{Type: "ServiceRequest", ID: "r1"}), now: bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Other"}]`), last: "1-p1"},
		{about: "it came with a number alone before", was: bridgetest.Collected(bridgetest.Requested("r1", bridgetest.ANumber, bridgetest.IsActive)), now: bridgetest.OfPerson("r1", bridgetest.IsActive, before), last: "1-p1"},
		{about: "the Account is ours, and the change is written", was: bridgetest.OfPerson("r1", bridgetest.IsActive, before), now: bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Other"}]`), last: "1-p1", mode: CreateMode},
	} {
		s := shelf.New()
		p := planner(s, t)
		if c.mode != "" {
			p.Policy.Patient, s.Accounts = c.mode, nil
		}
		w := bridgetest.Due("ServiceRequest", "r1", "1-p2", c.now)
		w.Known = ledger.Known{Version: c.last}
		if c.last != "" {
			w.Known.Patient = p.token(bridgetest.ANumber)
		}
		s.Bodies = map[fhir.Reference][]byte{{Type: "ServiceRequest", ID: "r1", Version: "1-p1"}: c.was}
		step := plan(t, p, w)[0]
		require.Equal(t, ledger.Pending, step.Fate, "%s: %s", c.about, step.Reason.Text)
		if c.told == "" {
			assert.Empty(t, step.Reason.Code, c.about)
			continue
		}
		assert.Equal(t, CodePatientKept, step.Reason.Code, c.about)
		assert.Equal(t, "the source changed the patient's "+c.told+"; the Account is left to its owner: put it right there too, where that is wanted", step.Reason.Text)
	}
	// Without the ledger nobody can tell.
	s := shelf.New()
	p := planner(s, t)
	w := bridgetest.Due("ServiceRequest", "r1", "1-p2", bridgetest.OfPerson("r1", bridgetest.IsActive, before))
	w.Known = ledger.Known{Version: "1-p1", Patient: p.token(bridgetest.ANumber)}
	s.Lost = errors.New("disk")
	require.Error(t, p.patientNews(t.Context(), []*bridge.Step{{Work: w, Fate: ledger.Pending}}))
}
