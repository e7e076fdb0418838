package cases

import (
	"bytes"
	"encoding/json"
	"errors"
	"regexp"
	"slices"
	"strings"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/mapping"
)

// ErrPersonal is wrapped where a synthetic record may still hold something about a person.
var ErrPersonal = errors.New("something personal may have remained")

var (
	urlShape     = regexp.MustCompile(`^((https?://|urn:)[A-Za-z0-9._:/#|\-]{1,200}|[A-Za-z][A-Za-z0-9\-_]{0,63})$`)
	versionShape = regexp.MustCompile(`^[A-Za-z0-9.:/_\-]{1,80}$`)
	shortVersion = regexp.MustCompile(`^[A-Za-z0-9.]{1,8}$`)
	timeOfDay    = regexp.MustCompile(`^\d{2}:\d{2}(:\d{2})?(\.\d+)?$`)
)

// text gives what stands in place of a text.
func (s *synthesiser) text(n fhir.Node) string {
	was, name := n.Text(), n.Element()
	if strings.TrimSpace(was) == "" {
		return was
	}
	switch in := strings.TrimPrefix(fhirpath.NodeItem(ownerOf(n)).Type(), "FHIR."); {
	case name == "resourceType" && knownType(was):
		return was
	case name == "resourceType":
		return s.keeps(was)
	case name == "url" && in == "Extension":
		return s.keep(was, urlShape.MatchString(was), "https://example.org/extension")
	case name == "system":
		return s.keep(was, urlShape.MatchString(was), "https://example.org/system")
	case name == "id":
		s.note("id", was)
		return s.shaped(was)
	case name == "reference" || name == "fullUrl":
		return s.reference(was)
	case in == "Identifier" && name == "value":
		return s.identifier(ownerOf(n), was)
	case in == "HumanName" && name != "use":
		s.note("name", was)
		return s.partOfName(name, was)
	case in == "Address" && name != "use" && name != "type":
		s.note("address", was)
		return s.partOfAddress(name, was)
	case in == "ContactPoint" && name == "value":
		s.note("telecom", was)
		return s.telecom(ownerOf(n).Get("system").Text(), was)
	case in == "Coding" && name == "display":
		s.note("display", was)
		return s.display(ownerOf(n).Get("code").Text(), was)
	}
	if in := ownerOf(n); name == "authorString" || name == "display" && ofPerson(in) {
		s.named(was)
	}
	return s.typed(n, name, was)
}

// typed decides by the type of an element.
func (s *synthesiser) typed(n fhir.Node, name, was string) string {
	switch typ := strings.TrimPrefix(fhirpath.NodeItem(n).Type(), "FHIR."); {
	case typ == "code" || name == "code":
		return s.keep(was, mapping.PlainCode(was), "CODE")
	case name == "versionId" && shortVersion.MatchString(was) && !postcodeAlone.MatchString(was):
		return s.keeps(was)
	case name == "versionId":
		s.note("version", was)
		return s.shaped(was)
	case name == "version":
		return s.keep(was, versionShape.MatchString(was), "1")
	case name == "profile" || typ == "canonical":
		return s.keep(was, urlShape.MatchString(was), "https://example.org/profile")
	case name == "birthDate":
		s.note("birth date", was)
		return moved(was, s.birth)
	case typ == "date" || typ == "dateTime" || typ == "instant":
		s.note("date", was)
		return moved(was, s.days)
	case typ == "time" && timeOfDay.MatchString(was):
		return was
	case typ == "uri" || typ == "url" || typ == "oid" || typ == "uuid":
		s.note("address on the web", was)
		return "https://example.org/"
	case typ == "base64Binary":
		s.note("attachment", was)
		return "AAAA"
	case typ == "xhtml" || name == "div":
		s.note("text", was)
		return `<div xmlns="http://www.w3.org/1999/xhtml">Invented text</div>`
	}
	s.note("text", was)
	return placeholder(mapping.TextLength(was))
}

// display says which code it stands for: what people read of a code may be anything that somebody typed.
func (s *synthesiser) display(code, was string) string {
	if mapping.TextLength(was) > 60 || !mapping.PlainCode(code) || mapping.HoldsNHSNumber(code) || postcodeAlone.MatchString(code) {
		return placeholder(mapping.TextLength(was))
	}
	return "Display of " + code
}

func (s *synthesiser) identifier(in fhir.Node, was string) string {
	system := in.Get("system").Text()
	if _, err := fhir.ParseNHSNumber(was); err == nil || strings.Contains(strings.ToLower(system), "nhs-number") {
		s.note("NHS number", was)
		return s.nhsNumber(was)
	}
	s.note("identifier", was)
	return s.shaped(was)
}

// reference keeps the type, and the tie to the resource that is meant.
func (s *synthesiser) reference(was string) string {
	s.note("reference", was)
	if local, ok := strings.CutPrefix(was, "#"); ok {
		return "#" + s.shaped(local)
	}
	if uuid, ok := strings.CutPrefix(was, "urn:uuid:"); ok {
		return "urn:uuid:" + s.shaped(uuid)
	}
	ref, err := fhir.ParseReference(was)
	if err != nil {
		return placeholder(mapping.TextLength(was))
	}
	if !knownType(ref.Type) {
		s.keeps(ref.Type)
	}
	version := ref.Version
	if version != "" && (!shortVersion.MatchString(version) || postcodeAlone.MatchString(version)) {
		version = s.shaped(version)
	} else if version != "" {
		s.keeps(version)
	}
	out := fhir.Reference{Type: ref.Type, ID: s.shaped(ref.ID), Version: version}.String()
	if strings.Contains(was, "://") {
		return "https://example.org/fhir/" + out
	}
	return out
}

func titles() []string { return []string{"mr", "mrs", "ms", "miss", "mx", "dr", "prof", "rev", "sir"} }

func (s *synthesiser) partOfName(part, was string) string {
	switch part {
	case "family":
		return s.name(was, families())
	case "given":
		return s.name(was, givens())
	case "prefix":
		if slices.Contains(titles(), strings.TrimSuffix(strings.ToLower(was), ".")) {
			return was
		}
	case "text":
		return s.name(was, givens()) + " " + s.name(was, families())
	}
	return placeholder(mapping.TextLength(was))
}

func (s *synthesiser) partOfAddress(part, was string) string {
	switch part {
	case "line":
		return "1 Example Street"
	case "city":
		return "Exampletown"
	case "district", "state":
		return "Exampleshire"
	case "postalCode":
		if was == strings.ToLower(was) {
			return "zz99 3cz"
		}
		return "ZZ99 3CZ"
	case "country":
		return "GB"
	case "text":
		return "1 Example Street, Exampletown, ZZ99 3CZ"
	}
	return placeholder(mapping.TextLength(was))
}

func (s *synthesiser) telecom(system, was string) string {
	switch {
	case system == "email" || strings.Contains(was, "@"):
		mail := "person." + s.shaped("0001") + "@example.org"
		if was != strings.ToLower(was) {
			return strings.ToUpper(mail[:1]) + mail[1:]
		}
		return mail
	case system == "url" || strings.Contains(was, "://"):
		return "https://example.org/"
	}
	return s.phone(was)
}

func indented(raw []byte) []byte {
	var b bytes.Buffer
	if json.Indent(&b, raw, "", " ") != nil {
		return raw
	}
	b.WriteByte('\n')
	return b.Bytes()
}
