// Package plan decides what of a source is written to Salesforce: it normalises, detects, maps, finds the patient, compares with what is
// there and with what was last synced, and returns a bridge.Plan. Its fields can only read: a dry run is a Planner without an Applier.
package plan

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"refbridge/bridge"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// normaliser turns a body, as it was received, into the R4 resources to map; terminal tells that the source will not change
// it again.
type normaliser interface {
	Normalise(ctx context.Context, body []byte) (b fhir.Bundle, terminal bool, err error)
}

// target is what the planner asks of Salesforce. It cannot write.
type target interface {
	Retrieve(ctx context.Context, s ...sfdc.Selection) ([]sobject.Record, error)
	FindParents(ctx context.Context, l sfdc.Lookup, keys []string) (map[string][]string, error)
	Deleted(ctx context.Context, s sfdc.Selection) ([]sobject.Record, error)
}

// memory is what the planner asks of the ledger. It cannot write.
type memory interface {
	Rows(ctx context.Context, object string, keys []string) (map[string]ledger.Row, error)
	RowsOf(ctx context.Context, source string, ref fhir.Reference) ([]ledger.Row, error)
	Cursor(ctx context.Context, source, name string) (string, error)
}

// PatientMode says what happens to a referral whose patient has no Account.
type PatientMode string

// The patient modes.
const (
	Link       PatientMode = "link"   // hold it; never create a patient (the default)
	CreateMode PatientMode = "create" // create the Account from the source's demographics
	nhsLookup              = "nhsNumber"
)

// Policy is what a site decides for one flow.
type Policy struct {
	Patient PatientMode
	System  string      // what SourceSystem of a referral says, for example https://fhir.nhs.uk/Id/UBRN
	Run     string      // marker for automations in the org: live, first, backfill or replay
	Lookup  sfdc.Lookup // how an Account is found by NHS number
	Token   []byte      // secret of the opaque patient tokens
	// NoTestPatients holds the numbers of the 999 range, which are valid and never issued.
	NoTestPatients bool
}

// Planner reads and decides. Target and Memory may be nil: then it plans offline, with nothing known of either.
type Planner struct {
	Flow   string
	Source normaliser
	Target target
	Memory memory
	Tables *mapping.Set
	Policy Policy
	Now    func() time.Time

	Foreseen Foreseen  // of a dry run
	Anew     time.Time // when the ledger was made anew last
}

// Inbound plans one batch of work. One record's failure is in its Step; the error is for what stops the whole run
// (a stopped context, or ErrHalted).
func (p *Planner) Inbound(ctx context.Context, work []ledger.Work) (bridge.Plan, error) {
	plan := bridge.Plan{Flow: p.Flow, At: p.Now(), Tables: p.Tables.Hash()}
	slices.SortStableFunc(work, func(a, b ledger.Work) int { return cmp.Compare(depth(a.Ref.Type), depth(b.Ref.Type)) })
	for _, w := range work {
		s := &bridge.Step{Work: w, Fate: ledger.Pending}
		plan.Steps = append(plan.Steps, s)
		if err := p.prepare(ctx, s); err != nil {
			return plan, err
		}
	}
	if err := p.patients(ctx, plan.Steps); err != nil {
		return plan, err
	}
	if err := p.samePeople(ctx, plan.Steps); err != nil {
		return plan, err
	}
	if err := p.appointmentPatients(ctx, plan.Steps); err != nil {
		return plan, err
	}
	if err := p.ahead(ctx, plan.Steps); err != nil {
		return plan, err
	}
	if err := p.compare(ctx, plan.Steps); err != nil {
		return plan, err
	}
	return plan, p.patientNews(ctx, plan.Steps)
}

// depth puts referrals before the appointments that refer to them, whichever were seen first.
func depth(typ string) int {
	if typ == "Appointment" {
		return 1
	}
	return 0
}

// prepare normalises, detects and maps one record.
func (p *Planner) prepare(ctx context.Context, s *bridge.Step) error {
	if s.Work.Body == nil {
		s.Hold(ledger.Reason{Code: bridge.CodeNotRead, Text: "named by the source and not read yet: the next poll or sync reads it"}, p.Now())
		s.Skip = true
		return nil
	}
	if bridge.IsTombstone(s.Work.Body) {
		p.bury(s)
		return nil
	}
	var err error
	s.Bundle, s.Terminal, err = p.Source.Normalise(ctx, s.Work.Body)
	if err != nil {
		return p.judged(ctx, s, err)
	}
	s.Digest, s.Turn = s.Bundle.DigestAt(p.Now(), p.Tables.Zone()), s.Bundle.NextTurn(p.Now(), p.Tables.Zone())
	known := s.Work.Known
	if known.Digest == s.Digest.String() && known.Tables == p.Tables.Hash() {
		s.Fate, s.Patient = ledger.Applied, known.Patient
		return nil
	}
	return p.mapStep(ctx, s)
}

// judged turns a failure to make R4 of a body into the step's fate; only what concerns the whole lane comes back as an error.
func (p *Planner) judged(ctx context.Context, s *bridge.Step, err error) error {
	if bridge.Stopped(ctx, err) {
		return err
	}
	v := bridge.OfSource(err, s.Work, p.Now())
	if v.Halt != nil {
		return v.Halt
	}
	s.Settled(v)
	return nil
}

func (p *Planner) mapStep(ctx context.Context, s *bridge.Step) error {
	run, err := p.marker(ctx, s)
	if err != nil {
		return err
	}
	var all mapping.Union
	var faults mapping.Faults
	for _, focus := range s.Bundle.Focus {
		in := p.input(s, focus, run)
		p.stops(s, in)
		p.identities(s, in)
		out, err := p.Tables.Map(in)
		var some mapping.Faults
		if errors.As(err, &some) {
			faults = append(faults, some...)
		} else if err != nil {
			return err
		}
		all.Add(out.Records)
	}
	for _, m := range all.Records {
		s.Writes = append(s.Writes, wanted(m))
	}
	if faults = append(faults, all.Faults...); len(faults) > 0 {
		s.Settled(bridge.OfMapping(faults, s.Work))
		s.Next = s.Turn // a number or a name that has not begun may be all that is missing
	}
	return nil
}

// input is what the tables make records of.
func (p *Planner) input(s *bridge.Step, focus fhir.Resource, run string) mapping.Input {
	return mapping.Input{Focus: focus, Related: s.Bundle.Related, Resolver: s.Bundle.References(), Now: p.Now(),
		Variables: map[string]string{"source": p.Flow, "run": run, "patientMode": string(p.Policy.Patient), "system": p.Policy.System}}
}

// marker gives what automations of the org are told of how a record came: a backfilled one stays backfilled, however long
// it waited.
func (p *Planner) marker(ctx context.Context, s *bridge.Step) (string, error) {
	if p.Memory == nil {
		return p.Policy.Run, nil
	}
	mark, err := p.Memory.Cursor(ctx, s.Work.Source, MarkerOf(s.Work.Ref))
	return cmp.Or(mark, p.Policy.Run), err
}

// MarkerOf names the cursor that keeps how a record came first.
func MarkerOf(ref fhir.Reference) string { return "run:" + ref.Current().String() }

// wanted is a write before it is compared: everything would be created.
func wanted(m mapping.Mapped) *bridge.Write {
	return &bridge.Write{Action: bridge.Create, Object: m.Record.Object, Key: m.Record.Key, Image: m.Record, Rules: m.Rules, SharedBy: m.Shared()}
}

// patients finds the Accounts of all steps in one question and puts their ids where the tables asked for them.
func (p *Planner) patients(ctx context.Context, steps []*bridge.Step) error {
	var numbers []string
	for _, s := range steps {
		n := nhsNumberIn(s)
		if n == "" || s.Fate != ledger.Pending {
			continue
		}
		if parsed, err := fhir.ParseNHSNumber(n); err == nil && parsed.IsTest() && p.Policy.NoTestPatients {
			s.Hold(ledger.Reason{Code: codeTestPatient, Text: "the NHS number is of the test range (999), and this org is not on this machine; " +
				"test_patients: true lets test patients in"}, time.Time{})
			continue
		}
		s.Patient = p.token(n)
		numbers = append(numbers, n)
	}
	if p.Target == nil || len(numbers) == 0 {
		return nil
	}
	found, err := p.Target.FindParents(ctx, p.Policy.Lookup, numbers)
	if err != nil {
		return p.refused(ctx, err, "find patients")
	}
	for _, s := range steps {
		if n := nhsNumberIn(s); n != "" && s.Fate == ledger.Pending {
			p.link(s, found[n])
		}
	}
	return nil
}

// refused is for reads of Salesforce that fail as a whole: nothing can be planned without them.
func (p *Planner) refused(ctx context.Context, err error, what string) error {
	return bridge.ReadRefused(ctx, err, what, p.Now())
}

// nhsNumberIn gives the key of the step's patient lookup, empty where it has none.
func nhsNumberIn(s *bridge.Step) string {
	for _, w := range s.Writes {
		for _, f := range w.Image.Fields {
			if f.Value.Kind() == sobject.Lookup && f.Value.To().Field == nhsLookup {
				return f.Value.LookupKey()
			}
		}
	}
	return ""
}

// token stands for a patient in the ledger: equal numbers give equal tokens, nobody can turn one back.
func (p *Planner) token(nhsNumber string) string {
	h := hmac.New(sha256.New, p.Policy.Token)
	h.Write([]byte(nhsNumber))
	return hex.EncodeToString(h.Sum(nil)[:12])
}

// link decides who the patient is: exactly one Account, an Account that this plan creates, or nobody (held).
func (p *Planner) link(s *bridge.Step, accounts []string) {
	if old := s.Work.Known.Patient; old != "" && old != s.Patient {
		s.Die(ledger.Reason{Code: bridge.CodePatientChanged, Text: "this referral was for another patient before, and stays with that one in Salesforce. Check at the source who it is about: " +
			"if it was wrong there, put it back and retry; a referral for somebody else needs an id of its own"})
		return
	}
	switch len(accounts) {
	case 1:
		setPatient(s, sobject.TextValue(accounts[0]))
	case 0:
		own := writeOf(s, p.Tables.PatientObject())
		if own == nil {
			s.Hold(ledger.Reason{Code: bridge.CodePatientMissing, Text: p.unmatched()}, p.Now().Add(bridge.NextRun))
			return
		}
		setPatient(s, sobject.RefValue(sobject.Target{Object: own.Object, Field: own.Key.Field}, own.Key.Value))
	default:
		s.Die(ledger.Reason{Code: bridge.CodePatientTwice,
			Text: fmt.Sprintf("%d Accounts have this patient's NHS number; merge them, then retry", len(accounts))})
	}
}

func (p *Planner) unmatched() string {
	if p.Policy.Patient == CreateMode {
		return "no Account has this patient's NHS number, and the source sends no demographics to create one from"
	}
	return "no Account has this patient's NHS number; patient mode is link, so none is created"
}

func writeOf(s *bridge.Step, object string) *bridge.Write {
	for _, w := range s.Writes {
		if w.Object == object {
			return w
		}
	}
	return nil
}

// setPatient replaces the lookup by what was found, in every record of the step.
func setPatient(s *bridge.Step, v sobject.Value) {
	for _, w := range s.Writes {
		for i, f := range w.Image.Fields {
			if f.Value.Kind() == sobject.Lookup && f.Value.To().Field == nhsLookup {
				w.Image.Fields[i].Value = v
			}
		}
	}
}

// accountsOfOthers drops what the tables would write to an Account that was there before us: its owner keeps it.
func (p *Planner) accountsOfOthers(s *bridge.Step, current bridge.Records) {
	own := writeOf(s, p.Tables.PatientObject())
	if own == nil {
		return
	}
	patient, found := p.patientOf(s)
	if _, ours := current.Get(own.Object, own.Key); !found || ours || patient.Kind() == sobject.Ref {
		return
	}
	kept := s.Writes[:0]
	for _, w := range s.Writes {
		below := slices.ContainsFunc(w.Image.Fields, func(f sobject.Field) bool {
			return f.Value.Kind() == sobject.Ref && f.Value.To().Object == own.Object && f.Value.Key() == own.Key.Value
		})
		if w != own && !below {
			kept = append(kept, w)
		}
	}
	s.Writes = kept
}

// patientOf returns the patient of the referral among the records of a step.
func (p *Planner) patientOf(s *bridge.Step) (sobject.Value, bool) {
	for _, w := range s.Writes {
		if field := p.Tables.PatientField(w.Object); field != "" {
			return w.Image.Get(field)
		}
	}
	return sobject.Value{}, false
}
