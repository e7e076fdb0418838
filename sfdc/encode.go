package sfdc

import (
	"encoding/json"
	"slices"
	"strings"
	"unicode/utf8"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// encode writes a record as one row of an upsert. Whatever would make Salesforce refuse to read the whole call (a
// field that is not there, a text where a date belongs) is an *Error of this row instead.
func encode(call string, d sobject.Description, keyField string, r sobject.Record) ([]byte, error) {
	if r.Object != d.Name || r.Key.Field != keyField || r.Key.Value == "" || !utf8.ValidString(r.Key.Value) {
		return nil, &Error{Call: call, Code: CodeKey}
	}
	var names []string
	for _, f := range r.Fields {
		names = append(names, f.Name)
	}
	if err := invisible(call, d, append([]string{keyField}, names...)...); err != nil {
		return nil, err
	}
	row := append(fhir.AppendJSONString([]byte(`{"attributes":{"type":`), d.Name), '}')
	row = member(row, keyField, fhir.AppendJSONString(nil, r.Key.Value))
	var misfits []string
	for i, f := range r.Fields {
		typ, _ := d.Field(f.Name)
		name, value, ok := encodeField(typ, f.Value)
		if !ok || f.Name == keyField || slices.Contains(names[:i], f.Name) {
			misfits = append(misfits, f.Name)
			continue
		}
		row = member(row, name, value)
	}
	if misfits != nil {
		return nil, &Error{Call: call, Code: CodeValue, Fields: misfits}
	}
	return append(row, '}'), nil
}

func member(row []byte, name string, value []byte) []byte {
	row = append(fhir.AppendJSONString(append(row, ','), name), ':')
	return append(row, value...)
}

// encodeField gives the member of the row: the field itself, or for a Ref the relationship with the other record's key.
func encodeField(f sobject.FieldType, v sobject.Value) (name string, value []byte, ok bool) {
	switch v.Kind() {
	case sobject.Null: // said explicitly: an absent member leaves the field as it is
		return f.Name, []byte("null"), true
	case sobject.Lookup:
		return "", nil, false // the caller was to find the record first
	case sobject.Ref:
		value, ok = encodeRef(f, v)
		return f.RelationshipName, value, ok
	}
	if !fits(f.Type, v) {
		return "", nil, false
	}
	text := v.Reveal()
	if v.Kind() == sobject.Bool || v.Kind() == sobject.Number {
		return f.Name, []byte(text), true
	}
	return f.Name, fhir.AppendJSONString(nil, text), utf8.ValidString(text)
}

// encodeRef: {"Patient":{"Bridge_Key__c":"…"}}; where the field may point to several objects, "attributes" says to
// which (REST API Developer Guide, "Insert or Update a Record Using an External ID").
func encodeRef(f sobject.FieldType, v sobject.Value) ([]byte, bool) {
	to := v.To()
	if f.RelationshipName == "" || !slices.Contains(f.ReferenceTo, to.Object) || v.Key() == "" ||
		!utf8.ValidString(v.Key()) || !identifierPattern().MatchString(to.Field) || strings.Contains(to.Field, ".") {
		return nil, false
	}
	value := []byte{'{'}
	if len(f.ReferenceTo) > 1 {
		value = append(value, `"attributes":{"type":`...)
		value = append(fhir.AppendJSONString(value, to.Object), '}', ',')
	}
	value = append(fhir.AppendJSONString(value, to.Field), ':')
	return append(fhir.AppendJSONString(value, v.Key()), '}'), true
}

// fits tells whether a value's JSON form can be read as the field's type.
func fits(typ string, v sobject.Value) bool {
	switch typ {
	case "boolean":
		return v.Kind() == sobject.Bool
	case "int", "long", "double", "currency", "percent":
		return v.Kind() == sobject.Number && json.Valid([]byte(v.Reveal()))
	case "date":
		return v.Kind() == sobject.Date && day(v.Reveal())
	case "datetime":
		return v.Kind() == sobject.DateTime
	case "reference", "id":
		return v.Kind() == sobject.Text && idPattern().MatchString(v.Reveal())
	}
	return v.Kind() != sobject.Number || json.Valid([]byte(v.Reveal()))
}
