package source

import (
	"context"

	"refbridge/fhir"
)

// SpendDay takes what is left of today's worklist calls out of the ration.
func (e *ERS) SpendDay(ctx context.Context) error {
	for _, service := range e.Services {
		if err := e.Client.SpendWorklists(ctx, service); err != nil {
			return err
		}
	}
	return nil
}

// RefOf implements rooted: every row belongs to the referral, and worklists do not name it for ever.
func (e *ERS) RefOf(typ, id, referral string) (ref fhir.Reference, reread, ok bool) {
	if typ == "ServiceRequest" {
		referral = id
	}
	return fhir.Reference{Type: "ReferralRequest", ID: referral}, true, referral != ""
}

// RefOf implements rooted: appointments are records of their own, and the polls of a lost ledger begin at the beginning.
func (f *FHIRServer) RefOf(typ, id, referral string) (ref fhir.Reference, reread, ok bool) {
	switch typ {
	case "ServiceRequest":
		referral = id
	case "Appointment":
		return fhir.Reference{Type: typ, ID: id}, false, id != ""
	}
	return fhir.Reference{Type: "ServiceRequest", ID: referral}, false, referral != ""
}
