package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"refbridge/bridge"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
)

// PatientType is polled beside what is carried: a change of the Patient alone concerns the Patient's records.
const PatientType = "Patient"

// patientsDown is after how many that could not be had one after the other the rest is not asked for.
const patientsDown = 5

// patientsAtOnce is how many Patients one search asks for by id: some 40 characters each, in a URL.
const patientsAtOnce = 40

// pollPatients asks which Patients changed. Those whose records are known here make them be read again; nothing is kept of the
// others. A server that does not let Patients be searched is no failure: the change comes with the record's own next version, or
// when the live records are read again.
func (f *FHIRServer) pollPatients(ctx context.Context, in Inbox) error {
	err := f.pollType(ctx, in, PatientType, "")
	refused := ""
	var e *rest.Error
	if errors.As(err, &e) && e.Status >= 400 && e.Status < 500 && e.Status != http.StatusUnauthorized && e.Status != http.StatusTooManyRequests ||
		e != nil && e.Status == http.StatusNotImplemented {
		refused = fmt.Sprintf("the source does not tell which Patients changed (status %d): a new name, address or telephone comes with the "+
			"next change of the referral, or when live records are read again (refresh)", e.Status)
		err = nil
	}
	s := f.search(in, PatientType, "")
	return errors.Join(err, s.notice(ctx, NoticeCursor+"refused:"+PatientType, refused))
}

// patientSighting says which version a Patient has now. Of one that cannot be read the version is not known, and its records are
// read again, which says why.
func patientSighting(e rest.Entry) (ledger.Sighting, bool) {
	if e.Err == nil {
		ok := e.Resource.Type() == PatientType && e.Mode != "outcome"
		return ledger.Sighting{Ref: PatientOf(e.Resource)}, ok
	}
	bad, _ := e.Err.(*rest.EntryError)
	if bad == nil || bad.Type != PatientType || bad.ID == "" {
		return ledger.Sighting{}, false
	}
	return ledger.Sighting{Ref: fhir.Reference{Type: PatientType, ID: bad.ID}}, true
}

// PatientOf names a Patient as it was seen; the zero reference where there is none.
func PatientOf(patient fhir.Resource) fhir.Reference {
	if !patient.Exists() {
		return fhir.Reference{}
	}
	return fhir.Reference{Type: PatientType, ID: patient.ID(), Version: patientVersion(patient)}
}

func patientVersion(patient fhir.Resource) string {
	return cmp.Or(patient.VersionID(), patient.Digest().String()[:12])
}

// completed puts the Patients on a page that its records refer to and that the server did not include. A record whose Patient cannot
// be had is read by itself later, which says why.
func (s *search) completed(ctx context.Context, page rest.Page) (rest.Page, error) {
	ids := map[string]bool{}
	for _, seen := range s.server.sightings(s.typ, page.Entries) {
		if seen.patient.Exists() || !seen.entry.Resource.Exists() || s.typ == PatientType {
			continue
		}
		if ref, err := s.server.wanted(seen.entry.Resource); err == nil && ref.ID != "" {
			ids[ref.ID] = true
		}
	}
	if len(ids) == 0 {
		return page, nil
	}
	found, err := s.server.patients(ctx, ids)
	if err != nil || len(found) == 0 {
		return page, err
	}
	all := slices.Clone(page.Entries)
	for _, p := range found {
		raw := s.server.appendEntry(nil, p)
		all = append(all, rest.Entry{Raw: append(raw[:len(raw)-1], `,"search":{"mode":"include"}}`...)})
	}
	whole, err := rest.ReadPage(searchset(all))
	whole.Time, whole.More, whole.Notices = page.Time, page.More, page.Notices
	return whole, err
}

// patients reads Patients by their ids, many at once where the server lets it. ids are left with those that did not come.
func (f *FHIRServer) patients(ctx context.Context, ids map[string]bool) (found []fhir.Resource, err error) {
	for some := range slices.Chunk(slices.Sorted(maps.Keys(ids)), patientsAtOnce) {
		for r, err := range f.Client.Search(ctx, PatientType, url.Values{"_id": {strings.Join(some, ",")}, "_count": {strconv.Itoa(fullPage)}}) {
			if err == nil && r.Type() == PatientType && ids[r.ID()] {
				found = append(found, r.Clone())
				delete(ids, r.ID())
			}
		}
	}
	down := 0
	for _, id := range slices.Sorted(maps.Keys(ids)) {
		p, err := f.patient(ctx, fhir.Reference{Type: PatientType, ID: id})
		switch {
		case bridge.Stopped(ctx, err):
			return found, err
		case err == nil:
			found, down = append(found, p), 0
			delete(ids, id)
		case !errors.Is(err, fhir.ErrUnresolved):
			down++
		}
		if down == patientsDown {
			break // the rest would not come either
		}
	}
	return found, nil
}
