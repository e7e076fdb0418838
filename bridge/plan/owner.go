package plan

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"refbridge/bridge"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// The codes of reasons about who a record is about and whom it belongs to; docs/fates.md explains each to an operator.
const (
	codeRowOfAnother       = "row-of-another"      // the same key from another source record
	codeMoved              = "moved"               // what is set on create only has changed at the source
	codePatientDiffers     = "patient-differs"     // another birth date under a known NHS number
	codeAppointmentPatient = "appointment-patient" // the appointment is not for its referral's patient
	codeTestPatient        = "test-patient"        // a number of the test range, for an org that is not on this machine
)

// owners is what the planner asks of the ledger about whom a record belongs to.
type owners interface {
	RefOfKey(ctx context.Context, object, key string) (source string, ref fhir.Reference, err error)
	Known(ctx context.Context, source string, ref fhir.Reference) (ledger.Known, error)
}

// owner returns the source record that a row of Salesforce belongs to; ok is false where nobody has written it yet, or nothing
// is remembered.
func (p *Planner) owner(ctx context.Context, object, key string) (o bridge.Owner, ok bool, err error) {
	asked, remembers := p.Memory.(owners)
	if !remembers {
		return bridge.Owner{}, false, nil
	}
	o.Source, o.Ref, err = asked.RefOfKey(ctx, object, key)
	if errors.Is(err, ledger.ErrNotFound) {
		return bridge.Owner{}, false, nil
	}
	if err != nil {
		return bridge.Owner{}, false, fmt.Errorf("find the owner of %s: %w", object, err)
	}
	return o, true, nil
}

// ofAnother holds a step that would write a row of another source record: the same number came from two. Neither the row nor what
// stands in it is touched.
func ofAnother(w *bridge.Write, have, want bridge.Owner) ledger.Reason {
	return ledger.Reason{Code: codeRowOfAnother, Text: fmt.Sprintf(
		"%s %s belongs to %s of %s, and %s of %s came with the same number; put the number right at the source",
		w.Object, w.Key.Value, have.Ref, have.Source, want.Ref, want.Source)}
}

// belongs holds the step where the row of w has another owner: an earlier step of this plan, or whoever wrote it last.
func (c *comparison) belongs(s *bridge.Step, w *bridge.Write) bool {
	if !w.Exclusive() {
		return true
	}
	have, known := c.owners[bridge.RecordID(w.Object, w.Key)]
	if row, found := c.rows[bridge.RecordID(w.Object, w.Key)]; !known && found && (!row.Image.Unseen || len(row.Open) > 0) {
		have, known = bridge.Owner{Source: row.Source, Ref: row.Ref}, true
	}
	if known && have != bridge.OwnerOf(s) {
		s.Hold(ofAnother(w, have, bridge.OwnerOf(s)), c.planner.Now().Add(bridge.NotVisibleWait))
		return false
	}
	return true
}

// appointmentPatients compares the patient whom an appointment names with that of its referral: where they differ, or cannot be
// compared, the appointment is held. Steps have their patients by now.
func (p *Planner) appointmentPatients(ctx context.Context, steps []*bridge.Step) error {
	planned := map[string]string{} // referral -> token of its patient
	for _, s := range steps {
		for _, w := range s.Writes {
			if s.Patient != "" && s.Fate == ledger.Pending {
				planned[bridge.RecordID(w.Object, w.Key)] = s.Patient
			}
		}
	}
	for _, s := range steps {
		if err := p.comparePatients(ctx, s, planned); err != nil {
			return err
		}
	}
	return nil
}

// comparePatients holds a step whose appointment is not for the patient of its referral. planned are the tokens of the patients of referrals
// that are planned too.
func (p *Planner) comparePatients(ctx context.Context, s *bridge.Step, planned map[string]string) error {
	for _, focus := range s.Bundle.Focus {
		if focus.Type() != "Appointment" || s.Fate != ledger.Pending {
			continue
		}
		named, err := p.named(s.Bundle, focus)
		if err == nil && len(named) == 0 {
			continue
		}
		of, known, wrong := p.referralPatient(ctx, s, planned)
		if wrong != nil {
			return wrong
		}
		if reason, bad := compareNamed(named, of, known, err); bad {
			s.Hold(reason, p.Now().Add(bridge.NotVisibleWait))
		}
	}
	return nil
}

// named returns for each patient whom an appointment names the tokens of the NHS numbers that the patient has. The error says that
// one of them cannot be told.
func (p *Planner) named(b fhir.Bundle, appointment fhir.Resource) (patients [][]string, err error) {
	all, err := namedNumbers(p.Tables, mapping.Input{Focus: appointment, Related: b.Related, Resolver: b.References(), Now: p.Now()})
	for _, numbers := range all {
		var tokens []string
		for _, n := range numbers {
			tokens = append(tokens, p.token(n))
		}
		patients = append(patients, tokens)
	}
	return patients, err
}

// namedNumbers returns for each patient whom an appointment names the NHS numbers that the patient has.
func namedNumbers(tables *mapping.Set, in mapping.Input) (patients [][]string, err error) {
	b := bundleOf(in)
	for _, element := range tables.Named(in) {
		numbers, is, wrong := patientNumbers(b, in.Focus, element)
		switch {
		case !is:
		case wrong != nil:
			err = wrong
		default:
			patients = append(patients, numbers)
		}
	}
	return patients, err
}

func bundleOf(in mapping.Input) fhir.Bundle {
	return fhir.Bundle{Focus: []fhir.Resource{in.Focus}, Related: in.Related, Resolver: in.Resolver}
}

// SamePatient returns mapping.Faults where an appointment names another patient than the referral on which it is based, or one who cannot
// be told, as far as that referral and its patient are found.
func SamePatient(tables *mapping.Set, in mapping.Input) error {
	if in.Focus.Type() != "Appointment" {
		return nil
	}
	named, err := namedNumbers(tables, in)
	if len(named) == 0 && err == nil {
		return nil
	}
	b := bundleOf(in)
	for based := range in.Focus.Root().Get("basedOn").Items() {
		referral, unknown := b.References().Resolve(in.Focus, based.Get("reference").Text())
		if unknown != nil {
			continue
		}
		of, is, wrong := patientNumbers(b, referral, referral.Root().Get("subject"))
		if !is || wrong != nil {
			continue // the referral itself fails, and says why
		}
		if reason, bad := compareNamed(named, of[0], true, err); bad {
			return mapping.Faults{{Kind: mapping.AppointmentPatient, Element: "Appointment.participant", Message: reason.Text}}
		}
	}
	return nil
}

// Why the patient of a participant cannot be told.
var (
	errNoNumber   = errors.New("the patient whom it names has no NHS number")
	errTwoNumbers = errors.New("the number and the reference under which it names its patient are of two people")
)

// patientNumbers returns the NHS numbers of a participant who is a patient; is reports whether it is one. A number beside a reference
// has to be one of the patient to whom the reference leads.
func patientNumbers(b fhir.Bundle, from fhir.Resource, actor fhir.Node) (numbers []string, is bool, err error) {
	number, isNHS, bad := nhsNumberOf(actor.Get("identifier"))
	text := actor.Get("reference").Text()
	is = isNHS || actor.Get("type").Text() == "Patient" || strings.HasPrefix(text, "Patient?")
	if isNHS && bad != nil {
		return nil, true, bad
	}
	if text == "" {
		if isNHS {
			return []string{number}, true, nil
		}
		return nil, is, errNoNumber
	}
	numbers, referred, err := referredNumbers(b, from, text)
	switch is = is || referred; {
	case !is:
		return nil, false, nil
	case isNHS && (errors.Is(err, fhir.ErrForeign) || errors.Is(err, fhir.ErrUnresolved)):
		return []string{number}, true, nil // the patient is not here, and the number says who it is
	case err != nil:
		return nil, true, err
	case isNHS && !slices.Contains(numbers, number):
		return nil, true, errTwoNumbers
	}
	return numbers, true, nil
}

// referredNumbers returns the NHS numbers of the Patient to whom a reference leads; referred reports whether it names a Patient.
func referredNumbers(b fhir.Bundle, from fhir.Resource, text string) (numbers []string, referred bool, err error) {
	ref, malformed := fhir.ParseReference(text)
	referred = malformed == nil && ref.Type == "Patient"
	patient, err := b.References().Resolve(from, text)
	if err != nil {
		return nil, referred, err
	}
	if patient.Type() != "Patient" {
		return nil, false, nil
	}
	for id := range patient.Root().Get("identifier").Items() {
		if n, isNHS, bad := nhsNumberOf(id); isNHS && bad == nil && id.Get("use").Text() != "old" {
			numbers = append(numbers, n)
		}
	}
	if len(numbers) == 0 {
		err = errNoNumber
	}
	return numbers, true, err
}

// nhsNumberOf returns the NHS number of an identifier; isNHS reports whether it is meant to be one.
func nhsNumberOf(identifier fhir.Node) (number string, isNHS bool, err error) {
	switch identifier.Get("system").Text() {
	case fhir.SystemNHSNumber, fhir.SystemNHSNumberSTU3:
		n, err := fhir.ParseNHSNumber(identifier.Get("value").Text())
		return n.Reveal(), true, err
	}
	return "", false, nil
}

// referralPatient returns the token of the patient of the referral that an appointment belongs to: the step's own (e-RS sends both
// together), that of a referral of this plan, or the one last applied.
func (p *Planner) referralPatient(ctx context.Context, s *bridge.Step, planned map[string]string) (string, bool, error) {
	if s.Patient != "" {
		return s.Patient, true, nil
	}
	for _, w := range s.Writes {
		parent, found := p.referralOf(w)
		if !found {
			continue
		}
		id := bridge.RecordID(parent.To().Object, sobject.Key{Value: parent.Key()})
		if token, ok := planned[id]; ok {
			return token, true, nil
		}
		o, found, err := p.owner(ctx, parent.To().Object, parent.Key())
		if err != nil || !found {
			return "", false, err
		}
		known, err := p.Memory.(owners).Known(ctx, o.Source, o.Ref)
		return known.Patient, known.Patient != "", err
	}
	return "", false, nil
}

// referralOf returns the referral that a record points to: the object whose table looks the patient up.
func (p *Planner) referralOf(w *bridge.Write) (sobject.Value, bool) {
	i := slices.IndexFunc(w.Image.Fields, func(f sobject.Field) bool {
		return f.Value.Kind() == sobject.Ref && p.Tables.PatientField(f.Value.To().Object) != ""
	})
	if i < 0 {
		return sobject.Value{}, false
	}
	return w.Image.Fields[i].Value, true
}

// compareNamed decides about an appointment that names patients: named are the tokens of each, of is that of the referral's patient where
// it is known, err says that one of them could not be told.
func compareNamed(named [][]string, of string, known bool, err error) (ledger.Reason, bool) {
	for _, tokens := range named {
		if known && !slices.Contains(tokens, of) {
			return ledger.Reason{Code: codeAppointmentPatient,
				Text: "the appointment is for another patient than its referral; put right at the source whichever is wrong"}, true
		}
	}
	if err != nil && known {
		return ledger.Reason{Code: codeAppointmentPatient,
			Text: "nobody can say whether the appointment is for the patient of its referral: " + err.Error()}, true
	}
	return ledger.Reason{}, false
}

// elsewhere says where a record stands and where the source wants it.
func (c *comparison) elsewhere(w *bridge.Write, want sobject.Field, have sobject.Value) ledger.Reason {
	stands := "another record"
	if have.Kind() == sobject.Ref {
		stands = have.To().Object + " " + have.Key()
	}
	for _, row := range c.current {
		if have.Kind() == sobject.Text && row.ID == have.Reveal() {
			stands = row.Object + " " + row.Key.Value
		}
	}
	if row := c.rows[bridge.RecordID(w.Object, w.Key)]; stands == "another record" {
		if v, _ := bridge.Likely(row).Get(want.Name); v.Kind() == sobject.Ref {
			stands = v.To().Object + " " + v.Key()
		}
	}
	wanted := "another one"
	if want.Value.Kind() == sobject.Ref {
		wanted = want.Value.To().Object + " " + want.Value.Key()
	}
	return ledger.Reason{Code: codeMoved, Field: want.Name, Text: fmt.Sprintf(
		"%s %s belongs to %s in Salesforce, and to %s at the source now; the platform takes this on create only: a person must decide",
		w.Object, w.Key.Value, stands, wanted)}
}
