package mapping

import (
	"strings"

	"refbridge/config/pattern"
	"refbridge/fhir"
)

// A modifier changes the meaning of what it stands in: "withdrawn", "refuted", "not this patient". FHIR R4 forbids to process an
// element while ignoring one (extensibility.html#modifierExtension, resource.html#implicitRules). A record with a modifier that no
// table names is held, wherever in the focus or in a resource that a path came to it stands: what the tables leave out may say
// something of what they read. So is one whose Bundle, or entry there, has a modifier: it is about what stands in it.

// quotedText finds the texts that a path writes down.
var quotedText = pattern.MustOnce(`'([^']*)'`)

// readModifiers notes the modifiers that a path names: the URLs beside modifierExtension or implicitRules in it.
func (r *Reader) readModifiers(src string) {
	if !strings.Contains(src, "modifierExtension") && !strings.Contains(src, "implicitRules") {
		return
	}
	for _, found := range quotedText().FindAllStringSubmatch(src, -1) {
		r.modifiers = append(r.modifiers, found[1])
	}
}

// modifiers holds the record if the focus, or a resource that a path came to, has a modifier that no table names.
func (m *Mapper) modifiers() {
	m.patients()
	m.modifiersOf(m.in.Focus)
	for _, r := range m.reached {
		if !r.Root().Same(m.in.Focus.Root()) {
			m.modifiersOf(r)
		}
	}
}

func (m *Mapper) modifiersOf(r fhir.Resource) {
	if !r.Exists() {
		return
	}
	m.steps += len(r.Raw()) / 256
	if r.Root().MayModify() {
		m.modifiersIn(r.Root())
		m.modifiersAround(r.Root())
	}
}

// patients comes to the Patients whom an appointment names as participants: no table reads them, and it is compared by them with
// the patient of its referral.
func (m *Mapper) patients() {
	if m.in.Focus.Type() != "Appointment" {
		return
	}
	for part := range m.in.Focus.Root().Get("participant").Items() {
		actor := part.Get("actor")
		text := actor.Get("reference").Text()
		ref, err := fhir.ParseReference(text)
		if text == "" || err == nil && ref.Type != "Patient" {
			continue
		}
		before := len(m.reached)
		if to, err := m.follow(text, actor); err == nil && to.Type() != "Patient" {
			m.reached = m.reached[:before]
		}
	}
}

// modifiersAround looks at the entry that a resource came in, and at the Bundle that the entry is in.
func (m *Mapper) modifiersAround(resource fhir.Node) {
	if resource.Name() != "resource" {
		return
	}
	entry := resource.Parent()
	for member := range entry.Members() {
		if member.Name() != "resource" {
			m.modifierIn(member)
		}
	}
	for member := range entry.Parent().Parent().Members() {
		if fhir.IsModifier(member.Name()) {
			m.modifierIn(member)
		}
	}
}

func (m *Mapper) modifiersIn(n fhir.Node) {
	if n.Kind() == fhir.Array {
		for item := range n.Items() {
			m.modifiersIn(item)
		}
	}
	if n.Kind() == fhir.Object {
		for member := range n.Members() {
			m.modifierIn(member)
		}
	}
}

func (m *Mapper) modifierIn(member fhir.Node) {
	switch member.Name() {
	case "modifierExtension":
		for _, extension := range listOf(member) {
			m.modifier(extension, "modifier extension", extension.Get("url").Text())
		}
	case "implicitRules", "_implicitRules":
		m.modifier(member, "rule in implicitRules", member.Text())
	default:
		m.modifiersIn(member)
	}
}

// listOf returns the items of a list, or the one thing that stands in its place.
func listOf(n fhir.Node) []fhir.Node {
	if n.Kind() != fhir.Array {
		return []fhir.Node{n}
	}
	var out []fhir.Node
	for item := range n.Items() {
		out = append(out, item)
	}
	return out
}

// modifier notes the fault of a modifier that no table names.
func (m *Mapper) modifier(n fhir.Node, what, name string) {
	if name != "" && m.set.modifiers[name] {
		return
	}
	var at Place
	for _, t := range m.set.tables {
		if t.Source == m.in.Focus.Type() {
			at = t.Place
			break
		}
	}
	f := at.Fault(UnknownModifier, "the "+what+" "+ShowSystem(name)+" changes what this record means, and no table names it",
		"ask the source what it means; then read it in a row or a when, or write it under drop if it changes nothing here")
	f.Element = sourcePath(n)
	m.note(at, f)
}
