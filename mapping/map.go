package mapping

import (
	"slices"
	"strings"
	"time"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

// Input is what one Map reads.
type Input struct {
	Focus   fhir.Resource
	Related []fhir.Resource // found by reference only
	// Resolver finds what references point to; nil: what is among Focus and Related, by fullUrl or by Type/id.
	Resolver *fhir.Resolver
	// Variables are the %names that the caller sets: source (needed where records are made: the first part of every key),
	// run, patientMode, system.
	Variables map[string]string
	Now       time.Time // what now() and today() give
	// Reached, where it is not nil, is told of each other resource that a path comes to.
	Reached func(fhir.Resource)
}

// Output is what one focus became.
type Output struct {
	Records []Mapped // parents before children, each object and key once
	Bodies  []Body   // of the tables that say body: one for each kind of body
}

// Mapped is a record with the rule behind each value.
type Mapped struct {
	Record sobject.Record
	Rules  []Rule // parallel to Record.Fields
	Key    Rule

	table *Table // nil for a body
}

// Shared returns what several source records share the record by: SharedByCode, SharedByPatient, or nothing.
func (m Mapped) Shared() string {
	if m.table == nil {
		return ""
	}
	return m.table.Shared
}

// Body is the JSON body of one call of a Health Cloud API.
type Body struct {
	Name   string // referral or appointment
	JSON   []byte
	Values []BodyValue // every value of it, in the order in which the rows gave them
}

// BodyValue is one value of a body with the rule behind it.
type BodyValue struct {
	Path  string // performers[0].fields.Name
	Value sobject.Value
	Rule  Rule
}

// Rule is the row of a table that gave a value.
type Rule struct {
	Place
	From string // FHIRPath text; empty where the row's default stood in
	// Private says that the value is shown to nobody: its row says so, or makes an NHS number of it.
	Private bool

	at fhir.Node
}

// Element gives the element that the value came from; Missing where no single element gave it. It is valid as long as the
// resource is.
func (r Rule) Element() fhir.Node { return r.at }

// SourcePath gives the place in the resource that the value came from, such as ServiceRequest.identifier[0].value; empty for
// a value that no single element gave. It is worked out when it is asked for, and only as long as the resource is there.
func (r Rule) SourcePath() string { return sourcePath(r.at) }

// sourcePath gives the place of an element from the root of its resource, also where that came in a Bundle; empty for what is in
// no resource of R4, whose type could be any text. It owns its memory: a fault outlives the document.
func sourcePath(n fhir.Node) string {
	root := n
	for root.Parent().Exists() && root.Name() != "resource" {
		root = root.Parent()
	}
	typ := root.Get("resourceType").Text()
	if !fhirpath.IsResourceType(typ) {
		return ""
	}
	path := strings.TrimPrefix(n.Path(), root.Path())
	if !pathShape().MatchString(path) || HoldsNHSNumber(path) {
		path = "" // a name that no element has could be anything
	}
	return strings.Clone(typ) + path
}

// pathShape is what the names of elements and the numbers of items make.
var pathShape = pattern.MustOnce(`^(\._?[A-Za-z][A-Za-z0-9]{0,63}|\[[0-9]+\])*$`)

const maxKey = 255

// Map makes the records, or the bodies, of one focus. The error is Faults, all at once; there is no output then, so that a
// record is never written without its neighbours by accident. Nothing of it is about a person.
func (s *Set) Map(in Input) (Output, error) {
	m, ok := s.mappers.Get().(*Mapper)
	if !ok {
		m = s.Mapper()
	}
	out, err := m.Map(in)
	m.forget()
	s.mappers.Put(m)
	return out, err
}

// Target is the name of the target that the tables are for, empty for the default: a Health Cloud org as it comes.
func (s *Set) Target() string {
	for _, t := range s.tables {
		if t.Target != "" {
			return t.Target
		}
	}
	return ""
}

// BodyNames gives the bodies that the tables make.
func (s *Set) BodyNames() []string {
	var out []string
	for _, p := range s.bodies {
		out = append(out, p.name)
	}
	return out
}

// NoTable is the fault of a resource that no table reads.
func (s *Set) NoTable(focus fhir.Resource) Fault {
	var sources []string
	for _, t := range s.tables {
		sources = append(sources, t.Source)
	}
	slices.Sort(sources)
	message := "no table reads this resource"
	if !focus.Exists() {
		message = "there is no resource to map"
	}
	return Fault{Kind: TableFault, Message: message,
		Hint: "the tables read " + strings.Join(slices.Compact(sources), ", ")}
}
