package cases

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/mapping"
)

var (
	urlShape     = pattern.MustOnce(`^((https?://|urn:)[A-Za-z0-9._:/#|\-]{1,200}|[A-Za-z][A-Za-z0-9\-_]{0,63})$`)
	versionShape = pattern.MustOnce(`^[A-Za-z0-9.:/_\-]{1,80}$`)
	shortVersion = pattern.MustOnce(`^[A-Za-z0-9.]{1,8}$`)
	timeOfDay    = pattern.MustOnce(`^\d{2}:\d{2}(:\d{2})?(\.\d{1,9})?$`)
	mimeShape    = pattern.MustOnce(`^(application|audio|font|image|message|model|multipart|text|video)/[a-z0-9][a-z0-9.+\-]{0,63}(; ?charset=[A-Za-z0-9\-]{1,20})?$`)
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
		return s.keeps(was, code)
	case name == "url" && in == "Extension":
		return s.keep(was, addressOf(was), urlShape().MatchString(was), "https://example.org/extension")
	case name == "system":
		return s.keep(was, addressOf(was), urlShape().MatchString(was), "https://example.org/system")
	case name == "id":
		s.note("id", was)
		return s.shaped(was)
	case name == "reference":
		return s.reference(s.relative(n, was))
	case name == "fullUrl":
		return s.reference(was)
	case in == "Identifier" && name == "value":
		return s.identifier(ownerOf(n), was)
	case in == "HumanName" && name != "use":
		s.note("name", was)
		return s.partOfName(name, was)
	case in == "Address" && name != "use" && name != "type":
		s.note(addressPart(name), was)
		return s.partOfAddress(name, was)
	case in == "ContactPoint" && name == "value":
		s.note("telecom", was)
		s.mailed(n, was)
		return s.telecom(ownerOf(n).Get("system").Text(), was)
	case in == "Coding" && name == "display":
		s.note("display", was)
		return display(ownerOf(n).Get("code"), was)
	case in == "CodeableConcept" && name == "text":
		s.note("display", was)
		return placeholder(mapping.TextLength(was))
	}
	if in := ownerOf(n); name == "authorString" || name == "display" && ofPerson(in) {
		s.secrets.named(was)
	} else if name == "display" {
		s.note("display", was)
		return placeholder(mapping.TextLength(was))
	}
	return s.typed(n, name, was)
}

// typed decides by the type of an element.
func (s *synthesiser) typed(n fhir.Node, name, was string) string {
	switch typ := strings.TrimPrefix(fhirpath.NodeItem(n).Type(), "FHIR."); {
	case typ == "code" && slices.Contains(s.elements[name], was):
		return was
	case typ == "code" && name == "contentType":
		return s.keep(was, code, mimeShape().MatchString(was), "application/octet-stream")
	case typ == "code" || name == "code":
		return s.keep(was, codeOf(n), mapping.PlainCode(was), "CODE")
	case name == "versionId" && shortVersion().MatchString(was) && !postcodeAlone().MatchString(was):
		return s.keeps(was, code)
	case name == "versionId":
		s.note("version", was)
		return s.shaped(was)
	case name == "version":
		return s.keep(was, addressOf(was), versionShape().MatchString(was), "1")
	case name == "profile" || typ == "canonical":
		return s.keep(was, addressOf(was), urlShape().MatchString(was), "https://example.org/profile")
	case name == "birthDate":
		s.note("birth date", was)
		return moved(was, s.birth)
	case typ == "date" || typ == "dateTime" || typ == "instant":
		s.note("date", was)
		return moved(was, s.days)
	case typ == "time" && timeOfDay().MatchString(was):
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
func display(of fhir.Node, was string) string {
	text := of.Text()
	number := codeOf(of) != concept && mapping.HoldsNHSNumber(text)
	if mapping.TextLength(was) > 60 || !mapping.PlainCode(text) || number || postcodeAlone().MatchString(text) {
		return placeholder(mapping.TextLength(was))
	}
	return "Display of " + text
}

// codeOf tells what kind a code is, by the system beside it.
func codeOf(n fhir.Node) kind {
	switch system := ownerOf(n).Get("system").Text(); {
	case system == mapping.SystemSNOMED && mapping.SNOMEDConcept(n.Text()):
		return concept
	case publisher(system):
		return listed
	}
	return code
}

// addressOf tells what kind a url is. A text that is none is a code.
func addressOf(text string) kind {
	switch {
	case publisher(text):
		return published
	case strings.Contains(text, ":"):
		return address
	}
	return code
}

// mailed collects the name in a person's address for mail.
func (s *synthesiser) mailed(n fhir.Node, was string) {
	local, _, found := strings.Cut(was, "@")
	switch resourceOf(n).Get("resourceType").Text() {
	case "Patient", "Practitioner", "RelatedPerson", "Person":
		if found {
			s.secrets.named(strings.NewReplacer(".", " ", "_", " ").Replace(local))
		}
	}
}

func (s *synthesiser) identifier(in fhir.Node, was string) string {
	system := in.Get("system").Text()
	if _, err := fhir.ParseNHSNumber(was); err == nil || strings.Contains(strings.ToLower(system), "nhs-number") {
		s.note("NHS number", was)
		return s.nhsNumber(was)
	}
	if ofOrganisation(system) {
		s.note("organisation", was)
		return s.shaped(was)
	}
	s.note("identifier", was)
	return s.shaped(was)
}

// relative is Type/id in place of a URL of the record's own server, or of a urn that is the fullUrl of what came along: in a case
// resources stand without their fullUrl. What leads to another server still does.
func (s *synthesiser) relative(n fhir.Node, was string) string {
	if s.resolver == nil || !strings.Contains(was, ":") {
		return was
	}
	from := fhir.Referrer(n)
	ref, err := fhir.ParseReference(was)
	to, unresolved := s.resolver.Resolve(from, was)
	switch {
	case err == nil && (s.resolver.Own(from, ref) || unresolved == nil):
		return ref.Local().String()
	case err != nil && unresolved == nil && to.ID() != "" && !strings.HasSuffix(was, ":"+to.ID()):
		return to.Reference().Current().String()
	}
	return was
}

// reference keeps the type, and the tie to the resource that is meant.
func (s *synthesiser) reference(was string) string {
	s.note("reference", was)
	if local, ok := strings.CutPrefix(was, "#"); ok {
		s.secrets.add("id", local)
		return "#" + s.shaped(local)
	}
	if uuid, ok := strings.CutPrefix(was, "urn:uuid:"); ok {
		s.secrets.add("id", uuid)
		return "urn:uuid:" + s.shaped(uuid)
	}
	ref, err := fhir.ParseReference(was)
	if err != nil {
		return placeholder(mapping.TextLength(was))
	}
	if !slices.Contains([]string{"Organization", "Location", "HealthcareService"}, ref.Type) {
		s.secrets.add("id", ref.ID)
	}
	if !knownType(ref.Type) {
		s.keeps(ref.Type, code)
	}
	version := ref.Version
	if version != "" && (!shortVersion().MatchString(version) || postcodeAlone().MatchString(version)) {
		version = s.shaped(version)
	} else if version != "" {
		s.keeps(version, code)
	}
	out := fhir.Reference{Type: ref.Type, ID: s.shaped(ref.ID), Version: version}.String()
	if strings.Contains(was, "://") {
		return "https://example.org/fhir/" + out
	}
	return out
}

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

// addressPart tells what a part of an address says: a country is nobody's.
func addressPart(name string) string {
	switch name {
	case "city", "district", "state":
		return "town"
	case "country":
		return "country"
	}
	return "address"
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
