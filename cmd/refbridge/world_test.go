package main

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/report"
	"refbridge/config"
	"refbridge/ers"
	"refbridge/ers/erssim"
	"refbridge/fhir"
	"refbridge/fhir/fhirsim"
	"refbridge/sfdc/sfdcsim"
)

// setting says what world a test wants.
type setting struct {
	referrals int                             // of e-RS
	messy     bool                            // five of them are troublesome
	ward      int                             // of the FHIR server
	people    int                             // with an Account in Salesforce; 0 = all
	writeBack string                          // YAML below the e-RS source
	hidden    []string                        // fields that the org lacks: "ServiceAppointment.StatusReason"
	spoil     spoil                           // answers of e-RS or the FHIR server that are not what they should be
	org       func(http.Handler) http.Handler // stands before the org; nil: nothing does
}

// spoil stands between refbridge and its sources. While it is on, what is asked of a path that holds its text is answered with
// something else; the far end never sees it.
type spoil struct {
	on     *atomic.Bool
	path   string
	status int
	typ    string
	body   string
	edit   func(string) string // instead of body: what becomes of the right answer
	first  func(*http.Request) // what happens before any answer
}

func (s spoil) before(next http.Handler) http.Handler {
	return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if s.first != nil {
			s.first(r)
		}
		switch {
		case s.on == nil || !s.on.Load() || !strings.Contains(r.URL.Path, s.path):
			next.ServeHTTP(w, r)
		case s.edit != nil:
			right := httptest.NewRecorder()
			next.ServeHTTP(right, r)
			w.Header().Set("Content-Type", "application/fhir+json")
			_, _ = io.WriteString(w, s.edit(right.Body.String()))
		default:
			w.Header().Set("Content-Type", s.typ)
			w.WriteHeader(s.status)
			_, _ = io.WriteString(w, s.body)
		}
	})
}

// on gives a switch that is on.
func on() *atomic.Bool {
	b := &atomic.Bool{}
	b.Store(true)
	return b
}

// world is three far ends on real HTTP, a folder with a configuration, and the commands of refbridge.
type world struct {
	t    *testing.T
	dir  string
	ers  *erssim.Server
	fhir *fhirsim.Server
	org  *sfdcsim.Server
}

// newWorld starts the far ends and writes the configuration and its keys. Before: nothing is synced.
func newWorld(t *testing.T, s setting) *world {
	t.Helper()
	w := &world{t: t, dir: t.TempDir()}
	var err error
	w.ers, err = erssim.New(erssim.Options{Seed: 5, Referrals: s.referrals, Clean: !s.messy, RatePerSecond: 1000, Services: []string{"21012"}})
	require.NoError(t, err)
	w.fhir, err = fhirsim.New(fhirsim.Options{Seed: 5, Referrals: s.ward})
	require.NoError(t, err)
	people := s.people
	if people == 0 {
		people = s.referrals
	}
	w.org, err = sfdcsim.New(sfdcsim.Options{Seed: 5, People: people, Hidden: s.hidden})
	require.NoError(t, err)
	ward := serving(t, s.spoil.before(w.fhir))
	e, o := w.ers.Credentials(serving(t, s.spoil.before(w.ers))), w.org.Credentials(serving(t, s.before(w.org)))
	w.write("ers.pem", string(e.PrivateKeyPEM))
	w.write("ledger.key", "AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=")
	w.write("patient.key", "a synthetic secret")
	w.write("salesforce.secret", o.ClientSecret)
	w.write("refbridge.yaml", fmt.Sprintf(`
ledger: {path: data/ledger.db, key: "file:ledger.key"}
salesforce: {login_url: %q, client_id: %q, client_secret: "file:salesforce.secret", patient_key: "file:patient.key"}
sources:
  - {name: ward, kind: fhir, base_url: %q, patient: create, system: urn:ward}
  - name: ers
    kind: ers
    base_url: %s
    token_url: %s
    client_id: %q
    key_id: %q
    private_key: file:ers.pem
    services: ["21012"]
    rate: 100
    refresh: 1ms # every poll reads every live referral again
%s`, o.BaseURL, o.ClientID, w.fhir.Credentials(ward).BaseURL, e.BaseURL, e.TokenURL, e.ClientID, e.KeyID, s.writeBack))
	return w
}

func (s setting) before(org http.Handler) http.Handler {
	if s.org == nil {
		return org
	}
	return s.org(org)
}

func serving(t *testing.T, h http.Handler) string {
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}

// write puts a file into the world's folder, for its owner alone, and gives its path.
func (w *world) write(name, content string) string {
	w.t.Helper()
	path := filepath.Join(w.dir, name)
	require.NoError(w.t, os.WriteFile(path, []byte(content), 0o600))
	return path
}

// read gives the text of a file of the world's folder.
func (w *world) read(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	require.NoError(w.t, err)
	return string(text)
}

// run runs a command with the world's configuration and wants an exit code.
func (w *world) run(want int, args ...string) result {
	w.t.Helper()
	r := refbridge(w.t, append(args, "-c", filepath.Join(w.dir, "refbridge.yaml"))...)
	require.Equal(w.t, want, r.code, "refbridge %s\n%s%s", strings.Join(args, " "), r.out, r.err)
	return r
}

// statement runs refbridge statement --json, which must balance.
func (w *world) statement() report.Statement {
	w.t.Helper()
	var s report.Statement
	require.NoError(w.t, json.Unmarshal([]byte(w.run(exitDone, "statement", "--json").out), &s))
	require.True(w.t, s.Balanced)
	require.Equal(w.t, s.Observed, s.Applied+s.Superseded+s.Held+s.Dead+s.Unknown+s.Pending)
	return s
}

// open gives what the statement lists of one record: its fate and reason.
func openOf(s report.Statement, ref string) (fate, code string) {
	for _, e := range s.Open {
		if strings.HasPrefix(e.Ref+"/", ref+"/") {
			return string(e.Fate), e.Reason.Code
		}
	}
	return "", ""
}

// row gives the record of Salesforce with a key; nil = there is none.
func (w *world) row(object, key string) map[string]any {
	w.t.Helper()
	for _, r := range w.org.Rows(object) {
		if r["Bridge_Key__c"] == key {
			return r
		}
	}
	return nil
}

// in gives a referral that e-RS has in a state and Salesforce holds.
func (w *world) in(state string) erssim.Referral {
	w.t.Helper()
	for _, r := range w.ers.Referrals() {
		if r.State == state && w.row("ClinicalServiceRequest", "ers.sr."+r.UBRN) != nil {
			return r
		}
	}
	w.t.Fatalf("no referral is %s", state)
	return erssim.Referral{}
}

// source gives a referral as e-RS sends it now.
func (w *world) source(ubrn string) map[string]any {
	w.t.Helper()
	cfg, err := config.Load(filepath.Join(w.dir, "refbridge.yaml"), checkSchedule)
	require.NoError(w.t, err)
	s := cfg.Sources[1]
	key, err := s.PrivateKey.RSA()
	require.NoError(w.t, err)
	c, err := ers.New(ers.Config{BaseURL: s.BaseURL, TokenURL: s.TokenURL, ClientID: s.ClientID, KeyID: s.KeyID, Key: key, Rate: s.Rate})
	require.NoError(w.t, err)
	r, err := c.Read(w.t.Context(), fhir.Reference{Type: "ReferralRequest", ID: ubrn})
	require.NoError(w.t, err)
	var out map[string]any
	require.NoError(w.t, json.Unmarshal(r.Raw(), &out))
	return out
}

// process starts a command as a process of its own, which ends with the test at the latest.
func (w *world) process(args ...string) (*exec.Cmd, *bufio.Scanner) {
	w.t.Helper()
	c := process(w.t, w.dir, append(args, "-c", "refbridge.yaml")...)
	return c, started(w.t, c)
}

// started starts a process and gives the lines of its stderr.
func started(t *testing.T, c *exec.Cmd) *bufio.Scanner {
	t.Helper()
	pipe, err := c.StderrPipe()
	require.NoError(t, err)
	require.NoError(t, c.Start())
	t.Cleanup(func() {
		_ = c.Process.Kill()
		_ = c.Wait()
	})
	return bufio.NewScanner(pipe)
}

// lines reads until a line holds the text, and gives all that was read.
func lines(t *testing.T, in *bufio.Scanner, until string) []string {
	t.Helper()
	var out []string
	for in.Scan() {
		out = append(out, in.Text())
		if strings.Contains(in.Text(), until) {
			return out
		}
	}
	t.Fatalf("the stream ended without %q:\n%s", until, strings.Join(out, "\n"))
	return nil
}

func TestASyncBringsEveryReferralInAndASecondOneWritesNothing(t *testing.T) {
	t.Parallel()
	// Before: e-RS has 12 referrals of which five are troublesome, the FHIR server 10 of which three are. Nothing is synced.
	w := newWorld(t, setting{referrals: 12, messy: true, ward: 10})
	r := w.run(exitError, "plan")
	assert.Contains(t, r.err, "refbridge: hint: refbridge plan --poll")
	r = w.run(exitDone, "sync")
	assert.Regexp(t, `(?m)^ers: 7 applied, 4 held, 1 dead, 0 unknown; [1-9]\d* records written; 0 carried back$`, r.out)
	assert.Regexp(t, `(?m)^ward: \d+ applied, \d+ held, 0 dead, 0 unknown; [1-9]\d* records written; 0 carried back$`, r.out)
	assert.Empty(t, r.err, "what is held is listed by statement; it is no error of the run")

	// Salesforce holds seven referrals of e-RS, without duplicates, and the right values of one.
	org := w.org.Report()
	assert.Zero(t, org.Duplicates.Count())
	assert.Empty(t, org.Violations)
	booked := w.in("BOOKED")
	row := w.row("ClinicalServiceRequest", "ers.sr."+booked.UBRN)
	assert.Equal(t, "Active", row["Status"])
	assert.Equal(t, "Order", row["Type"])
	assert.Equal(t, "BOOKED", row["Bridge_Source_State__c"])
	assert.Equal(t, booked.Priority, row["Bridge_Source_Priority__c"])
	assert.Equal(t, booked.UBRN, row["SourceSystemIdentifier"])
	assert.Equal(t, "first", row["Bridge_Run__c"], "what the first sync brings in is no news: automations stay quiet")
	assert.Equal(t, "Scheduled", w.row("ServiceAppointment", "ers.ap."+booked.Appointment)["Status"])

	s := w.statement()
	assert.Zero(t, s.Pending+s.Unread+s.Unknown)
	for ubrn, want := range map[string]string{
		"000000070006": "held patient-identity", "000000070007": "held patient-identity", "000000070008": "held unknown-code",
		"000000070009": "held unknown-code", "000000070010": "dead patient-error",
	} {
		fate, code := openOf(s, "ReferralRequest/"+ubrn)
		assert.Equal(t, want, fate+" "+code, ubrn)
	}
	for id, want := range map[string]string{
		"ServiceRequest/sr100003": "held patient-identity", "ServiceRequest/sr100005": "held patient-identity",
		"ServiceRequest/sr100008": "held unknown-code", "Appointment/ap100003": "held parent",
	} {
		fate, code := openOf(s, id)
		assert.Equal(t, want, fate+" "+code, id)
	}

	// Nothing has changed: there is nothing to do, and a second sync does nothing.
	before, calls := w.org.Writes(), w.ers.Report().WorklistCalls
	r = w.run(exitDone, "plan")
	assert.Regexp(t, `(?m)^ers: 0 create, 0 update, .* 0 records to write$`, r.out)
	assert.Equal(t, calls, w.ers.Report().WorklistCalls, "a dry run spends no ration")
	w.run(exitDone, "sync")
	assert.Equal(t, before, w.org.Writes())
	assert.Equal(t, 2, w.ers.Report().WorklistCalls, "two a service and day, both lists together")
	assert.Empty(t, w.ers.Report().Violations)
	assert.Equal(t, s.Applied, w.statement().Applied)
}

func TestThePlanTellsByItsExitCodeWhetherThereIsSomethingToDo(t *testing.T) {
	t.Parallel()
	// Before: synced; but two patients had no Account, and one of them has got one since.
	w := newWorld(t, setting{referrals: 6, people: 3})
	w.run(exitDone, "sync")
	held := w.statement()
	require.Equal(t, 2, held.Held)
	w.run(exitDone, "plan")
	require.NoError(t, w.org.AddPerson(3))
	ubrn := ""
	for _, r := range w.ers.Referrals() {
		for _, p := range w.ers.People() {
			if p.N == 3 && p.NHSNumber == r.NHSNumber {
				ubrn = r.UBRN
			}
		}
	}
	require.NotEmpty(t, ubrn)

	// Retry takes the one that is named: the other stays.
	r := w.run(exitDone, "retry", ubrn)
	assert.Regexp(t, `^ers: 1 applied, 0 held, `, r.out)
	assert.NotNil(t, w.row("ClinicalServiceRequest", "ers.sr."+ubrn))
	assert.Equal(t, 1, w.statement().Held)
	r = w.run(exitError, "retry", ubrn)
	assert.Contains(t, r.err, "refbridge: error: nothing to retry\n")
	assert.Contains(t, r.err, "refbridge: hint: ")
	assert.Empty(t, r.out)

	// Everything that is held, and then nothing is.
	require.NoError(t, w.org.AddPerson(4))
	r = w.run(exitDone, "retry", "--all")
	assert.Regexp(t, `^ers: 1 applied, 0 held, `, r.out)
	assert.Zero(t, w.statement().Held)
	w.run(exitError, "retry", "--all")
	w.run(exitError, "retry", "000000099999")
}

// get reads a URL of a simulator.
func get(t *testing.T, url string) []byte {
	t.Helper()
	answer, err := http.Get(url)
	require.NoError(t, err)
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	require.NoError(t, err)
	require.Equal(t, http.StatusOK, answer.StatusCode, "%s", body)
	return body
}

// forbid gives the org a validation rule.
func (w *world) forbid(object, field, value, message string) {
	w.t.Helper()
	require.NoError(w.t, w.org.Break(sfdcsim.Fault{Kind: sfdcsim.Rule, Object: object, Field: field, Equals: value, Message: message}))
}
