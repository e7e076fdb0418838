package sfdcsim

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"
	"unicode/utf8"
)

// The layouts of datetimes: as answered, and as taken (REST API Developer Guide, "Valid Date and DateTime Formats").
const stampLayout = "2006-01-02T15:04:05.000-0700"

func parseStamp(s string) (time.Time, bool) {
	for _, layout := range []string{"2006-01-02T15:04:05.999999999Z07:00", "2006-01-02T15:04:05.999999999-0700", time.DateOnly} {
		if t, err := time.Parse(layout, s); err == nil {
			return t.UTC().Truncate(time.Second), true // the platform keeps whole seconds
		}
	}
	return time.Time{}, false
}

// output is a stored value as JSON carries it.
func output(f *field, v any) any {
	if t, ok := v.(time.Time); ok {
		return t.Format(stampLayout)
	}
	if n, ok := v.(float64); ok && f.Type == "int" {
		return int64(n)
	}
	return v
}

// convert reads the JSON value of a field that is not a reference; nil is null.
func convert(f *field, v any) (any, *apiError) {
	if v == nil {
		return convertNull(f)
	}
	switch f.Type {
	case "boolean":
		if b, ok := v.(bool); ok {
			return b, nil
		}
	case "double", "int":
		if n, ok := number(f, v); ok {
			return n, nil
		}
	case "datetime":
		if s, ok := v.(string); ok {
			if t, ok := parseStamp(s); ok {
				return t, nil
			}
		}
	case "date":
		if s, ok := v.(string); ok {
			if t, err := time.Parse(time.DateOnly, s); err == nil {
				return t.Format(time.DateOnly), nil
			}
		}
	default:
		if s, ok := v.(string); ok {
			return text(f, s)
		}
	}
	return nil, cannotRead(f, v)
}

func convertNull(f *field) (any, *apiError) {
	if f.Type == "boolean" {
		return nil, refuseType("Cannot deserialize instance of boolean from null value null or request may be missing a required field at [line:1, column:1]")
	}
	return nil, nil
}

func number(f *field, v any) (float64, bool) {
	literal, ok := v.(json.Number)
	if !ok {
		return 0, false
	}
	n, err := literal.Float64()
	return n, err == nil && (f.Type == "double" || n == math.Trunc(n) && math.Abs(n) < 1<<31)
}

func refuseType(message string) *apiError { return bare(400, "JSON_PARSER_ERROR", message) }

// cannotRead is the platform's answer to a JSON value of the wrong kind.
func cannotRead(f *field, v any) *apiError {
	token := "START_OBJECT"
	switch v := v.(type) {
	case string:
		token = "VALUE_STRING value " + v
	case json.Number:
		token = "VALUE_NUMBER_FLOAT value " + v.String()
		if !strings.ContainsAny(v.String(), ".eE") {
			token = "VALUE_NUMBER_INT value " + v.String()
		}
	case bool:
		token = fmt.Sprintf("VALUE_%s value %t", strings.ToUpper(fmt.Sprint(v)), v)
	case []any:
		token = "START_ARRAY"
	}
	kind := f.Type
	if f.isText() {
		kind = "string"
	}
	return refuseType("Cannot deserialize instance of " + kind + " from " + token +
		" or request may be missing a required field at [line:1, column:1]")
}

// text trims as the platform does; an empty text is null.
func text(f *field, s string) (any, *apiError) {
	s = strings.TrimSpace(s)
	if s == "" {
		return nil, nil
	}
	if n := utf8.RuneCountInString(s); n > f.Length {
		return nil, refuse("STRING_TOO_LONG", fmt.Sprintf("%s: data value too large: %s (max length=%d)", label(f.Name), s, f.Length), f.Name)
	}
	switch f.Type {
	case "email":
		if at := strings.IndexByte(s, '@'); at < 1 || !strings.Contains(s[at:], ".") || strings.ContainsAny(s, " \t") {
			return nil, refuse("INVALID_EMAIL_ADDRESS", label(f.Name)+": invalid email address: "+s, f.Name)
		}
	case "picklist", "multipicklist":
		return picklist(f, s)
	}
	return s, nil
}

func picklist(f *field, s string) (any, *apiError) {
	if !f.is('R') || len(f.Values) == 0 {
		return s, nil
	}
	chosen := []string{s}
	if f.Type == "multipicklist" {
		chosen = strings.Split(s, ";")
	}
	for _, c := range chosen {
		if !slices.Contains(f.Values, c) {
			return nil, refuse("INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST",
				label(f.Name)+": bad value for restricted picklist field: "+c, f.Name)
		}
	}
	return s, nil
}

// label makes a field's label from its API name: "PatientId" is "Patient ID", "Bridge_Key__c" is "Bridge Key".
func label(name string) string {
	name = strings.ReplaceAll(strings.TrimSuffix(name, "__c"), "_", " ")
	var b strings.Builder
	for i, c := range name {
		if i > 0 && c >= 'A' && c <= 'Z' && name[i-1] >= 'a' && name[i-1] <= 'z' {
			b.WriteByte(' ')
		}
		b.WriteRune(c)
	}
	out := b.String()
	if strings.HasSuffix(out, " Id") {
		return strings.TrimSuffix(out, "Id") + "ID"
	}
	return out
}
