// Package mapping turns FHIR R4 resources into Salesforce records by declarative tables, and status changes in
// Salesforce back into operations on the source.
//
// A table is a YAML file that a clinical informatician can read and change; docs/tables.md documents the format.
// Load reads all of them, checks everything that can be checked without a source or an org, and compiles every path.
// After that a Set is immutable and safe for concurrent use, and it does no I/O.
//
// A value that the tables do not provide for is never guessed: the record is held, with the row to add.
//
//	*.yaml --> Reader --> tables --> Set.link --> Set                     Load, once
//	           faults     faults     faults        |
//	                                               v
//	resource, variables ------------------------> Mapper                  Map, for each resource
//	                                               |
//	     for each table that reads its type, for each element of its forEach:
//	         when --> lets --> key --> rows --> cells (value, element that it came from)
//	                                               |
//	                       records, parents first  |  JSON bodies
//	                       each with its trace: value --> Rule (file:line, FHIRPath, element)
//	                       or Faults, all at once, and nothing else
package mapping

import (
	"cmp"
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
	"sync"
	"time"

	"refbridge/fhir"
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

//go:embed tables/cases
var starterCases embed.FS

// CasesFolder is where the cases stand, in the folder of the tables.
const CasesFolder = "cases"

// DefaultCases gives the cases of the starter tables.
func DefaultCases() fs.FS {
	sub, err := fs.Sub(starterCases, "tables/"+CasesFolder)
	if err != nil {
		return starterCases
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
	tables     []*Table // parents first
	values     map[string]*ValueTable
	hash       string
	zone       *time.Location
	patientKey func(fhir.NHSNumber) string
	bodies     []*bodyPlan
	mappers    sync.Pool
	faults     Faults          // of what Read gave
	modifiers  map[string]bool // that a path names
	unread     bool            // there is a file of which nothing could be read
}

// SnapshotFile is the file beside the tables that says what their target takes, where it is no org. It is no table.
const SnapshotFile = "snapshot.yaml"

// Load reads every *.yaml file of a directory (not of its subdirectories). The error is Faults: everything that is wrong
// in any of the files, with file, line and column.
func Load(fsys fs.FS, o Options) (*Set, error) {
	s, faults, err := Read(fsys, o)
	if err != nil {
		return nil, err
	}
	if err := faults.Err(); err != nil {
		return nil, err
	}
	return s, nil
}

// Read is Load for tools that look at tables with faults: it gives them as far as they can be read, what could not be read
// being nil or empty. A Set with faults maps nothing. The error is about files that cannot be read at all.
func Read(fsys fs.FS, o Options) (*Set, Faults, error) {
	names, err := Files(fsys)
	if err != nil {
		return nil, nil, err
	}
	zone, err := time.LoadLocation(zoneName)
	if err != nil {
		return nil, nil, fmt.Errorf("load the time zone %s: %w", zoneName, err)
	}
	s := &Set{values: map[string]*ValueTable{}, modifiers: map[string]bool{}, zone: zone, patientKey: o.PatientKey}
	hash := sha256.New()
	for _, name := range names {
		src, err := fs.ReadFile(fsys, name)
		if err != nil {
			return nil, nil, fmt.Errorf("read table %s: %w", name, err)
		}
		fmt.Fprintf(hash, "%d:%s%d:", len(name), name, len(src))
		hash.Write(src)
		s.read(name, src)
	}
	s.hash = hex.EncodeToString(hash.Sum(nil))
	if len(names) == 0 {
		s.faults = append(s.faults, Fault{Kind: TableFault, Message: "there are no tables", Hint: "the folder must hold *.yaml files"})
	}
	if links := s.link(); !s.unread { // what a file that cannot be read holds is not missing
		s.faults = append(s.faults, links...)
	}
	for i := range s.faults {
		s.faults[i].Check = cmp.Or(s.faults[i].Check, "table")
	}
	s.faults = s.faults.sorted()
	return s, s.faults, nil
}

// Files names the files of a folder that are tables, in the order in which they count.
func Files(fsys fs.FS) ([]string, error) {
	found, err := fs.ReadDir(fsys, ".") // fs.Glob takes a folder that cannot be read for an empty one
	if err != nil && !errors.Is(err, fs.ErrNotExist) {
		return nil, fmt.Errorf("list the tables: %w", err)
	}
	var names []string
	for _, f := range found {
		if strings.HasSuffix(f.Name(), ".yaml") {
			names = append(names, f.Name())
		}
	}
	for _, name := range names {
		if info, err := fs.Stat(fsys, name); err == nil && info.IsDir() {
			return nil, fmt.Errorf("%s is a folder, and a table is a file: give the folder another name", name)
		}
	}
	slices.Sort(names)
	return slices.DeleteFunc(names, func(name string) bool { return name == SnapshotFile }), nil
}

// Hash is the SHA-256 of the tables' names and texts, in hexadecimal: it changes with every edit.
func (s *Set) Hash() string { return s.hash }

// Zone returns where a date without a time happened.
func (s *Set) Zone() *time.Location { return s.zone }

// read adds one file: a table, shared value tables, or both.
func (s *Set) read(name string, src []byte) {
	r := &Reader{File: name}
	defer func() { s.faults = append(s.faults, r.Faults...) }()
	root := r.Document(src)
	if root == nil {
		s.unread = s.unread || r.unread
		return
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
		m := r.Mapping(root, "a file of value tables", "values", "", "purpose")
		about := r.Text(m["purpose"], "purpose")
		for _, v := range s.values {
			if v.File == name {
				v.tell(about)
			}
		}
		return
	}
	s.tables = append(s.tables, r.table(root, body))
	for _, name := range r.modifiers {
		s.modifiers[name] = true
	}
}
