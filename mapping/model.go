package mapping

import (
	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

// The tables as they were read: what tools for authors (lint, review, coverage) walk. Nobody changes them after Read.

// Place is a position in a table: every rule keeps its own.
type Place struct {
	File         string
	Line, Column int // 1-based; the column in characters
}

// Fault gives a fault at the place.
func (p Place) Fault(kind FaultKind, message, hint string) Fault {
	return Fault{Kind: kind, File: p.File, Line: p.Line, Column: p.Column, Message: message, Hint: hint}
}

// What source records can share a record by.
const (
	SharedByCode    = "code"    // of a code system: many referrals use it; made again when somebody deletes it
	SharedByPatient = "patient" // of one patient: all referrals of that patient use it
)

// Table is one file: how one Salesforce object, or a part of a JSON body, is made from one resource type.
type Table struct {
	Place
	Object  string // sObject; empty for a body
	Body    string // referral or appointment: the JSON body of that API; empty for records
	Target  string // of a set that is not for a default org; empty otherwise
	Array   string // of a body: the list that the table's items stand in (performers); empty: the body itself
	Max     int    // of a body: how many items are kept; 0: as many as the API takes, more are a fault
	Source  string // resource type of the focus
	Purpose string
	Shared  string // what several source records share a record by: SharedByCode or SharedByPatient; empty: each record has one source
	// Patient finds the elements by which a resource names patients itself, beside the record that it belongs to; nil: it names none.
	Patient *Path
	Owner   sobject.Owner
	ForEach *Path // nil: one record for the focus itself
	Key     Key   // of records
	Lets    []Let
	When    *Path // nil: always
	Rows    []*Row
	Drops   []Drop
	Gone    []GoneRow
	Back    []*BackRule
	Level   int // parents have lower ones

	plan    *bodyPlan  // of a body
	list    int        // of a body: the list of the plan that the items stand in, -1: none
	item    []bodyNode // of a body: how an item of the list is written; none: plain values
	guarded bool       // it makes records of some resources only: it has a when, or a forEach that does not compile
	fields  []string   // each field or path of the rows once, in the order in which it first comes
	absent  []string   // fields that the org lacks: see Without
	base    int        // of a body: where the cells of the table begin among those of its body
}

// Idle tells whether the table makes nothing of any resource while variables have the given values: tables of patients, where they
// are only linked.
func (t *Table) Idle(variables map[string]string) bool {
	return t.When != nil && t.When.Expr.Never(variables)
}

// Path is a compiled FHIRPath with its place.
type Path struct {
	Expr  *fhirpath.Expr
	walks bool   // Expr.Walks
	typ   string // of what it gives, where that is a whole number or a boolean of FHIR
	dated bool   // it gives what is a date or a dateTime of FHIR, and no instant
	slot  int    // of the variable that it is, -1 where it is more
	Text  string
	Place
}

// Source is what a value is made from: the first path that gives something, through the transforms.
type Source struct {
	Paths      []*Path
	Transforms []Transform
	kind       sobject.Kind // Ref or Lookup of a row that says so, DateTime or Date where the last transform does, else Text
}

// Key is the rule for the external key of a record.
type Key struct {
	Place
	Field   string
	Purpose string
	Source
}

// Let is a named value that rows share.
type Let struct {
	Place
	Name    string
	Purpose string
	Source
	ValuesName string
	valuesAt   Place
	Values     *ValueTable // nil: none
}

// known tells what is known of the value, for the paths that read it.
func (l *Let) known() fhirpath.Known {
	switch {
	case l.ValuesName != "":
		return fhirpath.Known{}
	case len(l.Paths) == 1 && len(l.Transforms) == 1 && l.Transforms[0].Name == "current":
		return l.Paths[0].Expr.Known()
	case len(l.Transforms) > 0:
		return fhirpath.KnownAs("System.String")
	case len(l.Paths) == 1:
		return l.Paths[0].Expr.Known()
	}
	return fhirpath.Known{}
}

// Row is one field of the record, or one value of a body. What Map reads for every row stands together.
type Row struct {
	Place
	Source
	When      *Path
	Values    *ValueTable // nil: none
	otherwise constant
	choices   []string // of a body: what a text may be; nil: anything
	slot      int      // of Field in table.fields
	length    int      // of a body: longest text in characters that the API takes, 0: any
	Required  bool
	plain     bool // one path that walks, and nothing is done to what it gives
	flag      bool // of a body: the API takes true or false

	Field        string // of a body: the path, for example performers[].fields.Name
	Purpose      string
	ValuesName   string
	valuesAt     Place
	Ref, Lookup  sobject.Target // zero: none
	refAt        Place
	Fallback     sobject.Value // default
	Owner        sobject.Owner
	KeepIfAbsent bool
	Optional     bool   // it counts only where the org has the field
	Private      bool   // its value is shown to nobody: the row says so, or makes an NHS number of it
	Conditional  bool   // it has a when, be it one that does not compile
	Joined       bool   // of a body: the values of all elements of forEach become one text
	Join         string // what stands between them
}

// Drop is what a table leaves out on purpose.
type Drop struct {
	Place
	Path    *Path
	Purpose string
}

// GoneRow is a field that is set in a record whose source has gone.
type GoneRow struct {
	Place
	Field   string
	Value   sobject.Value
	Purpose string
	Only    []string // the record is marked only while the field has one of these; empty: always
}

// Tables gives the tables, parents first.
func (s *Set) Tables() []*Table { return s.tables }

// Values gives the value tables by name.
func (s *Set) Values() map[string]*ValueTable { return s.values }
