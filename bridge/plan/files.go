package plan

import (
	"context"
	"fmt"
	"slices"
	"time"

	"refbridge/bridge"
	"refbridge/bridge/source"
	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/ndjson"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// Files plans resources that stand in files, with no network at all: R4 ServiceRequest, Appointment or Bundle, one document
// or NDJSON, and STU3 ReferralRequest as e-RS sends it (alone, in Parameters or in a Bundle), and worklists.
type Files struct {
	ERS  Planner // for ReferralRequest; its Target is nil
	FHIR Planner // for R4; its Target is nil
	// Beyond knows the server of FHIR, and what stands in other lines and files; nil: references lead within a line only.
	Beyond *fhir.Resolver
}

// FileRecord is what one resource of a file became: a Step, the sightings of a worklist, a Note that there is nothing to map,
// why it could not be read, or that it is of a kind that is not mapped by itself.
type FileRecord struct {
	Line      int // of the file, 1-based
	Type      string
	Step      *bridge.Step
	Sightings []ledger.Sighting
	Note      string
	Err       error
	Others    map[string]int // how many there are of each kind that is not mapped by itself
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
	}
	c := mapping.ContentsOf(r)
	c.Among(f.Beyond)
	return f.contents(ctx, rec, c, take)
}

// contents plans what stands in one record of R4.
func (f Files) contents(ctx context.Context, rec FileRecord, c mapping.Contents, take func(FileRecord) error) error {
	for _, err := range c.Broken {
		if err := take(FileRecord{Line: rec.Line, Type: rec.Type, Err: err}); err != nil {
			return err
		}
	}
	for _, sent := range c.Sent {
		if err := f.referrals(ctx, FileRecord{Line: rec.Line, Type: sent.Type()}, sent.Raw(), take); err != nil {
			return err
		}
	}
	for _, b := range c.Each() {
		if err := f.r4(ctx, FileRecord{Line: rec.Line, Type: b.Focus[0].Type()}, b, take); err != nil {
			return err
		}
	}
	for _, ref := range c.Deleted {
		if err := take(FileRecord{Line: rec.Line, Type: rec.Type, Note: deleted(ref)}); err != nil {
			return err
		}
	}
	if len(c.Others) == 0 {
		return nil
	}
	return take(FileRecord{Line: rec.Line, Type: rec.Type, Others: c.Others})
}

func deleted(ref fhir.Reference) string {
	name := "a record that the entry does not name"
	if ref.ID != "" {
		name = ref.String()
	}
	return name + ": " + mapping.WhyNot(mapping.KindDeleted)
}

func worklist(rec FileRecord, doc []byte) FileRecord {
	entries, err := ers.ReadWorklist(doc)
	if err != nil {
		rec.Err = err
		return rec
	}
	for _, e := range entries {
		s := ledger.Sighting{Ref: e.Ref}
		if e.Err != nil {
			s = source.Unreadable(e.Raw, e.Err)
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
		bundle, err := ers.Normalise(r.Resource, r.Listed...)
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

func (f Files) r4(ctx context.Context, rec FileRecord, b fhir.Bundle, take func(FileRecord) error) error {
	var err error
	if rec.Step, err = f.FHIR.offline(ctx, b.Focus[0].Reference(), b); err != nil {
		return err
	}
	return take(rec)
}

// offline plans one bundle with nothing but the tables and the last-synced images.
func (p *Planner) offline(ctx context.Context, ref fhir.Reference, b fhir.Bundle) (*bridge.Step, error) {
	s := &bridge.Step{Work: ledger.Work{Source: p.Flow, Ref: ref, First: p.Now()}, Bundle: b, Digest: b.Digest(), Fate: ledger.Pending}
	if err := p.mapStep(ctx, s); err != nil {
		return nil, err
	}
	if err := p.appointmentOffline(ctx, s); err != nil {
		return nil, err
	}
	if err := p.ahead(ctx, []*bridge.Step{s}); err != nil {
		return nil, err
	}
	if s.Fate != ledger.Pending {
		return s, nil
	}
	if err := p.recall(ctx, s); err != nil {
		return nil, err
	}
	if err := p.compare(ctx, []*bridge.Step{s}); err != nil {
		return nil, err
	}
	if s.Fate == ledger.Pending && nhsNumberIn(s) != "" {
		// The records are shown; what would happen to them is that they wait.
		s.Hold(ledger.Reason{Code: bridge.CodePatientMissing, Text: p.unknown(b)}, time.Time{})
	}
	return s, nil
}

// appointmentOffline compares the patient whom an appointment names with that of its referral: of the one that the step holds too, that
// stands in the same record of the file or in another one, or that was last applied.
func (p *Planner) appointmentOffline(ctx context.Context, s *bridge.Step) error {
	if s.Fate != ledger.Pending {
		return nil
	}
	if n := nhsNumberIn(s); n != "" {
		s.Patient = p.token(n)
	}
	planned := map[string]string{}
	for _, focus := range s.Bundle.Focus {
		if focus.Type() != "Appointment" {
			continue
		}
		for based := range focus.Root().Get("basedOn").Items() {
			referral, err := s.Bundle.References().Resolve(focus, based.Get("reference").Text())
			if err == nil && referral.Type() == "ServiceRequest" {
				p.referralOffline(s, referral, planned)
			}
		}
	}
	return p.comparePatients(ctx, s, planned)
}

// referralOffline notes the patient of each record that the tables make of a referral; of one that they hold nothing is known.
func (p *Planner) referralOffline(s *bridge.Step, referral fhir.Resource, planned map[string]string) {
	out, err := p.Tables.Map(p.input(s, referral, p.Policy.Run))
	if err != nil {
		return
	}
	of := &bridge.Step{}
	for _, m := range out.Records {
		of.Writes = append(of.Writes, wanted(m))
	}
	for _, w := range of.Writes {
		if n := nhsNumberIn(of); n != "" {
			planned[bridge.RecordID(w.Object, w.Key)] = p.token(n)
		}
	}
}

// unknown says why nobody is matched where nothing of Salesforce is known.
func (p *Planner) unknown(b fhir.Bundle) string {
	const nobody = "no patient is matched: no Account is known here for this NHS number"
	subject := b.Focus[0].Root().Get("subject").Get("reference").Text()
	if patient, err := b.References().Resolve(b.Focus[0], subject); err == nil && patient.Type() == "Patient" {
		return nobody + "; patient mode is " + string(p.Policy.Patient) + ", so none is created"
	}
	return nobody + ", and there are no demographics to create one from"
}

// recall takes the patient from the last-synced image of the referral, or from an Account that the step itself creates. An Account
// that the image names was there before: compare then drops what would be written to another one.
func (p *Planner) recall(ctx context.Context, s *bridge.Step) error {
	patient, known, err := p.remembered(ctx, s)
	switch {
	case err != nil:
		return err
	case known && (patient.Kind() == sobject.Text || writeOf(s, p.Tables.PatientObject()) == nil):
		setPatient(s, patient)
	case writeOf(s, p.Tables.PatientObject()) != nil:
		p.link(s, nil)
	}
	return nil
}

// remembered is the patient of the last-synced image of a referral.
func (p *Planner) remembered(ctx context.Context, s *bridge.Step) (sobject.Value, bool, error) {
	i := slices.IndexFunc(s.Writes, func(w *bridge.Write) bool { return p.Tables.PatientField(w.Object) != "" })
	if p.Memory == nil || i < 0 {
		return sobject.Value{}, false, nil
	}
	referral := s.Writes[i]
	rows, err := p.Memory.Rows(ctx, referral.Object, []string{referral.Key.Value})
	if err != nil {
		return sobject.Value{}, false, fmt.Errorf("read last-synced images: %w", err)
	}
	patient, ok := bridge.Likely(rows[referral.Key.Value]).Get(p.Tables.PatientField(referral.Object))
	return patient, ok, nil
}
