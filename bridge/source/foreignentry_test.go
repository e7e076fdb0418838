package source

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/fhir/rest"
)

func TestAnEntryIsARecordOfThisServerOrHeld(t *testing.T) {
	f := &FHIRServer{Base: "https://ward.example/fhir"}
	for full, own := range map[string]bool{
		"https://ward.example/fhir/ServiceRequest/r1":            true,
		"https://ward.example/fhir/ServiceRequest/r1/_history/5": true,
		"": true, "urn:uuid:5d1d3c7e-0000-4000-8000-000000000000": true,
		"ServiceRequest/r1":                           true,
		"https://gp.example/fhir/ServiceRequest/r1":   false,
		"https://ward.example/fhir/ServiceRequest/r2": false,
		"https://ward.example/fhir/Patient/r1":        false,
	} {
		page := `{"resourceType":"Bundle","type":"searchset","entry":[{"fullUrl":"` + full + `","resource":{"resourceType":"ServiceRequest","id":"r1"}}]}`
		read, err := rest.ReadPage([]byte(page))
		require.NoError(t, err)
		seen := f.sightings("ServiceRequest", read.Entries)
		require.Len(t, seen, 1)
		if own {
			assert.Equal(t, "r1", seen[0].Ref.ID, full)
			assert.Empty(t, seen[0].Reason.Code, full)
		} else {
			assert.Empty(t, seen[0].Ref.ID, full)
			assert.Equal(t, bridge.CodeForeign, seen[0].Reason.Code, full)
		}
	}
}
