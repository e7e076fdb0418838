package bridge

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

const (
	isActive = `"status":"active"`
	onHold   = `"status":"on-hold"`
	theCSR   = csrType + " ward.sr.r1"
	theFlag  = "Bridge_Stop_Contact__c"
)

var yes = sobject.BoolValue(true)

type values map[string]sobject.Value

func text(s string) sobject.Value { return sobject.TextValue(s) }

// What becomes of a referral that was synced as Active and routine: a row a case. Before it, Salesforce and the ledger agree;
// there is what somebody changed in Salesforce, last what the ledger remembers otherwise, then what the source says now.
func TestWhatIsPlannedForAReferralThatIsThere(t *testing.T) {
	const routine = isActive + `,"priority":"routine"`
	for _, c := range []struct {
		name        string
		there, last values
		forgot      bool     // the ledger remembers nothing of it
		meant       []values // of writes whose outcome nobody saw
		unclear     bool     // the status may be ours or a person's
		creates     bool     // the first of them was to make the row
		ours        bool     // our user wrote the row last
		theirs      bool     // a person wrote it last, whatever it says
		again       bool     // the version is the one that was applied
		now         string
		fate        ledger.Fate
		code        string
		field       string // of the reason
		sent, kept  values // kept: names only
	}{
		{name: "nothing changed", now: routine, fate: ledger.Pending},
		{name: "the source changed a field of its own", now: isActive + `,"priority":"urgent"`, fate: ledger.Pending, sent: values{"Priority": text("Urgent")}},
		{name: "a person changed a field of the source", there: values{"Priority": text("Stat")}, now: routine, fate: ledger.Pending, sent: values{"Priority": text("Routine")}},
		{name: "both changed a field of the source", there: values{"Priority": text("Stat")}, now: isActive + `,"priority":"urgent"`, fate: ledger.Pending, sent: values{"Priority": text("Urgent")}},
		{name: "the source takes a value back", now: isActive, fate: ledger.Pending, sent: values{"Priority": {}}},
		{name: "the source changed a shared field", now: onHold + `,"priority":"routine"`, fate: ledger.Pending, sent: values{"Status": text("On-Hold")}},
		{name: "a person changed a shared field", there: values{"Status": text("Revoked")}, now: routine, fate: ledger.Pending, kept: values{"Status": {}}},
		{name: "both changed a shared field", there: values{"Status": text("Revoked")}, now: onHold, fate: ledger.Held, code: codeConflict, field: "Status"},
		{name: "both changed it to the same", there: values{"Status": text("On-Hold")}, now: onHold + `,"priority":"routine"`, fate: ledger.Pending},
		{name: "a person changed it, and the source something else", there: values{"Status": text("Revoked")}, now: isActive + `,"priority":"stat"`, fate: ledger.Pending,
			sent: values{"Priority": text("Stat")}, kept: values{"Status": {}}},
		{name: "a shared field that was emptied on both sides", there: values{"Status": {}}, last: values{"Status": {}}, now: routine, fate: ledger.Pending, sent: values{"Status": text("Active")}},
		{name: "nothing is remembered, and both say the same", forgot: true, now: routine, fate: ledger.Pending},
		{name: "nothing is remembered, and a shared field is empty there", forgot: true, there: values{"Status": {}}, now: routine, fate: ledger.Pending, sent: values{"Status": text("Active")}},
		{name: "nothing is remembered, and a shared field differs", forgot: true, now: onHold, fate: ledger.Held, code: codeConflict, field: "Status"},
		{name: "nothing is remembered, and a field of the source differs", forgot: true, now: isActive + `,"priority":"urgent"`, fate: ledger.Pending, sent: values{"Priority": text("Urgent")}},
		{name: "a write in doubt had arrived, and the source went on", meant: []values{{"Status": text("On-Hold")}}, there: values{"Status": text("On-Hold")}, ours: true, now: `"status":"completed","priority":"routine"`,
			fate: ledger.Pending, sent: values{"Status": text("Completed")}},
		{name: "a write in doubt had arrived, and the source went back", meant: []values{{"Status": text("On-Hold")}}, there: values{"Status": text("On-Hold")}, ours: true, now: routine,
			fate: ledger.Pending, sent: values{"Status": text("Active")}},
		{name: "a write in doubt had arrived, and the source says the same", meant: []values{{"Status": text("On-Hold")}}, there: values{"Status": text("On-Hold")}, ours: true, now: onHold + `,"priority":"routine"`, fate: ledger.Pending},
		{name: "a write in doubt has not arrived", meant: []values{{"Status": text("On-Hold")}}, now: onHold + `,"priority":"routine"`, fate: ledger.Pending, sent: values{"Status": text("On-Hold")}},
		{name: "a write in doubt was of another field, and a person decided", meant: []values{{"Priority": text("Urgent")}}, there: values{"Status": text("Revoked")}, now: isActive + `,"priority":"urgent"`,
			fate: ledger.Pending, sent: values{"Priority": text("Urgent")}, kept: values{"Status": {}}},
		{name: "a person decided while a write of the field is in doubt", meant: []values{{"Status": text("On-Hold")}}, there: values{"Status": text("Revoked")}, now: onHold + `,"priority":"routine"`, fate: ledger.Held, code: codeConflict, field: "Status"},
		{name: "the value of a write in doubt, in a row that a person wrote last", meant: []values{{"Status": text("On-Hold")}}, there: values{"Status": text("On-Hold")}, now: routine, fate: ledger.Held, code: codeUnclearValue, field: "Status"},
		{name: "the value of the first of two writes in doubt", meant: []values{{"Status": text("On-Hold")}, {"Status": text("Completed")}}, there: values{"Status": text("On-Hold")}, ours: true, now: `"status":"completed","priority":"routine"`,
			fate: ledger.Pending, sent: values{"Status": text("Completed")}},
		{name: "a value that may be ours or a person's", unclear: true, there: values{"Status": text("Revoked")}, now: routine, fate: ledger.Held, code: codeUnclearValue, field: "Status"},
		{name: "a value that may be ours or a person's, and both sides agree", unclear: true, now: routine, fate: ledger.Pending},
		{name: "a person wrote the row last, and no field of ours", theirs: true, now: onHold + `,"priority":"routine"`, fate: ledger.Pending, sent: values{"Status": text("On-Hold")}},
		{name: "a flag in doubt that a person may have set stays", meant: []values{{theFlag: yes}}, there: values{theFlag: yes}, now: routine, fate: ledger.Pending, kept: values{theFlag: {}}},
		{name: "a create in doubt whose row is there as it was meant", forgot: true, creates: true, meant: []values{{"Status": text("Active"), "Priority": text("Routine")}}, ours: true, now: onHold + `,"priority":"routine"`,
			fate: ledger.Pending, sent: values{"Status": text("On-Hold")}},
		{name: "a shared field that the ledger remembers otherwise", there: values{"Status": text("Draft")}, last: values{"Status": text("Completed")}, now: routine, fate: ledger.Held, code: codeConflict, field: "Status"},
		{name: "a field of Salesforce differs", there: values{"Bridge_Run__c": text("first")}, now: routine, fate: ledger.Pending},
		{name: "where the source is silent, Salesforce keeps what it has", there: values{"IsAccepted": sobject.BoolValue(true)}, now: routine, fate: ledger.Pending},
		{name: "it belongs to another Account", there: values{"PatientId": text(twoAccount)}, now: routine, fate: ledger.Dead, code: codePatientChanged, field: "PatientId"},
		{name: "a stop flag is taken back by a newer version", there: values{theFlag: yes}, last: values{theFlag: yes}, now: routine, fate: ledger.Pending, sent: values{theFlag: sobject.BoolValue(false)}},
		{name: "a stop flag is not taken back by the same version", again: true, there: values{theFlag: yes}, last: values{theFlag: yes}, now: routine, fate: ledger.Pending, kept: values{theFlag: {}}},
		{name: "a stop flag that a person set", there: values{theFlag: yes}, now: routine, fate: ledger.Pending, kept: values{theFlag: {}}},
		{name: "the source says stop: the flag goes ahead", now: `"status":"entered-in-error","priority":"routine"`, fate: ledger.Pending, sent: values{"Status": text("Entered-in-Error")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf()
			p := s.planner(t)
			s.put(plan(t, p, referral("r1", "1", aNumber, routine))...)
			s.edit(theCSR, c.there)
			set(s.images, theCSR, c.last)
			if c.ours {
				row := s.rows[theCSR]
				row.Theirs = false
				s.rows[theCSR] = row
			}
			if c.forgot {
				delete(s.images, theCSR)
			}
			for i, m := range c.meant {
				s.open[theCSR] = append(s.open[theCSR], attempted(m, c.creates && i == 0))
			}
			if c.unclear {
				s.unclear[theCSR] = []string{"Status"}
			}
			if c.theirs {
				s.edit(theCSR, values{"Bridge_Run__c": text("live")})
			}
			work := referral("r1", "2", aNumber, c.now)
			if work.Known.Version = "1"; c.again {
				work.Known.Version = "2"
			}
			step := plan(t, p, work)[0]
			require.Equal(t, c.fate, step.Fate, step.Reason)
			assert.Equal(t, c.code, step.Reason.Code)
			assert.Equal(t, c.field, step.Reason.Field)
			if c.fate != ledger.Pending {
				assert.False(t, step.Changes(), "nothing of it is written")
				return
			}
			sent, kept := values{}, values{}
			for _, w := range step.Writes {
				for _, f := range w.Send.Fields {
					sent[f.Name] = f.Value
				}
				for _, name := range w.Kept {
					kept[name] = sobject.Value{}
				}
			}
			assert.Equal(t, len(c.sent), len(sent), "%v", sent)
			for name, v := range c.sent {
				assert.True(t, v.Equal(sent[name]), "%s: %s", name, sent[name].Reveal())
			}
			assert.Equal(t, len(c.kept), len(kept), "%v", kept)
			assert.Subset(t, kept, c.kept)
			assert.Equal(t, len(c.sent) > 0, step.Changes())
		})
	}
}

// attempted is a write of the referral whose outcome nobody saw.
func attempted(fields values, creates bool) ledger.Intent {
	in := ledger.Intent{ID: "i", Source: "ward", Ref: fhir.Reference{Type: "ServiceRequest", ID: "r1", Version: "2"}, Object: csrType, Key: "ward.sr.r1",
		Deadline: noon.Add(time.Minute), Creates: creates, Meant: sobject.Record{Object: csrType, Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.r1"}}}
	for name, v := range fields {
		in.Meant.Set(name, v)
	}
	return in
}

// When a stop flag goes ahead of everything else: a row a case.
func TestWhichStopFlagsGoAhead(t *testing.T) {
	const stop = `"status":"entered-in-error"`
	for _, c := range []struct {
		name        string
		there, last values
		absent      bool // the record is not in Salesforce
		forgot      bool // the ledger remembers nothing of it
		offline     bool
		now         string
		fate        ledger.Fate
		ahead       int
	}{
		{name: "the source says stop", now: stop, fate: ledger.Pending, ahead: 1},
		{name: "the source says nothing of it", now: isActive, fate: ledger.Pending},
		{name: "it is set", there: values{theFlag: yes}, now: stop, fate: ledger.Pending},
		{name: "a person took it back", last: values{theFlag: yes}, now: stop, fate: ledger.Pending},
		{name: "nothing is remembered", forgot: true, now: stop, fate: ledger.Held, ahead: 1},
		{name: "the rest is held", now: stop + `,"priority":"soonish"`, fate: ledger.Held, ahead: 1},
		{name: "the record is not there yet", absent: true, now: stop, fate: ledger.Pending},
		{name: "nothing is known of Salesforce", offline: true, now: stop, fate: ledger.Pending},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf()
			p := s.planner(t)
			if !c.absent {
				s.put(plan(t, p, referral("r1", "1", aNumber, isActive))...)
				s.edit(theCSR, c.there)
				set(s.images, theCSR, c.last)
			}
			if c.forgot {
				delete(s.images, theCSR)
			}
			if c.offline {
				p.Target, p.Memory = nil, nil
			}
			step := plan(t, p, referral("r1", "2", aNumber, c.now))[0]
			assert.Equal(t, c.fate, step.Fate, step.Reason)
			require.Len(t, step.Ahead, c.ahead)
			for _, w := range step.Ahead {
				flag, _ := w.Send.Get(theFlag)
				assert.True(t, flag.Equal(yes))
				assert.Len(t, w.Send.Fields, 1, "nothing else")
				image, _ := w.Image.Get(theFlag)
				assert.True(t, image.Equal(yes), "it is remembered as ours")
			}
		})
	}
}

// What is left to do for a record that the source refuses to give for its patient's sake.
func TestTheFlagIsSetWhereTheSourceRefusesTheRecord(t *testing.T) {
	refused := verdict{fate: ledger.Dead, reason: ledger.Reason{Code: codePatientError}}
	work := due("ServiceRequest", "r1", "2", nil)
	for _, c := range []struct {
		name  string
		world func(s *shelf, p *Planner)
		ahead int
		fails bool
	}{
		{"nothing was written for it", nil, 0, false},
		{"its referral is there", func(s *shelf, p *Planner) { s.put(planned(p, referral("r1", "1", aNumber, isActive))...) }, 1, false},
		{"nothing is remembered", func(s *shelf, p *Planner) {
			s.put(planned(p, referral("r1", "1", aNumber, isActive))...)
			p.Memory = nil
		}, 0, false},
		{"the ledger cannot be read", func(s *shelf, p *Planner) { s.lost = errors.New("broken") }, 0, true},
	} {
		s := newShelf()
		p := s.planner(t)
		if c.world != nil {
			c.world(s, p)
		}
		out, err := p.stop(t.Context(), work, refused)
		assert.Equal(t, c.fails, err != nil, c.name)
		require.Len(t, out.Steps, 1, c.name)
		assert.Equal(t, ledger.Dead, out.Steps[0].Fate, c.name)
		assert.Len(t, out.Steps[0].Ahead, c.ahead, c.name)
		assert.Equal(t, c.ahead, out.Counts().Writes, c.name)
	}
}

// Who the patient is, and whether a record may be made or written for them: a row a case.
// plannedFates are the rows: world arranges what is there.
var plannedFates = []struct {
	name  string
	world func(s *shelf, p *Planner)
	work  ledger.Work
	fate  ledger.Fate
	code  string
	next  time.Time
	does  string // outcome of a step
}{
	{"one Account", nil, referral("r1", "1", aNumber, isActive), ledger.Pending, "", time.Time{}, "create"},
	{"no Account", func(s *shelf, p *Planner) { s.accounts = nil }, referral("r1", "1", aNumber, isActive), ledger.Held, codePatientMissing, noon.Add(time.Minute), "held"},
	{"no Account, and nobody to make one of", func(s *shelf, p *Planner) { s.accounts, p.Policy.Patient = nil, CreateMode },
		referral("r1", "1", aNumber, isActive), ledger.Held, codePatientMissing, noon.Add(time.Minute), "held"},
	{"no Account, which is made", func(s *shelf, p *Planner) { s.accounts, p.Policy.Patient = nil, CreateMode },
		due("ServiceRequest", "r1", "1", ofPerson("r1", isActive, `"name":[{"family":"Synthetic"}]`)), ledger.Pending, "", time.Time{}, "create"},
	{"a patient whom the source changed, and whose Account is another's", func(s *shelf, p *Planner) {
		s.bodies = map[fhir.Reference][]byte{{Type: "ServiceRequest", ID: "r1", Version: "1"}: ofPerson("r1", isActive, `"name":[{"family":"Synthetic"}]`)}
	}, func() ledger.Work {
		w := due("ServiceRequest", "r1", "2", ofPerson("r1", isActive, `"name":[{"family":"Other"}]`))
		w.Known = ledger.Known{Version: "1"}
		return w
	}(), ledger.Pending, CodePatientKept, time.Time{}, "create"},
	{"two Accounts", func(s *shelf, p *Planner) { s.accounts[aNumber] = []string{anAccount, twoAccount} }, referral("r1", "1", aNumber, isActive), ledger.Dead, codePatientTwice, time.Time{}, "dead"},
	{"another patient than before", nil, func() ledger.Work {
		w := referral("r1", "2", aNumber, isActive)
		w.Known = ledger.Known{Version: "1", Patient: "somebody else's"}
		return w
	}(), ledger.Dead, codePatientChanged, time.Time{}, "dead"},
	{"a test patient where there are none", func(s *shelf, p *Planner) { p.Policy.NoTestPatients = true }, referral("r1", "1", aNumber, isActive), ledger.Held, codeTestPatient, time.Time{}, "held"},
	{"a test patient, offline", func(s *shelf, p *Planner) { p.Policy.NoTestPatients, p.Target, p.Memory = true, nil, nil }, referral("r1", "1", aNumber, isActive), ledger.Held, codeTestPatient, time.Time{}, "held"},
	{"a wrong number", nil, referral("r1", "1", "9990000019", isActive), ledger.Held, codePatientIdentity, time.Time{}, "held"},
	{"the row is another source record's", func(s *shelf, p *Planner) {
		s.put(planned(p, referral("r1", "1", aNumber, isActive))...)
		s.owners[theCSR] = owner{"elsewhere", fhir.Reference{Type: "ServiceRequest", ID: "r1"}}
	}, referral("r1", "2", aNumber, onHold), ledger.Held, codeRowOfAnother, noon.Add(4 * time.Hour), "held"},
	{"the row may be another source record's, whose write is in doubt", func(s *shelf, p *Planner) {
		s.open[theCSR] = []ledger.Intent{attempted(values{"Status": text("Active")}, true)}
		s.owners[theCSR] = owner{"elsewhere", fhir.Reference{Type: "ServiceRequest", ID: "r1"}}
		s.unseen[theCSR] = true
	}, referral("r1", "1", aNumber, isActive), ledger.Held, codeRowOfAnother, noon.Add(4 * time.Hour), "held"},
	{"something is remembered of a row that nobody has seen", func(s *shelf, p *Planner) {
		s.images[theCSR] = sobject.Record{Object: csrType, Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.r1"}}
		s.owners[theCSR] = owner{"elsewhere", fhir.Reference{Type: "ServiceRequest", ID: "r1"}}
		s.unseen[theCSR] = true
	}, referral("r1", "1", aNumber, isActive), ledger.Pending, "", time.Time{}, "create"},
	{"the row is there, and nobody is known to have written it", func(s *shelf, p *Planner) {
		s.put(planned(p, referral("r1", "1", aNumber, isActive))...)
		delete(s.owners, theCSR)
		delete(s.images, theCSR)
	}, referral("r1", "2", aNumber, isActive), ledger.Pending, "", time.Time{}, "same"},
	{"a person deleted it", func(s *shelf, p *Planner) {
		s.put(planned(p, referral("r1", "1", aNumber, isActive))...)
		delete(s.rows, theCSR)
	}, referral("r1", "2", aNumber, onHold), ledger.Dead, codeDeleted, time.Time{}, "dead"},
	{"both sides changed a shared field", func(s *shelf, p *Planner) {
		s.put(planned(p, referral("r1", "1", aNumber, isActive))...)
		s.edit(theCSR, values{"Status": text("Revoked")})
	}, referral("r1", "2", aNumber, onHold), ledger.Held, codeConflict, noon.Add(time.Minute), "held"},
	{"a value that may be ours or a person's", func(s *shelf, p *Planner) {
		s.put(planned(p, referral("r1", "1", aNumber, isActive))...)
		s.edit(theCSR, values{"Status": text("Revoked")})
		s.unclear[theCSR] = []string{"Status"}
	}, referral("r1", "2", aNumber, onHold), ledger.Held, codeUnclearValue, noon.Add(time.Minute), "held"},
	{"it is only named so far", nil, due("ServiceRequest", "r1", "", nil), ledger.Held, codeNotRead, noon, "held"},
	{"its body cannot be read", nil, due("ServiceRequest", "r1", "1", []byte("{")), ledger.Held, codeUnreadable, noon.Add(time.Minute), "held"},
	{"a code that no table lists", nil, referral("r1", "1", aNumber, `"status":"soonish"`), ledger.Held, codeUnknownCode, time.Time{}, "held"},
	{"a modifier that no table names", nil, referral("r1", "1", aNumber, isActive+`,"modifierExtension":[{"url":"https://x.example/not","valueBoolean":true}]`), ledger.Held, codeModifier, time.Time{}, "held"},
	{"a text that is too long", nil, referral("r1", "1", aNumber, isActive+`,"identifier":[{"system":"https://x.example","value":"`+long(300)+`"}]`), ledger.Held, codeMapping, time.Time{}, "held"},
	{"an appointment whose referral is not there", nil, due("Appointment", "a1", "1", met("a1", "r1", `"status":"booked"`)), ledger.Held, codeParent, noon.Add(time.Minute), "held"},
	{"an appointment of a referral that is there", func(s *shelf, p *Planner) { s.put(planned(p, referral("r1", "1", aNumber, isActive))...) },
		due("Appointment", "a1", "1", met("a1", "r1", `"status":"booked"`)), ledger.Pending, "", time.Time{}, "create"},
	{"an appointment for another patient than its referral", func(s *shelf, p *Planner) { s.put(planned(p, referral("r1", "1", aNumber, isActive))...) },
		due("Appointment", "a1", "1", met("a1", "r1", `"status":"booked","participant":[{"actor":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"`+bNumber+`"}}}]`)),
		ledger.Held, codeAppointmentPatient, noon.Add(4 * time.Hour), "held"},
	{"an appointment for the patient of its referral", func(s *shelf, p *Planner) { s.put(planned(p, referral("r1", "1", aNumber, isActive))...) },
		due("Appointment", "a1", "1", met("a1", "r1", `"status":"booked","participant":[{"actor":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"`+aNumber+`"}}}]`)),
		ledger.Pending, "", time.Time{}, "create"},
	{"an appointment that names a patient, of a referral that nobody knows", nil,
		due("Appointment", "a1", "1", met("a1", "r1", `"status":"booked","participant":[{"actor":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"`+aNumber+`"}}}]`)),
		ledger.Held, codeParent, noon.Add(time.Minute), "held"},
	{"an appointment that moves to another referral", func(s *shelf, p *Planner) {
		s.put(planned(p, referral("r1", "1", aNumber, isActive), referral("r2", "1", aNumber, isActive))...)
		s.put(planned(p, due("Appointment", "a1", "1", met("a1", "r1", `"status":"booked"`)))...)
	}, due("Appointment", "a1", "2", met("a1", "r2", `"status":"booked"`)), ledger.Held, codeMoved, noon.Add(4 * time.Hour), "held"},
	{"an Account of another birth date", func(s *shelf, p *Planner) {
		s.accounts, p.Policy.Patient = nil, CreateMode
		s.put(planned(p, due("ServiceRequest", "r1", "1", ofPerson("r1", isActive, `"birthDate":"1950-01-01","name":[{"family":"Synthetic"}]`)))...)
	}, due("ServiceRequest", "r2", "1", ofPerson("r2", isActive, `"birthDate":"1988-01-01","name":[{"family":"Synthetic"}]`)), ledger.Held, codePatientDiffers, noon.Add(4 * time.Hour), "held"},
	{"an Account that was there before us is its owner's", func(s *shelf, p *Planner) { p.Policy.Patient = CreateMode },
		due("ServiceRequest", "r1", "1", ofPerson("r1", isActive, `"name":[{"family":"Synthetic"}]`)), ledger.Pending, "", time.Time{}, "create"},
	{"the source deleted it", func(s *shelf, p *Planner) { s.put(planned(p, referral("r1", "1", aNumber, isActive))...) },
		due("ServiceRequest", "r1", "1~gone", tombstone(fhir.Reference{Type: "ServiceRequest", ID: "r1"})), ledger.Pending, codeSourceDeleted, time.Time{}, "update"},
	{"the source deleted what was never written", nil,
		due("ServiceRequest", "r1", "1~gone", tombstone(fhir.Reference{Type: "ServiceRequest", ID: "r1"})), ledger.Pending, codeSourceDeleted, time.Time{}, "same"},
	{"the source deleted what a person had deleted", func(s *shelf, p *Planner) {
		s.put(planned(p, referral("r1", "1", aNumber, isActive))...)
		delete(s.rows, theCSR)
	}, due("ServiceRequest", "r1", "1~gone", tombstone(fhir.Reference{Type: "ServiceRequest", ID: "r1"})), ledger.Pending, codeSourceDeleted, time.Time{}, "same"},
	{"the source deleted what was over", func(s *shelf, p *Planner) {
		s.put(planned(p, referral("r1", "1", aNumber, isActive))...)
		s.edit(theCSR, values{"Status": text("Completed"), "Bridge_Source_Reason__c": text("DELETED_AT_SOURCE")})
	}, due("ServiceRequest", "r1", "1~gone", tombstone(fhir.Reference{Type: "ServiceRequest", ID: "r1"})), ledger.Pending, codeSourceDeleted, time.Time{}, "same"},
}

func TestWhatIsPlannedByPatientAndOwner(t *testing.T) {
	for _, c := range plannedFates {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf()
			p := s.planner(t)
			if c.world != nil {
				c.world(s, p)
			}
			step := plan(t, p, c.work)[0]
			assert.Equal(t, c.fate, step.Fate, step.Reason)
			assert.Equal(t, c.code, step.Reason.Code, step.Reason.Text)
			assert.Equal(t, c.next, step.Next)
			assert.Equal(t, c.does, step.Outcome())
			assert.NotContains(t, step.Reason.Text, aNumber)
		})
	}
}

func long(n int) string {
	out := make([]byte, n)
	for i := range out {
		out[i] = 'x'
	}
	return string(out)
}

// Two records of one batch that meet in one row: a row a case.
func TestWhatIsPlannedForTwoThatShareARecord(t *testing.T) {
	person := func(id, patient string) ledger.Work {
		return due("ServiceRequest", id, "1", ofPerson(id, isActive, patient))
	}
	const born50, born88 = `"birthDate":"1950-01-01","name":[{"family":"Synthetic"}]`, `"birthDate":"1988-01-01","name":[{"family":"Synthetic"}]`
	for _, c := range []struct {
		name     string
		a, b     ledger.Work
		code     string // of the second
		deferred int
	}{
		{"the same Account", person("r1", born50), person("r2", born50), "", 0},
		{"the same Account, who moved", person("r1", born50), person("r2", born50+`,"address":[{"city":"Testtown"}]`), "", 1},
		{"the same Account, which the second says less of", person("r1", born50), person("r2", `"name":[{"family":"Synthetic"}]`), "", 0},
		{"two people under one number", person("r1", born50), person("r2", born88), codePatientDiffers, 0},
		{"the second without a birth date", person("r1", born50), person("r2", `"name":[{"family":"Other"}]`), "", 1},
		{"two versions of one record", referral("r1", "1", aNumber, isActive), referral("r1", "2", aNumber, onHold), "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf()
			p := s.planner(t)
			s.accounts, p.Policy.Patient = map[string][]string{aNumber: nil}, CreateMode
			if c.a.Ref.Current() == c.b.Ref.Current() {
				s.accounts[aNumber] = []string{anAccount}
			}
			out, err := p.Inbound(t.Context(), []ledger.Work{c.a, c.b})
			require.NoError(t, err)
			assert.Equal(t, c.code, out.Steps[1].Reason.Code)
			assert.Len(t, out.deferred(), c.deferred)
			rest := out.without(out.deferred())
			assert.Len(t, rest.Steps, 2-c.deferred)
			writes := map[string]int{}
			for _, st := range rest.Steps {
				for _, w := range st.Writes {
					if st.Fate == ledger.Pending && !w.shared && w.Action != Same {
						writes[recordID(w.Object, w.Key)]++
					}
				}
			}
			for id, n := range writes {
				assert.Equal(t, 1, n, id)
			}
		})
	}
}

// What stops a whole run and no single record: a row a case.
func TestWhatStopsAPlan(t *testing.T) {
	cancelled, stop := context.WithCancel(t.Context())
	stop()
	limit := &sfdc.Error{Call: "query", Status: 403, Code: "REQUEST_LIMIT_EXCEEDED"}
	refused := &sfdc.Error{Call: "query", Status: 400, Code: "INVALID_FIELD"}
	known := func(s *shelf, p *Planner) { s.put(planned(p, referral("r1", "1", aNumber, isActive))...) }
	gone := due("ServiceRequest", "r1", "1~gone", tombstone(fhir.Reference{Type: "ServiceRequest", ID: "r1"}))
	stopping := referral("r1", "2", aNumber, `"status":"entered-in-error"`)
	broken := errors.New("the ledger is broken")
	for _, c := range []struct {
		name   string
		ctx    context.Context
		world  func(s *shelf, p *Planner)
		work   ledger.Work
		halted bool
		is     error
	}{
		{"the patients cannot be found", t.Context(), func(s *shelf, p *Planner) { s.broken = refused }, referral("r1", "1", aNumber, isActive), true, nil},
		{"the rows cannot be read", t.Context(), func(s *shelf, p *Planner) { s.broken, s.only = refused, csrType }, referral("r1", "1", aNumber, isActive), true, nil},
		{"the calls are used up", t.Context(), func(s *shelf, p *Planner) { s.broken = limit }, referral("r1", "1", aNumber, isActive), true, limit},
		{"somebody asked for an end", cancelled, func(s *shelf, p *Planner) { s.broken = context.Canceled }, referral("r1", "1", aNumber, isActive), false, context.Canceled},
		{"a deadline of a call is none of the run's", t.Context(), func(s *shelf, p *Planner) { s.broken = context.DeadlineExceeded }, referral("r1", "1", aNumber, isActive), true, nil},
		{"what was deleted cannot be looked at", t.Context(), func(s *shelf, p *Planner) { known(s, p); s.broken, s.only = refused, csrType }, gone, true, nil},
		{"a stop flag cannot be looked at", t.Context(), func(s *shelf, p *Planner) { known(s, p); s.broken, s.only = refused, csrType }, stopping, true, nil},
		{"the ledger cannot be read", t.Context(), func(s *shelf, p *Planner) { s.lost = broken }, referral("r1", "1", aNumber, isActive), false, broken},
		{"the ledger cannot be read, of a deletion", t.Context(), func(s *shelf, p *Planner) { s.lost = broken }, gone, false, broken},
		{"the ledger cannot be read, of a stop flag", t.Context(), func(s *shelf, p *Planner) { known(s, p); s.lost = broken }, stopping, false, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := newShelf()
			p := s.planner(t)
			c.world(s, p)
			_, err := p.Inbound(c.ctx, []ledger.Work{c.work})
			require.Error(t, err)
			assert.Equal(t, c.halted, errors.Is(err, ErrHalted), err)
			if c.is != nil {
				assert.ErrorIs(t, err, c.is)
			}
		})
	}
}
