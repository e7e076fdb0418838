package ers

import (
	"fmt"
	"strings"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"refbridge/fhir"
)

// elements reads STU3 elements into the R4 types of samply. It keeps the first fault and goes on; an absent or empty
// element is nil, so that nothing empty is ever written. Texts share the memory of the referral.
type elements struct {
	err  error
	seen *[]fhir.Node // what was read, for Lost; nil: nobody wants to know
}

// saw notes that a value is taken over, or decides what is made.
func (e *elements) saw(n fhir.Node) {
	if e.seen != nil {
		*e.seen = append(*e.seen, n)
	}
}

// sawAll notes all values below n.
func (e *elements) sawAll(n fhir.Node) {
	for m := n.First(); m.Exists() && e.seen != nil; m = m.Next() {
		e.saw(m)
		e.sawAll(m)
	}
}

// word gives a code that decides what is made, as it stands.
func (e *elements) word(n fhir.Node) string {
	e.saw(n)
	return n.Text()
}

// fail notes that the element at n is not what it should be. what never holds a value.
func (e *elements) fail(n fhir.Node, what string) {
	if e.err == nil {
		e.err = fmt.Errorf("%s: %s", place(n), what)
	}
}

// missing notes that n lacks a member.
func (e *elements) missing(n fhir.Node, name string) {
	if e.err == nil {
		e.err = fmt.Errorf("%s.%s: missing", place(n), name)
	}
}

// place gives the path of n below its referral, e.g. ReferralRequest.contained[2].status. Only names that the
// normaliser asks for stand in it.
func place(n fhir.Node) string {
	parent := n.Parent()
	switch {
	case n.Get("resourceType").Text() == "ReferralRequest" || !parent.Exists():
		return "ReferralRequest"
	case parent.Kind() != fhir.Array:
		return place(parent) + "." + n.Name()
	}
	at := 0
	for i := range parent.Items() {
		if i.Same(n) {
			break
		}
		at++
	}
	return fmt.Sprintf("%s[%d]", place(parent), at)
}

func kindName(k fhir.Kind) string {
	switch k {
	case fhir.Bool:
		return "a boolean"
	case fhir.Number:
		return "a number"
	case fhir.String:
		return "a string"
	case fhir.Array:
		return "an array"
	}
	return "an object"
}

// text reads a string.
func (e *elements) text(n fhir.Node) *string {
	switch n.Kind() {
	case fhir.Missing, fhir.Null:
		return nil
	case fhir.String:
		if n.Text() == "" {
			return nil
		}
		e.saw(n)
		return new(n.Text())
	}
	e.fail(n, kindName(n.Kind())+" where a string is expected")
	return nil
}

// object gives n where it is an object with something in it.
func (e *elements) object(n fhir.Node) (fhir.Node, bool) {
	switch {
	case n.Kind() == fhir.Object:
		return n, n.Len() > 0
	case n.Kind() <= fhir.Null, n.Kind() == fhir.Array && n.Len() == 0:
		return n, false
	}
	e.fail(n, kindName(n.Kind())+" where an object is expected")
	return n, false
}

func (e *elements) coding(n fhir.Node) *r4.Coding {
	n, ok := e.object(n)
	if !ok {
		return nil
	}
	out := r4.Coding{
		System:  e.text(n.Get("system")),
		Version: e.text(n.Get("version")),
		Code:    e.text(n.Get("code")),
		Display: e.text(n.Get("display")),
	}
	if out.System != nil {
		out.System = new(canonicalSystem(*out.System))
	}
	if out.System == nil && out.Version == nil && out.Code == nil && out.Display == nil {
		return nil
	}
	return &out
}

func (e *elements) concept(n fhir.Node) *r4.CodeableConcept {
	n, ok := e.object(n)
	if !ok {
		return nil
	}
	out := r4.CodeableConcept{Text: e.text(n.Get("text"))}
	for c := range n.Get("coding").Items() {
		if coding := e.coding(c); coding != nil {
			out.Coding = append(out.Coding, *coding)
		}
	}
	if out.Text == nil && out.Coding == nil {
		return nil
	}
	return &out
}

func (e *elements) concepts(n fhir.Node) []r4.CodeableConcept {
	var out []r4.CodeableConcept
	for c := range n.Items() {
		if concept := e.concept(c); concept != nil {
			out = append(out, *concept)
		}
	}
	return out
}

func (e *elements) identifier(n fhir.Node) *r4.Identifier {
	n, ok := e.object(n)
	if !ok {
		return nil
	}
	out := r4.Identifier{System: e.text(n.Get("system")), Value: e.text(n.Get("value"))}
	if out.System != nil {
		out.System = new(canonicalIdentifier(*out.System))
	}
	if out.System == nil && out.Value == nil {
		return nil
	}
	return &out
}

// logical reads a reference by identifier, as e-RS sends them, and gives it the type that its identifier implies.
func (e *elements) logical(n fhir.Node) *r4.Reference {
	n, ok := e.object(n)
	if !ok {
		return nil
	}
	out := r4.Reference{Identifier: e.identifier(n.Get("identifier")), Display: e.text(n.Get("display"))}
	if out.Identifier == nil && out.Display == nil {
		return nil
	}
	if out.Identifier != nil && out.Identifier.System != nil {
		out.Type = actorType(*out.Identifier.System)
	}
	return &out
}

// extension finds an e-RS extension by its name: the URL's last segment without Extension-eRS- and the version.
func extension(n fhir.Node, name string) fhir.Node {
	for ext := range n.Get("extension").Items() {
		if extensionIs(ext, name) {
			return ext
		}
	}
	return fhir.Node{}
}

func extensionIs(ext fhir.Node, name string) bool {
	return strings.EqualFold(unversioned(lastSegment(ext.Get("url").Text())), "Extension-eRS-"+name)
}

// part gives a nested extension by its URL, which is a bare name.
func part(ext fhir.Node, name string) fhir.Node {
	for p := range ext.Get("extension").Items() {
		if p.Get("url").Text() == name {
			return p
		}
	}
	return fhir.Node{}
}

// instant reads an extension that e-RS documents as valueDateTime and sends as valueInstant.
func (e *elements) instant(ext fhir.Node) *string {
	if v := e.text(ext.Get("valueDateTime")); v != nil {
		return v
	}
	return e.text(ext.Get("valueInstant"))
}
