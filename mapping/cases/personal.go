package cases

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/mapping"
)

// noElement stands in a path for a member with a name that must not be shown.
const noElement = "(a name that no element has)"

var (
	mailShape = regexp.MustCompile(`[^\s@/]+@[^\s@/]+\.[a-z]`)
	// postcodeShape finds a UK postcode, with or without its space.
	postcodeShape = regexp.MustCompile(`(?i)(?:^|[^a-z0-9])[a-z]{1,2}\d[a-z\d]?[ _.+\-]?\d[a-z]{2}(?:$|[^a-z0-9])`)
	// postcodeAlone is a code that is one: the second part has none of the letters C, I, K, M, O and V.
	postcodeAlone = regexp.MustCompile(`(?i)^[a-z]{1,2}\d[a-z\d]?\d[abd-hjlnp-uw-z]{2}$`)
	hump          = regexp.MustCompile(`([a-z])([A-Z])`)
)

// remains looks for what may be personal in all that was kept: the words of a name in a code, an identifier in a system.
func (s *synthesiser) remains() error {
	elements := elementNames()
	strange := func(name string) bool {
		return !elements[strings.TrimPrefix(name, "_")] && (s.personal(name) || s.personal(hump.ReplaceAllString(name, "$1 $2")))
	}
	places := s.strange
	for _, m := range s.members {
		if strange(m.What) {
			places = append(places, m.Path+"."+noElement)
		}
	}
	for _, k := range s.kept {
		if s.personal(k.What) {
			places = append(places, k.Path)
		}
	}
	if len(places) == 0 {
		return nil
	}
	for i, place := range places {
		places[i] = unnamed(place, strange)
	}
	slices.Sort(places)
	return fmt.Errorf("%w: %s", ErrPersonal, strings.Join(slices.Compact(places), ", "))
}

// unnamed gives a path without the names that must not be shown.
func unnamed(path string, strange func(string) bool) string {
	steps := strings.Split(path, ".")
	for i, step := range steps {
		name, _, _ := strings.Cut(step, "[")
		if i == 0 && knownType(name) || name == "" || !mapping.ValidElementName(name) {
			continue
		}
		if strange(name) {
			steps[i] = noElement + step[len(name):]
		}
	}
	return strings.Join(steps, ".")
}

// personal tells whether a text holds what was replaced elsewhere, or has the shape of what is personal.
func (s *synthesiser) personal(text string) bool {
	text = strings.ToLower(text)
	words, closed := strings.FieldsFunc(text, notLetter), compact(text)
	within := func(in string) func(string) bool {
		return func(secret string) bool { return strings.Contains(in, secret) }
	}
	return mailShape.MatchString(text) || strings.Contains(text, "://") && postcodeShape.MatchString(text) || mapping.HoldsNHSNumber(text) ||
		slices.ContainsFunc(s.secrets, within(text)) || slices.ContainsFunc(s.postcodes, within(closed)) ||
		slices.ContainsFunc(s.names, within(text)) ||
		slices.ContainsFunc(s.words, func(word string) bool { return slices.Contains(words, word) })
}

// shortestWithin is from how many letters on a name is looked for inside of other words.
const shortestWithin = 5

// named collects the words of a person's name.
func (s *synthesiser) named(was string) {
	for _, word := range strings.FieldsFunc(strings.ToLower(was), notLetter) {
		switch {
		case len(word) < 3 || slices.Contains(titles(), word) || slices.Contains(commonWords(), word):
		case len(word) >= shortestWithin:
			s.names = append(s.names, word)
		default:
			s.words = append(s.words, word)
		}
	}
}

// located collects the words and the postcode of an address.
func (s *synthesiser) located(was string) {
	for _, word := range strings.FieldsFunc(strings.ToLower(was), notLetter) {
		if len(word) >= 3 {
			s.words = append(s.words, word)
		}
	}
	for _, code := range postcodeShape.FindAllString(was, -1) {
		s.postcodes = append(s.postcodes, compact(strings.ToLower(code)))
	}
}

// compact leaves letters and digits alone.
func compact(lower string) string {
	return strings.Map(func(r rune) rune {
		if notLetter(r) && onlyDigits(r) < 0 {
			return -1
		}
		return r
	}, lower)
}

// commonWords stand in displays of people, and in the systems and urls of everybody.
func commonWords() []string {
	return []string{"nhs", "fhir", "patient", "practitioner", "person", "user", "consultant", "doctor", "nurse", "and", "the", "for"}
}

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
	if strings.Contains(ref.Get("identifier").Get("system").Text(), "ods-organization-code") {
		return false
	}
	switch ref.Element() {
	case "subject", "patient", "requester", "performer", "actor", "agent", "onBehalfOf", "author", "authorReference", "recorder", "asserter",
		"practitioner", "generalPractitioner", "sender", "recipient", "informant", "individual", "party", "supervisor", "collector", "who":
		return true
	}
	return false
}

// knownType tells whether the model knows a type of resources.
func knownType(typ string) bool {
	r, err := fhir.Parse([]byte(`{"resourceType":"` + typ + `"}`))
	return err == nil && fhirpath.NodeItem(r.Root()).Type() == "FHIR."+typ
}

// elementNames gives the names that elements of the usual resources have.
func elementNames() map[string]bool {
	out, seen := map[string]bool{"resourceType": true, "fhir_comments": true}, map[reflect.Type]bool{}
	for _, t := range []any{r4.ServiceRequest{}, r4.Appointment{}, r4.Patient{}, r4.Practitioner{}, r4.PractitionerRole{}, r4.Organization{},
		r4.Location{}, r4.HealthcareService{}, r4.RelatedPerson{}, r4.Person{}, r4.Bundle{}, r4.Condition{}, r4.Observation{}, r4.Encounter{},
		r4.Task{}, r4.Slot{}, r4.Schedule{}, r4.DocumentReference{}, r4.Communication{}, r4.CarePlan{}, r4.Coverage{}, r4.Provenance{}} {
		elementsOf(reflect.TypeOf(t), out, seen)
	}
	return out
}

func elementsOf(t reflect.Type, into map[string]bool, seen map[reflect.Type]bool) {
	for t.Kind() == reflect.Pointer || t.Kind() == reflect.Slice {
		t = t.Elem()
	}
	if t.Kind() != reflect.Struct || seen[t] {
		return
	}
	seen[t] = true
	for i := range t.NumField() {
		name, _, _ := strings.Cut(t.Field(i).Tag.Get("json"), ",")
		into[name] = true
		elementsOf(t.Field(i).Type, into, seen)
	}
}
