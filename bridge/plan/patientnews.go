package plan

import (
	"context"
	"fmt"
	"strings"

	"refbridge/bridge"
	"refbridge/bridge/source"
	"refbridge/fhir"
	"refbridge/ledger"
)

// CodePatientKept is the reason of a version that is applied though the source changed its patient: the Account is not refbridge's to
// change, and a person may have to.
const CodePatientKept = "patient-kept"

// remembering gives what was read of a version before.
type remembering interface {
	Body(ctx context.Context, source string, ref fhir.Reference) ([]byte, error)
}

// patientNews tells what the source changed of the patients of a plan since their records were last applied, where the Account is left
// to its owner: where patients are only linked, or the Account was there before.
func (p *Planner) patientNews(ctx context.Context, steps []*bridge.Step) error {
	kept, is := p.Memory.(remembering)
	if !is {
		return nil
	}
	for _, s := range steps {
		last := s.Work.Known.Version
		if s.Fate != ledger.Pending || last == "" || last == s.Work.Ref.Version || writeOf(s, p.Tables.PatientObject()) != nil {
			continue
		}
		ref := s.Work.Ref.Current()
		ref.Version = last
		body, err := kept.Body(ctx, s.Work.Source, ref)
		if err != nil {
			return fmt.Errorf("read what was applied of %s: %w", s.Work.Ref.Current(), err)
		}
		if len(body) == 0 || bridge.IsTombstone(body) {
			continue
		}
		before, _, err := p.Source.Normalise(ctx, body)
		if bridge.Stopped(ctx, err) {
			return err
		}
		if changed := patientChanges(before, s.Bundle); err == nil && len(changed) > 0 {
			s.Reason = patientKept(changed)
		}
	}
	return nil
}

// patientChanges returns the elements of the patient that differ between two versions of a record; none where one of them came without.
func patientChanges(before, now fhir.Bundle) []string {
	was, is := subject(before), subject(now)
	if !was.Exists() || !is.Exists() || was.ID() != is.ID() {
		return nil
	}
	return is.Differs(was)
}

// subject is the Patient that came along with a record; none where it names its patient by a number alone.
func subject(b fhir.Bundle) fhir.Resource {
	for _, focus := range b.Focus {
		patient, err := b.References().Resolve(focus, focus.Root().Get("subject").Get("reference").Text())
		if err == nil && patient.Type() == source.PatientType {
			return patient
		}
	}
	return fhir.Resource{}
}

func patientKept(changed []string) ledger.Reason {
	words := make([]string, len(changed))
	for i, element := range changed {
		words[i] = inWords(element)
	}
	return ledger.Reason{Code: CodePatientKept, Text: "the source changed the patient's " + strings.Join(words, ", ") +
		"; the Account is left to its owner: put it right there too, where that is wanted"}
}

// inWords names an element of a Patient for people.
func inWords(element string) string {
	switch element {
	case "telecom":
		return "telephone or e-mail"
	case "birthDate":
		return "birth date"
	case "deceased":
		return "death"
	case "generalPractitioner":
		return "GP"
	case "contact":
		return "next of kin (contact)"
	}
	return element
}
