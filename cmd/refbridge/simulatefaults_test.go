package main

import (
	"net/http"
	"os"
	"path/filepath"
	"regexp"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ers/erssim"
	"refbridge/fhir/fhirsim"
)

func TestFinding_clients_J14_ASimulatorThatAUserStartsCanAskForAToken(t *testing.T) {
	t.Parallel()
	s := simulate(t, "fhir", "--smart", "v2", "--referrals", "4")
	assert.ElementsMatch(t, []string{"baseUrl", "tokenUrl", "clientId", "keyId", "privateKeyFile"}, keysOf(s.keys))
	pem, err := os.ReadFile(s.reach.PrivateKeyFile)
	require.NoError(t, err)
	assert.Contains(t, string(pem), "BEGIN PRIVATE KEY")
	answer, err := http.Get(s.reach.BaseURL + "/Patient")
	require.NoError(t, err)
	require.NoError(t, answer.Body.Close())
	assert.Equal(t, http.StatusUnauthorized, answer.StatusCode)
	s.stop(t)
}

func TestTheExamplesOfThePageAboutSimulatorsCanBeRun(t *testing.T) {
	t.Parallel()
	page, err := os.ReadFile(filepath.Join("..", "..", "docs", "simulators.md"))
	require.NoError(t, err)
	examples := regexp.MustCompile("(?s)```json\n(.*?)```").FindAllSubmatch(page, -1)
	require.Len(t, examples, 2)
	fhir, err := fhirsim.New(fhirsim.Options{Referrals: 10})
	require.NoError(t, err)
	ers, err := erssim.New(erssim.Options{Referrals: 10})
	require.NoError(t, err)
	path := filepath.Join(t.TempDir(), "faults.json")
	require.NoError(t, os.WriteFile(path, examples[0][1], 0o600))
	require.NoError(t, misbehave(path, fhir.SetFaults))
	require.NoError(t, os.WriteFile(path, examples[1][1], 0o600))
	require.NoError(t, misbehave(path, ers.SetFaults))
	assert.ErrorContains(t, misbehave(path, fhir.SetFaults), "unknown field")
}
