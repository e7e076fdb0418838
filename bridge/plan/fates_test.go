package plan

import (
	"context"
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// What becomes of a referral that was synced as Active and routine: a row a case. Before it, Salesforce and the ledger agree;
// there is what somebody changed in Salesforce, last what the ledger remembers otherwise, then what the source says now.
func TestWhatIsPlannedForAReferralThatIsThere(t *testing.T) {
	const routine = bridgetest.IsActive + `,"priority":"routine"`
	for _, c := range []struct {
		name        string
		there, last bridgetest.Values
		forgot      bool                // the ledger remembers nothing of it
		meant       []bridgetest.Values // of writes whose outcome nobody saw
		unclear     bool                // the status may be ours or a person's
		creates     bool                // the first of them was to make the row
		ours        bool                // our user wrote the row last
		theirs      bool                // a person wrote it last, whatever it says
		again       bool                // the version is the one that was applied
		now         string
		fate        ledger.Fate
		code        string
		field       string            // of the reason
		sent, kept  bridgetest.Values // kept: names only
	}{
		{name: "nothing changed", now: routine, fate: ledger.Pending},
		{name: "the source changed a field of its own", now: bridgetest.IsActive + `,"priority":"urgent"`, fate: ledger.Pending, sent: bridgetest.Values{"Priority": bridgetest.Text("Urgent")}},
		{name: "a person changed a field of the source", there: bridgetest.Values{"Priority": bridgetest.Text("Stat")}, now: routine, fate: ledger.Pending, sent: bridgetest.Values{"Priority": bridgetest.Text("Routine")}},
		{name: "both changed a field of the source", there: bridgetest.Values{"Priority": bridgetest.Text("Stat")}, now: bridgetest.IsActive + `,"priority":"urgent"`, fate: ledger.Pending, sent: bridgetest.Values{"Priority": bridgetest.Text("Urgent")}},
		{name: "the source takes a value back", now: bridgetest.IsActive, fate: ledger.Pending, sent: bridgetest.Values{"Priority": {}}},
		{name: "the source changed a shared field", now: bridgetest.OnHold + `,"priority":"routine"`, fate: ledger.Pending, sent: bridgetest.Values{"Status": bridgetest.Text("On-Hold")}},
		{name: "a person changed a shared field", there: bridgetest.Values{"Status": bridgetest.Text("Revoked")}, now: routine, fate: ledger.Pending, kept: bridgetest.Values{"Status": {}}},
		{name: "both changed a shared field", there: bridgetest.Values{"Status": bridgetest.Text("Revoked")}, now: bridgetest.OnHold, fate: ledger.Held, code: bridge.CodeConflict, field: "Status"},
		{name: "both changed it to the same", there: bridgetest.Values{"Status": bridgetest.Text("On-Hold")}, now: bridgetest.OnHold + `,"priority":"routine"`, fate: ledger.Pending},
		{name: "a person changed it, and the source something else", there: bridgetest.Values{"Status": bridgetest.Text("Revoked")}, now: bridgetest.IsActive + `,"priority":"stat"`, fate: ledger.Pending,
			sent: bridgetest.Values{"Priority": bridgetest.Text("Stat")}, kept: bridgetest.Values{"Status": {}}},
		{name: "a shared field that was emptied on both sides", there: bridgetest.Values{"Status": {}}, last: bridgetest.Values{"Status": {}}, now: routine, fate: ledger.Pending, sent: bridgetest.Values{"Status": bridgetest.Text("Active")}},
		{name: "nothing is remembered, and both say the same", forgot: true, now: routine, fate: ledger.Pending},
		{name: "nothing is remembered, and a shared field is empty there", forgot: true, there: bridgetest.Values{"Status": {}}, now: routine, fate: ledger.Pending, sent: bridgetest.Values{"Status": bridgetest.Text("Active")}},
		{name: "nothing is remembered, and a shared field differs", forgot: true, now: bridgetest.OnHold, fate: ledger.Held, code: bridge.CodeConflict, field: "Status"},
		{name: "nothing is remembered, and a field of the source differs", forgot: true, now: bridgetest.IsActive + `,"priority":"urgent"`, fate: ledger.Pending, sent: bridgetest.Values{"Priority": bridgetest.Text("Urgent")}},
		{name: "a write in doubt had arrived, and the source went on", meant: []bridgetest.Values{{"Status": bridgetest.Text("On-Hold")}}, there: bridgetest.Values{"Status": bridgetest.Text("On-Hold")}, ours: true, now: `"status":"completed","priority":"routine"`,
			fate: ledger.Pending, sent: bridgetest.Values{"Status": bridgetest.Text("Completed")}},
		{name: "a write in doubt had arrived, and the source went back", meant: []bridgetest.Values{{"Status": bridgetest.Text("On-Hold")}}, there: bridgetest.Values{"Status": bridgetest.Text("On-Hold")}, ours: true, now: routine,
			fate: ledger.Pending, sent: bridgetest.Values{"Status": bridgetest.Text("Active")}},
		{name: "a write in doubt had arrived, and the source says the same", meant: []bridgetest.Values{{"Status": bridgetest.Text("On-Hold")}}, there: bridgetest.Values{"Status": bridgetest.Text("On-Hold")}, ours: true, now: bridgetest.OnHold + `,"priority":"routine"`, fate: ledger.Pending},
		{name: "a write in doubt has not arrived", meant: []bridgetest.Values{{"Status": bridgetest.Text("On-Hold")}}, now: bridgetest.OnHold + `,"priority":"routine"`, fate: ledger.Pending, sent: bridgetest.Values{"Status": bridgetest.Text("On-Hold")}},
		{name: "a write in doubt was of another field, and a person decided", meant: []bridgetest.Values{{"Priority": bridgetest.Text("Urgent")}}, there: bridgetest.Values{"Status": bridgetest.Text("Revoked")}, now: bridgetest.IsActive + `,"priority":"urgent"`,
			fate: ledger.Pending, sent: bridgetest.Values{"Priority": bridgetest.Text("Urgent")}, kept: bridgetest.Values{"Status": {}}},
		{name: "a person decided while a write of the field is in doubt", meant: []bridgetest.Values{{"Status": bridgetest.Text("On-Hold")}}, there: bridgetest.Values{"Status": bridgetest.Text("Revoked")}, now: bridgetest.OnHold + `,"priority":"routine"`, fate: ledger.Held, code: bridge.CodeConflict, field: "Status"},
		{name: "the value of a write in doubt, in a row that a person wrote last", meant: []bridgetest.Values{{"Status": bridgetest.Text("On-Hold")}}, there: bridgetest.Values{"Status": bridgetest.Text("On-Hold")}, now: routine, fate: ledger.Held, code: bridge.CodeUnclearValue, field: "Status"},
		{name: "the value of the first of two writes in doubt", meant: []bridgetest.Values{{"Status": bridgetest.Text("On-Hold")}, {"Status": bridgetest.Text("Completed")}}, there: bridgetest.Values{"Status": bridgetest.Text("On-Hold")}, ours: true, now: `"status":"completed","priority":"routine"`,
			fate: ledger.Pending, sent: bridgetest.Values{"Status": bridgetest.Text("Completed")}},
		{name: "a value that may be ours or a person's", unclear: true, there: bridgetest.Values{"Status": bridgetest.Text("Revoked")}, now: routine, fate: ledger.Held, code: bridge.CodeUnclearValue, field: "Status"},
		{name: "a value that may be ours or a person's, and both sides agree", unclear: true, now: routine, fate: ledger.Pending},
		{name: "a person wrote the row last, and no field of ours", theirs: true, now: bridgetest.OnHold + `,"priority":"routine"`, fate: ledger.Pending, sent: bridgetest.Values{"Status": bridgetest.Text("On-Hold")}},
		{name: "a flag in doubt that a person may have set stays", meant: []bridgetest.Values{{bridgetest.TheFlag: bridgetest.Yes()}}, there: bridgetest.Values{bridgetest.TheFlag: bridgetest.Yes()}, now: routine, fate: ledger.Pending, kept: bridgetest.Values{bridgetest.TheFlag: {}}},
		{name: "a create in doubt whose row is there as it was meant", forgot: true, creates: true, meant: []bridgetest.Values{{"Status": bridgetest.Text("Active"), "Priority": bridgetest.Text("Routine")}}, ours: true, now: bridgetest.OnHold + `,"priority":"routine"`,
			fate: ledger.Pending, sent: bridgetest.Values{"Status": bridgetest.Text("On-Hold")}},
		{name: "a shared field that the ledger remembers otherwise", there: bridgetest.Values{"Status": bridgetest.Text("Draft")}, last: bridgetest.Values{"Status": bridgetest.Text("Completed")}, now: routine, fate: ledger.Held, code: bridge.CodeConflict, field: "Status"},
		{name: "a field of Salesforce differs", there: bridgetest.Values{"Bridge_Run__c": bridgetest.Text("first")}, now: routine, fate: ledger.Pending},
		{name: "where the source is silent, Salesforce keeps what it has", there: bridgetest.Values{"IsAccepted": sobject.BoolValue(true)}, now: routine, fate: ledger.Pending},
		{name: "it belongs to another Account", there: bridgetest.Values{"PatientId": bridgetest.Text(bridgetest.TwoAccount)}, now: routine, fate: ledger.Dead, code: bridge.CodePatientChanged, field: "PatientId"},
		{name: "a stop flag is taken back by a newer version", there: bridgetest.Values{bridgetest.TheFlag: bridgetest.Yes()}, last: bridgetest.Values{bridgetest.TheFlag: bridgetest.Yes()}, now: routine, fate: ledger.Pending, sent: bridgetest.Values{bridgetest.TheFlag: sobject.BoolValue(false)}},
		{name: "a stop flag is not taken back by the same version", again: true, there: bridgetest.Values{bridgetest.TheFlag: bridgetest.Yes()}, last: bridgetest.Values{bridgetest.TheFlag: bridgetest.Yes()}, now: routine, fate: ledger.Pending, kept: bridgetest.Values{bridgetest.TheFlag: {}}},
		{name: "a stop flag that a person set", there: bridgetest.Values{bridgetest.TheFlag: bridgetest.Yes()}, now: routine, fate: ledger.Pending, kept: bridgetest.Values{bridgetest.TheFlag: {}}},
		{name: "the source says stop: the flag goes ahead", now: `"status":"entered-in-error","priority":"routine"`, fate: ledger.Pending, sent: bridgetest.Values{"Status": bridgetest.Text("Entered-in-Error")}},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shelf.New()
			p := planner(s, t)
			s.Put(plan(t, p, bridgetest.Referral("r1", "1", bridgetest.ANumber, routine))...)
			s.Edit(bridgetest.TheCSR, c.there)
			shelf.Set(s.Images, bridgetest.TheCSR, c.last)
			if c.ours {
				row := s.There[bridgetest.TheCSR]
				row.Theirs = false
				s.There[bridgetest.TheCSR] = row
			}
			if c.forgot {
				delete(s.Images, bridgetest.TheCSR)
			}
			for i, m := range c.meant {
				s.Open[bridgetest.TheCSR] = append(s.Open[bridgetest.TheCSR], bridgetest.Attempted(m, c.creates && i == 0))
			}
			if c.unclear {
				s.Unclear[bridgetest.TheCSR] = []string{"Status"}
			}
			if c.theirs {
				s.Edit(bridgetest.TheCSR, bridgetest.Values{"Bridge_Run__c": bridgetest.Text("live")})
			}
			work := bridgetest.Referral("r1", "2", bridgetest.ANumber, c.now)
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
			sent, kept := bridgetest.Values{}, bridgetest.Values{}
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

// When a stop flag goes ahead of everything else: a row a case.
func TestWhichStopFlagsGoAhead(t *testing.T) {
	const stop = `"status":"entered-in-error"`
	for _, c := range []struct {
		name        string
		there, last bridgetest.Values
		absent      bool // the record is not in Salesforce
		forgot      bool // the ledger remembers nothing of it
		offline     bool
		now         string
		fate        ledger.Fate
		ahead       int
	}{
		{name: "the source says stop", now: stop, fate: ledger.Pending, ahead: 1},
		{name: "the source says nothing of it", now: bridgetest.IsActive, fate: ledger.Pending},
		{name: "it is set", there: bridgetest.Values{bridgetest.TheFlag: bridgetest.Yes()}, now: stop, fate: ledger.Pending},
		{name: "a person took it back", last: bridgetest.Values{bridgetest.TheFlag: bridgetest.Yes()}, now: stop, fate: ledger.Pending},
		{name: "nothing is remembered", forgot: true, now: stop, fate: ledger.Held, ahead: 1},
		{name: "the rest is held", now: stop + `,"priority":"soonish"`, fate: ledger.Held, ahead: 1},
		{name: "the record is not there yet", absent: true, now: stop, fate: ledger.Pending},
		{name: "nothing is known of Salesforce", offline: true, now: stop, fate: ledger.Pending},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shelf.New()
			p := planner(s, t)
			if !c.absent {
				s.Put(plan(t, p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
				s.Edit(bridgetest.TheCSR, c.there)
				shelf.Set(s.Images, bridgetest.TheCSR, c.last)
			}
			if c.forgot {
				delete(s.Images, bridgetest.TheCSR)
			}
			if c.offline {
				p.Target, p.Memory = nil, nil
			}
			step := plan(t, p, bridgetest.Referral("r1", "2", bridgetest.ANumber, c.now))[0]
			assert.Equal(t, c.fate, step.Fate, step.Reason)
			require.Len(t, step.Ahead, c.ahead)
			for _, w := range step.Ahead {
				flag, _ := w.Send.Get(bridgetest.TheFlag)
				assert.True(t, flag.Equal(bridgetest.Yes()))
				assert.Len(t, w.Send.Fields, 1, "nothing else")
				image, _ := w.Image.Get(bridgetest.TheFlag)
				assert.True(t, image.Equal(bridgetest.Yes()), "it is remembered as ours")
			}
		})
	}
}

// What is left to do for a record that the source refuses to give for its patient's sake.
func TestTheFlagIsSetWhereTheSourceRefusesTheRecord(t *testing.T) {
	refused := bridge.Verdict{Fate: ledger.Dead, Reason: ledger.Reason{Code: bridge.CodePatientError}}
	work := bridgetest.Due("ServiceRequest", "r1", "2", nil)
	for _, c := range []struct {
		name  string
		world func(s *shelf.Shelf, p *Planner)
		ahead int
		fails bool
	}{
		{"nothing was written for it", nil, 0, false},
		{"its referral is there", func(s *shelf.Shelf, p *Planner) {
			s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		}, 1, false},
		{"nothing is remembered", func(s *shelf.Shelf, p *Planner) {
			s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
			p.Memory = nil
		}, 0, false},
		{"the ledger cannot be read", func(s *shelf.Shelf, p *Planner) { s.Lost = errors.New("broken") }, 0, true},
	} {
		s := shelf.New()
		p := planner(s, t)
		if c.world != nil {
			c.world(s, p)
		}
		out, err := p.Stop(t.Context(), work, refused)
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
	world func(s *shelf.Shelf, p *Planner)
	work  ledger.Work
	fate  ledger.Fate
	code  string
	next  time.Time
	does  string // outcome of a step
}{
	{"one Account", nil, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), ledger.Pending, "", time.Time{}, "create"},
	{"no Account", func(s *shelf.Shelf, p *Planner) { s.Accounts = nil }, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), ledger.Held, bridge.CodePatientMissing, bridgetest.Noon().Add(time.Minute), "held"},
	{"no Account, and nobody to make one of", func(s *shelf.Shelf, p *Planner) { s.Accounts, p.Policy.Patient = nil, CreateMode },
		bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), ledger.Held, bridge.CodePatientMissing, bridgetest.Noon().Add(time.Minute), "held"},
	{"no Account, which is made", func(s *shelf.Shelf, p *Planner) { s.Accounts, p.Policy.Patient = nil, CreateMode },
		bridgetest.Due("ServiceRequest", "r1", "1", bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Synthetic"}]`)), ledger.Pending, "", time.Time{}, "create"},
	{"a patient whom the source changed, and whose Account is another's", func(s *shelf.Shelf, p *Planner) {
		s.Bodies = map[fhir.Reference][]byte{{Type: "ServiceRequest", ID: "r1", Version: "1"}: bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Synthetic"}]`)}
	}, func() ledger.Work {
		w := bridgetest.Due("ServiceRequest", "r1", "2", bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Other"}]`))
		w.Known = ledger.Known{Version: "1"}
		return w
	}(), ledger.Pending, CodePatientKept, time.Time{}, "create"},
	{"two Accounts", func(s *shelf.Shelf, p *Planner) {
		s.Accounts[bridgetest.ANumber] = []string{bridgetest.AnAccount, bridgetest.TwoAccount}
	}, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), ledger.Dead, bridge.CodePatientTwice, time.Time{}, "dead"},
	{"another patient than before", nil, func() ledger.Work {
		w := bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.IsActive)
		w.Known = ledger.Known{Version: "1", Patient: "somebody else's"}
		return w
	}(), ledger.Dead, bridge.CodePatientChanged, time.Time{}, "dead"},
	{"a test patient where there are none", func(s *shelf.Shelf, p *Planner) { p.Policy.NoTestPatients = true }, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), ledger.Held, codeTestPatient, time.Time{}, "held"},
	{"a test patient, offline", func(s *shelf.Shelf, p *Planner) { p.Policy.NoTestPatients, p.Target, p.Memory = true, nil, nil }, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), ledger.Held, codeTestPatient, time.Time{}, "held"},
	{"a wrong number", nil, bridgetest.Referral("r1", "1", "9990000019", bridgetest.IsActive), ledger.Held, bridge.CodePatientIdentity, time.Time{}, "held"},
	{"the row is another source record's", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		s.Owners[bridgetest.TheCSR] = bridge.Owner{Source: "elsewhere", Ref: fhir.Reference{Type: "ServiceRequest", ID: "r1"}}
	}, bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.OnHold), ledger.Held, codeRowOfAnother, bridgetest.Noon().Add(4 * time.Hour), "held"},
	{"the row may be another source record's, whose write is in doubt", func(s *shelf.Shelf, p *Planner) {
		s.Open[bridgetest.TheCSR] = []ledger.Intent{bridgetest.Attempted(bridgetest.Values{"Status": bridgetest.Text("Active")}, true)}
		s.Owners[bridgetest.TheCSR] = bridge.Owner{Source: "elsewhere", Ref: fhir.Reference{Type: "ServiceRequest", ID: "r1"}}
		s.Unseen[bridgetest.TheCSR] = true
	}, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), ledger.Held, codeRowOfAnother, bridgetest.Noon().Add(4 * time.Hour), "held"},
	{"something is remembered of a row that nobody has seen", func(s *shelf.Shelf, p *Planner) {
		s.Images[bridgetest.TheCSR] = sobject.Record{Object: bridgetest.CSRType, Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.r1"}}
		s.Owners[bridgetest.TheCSR] = bridge.Owner{Source: "elsewhere", Ref: fhir.Reference{Type: "ServiceRequest", ID: "r1"}}
		s.Unseen[bridgetest.TheCSR] = true
	}, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), ledger.Pending, "", time.Time{}, "create"},
	{"the row is there, and nobody is known to have written it", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		delete(s.Owners, bridgetest.TheCSR)
		delete(s.Images, bridgetest.TheCSR)
	}, bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.IsActive), ledger.Pending, "", time.Time{}, "same"},
	{"a person deleted it", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		delete(s.There, bridgetest.TheCSR)
	}, bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.OnHold), ledger.Dead, bridge.CodeDeleted, time.Time{}, "dead"},
	{"both sides changed a shared field", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		s.Edit(bridgetest.TheCSR, bridgetest.Values{"Status": bridgetest.Text("Revoked")})
	}, bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.OnHold), ledger.Held, bridge.CodeConflict, bridgetest.Noon().Add(time.Minute), "held"},
	{"a value that may be ours or a person's", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		s.Edit(bridgetest.TheCSR, bridgetest.Values{"Status": bridgetest.Text("Revoked")})
		s.Unclear[bridgetest.TheCSR] = []string{"Status"}
	}, bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.OnHold), ledger.Held, bridge.CodeUnclearValue, bridgetest.Noon().Add(time.Minute), "held"},
	{"it is only named so far", nil, bridgetest.Due("ServiceRequest", "r1", "", nil), ledger.Held, bridge.CodeNotRead, bridgetest.Noon(), "held"},
	{"its body cannot be read", nil, bridgetest.Due("ServiceRequest", "r1", "1", []byte("{")), ledger.Held, bridge.CodeUnreadable, bridgetest.Noon().Add(time.Minute), "held"},
	{"a code that no table lists", nil, bridgetest.Referral("r1", "1", bridgetest.ANumber, `"status":"soonish"`), ledger.Held, bridge.CodeUnknownCode, time.Time{}, "held"},
	{"a modifier that no table names", nil, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive+`,"modifierExtension":[{"url":"https://x.example/not","valueBoolean":true}]`), ledger.Held, bridge.CodeModifier, time.Time{}, "held"},
	{"a text that is too long", nil, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive+`,"identifier":[{"system":"https://x.example","value":"`+long(300)+`"}]`), ledger.Held, bridge.CodeMapping, time.Time{}, "held"},
	{"an appointment whose referral is not there", nil, bridgetest.Due("Appointment", "a1", "1", bridgetest.Met("a1", "r1", `"status":"booked"`)), ledger.Held, bridge.CodeParent, bridgetest.Noon().Add(time.Minute), "held"},
	{"an appointment of a referral that is there", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
	},
		bridgetest.Due("Appointment", "a1", "1", bridgetest.Met("a1", "r1", `"status":"booked"`)), ledger.Pending, "", time.Time{}, "create"},
	{"an appointment for another patient than its referral", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
	},
		bridgetest.Due("Appointment", "a1", "1", bridgetest.Met("a1", "r1", `"status":"booked","participant":[{"actor":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"`+bridgetest.BNumber+`"}}}]`)),
		ledger.Held, codeAppointmentPatient, bridgetest.Noon().Add(4 * time.Hour), "held"},
	{"an appointment for the patient of its referral", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
	},
		bridgetest.Due("Appointment", "a1", "1", bridgetest.Met("a1", "r1", `"status":"booked","participant":[{"actor":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"`+bridgetest.ANumber+`"}}}]`)),
		ledger.Pending, "", time.Time{}, "create"},
	{"an appointment that names a patient, of a referral that nobody knows", nil,
		bridgetest.Due("Appointment", "a1", "1", bridgetest.Met("a1", "r1", `"status":"booked","participant":[{"actor":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"`+bridgetest.ANumber+`"}}}]`)),
		ledger.Held, bridge.CodeParent, bridgetest.Noon().Add(time.Minute), "held"},
	{"an appointment that moves to another referral", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), bridgetest.Referral("r2", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		s.Put(planned(p, bridgetest.Due("Appointment", "a1", "1", bridgetest.Met("a1", "r1", `"status":"booked"`)))...)
	}, bridgetest.Due("Appointment", "a1", "2", bridgetest.Met("a1", "r2", `"status":"booked"`)), ledger.Held, codeMoved, bridgetest.Noon().Add(4 * time.Hour), "held"},
	{"an Account of another birth date", func(s *shelf.Shelf, p *Planner) {
		s.Accounts, p.Policy.Patient = nil, CreateMode
		s.Put(planned(p, bridgetest.Due("ServiceRequest", "r1", "1", bridgetest.OfPerson("r1", bridgetest.IsActive, `"birthDate":"1950-01-01","name":[{"family":"Synthetic"}]`)))...)
	}, bridgetest.Due("ServiceRequest", "r2", "1", bridgetest.OfPerson("r2", bridgetest.IsActive, `"birthDate":"1988-01-01","name":[{"family":"Synthetic"}]`)), ledger.Held, codePatientDiffers, bridgetest.Noon().Add(4 * time.Hour), "held"},
	{"an Account that was there before us is its owner's", func(s *shelf.Shelf, p *Planner) { p.Policy.Patient = CreateMode },
		bridgetest.Due("ServiceRequest", "r1", "1", bridgetest.OfPerson("r1", bridgetest.IsActive, `"name":[{"family":"Synthetic"}]`)), ledger.Pending, "", time.Time{}, "create"},
	{"the source deleted it", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
	},
		bridgetest.Due("ServiceRequest", "r1", "1~gone", bridge.Tombstone(fhir.Reference{Type: "ServiceRequest", ID: "r1"})), ledger.Pending, bridge.CodeSourceDeleted, time.Time{}, "update"},
	{"the source deleted what was never written", nil,
		bridgetest.Due("ServiceRequest", "r1", "1~gone", bridge.Tombstone(fhir.Reference{Type: "ServiceRequest", ID: "r1"})), ledger.Pending, bridge.CodeSourceDeleted, time.Time{}, "same"},
	{"the source deleted what a person had deleted", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		delete(s.There, bridgetest.TheCSR)
	}, bridgetest.Due("ServiceRequest", "r1", "1~gone", bridge.Tombstone(fhir.Reference{Type: "ServiceRequest", ID: "r1"})), ledger.Pending, bridge.CodeSourceDeleted, time.Time{}, "same"},
	{"the source deleted what was over", func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		s.Edit(bridgetest.TheCSR, bridgetest.Values{"Status": bridgetest.Text("Completed"), "Bridge_Source_Reason__c": bridgetest.Text("DELETED_AT_SOURCE")})
	}, bridgetest.Due("ServiceRequest", "r1", "1~gone", bridge.Tombstone(fhir.Reference{Type: "ServiceRequest", ID: "r1"})), ledger.Pending, bridge.CodeSourceDeleted, time.Time{}, "same"},
}

func TestWhatIsPlannedByPatientAndOwner(t *testing.T) {
	for _, c := range plannedFates {
		t.Run(c.name, func(t *testing.T) {
			s := shelf.New()
			p := planner(s, t)
			if c.world != nil {
				c.world(s, p)
			}
			step := plan(t, p, c.work)[0]
			assert.Equal(t, c.fate, step.Fate, step.Reason)
			assert.Equal(t, c.code, step.Reason.Code, step.Reason.Text)
			assert.Equal(t, c.next, step.Next)
			assert.Equal(t, c.does, step.Outcome())
			assert.NotContains(t, step.Reason.Text, bridgetest.ANumber)
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
		return bridgetest.Due("ServiceRequest", id, "1", bridgetest.OfPerson(id, bridgetest.IsActive, patient))
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
		{"two versions of one record", bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), bridgetest.Referral("r1", "2", bridgetest.ANumber, bridgetest.OnHold), "", 1},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shelf.New()
			p := planner(s, t)
			s.Accounts, p.Policy.Patient = map[string][]string{bridgetest.ANumber: nil}, CreateMode
			if c.a.Ref.Current() == c.b.Ref.Current() {
				s.Accounts[bridgetest.ANumber] = []string{bridgetest.AnAccount}
			}
			out, err := p.Inbound(t.Context(), []ledger.Work{c.a, c.b})
			require.NoError(t, err)
			assert.Equal(t, c.code, out.Steps[1].Reason.Code)
			assert.Len(t, out.Deferred(), c.deferred)
			rest := out.Without(out.Deferred())
			assert.Len(t, rest.Steps, 2-c.deferred)
			writes := map[string]int{}
			for _, st := range rest.Steps {
				for _, w := range st.Writes {
					if st.Fate == ledger.Pending && !w.Shared && w.Action != bridge.Same {
						writes[bridge.RecordID(w.Object, w.Key)]++
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
	known := func(s *shelf.Shelf, p *Planner) {
		s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
	}
	gone := bridgetest.Due("ServiceRequest", "r1", "1~gone", bridge.Tombstone(fhir.Reference{Type: "ServiceRequest", ID: "r1"}))
	stopping := bridgetest.Referral("r1", "2", bridgetest.ANumber, `"status":"entered-in-error"`)
	broken := errors.New("the ledger is broken")
	for _, c := range []struct {
		name   string
		ctx    context.Context
		world  func(s *shelf.Shelf, p *Planner)
		work   ledger.Work
		halted bool
		is     error
	}{
		{"the patients cannot be found", t.Context(), func(s *shelf.Shelf, p *Planner) { s.Broken = refused }, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), true, nil},
		{"the rows cannot be read", t.Context(), func(s *shelf.Shelf, p *Planner) { s.Broken, s.Only = refused, bridgetest.CSRType }, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), true, nil},
		{"the calls are used up", t.Context(), func(s *shelf.Shelf, p *Planner) { s.Broken = limit }, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), true, limit},
		{"somebody asked for an end", cancelled, func(s *shelf.Shelf, p *Planner) { s.Broken = context.Canceled }, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), false, context.Canceled},
		{"a deadline of a call is none of the run's", t.Context(), func(s *shelf.Shelf, p *Planner) { s.Broken = context.DeadlineExceeded }, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), true, nil},
		{"what was deleted cannot be looked at", t.Context(), func(s *shelf.Shelf, p *Planner) { known(s, p); s.Broken, s.Only = refused, bridgetest.CSRType }, gone, true, nil},
		{"a stop flag cannot be looked at", t.Context(), func(s *shelf.Shelf, p *Planner) { known(s, p); s.Broken, s.Only = refused, bridgetest.CSRType }, stopping, true, nil},
		{"the ledger cannot be read", t.Context(), func(s *shelf.Shelf, p *Planner) { s.Lost = broken }, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), false, broken},
		{"the ledger cannot be read, of a deletion", t.Context(), func(s *shelf.Shelf, p *Planner) { s.Lost = broken }, gone, false, broken},
		{"the ledger cannot be read, of a stop flag", t.Context(), func(s *shelf.Shelf, p *Planner) { known(s, p); s.Lost = broken }, stopping, false, broken},
	} {
		t.Run(c.name, func(t *testing.T) {
			s := shelf.New()
			p := planner(s, t)
			c.world(s, p)
			_, err := p.Inbound(c.ctx, []ledger.Work{c.work})
			require.Error(t, err)
			assert.Equal(t, c.halted, errors.Is(err, bridge.ErrHalted), err)
			if c.is != nil {
				assert.ErrorIs(t, err, c.is)
			}
		})
	}
}
