package bridge

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/ledger"
)

const (
	maxLine = 16 << 20 // bytes of one resource
	maxFile = 64 << 20 // bytes of a file that is one document
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

// ErrStop, returned by the function that takes records, ends Plan without an error.
var ErrStop = errors.New("stop")

// Plan reads one file and hands out a record for each resource, in order, in constant memory for NDJSON. A resource that
// cannot be read is a record with Err; its neighbours go on. The error is for the file as a whole or from take.
// lines says that the file is NDJSON for certain; otherwise it is looked for.
func (f Files) Plan(ctx context.Context, r io.Reader, lines bool, take func(FileRecord) error) error {
	in := bufio.NewReaderSize(r, 64<<10)
	if mark, _ := in.Peek(3); bytes.Equal(mark, []byte("\xef\xbb\xbf")) {
		_, _ = in.Discard(3) // a byte order mark, as Windows tools write it
	}
	if !lines {
		begin, one, err := opening(in)
		if err != nil {
			return err
		}
		if one {
			return f.whole(ctx, begin, take)
		}
		in = bufio.NewReaderSize(io.MultiReader(bytes.NewReader(begin), in), 64<<10)
	}
	for line := 1; ; line++ {
		doc, err := readLine(in)
		if len(bytes.TrimSpace(doc)) > 0 {
			if stop := f.document(ctx, line, doc, take); stop != nil {
				return unlessStop(stop)
			}
		}
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return fmt.Errorf("line %d: %w", line, err)
		}
	}
}

// opening reads until it is known what kind of file this is: NDJSON has a line that is a JSON object by itself and begins at
// the margin (the first ones may be damaged); one document, indented for example, has none and is read whole.
func opening(in *bufio.Reader) (begin []byte, one bool, err error) {
	for {
		line, err := readLine(in)
		begin = append(begin, line...)
		switch {
		case bytes.HasPrefix(line, []byte("{")) && json.Valid(line):
			return begin, false, nil
		case err == io.EOF:
			return begin, true, nil
		case err != nil:
			return nil, false, err
		case len(begin) > maxFile:
			return nil, false, errLongFile
		}
	}
}

func unlessStop(err error) error {
	if errors.Is(err, ErrStop) {
		return nil
	}
	return err
}

var (
	errLongLine = errors.New("a line longer than 16 MiB")
	errLongFile = errors.New("one document longer than 64 MiB")
	errMarkup   = errors.New("an HTML page or XML, not FHIR JSON")
)

// readLine reads up to and with a line's end; io.EOF comes with the last line.
func readLine(in *bufio.Reader) ([]byte, error) {
	var line []byte
	for {
		part, err := in.ReadSlice('\n')
		line = append(line, part...)
		if len(line) > maxLine {
			return nil, errLongLine
		}
		if !errors.Is(err, bufio.ErrBufferFull) {
			return line, err
		}
	}
}

// whole takes the file as one document, for example one that is indented.
func (f Files) whole(ctx context.Context, doc []byte, take func(FileRecord) error) error {
	if len(bytes.TrimSpace(doc)) == 0 {
		return nil
	}
	return unlessStop(f.document(ctx, 1, doc, take))
}

func (f Files) document(ctx context.Context, line int, doc []byte, take func(FileRecord) error) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	r, err := fhir.Parse(doc)
	if err != nil && bytes.HasPrefix(bytes.TrimSpace(doc), []byte("<")) {
		err = errMarkup
	}
	if err != nil {
		return take(FileRecord{Line: line, Err: err})
	}
	rec := FileRecord{Line: line, Type: r.Type()}
	switch r.Type() {
	case "ReferralRequest", "Parameters":
		return f.referrals(ctx, rec, doc, take)
	case "List":
		return take(worklist(rec, doc))
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
