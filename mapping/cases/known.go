package cases

import (
	"net/url"
	"reflect"
	"slices"
	"strings"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
)

// ofPerson tells whether the display of a reference is the name of a person, or may be.
func ofPerson(ref fhir.Node) bool {
	typ := ref.Get("type").Text()
	if to, err := fhir.ParseReference(ref.Get("reference").Text()); err == nil {
		typ = to.Type
	}
	switch typ {
	case "Patient", "Practitioner", "PractitionerRole", "RelatedPerson", "Person":
		return true
	case "Organization", "Location", "HealthcareService", "Device", "CareTeam", "Group", "Endpoint":
		return false
	}
	if ofOrganisation(ref.Get("identifier").Get("system").Text()) {
		return false
	}
	switch ref.Element() {
	case "subject", "patient", "practitioner", "generalPractitioner":
		return true
	case "requester", "performer", "actor", "agent", "onBehalfOf", "author", "authorReference", "recorder", "asserter",
		"sender", "recipient", "informant", "individual", "party", "supervisor", "collector", "who":
		return !slices.ContainsFunc(strings.FieldsFunc(fold(ref.Get("display").Text()), notLetter), organisationWord)
	}
	return false
}

// organisationWord tells whether a word stands in the names of organisations and services, and hardly in those of people.
func organisationWord(word string) bool {
	return slices.Contains(strings.Fields("service services clinic clinics hospital hospitals centre department surgery trust pharmacy practice infirmary"), word)
}

// ofOrganisation tells whether a system numbers organisations or services.
func ofOrganisation(system string) bool {
	last := strings.ToLower(system[strings.LastIndex(system, "/")+1:])
	return last == "ers-service" || strings.HasPrefix(last, "ods-") || last == "organization" || last == "organisation"
}

// publisher tells whether a url is one of those who publish the structures that everybody uses.
func publisher(address string) bool {
	if strings.HasPrefix(address, "urn:refbridge:") || strings.HasPrefix(address, "urn:ietf:") {
		return true
	}
	u, err := url.Parse(address)
	if err != nil || u.User != nil || u.RawQuery != "" {
		return false
	}
	return slices.ContainsFunc([]string{"hl7.org", "fhir.nhs.uk", "fhir.nhs.net", "fhir.hl7.org.uk", "snomed.info", "loinc.org", "dmd.nhs.uk", "unitsofmeasure.org"},
		func(host string) bool { return u.Host == host || strings.HasSuffix(u.Host, "."+host) })
}

// publishedWord tells whether a word stands in the urls that are published: as a part of the path, as an element, as one of its codes.
func publishedWord(word string) bool {
	if slices.Contains(strings.Fields(`id stu dstu fhir structure definition code system value set naming extension concept map profile sct dmd
		uk core england ers nhs care connect gp ods sds hl adt booking referral pathway start clinical info first last submitted updated
		commissioning rule org additional requirement shortlist attached by triage state reason comments reference sequence`), word) {
		return true
	}
	said := func(text string) bool {
		return slices.Contains(strings.FieldsFunc(fold(hump().ReplaceAllString(text, "$1 $2")), notLetter), word)
	}
	for name, codes := range knownElements() {
		if said(name) || slices.ContainsFunc(codes, said) {
			return true
		}
	}
	return false
}

// knownType tells whether the model knows a type of resources.
func knownType(typ string) bool {
	r, err := fhir.Parse([]byte(`{"resourceType":"` + typ + `"}`))
	return err == nil && fhirpath.NodeItem(r.Root()).Type() == "FHIR."+typ
}

// typeName tells whether a word is a type of resources of FHIR R4, in whatever case.
func typeName(word string) bool {
	return slices.ContainsFunc(codesOf(reflect.TypeOf(r4.ResourceType(0))), func(typ string) bool { return strings.EqualFold(typ, word) })
}

// elements are the names that elements of the usual resources have, and the codes of those that are bound to a list.
type elements map[string][]string

func knownElements() elements {
	out, seen := elements{"resourceType": nil, "fhir_comments": nil}, map[reflect.Type]bool{}
	for _, t := range []any{r4.ServiceRequest{}, r4.Appointment{}, r4.Patient{}, r4.Practitioner{}, r4.PractitionerRole{}, r4.Organization{},
		r4.Location{}, r4.HealthcareService{}, r4.RelatedPerson{}, r4.Person{}, r4.Bundle{}, r4.Condition{}, r4.Observation{}, r4.Encounter{},
		r4.Task{}, r4.Slot{}, r4.Schedule{}, r4.DocumentReference{}, r4.Communication{}, r4.CarePlan{}, r4.Coverage{}, r4.Provenance{}} {
		out.of(reflect.TypeOf(t), seen)
	}
	return out
}

func (e elements) has(name string) bool {
	_, ok := e[name]
	return ok
}

// of adds the elements of a type, and of those within.
func (e elements) of(t reflect.Type, seen map[reflect.Type]bool) {
	t = within(t)
	if t.Kind() != reflect.Struct || seen[t] {
		return
	}
	seen[t] = true
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		typ := t.Field(i).Type
		e[name] = append(e[name], codesOf(within(typ))...)
		e.of(typ, seen)
	}
}

func within(t reflect.Type) reflect.Type {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	return t
}

// codesOf gives the codes that an element must have; none where it is not bound.
func codesOf(t reflect.Type) []string {
	if _, ok := reflect.Zero(t).Interface().(interface{ Code() string }); !ok || t.Kind() != reflect.Int {
		return nil
	}
	var out []string
	for i := int64(0); ; i++ {
		v := reflect.New(t).Elem()
		v.SetInt(i)
		coded, _ := v.Interface().(interface{ Code() string })
		if coded.Code() == "<unknown>" {
			return out
		}
		out = append(out, coded.Code())
	}
}
