// Package mapping turns FHIR R4 resources into Salesforce records by declarative tables, and status changes in
// Salesforce back into operations on the source.
//
// A table is a YAML file that a clinical informatician can read and change; docs/tables.md documents the format.
// Load reads all of them, checks everything that can be checked without a source or an org, and compiles every path.
// After that a Set is immutable and safe for concurrent use, and it does no I/O.
//
// A value that the tables do not provide for is never guessed: the record is held, with the row to add.
package mapping

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"fmt"
	"io/fs"
	"slices"
	"sync"
	"time"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/sfdc/sobject"
)

//go:embed tables/*.yaml
var starter embed.FS

// Default gives the starter tables that come with refbridge: referrals and appointments of NHS e-RS and of plain FHIR
// R4 servers into Health Cloud.
func Default() fs.FS {
	sub, err := fs.Sub(starter, "tables")
	if err != nil {
		return starter
	}
	return sub
}

// Options are what Load needs beside the tables.
type Options struct {
	// PatientKey gives the secret-keyed hash of an NHS number under which a created Account is found again; it may hold
	// letters, digits, '.', '_' and '-' only. Nil: patients cannot be created (patientMode create is a fault).
	PatientKey func(fhir.NHSNumber) string
}

// Set is a loaded set of tables.
type Set struct {
	tables     []*table // parents first
	values     map[string]*valueTable
	hash       string
	zone       *time.Location
	patientKey func(fhir.NHSNumber) string
	self       *fhirpath.Expr // $this: makes an Item of a node
	bodies     []*bodyPlan
	mappers    sync.Pool
}

// Load reads every *.yaml file of a directory (not of its subdirectories). The error is Faults: everything that is wrong
// in any of the files, with file, line and column.
func Load(fsys fs.FS, o Options) (*Set, error) {
	names, err := fs.Glob(fsys, "*.yaml")
	if err != nil {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		return nil, fmt.Errorf("load the time zone %s: %w", zoneName, err)
	}
	s := &Set{values: map[string]*valueTable{}, zone: zone, patientKey: o.PatientKey}
	var faults Faults
	hash := sha256.New()
	slices.Sort(names)
	for _, name := range names {
		if name == "snapshot.yaml" { // what the target takes, for lint
			continue
		}
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, fmt.Errorf("read table %s: %w", name, err)
		}
		fmt.Fprintf(hash, "%d:%s%d:", len(name), name, len(src))
		hash.Write(src)
		faults = append(faults, s.read(name, src)...)
	}
	s.hash = hex.EncodeToString(hash.Sum(nil))
	if len(names) == 0 {
		faults = append(faults, Fault{Kind: TableFault, Message: "there are no tables", Hint: "the folder must hold *.yaml files"})
	}
	faults = append(faults, s.link()...)
	if err := faults.err(); err != nil {
		return nil, err
	}
	return s, nil
}

// Hash is the SHA-256 of the tables' names and texts, in hexadecimal: it changes with every edit.
func (s *Set) Hash() string { return s.hash }

// read adds one file: a table, shared value tables, or both.
func (s *Set) read(name string, src []byte) Faults {
	r := &reader{file: name}
	root := r.document(src)
	if root == nil {
		return r.faults
	}
	shared, body := true, false
	for i := 0; i+1 < len(root.Content); i += 2 {
		key := root.Content[i].Value
		shared = shared && (key == "values" || key == "purpose")
		body = body || key == "body"
		if key == "values" {
			r.valueTables(root.Content[i+1], s.values)
		}
	}
	if shared {
		m := r.mapping(root, "a file of value tables", "values", "", "purpose")
		r.text(m["purpose"], "purpose")
		return r.faults
	}
	s.tables = append(s.tables, r.table(root, body))
	return r.faults
}

// Object is what the tables write of one Salesforce object: what has to be retrieved to compare.
type Object struct {
	Name     string
	KeyField string
	Fields   []string                  // every field that a row writes or a rule back reads, sorted; without the key
	Refs     map[string]sobject.Target // of the fields that point to another record by its key
}

// Objects gives the objects that the tables write, parents first: an object comes where the last of its tables does.
func (s *Set) Objects() []Object {
	var out []Object
	for _, t := range slices.Backward(s.tables) {
		if t.object == "" {
			continue
		}
		i := slices.IndexFunc(out, func(o Object) bool { return o.Name == t.object })
		if i < 0 {
			i = len(out)
			out = append(out, Object{Name: t.object, KeyField: t.key.field, Fields: s.BackFields(t.object),
				Refs: map[string]sobject.Target{}})
		}
		for _, w := range t.rows {
			out[i].Fields = append(out[i].Fields, w.field)
			if w.ref.Object != "" {
				out[i].Refs[w.field] = w.ref
			}
		}
	}
	slices.Reverse(out)
	for i := range out {
		slices.Sort(out[i].Fields)
		out[i].Fields = slices.Compact(out[i].Fields)
	}
	return out
}

// Gone gives what to set in a record of ours that its source does not produce any more: nothing where the table says
// nothing, where two tables make records like this one (the image tells them apart by what it points to), or where the
// record is past the state that may be marked: an appointment that took place stays what it is.
func (s *Set) Gone(image sobject.Record) []sobject.Field {
	var made []*table
	for _, t := range s.tables {
		if t.object == image.Object && t.couldMake(image) {
			made = append(made, t)
		}
	}
	if len(made) != 1 {
		return nil
	}
	return made[0].goneFields(image)
}

func (t *table) couldMake(image sobject.Record) bool {
	for _, f := range image.Fields {
		pointing := f.Value.Kind() == sobject.Ref
		same := func(w *row) bool { return w.field == f.Name && w.ref == f.Value.To() }
		if pointing && !slices.ContainsFunc(t.rows, same) {
			return false
		}
	}
	return true
}

func (t *table) goneFields(image sobject.Record) []sobject.Field {
	var out []sobject.Field
	for _, g := range t.gone {
		is, _ := image.Get(g.field)
		if len(g.only) > 0 && !slices.Contains(g.only, is.Reveal()) {
			return nil
		}
		out = append(out, sobject.Field{Name: g.field, Value: g.value})
	}
	return out
}
