package erssim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
)

// parameters is a FHIR Parameters resource as a client sent it.
type parameters struct{ values map[string]value }

// value is one parameter: a coding or identifier (set is its system), or a text.
type value struct {
	code
	text string
}

func (p parameters) coding(name string) (code, bool) {
	v, ok := p.values[name]
	return v.code, ok
}

func (p parameters) identifier(name string) (code, bool) { return p.coding(name) }

func (p parameters) text(name string) (string, bool) {
	v, ok := p.values[name]
	return v.text, ok
}

// readParameters checks the structure of a request's body: well-formed JSON, else 400; a Parameters resource of the
// profile with the known parameters only, each once and with its own type of value, else 422. known maps a parameter's
// name to the element that holds its value.
func readParameters(body []byte, profileName string, known map[string]string) (parameters, answer, bool) {
	p := parameters{values: map[string]value{}}
	var top map[string]json.RawMessage
	if !json.Valid(body) {
		return p, empty(http.StatusBadRequest), false
	}
	if json.Unmarshal(body, &top) != nil || text(top["resourceType"]) != "Parameters" {
		return p, unprocessable("INVALID_FHIR_STRUCTURE", "a Parameters resource is expected"), false
	}
	for key := range top {
		if !slices.Contains([]string{"resourceType", "id", "meta", "parameter"}, key) {
			return p, unprocessable("UNEXPECTED_FIELD", fmt.Sprintf("'%s' is not expected", key)), false
		}
	}
	if a, ok := checkProfile(top["meta"], definition(profileName)); !ok {
		return p, a, false
	}
	var list []map[string]json.RawMessage
	if raw, given := top["parameter"]; given && json.Unmarshal(raw, &list) != nil {
		return p, unprocessable("INVALID_FHIR_STRUCTURE", "'parameter' is not an array of objects"), false
	}
	for i, fields := range list {
		if a, ok := p.add(fields, known, fmt.Sprintf("'parameter[%d]'", i)); !ok {
			return p, a, false
		}
	}
	return p, answer{}, true
}

func checkProfile(raw json.RawMessage, want string) (answer, bool) {
	var meta struct{ Profile []string }
	switch {
	case raw == nil:
		return unprocessable("MISSING_VALUE", "'meta.profile' is mandatory"), false
	case json.Unmarshal(raw, &meta) != nil:
		return unprocessable("INVALID_FHIR_STRUCTURE", "'meta' cannot be read"), false
	case len(meta.Profile) != 1 || meta.Profile[0] != want:
		return unprocessable("INVALID_VALUE", "'meta.profile' is not that of this operation"), false
	}
	return answer{}, true
}

func (p parameters) add(fields map[string]json.RawMessage, known map[string]string, at string) (answer, bool) {
	name := text(fields["name"])
	key, ok := known[name]
	if !ok {
		return unprocessable("UNEXPECTED_FIELD", at+" ("+name+") unknown parameter name"), false
	}
	if _, twice := p.values[name]; twice && key != "resource" {
		return unprocessable("UNEXPECTED_FIELD", at+" ("+name+") is repeated"), false
	}
	for field := range fields {
		if field != "name" && field != key {
			return unprocessable("UNEXPECTED_FIELD", at+" ("+name+") has '"+field+"'"), false
		}
	}
	raw, given := fields[key]
	if !given {
		return unprocessable("MISSING_VALUE", at+" ("+name+") has no '"+key+"'"), false
	}
	v, ok := readValue(key, raw)
	if !ok {
		return unprocessable("INVALID_FHIR_STRUCTURE", at+" ("+name+") is not a "+key), false
	}
	p.values[name] = v
	return answer{}, true
}

func readValue(key string, raw json.RawMessage) (value, bool) {
	type coding struct{ System, Code, Value string }
	switch key {
	case "valueCoding", "valueIdentifier":
		var c coding
		err := json.Unmarshal(raw, &c)
		return value{code: code{set: c.System, code: c.Code + c.Value}}, err == nil
	case "valueCodeableConcept":
		var concept struct{ Coding []coding }
		if json.Unmarshal(raw, &concept) != nil || len(concept.Coding) != 1 {
			return value{}, false
		}
		c := concept.Coding[0]
		return value{code: code{set: c.System, code: c.Code}}, true
	case "valueString":
		var s string
		err := json.Unmarshal(raw, &s)
		return value{text: s}, err == nil
	}
	return value{}, true // a contained resource: only that it is there matters
}

func text(raw json.RawMessage) string {
	var s string
	_ = json.Unmarshal(raw, &s) // anything but a string is no name
	return s
}
