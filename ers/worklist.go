package ers

import (
	"errors"
	"fmt"
	"strings"

	"refbridge/fhir"
)

// Entry is one referral on a worklist. Ref has the version that the list gives (Referrals For Review since November
// 2025; Appointment Slot Issues never), else none. An entry that cannot be read has Err, which names its position and
// element only, and no Ref.
type Entry struct {
	Ref    fhir.Reference
	Listed []byte // the entry as a List of its own, with what it refers to
	Raw    []byte // of an entry that cannot be read: the entry as received
	Err    error
}

// ReadWorklist reads the answer of A008, whichever list it is. An unreadable entry does not harm its neighbours; a body
// that is no List is an error (an OperationOutcome gives an *Error with its codes).
func ReadWorklist(body []byte) ([]Entry, error) {
	list, err := call{name: "A008 read worklist"}.resource(answer{body: body}, "List")
	if err != nil {
		return nil, err
	}
	entries := list.Root().Get("entry")
	out := make([]Entry, 0, entries.Len())
	for e := range entries.Items() {
		ref, err := worklistEntry(e)
		one := Entry{Ref: ref}
		if err == nil {
			one.Listed = listedEntry(list.Root(), e)
		} else {
			one.Raw, one.Err = e.Raw(), fmt.Errorf("worklist entry %d: %w", len(out)+1, err)
		}
		out = append(out, one)
	}
	return out, nil
}

func worklistEntry(e fhir.Node) (fhir.Reference, error) {
	item := e.Get("item").Get("reference")
	if item.Kind() != fhir.String {
		return fhir.Reference{}, errors.New("item.reference is missing or no string")
	}
	ref, err := fhir.ParseReference(item.Text())
	if err != nil {
		return fhir.Reference{}, fmt.Errorf("item.reference: %w", err)
	}
	if ref.Base != "" { // e-RS writes ReferralRequest/{ubrn}; what is on another server is no referral of this worklist
		return fhir.Reference{}, errors.New("item.reference: an absolute URL, not a referral of this server")
	}
	if err := referral(ref); err != nil {
		return fhir.Reference{}, fmt.Errorf("item.reference: %w", err)
	}
	return fhir.Reference{
		Type: "ReferralRequest", ID: strings.Clone(ref.ID), Version: strings.Clone(listedVersion(e)),
	}, nil
}

// listedVersion finds referralRequestVersion in the entry's extension. It is a hint: what is not a plain number is none.
func listedVersion(entry fhir.Node) string {
	for ext := range entry.Get("extension").Items() {
		version := part(ext, "referralRequestVersion").Get("valueInteger").Text()
		if versionPattern().MatchString(version) {
			return version
		}
	}
	return ""
}

// Referrals finds the referrals in a file or an answer: a ReferralRequest itself, or those inside a Parameters (the
// answer of A036) or a Bundle, which may have worklists beside them. Such a wrapper without a referral gives none and no error; any other
// type is an error.
func Referrals(body []byte) ([]Referral, error) {
	r, err := fhir.Parse(body)
	if err != nil {
		return nil, err
	}
	wrapper := "parameter"
	switch r.Type() {
	case "ReferralRequest":
		return []Referral{{Resource: r}}, nil
	case "Bundle":
		wrapper = "entry"
	case "Parameters":
	default:
		return nil, errors.New("neither a ReferralRequest nor a Bundle or Parameters of them")
	}
	var out []Referral
	var listed []fhir.Resource
	for part := range r.Root().Get(wrapper).Items() {
		inner, err := fhir.ResourceAt(part.Get("resource"))
		switch {
		case err != nil:
		case inner.Type() == "ReferralRequest":
			out = append(out, Referral{Resource: inner})
		case inner.Type() == "List":
			listed = append(listed, inner)
		}
	}
	for i := range out {
		out[i].Listed = listed
	}
	return out, nil
}
