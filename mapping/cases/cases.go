// Package cases is the tests of a set of tables: examples of what they must do, beside the tables, as an author writes them
// (docs/mapping.md) or as they are made of a real record, with invented values in place of personal ones.
package cases

import (
	"time"

	"refbridge/fhir"
	"refbridge/mapping"
)

// Case is one example of what the tables must do: a record of a source and what must become of it. docs/mapping.md
// documents the format.
type Case struct {
	File, Name, Purpose string // File is relative to the folder of the tables: cases/priority.yaml
	Line                int
	// Input is the resource as the case gives it: of R4, a Bundle of them, or a ReferralRequest of e-RS, which has to be
	// normalised before Test.
	Input     fhir.Resource
	Related   []fhir.Resource // found by reference only
	Variables map[string]string
	Now       time.Time

	expect []expectation
	holds  []expectedHold
}

// expectation is one entry of expect: a record that must be there, by the fields that it names.
type expectation struct {
	mapping.Place
	object string
	key    string // empty: any record of the object
	count  int    // of records of the object; -1: not asked
	fields []expectedField
	absent []expectedField
}

// expectedField is a value as it is written, or of a field that points to another record the values of that record.
type expectedField struct {
	mapping.Place
	name string
	text string
	at   []expectedField
}

type expectedHold struct {
	mapping.Place
	kind  mapping.FaultKind
	field string
}

// Failure is one way in which a case does not come out as expected. The values are those of the case.
type Failure struct {
	Line        int            // of the expectation, in the file of the case
	Object, Key string         // empty where no record is concerned
	Field       string         // empty where the record as a whole is concerned
	Want, Have  string         // of a field; empty: no value
	Rules       []mapping.Rule // the rule behind Have; where no rule gave the field a value, all rules that could
	Message     string         // what is wrong, where it is not one value of one field
	Faults      mapping.Faults // why the record is held, where that is what is wrong
}

// Sample gives the input of a case that stands in R4; false where it has to be normalised first. Of a Bundle the
// ServiceRequests and Appointments are mapped, everything else in it is related.
func (c Case) Sample() (mapping.Sample, bool) {
	s := mapping.Sample{Variables: c.Variables, Now: c.Now}
	b, ok := mapping.BundleOf(c.Input)
	s.Bundle = b
	s.Bundle = s.With(c.Related...)
	return s, ok
}
