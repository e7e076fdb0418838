package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// simulator is a far end in a process of its own.
type simulator struct {
	cmd   *exec.Cmd
	line  string
	reach reach
	keys  map[string]string
}

// simulate starts one and reads the line that it prints.
func simulate(t *testing.T, what string, args ...string) simulator {
	t.Helper()
	s := simulator{cmd: process(t, t.TempDir(), append([]string{"simulate", what, "--json"}, args...)...)}
	out, err := s.cmd.StdoutPipe()
	require.NoError(t, err)
	started(t, s.cmd)
	read := bufio.NewReader(out)
	s.line, err = read.ReadString('\n')
	require.NoError(t, err)
	require.NoError(t, json.Unmarshal([]byte(s.line), &s.reach))
	require.NoError(t, json.Unmarshal([]byte(s.line), &s.keys))
	return s
}

// stop interrupts it as Ctrl-C does.
func (s simulator) stop(t *testing.T) {
	t.Helper()
	require.NoError(t, s.cmd.Process.Signal(os.Interrupt))
	assert.NoError(t, s.cmd.Wait(), "interrupted is no failure")
	_, err := os.Stat(s.reach.PrivateKeyFile)
	assert.True(t, s.reach.PrivateKeyFile == "" || os.IsNotExist(err), "the key goes with it")
}

func keysOf(m map[string]string) []string {
	var out []string
	for k, v := range m {
		if v != "" {
			out = append(out, k)
		}
	}
	return out
}

func TestASimulatorPrintsHowToReachItInOneLineAndAnswersUntilInterrupted(t *testing.T) {
	t.Parallel()
	for what, want := range map[string]struct {
		keys []string
		ask  string
		says int
	}{
		"ers":        {[]string{"baseUrl", "tokenUrl", "clientId", "keyId", "privateKeyFile"}, "/STU3/ReferralRequest/000000070001", http.StatusUnauthorized},
		"salesforce": {[]string{"baseUrl", "clientId", "clientSecret", "username", "privateKeyFile"}, "/services/data/v66.0/sobjects", http.StatusUnauthorized},
		"fhir":       {[]string{"baseUrl"}, "/metadata", http.StatusOK},
	} {
		t.Run(what, func(t *testing.T) {
			t.Parallel()
			s := simulate(t, what, "--listen", "127.0.0.1:0", "--seed", "3", "--referrals", "4")
			assert.ElementsMatch(t, want.keys, keysOf(s.keys))
			assert.Len(t, s.keys, len(want.keys), "no key without a value")
			answer, err := http.Get(s.reach.BaseURL + want.ask)
			require.NoError(t, err)
			assert.NoError(t, answer.Body.Close())
			assert.Equal(t, want.says, answer.StatusCode)
			if s.reach.PrivateKeyFile != "" {
				info, err := os.Stat(s.reach.PrivateKeyFile)
				require.NoError(t, err)
				assert.Equal(t, "-rw-------", info.Mode().String())
			}
			s.stop(t)
		})
	}
}

func TestASimulatorSaysInWordsHowToReachIt(t *testing.T) {
	t.Parallel()
	c := process(t, t.TempDir(), "simulate", "fhir", "--referrals", "1")
	out, err := c.StdoutPipe()
	require.NoError(t, err)
	started(t, c)
	said := lines(t, bufio.NewScanner(out), "running until interrupted")
	assert.Regexp(t, `^base URL +http://127\.0\.0\.1:\d+/fhir$`, said[0])
	require.NoError(t, c.Process.Signal(os.Interrupt))
	assert.NoError(t, c.Wait())
}

func TestASimulatorThatCannotListenSaysSo(t *testing.T) {
	t.Parallel()
	r := refbridge(t, "simulate", "fhir", "--listen", "256.0.0.1:1")
	assert.Equal(t, exitError, r.code)
	assert.Contains(t, r.err, "refbridge: hint: --listen 127.0.0.1:0 takes any free port")
	assert.Equal(t, exitError, refbridge(t, "simulate", "fhir", "--referrals=-1").code)
}

// The whole job as a new user does it: three far ends in processes of their own, a configuration by hand, the commands.
func TestAWholeWorldRunsByTheCommandsAlone(t *testing.T) {
	t.Parallel()
	e := simulate(t, "ers", "--seed", "7", "--referrals", "12")
	f := simulate(t, "fhir", "--seed", "7", "--referrals", "3")
	o := simulate(t, "salesforce", "--seed", "7", "--referrals", "12")
	w := &world{t: t, dir: t.TempDir()}
	for name, s := range map[string]simulator{"ers.pem": e, "salesforce.pem": o} {
		key, err := os.ReadFile(s.reach.PrivateKeyFile)
		require.NoError(t, err)
		w.write(name, string(key))
	}
	w.write("ledger.key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	w.write("patient.key", "a synthetic secret")
	w.write("refbridge.yaml", fmt.Sprintf(`
ledger: {path: ledger.db, key: "file:ledger.key"}
salesforce: {login_url: %q, client_id: %q, username: %q, private_key: "file:salesforce.pem", patient_key: "file:patient.key"}
sources:
  - {name: ers, kind: ers, base_url: %q, token_url: %q, client_id: %q, key_id: %q, private_key: "file:ers.pem", services: ["21012", "11002"], rate: 10}
  - {name: ward, kind: fhir, base_url: %q, patient: create}
`, o.reach.BaseURL, o.reach.ClientID, o.reach.Username,
		e.reach.BaseURL, e.reach.TokenURL, e.reach.ClientID, e.reach.KeyID, f.reach.BaseURL))

	writes := func() (n int) {
		var report struct{ Creates, Updates, Unchanged, Deletes int }
		require.NoError(t, json.Unmarshal(get(t, o.reach.BaseURL+"/control/report"), &report))
		return report.Creates + report.Updates + report.Unchanged + report.Deletes
	}
	w.run(exitDone, "sync")
	first := writes()
	require.Positive(t, first)
	w.run(exitDone, "sync")
	assert.Equal(t, first, writes(), "the second sync writes nothing")
	w.run(exitDone, "plan")
	s := w.statement()
	assert.GreaterOrEqual(t, s.Applied, 6)
	assert.Zero(t, s.Pending+s.Unread)
	var source struct {
		Violations    []string
		WorklistCalls int
	}
	require.NoError(t, json.Unmarshal(get(t, strings.TrimSuffix(e.reach.BaseURL, "/referrals/FHIR")+"/control/report"), &source))
	assert.Empty(t, source.Violations)
	assert.Equal(t, 4, source.WorklistCalls)

	// Salesforce is gone: an error in words, and everything is as it was.
	o.stop(t)
	r := w.run(exitError, "sync")
	assert.Regexp(t, `(?m)^refbridge: error: sync ers: `, r.err)
	assert.Equal(t, s.Applied, w.statement().Applied)
	e.stop(t)
	f.stop(t)
}

func TestTheDemoDoesTheMainJobAndItsLastLineIsTheReport(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	c := process(t, dir, "demo", "--exit", "--json", "--referrals", "40")
	out, err := c.Output()
	require.NoError(t, err, "%s", out)
	printed := strings.Split(strings.TrimSpace(string(out)), "\n")
	var report map[string]any
	require.NoError(t, json.Unmarshal([]byte(printed[len(printed)-1]), &report))
	fields := []string{"observed", "applied", "superseded", "held", "dead", "unknown", "pending", "secondSyncWrites", "duplicates", "balanced",
		"statusWrittenBack", "salesforceCalls", "ersCalls"}
	assert.Len(t, report, len(fields))
	n := map[string]int{}
	for _, name := range fields {
		require.Contains(t, report, name)
		v, _ := report[name].(float64)
		n[name] = int(v)
	}
	assert.Equal(t, true, report["balanced"])
	assert.Equal(t, n["observed"], n["applied"]+n["superseded"]+n["held"]+n["dead"]+n["unknown"]+n["pending"])
	assert.Equal(t, 1, n["statusWrittenBack"])
	for _, zero := range []string{"pending", "secondSyncWrites", "duplicates", "unknown"} {
		assert.Zero(t, n[zero], zero)
	}
	assert.Equal(t, 1, n["dead"], "the sensitive patient, whom e-RS will not give out")
	for _, some := range []string{"applied", "superseded", "held", "salesforceCalls", "ersCalls"} {
		assert.Positive(t, n[some], some)
	}

	// A newcomer sees the plan, what is held and why, and the sums; and no NHS number.
	text := string(out)
	for _, shown := range []string{"== Plan: a dry run", "The first 3 in full", "writes counted by Salesforce itself: 0",
		"e-RS took A036 on ", "[salesforce-validation]", "[salesforce-transient]", "the statement balances", "0 violations of its rules"} {
		assert.Contains(t, text, shown)
	}
	assert.NotRegexp(t, `\b999\d{7}\b`, text)
	assert.NotContains(t, text, "\x1b[", "no colour where there is no terminal")

	// It begins anew each time, but does not remove what it has not made.
	info, err := os.Stat(filepath.Join(dir, "refbridge-demo"))
	require.NoError(t, err)
	assert.Equal(t, "drwx------", info.Mode().String())
	other := t.TempDir()
	require.NoError(t, os.MkdirAll(filepath.Join(other, "refbridge-demo", "mine"), 0o755))
	c = process(t, other, "demo", "--exit")
	out, err = c.CombinedOutput()
	require.Error(t, err)
	assert.Equal(t, exitError, c.ProcessState.ExitCode())
	assert.Contains(t, string(out), "refbridge: error: ./refbridge-demo is there and was not made by a demo\n")
	assert.DirExists(t, filepath.Join(other, "refbridge-demo", "mine"))
	assert.Equal(t, exitUsage, refbridge(t, "demo", "--referrals", "3").code)
}
