package bridge

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

const (
	anAccount  = "001000000000001AAA"
	twoAccount = "001000000000002AAA"
	aNumber    = "9990000018" // of the test range
	bNumber    = "9990000026"
	csrType    = "ClinicalServiceRequest"
)

var noon = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)

// shelf is what a planner reads: the rows of Salesforce and the memory of the ledger, as values.
type shelf struct {
	accounts map[string][]string       // of patients, by NHS number
	rows     map[string]sobject.Record // in Salesforce
	images   map[string]sobject.Record // as last synced
	owners   map[string]owner
	open     map[string][]ledger.Intent  // writes whose outcome nobody saw
	unclear  map[string][]string         // fields with a value that may be ours or a person's
	carried  map[string][]ledger.Carried // what a person set and the source took over
	removed  map[string]sobject.Record   // rows that somebody deleted
	known    map[fhir.Reference]ledger.Known
	bodies   map[fhir.Reference][]byte // of versions that were read before
	cursors  map[string]string
	unseen   map[string]bool // nobody has seen the row
	purged   map[string]bool // the row's image was purged
	broken   error           // what Salesforce answers instead
	only     string          // object of which it does; empty = all
	lost     error           // what the ledger answers instead
}

func newShelf() *shelf {
	return &shelf{accounts: map[string][]string{aNumber: {anAccount}, bNumber: {twoAccount}}, rows: map[string]sobject.Record{},
		images: map[string]sobject.Record{}, owners: map[string]owner{}, open: map[string][]ledger.Intent{},
		unclear: map[string][]string{}, unseen: map[string]bool{}, removed: map[string]sobject.Record{}, known: map[fhir.Reference]ledger.Known{}, cursors: map[string]string{}}
}

// put is what an applied step leaves behind.
func (s *shelf) put(steps ...*Step) {
	for _, st := range steps {
		for _, w := range st.Writes {
			id := recordID(w.Object, w.Key)
			image := w.Image
			image.Fields = slices.DeleteFunc(slices.Clone(image.Fields), func(f sobject.Field) bool { return f.Value.IsNull() && f.KeepIfAbsent })
			image.ID, image.Modified = fmt.Sprintf("a%02d", len(s.rows)+1), noon.Add(-time.Hour)
			s.images[id], s.owners[id] = image, ownerOf(st)
			image.Fields = slices.Clone(image.Fields)
			s.rows[id] = image
		}
		s.known[st.Work.Ref.Current()] = ledger.Known{Version: st.Work.Ref.Version, Digest: st.Digest.String(), Patient: st.Patient}
	}
}

// edit changes fields of a row as a person would.
func (s *shelf) edit(id string, fields map[string]sobject.Value) {
	if len(fields) == 0 {
		return
	}
	set(s.rows, id, fields)
	r := s.rows[id]
	r.Theirs, r.Modified = true, noon.Add(-time.Minute)
	s.rows[id] = r
}

// set changes fields of a record; a field that it does not have is added.
func set(in map[string]sobject.Record, id string, fields map[string]sobject.Value) {
	r := in[id]
	r.Fields = slices.Clone(r.Fields)
	for name, v := range fields {
		r.Set(name, v)
	}
	in[id] = r
}

func (s *shelf) Retrieve(_ context.Context, all ...sfdc.Selection) ([]sobject.Record, error) {
	var out []sobject.Record
	for _, sel := range all {
		if s.broken != nil && (s.only == "" || s.only == sel.Object) {
			return nil, s.broken
		}
		for _, key := range sel.Keys {
			if r, ok := s.rows[sel.Object+" "+key]; ok {
				out = append(out, r)
			}
		}
	}
	return out, nil
}

func (s *shelf) FindParents(_ context.Context, _ sfdc.Lookup, keys []string) (map[string][]string, error) {
	if s.broken != nil && (s.only == "" || s.only == accountType) {
		return nil, s.broken
	}
	return s.accounts, nil
}

// Deleted returns the rows that somebody deleted.
func (s *shelf) Deleted(_ context.Context, sel sfdc.Selection) ([]sobject.Record, error) {
	if s.broken != nil && s.only == "deleted" {
		return nil, s.broken
	}
	var out []sobject.Record
	for _, key := range sel.Keys {
		if r, ok := s.removed[sel.Object+" "+key]; ok {
			out = append(out, r)
		}
	}
	return out, nil
}

// row is what is known of a row from before.
func (s *shelf) row(object, key string) (ledger.Row, bool) {
	id := object + " " + key
	image, known := s.images[id]
	o := s.owners[id]
	r := ledger.Row{Object: object, Key: key, Image: ledger.Image{Record: image, Unclear: s.unclear[id], Carried: s.carried[id], Unseen: s.unseen[id]}, Known: known, Open: s.open[id], Source: o.source, Ref: o.ref,
		Purged: s.purged[id]}
	return r, known || r.Purged || len(r.Open) > 0
}

func (s *shelf) RowsOf(_ context.Context, source string, ref fhir.Reference) ([]ledger.Row, error) {
	var out []ledger.Row
	for _, id := range slices.Sorted(maps.Keys(s.owners)) {
		object, key, _ := strings.Cut(id, " ")
		if r, ok := s.row(object, key); ok && s.owners[id] == (owner{source, ref.Current()}) {
			out = append(out, r)
		}
	}
	return out, s.lost
}

func (s *shelf) Rows(_ context.Context, object string, keys []string) (map[string]ledger.Row, error) {
	out := map[string]ledger.Row{}
	for _, key := range keys {
		if r, ok := s.row(object, key); ok {
			out[key] = r
		}
	}
	return out, s.lost
}

func (s *shelf) Cursor(_ context.Context, _, name string) (string, error) {
	return s.cursors[name], nil
}

func (s *shelf) RefOfKey(_ context.Context, object, key string) (string, fhir.Reference, error) {
	if o, ok := s.owners[object+" "+key]; ok {
		return o.source, o.ref, nil
	}
	return "", fhir.Reference{}, ledger.ErrNotFound
}

func (s *shelf) Known(_ context.Context, _ string, ref fhir.Reference) (ledger.Known, error) {
	return s.known[ref], nil
}

func (s *shelf) Body(_ context.Context, _ string, ref fhir.Reference) ([]byte, error) {
	return s.bodies[ref], s.lost
}

// planner plans what a FHIR server says, with the starter tables.
func (s *shelf) planner(t *testing.T) *Planner {
	t.Helper()
	tables, err := mapping.Load(mapping.Default(), mapping.Options{PatientKey: func(n fhir.NHSNumber) string { return "pt." + n.Reveal()[6:] }})
	require.NoError(t, err)
	now := func() time.Time { return noon }
	// The ledger was made anew after everything on the shelf was written: a row of which it knows nothing is no sign of an older one.
	return &Planner{Flow: "ward", anew: noon.Add(240 * time.Hour), Source: &FHIRServer{Base: "https://ward.example/fhir", Now: now}, Target: s, Memory: s, Tables: tables, Now: now,
		Policy: Policy{Patient: Link, Run: "live", System: "https://ward.example", Token: []byte("secret")}}
}

// collected is a body as a poll keeps it.
func collected(resources ...string) []byte {
	return []byte(`{"resourceType":"Bundle","type":"collection","entry":[{"resource":` + strings.Join(resources, `},{"resource":`) + `}]}`)
}

// requested is a ServiceRequest of a patient, with what else it says.
func requested(id, number, more string) string {
	return fmt.Sprintf(`{"resourceType":"ServiceRequest","id":%q,"intent":"order","subject":{"identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":%q}},%s}`,
		id, number, more)
}

// ofPerson is a ServiceRequest with the Patient to whom it refers.
func ofPerson(id, more, patient string) []byte {
	return collected(`{"resourceType":"ServiceRequest","id":"`+id+`","intent":"order","subject":{"reference":"Patient/p1"},`+more+`}`,
		`{"resourceType":"Patient","id":"p1","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"`+aNumber+`"}],`+patient+`}`)
}

// met is an Appointment of a referral.
func met(id, referral, more string) []byte {
	return collected(fmt.Sprintf(`{"resourceType":"Appointment","id":%q,"basedOn":[{"reference":"ServiceRequest/%s"}],"start":"2026-12-10T09:00:00Z",
		"end":"2026-12-10T09:30:00Z",%s}`, id, referral, more))
}

// due is work of a referral or an appointment at a version.
func due(typ, id, version string, body []byte) ledger.Work {
	return ledger.Work{Source: "ward", Ref: fhir.Reference{Type: typ, ID: id, Version: version}, Body: body, First: noon}
}

// referral is work of a referral.
func referral(id, version, number, more string) ledger.Work {
	return due("ServiceRequest", id, version, collected(requested(id, number, more)))
}

// plan plans work together and returns its steps in the order of the work.
func plan(t *testing.T, p *Planner, work ...ledger.Work) []*Step {
	t.Helper()
	out, err := p.Inbound(t.Context(), slices.Clone(work))
	require.NoError(t, err)
	require.Len(t, out.Steps, len(work))
	return out.Steps
}

// planned is plan where a world is arranged: what fails there shows in the case.
func planned(p *Planner, work ...ledger.Work) []*Step {
	out, _ := p.Inbound(context.Background(), work)
	return out.Steps
}
