package source

import (
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
)

// A body that an older version stored has no fullUrl, and may hold the wrong patient.
func TestFinding_SEC1_AStoredBodyWithAnothersPatientIsHeld(t *testing.T) {
	f := &FHIRServer{Base: "https://mine.example/r4"}
	body := `{"resourceType":"Bundle","type":"collection","entry":[{"resource":{"resourceType":"ServiceRequest","id":"x","status":"active","intent":"order",
		"subject":{"reference":"https://gp.example/fhir/Patient/1"}}},{"resource":` + bridgetest.Person("1", "1", "9990000018") + `}]}`
	b, _, err := f.Normalise(context.Background(), []byte(body))
	require.NoError(t, err)
	tables, err := mapping.Load(mapping.Default(), mapping.Options{})
	require.NoError(t, err)
	_, err = tables.Map(mapping.Input{Focus: b.Focus[0], Related: b.Related, Resolver: b.References(), Variables: map[string]string{"source": "s"}})
	require.Error(t, err)
	assert.Equal(t, bridge.CodeForeign, bridge.OfMapping(err, ledger.Work{}).Reason.Code)
}

func TestEachLostReferenceOfAPatientHasItsReason(t *testing.T) {
	now := time.Date(2026, 6, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		err  error
		code string
		next time.Time
	}{
		{fmt.Errorf("read: %w", fhir.ErrForeign), bridge.CodeForeign, time.Time{}},
		{fhir.ErrVersion, bridge.CodeVersion, time.Time{}},
		{fhir.ErrUnresolved, bridge.CodeUnresolved, now.Add(time.Minute)},
		{errors.New("other"), bridge.CodeSource, now.Add(time.Minute)},
	} {
		v := bridge.OfSource(c.err, ledger.Work{}, now)
		assert.Equal(t, ledger.Held, v.Fate)
		assert.Equal(t, c.code, v.Reason.Code)
		assert.Equal(t, c.next, v.Next, c.code)
	}
}
