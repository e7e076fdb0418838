package bridge

import (
	"context"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
	"refbridge/wire"
)

// Two steps of a plan that make the same record: whether they want the same of it.
func TestWhetherTwoStepsWantTheSame(t *testing.T) {
	f := func(owner sobject.Owner, keep bool, v sobject.Value) sobject.Record {
		return sobject.Record{Fields: []sobject.Field{{Name: "F", Owner: owner, KeepIfAbsent: keep, Value: v}}}
	}
	a, b, none := sobject.TextValue("a"), sobject.TextValue("b"), sobject.Value{}
	for _, c := range []struct {
		about        string
		first, other sobject.Record
		same         bool
	}{
		{"equal", f(sobject.Source, false, a), f(sobject.Source, false, a), true},
		{"another value of the source's", f(sobject.Source, false, a), f(sobject.Source, false, b), false},
		{"another latest value", f(sobject.Latest, false, a), f(sobject.Latest, false, b), false},
		{"emptied", f(sobject.Latest, false, a), f(sobject.Latest, false, none), false},
		{"silent, and what is there stays", f(sobject.Latest, true, a), f(sobject.Latest, true, none), true},
		{"another value, of a field that may be silent", f(sobject.Latest, true, a), f(sobject.Latest, true, b), false},
		{"what is set once only", f(sobject.CreateOnly, false, a), f(sobject.CreateOnly, false, b), true},
		{"what is Salesforce's own", f(sobject.TargetSide, false, a), f(sobject.TargetSide, false, b), true},
	} {
		assert.Equal(t, c.same, sameWish(c.first, c.other), c.about)
	}
}

// The stamp that is remembered of a row: that of the read where everything is as it is known, or where nobody else wrote it last.
func TestWhichStampOfARowIsRemembered(t *testing.T) {
	before, now := noon.Add(-time.Hour), noon
	for _, c := range []struct {
		about  string
		theirs bool
		status string // in Salesforce
		stamp  time.Time
	}{
		{"as it is known, and ours", false, "Active", now},
		{"as it is known, and a person wrote something else of it", true, "Active", now},
		{"another value, and ours", false, "Revoked", now},
		{"another value, and a person's", true, "Revoked", before},
	} {
		image := sobject.Record{Object: csrType, Key: sobject.Key{Value: "ward.sr.r1"}, Modified: before,
			Fields: []sobject.Field{{Name: "Status", Owner: sobject.Latest, Value: text("Active")}}}
		row := ledger.Row{Known: true, Image: ledger.Image{Record: image}}
		have := sobject.Record{Object: csrType, Key: image.Key, ID: "a01", Modified: now, Theirs: c.theirs,
			Fields: []sobject.Field{{Name: "Status", Value: text(c.status)}}}
		w := &Write{Object: csrType, Key: image.Key, Image: image, rules: make([]mapping.Rule, 1)}
		w.remember(row, now)
		p := newShelf().planner(t)
		cmp := &comparison{planner: p, read: now, current: records{}}
		cmp.update(&Step{Fate: ledger.Pending, Work: ledger.Work{}}, w, have, row)
		assert.True(t, c.stamp.Equal(w.Known.Record.Modified), "%s: %s", c.about, w.Known.Record.Modified)
	}
	require.True(t, before.Before(now))
}

// Of several faults of one record the gravest is told: who it is about comes before everything else.
func TestWhichFaultOfARecordIsTold(t *testing.T) {
	who := mapping.Fault{Kind: mapping.PatientIdentity, Field: "PatientId"}
	code, other := mapping.Fault{Kind: mapping.UnknownCode, Field: "Priority"}, mapping.Fault{Kind: mapping.BadValue, Field: "Status"}
	for _, c := range []struct {
		about  string
		faults mapping.Faults
		told   mapping.Fault
	}{
		{"one alone", mapping.Faults{code}, code},
		{"the first, where none is graver", mapping.Faults{code, other}, code},
		{"who it is about, though it comes last", mapping.Faults{code, other, who}, who},
		{"who it is about, and it comes first", mapping.Faults{who, code}, who},
	} {
		assert.Equal(t, c.told, gravest(c.faults), c.about)
	}
}

// How far the watch of Salesforce is after it has listed rows.
func TestHowFarAWatchIs(t *testing.T) {
	at := func(seconds int) time.Time { return noon.Add(time.Duration(seconds) * time.Second) }
	row := func(key string, seconds int) sobject.Record {
		return sobject.Record{Key: sobject.Key{Value: key}, Modified: at(seconds)}
	}
	for _, c := range []struct {
		about  string
		listed []sobject.Record
		newest time.Time
	}{
		{"nothing is listed", nil, at(0)},
		{"older rows of the overlap", []sobject.Record{row("a", -60)}, at(0)},
		{"the newest again", []sobject.Record{row("a", -60), row("b", 0)}, at(0)},
		{"a newer one", []sobject.Record{row("a", -60), row("b", 5)}, at(5)},
	} {
		_, next := newsOf(t, seen{newest: at(0), looked: at(0)}, c.listed, at(60))
		assert.True(t, c.newest.Equal(next.newest), "%s: %s", c.about, next.newest)
		assert.True(t, at(60).Equal(next.looked), c.about)
	}
}

// An appointment is compared with its referral once, and keeps the reason that it was held for before.
func TestWhichAppointmentsAreComparedWithTheirReferral(t *testing.T) {
	const other = `{"actor":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000026"}}}`
	const wrong = `{"actor":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000019"}}}`
	p := newShelf().planner(t)
	for _, c := range []struct {
		about, typ, participant string
		fate                    ledger.Fate
		code                    string
	}{
		{"for another patient", "Appointment", other, ledger.Pending, codeAppointmentPatient},
		{"of whom nobody can say who it is", "Appointment", wrong, ledger.Pending, codeAppointmentPatient},
		{"it names nobody", "Appointment", `{"actor":{"display":"Synthetic"}}`, ledger.Pending, ""},
		{"held before", "Appointment", other, ledger.Held, "before"},
		{"no appointment", "Encounter", other, ledger.Pending, ""},
	} {
		focus, err := fhir.Parse([]byte(`{"resourceType":"` + c.typ + `","id":"a1","participant":[` + c.participant + `]}`))
		require.NoError(t, err)
		s := &Step{Bundle: fhir.Bundle{Focus: []fhir.Resource{focus}}, Patient: p.token("9990000018"), Fate: c.fate}
		if c.fate == ledger.Held {
			s.Reason.Code = "before"
		}
		require.NoError(t, p.comparePatients(t.Context(), s, nil))
		assert.Equal(t, c.code, s.Reason.Code, c.about)
	}
}

// A write that had no answer in time halts the lane; other failures of a call do not, by themselves.
func TestWhichFailuresOfAWriteHaltTheLane(t *testing.T) {
	assert.NoError(t, hanging(nil))
	assert.NoError(t, hanging([]sfdc.SaveResult{{ID: "a01"}, {Err: refusedRow("UNABLE_TO_LOCK_ROW")}}))
	assert.NoError(t, hanging([]sfdc.SaveResult{{Err: fmt.Errorf("upsert: %w", wire.ErrCut)}}))
	err := hanging([]sfdc.SaveResult{{ID: "a01"}, {Err: fmt.Errorf("upsert: %w", wire.ErrTimeout)}})
	assert.ErrorIs(t, err, ErrHalted)
	assert.ErrorContains(t, err, "Salesforce does not answer in time")
}

func TestASourceThatLetsCallsWaitInVainHaltsTheLane(t *testing.T) {
	paused := func(hangs bool) error { return fmt.Errorf("read: %w", &wire.Paused{Left: time.Minute, Hangs: hangs}) }
	assert.True(t, doesNotAnswer(paused(true)))
	assert.False(t, doesNotAnswer(paused(false)))
	assert.False(t, doesNotAnswer(wire.ErrTimeout))
	v := ofStatus(429, paused(true), ledger.Work{}, noon)
	assert.ErrorIs(t, v.halt, ErrHalted)
	assert.ErrorContains(t, v.halt, "does not answer")
	assert.ErrorContains(t, ofStatus(429, paused(false), ledger.Work{}, noon).halt, "fewer calls")
}

// Where an Account is of another person, no flag of the Account is set ahead; those of the referral are.
func TestNoFlagOfAnotherPersonsAccountIsSetAhead(t *testing.T) {
	s := &Step{Fate: ledger.Pending, stops: []sobject.Record{{Object: accountType}, {Object: csrType}},
		identities: []sobject.Record{{Object: accountType, Fields: []sobject.Field{{Name: "PersonBirthdate", Owner: sobject.Identity, Value: sobject.DateValue("1950-01-01")}}}}}
	samePerson(s, sobject.Record{Fields: []sobject.Field{{Name: "PersonBirthdate", Value: sobject.DateValue("1988-01-01")}}}, noon)
	assert.Equal(t, codePatientDiffers, s.Reason.Code)
	require.Len(t, s.stops, 1)
	assert.Equal(t, csrType, s.stops[0].Object)
}

// When the live records are read again at their source.
func TestWhenLiveRecordsAreReadAgain(t *testing.T) {
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(t.TempDir(), "data", "ledger.db"), Key: make([]byte, 32)})
	require.NoError(t, err)
	defer l.Close()
	f := &Flow{Name: "ward", Ledger: l, Now: func() time.Time { return noon }}
	due, err := f.refreshDue(t.Context())
	require.NoError(t, err)
	assert.False(t, due, "never, where it is not asked for")
	f.Refresh = time.Hour
	for last, want := range map[string]bool{"": true, noon.Add(-59 * time.Minute).Format(time.RFC3339): false, noon.Add(-time.Hour).Format(time.RFC3339): true} {
		require.NoError(t, l.SetCursor(t.Context(), "ward", ledger.Cursor{Name: "refreshed", Value: last}))
		due, err = f.refreshDue(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, due, "last %q", last)
	}
}

// Which fields of a held record wait for a person to choose; nothing of them is proposed to the source.
func TestWhichFieldsWaitForAPerson(t *testing.T) {
	held := func(code, field string) []ledger.Entry {
		return []ledger.Entry{{Reason: ledger.Reason{Code: "other", Field: "Status"}}, {Reason: ledger.Reason{Code: code, Field: field}}}
	}
	for _, c := range []struct {
		about string
		held  []ledger.Entry
		field string
		waits bool
	}{
		{"nothing is held", nil, "Status", false},
		{"both sides changed it", held(codeConflict, "Status"), "Status", true},
		{"nobody can tell whose value it is", held(codeUnclearValue, "Status"), "Status", true},
		{"another field", held(codeConflict, "Priority"), "Status", false},
		{"held for something else", held(codeUnknownCode, "Status"), "Status", false},
		{"any field", held(codeConflict, "Priority"), "", true},
		{"any field, held for something else", held(codeUnknownCode, "Status"), "", false},
	} {
		assert.Equal(t, c.waits, undecided(c.held, c.field), c.about)
	}
}

// What a backfill finds is in the ledger when it ends.
func TestABackfillObservesWhatItFinds(t *testing.T) {
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(t.TempDir(), "data", "ledger.db"), Key: make([]byte, 32)})
	require.NoError(t, err)
	defer l.Close()
	far := Memory{}
	base := ""
	base = far.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		entry := ""
		if strings.HasSuffix(r.URL.Path, "/ServiceRequest") {
			entry = `{"fullUrl":"` + base + `/ServiceRequest/x","search":{"mode":"match"},"resource":{"resourceType":"ServiceRequest","id":"x",
				"meta":{"versionId":"1","lastUpdated":"2026-01-01T08:00:00Z"},"status":"active","intent":"order"}}`
		}
		_, _ = w.Write([]byte(`{"resourceType":"Bundle","type":"searchset","entry":[` + entry + `]}`))
	}))
	client, err := rest.New(rest.Config{BaseURL: base, Transport: far})
	require.NoError(t, err)
	server := &FHIRServer{Client: client, Base: base, Now: func() time.Time { return noon }}
	f := &Flow{Name: "ward", Ledger: l, Poller: server, Source: server, Now: server.Now, Logger: slog.New(slog.DiscardHandler)}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	assert.ErrorIs(t, f.Window(stopped, server, noon.AddDate(-1, 0, 0), noon), context.Canceled)
	require.NoError(t, f.Window(t.Context(), server, noon.AddDate(-1, 0, 0), noon))
	found, err := l.Entries(t.Context(), ledger.Filter{Source: "ward"})
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, "x", found[0].Ref.ID)
}

// Which changes made in Salesforce are listed no longer.
func TestWhichRefusedChangesAreSettled(t *testing.T) {
	for _, c := range []struct {
		state   ledger.WritebackState
		code    string
		settled bool
	}{
		{ledger.Refused, codeRefused, false},
		{ledger.Refused, codeNotOffered, false},
		{ledger.Refused, codePatientError, false},
		{ledger.Refused, codeWithdrawn, true},
		{ledger.Refused, codeSettledSince, true},
		{ledger.Reported, codeWithdrawn, false},
		{ledger.Waiting, codeAwaitsPerson, false},
	} {
		assert.Equal(t, c.settled, settled(ledger.Writeback{State: c.state, Reason: ledger.Reason{Code: c.code}}), "%s %s", c.state, c.code)
	}
}

// A row that an older refbridge may have made, of which no value is known, and that the source does not have any more: it is neither
// marked nor forgotten, and the lane goes on.
func TestARowOfWhichNothingIsKnownIsLeftToAPerson(t *testing.T) {
	const id = "ServiceAppointment ward.ap.a1"
	for _, c := range []struct {
		about   string
		deleted bool // the source has deleted the referral; else it only names the appointment no more
		there   bool
		late    bool // the write is past its deadline
		code    string
	}{
		{"dropped, and there", false, true, true, codeUnclearValue},
		{"dropped, and there, within its time", false, true, false, codeUnclearValue},
		{"dropped, and not there", false, false, true, ""},
		{"deleted, and there", true, true, true, codeUnclearValue},
		{"deleted, and not there", true, false, true, codeSourceDeleted},
	} {
		s := newShelf()
		p := s.planner(t)
		s.put(plan(t, p, referral("r1", "1", aNumber, isActive))...)
		s.put(plan(t, p, due("Appointment", "a1", "1", met("a1", "r1", `"status":"booked"`)))...)
		s.owners[id] = s.owners[theCSR] // as of e-RS, which sends both together
		delete(s.images, id)
		in := ledger.Intent{ID: "old", Source: "ward", Ref: referral("r1", "1", aNumber, isActive).Ref, Object: "ServiceAppointment", Key: "ward.ap.a1", Deadline: noon.Add(time.Minute)}
		if c.late {
			in.Deadline = noon.Add(-time.Minute)
		}
		s.open[id] = []ledger.Intent{in}
		if !c.there {
			delete(s.rows, id)
		}
		work := referral("r1", "2", aNumber, isActive+`,"priority":"urgent"`)
		if c.deleted {
			work.Body = tombstone(work.Ref)
		}
		out, err := p.Inbound(t.Context(), []ledger.Work{work})
		require.NoError(t, err, c.about)
		step := out.Steps[0]
		assert.Equal(t, c.code, step.Reason.Code, "%s: %s", c.about, step.Reason.Text)
		seen := false
		for _, w := range step.Writes {
			if w.Object == "ServiceAppointment" {
				seen = true
				assert.Empty(t, w.Send.Fields, c.about)
				assert.Equal(t, c.late, len(w.closes) == 1, c.about)
			}
		}
		assert.True(t, seen, c.about)
	}
}

// What is read of a row that is to be marked: its values, and not the ids of what it refers to, which stay the keys that are known.
func TestARowThatIsMarkedKeepsTheKeysOfWhatItRefersTo(t *testing.T) {
	s := newShelf()
	to := sobject.RefValue(sobject.Target{Object: accountType, Field: "Bridge_Key__c"}, "ward.pt.1")
	image := sobject.Record{Object: csrType, Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.r1"},
		Fields: []sobject.Field{{Name: "PatientId", Value: to}, {Name: "OwnerId", Value: sobject.LookupValue(sobject.Target{Object: "Group", Field: "Name"}, "Ward")}, {Name: "Status", Value: text("Active")}}}
	s.rows[theCSR] = sobject.Record{Object: csrType, Key: image.Key, ID: "a01", Modified: noon, Theirs: true, Fields: []sobject.Field{
		{Name: "PatientId", Value: text("001000000000001AAA")}, {Name: "OwnerId", Value: text("00G000000000001AAA")}, {Name: "Status", Value: text("Revoked")}}}
	c := &comparison{planner: s.planner(t)}
	got, there, err := c.asItIs(t.Context(), image)
	require.NoError(t, err)
	require.True(t, there)
	for name, kind := range map[string]sobject.Kind{"PatientId": sobject.Ref, "OwnerId": sobject.Lookup} {
		v, _ := got.Get(name)
		assert.Equal(t, kind, v.Kind(), name)
	}
	status, _ := got.Get("Status")
	assert.Equal(t, "Revoked", status.Reveal())
	assert.True(t, got.Theirs && got.Modified.Equal(noon) && got.ID == "a01")
}
