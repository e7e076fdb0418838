package fhirpath

import (
	"slices"
	"sort"
	"strings"
	"sync"

	"refbridge/fhir"
)

//go:generate go run generate_model.go

// typeID is the row of a type in modelTypes; 0 is the type that is not known.
type typeID uint16

type typeClass uint8

const (
	complexType typeClass = iota
	primitiveType
	resourceType
)

// typeRow is one type: Patient, Patient.contact, Quantity, code. Rows are sorted by name; row 0 is empty.
type typeRow struct {
	name         string
	base         typeID
	class        typeClass
	first, count uint16 // in modelElements, sorted by name; without those of the base
}

// elementRow is one element of a type. For a choice (value[x]) its types stand in modelChoices.
type elementRow struct {
	name  string
	typ   typeID // the type, or for a choice the first row in modelChoices
	count uint16 // of the types of a choice, 0 for others
	many  bool
}

func (e elementRow) types() []typeID {
	if e.count == 0 {
		return []typeID{e.typ}
	}
	return modelChoices[e.typ : e.typ+typeID(e.count)]
}

func (t typeID) name() string     { return modelTypes[t].name }
func (t typeID) class() typeClass { return modelTypes[t].class }

// own gives the elements that the type adds to its base.
func (t typeID) own() []elementRow {
	row := modelTypes[t]
	return modelElements[row.first : row.first+row.count]
}

// is tells whether t is the other type or derived from it.
func (t typeID) is(other typeID) bool {
	for ; t != 0; t = modelTypes[t].base {
		if t == other {
			return true
		}
	}
	return false
}

// element finds an element of the type or of its bases.
func (t typeID) element(name string) (elementRow, bool) {
	for ; t != 0; t = modelTypes[t].base {
		own := t.own()
		i := sort.Search(len(own), func(i int) bool { return own[i].name >= name })
		if i < len(own) && own[i].name == name {
			return own[i], true
		}
	}
	return elementRow{}, false
}

// choice finds the choice element that a JSON name such as valueQuantity stands for, and the type.
func (t typeID) choice(name string) (elementRow, typeID) {
	for ; t != 0; t = modelTypes[t].base {
		for _, e := range t.own() {
			if e.count == 0 || !strings.HasPrefix(name, e.name) {
				continue
			}
			if typ := e.suffix(name[len(e.name):]); typ != 0 {
				return e, typ
			}
		}
	}
	return elementRow{}, 0
}

// suffix gives the type of a choice that stands behind its name in JSON: Quantity, DateTime.
func (e elementRow) suffix(suffix string) typeID {
	for _, t := range e.types() {
		if capitalised(t.name(), suffix) {
			return t
		}
	}
	return 0
}

// capitalised tells whether suffix is the type's name with a capital letter.
func capitalised(name, suffix string) bool {
	return len(name) == len(suffix) && name[0]&^0x20 == suffix[0] && name[1:] == suffix[1:]
}

// typeNamed finds a type by its name, 0 where there is none.
func typeNamed(name string) typeID {
	i := sort.Search(len(modelTypes), func(i int) bool { return modelTypes[i].name >= name })
	if i < len(modelTypes) && modelTypes[i].name == name {
		return typeID(i)
	}
	return 0
}

// typeOf finds the type of a node from where it stands in its resource; 0 where the model does not know it.
func typeOf(n fhir.Node) typeID {
	owner, name := place(n)
	if resourceHolder(name) && n.Kind() == fhir.Object {
		if t := n.Get("resourceType"); t.Kind() == fhir.String {
			return typeNamed(t.Text())
		}
	}
	if name == "" || !owner.Exists() {
		return 0
	}
	parent := typeOf(owner)
	if parent == 0 {
		return 0
	}
	if e, ok := parent.element(name); ok && e.count == 0 {
		return fitting(e.typ, n)
	}
	_, t := parent.choice(name)
	return fitting(t, n)
}

// resourceHolder tells whether a whole resource may stand under a name; the root has none. ExampleScenario has an
// element resourceType elsewhere.
func resourceHolder(name string) bool {
	return name == "" || name == "contained" || name == "resource" || name == "outcome"
}

// place gives the object that an element belongs to and the element's JSON name, lists and the _ of primitives
// looked through.
func place(n fhir.Node) (owner fhir.Node, name string) {
	owner, name = n.Parent(), n.Name()
	if owner.Kind() == fhir.Array {
		owner, name = owner.Parent(), owner.Name()
	}
	return owner, strings.TrimPrefix(name, "_")
}

// fitting drops a type that the JSON contradicts: an STU3 element may bear the name of another R4 element.
func fitting(t typeID, n fhir.Node) typeID {
	switch n.Kind() {
	case fhir.String, fhir.Number, fhir.Bool:
		if t.class() != primitiveType {
			return 0
		}
	}
	return t
}

// names is what the model knows under the name of a choice, over all types; nothing for other elements.
type names struct {
	suffixes []string    // the types as they stand behind the name in JSON, sorted
	doubtful []string    // names of the choice in JSON that are plain names of another element too (reasonReference)
	inJSON   *fhir.Names // the names of the choice in JSON, and those of their extensions
}

// choicesByName has the choices of all types by their names. What is known of one is worked out when a path first has it.
var choicesByName = mustOnce(func() map[string]func() names {
	types := map[string][]typeID{}
	for i := range modelElements {
		if e := &modelElements[i]; e.count > 0 {
			types[e.name] = append(types[e.name], e.types()...)
		}
	}
	out := make(map[string]func() names, len(types))
	for name, of := range types {
		out[name] = mustOnce(func() names { return choiceOf(name, of) })
	}
	return out
})

// mustOnce makes something when it is first asked for, once.
func mustOnce[T any](f func() T) func() T { return sync.OnceValue(f) }

// named returns what is known under the name of an element.
func named(name string) names {
	if choice := choicesByName()[name]; choice != nil {
		return choice()
	}
	return names{}
}

// choiceOf collects what is known of a choice that has these types.
func choiceOf(name string, types []typeID) names {
	var n names
	for _, t := range types {
		n.suffixes = append(n.suffixes, capital(t.name()))
	}
	slices.Sort(n.suffixes)
	n.suffixes = slices.Compact(n.suffixes)
	for i := range modelElements {
		if other := modelElements[i].name; strings.HasPrefix(other, name) && slices.Contains(n.suffixes, other[len(name):]) {
			n.doubtful = append(n.doubtful, other)
		}
	}
	var all []string
	for _, s := range n.suffixes {
		all = append(all, name+s, "_"+name+s)
	}
	n.inJSON = fhir.NamesOf(all...)
	return n
}

// elementNamed reports whether any type has an element of the name.
func elementNamed(name string) bool {
	return slices.ContainsFunc(modelElements[:], func(e elementRow) bool { return e.name == name })
}

// jsonName tells whether a name is the JSON spelling of a choice (valueCoding).
func jsonName(name string) bool {
	for _, e := range modelElements {
		if e.count > 0 && len(name) > len(e.name) && strings.HasPrefix(name, e.name) && e.suffix(name[len(e.name):]) != 0 {
			return true
		}
	}
	return false
}

// elementNames gives every element name once.
var elementNames = mustOnce(func() []string {
	var out []string
	for _, e := range modelElements {
		out = append(out, e.name)
	}
	slices.Sort(out)
	return slices.Compact(out)
})

// ResourceTypes gives the names of the resource types of R4, sorted.
func ResourceTypes() []string {
	return slices.DeleteFunc(typeNames(), func(name string) bool { return !IsResourceType(name) })
}

// IsResourceType tells whether a resource of R4 can be of the type.
func IsResourceType(name string) bool {
	t := typeNamed(name)
	return t.class() == resourceType && !abstract(t)
}

// typeNames gives the names of all types but those of nested elements.
func typeNames() []string {
	var out []string
	for _, t := range modelTypes[1:] {
		if !strings.Contains(t.name, ".") {
			out = append(out, t.name)
		}
	}
	return out
}
