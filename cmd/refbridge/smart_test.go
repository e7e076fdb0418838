package main

import (
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir/fhirsim"
)

// signedWard puts a FHIR server that wants a sign-in, and enforces scopes, in the place of the world's open one.
func (w *world) signedWard(curve bool, lines string) *fhirsim.Server {
	w.t.Helper()
	far, err := fhirsim.New(fhirsim.Options{Seed: 5, Referrals: 4, RequireToken: true})
	require.NoError(w.t, err)
	c := far.Credentials(serving(w.t, far))
	id, key := c.KeyID, any(c.Key)
	if curve {
		id, key = c.ECKeyID, c.ECKey
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	require.NoError(w.t, err)
	w.write("ward.pem", string(pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})))
	text := w.read("refbridge.yaml")
	w.write("refbridge.yaml", text[:strings.Index(text, "  - {name: ward")]+fmt.Sprintf(`  - name: ward
    kind: fhir
    base_url: %s
    token_url: %s
    client_id: %q
    key_id: %q
    private_key: file:ward.pem
    patient: create
    rate: 100
    page_size: 2
%s`, c.BaseURL, c.TokenURL, c.ClientID, id, lines))
	return far
}

func (w *world) holdOneOfTheWard() {
	w.t.Helper()
	for _, row := range w.org.Rows("ClinicalServiceRequest") {
		key, _ := row["Bridge_Key__c"].(string)
		if row["Status"] == "Active" && strings.HasPrefix(key, "ward.sr.") {
			require.NoError(w.t, w.org.Edit("ClinicalServiceRequest", key, map[string]any{"Status": "On-Hold"}))
			return
		}
	}
	w.t.Fatal("no active referral of the ward")
}

func TestFinding_server_MP8_AStatusGoesBackToAServerThatEnforcesScopes(t *testing.T) {
	for what, c := range map[string]struct {
		curve bool
		lines string
	}{
		"SMART 1, RS384": {false, ""},
		"SMART 2, ES384": {true, "    scope_version: v2\n"},
		"word by word":   {false, "    scope: system/*.rs system/ServiceRequest.u\n"},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t, setting{})
			far := w.signedWard(c.curve, c.lines+"    write_back: [{operation: update, approval: none}]\n")
			w.run(exitDone, "sync")
			w.holdOneOfTheWard()
			w.run(exitDone, "sync")
			assert.Len(t, far.Report().Updates, 1)
		})
	}
}

func TestFinding_clients_J4_AScopeThatWasNotGrantedIsToldWithWhatToAskFor(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{})
	far := w.signedWard(false, "    scope: system/ServiceRequest.rs system/Patient.rs\n")
	r := w.run(exitError, "sync")
	assert.Contains(t, r.out+r.err, "system/Appointment.read (SMART 1) or system/Appointment.s (SMART 2)")
	assert.Zero(t, far.Report().Calls["search Appointment"], "it is not run into a 403")
	assert.NotEmpty(t, w.org.Rows("ClinicalServiceRequest"), "the referrals came all the same")
}

func TestAServerThatSaysWhereItGivesTokensNeedsNoTokenURL(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{})
	far := w.signedWard(false, "    write_back: [{operation: update, approval: none}]\n")
	text := w.read("refbridge.yaml")
	i := strings.Index(text, "    token_url: ")
	w.write("refbridge.yaml", text[:i]+text[i+strings.Index(text[i:], "\n")+1:])

	// A forged answer: our assertion goes nowhere.
	require.NoError(t, far.SetFaults(fhirsim.Faults{TokenEndpoint: "https://login.evil.example/token"}))
	r := w.run(exitError, "sync")
	assert.Contains(t, r.err, "it is at https://login.evil.example, and the server is http://127.0.0.1")
	assert.Contains(t, r.err, "token_host")
	assert.Zero(t, far.Report().Calls["token"])

	require.NoError(t, far.SetFaults(fhirsim.Faults{}))
	w.run(exitChanges, "plan", "--poll")
	assert.Zero(t, w.org.Writes())
	w.run(exitDone, "sync")
	w.holdOneOfTheWard()
	w.run(exitDone, "sync")
	assert.Len(t, far.Report().Updates, 1)
}
