package main

import (
	"encoding/json"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/report"
	"refbridge/fhir/fhirsim"
)

func TestShowFindsAReferralByItsUBRNHoweverWrittenAndByItsTokenFromALog(t *testing.T) {
	t.Parallel()
	// Before: synced, with a log.
	w := newWorld(t, setting{referrals: 10, messy: true, ward: 2})
	log := w.run(exitDone, "sync", "--verbose").err
	held := "000000070006"
	assert.NotRegexp(t, `\d{12}`, log, "no UBRN in a log")

	r := w.run(exitDone, "show", held)
	assert.Regexp(t, `(?m)^ers ReferralRequest/000000070006/_history/\d+-w1  held, `, r.out)
	assert.Contains(t, r.out, "NHS number is missing; the source must name the patient by NHS number")
	assert.Contains(t, r.out, "waits for a change of tables, of the source, or refbridge retry")
	assert.Equal(t, r.out, w.run(exitDone, "show", "0000 0007 0006").out)
	assert.Equal(t, r.out, w.run(exitDone, "show", "ReferralRequest/"+held).out)
	token := ubrnToken(held, derive([]byte("\x00\x01\x02\x03\x04\x05\x06\x07\x08\x09\x0a\x0b\x0c\x0d\x0e\x0f"+
		"\x10\x11\x12\x13\x14\x15\x16\x17\x18\x19\x1a\x1b\x1c\x1d\x1e\x1f"), "log"))
	require.Regexp(t, `^u-[0-9a-f]{12}$`, token)
	assert.Equal(t, r.out, w.run(exitDone, "show", token).out)

	// One that was applied: its records by key and id, without values.
	booked := w.in("BOOKED")
	r = w.run(exitDone, "show", booked.UBRN)
	assert.Regexp(t, `(?m)^ers ReferralRequest/`+booked.UBRN+`/_history/\d+-w1  applied, `, r.out)
	id, _ := w.row("ClinicalServiceRequest", "ers.sr."+booked.UBRN)["Id"].(string)
	assert.Regexp(t, `(?m)^    ClinicalServiceRequest ers\.sr\.`+booked.UBRN+` `+id+`, \d+ fields$`, r.out)
	assert.Regexp(t, `(?m)^    ServiceAppointment ers\.ap\.`+booked.Appointment+` \w{18}, \d+ fields$`, r.out)
	assert.NotContains(t, r.out, booked.NHSNumber)

	// As JSON, and of the FHIR server.
	var entry report.Entry
	require.NoError(t, json.Unmarshal([]byte(w.run(exitDone, "show", "ServiceRequest/sr100001", "--json").out), &entry))
	assert.Equal(t, "ward", entry.Source)
	assert.Regexp(t, `^ServiceRequest/sr100001/_history/1\b`, entry.Ref)
	assert.Equal(t, "applied", string(entry.Fate))

	for _, unknown := range []string{"000000099999", "u-000000000000", "ServiceRequest/nobody"} {
		r = w.run(exitError, "show", unknown)
		assert.Equal(t, "refbridge: error: the ledger does not know this record\n"+
			"refbridge: hint: has it been polled? backfill --ubrns brings one in\n", r.err)
		assert.Empty(t, r.out)
	}
	// An NHS number does not belong on a command line. It is refused and not repeated.
	r = w.run(exitError, "show", "9990000018")
	assert.NotContains(t, r.err+r.out, "9990000018")
	assert.Contains(t, r.err, "refbridge: error: neither a UBRN nor Type/id")
}

func TestABackfillBringsInNamedReferralsMarkedAsSuchAndSpendsNoRation(t *testing.T) {
	t.Parallel()
	// Before: nothing was ever polled. One of the UBRNs is not at e-RS, one line has spaces and one stands twice.
	w := newWorld(t, setting{referrals: 5, ward: 3})
	list := w.write("ubrns.txt", "# from the export of May\n\n000000070001\n0000 0007 0002\n000000070001\n000000079999\n")
	r := w.run(exitDone, "backfill", "--ubrns", list)
	assert.Equal(t, "ers: 2 applied, 1 held, 0 dead, 0 unknown;", strings.Join(strings.Fields(r.out)[:9], " "))
	assert.Zero(t, w.ers.Report().WorklistCalls)
	assert.Equal(t, 2, w.org.Report().Records["ClinicalServiceRequest"], "the FHIR server was not asked")
	assert.Equal(t, "backfill", w.row("ClinicalServiceRequest", "ers.sr.000000070001")["Bridge_Run__c"])
	fate, code := openOf(w.statement(), "ReferralRequest/000000079999")
	assert.Equal(t, "held not-visible", fate+" "+code)

	// Once more: nothing to do. The first live sync afterwards leaves the marker as it is.
	before := w.org.Writes()
	w.run(exitDone, "backfill", "--ubrns", list)
	assert.Equal(t, before, w.org.Writes())
	w.run(exitDone, "sync")
	assert.Equal(t, "backfill", w.row("ClinicalServiceRequest", "ers.sr.000000070001")["Bridge_Run__c"])
	assert.Equal(t, "first", w.row("ClinicalServiceRequest", "ers.sr.000000070003")["Bridge_Run__c"],
		"the first live sync is still the first one: what it brings in is no news")
}

func TestABackfillWithABadLineNamesItAndDoesNothing(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{referrals: 3})
	list := w.write("ubrns.txt", "000000070001\n\n9990000018\n")
	r := w.run(exitError, "backfill", "--ubrns", list)
	assert.Contains(t, r.err, list+":3: not a UBRN\nrefbridge: hint: twelve digits, leading zeros included\n")
	assert.NotContains(t, r.err, "9990000018", "it may be an NHS number")
	assert.Zero(t, w.org.Report().Records["ClinicalServiceRequest"])
	assert.Zero(t, w.statement().Observed)
	r = w.run(exitError, "backfill", "--ubrns", filepath.Join(w.dir, "nowhere.txt"))
	assert.Contains(t, r.err, "nowhere.txt: no such file")
}

func TestABackfillOfAPeriodTakesWhatChangedInIt(t *testing.T) {
	t.Parallel()
	// Before: four referrals at the FHIR server, all changed within the last minutes; e-RS has some too.
	w := newWorld(t, setting{referrals: 3, ward: 3})
	r := w.run(exitDone, "backfill", "--from", "2001-01-01", "--to", "2001-02-01")
	assert.Contains(t, r.out, "ward: 0 applied, ")
	assert.Zero(t, w.org.Report().Records["ClinicalServiceRequest"])
	r = w.run(exitDone, "backfill", "--from", "2001-01-01")
	assert.Contains(t, r.out, "ward: 6 applied, ")
	assert.NotContains(t, r.out, "ers:", "e-RS has no search by time")
	assert.Equal(t, "backfill", w.row("ClinicalServiceRequest", "ward.sr.sr100000")["Bridge_Run__c"])
	assert.Zero(t, w.ers.Report().Calls)

	r = w.run(exitUsage, "backfill", "--from", "2026-02-01", "--to", "2026-01-01")
	assert.Contains(t, r.err, "refbridge: error: --to is not after --from\n")
	r = w.run(exitUsage, "backfill", "--ubrns", "x", "--to", "2026-01-01")
	assert.Contains(t, r.err, "refbridge: error: backfill takes --ubrns, or --from\n")
}

func TestACancellationInSalesforceWaitsForAnOperatorAndIsThenCarriedBackOnce(t *testing.T) {
	t.Parallel()
	// Before: synced; A036 is switched on and waits for approval, A013 is off.
	w := newWorld(t, setting{referrals: 6, ward: 2, writeBack: `
    write_back:
      - {operation: A036, use_case: "review 7"}
`})
	w.run(exitDone, "sync")
	booked := w.in("BOOKED")
	r := w.run(exitError, "approve", booked.UBRN, "--operator", "j.smith")
	assert.Contains(t, r.err, "refbridge: error: nothing waits for approval there\nrefbridge: hint: refbridge statement lists what waits\n")

	// A coordinator cancels it in Health Cloud.
	require.NoError(t, w.org.Edit("ClinicalServiceRequest", "ers.sr."+booked.UBRN, map[string]any{
		"Status": "Revoked", "Bridge_Action_Reason__c": "TREATMENT_NO_LONGER_REQUIRED"}))
	r = w.run(exitDone, "sync")
	assert.Contains(t, r.out, "ers: 1 changes made in Salesforce are open; refbridge statement lists them")
	assert.Empty(t, w.ers.Report().Operations)
	back := w.statement().Back
	require.Len(t, back, 1)
	assert.Equal(t, "waiting", string(back[0].State))
	assert.Equal(t, "awaits-approval", back[0].Reason.Code)
	assert.Equal(t, "Status", back[0].Field)
	assert.Contains(t, w.run(exitDone, "show", booked.UBRN).out, "Status in Salesforce: Active -> Revoked\n    #1 waiting ($ers.cancelReferral)\n")

	r = w.run(exitDone, "approve", booked.UBRN, "--operator", "j.smith", "--authority", "telephone call")
	assert.Contains(t, r.out, "approved: $ers.cancelReferral on ReferralRequest/"+booked.UBRN)
	r = w.run(exitDone, "sync")
	assert.Regexp(t, `(?m)^ers: .* 1 carried back$`, r.out)
	w.run(exitDone, "sync")
	ops := w.ers.Report().Operations
	require.Len(t, ops, 1)
	assert.Equal(t, "A036", ops[0].Name)
	assert.Equal(t, booked.UBRN, ops[0].UBRN)
	assert.Equal(t, "CANCELLED_REFERRAL", w.row("ClinicalServiceRequest", "ers.sr."+booked.UBRN)["Bridge_Source_State__c"])
	assert.Empty(t, w.statement().Back)
	assert.Empty(t, w.ers.Report().Violations)
	w.run(exitError, "approve", booked.UBRN, "--operator", "j.smith")
}

func TestTheDaemonWorksUntilItIsStoppedAndKeepsOtherWritersOut(t *testing.T) {
	t.Parallel()
	// Before: nothing was ever polled.
	w := newWorld(t, setting{referrals: 4, ward: 2})
	daemon, log := w.process("run", "--verbose")
	seen := lines(t, log, `msg="sync done" lane=`)
	seen = append(seen, lines(t, log, `msg="sync done" lane=`)...)
	assert.Equal(t, 6, w.org.Report().Records["ClinicalServiceRequest"])

	// A second writer is kept out; readers are not.
	for _, command := range [][]string{{"sync"}, {"run"}, {"retry", "--all"}, {"backfill", "--from", "2026-01-01"},
		{"approve", "000000070001", "--operator", "j.smith"}} {
		r := w.run(exitLocked, command...)
		assert.Regexp(t, `^refbridge: error: .*another`, r.err)
		assert.Contains(t, r.err, "refbridge: hint: a daemon is running on this ledger")
		assert.Empty(t, r.out)
	}
	w.run(exitDone, "plan")
	w.run(exitDone, "show", "000000070001")
	s := w.statement()
	assert.Equal(t, 8, s.Applied, "open: %s", w.run(exitDone, "statement").out)

	require.NoError(t, daemon.Process.Signal(syscall.SIGTERM))
	for log.Scan() {
		seen = append(seen, log.Text())
	}
	require.NoError(t, daemon.Wait(), "stopped is no failure")
	assert.NotContains(t, strings.Join(seen, "\n"), "level=ERROR")
	assert.NotContains(t, strings.Join(seen, "\n"), "refbridge: error")
	assert.NotRegexp(t, `\b\d{12}\b`, strings.Join(seen, "\n"))
	for _, line := range seen {
		assert.Regexp(t, `^time=\d{4}-\d\d-\d\dT\S+ level=INFO `, line, "time stamps as log shippers read them")
	}

	// The ledger is free again.
	w.run(exitDone, "sync")
}

func TestThePlanOfAFileIsADiffAgainstWhatWasLastSynced(t *testing.T) {
	t.Parallel()
	// Before: synced.
	w := newWorld(t, setting{referrals: 6, ward: 4})
	w.run(exitDone, "sync")
	booked := w.in("BOOKED")
	calls := w.org.Report().Calls + w.ers.Report().Calls

	// Source: the referral as it is. There is nothing to do, and nobody is asked.
	referral := w.source(booked.UBRN)
	calls += 2 // the read above and its token
	same := w.file("same.json", referral)
	r := w.run(exitDone, "plan", "--from", same)
	assert.Contains(t, r.out, "ReferralRequest/"+booked.UBRN)
	assert.Contains(t, r.out, "  = ClinicalServiceRequest ers.sr."+booked.UBRN)
	assert.Contains(t, r.out, "1 same, 0 held, 0 dead; 0 records to write\n")
	assert.NotContains(t, r.out, booked.NHSNumber)

	// Source: the appointment was moved to another hour, the priority was raised.
	for _, c := range referral["contained"].([]any) {
		if a := c.(map[string]any); a["resourceType"] == "Appointment" {
			a["start"], a["end"] = "2031-05-06T10:00:00+01:00", "2031-05-06T10:20:00+01:00"
		}
	}
	for _, e := range referral["extension"].([]any) {
		if e := e.(map[string]any); strings.HasSuffix(e["url"].(string), "ReferralPriority-1") {
			e["valueCodeableConcept"] = map[string]any{"coding": []any{map[string]any{"code": "TWO_WEEK_WAIT"}}}
		}
	}
	moved := w.file("moved.json", referral)
	r = w.run(exitChanges, "plan", "--from", moved)
	assert.Regexp(t, `(?m)^ReferralRequest/`+booked.UBRN+`/_history/\d+  update$`, r.out)
	assert.Regexp(t, `(?m)^  ~ ServiceAppointment ers\.ap\.`+booked.Appointment+`$`, r.out)
	assert.Regexp(t, `(?m)^    SchedStartTime +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ -> 2031-05-06T09:00:00Z +appointment\.yaml:\d+ Appointment\.start$`, r.out)
	assert.Regexp(t, `(?m)^    SchedEndTime +\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ -> 2031-05-06T09:20:00Z +appointment\.yaml:\d+ Appointment\.end$`, r.out)
	assert.Regexp(t, `(?m)^    Bridge_Source_Priority__c +`+booked.Priority+` -> TWO_WEEK_WAIT +service-request\.yaml:\d+ ServiceRequest\.extension\[\d\]\.valueCoding\.code$`, r.out)
	assert.NotContains(t, r.out, "SourceSystem ", "what is equal is not shown")
	assert.Contains(t, r.out, "0 create, 1 update, 0 same, 0 held, 0 dead; 2 records to write\n")

	r = w.run(exitChanges, "plan", "--json", "--from", moved)
	var step struct {
		Outcome string
		Writes  []report.Write
	}
	require.NoError(t, json.Unmarshal([]byte(r.out), &step))
	assert.Equal(t, "update", step.Outcome)
	fields := map[string]report.Field{}
	for _, write := range step.Writes {
		for _, f := range write.Fields {
			fields[write.Object+"."+f.Field] = f
		}
	}
	start := fields["ServiceAppointment.SchedStartTime"]
	require.NotNil(t, start.Want)
	require.NotNil(t, start.Have)
	assert.Equal(t, "2031-05-06T09:00:00.000Z", *start.Want)
	assert.Equal(t, "start", start.From)
	assert.Equal(t, "Appointment.start", start.Element)

	// Source: a resource of the FHIR server, whose patient refbridge has created.
	changed := w.resource("ServiceRequest/sr100000")
	changed["priority"] = "stat"
	request := w.file("request.json", map[string]any{"resourceType": "Bundle", "type": "collection", "entry": []any{
		map[string]any{"resource": changed}, map[string]any{"resource": w.resource("Patient/p100000")}}})
	r = w.run(exitChanges, "plan", "--from", request)
	assert.Regexp(t, `(?m)^    Priority +\w+ -> Stat +service-request\.yaml:\d+ ServiceRequest\.priority$`, r.out)
	assert.Equal(t, calls, w.org.Report().Calls+w.ers.Report().Calls, "a file is planned with no network")
}

// file writes a value as JSON and gives its path.
func (w *world) file(name string, v any) string {
	w.t.Helper()
	text, err := json.MarshalIndent(v, "", "  ")
	require.NoError(w.t, err)
	return w.write(name, string(text))
}

// resource reads a resource of the FHIR server.
func (w *world) resource(ref string) map[string]any {
	w.t.Helper()
	var o map[string]any
	require.NoError(w.t, json.Unmarshal(get(w.t, serving(w.t, w.fhir)+"/fhir/"+ref), &o))
	return o
}

func TestWhatChangesAtTheSourcesIsPlannedAndThenSynced(t *testing.T) {
	t.Parallel()
	// Before: synced. After: the FHIR server has moved some on; the ration of worklists is spent, so e-RS is read one by one.
	w := newWorld(t, setting{referrals: 4, ward: 3})
	w.run(exitDone, "sync")
	before := w.org.Writes()
	moved := w.fhir.Evolve(fhirsim.Changes{StatusChanges: 2, Moves: 1})
	require.Positive(t, moved.StatusChanges)
	r := w.run(exitDone, "sync", "--json")
	var report reportJSON
	first, _, _ := strings.Cut(r.out, "\n")
	require.NoError(t, json.Unmarshal([]byte(first), &report))
	assert.Equal(t, "ward", report.Flow)
	assert.Equal(t, moved.StatusChanges+moved.Moves, report.Applied)
	assert.Equal(t, w.org.Writes()-before, report.Writes+1, "what refbridge says it wrote, and the number of the run, is what Salesforce counted")
	w.run(exitDone, "plan")
}

func TestTheLedgerAndItsFolderAreTheirOwnersAlone(t *testing.T) {
	t.Parallel()
	w := newWorld(t, setting{ward: 1})
	w.run(exitDone, "sync")
	info, err := os.Stat(filepath.Join(w.dir, "data", "ledger.db"))
	require.NoError(t, err)
	assert.Equal(t, "-rw-------", info.Mode().String())
	require.NoError(t, os.Chmod(filepath.Join(w.dir, "ledger.key"), 0o644))
	r := w.run(exitError, "sync")
	assert.Contains(t, r.err, "ledger.key: others may read this file: chmod 600 it")
	assert.Regexp(t, `^refbridge: error: .*refbridge\.yaml:2: `, r.err)
}
