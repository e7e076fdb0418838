package lane

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan"
	"refbridge/bridge/plan/shelf"
	"refbridge/bridge/source"
	"refbridge/fhir"
	"refbridge/mapping"
)

// planner plans what a FHIR server says, with the starter tables.
func planner(s *shelf.Shelf, t *testing.T) *plan.Planner {
	t.Helper()
	tables, err := mapping.Load(mapping.Default(), mapping.Options{PatientKey: func(n fhir.NHSNumber) string { return "pt." + n.Reveal()[6:] }})
	require.NoError(t, err)
	now := func() time.Time { return bridgetest.Noon() }
	// The ledger was made anew after everything on the shelf was written: a row of which it knows nothing is no sign of an older one.
	return &plan.Planner{Flow: "ward", Anew: bridgetest.Noon().Add(240 * time.Hour), Source: &source.FHIRServer{Base: "https://ward.example/fhir", Now: now}, Target: s, Memory: s, Tables: tables, Now: now,
		Policy: plan.Policy{Patient: plan.Link, Run: "live", System: "https://ward.example", Token: []byte("secret")}}
}
