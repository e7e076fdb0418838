package sobject

import (
	"slices"
	"time"
)

// Owner says who decides over a field when both sides have one.
type Owner uint8

// The owners of a field.
const (
	Source     Owner = iota // the source decides: every difference is written
	TargetSide              // Salesforce decides: written when the record is created, never again
	Latest                  // whoever changed it since the last sync decides; where both did, the record is held
	CreateOnly              // the platform takes it on create only
	Stop                    // a stop flag: set by the source before anything else is written, taken back only where the source had set it
	Identity                // says who a record is about: written while it is empty; where it differs the record is held
)

// Key is a record's external id: the field and its value, URL-safe, never an NHS number.
type Key struct {
	Field string // "Bridge_Key__c", "CodeSetKey"
	Value string // "ers.sr.000000070001"
}

// Field is one field of a record.
type Field struct {
	Name  string
	Value Value
	Owner Owner
	// KeepIfAbsent marks a field that is left as it is when the source has no value for it any more (the times of an
	// appointment that was cancelled); otherwise an absent value clears the field.
	KeepIfAbsent bool
}

// Record is one sObject row as a value: what is wanted, or what is there.
type Record struct {
	Object   string
	Key      Key
	ID       string    // Salesforce id where it is known
	Modified time.Time // SystemModstamp of a record that was read
	// Theirs is set on a record that was read, and last written by another user than ours or by nobody knows whom.
	Theirs bool
	Fields []Field
}

// Get gives a field's value and whether the record has the field.
func (r Record) Get(name string) (Value, bool) {
	i := slices.IndexFunc(r.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		return Value{}, false
	}
	return r.Fields[i].Value, true
}

// Set replaces or appends a field's value; it keeps the owner of a field that is there.
func (r *Record) Set(name string, v Value) {
	i := slices.IndexFunc(r.Fields, func(f Field) bool { return f.Name == name })
	if i < 0 {
		r.Fields = append(r.Fields, Field{Name: name, Value: v})
		return
	}
	r.Fields[i].Value = v
}

// Refs gives the values that point to another record by its key.
func (r Record) Refs() []Value {
	var out []Value
	for _, f := range r.Fields {
		if f.Value.Kind() == Ref {
			out = append(out, f.Value)
		}
	}
	return out
}

// FieldDiff is one field in which two records differ.
type FieldDiff struct {
	Field string
	Have  Value // what is there; Null where it is empty
	Want  Value
}
