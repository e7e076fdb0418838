package deliver

import (
	"context"
	"errors"
	"fmt"
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

// bench applies plans to a shelf: rows that Salesforce refuses, and what is written down.
type bench struct {
	*shelf.Shelf
	refuses  map[string]error // by record, of its main write
	flags    error            // of a stop flag
	upsert   error            // of a call as a whole, with results
	short    bool             // an answer with too few results
	read     error            // of what is read back
	stamps   error            // of the last look before a write
	intends  error
	settles  error
	intents  []ledger.Intent
	settled  []ledger.Settlement
	probes   []ledger.Probe
	calls    int
	defaults bridgetest.Values // what the org itself puts into a new row
}

func (b *bench) Upsert(ctx context.Context, object, keyField string, rows []sobject.Record,
	before func(context.Context, []int) error) ([]sfdc.SaveResult, error) {
	var positions []int
	for i := range rows {
		positions = append(positions, i)
	}
	if err := before(ctx, positions); err != nil {
		unsent := make([]sfdc.SaveResult, len(rows))
		for i := range unsent {
			unsent[i].Err = &sfdc.Error{Code: sfdc.CodeNotSent}
		}
		return unsent, err
	}
	b.calls++
	var out []sfdc.SaveResult
	for _, r := range rows {
		id := bridge.RecordID(object, r.Key)
		err := b.refuses[id]
		if _, flag := r.Get(bridgetest.TheFlag); flag && len(r.Fields) == 1 {
			err = b.flags
		}
		if err != nil {
			outcome := sfdc.Refused
			if e, ok := errors.AsType[*sfdc.Error](err); ok && e.Ambiguous() {
				outcome = sfdc.Unanswered
			}
			out = append(out, sfdc.SaveResult{Err: err, Attempts: []sfdc.Outcome{outcome}})
			continue
		}
		have := b.There[id]
		have.Object, have.Key = object, r.Key
		if have.ID == "" {
			have.ID = fmt.Sprintf("a%02d", len(b.There)+1)
			for name, v := range b.defaults {
				have.Set(name, v)
			}
		}
		b.There[id] = have
		fields := bridgetest.Values{}
		for _, f := range r.Fields {
			fields[f.Name] = f.Value
		}
		shelf.Set(b.There, id, fields)
		out = append(out, sfdc.SaveResult{ID: have.ID, Attempts: []sfdc.Outcome{sfdc.Saved}})
	}
	if b.short {
		out = out[1:]
	}
	return out, b.upsert
}

func (b *bench) Retrieve(ctx context.Context, s ...sfdc.Selection) ([]sobject.Record, error) {
	if b.stamps != nil && len(s[0].Fields) == 0 {
		return nil, b.stamps
	}
	if b.read != nil && len(s[0].Fields) > 0 {
		return nil, b.read
	}
	return b.Shelf.Retrieve(ctx, s...)
}

func (b *bench) Intend(_ context.Context, in []ledger.Intent) ([]string, error) {
	var ids []string
	for _, i := range in {
		ids = append(ids, fmt.Sprint("i", len(b.intents)))
		b.intents = append(b.intents, i)
	}
	return ids, b.intends
}

func (b *bench) Probed(_ context.Context, p []ledger.Probe) error {
	b.probes = append(b.probes, p...)
	return b.settles
}

func (b *bench) Settle(_ context.Context, s []ledger.Settlement) error {
	b.settled = append(b.settled, s...)
	return b.settles
}

// What becomes of a referral and its appointment, planned for an empty Salesforce: a row a case. fates are of the two, empty where
// a step stays pending.
func TestWhatBecomesOfAPlan(t *testing.T) {
	const theAppointment = "ServiceAppointment ward.ap.a1"
	cancelled, stop := context.WithCancel(t.Context())
	stop()
	for _, c := range []struct {
		name   string
		ctx    context.Context
		world  func(b *bench)
		fates  [2]ledger.Fate
		codes  [2]string
		writes int
		images [2]int
		fails  bool
		halted bool
	}{
		{name: "both are written", fates: [2]ledger.Fate{ledger.Applied, ledger.Applied}, writes: 2, images: [2]int{1, 1}},
		{name: "the appointment is refused", world: func(b *bench) { b.refuses[theAppointment] = bridgetest.RefusedRow("STRING_TOO_LONG") },
			fates: [2]ledger.Fate{ledger.Applied, ledger.Held}, codes: [2]string{"", bridge.CodeData}, writes: 1, images: [2]int{1, 0}},
		{name: "the referral is refused: its appointment waits", world: func(b *bench) { b.refuses[bridgetest.TheCSR] = bridgetest.RefusedRow("STRING_TOO_LONG") },
			fates: [2]ledger.Fate{ledger.Held, ledger.Held}, codes: [2]string{bridge.CodeData, bridge.CodeParent}},
		{name: "the answer for the referral is lost: its appointment waits", world: func(b *bench) { b.refuses[bridgetest.TheCSR] = bridgetest.LostAnswer(t) },
			fates: [2]ledger.Fate{ledger.Unknown, ledger.Held}, codes: [2]string{bridge.CodeUnknownOutcome, bridge.CodeParent}},
		{name: "the calls are used up before the appointment's turn", world: func(b *bench) { b.refuses[theAppointment] = bridgetest.RefusedRow("REQUEST_LIMIT_EXCEEDED") },
			fates: [2]ledger.Fate{ledger.Applied, ""}, writes: 1, images: [2]int{1, 0}, fails: true, halted: true},
		{name: "the calls are used up before the referral's turn", world: func(b *bench) { b.refuses[bridgetest.TheCSR] = bridgetest.RefusedRow("REQUEST_LIMIT_EXCEEDED") }, fails: true, halted: true},
		{name: "one refusal for permission is the record's", world: func(b *bench) { b.refuses[theAppointment] = bridgetest.RefusedRow("INSUFFICIENT_ACCESS") },
			fates: [2]ledger.Fate{ledger.Applied, ledger.Held}, codes: [2]string{"", bridge.CodePermission}, writes: 1, images: [2]int{1, 0}},
		{name: "a stop before the referral was sent", world: func(b *bench) { b.refuses[bridgetest.TheCSR] = &sfdc.Error{Code: sfdc.CodeNotSent} },
			fates: [2]ledger.Fate{"", ledger.Held}, codes: [2]string{"", bridge.CodeParent}},
		{name: "a stop before anything", ctx: cancelled, fails: true},
		{name: "a stop while the call is in flight: what was saved is kept", world: func(b *bench) { b.upsert = context.Canceled },
			fates: [2]ledger.Fate{ledger.Applied, ""}, writes: 1, images: [2]int{1, 0}, fails: true},
		{name: "an answer without a result for each row", world: func(b *bench) { b.short = true }, fails: true},
		{name: "nobody can tell whether a row has moved", world: func(b *bench) { b.stamps = errors.New("x") }, fails: true, halted: true},
		{name: "intents that cannot be written down: nothing is sent", world: func(b *bench) { b.intends = errors.New("disk full") }, fails: true},
		{name: "fates that cannot be written down", world: func(b *bench) { b.settles = errors.New("disk full") }, fates: [2]ledger.Fate{ledger.Applied, ledger.Applied}, writes: 2, images: [2]int{1, 1}, fails: true},
		{name: "the defaults of the org cannot be read back", world: func(b *bench) { b.read = errors.New("x") }, fates: [2]ledger.Fate{ledger.Applied, ledger.Applied}, writes: 2, images: [2]int{1, 1}},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{Shelf: shelf.New(), refuses: map[string]error{}}
			p := planner(b.Shelf, t)
			if c.world != nil {
				c.world(b)
			}
			work := []ledger.Work{bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive), bridgetest.Due("Appointment", "a1", "1", bridgetest.Met("a1", "r1", `"status":"booked"`))}
			out, err := p.Inbound(t.Context(), work)
			require.NoError(t, err)
			ctx := c.ctx
			if ctx == nil {
				ctx = t.Context()
			}
			done := 0
			a := &Applier{Target: b, Journal: b, Now: p.Now, Objects: []string{bridgetest.CSRType, "ServiceAppointment"}, Progress: func(n, all int) { done = n }}
			res, err := a.Apply(ctx, out)
			require.Equal(t, c.fails, err != nil, err)
			assert.Equal(t, c.halted, errors.Is(err, bridge.ErrHalted))
			assert.Equal(t, c.writes, res.Writes)
			assert.Equal(t, b.settles == nil, done == 2, "each step is told of")
			var want int
			for i, ref := range []fhir.Reference{work[0].Ref, work[1].Ref} {
				got := settlementOf(b.settled, ref)
				assert.Equal(t, c.fates[i], got.Fate, "%s: %s", ref, got.Reason.Text)
				assert.Equal(t, c.codes[i], got.Reason.Code)
				assert.Len(t, got.Images, c.images[i])
				for _, image := range got.Images {
					assert.NotEmpty(t, image.Record.ID)
				}
				assert.Equal(t, got.Fate == ledger.Applied, got.Known != nil)
				if got.Fate != "" {
					want++
				}
				if got.Fate == ledger.Held {
					assert.False(t, got.Next.IsZero(), "never, or at a time")
				}
			}
			if !c.fails {
				assert.Equal(t, want, res.Applied+res.Held+res.Dead+res.Unknown+res.Superseded)
			}
			if len(b.intents) == 2 && res.Applied == 2 {
				assert.Equal(t, []string{"i0"}, settlementOf(b.settled, work[0].Ref).Intents, "an answer closes its attempt, and no other")
				assert.Equal(t, []string{"i1"}, settlementOf(b.settled, work[1].Ref).Intents)
			}

		})
	}
}

func settlementOf(all []ledger.Settlement, ref fhir.Reference) ledger.Settlement {
	for _, s := range all {
		if s.Ref == ref {
			return s
		}
	}
	return ledger.Settlement{}
}

// A stop flag goes before everything, and its step is not called applied without it: a row a case.
func TestWhatBecomesOfAStopFlag(t *testing.T) {
	const stop = `"status":"entered-in-error"`
	for _, c := range []struct {
		name   string
		now    string
		world  func(b *bench)
		fate   ledger.Fate
		code   string
		flag   bool // in Salesforce
		halted bool
	}{
		{name: "it is set, and the rest is written", now: stop, fate: ledger.Applied, flag: true},
		{name: "it is set, and the rest is refused", now: stop, world: func(b *bench) { b.refuses[bridgetest.TheCSR] = bridgetest.RefusedRow("STRING_TOO_LONG") }, fate: ledger.Held, code: bridge.CodeData, flag: true},
		{name: "it is set, and the rest is held", now: stop + `,"priority":"soonish"`, fate: ledger.Held, code: bridge.CodeUnknownCode, flag: true},
		{name: "it is refused: the step is not called applied", now: stop, world: func(b *bench) { b.flags = bridgetest.RefusedRow("STRING_TOO_LONG") }, fate: ledger.Held, code: bridge.CodeData},
		{name: "it is refused, and the rest is held", now: stop + `,"priority":"soonish"`, world: func(b *bench) { b.flags = bridgetest.RefusedRow("STRING_TOO_LONG") }, fate: ledger.Held, code: bridge.CodeData},
		{name: "the calls are used up", now: stop, world: func(b *bench) { b.flags = bridgetest.RefusedRow("REQUEST_LIMIT_EXCEEDED") }, halted: true},
		{name: "the calls are used up, and the rest is held", now: stop + `,"priority":"soonish"`, world: func(b *bench) { b.flags = bridgetest.RefusedRow("REQUEST_LIMIT_EXCEEDED") }, halted: true},
	} {
		t.Run(c.name, func(t *testing.T) {
			b := &bench{Shelf: shelf.New(), refuses: map[string]error{}}
			p := planner(b.Shelf, t)
			b.Put(steps(t, p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
			if c.world != nil {
				c.world(b)
			}
			work := bridgetest.Referral("r1", "2", bridgetest.ANumber, c.now)
			out, err := p.Inbound(t.Context(), []ledger.Work{work})
			require.NoError(t, err)
			_, err = (&Applier{Target: b, Journal: b, Now: p.Now, Objects: []string{bridgetest.CSRType}}).Apply(t.Context(), out)
			assert.Equal(t, c.halted, errors.Is(err, bridge.ErrHalted), err)
			got := settlementOf(b.settled, work.Ref)
			assert.Equal(t, c.fate, got.Fate)
			assert.Equal(t, c.code, got.Reason.Code)
			flag, _ := b.There[bridgetest.TheCSR].Get(bridgetest.TheFlag)
			assert.Equal(t, c.flag, flag.Equal(bridgetest.Yes()))
			assert.True(t, !c.flag || len(got.Images) == 1)
			for _, image := range got.Images {
				remembered, _ := image.Record.Get(bridgetest.TheFlag)
				assert.Equal(t, c.flag, remembered.Equal(bridgetest.Yes()), "it is remembered as ours where it was set")
			}
		})
	}
}

func TestElevenRefusalsForPermissionInARowAreTheOrgs(t *testing.T) {
	for _, n := range []int{10, 11, 12} {
		b := &bench{Shelf: shelf.New(), refuses: map[string]error{}}
		p := planner(b.Shelf, t)
		var work []ledger.Work
		for i := range n {
			id := fmt.Sprintf("r%02d", i)
			work = append(work, bridgetest.Referral(id, "1", bridgetest.ANumber, bridgetest.IsActive))
			b.refuses[bridgetest.CSRType+" ward.sr."+id] = bridgetest.RefusedRow("INSUFFICIENT_ACCESS")
		}
		out, err := p.Inbound(t.Context(), work)
		require.NoError(t, err)
		_, err = (&Applier{Target: b, Journal: b, Now: p.Now, Objects: []string{bridgetest.CSRType}}).Apply(t.Context(), out)
		assert.Equal(t, n > 10, errors.Is(err, bridge.ErrHalted), "%d", n)
	}
}

func TestManyRecordsAreWrittenTwoHundredACallAndSettledSo(t *testing.T) {
	for n, calls := range map[int]int{199: 1, 200: 1, 201: 2, 401: 3} {
		b := &bench{Shelf: shelf.New(), refuses: map[string]error{}}
		p := planner(b.Shelf, t)
		var work []ledger.Work
		for i := range n {
			work = append(work, bridgetest.Referral(fmt.Sprintf("r%03d", i), "1", bridgetest.ANumber, bridgetest.IsActive))
		}
		out, err := p.Inbound(t.Context(), work)
		require.NoError(t, err)
		res, err := (&Applier{Target: b, Journal: b, Now: p.Now, Objects: []string{bridgetest.CSRType}}).Apply(t.Context(), out)
		require.NoError(t, err)
		assert.Equal(t, calls, b.calls, n)
		assert.Equal(t, n, res.Applied)
		assert.Len(t, b.settled, n)
		assert.Len(t, b.intents, n)
	}
}

// What the org puts into a field that the source says nothing about is no person's decision: it is remembered where the row is new.
func TestDefaultsOfTheOrgAreRemembered(t *testing.T) {
	b := &bench{Shelf: shelf.New(), refuses: map[string]error{}, defaults: bridgetest.Values{"IsAccepted": sobject.BoolValue(false)}}
	p := planner(b.Shelf, t)
	out, err := p.Inbound(t.Context(), []ledger.Work{bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive)})
	require.NoError(t, err)
	_, err = (&Applier{Target: b, Journal: b, Now: p.Now, Objects: []string{bridgetest.CSRType}}).Apply(t.Context(), out)
	require.NoError(t, err)
	require.Len(t, b.settled, 1)
	v, _ := b.settled[0].Images[0].Record.Get("IsAccepted")
	assert.True(t, v.Equal(sobject.BoolValue(false)))
}

// What a step with a fate of its own is settled as, and what is not settled at all: a row a case.
func TestWhatIsSettledOfAStep(t *testing.T) {
	work := bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive)
	held := ledger.Reason{Code: bridge.CodeMapping}
	for _, c := range []struct {
		name   string
		step   bridge.Step
		halted error
		fate   ledger.Fate // empty: it stays pending
		next   time.Time
	}{
		{"nothing to do", bridge.Step{Fate: ledger.Applied}, nil, ledger.Applied, time.Time{}},
		{"held until something changes", bridge.Step{Fate: ledger.Held, Reason: held}, nil, ledger.Held, ledger.Never()},
		{"held until a time", bridge.Step{Fate: ledger.Held, Reason: held, Next: bridgetest.Noon()}, nil, ledger.Held, bridgetest.Noon()},
		{"held, while the lane halts", bridge.Step{Fate: ledger.Held, Reason: held, Next: bridgetest.Noon()}, bridge.ErrHalted, ledger.Held, bridgetest.Noon()},
		{"held, with a flag that was not written before the lane halted", bridge.Step{Fate: ledger.Held, Reason: held, Next: bridgetest.Noon(), Ahead: []*bridge.Write{{Object: bridgetest.CSRType}}}, bridge.ErrHalted, "", time.Time{}},
		{"held, with a flag, and the lane goes on", bridge.Step{Fate: ledger.Held, Reason: held, Next: bridgetest.Noon(), Ahead: []*bridge.Write{{Object: bridgetest.CSRType}}}, nil, ledger.Held, bridgetest.Noon()},
		{"held, with a flag that was written before the lane halted", bridge.Step{Fate: ledger.Held, Reason: held, Next: bridgetest.Noon(), Ahead: []*bridge.Write{{Object: bridgetest.CSRType, Action: bridge.Update}}}, bridge.ErrHalted, ledger.Held, bridgetest.Noon()},
		{"dead", bridge.Step{Fate: ledger.Dead}, nil, ledger.Dead, time.Time{}},
		{"superseded", bridge.Step{Fate: ledger.Superseded}, nil, ledger.Superseded, time.Time{}},
		{"unknown", bridge.Step{Fate: ledger.Unknown}, nil, ledger.Unknown, time.Time{}},
		{"not read yet", bridge.Step{Fate: ledger.Held, Skip: true}, nil, "", time.Time{}},
		{"it waits for the next batch", bridge.Step{Fate: ledger.Pending, Deferred: true}, nil, "", time.Time{}},
		{"it was to wait, and is held", bridge.Step{Fate: ledger.Held, Deferred: true, Next: bridgetest.Noon()}, nil, ledger.Held, bridgetest.Noon()},
		{"nothing to write", bridge.Step{Fate: ledger.Pending}, nil, ledger.Applied, time.Time{}},
		{"nothing to write, while the lane halts", bridge.Step{Fate: ledger.Pending}, bridge.ErrHalted, ledger.Applied, time.Time{}},
		{"its records are as they should be", bridge.Step{Fate: ledger.Pending, Writes: []*bridge.Write{{Action: bridge.Same, Object: bridgetest.CSRType}}}, nil, ledger.Applied, time.Time{}},
		{"a record that another step was to write", bridge.Step{Fate: ledger.Pending, Writes: []*bridge.Write{{Action: bridge.Create, Object: bridgetest.CSRType, Shared: true}}}, nil, ledger.Held, bridgetest.Noon().Add(time.Minute)},
		{"a record that another step was to write, while the lane halts", bridge.Step{Fate: ledger.Pending, Writes: []*bridge.Write{{Action: bridge.Create, Object: bridgetest.CSRType, Shared: true}}}, bridge.ErrHalted, "", time.Time{}},
	} {
		b := &bench{}
		c.step.Work = work
		run := applying{Applier: &Applier{Journal: b, Now: func() time.Time { return bridgetest.Noon() }}, plan: bridge.Plan{Steps: []*bridge.Step{&c.step}}, stopped: map[*bridge.Write]bool{}}
		for _, w := range c.step.Ahead {
			run.stopped[w] = w.Action == bridge.Update // written before the lane halted
		}
		res, err := run.settle(t.Context(), c.halted)
		assert.Equal(t, c.halted, err, c.name)
		got := settlementOf(b.settled, work.Ref)
		assert.Equal(t, c.fate, got.Fate, c.name)
		assert.True(t, c.next.Equal(got.Next), "%s: %s", c.name, got.Next)
		assert.Equal(t, map[ledger.Fate]int{ledger.Applied: res.Applied, ledger.Held: res.Held, ledger.Dead: res.Dead, ledger.Unknown: res.Unknown,
			ledger.Superseded: res.Superseded}[c.fate], len(b.settled), c.name)
	}
}
