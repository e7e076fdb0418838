package plan

import (
	"context"
	"errors"
	"net/http"
	"slices"
	"time"

	"refbridge/bridge"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// identities notes what the source says of who the patient of a step is.
func (p *Planner) identities(s *bridge.Step, in mapping.Input) {
	for _, r := range p.Tables.Identities(in) {
		if r.Object == p.Tables.PatientObject() {
			s.Identities = append(s.Identities, r)
		}
	}
}

// samePeople compares what the source says of who a patient is with the Account that was found by the NHS number, before anything is
// written: also where patients are only linked, and where the Account was there before us. A step whose patient is somebody else is held,
// and no stop flag is set on that Account.
func (p *Planner) samePeople(ctx context.Context, steps []*bridge.Step) error {
	sel := sfdc.Selection{Object: p.Tables.PatientObject(), KeyField: "Id"}
	found := map[*bridge.Step]string{}
	for _, s := range steps {
		id := p.accountOf(s)
		if id == "" || len(s.Identities) == 0 || s.Fate != ledger.Pending {
			continue
		}
		found[s] = id
		sel.Keys = append(sel.Keys, id)
		for _, r := range s.Identities {
			for _, f := range r.Fields {
				sel.Fields = append(sel.Fields, f.Name)
			}
		}
	}
	if p.Target == nil || len(found) == 0 {
		return nil
	}
	slices.Sort(sel.Keys)
	slices.Sort(sel.Fields)
	sel.Keys, sel.Fields = slices.Compact(sel.Keys), slices.Compact(sel.Fields)
	rows, err := p.Target.Retrieve(ctx, sel)
	if err != nil && !p.without(err) {
		return p.refused(ctx, err, "retrieve "+sel.Object)
	}
	for s, id := range found {
		if i := slices.IndexFunc(rows, func(r sobject.Record) bool { return r.ID == id }); i >= 0 {
			samePerson(s, rows[i], p.Now().Add(bridge.NotVisibleWait))
		}
	}
	return nil
}

// without reports whether an org has no such field, or does not show it, and need not have it: patients are only linked.
func (p *Planner) without(err error) bool {
	var e *sfdc.Error
	return p.Policy.Patient != CreateMode && errors.As(err, &e) && (e.Code == sfdc.CodeField || e.Status == http.StatusNotFound)
}

// accountOf returns the id of the Account that was found for the step's patient; empty where there is none.
func (p *Planner) accountOf(s *bridge.Step) string {
	if patient, ok := p.patientOf(s); ok && patient.Kind() == sobject.Text {
		return patient.Reveal()
	}
	return ""
}

// samePerson holds the step where an Account is of another person than the source says.
func samePerson(s *bridge.Step, have sobject.Record, next time.Time) {
	for _, said := range s.Identities {
		if name := otherIdentity(have, said); name != "" {
			s.Hold(patientDiffers(said.Object, name), next)
			s.Stops = slices.DeleteFunc(s.Stops, func(r sobject.Record) bool { return r.Object == said.Object })
			return
		}
	}
}

// otherIdentity returns the first field by which two records that should be one are about two people; empty where there is none.
func otherIdentity(a, b sobject.Record) string {
	for _, f := range b.Fields {
		other, _ := a.Get(f.Name)
		if f.Owner == sobject.Identity && !f.Value.IsNull() && !other.IsNull() && !bridge.SameIdentity(other, f.Value) {
			return f.Name
		}
	}
	return ""
}

func patientDiffers(object, field string) ledger.Reason {
	return ledger.Reason{Code: codePatientDiffers, Field: field, Text: "under this NHS number " + object +
		" has another value of what says who it is: one of the two may have somebody else's number; nothing of the patient was changed. " +
		"If the source has put it right, put it right in Salesforce too"}
}
