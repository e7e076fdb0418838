// Package sobject holds the vocabulary of Salesforce records that refbridge works with: values, records keyed by
// an external id, the difference of two records, and what describe says of an object. Values only, no I/O.
package sobject

import (
	"strconv"
	"time"
)

// Kind is the kind of a Value.
type Kind uint8

// The kinds of a Value. The zero Value is Null: it clears the field.
const (
	Null Kind = iota
	Text
	Bool
	Number   // a JSON number as written
	DateTime // an instant
	Date     // a day, 2006-01-02
	Ref      // another record by external key: the platform resolves it when it writes
	Lookup   // another record that refbridge has to find first, for example an Account by NHS number
)

// Value is one field value. Text, Lookup and Date values may be about a person: String prints none of them.
type Value struct {
	kind Kind
	text string    // Text, Number ("1.50"), Date; Ref and Lookup: the key
	at   time.Time // DateTime
	yes  bool
	to   Target
}

// Target names what a Ref or a Lookup points to.
type Target struct {
	Object string // "ClinicalServiceRequest"
	Field  string // the external id field for a Ref ("Bridge_Key__c"); the name of the lookup for a Lookup ("nhsNumber")
}

// TextValue is a string; an empty one is Null, as Salesforce has no empty strings.
func TextValue(s string) Value {
	if s == "" {
		return Value{}
	}
	return Value{kind: Text, text: s}
}

// BoolValue is a checkbox.
func BoolValue(b bool) Value { return Value{kind: Bool, yes: b} }

// NumberValue is a number as JSON writes it; the literal is kept ("1.50").
func NumberValue(literal string) Value { return Value{kind: Number, text: literal} }

// DateTimeValue is an instant in UTC, cut to the second: Salesforce keeps no fraction (API answers end in .000+0000), and a
// fraction that comes from a source would show as a difference for ever.
func DateTimeValue(t time.Time) Value {
	return Value{kind: DateTime, at: t.UTC().Truncate(time.Second)}
}

// DateValue is a day written 2006-01-02.
func DateValue(day string) Value { return Value{kind: Date, text: day} }

// RefValue is another record by the key in its external id field.
func RefValue(to Target, key string) Value { return Value{kind: Ref, to: to, text: key} }

// LookupValue is another record that has to be found by a key which never stands in a URL, a log or an error.
func LookupValue(to Target, key string) Value {
	return Value{kind: Lookup, to: to, text: key}
}

// Kind gives the kind.
func (v Value) Kind() Kind { return v.kind }

// IsNull tells whether the value clears its field.
func (v Value) IsNull() bool { return v.kind == Null }

// To gives what a Ref or Lookup points to.
func (v Value) To() Target { return v.to }

// Key gives the key of a Ref.
func (v Value) Key() string {
	if v.kind != Ref {
		return ""
	}
	return v.text
}

// Reveal gives the value as a person reads it in a diff: text as it is, instants as RFC 3339, a Ref as its key, a
// Lookup as "by <name of the lookup>" (its key is never shown).
func (v Value) Reveal() string {
	switch v.kind {
	case Null:
		return ""
	case Bool:
		return strconv.FormatBool(v.yes)
	case DateTime:
		return v.at.Format("2006-01-02T15:04:05.000Z07:00")
	case Lookup:
		return v.to.Object + " by " + v.to.Field
	}
	return v.text
}

// Partial reports whether a value is a year or a month alone: it is compared, and Salesforce takes no such date.
func (v Value) Partial() bool { return v.kind == Date && len(v.text) < len(time.DateOnly) }

// LookupKey gives the key behind a Lookup, for whoever must find the record. It may be an NHS number: it goes into a
// request body and nowhere else.
func (v Value) LookupKey() string {
	if v.kind != Lookup {
		return ""
	}
	return v.text
}

// String gives a placeholder for everything that may be about a person.
func (v Value) String() string {
	switch v.kind {
	case Null:
		return "null"
	case Bool, Number, Ref, Lookup:
		return v.Reveal()
	}
	return "[private]"
}

// Equal reports whether two values are the same for Salesforce: instants by time, numbers by value (1.50 = 1.5), texts without white
// space at their ends and with either end of line.
func (v Value) Equal(o Value) bool {
	if v.kind != o.kind {
		return false
	}
	switch v.kind {
	case DateTime:
		return v.at.Equal(o.at)
	case Number:
		a, errA := strconv.ParseFloat(v.text, 64)
		b, errB := strconv.ParseFloat(o.text, 64)
		return v.text == o.text || errA == nil && errB == nil && a == b
	case Text:
		return v.text == o.text || sameText(v.text, o.text)
	}
	return v == o
}
