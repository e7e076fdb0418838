package fhir

import "slices"

// IsModifier reports whether an element of this name changes the meaning of what it stands in (FHIR R4,
// extensibility.html#modifierExtension, resource.html#implicitRules).
func IsModifier(name string) bool {
	return name == "modifierExtension" || name == "implicitRules" || name == "_implicitRules"
}

// AppendModifiers appends those members of an object that are a modifier, or have one in them, as JSON and as received, each with a
// comma before it. The members that are named in but are left out: they are taken over by themselves.
func AppendModifiers(dst []byte, object Node, but ...string) []byte {
	if !object.MayModify() {
		return dst
	}
	for m := range object.Members() {
		if slices.Contains(but, m.Name()) || !modifies(m) {
			continue
		}
		dst = append(AppendJSONString(append(dst, ','), m.Name()), ':')
		dst = append(dst, m.Raw()...)
	}
	return dst
}

// modifies reports whether a member is a modifier, or has one in it.
func modifies(n Node) bool {
	if IsModifier(n.Name()) {
		return true
	}
	for c := n.First(); c.Exists(); c = c.Next() {
		if modifies(c) {
			return true
		}
	}
	return false
}

// Around returns the modifiers of what a resource came in: of its entry, and of the Bundle that the entry is in, as AppendModifiers
// writes them. They change what the resource means, and are no part of it.
func (r Resource) Around() []byte {
	if r.root.Name() != "resource" {
		return nil
	}
	entry := r.root.Parent()
	return AppendModifiers(AppendModifiers(nil, entry, "resource"), entry.Parent().Parent(), "entry", "link")
}
