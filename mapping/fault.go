package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"strings"

	"refbridge/config/spelling"
)

// FaultKind says what is wrong; the planner decides by it what becomes of the record.
type FaultKind string

// The kinds of a Fault.
const (
	TableFault      FaultKind = "table"            // the tables themselves: found by Load, or no table reads the resource
	UnknownCode     FaultKind = "unknown-code"     // a code that its value table does not list: add a row
	PatientIdentity FaultKind = "patient-identity" // NHS number missing, malformed, with a wrong check digit, or two of them
	RequiredMissing FaultKind = "required-missing" // the source has nothing for a field that must have a value
	// A reference that leads to no resource, by the reason of fhir.Resolver.
	ReferenceForeign    FaultKind = "reference-foreign"
	ReferenceAmbiguous  FaultKind = "reference-ambiguous"
	ReferenceVersion    FaultKind = "reference-version"
	ReferenceUnresolved FaultKind = "reference-unresolved"
	TwoServers          FaultKind = "two-servers"         // records of two servers with one Type/id came along
	AppointmentPatient  FaultKind = "appointment-patient" // it names another patient than its referral, or nobody can tell
	UnknownModifier     FaultKind = "unknown-modifier"    // a modifier extension, or implicitRules, that no table names
	TooLong             FaultKind = "too-long"            // a text that does not fit and may not be cut
	BadValue            FaultKind = "bad-value"           // a value that cannot become what the field takes
)

// Fault is one thing that a person has to put right, with the place in the tables that found it. Nothing in it is
// about a person: texts are given by length, and only codes and system URLs of a safe shape are shown.
type Fault struct {
	Kind    FaultKind
	Check   string // stable name of what Load found ("path", "table"), by which lint goes; empty outside of loading
	File    string // table, for example service-request.yaml
	Line    int    // 1-based; 0 where no line is to blame
	Column  int    // 1-based, in characters
	Field   string // Salesforce field, where one is concerned
	Source  string // FHIRPath text of the rule, where one is concerned
	Element string // place in the resource, ServiceRequest.identifier[0].value, where one element is concerned
	Message string
	Hint    string // what to do; empty where nothing general can be said
}

// What gives the message, with the place in the resource where that is known.
func (f Fault) What() string {
	if f.Element == "" {
		return f.Message
	}
	return f.Message + ", at " + f.Element
}

// String gives file:line:column: message (hint), with the parts that are known.
func (f Fault) String() string {
	var b strings.Builder
	if f.File != "" {
		b.WriteString(f.File)
		if f.Line > 0 {
			fmt.Fprintf(&b, ":%d:%d", f.Line, f.Column)
		}
		b.WriteString(": ")
	}
	if f.Field != "" {
		b.WriteString(f.Field + ": ")
	}
	b.WriteString(f.What())
	if f.Hint != "" {
		b.WriteString(" (" + f.Hint + ")")
	}
	return b.String()
}

// FileLine gives the rule that is to blame as file:line, empty where it is not known.
func (f Fault) FileLine() string { return Place{File: f.File, Line: f.Line}.FileLine() }

// FileLine gives file:line, empty where there is no file.
func (p Place) FileLine() string {
	if p.File == "" {
		return ""
	}
	return fmt.Sprintf("%s:%d", p.File, p.Line)
}

// Faults are all faults of one Load, Map or Back, in the order of the tables, each once.
type Faults []Fault

// FaultsOf gives the faults of a Map; none of nil.
func FaultsOf(err error) Faults {
	var faults Faults
	if err != nil && !errors.As(err, &faults) {
		faults = Faults{{Kind: TableFault, Message: err.Error()}}
	}
	return faults
}

// Error gives one fault a line.
func (f Faults) Error() string {
	lines := make([]string, len(f))
	for i := range f {
		lines[i] = f[i].String()
	}
	return strings.Join(lines, "\n")
}

// Has tells whether there is a fault of a kind.
func (f Faults) Has(kind FaultKind) bool {
	return slices.ContainsFunc(f, func(x Fault) bool { return x.Kind == kind })
}

// Err gives the faults as an error, sorted and each once; nil where there are none.
func (f Faults) Err() error {
	if len(f) == 0 {
		return nil
	}
	return f.sorted()
}

func (f Faults) sorted() Faults {
	out := slices.Clone(f)
	slices.SortStableFunc(out, func(a, b Fault) int {
		return cmp.Or(unreadFirst(a, b), cmp.Compare(a.File, b.File), cmp.Compare(a.Line, b.Line), cmp.Compare(a.Column, b.Column),
			cmp.Compare(a.Field, b.Field), cmp.Compare(a.Message, b.Message))
	})
	return slices.CompactFunc(out, func(a, b Fault) bool {
		b.Element = a.Element // of the same fault in several elements the first is enough
		return a == b
	})
}

// unreadFirst puts files that cannot be read before all others: what else is found may come of them.
func unreadFirst(a, b Fault) int {
	switch {
	case (a.Check == "yaml") == (b.Check == "yaml"):
		return 0
	case a.Check == "yaml":
		return -1
	}
	return 1
}

// Nearest gives the name that a misspelt one may have meant, as a hint; empty where none is near.
func Nearest(name string, names []string) string {
	if best := spelling.Nearest(name, names); best != "" {
		return fmt.Sprintf("did you mean %s?", best)
	}
	return ""
}
