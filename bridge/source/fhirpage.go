package source

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"slices"
	"strings"
	"time"

	"refbridge/bridge"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
)

// namedKind stands before the resource type in the kind of an answer that only names records: each is read by itself.
const namedKind = "named "

// Sightings reads a page: one sighting a matching resource, with what it refers to beside it.
func (f *FHIRServer) Sightings(a ledger.Answer) ([]ledger.Sighting, error) {
	page, err := rest.ReadPage(a.Body)
	if err != nil {
		return nil, err
	}
	typ, named := strings.CutPrefix(a.Kind, namedKind)
	var out []ledger.Sighting
	for _, s := range f.sightings(typ, page.Entries) {
		if named {
			s.Sighting = ledger.Sighting{Ref: s.Ref.Current()}
		}
		out = append(out, s.Sighting)
	}
	return out, nil
}

// sighting is one entry of a page as it is observed.
type sighting struct {
	ledger.Sighting
	entry   rest.Entry
	patient fhir.Resource // that stands beside it
}

func (f *FHIRServer) sightings(typ string, entries []rest.Entry) []sighting {
	var came []fhir.Resource
	for _, e := range entries {
		if e.Err == nil {
			came = append(came, e.Resource)
		}
	}
	page := fhir.NewResolver(f.Base, came)
	var out []sighting
	for _, e := range entries {
		switch {
		case typ == PatientType:
			if s, ok := patientSighting(e); ok {
				out = append(out, sighting{Sighting: s, entry: e})
			}
		case e.Err != nil:
			out = append(out, sighting{Sighting: unreadableEntry(typ, e), entry: e})
		case e.Mode != "include" && e.Resource.Type() == typ && !f.ownEntry(e.Resource):
			out = append(out, sighting{Sighting: foreignEntry(e), entry: e})
		case e.Mode != "include" && e.Resource.Type() == typ:
			patient := patientOn(page, e.Resource)
			seen := ledger.Sighting{Ref: observed(e.Resource, patient), Body: f.collection(e.Page, e.Resource, patient),
				Updated: e.Resource.LastUpdated(), Beside: patient.LastUpdated(), Patient: PatientOf(patient)}
			if ref, err := f.wanted(e.Resource); err == nil && ref.ID != "" && !patient.Exists() {
				seen = ledger.Sighting{Ref: e.Resource.Reference()} // only named: it is read, and its Patient with it
			}
			out = append(out, sighting{Sighting: seen, entry: e, patient: patient})
		}
	}
	return out
}

// ownEntry reports whether an entry is a record of this server: its fullUrl, where it has one that is a URL, is this server's and names
// the record that is in it (FHIR R4, bundle.html#bundle-unique).
func (f *FHIRServer) ownEntry(r fhir.Resource) bool {
	full := r.FullURL()
	if full == "" || strings.HasPrefix(full, "urn:") {
		return true
	}
	ref, err := fhir.ParseReference(full)
	if err != nil || ref.Type != r.Type() || ref.ID != r.ID() {
		return false
	}
	own := func(base string) bool { return fhir.SameBase(base, ref.Base) }
	return ref.Base == "" || own(f.Base) || f.Client != nil && slices.ContainsFunc(f.Client.Bases(), own)
}

// foreignEntry is a record of another server on a page of this one: known by its own bytes, as its id says nothing here.
func foreignEntry(e rest.Entry) ledger.Sighting {
	return ledger.Sighting{Body: e.Raw, Reason: ledger.Reason{Code: bridge.CodeForeign,
		Text: "an entry of a search page is a record of another server, or its fullUrl names another one than it holds; no record of this server is changed by it"}}
}

// unreadableEntry is an entry of a page that cannot be read: known by its own bytes, and by its name where that can be told, so
// that it is the same record in the next poll, and a good version of it takes its place.
func unreadableEntry(typ string, e rest.Entry) ledger.Sighting {
	s := Unreadable(e.Raw, e.Err)
	if bad, ok := e.Err.(*rest.EntryError); ok {
		s.Reason.Text = "an entry of a search page cannot be read: " + bad.Err.Error()
		if bad.Type == typ && bad.ID != "" {
			s.Ref = fhir.Reference{Type: bad.Type, ID: bad.ID}
		}
	}
	return s
}

// Unreadable holds what has no usable identity under one made of its own bytes.
func Unreadable(raw []byte, err error) ledger.Sighting {
	return ledger.Sighting{Body: raw, Reason: ledger.Reason{Code: bridge.CodeUnreadable, Text: err.Error()}}
}

// UnreadableAnswer is a whole answer that is no worklist or page: one record, whatever is in it, and the same one as long as the
// entries are. What stands before them changes from answer to answer.
func UnreadableAnswer(body []byte, err error) ledger.Sighting {
	digest := sha256.Sum256(body[max(bytes.Index(body, []byte(`"entry"`)), 0):])
	return Unreadable(fmt.Appendf(nil, "an answer with entries %x", digest), err)
}

// Receive hands a page to the inbox: the rows that are news, and the watermark. A row that was seen in this poll, or that the
// ledger has as it is, is none.
func (s *search) Receive(ctx context.Context, page rest.Page, rows []row) error {
	fresh := slices.DeleteFunc(slices.Clone(rows), func(r row) bool { return s.seen[r.name] })
	s.progress = s.progress.page(stampsIn(fresh), pollStart(page.Time, s.server.Now()))
	s.outcomes = append(s.outcomes, page.Notices...)
	seen := make([]ledger.Sighting, len(fresh))
	for i, r := range fresh {
		seen[i] = r.Sighting
	}
	known, err := s.in.News(ctx, seen)
	if err != nil {
		return err
	}
	var news []row
	for i, r := range fresh {
		if known[i] {
			news = append(news, r)
		}
	}
	if len(news) == 0 {
		return s.note(ctx, s.progress.mark())
	}
	body := page.Body
	if len(news) < len(rows) {
		body = reduced(page.Entries, news)
	}
	return s.in.Receive(ctx, s.server.answer(s.typ, body), s.mark(s.progress.mark()))
}

func (f *FHIRServer) answer(kind string, body []byte) ledger.Answer {
	return ledger.Answer{Kind: kind, Received: f.Now(), Body: body}
}

// stampsIn returns the stamps of the rows that can be read.
func stampsIn(rows []row) []time.Time {
	var out []time.Time
	for _, r := range rows {
		if r.entry.Resource.Exists() {
			out = append(out, r.at)
		}
	}
	return out
}

// reduced is a page with some of its rows and what stands beside them.
func reduced(entries []rest.Entry, rows []row) []byte {
	var kept []rest.Entry
	beside := map[fhir.Reference]bool{}
	for _, r := range rows {
		kept = append(kept, r.entry)
		if r.patient.Exists() {
			beside[r.patient.Reference()] = true
		}
	}
	for _, e := range entries {
		if e.Err == nil && e.Mode != "match" && beside[e.Resource.Reference()] {
			kept = append(kept, e)
		}
	}
	return searchset(kept)
}

// searchset is a page of the entries of another page, each as received, with the modifiers of that page.
func searchset(entries []rest.Entry) []byte {
	b := []byte(`{"resourceType":"Bundle","type":"searchset"`)
	if len(entries) > 0 {
		b = append(b, entries[0].Page...)
	}
	b = append(b, `,"entry":[`...)
	for i, e := range entries {
		if i > 0 {
			b = append(b, ',')
		}
		b = append(b, e.Raw...)
	}
	return append(b, "]}"...)
}
