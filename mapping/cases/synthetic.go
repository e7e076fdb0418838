package cases

import (
	"bytes"
	"fmt"
	"slices"
	"strings"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/mapping"
)

// Replaced is one value of a record for which an invented one was put in.
type Replaced struct {
	Path string // "Patient.name[0].family"
	What string // "name"
}

// newSynthesiser gives what invents values, all of them from a key; take a random one.
func newSynthesiser(key []byte) *synthesiser {
	s := &synthesiser{inventor: newInventor(key), elements: knownElements()}
	s.days = -7 * (8 + s.number("days", 0, 45))
	s.birth = -(30 + s.number("birth", 0, 300))
	return s
}

// all gives resources with invented values in place of everything that may be about a person. What is kept is kept because it is
// known to be structure: elements, codes, code systems, the urls of extensions, booleans and plain numbers, the shape of dates.
// Everything else is replaced, known or not.
//
// The error says that something personal may have remained, and where; then there are no resources.
func (s *synthesiser) all(in []fhir.Resource) ([]fhir.Resource, error) {
	var out []fhir.Resource
	for _, r := range in {
		s.path = append(s.path[:0], r.Type()...)
		raw := s.value(nil, r.Root())
		made, err := fhir.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("make a synthetic %s: %w", r.Type(), err)
		}
		out = append(out, made)
	}
	if err := s.remains(); err != nil {
		return nil, err
	}
	return out, nil
}

type synthesiser struct {
	*inventor
	days, birth int // by how many days dates move
	path        []byte
	replaced    []Replaced
	secrets     secrets
	resolver    *fhir.Resolver // of the real record's references
	elements    elements
	kept        []kept
	numbers     []kept
	members     []Replaced // where a member stands, and its name
	strange     []string   // places of members with a name that no element has
}

// kept is a text or a number that stays in the record.
type kept struct {
	path, text string
	kind       kind
}

// value appends the JSON of a node.
func (s *synthesiser) value(dst []byte, n fhir.Node) []byte {
	at := len(s.path)
	defer func() { s.path = s.path[:at] }()
	switch n.Kind() {
	case fhir.Object:
		dst = append(dst, '{')
		for m := range n.Members() {
			dst = s.separated(dst)
			s.path = s.path[:at]
			name := s.member(m.Name())
			s.path = append(append(s.path, '.'), name...)
			dst = append(fhir.AppendJSONString(dst, m.Name()), ':')
			dst = s.value(dst, m)
		}
		return append(dst, '}')
	case fhir.Array:
		dst = append(dst, '[')
		i := 0
		for m := range n.Items() {
			dst = s.separated(dst)
			s.path = fmt.Appendf(s.path[:at], "[%d]", i)
			dst = s.value(dst, m)
			i++
		}
		return append(dst, ']')
	case fhir.String:
		return fhir.AppendJSONString(dst, s.text(n))
	case fhir.Number:
		return append(dst, s.numeral(n)...)
	}
	return append(dst, n.Raw()...)
}

// member gives the name of an element for a path. One that no element can have is not shown, and no case is made.
func (s *synthesiser) member(name string) string {
	if mapping.ValidElementName(name) || name == "fhir_comments" {
		s.members = append(s.members, Replaced{Path: string(s.path), What: name})
		return name
	}
	s.strange = append(s.strange, string(s.path)+"."+noElement)
	return noElement
}

func (s *synthesiser) separated(dst []byte) []byte {
	if last := dst[len(dst)-1]; last != '{' && last != '[' {
		return append(dst, ',')
	}
	return dst
}

// numeral keeps numbers, but for places on the earth and what is long enough to be an identifier.
func (s *synthesiser) numeral(n fhir.Node) string {
	name, text := n.Element(), n.Text()
	within := fhirpath.NodeItem(n.Parent()).Type()
	position := name == "latitude" || name == "longitude" ||
		within == "FHIR.Extension" && slices.ContainsFunc([]string{"latitude", "longitude"}, func(url string) bool { return n.Parent().Get("url").Text() == url })
	if !position && len(strings.Map(onlyDigits, text)) < 7 && !strings.ContainsAny(text, "eE") {
		s.numbers = append(s.numbers, kept{path: string(s.path), text: text})
		return text
	}
	s.note("number", text)
	text, _, _ = strings.Cut(strings.ToLower(strings.TrimLeft(text, "-")), "e")
	return "1" + strings.Map(func(r rune) rune {
		if r == '.' {
			return r
		}
		return '0'
	}, text[1:])
}

// note records that the value at the current path was replaced, and what it was.
func (s *synthesiser) note(what, was string) {
	s.replaced = append(s.replaced, Replaced{Path: string(s.path), What: what})
	s.secrets.add(what, was)
}

// notCode is what was replaced because it has not the shape of a code, or may be somebody's number.
const notCode = "code or url"

// keep leaves a text that has the shape of a code or of a system; another becomes what stands in its place.
func (s *synthesiser) keep(text string, k kind, shaped bool, otherwise string) string {
	if !shaped || k != concept && mapping.HoldsNHSNumber(text) || postcodeAlone().MatchString(text) {
		s.note(notCode, text)
		return otherwise
	}
	return s.keeps(text, k)
}

// keeps leaves a text as it is, to be looked at in the end.
func (s *synthesiser) keeps(text string, k kind) string {
	s.kept = append(s.kept, kept{string(s.path), text, k})
	return text
}

// ownerOf gives the object that a node is a member of, or an item of a member of.
func ownerOf(n fhir.Node) fhir.Node {
	p := n.Parent()
	for p.Kind() == fhir.Array {
		p = p.Parent()
	}
	return p
}

// resourceOf gives the resource that a node stands in.
func resourceOf(n fhir.Node) fhir.Node {
	p := n.Parent()
	for p.Exists() && !p.Get("resourceType").Exists() {
		p = p.Parent()
	}
	return p
}

var uuidShape = pattern.MustOnce(`(?i)^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$`)

// pretty gives the JSON of resources for a file: one as it is, several as a Bundle, in which references lead to an entry in the way of
// FHIR: by the UUID that is its id, or as Type/id below one base.
func (s *synthesiser) pretty(list []fhir.Resource) []byte {
	if len(list) == 1 {
		return indented(list[0].Raw())
	}
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle","type":"collection","entry":[`)
	for i, r := range list {
		if i > 0 {
			b.WriteByte(',')
		}
		full := "https://example.org/fhir/" + r.Type() + "/" + r.ID()
		switch {
		case r.ID() == "":
			full = "urn:uuid:" + s.shape("00000000-0000-4000-8000-000000000000", i)
		case uuidShape().MatchString(r.ID()):
			full = "urn:uuid:" + r.ID()
		}
		fmt.Fprintf(&b, `{"fullUrl":%q,"resource":%s}`, full, r.Raw())
	}
	b.WriteString(`]}`)
	return indented(b.Bytes())
}
