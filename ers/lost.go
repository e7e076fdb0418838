package ers

import (
	"slices"
	"strings"

	"refbridge/fhir"
)

// Lost gives the values of a referral that Normalise does not take over, each with the reason. The reason is empty where nobody has
// thought about it: e-RS has begun to send it. What ties the parts of the document together is no value. Of a referral that
// cannot be normalised nothing is lost. The same goes for what worklists say of it.
func Lost(referral fhir.Resource, listed ...fhir.Resource) map[fhir.Node]string {
	var seen []fhir.Node
	n := &normaliser{root: referral.Root(), elements: elements{seen: &seen}}
	n.serviceRequest()
	n.listed(listed)
	n.appointment()
	if referral.Type() != "ReferralRequest" || n.err != nil {
		return nil
	}
	l := lost{taken: map[fhir.Node]bool{}, out: map[fhir.Node]string{}}
	for _, node := range seen {
		l.taken[node] = true
	}
	l.walk(referral.Root(), "")
	for _, list := range listed {
		l.walk(list.Root(), "")
	}
	return l.out
}

type lost struct {
	taken map[fhir.Node]bool
	out   map[fhir.Node]string
}

// walk looks at a node; path is that below the nearest resource: List.entry.item.display, extensions and parameters by their name.
func (l *lost) walk(n fhir.Node, path string) {
	switch n.Kind() {
	case fhir.Missing, fhir.Null:
	case fhir.Object:
		if typ := n.Get("resourceType").Text(); typ != "" {
			path = typ
		}
		for m := range n.Members() {
			if !tie(m, n) || local(m) && underUnknown(path) {
				l.walk(m, path+"."+m.Name())
			}
		}
	case fhir.Array:
		for item := range n.Items() {
			l.walk(item, path+named(n, item))
		}
	default:
		if !l.taken[n] {
			l.out[n] = why(path)
		}
	}
}

// named tells extensions and parameters apart.
func named(list, item fhir.Node) string {
	switch list.Name() {
	case "extension", "modifierExtension":
		return "(" + strings.TrimPrefix(unversioned(lastSegment(item.Get("url").Text())), "Extension-eRS-") + ")"
	case "parameter":
		return "(" + item.Get("name").Text() + ")"
	}
	return ""
}

// underUnknown tells whether a path leads into an extension of the referral that is copied or lost as a whole.
func underUnknown(path string) bool {
	name, inside := strings.CutPrefix(path, "ReferralRequest.extension(")
	name, _, _ = strings.Cut(name, ")")
	return inside && !slices.ContainsFunc(extensions(), func(known string) bool { return strings.EqualFold(known, name) })
}

// tie tells whether a member holds parts of a document together and says nothing itself.
func tie(m, of fhir.Node) bool {
	switch m.Name() {
	case "resourceType":
		return true
	case "id":
		return of.Get("resourceType").Exists() && of.Parent().Exists()
	case "reference":
		return local(m)
	case "url":
		return of.Element() == "extension" || of.Element() == "modifierExtension"
	case "name":
		return of.Element() == "parameter"
	}
	return false
}

// why gives the reason for which a value is left out, empty where there is none yet.
func why(path string) string {
	for _, l := range losses() {
		if under(path, l[0]) || strings.HasSuffix("."+path, l[0]) && strings.HasPrefix(l[0], ".") {
			return l[1]
		}
	}
	if under(path, "Patient.identifier") {
		return notListed("patient")
	}
	return whyNotListed(path)
}

func under(path, element string) bool {
	rest, ok := strings.CutPrefix(path, element)
	return ok && (rest == "" || rest[0] == '.')
}

// losses are what Normalise leaves out on purpose: an element with all below it, or the end of a path, and the reason.
func losses() [][2]string {
	const search = "A criterion of the search for a service; the referral has the service that was found."
	return [][2]string{
		{".meta.profile", "The profile of STU3; what is made of it is R4."},
		{"ReferralRequest.intent", "e-RS writes plan in every referral; in R4 it is an order."},
		{"Appointment.meta.versionId", "The version is that of the referral, with which the appointment comes."},
		{"Appointment.language", "The language of the resource, which is always English."},
		{"Appointment.incomingReferral", "It is the referral that holds the appointment."},
		{"List.status", "A shortlist always is current."},
		{"List.mode", "A shortlist always is a snapshot."},
		{"List.entry.item", "The service of the appointment is the performer, else the only one of the shortlist; a longer one is a choice not made yet."},
		{"Parameters.parameter(priority)", "The priority searched with; the referral has its own."},
		{"Parameters.parameter(specialty)", "The specialty searched with; the referral has its own, and where it has none this one stands in."},
		{"Parameters.parameter(namedClinician)", "The clinician searched with; clinicians are not synced."},
		{"Parameters.parameter(clinicalTerm)", search},
		{"Parameters.parameter(indicativeAppointmentWaitTimeLimit)", search},
		{"Parameters.parameter(postcode)", search},
		{"Parameters.parameter(distanceLimit)", search},
		{"Parameters.parameter(ageAndGenderAppropriate)", search},
		{"Parameters.parameter(commissioningProvisioning)", search},
	}
}
