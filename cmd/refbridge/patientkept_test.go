package main

import (
	"bytes"
	"encoding/json"
	"net/http"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// put changes a resource of the FHIR server as its staff would.
func (w *world) put(ref string, change func(map[string]any)) {
	w.t.Helper()
	at := serving(w.t, w.fhir) + "/fhir/" + ref
	got, err := http.Get(at)
	require.NoError(w.t, err)
	defer got.Body.Close()
	o := map[string]any{}
	require.NoError(w.t, json.NewDecoder(got.Body).Decode(&o))
	change(o)
	body, err := json.Marshal(o)
	require.NoError(w.t, err)
	put, err := http.NewRequestWithContext(w.t.Context(), http.MethodPut, at, bytes.NewReader(body))
	require.NoError(w.t, err)
	put.Header.Set("Content-Type", "application/fhir+json")
	put.Header.Set("If-Match", got.Header.Get("ETag"))
	done, err := http.DefaultClient.Do(put)
	require.NoError(w.t, err)
	defer done.Body.Close()
	require.Equal(w.t, http.StatusOK, done.StatusCode)
}

func TestFinding_server_MP6_APatientWhoIsOnlyLinkedAndChangesAtTheSourceIsListed(t *testing.T) {
	t.Parallel()
	// Before: a referral is in Salesforce, and from now on patients are only linked. Source: its patient has another telephone.
	w := newWorld(t, setting{ward: 6})
	w.run(exitDone, "sync")
	w.write("refbridge.yaml", strings.Replace(w.read("refbridge.yaml"), "patient: create", "patient: link", 1))
	id := w.ofWard("Active")[0]
	patient, _, _ := strings.Cut(strings.TrimPrefix(w.resource("ServiceRequest/" + id)["subject"].(map[string]any)["reference"].(string), "/"), "?")
	w.put(patient, func(o map[string]any) {
		o["telecom"] = []any{map[string]any{"system": "phone", "value": "07700900999"}}
	})
	w.run(exitDone, "sync")

	kept := w.statement().PatientsKept
	require.Len(t, kept, 1)
	assert.True(t, strings.HasPrefix(kept[0].Ref, "ServiceRequest/"+id), kept[0].Ref)
	assert.EqualValues(t, "applied", kept[0].Fate)
	text := w.run(exitDone, "statement").out
	assert.True(t, strings.HasPrefix(text, "patients whom the source changed in the last week"), text)
	assert.Contains(t, strings.Join(strings.Fields(text), " "), "the source changed the patient's telephone or e-mail; the Account is left to its owner")
	for _, row := range w.org.Rows("Account") {
		assert.NotEqual(t, "07700900999", row["Phone"])
	}
	assert.NotContains(t, text, "07700900999")
	w.run(exitDone, "sync")
	assert.Len(t, w.statement().PatientsKept, 1, "once")
}
