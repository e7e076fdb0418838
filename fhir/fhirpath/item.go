package fhirpath

import (
	"math"
	"strconv"

	"refbridge/fhir"
)

// maxInteger is the largest Integer of FHIRPath; the smallest is -maxInteger-1.
const maxInteger = math.MaxInt32

// Collection is the result of an expression, in order. It may be empty (nil).
type Collection []Item

// Item is one member of a Collection: a node of a resource, or a computed value. Items of nodes share the memory of
// their document: they are valid until it parses again. The zero Item is nothing.
type Item struct {
	node fhir.Node
	text string // a String
	val  *value // what needs more room: Decimal, Date, DateTime, Time, Quantity, type info
	num  int32  // a Boolean (0, 1) or an Integer
	kind kind
}

type kind uint8

const (
	nodeKind kind = iota
	stringKind
	booleanKind
	integerKind
	decimalKind
	dateKind
	dateTimeKind
	timeKind
	quantityKind
	typeKind
	complexKind // of a value only: a node that is no primitive and no Quantity
	absentKind  // of a value only: a primitive without a value
)

// value is an item made ready for computing.
type value struct {
	kind kind
	text string  // String; for typeKind the namespace
	num  int64   // Boolean, Integer
	dec  decimal // Decimal, Quantity
	time temporal
	unit string // Quantity: the UCUM code or the calendar word; for typeKind the type's name
	word bool   // Quantity: unit is a calendar word (day), not a code ('d')
}

// StringItem gives a computed String.
func StringItem(s string) Item { return Item{kind: stringKind, text: s} }

// BooleanItem gives a computed Boolean.
func BooleanItem(b bool) Item { return booleanItem(b) }

// Primitive tells whether an item is a single value: a computed one, or a primitive of a resource, also one that has
// extensions and no value.
func (i Item) Primitive() bool {
	switch i.node.Kind() {
	case fhir.Object:
		return valueless(i.node)
	case fhir.Array:
		return false
	}
	return true
}

// IsText tells whether an item is a computed String, or a string of the resource.
func (i *Item) IsText() bool {
	return i.kind == stringKind || i.kind == nodeKind && i.node.Kind() == fhir.String
}

// Numeric tells whether an item is a number, of the resource or computed; a Quantity is none.
func (i Item) Numeric() bool {
	if i.kind == nodeKind {
		return i.node.Kind() == fhir.Number
	}
	return i.kind == integerKind || i.kind == decimalKind
}

// NodeItem gives a node of a resource as an Item, for the value of a variable.
func NodeItem(n fhir.Node) Item { return Item{node: n} }

func booleanItem(b bool) Item {
	if b {
		return Item{kind: booleanKind, num: 1}
	}
	return Item{kind: booleanKind}
}

func integerItem(n int64) Item { return Item{kind: integerKind, num: int32(n)} }
func decimalItem(d decimal) Item {
	return Item{kind: decimalKind, val: &value{kind: decimalKind, dec: d}}
}
func typeItem(space, name string) Item {
	return Item{kind: typeKind, val: &value{kind: typeKind, text: space, unit: name}}
}

func momentItem(t temporal, k kind) Item {
	return Item{kind: k, val: &value{kind: k, time: t}}
}

func quantityItem(d decimal, unit string, quoted bool) Item {
	return Item{kind: quantityKind, val: &value{kind: quantityKind, dec: d, unit: unit, word: !quoted}}
}

// Node gives where the item stands in its resource; it is Missing for a computed value. For a primitive that has
// extensions but no value it is the object of its extensions (_birthDate), or a JSON null.
func (i Item) Node() fhir.Node { return i.node }

// Text gives a string as it is, and the literal of numbers, booleans, dates and quantities. Numbers of a resource
// keep the digits of their source (1.50). It is empty for what is no primitive.
func (i Item) Text() string {
	switch i.kind {
	case nodeKind:
		return i.node.Text()
	case stringKind:
		return i.text
	case booleanKind:
		return strconv.FormatBool(i.num != 0)
	case integerKind:
		return strconv.FormatInt(int64(i.num), 10)
	}
	return i.val.literal()
}

func (v *value) literal() string {
	switch v.kind {
	case decimalKind:
		return v.dec.String()
	case quantityKind:
		if v.word {
			return v.dec.String() + " " + v.unit
		}
		return v.dec.String() + " '" + v.unit + "'"
	case typeKind:
		return v.text + "." + v.unit
	}
	return v.time.String()
}

// Bool gives the value of a boolean, computed or of the resource; ok is false for everything else.
func (i Item) Bool() (value, ok bool) {
	if i.kind == booleanKind {
		return i.num != 0, true
	}
	if i.kind == nodeKind && i.node.Kind() == fhir.Bool {
		return i.node.Text() == "true", true
	}
	return false, false
}

// Type gives "System.String" and its like for a computed value, "FHIR.code" for a node. A nested element is
// "FHIR.Patient.contact". Where neither R4 nor the model of STU3 knows the element, the JSON decides: FHIR.string,
// FHIR.boolean, FHIR.integer, FHIR.decimal or FHIR.Element.
func (i Item) Type() string {
	if i.kind != nodeKind {
		return "System." + i.kind.String()
	}
	if !i.node.Exists() {
		return ""
	}
	if t := typeOf(i.node); t != 0 {
		return "FHIR." + t.name()
	}
	return "FHIR." + guess(i.node)
}

// OfType reports whether the item is an element of a type of FHIR, such as instant, as Type names it.
func (i Item) OfType(name string) bool {
	if i.kind != nodeKind || !i.node.Exists() {
		return false
	}
	if t := typeOf(i.node); t != 0 {
		return t.name() == name
	}
	return guess(i.node) == name
}

// guess names the type of a node that the model does not know.
func guess(n fhir.Node) string {
	switch n.Kind() {
	case fhir.String:
		return "string"
	case fhir.Bool:
		return "boolean"
	case fhir.Number:
		if d, ok := parseDecimal(n.Text()); ok && d.scale > 0 {
			return "decimal"
		}
		return "integer"
	}
	return "Element"
}

// String gives the System name of a kind.
func (k kind) String() string {
	switch k {
	case stringKind:
		return "String"
	case booleanKind:
		return "Boolean"
	case integerKind:
		return "Integer"
	case decimalKind:
		return "Decimal"
	case dateKind:
		return "Date"
	case dateTimeKind:
		return "DateTime"
	case timeKind:
		return "Time"
	case quantityKind:
		return "Quantity"
	case typeKind:
		return "TypeInfo"
	}
	return "Any"
}

// value makes the item ready for computing. A node becomes the System value of its FHIR type.
func (i Item) value() value {
	switch i.kind {
	case nodeKind:
		return nodeValue(i.node)
	case stringKind:
		return value{kind: stringKind, text: i.text}
	case booleanKind, integerKind:
		return value{kind: i.kind, num: int64(i.num)}
	}
	return *i.val
}

func nodeValue(n fhir.Node) value {
	switch n.Kind() {
	case fhir.Null:
		return value{kind: absentKind}
	case fhir.Bool:
		return value{kind: booleanKind, num: int64(booleanItem(n.Text() == "true").num)}
	case fhir.Number:
		return numberValue(n)
	case fhir.String:
		return textValue(n)
	case fhir.Object:
		switch t := typeOf(n); {
		case valueless(n):
			return value{kind: absentKind}
		case t != 0 && t.is(typeNamed("Quantity")):
			return quantityValue(n)
		}
	}
	return value{kind: complexKind}
}

func numberValue(n fhir.Node) value {
	d, ok := parseDecimal(n.Text())
	if !ok {
		return value{kind: complexKind}
	}
	if whole, fits := d.int64(); fits && d.scale == 0 && whole >= -maxInteger-1 && whole <= maxInteger && typeOf(n).name() != "decimal" {
		return value{kind: integerKind, num: whole}
	}
	return value{kind: decimalKind, dec: d}
}

// textValue reads a JSON string by its FHIR type; a malformed date stays text.
func textValue(n fhir.Node) value {
	k := stringKind
	switch typeOf(n).name() {
	case "date":
		k = dateKind
	case "dateTime", "instant":
		k = dateTimeKind
	case "time":
		k = timeKind
	}
	if k != stringKind {
		if t, ok := parseTemporal(n.Text(), k); ok {
			return value{kind: k, time: t}
		}
	}
	return value{kind: stringKind, text: n.Text()}
}

// quantityValue reads a FHIR Quantity: its code where UCUM is the system, else its unit.
func quantityValue(n fhir.Node) value {
	d, ok := parseDecimal(n.Get("value").Text())
	if !ok || n.Get("comparator").Exists() {
		return value{kind: complexKind}
	}
	unit := n.Get("unit").Text()
	if code := n.Get("code").Text(); code != "" && n.Get("system").Text() == ucumSystem {
		unit = code
	}
	if unit == "" {
		unit = "1"
	}
	return value{kind: quantityKind, dec: d, unit: unit}
}
