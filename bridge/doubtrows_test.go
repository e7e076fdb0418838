package bridge

import (
	"errors"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// What is remembered of a field after a read, with nobody's wish for it known: a row a case.
func TestWhatAReadSaysOfAFieldInDoubt(t *testing.T) {
	a, b, c := text("a"), text("b"), text("c")
	for _, x := range []struct {
		name string
		p    past
		have sobject.Value
		want past
	}{
		{"it is as it was", past{image: a, known: true}, a, past{image: a, known: true}},
		{"a person changed it", past{image: a, known: true}, c, past{image: a, known: true}},
		{"the write arrived", past{image: a, known: true, meant: []sobject.Value{b}}, b, past{image: b, known: true}},
		{"the write has not arrived", past{image: a, known: true, meant: []sobject.Value{b}}, a, past{image: a, known: true}},
		{"the write arrived, or a person wrote the same", past{image: a, known: true, meant: []sobject.Value{b}, moved: true}, b, past{unclear: true}},
		{"neither: a person's", past{image: a, known: true, meant: []sobject.Value{b}}, c, past{image: a, known: true}},
		{"nothing was known, and something else is there", past{meant: []sobject.Value{a, b}}, c, past{image: b, known: true}},
		{"unclear it stays", past{unclear: true}, c, past{unclear: true}},
		{"a candidate of an unclear field", past{image: a, known: true, unclear: true}, a, past{image: a, known: true, unclear: true}},
	} {
		assert.Equal(t, x.want, x.p.seen(x.have), x.name)
	}
}

// What is remembered of a field after it was decided on: a row a case.
func TestWhatIsRememberedOfAFieldThatWasDecidedOn(t *testing.T) {
	a, b, c := text("a"), text("b"), text("c")
	for _, x := range []struct {
		name       string
		p          past
		want, have sobject.Value
		d          decision
		then       past
	}{
		{"both agree", past{image: a, known: true}, b, b, leave, past{image: b, known: true}},
		{"ours is written over", past{image: a, known: true, meant: []sobject.Value{c}}, b, c, overwrite, past{image: c, known: true}},
		{"a person's is written over", past{image: a, known: true}, b, c, overwrite, past{image: a, known: true}},
		{"nobody can tell", past{image: a, known: true, meant: []sobject.Value{c}}, b, c, unclear, past{unclear: true}},
		{"a person's, and only something meant was known", past{meant: []sobject.Value{a, b}}, b, c, conflict, past{image: b, known: true}},
		{"a person's", past{image: a, known: true}, a, c, keepTheirs, past{image: a, known: true}},
	} {
		assert.Equal(t, x.then, x.p.after(x.want, x.have, x.d), x.name)
	}
}

// What an intent of a version that kept no values leaves in doubt, and what an open create leaves to the org.
func TestWhatIsKnownOfAFieldFromBefore(t *testing.T) {
	row := func(known string, intents ...ledger.Intent) ledger.Row {
		r := ledger.Row{Object: csrType, Key: "ward.sr.r1", Open: intents}
		if known != "" {
			r.Known, r.Image.Record = true, sobject.Record{Object: csrType, Modified: noon, Fields: []sobject.Field{{Name: "Status", Value: text(known)}}}
		}
		return r
	}
	have := sobject.Record{Object: csrType, Modified: noon, Fields: []sobject.Field{{Name: "Status", Value: text("b")}}}
	theirs := have
	theirs.Theirs, theirs.Modified = true, noon.Add(time.Minute)
	old := ledger.Intent{}
	for _, c := range []struct {
		name string
		row  ledger.Row
		have sobject.Record
		want past
	}{
		{"an image", row("a"), have, past{image: text("a"), known: true}},
		{"an image, and a person wrote last", row("a"), theirs, past{image: text("a"), known: true, moved: true}},
		{"nothing", row(""), have, past{}},
		{"nothing, and a person wrote last", row(""), theirs, past{moved: true}},
		{"an old intent, and another value is there", row("a", old), have, past{image: text("a"), known: true, unclear: true}},
		{"an old intent, and the same value is there", row("b", old), have, past{image: text("b"), known: true}},
		{"an old intent alone", row("", old), have, past{unclear: true}},
		{"an intent of the field", row("a", attempted(values{"Status": text("c")}, false)), have, past{image: text("a"), known: true, meant: []sobject.Value{text("c")}}},
		{"a create of other fields", row("", attempted(values{"Priority": text("c")}, true)), have, past{left: true}},
		{"an update of other fields", row("a", attempted(values{"Priority": text("c")}, false)), have, past{image: text("a"), known: true}},
	} {
		assert.Equal(t, c.want, pastOf(c.row, "Status", c.have), c.name)
	}
	for _, c := range []struct {
		name         string
		p            past
		keep, silent bool
		want         past
	}{
		{"what the org filled in, where the source is silent", past{}, true, true, past{image: text("b"), known: true}},
		{"where the source speaks", past{}, true, false, past{}},
		{"a field that is not kept", past{}, false, true, past{}},
		{"an open create left it to the org", past{left: true}, true, false, past{left: true, image: text("b"), known: true}},
		{"an open create left it empty", past{left: true}, false, false, past{left: true, known: true}},
		{"an open create, and a person wrote last", past{left: true, moved: true}, true, false, past{left: true, moved: true, unclear: true}},
		{"it is known", past{image: text("a"), known: true, left: true}, true, true, past{image: text("a"), known: true, left: true}},
		{"it is unclear", past{unclear: true, left: true}, true, true, past{unclear: true, left: true}},
		{"something was meant", past{meant: []sobject.Value{text("a")}, left: true}, true, true, past{meant: []sobject.Value{text("a")}, left: true, image: text("b"), known: true}},
	} {
		assert.Equal(t, c.want, c.p.adopted(text("b"), c.keep, c.silent), c.name)
	}
}

// A verdict while writes are open, and which writes of a step are closed: a row a case.
func TestARecordIsAppliedOnceNoWriteOfItIsOpen(t *testing.T) {
	soon, late := noon.Add(time.Minute), noon.Add(13*time.Minute)
	for _, c := range []struct {
		name string
		was  ledger.Fate
		open []time.Time
		fate ledger.Fate
		next time.Time
	}{
		{"nothing is open", ledger.Applied, nil, ledger.Applied, time.Time{}},
		{"one write is", ledger.Applied, []time.Time{late}, ledger.Unknown, late.Add(time.Second)},
		{"of two the later counts", ledger.Applied, []time.Time{late, soon}, ledger.Unknown, late.Add(time.Second)},
		{"a record that is held", ledger.Held, []time.Time{late}, ledger.Held, time.Time{}},
	} {
		v := doubted(verdict{fate: c.was}, c.open)
		assert.Equal(t, c.fate, v.fate, c.name)
		assert.Equal(t, c.next, v.next, c.name)
	}
	w, lost := &Write{closes: []string{"read"}, open: []ledger.Intent{{ID: "waits", Deadline: soon}, {ID: "own"}}}, &Write{}
	s := &Step{Writes: []*Write{w}, Ahead: []*Write{lost}, open: []ledger.Intent{{ID: "other", Deadline: late}, {ID: "read"}}}
	r := applying{attempts: map[*Write][]attempt{w: {{id: "own", by: late, outcome: sfdc.Saved}, {id: "no", outcome: sfdc.Refused}}, lost: {{id: "lost", by: late}}}}
	closed, open := r.intents(s)
	assert.Equal(t, []string{"no", "own", "read"}, closed)
	assert.ElementsMatch(t, []time.Time{soon, late, late}, open)
}

// A row that is not there, of a write that is in doubt, is looked for among the deleted before it is made; one whose image was purged was
// there, so that somebody has deleted it: a row a case.
func TestWhatIsPlannedForARowInDoubtThatIsNotThere(t *testing.T) {
	for _, c := range []struct {
		name   string
		world  func(s *shelf)
		fate   ledger.Fate
		does   string
		closes int
		stops  bool
	}{
		{name: "it never arrived", fate: ledger.Pending, does: "create"},
		{name: "somebody deleted it", world: func(s *shelf) {
			s.removed[theCSR] = sobject.Record{Object: csrType, Key: sobject.Key{Value: "ward.sr.r1"}, ID: "a01"}
		}, fate: ledger.Dead, does: "dead"},
		{name: "the deleted cannot be asked for", world: func(s *shelf) { s.broken, s.only = refusedRow("INVALID_FIELD"), "deleted" }, stops: true},
		{name: "it was there once, and its image is purged", world: func(s *shelf) {
			s.purged, s.open[theCSR] = map[string]bool{theCSR: true}, nil
		}, fate: ledger.Dead, does: "dead"},
		{name: "its write cannot take effect any more", world: func(s *shelf) {
			in := attempted(values{"Status": text("Active")}, true)
			in.Deadline = noon.Add(-time.Minute)
			s.open[theCSR] = []ledger.Intent{in}
		}, fate: ledger.Pending, does: "create", closes: 1},
	} {
		s := newShelf()
		p := s.planner(t)
		s.open[theCSR] = []ledger.Intent{attempted(values{"Status": text("Active")}, true)}
		s.owners[theCSR] = owner{"ward", referral("r1", "1", aNumber, isActive).Ref.Current()}
		if c.world != nil {
			c.world(s)
		}
		out, err := p.Inbound(t.Context(), []ledger.Work{referral("r1", "2", aNumber, isActive)})
		if c.stops {
			assert.ErrorIs(t, err, ErrHalted, c.name)
			continue
		}
		require.NoError(t, err, c.name)
		assert.Equal(t, c.fate, out.Steps[0].Fate, c.name)
		assert.Equal(t, c.does, out.Steps[0].Outcome(), c.name)
		w := out.Steps[0].Writes[0]
		assert.Len(t, w.closes, c.closes, c.name)
		assert.Equal(t, s.removed[theCSR].ID, w.Known.Record.ID, "%s: what is known of it is what was seen of it", c.name)
		assert.Equal(t, c.fate == ledger.Dead, w.Known.Deleted, c.name)
	}
}

// A row that moved between plan and write waits for the next batch, and after three times for the next run.
func TestARowThatMovedIsComparedAnew(t *testing.T) {
	for _, c := range []struct {
		name   string
		moves  func(b *bench)
		writes int
	}{
		{"nothing moved", func(b *bench) {}, 1},
		{"a person edited it", func(b *bench) { b.edit(theCSR, values{"Priority": text("Stat")}) }, 0},
		{"it was deleted", func(b *bench) { delete(b.rows, theCSR) }, 0},
	} {
		b := &bench{shelf: newShelf(), refuses: map[string]error{}}
		p := b.planner(t)
		b.put(plan(t, p, referral("r1", "1", aNumber, isActive))...)
		a := &Applier{Target: b, Journal: b, Now: p.Now, Objects: []string{csrType}}
		for try := range 3 {
			work := referral("r1", "2", aNumber, onHold)
			out, err := p.Inbound(t.Context(), []ledger.Work{work})
			require.NoError(t, err)
			was := b.rows[theCSR]
			c.moves(b)
			res, err := a.Apply(t.Context(), out)
			require.NoError(t, err)
			assert.Equal(t, c.writes, res.Writes, c.name)
			assert.Equal(t, c.writes == 0, settlementOf(b.settled, work.Ref).Fate == "", "%s: it keeps its place", c.name)
			assert.Equal(t, c.writes == 0 && try < 2, len(out.deferred()) == 1, "%s, try %d", c.name, try)
			if c.writes > 0 {
				break
			}
			b.rows[theCSR] = was
		}
	}
}

// The appointment that another one replaced is marked, unless a person has changed it: a row a case.
func TestWhatTheSourceHasDroppedIsMarked(t *testing.T) {
	const id = "ServiceAppointment ward.ap.a1"
	broken := errors.New("x")
	for _, c := range []struct {
		name  string
		world func(s *shelf)
		marks int
		fails bool
	}{
		{"it is as it was", nil, 2, false},
		{"a person says that it took place", func(s *shelf) { s.edit(id, values{"Status": text("Completed")}) }, 0, false},
		{"it is over already", func(s *shelf) {
			s.edit(id, values{"Status": text("Completed")})
			set(s.images, id, values{"Status": text("Completed")})
		}, 0, false},
		{"it is not there", func(s *shelf) { delete(s.rows, id) }, 0, false},
		{"another source record has it by now", func(s *shelf) { s.owners[id] = owner{source: "elsewhere"} }, 0, false},
		{"it cannot be looked at", func(s *shelf) { s.broken, s.only = broken, "ServiceAppointment" }, 0, true},
	} {
		s := newShelf()
		p := s.planner(t)
		s.put(plan(t, p, referral("r1", "1", aNumber, isActive))...)
		s.put(plan(t, p, due("Appointment", "a1", "1", met("a1", "r1", `"status":"booked"`)))...)
		s.owners[id] = s.owners[theCSR] // as of e-RS, which sends both together
		if c.world != nil {
			c.world(s)
		}
		out, err := p.Inbound(t.Context(), []ledger.Work{referral("r1", "2", aNumber, isActive+`,"priority":"urgent"`)})
		if c.fails {
			assert.ErrorIs(t, err, ErrHalted, c.name)
			continue
		}
		require.NoError(t, err, c.name)
		marks := 0
		for _, w := range out.Steps[0].Writes {
			if w.Object == "ServiceAppointment" {
				marks += len(w.Send.Fields)
			}
		}
		assert.Equal(t, c.marks, marks, c.name)
	}
}

func TestAValueIsShownToAnOperatorAsItIs(t *testing.T) {
	assert.Equal(t, "(empty)", shown(sobject.Value{}))
	assert.Equal(t, "ward.sr.r1", shown(sobject.RefValue(sobject.Target{Object: csrType}, "ward.sr.r1")))
	assert.Equal(t, "On-Hold", shown(text("On-Hold")))
}

// Which version a Patient on a page has: a row a case.
func TestWhichPatientIsSeen(t *testing.T) {
	for _, c := range []struct {
		name, entry, want string
	}{
		{"a Patient", `{"resource":{"resourceType":"Patient","id":"p1","meta":{"versionId":"3"}}}`, "Patient/p1/_history/3"},
		{"another type", `{"resource":{"resourceType":"Observation","id":"p1"}}`, ""},
		{"an outcome", `{"search":{"mode":"outcome"},"resource":{"resourceType":"OperationOutcome"}}`, ""},
		{"one that cannot be read", `{"resource":{"resourceType":"Patient","id":"p1","x":"\ud83d"}}`, "Patient/p1"},
		{"something that cannot be read", `{"resource":{"id":"p1"}}`, ""},
	} {
		page, err := rest.ReadPage([]byte(`{"resourceType":"Bundle","type":"searchset","entry":[` + c.entry + `]}`))
		require.NoError(t, err, c.name)
		if len(page.Entries) == 0 {
			assert.Empty(t, c.want, c.name)
			continue
		}
		s, ok := patientSighting(page.Entries[0])
		assert.Equal(t, c.want != "", ok, c.name)
		if ok {
			assert.Equal(t, c.want, s.Ref.String(), c.name)
		}
	}
}

// Whether patients can be compared with their Accounts, where the org does not show the fields: a row a case.
func TestAnOrgWithoutBirthDatesIsLinkedTo(t *testing.T) {
	for _, c := range []struct {
		name string
		mode PatientMode
		err  error
		want bool
	}{
		{"no such field", Link, &sfdc.Error{Code: sfdc.CodeField}, true},
		{"no such object", Link, &sfdc.Error{Status: 404}, true},
		{"no such field, where patients are made", CreateMode, &sfdc.Error{Code: sfdc.CodeField}, false},
		{"another refusal", Link, &sfdc.Error{Status: 400, Code: "INVALID_FIELD"}, false},
		{"no answer", Link, errors.New("x"), false},
	} {
		assert.Equal(t, c.want, (&Planner{Policy: Policy{Patient: c.mode}}).without(c.err), c.name)
	}
}
