// Package bridge holds what its rooms share, as values and without I/O: a Plan with its Steps and Writes, the Verdict on every failure, what
// is known of a field of a row (Past) and what is decided of it, and the words of every reason. The rooms stand below its name; what one of
// them imports stands under it:
//
//	bridge/lane      a source into Salesforce and back: poll, fetch, plan, apply, settle, carry back, on what is in the ledger
//	bridge/plan      source -> Salesforce: what would be written, reading only
//	bridge/deliver   applies a plan: intents, calls, settlement
//	bridge/back      Salesforce -> source: what people changed, as operations
//	bridge/source    e-RS and FHIR servers: poll, sightings, read, normalise
//	bridge/report    what people and programs are shown of it: plan, statement, a record's story
//	bridge           this
//
//	poll ─> inbox ─> due work ─> read ─> normalise ─> detect ─> map ─> patient ─> compare ─> Plan
//	                                                                                          │
//	                              settle (ledger) <─ results <─ upserts <─ intents <─ Apply <──┘
package bridge

import (
	"slices"
	"time"

	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// Action is what a Write does to its record.
type Action string

// The actions of a Write.
const (
	Create Action = "create"
	Update Action = "update"
	Same   Action = "same" // the record is as it should be: nothing is sent
)

// Plan is everything that one run would do for one flow, as a value: printing it is a dry run, applying it is a sync.
type Plan struct {
	Flow   string
	At     time.Time
	Tables string // hash of the mapping tables that made it
	Steps  []*Step
}

// Step is one source version and what becomes of it. A Step that is held or dead says why and has no effect.
type Step struct {
	Work   ledger.Work
	Bundle fhir.Bundle
	Digest fhir.Digest
	Writes []*Write // parents first
	// Ahead are the stop flags of records that are there, written in calls of their own before any of Writes, and also where the
	// step is held or dead.
	Ahead []*Write
	// Fate is what the planner already knows: Applied (nothing to do), Held, Dead, Superseded; Pending = to be applied.
	Fate   ledger.Fate
	Reason ledger.Reason
	Next   time.Time // when a held step is tried again; zero = when the tables, the describe or an operator change something
	// Patient is an opaque token of the patient's NHS number: a known referral must not change its patient.
	Patient  string
	Terminal bool             // the source will not change this record any more
	Turn     time.Time        // when a period of use next begins or ends in it: it is mapped again then; zero = never
	Deleted  bool             // the source has deleted the record: what it made is marked
	Stops    []sobject.Record // whose stop flag the source sets
	Open     []ledger.Intent  // of rows that the step does not write
	// Identities are what the source says of who the patient is.
	Identities []sobject.Record
	Skip       bool // nothing to write down: the record was not even read yet
	Deferred   bool // another step of the plan writes the same record with other content: it waits for the next batch
}

// Write is one record of a Step.
type Write struct {
	Action Action
	Object string
	Key    sobject.Key
	Send   sobject.Record  // what is sent: all fields on create, the changed ones on update
	Image  sobject.Record  // what the source wants the record to be, remembered as last-synced image
	Have   sobject.Record  // what was there
	Fields []FieldChange   // for people: what changes and by which rule
	Kept   []string        // fields left as Salesforce has them, because it changed them and the source did not
	Known  ledger.Image    // what of the row is known to be ours after it was read, and before anything is sent
	Before ledger.Row      // what was known of the row before
	Closes []string        // intents that the read closes: their deadline was over
	Open   []ledger.Intent // intents of the row that stay open
	Rules  []mapping.Rule  // parallel to Image.Fields
	// SharedBy is what several source records share the record by; empty: it belongs to one.
	SharedBy string
	Shared   bool   // the same write stands in an earlier step of the plan
	First    *Write // that one
}

// FieldChange is one field that a Write changes.
type FieldChange struct {
	Field string
	Have  sobject.Value
	Want  sobject.Value
	Rule  mapping.Rule
}

// Counts sums up a plan: steps by what becomes of them.
type Counts struct {
	Create, Update, Same, Held, Dead, Superseded int
	Writes                                       int // records to be written
}

// Outcome names what becomes of a step: create, update, same, held, dead or superseded.
func (s *Step) Outcome() string {
	switch s.Fate {
	case ledger.Pending:
		return string(s.action())
	case ledger.Applied:
		return string(Same)
	}
	return string(s.Fate)
}

// action is the step's strongest write on a record of its own (code records are shared and do not count).
func (s *Step) action() Action {
	best := Same
	for _, w := range s.Writes {
		switch {
		case w.Action == Create && w.StaysDeleted():
			return Create
		case w.Action != Same:
			best = Update
		}
	}
	return best
}

// Changes tells whether applying the step would write anything.
func (s *Step) Changes() bool {
	if s.Fate != ledger.Pending {
		return false
	}
	for _, w := range s.Writes {
		if w.Action != Same {
			return true
		}
	}
	return false
}

// Add sums up two plans, or two batches of one.
func (c *Counts) Add(o Counts) {
	c.Create += o.Create
	c.Update += o.Update
	c.Same += o.Same
	c.Held += o.Held
	c.Dead += o.Dead
	c.Superseded += o.Superseded
	c.Writes += o.Writes
}

// Counts sums up the plan.
func (p Plan) Counts() Counts {
	var c Counts
	for _, s := range p.Steps {
		switch s.Outcome() {
		case string(Create):
			c.Create++
		case string(Update):
			c.Update++
		case string(Same):
			c.Same++
		case string(ledger.Held):
			c.Held++
		case string(ledger.Dead):
			c.Dead++
		case string(ledger.Superseded):
			c.Superseded++
		}
		c.Writes += s.writes()
	}
	return c
}

func (s *Step) writes() int {
	n := len(s.Ahead)
	for _, w := range s.Writes {
		if s.Fate == ledger.Pending && w.Action != Same && !w.Shared {
			n++
		}
	}
	return n
}

// Deferred returns the work of the steps that come again with the next batch.
func (p Plan) Deferred() []ledger.Work {
	var out []ledger.Work
	for _, s := range p.Steps {
		if s.Deferred && s.Fate == ledger.Pending {
			out = append(out, s.Work)
		}
	}
	return out
}

// Without leaves out the steps that come again with the next batch.
func (p Plan) Without(waiting []ledger.Work) Plan {
	if len(waiting) > 0 {
		p.Steps = slices.DeleteFunc(slices.Clone(p.Steps), func(s *Step) bool { return s.Deferred && s.Fate == ledger.Pending })
	}
	return p
}

// Hold stops the step with a reason; the record stays visible and is tried again at next.
func (s *Step) Hold(r ledger.Reason, next time.Time) {
	s.Fate, s.Reason, s.Next = ledger.Held, r, next
}

// Die stops the step for good: a person has to look.
func (s *Step) Die(r ledger.Reason) {
	s.Fate, s.Reason, s.Next = ledger.Dead, r, time.Time{}
}

// Settled takes over a verdict about a failure.
func (s *Step) Settled(v Verdict) {
	s.Fate, s.Reason, s.Next = v.Fate, v.Reason, v.Next
}

// HoldFirst holds a step that nothing has stopped yet.
func (s *Step) HoldFirst(r ledger.Reason, next time.Time) {
	if s.Fate == ledger.Pending {
		s.Hold(r, next)
	}
}

// Exclusive reports whether a record belongs to one source record only.
func (w *Write) Exclusive() bool { return w.SharedBy == "" }

// StaysDeleted reports whether a record that a person deleted stays deleted; records of code systems are made again.
func (w *Write) StaysDeleted() bool { return w.SharedBy != mapping.SharedByCode }
