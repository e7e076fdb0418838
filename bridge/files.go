package bridge

import (
	"context"
	"fmt"
	"slices"
	"time"

	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/ndjson"
	"refbridge/ledger"
)

// Files plans resources that stand in files, with no network at all: R4 ServiceRequest, Appointment or Bundle, one document
// or NDJSON, and STU3 ReferralRequest as e-RS sends it (alone, in Parameters or in a Bundle), and worklists.
type Files struct {
	ERS  Planner // for ReferralRequest; its Target is nil
	FHIR Planner // for R4; its Target is nil
}

// FileRecord is what one resource of a file became: a Step, the sightings of a worklist, a Note that there is nothing to map,
// or why it could not be read.
type FileRecord struct {
	Line      int // of the file, 1-based
	Type      string
	Step      *Step
	Sightings []ledger.Sighting
	Note      string
	Err       error
}

// Plan hands out what each resource in one record of a file became, in order. One that cannot be read has an Err, and its
// neighbours go on. The error is that of the context, of the ledger or from take.
func (f Files) Plan(ctx context.Context, in ndjson.Record, take func(FileRecord) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if in.Err != nil {
		return take(FileRecord{Line: in.Line, Err: in.Err})
	}
	r, err := fhir.Parse(in.Text)
	if err != nil {
		return take(FileRecord{Line: in.Line, Err: err})
	}
	rec := FileRecord{Line: in.Line, Type: r.Type()}
	switch r.Type() {
	case "ReferralRequest", "Parameters":
		return f.referrals(ctx, rec, in.Text, take)
	case "List":
		return take(worklist(rec, in.Text))
	case "ServiceRequest", "Appointment":
		return f.r4(ctx, rec, fhir.Bundle{Focus: []fhir.Resource{r}}, take)
	case "Bundle":
		return f.bundle(ctx, rec, r, take)
	}
	rec.Note = "nothing to map in a " + r.Type()
	return take(rec)
}

func worklist(rec FileRecord, doc []byte) FileRecord {
	entries, err := ers.ReadWorklist(doc)
	if err != nil {
		rec.Err = err
		return rec
	}
	for i, e := range entries {
		s := ledger.Sighting{Ref: e.Ref}
		if e.Err != nil {
			s = unreadable(0, i, e.Err)
		}
		rec.Sightings = append(rec.Sightings, s)
	}
	if len(entries) == 0 {
		rec.Note = "an empty worklist"
	}
	return rec
}

func (f Files) referrals(ctx context.Context, rec FileRecord, doc []byte, take func(FileRecord) error) error {
	found, err := ers.Referrals(doc)
	if err != nil {
		rec.Err = err
		return take(rec)
	}
	if len(found) == 0 {
		rec.Note = "no referral in it"
		return take(rec)
	}
	for _, r := range found {
		one := rec
		bundle, err := ers.Normalise(r)
		if err != nil {
			one.Err = err
		} else if one.Step, err = f.ERS.offline(ctx, r.Reference(), bundle); err != nil {
			return err
		}
		if err := take(one); err != nil {
			return err
		}
	}
	return nil
}

// bundle maps each ServiceRequest and Appointment of a Bundle; everything else in it is there to be referred to.
func (f Files) bundle(ctx context.Context, rec FileRecord, b fhir.Resource, take func(FileRecord) error) error {
	var focus, related []fhir.Resource
	referrals := false
	for e := range b.Root().Get("entry").Items() {
		r, err := fhir.ResourceAt(e.Get("resource"))
		if err != nil {
			if err := take(FileRecord{Line: rec.Line, Type: rec.Type, Err: err}); err != nil {
				return err
			}
			continue
		}
		switch r.Type() {
		case "ServiceRequest", "Appointment":
			focus = append(focus, r)
		case "ReferralRequest":
			referrals = true
			if err := f.referrals(ctx, rec, r.Raw(), take); err != nil {
				return err
			}
		default:
			related = append(related, r)
		}
	}
	for _, r := range focus {
		one := FileRecord{Line: rec.Line, Type: r.Type()}
		if err := f.r4(ctx, one, fhir.Bundle{Focus: []fhir.Resource{r}, Related: related}, take); err != nil {
			return err
		}
	}
	if len(focus) == 0 && !referrals {
		rec.Note = "no ServiceRequest or Appointment in it"
		return take(rec)
	}
	return nil
}

func (f Files) r4(ctx context.Context, rec FileRecord, b fhir.Bundle, take func(FileRecord) error) error {
	var err error
	if rec.Step, err = f.FHIR.offline(ctx, b.Focus[0].Reference(), b); err != nil {
		return err
	}
	return take(rec)
}

// offline plans one bundle with nothing but the tables and the last-synced images.
func (p *Planner) offline(ctx context.Context, ref fhir.Reference, b fhir.Bundle) (*Step, error) {
	s := &Step{Work: ledger.Work{Source: p.Flow, Ref: ref, First: p.Now()}, Bundle: b, Digest: b.Digest(), Fate: ledger.Pending}
	if err := p.mapStep(ctx, s); err != nil {
		return nil, err
	}
	if s.Fate != ledger.Pending {
		return s, nil
	}
	if err := p.recall(ctx, s); err != nil {
		return nil, err
	}
	if err := p.compare(ctx, []*Step{s}); err != nil {
		return nil, err
	}
	if s.Fate == ledger.Pending && s.nhsNumber() != "" {
		// The records are shown; what would happen to them is that they wait.
		s.hold(ledger.Reason{Code: codePatientMissing, Text: p.unknown(b)}, time.Time{})
	}
	return s, nil
}

// unknown says why nobody is matched where nothing of Salesforce is known.
func (p *Planner) unknown(b fhir.Bundle) string {
	const nobody = "no patient is matched: no Account is known here for this NHS number"
	if slices.ContainsFunc(b.Related, func(r fhir.Resource) bool { return r.Type() == "Patient" }) {
		return nobody + "; patient mode is " + string(p.Policy.Patient) + ", so none is created"
	}
	return nobody + ", and there are no demographics to create one from"
}

// recall takes the patient from the last-synced image, or from an Account that the step itself creates.
func (p *Planner) recall(ctx context.Context, s *Step) error {
	if own := s.write(accountType); own != nil {
		p.link(s, nil)
		return nil
	}
	referral := s.write("ClinicalServiceRequest")
	if p.Memory == nil || referral == nil {
		return nil
	}
	images, err := p.Memory.ImagesByKey(ctx, referral.Object, []string{referral.Key.Value})
	if err != nil {
		return fmt.Errorf("read last-synced images: %w", err)
	}
	if patient, ok := images[referral.Key.Value].Get("PatientId"); ok {
		s.setPatient(patient)
	}
	return nil
}
