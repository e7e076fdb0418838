package mapping

import (
	"encoding/json"
	"fmt"
	"reflect"
	"strings"
)

//go:generate go test -run TestTheSchemaFileIsUpToDate -update .

// The types below mirror the format of a table file for the JSON Schema that editors complete and check with. The tag
// doc is what an editor shows; need marks a member that must be there; enum and pattern say what a text may be.

type tableFormat struct {
	Object  string                      `json:"object" need:"yes" pattern:"^[A-Za-z][A-Za-z0-9_]{1,79}$" doc:"The sObject that is made, for example ClinicalServiceRequest."`
	Target  string                      `json:"target" doc:"Name of a target with a snapshot of its own (snapshot.yaml beside the tables): not a default mapping."`
	Source  string                      `json:"source" need:"yes" pattern:"^[A-Z][A-Za-z]{1,63}$" doc:"The FHIR R4 resource type that it is made from, for example ServiceRequest."`
	Purpose string                      `json:"purpose" doc:"Why the table is there, for whoever reads it next."`
	Owner   string                      `json:"owner" enum:"owner" doc:"For rows that do not say otherwise: source, target, latest, create-only or identity."`
	Shared  string                      `json:"shared" enum:"shared" doc:"code or patient: several source records share the record. Without it a record belongs to the source record whose key it bears, and no other may write it."`
	Patient pathFormat                  `json:"patient" doc:"FHIRPath on the resource: the elements by which it names patients itself. One who is not the patient of the record that it belongs to holds it."`
	ForEach pathFormat                  `json:"forEach" doc:"FHIRPath on the resource: one record for each element that it gives. Without it: one record."`
	Let     map[string]namedFormat      `json:"let" doc:"Named values, used as %name below; each may use those above it."`
	When    pathFormat                  `json:"when" doc:"FHIRPath: the record is made only where this holds."`
	Key     keyFormat                   `json:"key" need:"yes" doc:"The external id field and what it is made of."`
	Rows    []rowFormat                 `json:"rows" need:"yes" doc:"The fields, in order."`
	Values  map[string]valueTableFormat `json:"values" doc:"Value tables: code of the source to value of the target. Their names are shared by all files."`
	Drop    []dropFormat                `json:"drop" doc:"What is left out on purpose."`
	Gone    []goneFormat                `json:"gone" doc:"What to set in a record that its source does not produce any more. Nothing is deleted."`
	Back    []backFormat                `json:"back" doc:"What a change in Salesforce means to the source."`
}

type bodyFormat struct {
	Body    string                      `json:"body" need:"yes" enum:"body" doc:"The JSON body that is made: of the Referral Management or the Book Appointment API."`
	Target  string                      `json:"target" doc:"Name of a target with a snapshot of its own (snapshot.yaml beside the tables): not a default mapping."`
	Source  string                      `json:"source" need:"yes" pattern:"^[A-Z][A-Za-z]{1,63}$" doc:"The FHIR R4 resource type that it is made from."`
	Purpose string                      `json:"purpose" doc:"Why the table is there."`
	ForEach pathFormat                  `json:"forEach" doc:"FHIRPath on the resource: one item of the list for each element that it gives."`
	Max     int                         `json:"max" doc:"How many elements of forEach are kept; more are left out."`
	Let     map[string]namedFormat      `json:"let" doc:"Named values, used as %name below; each may use those above it."`
	When    pathFormat                  `json:"when" doc:"FHIRPath: the part is made only where this holds."`
	Rows    []bodyRowFormat             `json:"rows" need:"yes" doc:"The members, in order."`
	Values  map[string]valueTableFormat `json:"values" doc:"Value tables. Their names are shared by all files."`
	Drop    []dropFormat                `json:"drop" doc:"What is left out on purpose."`
}

type valuesFormat struct {
	Values  map[string]valueTableFormat `json:"values" need:"yes" doc:"Value tables that all files share."`
	Purpose string                      `json:"purpose" doc:"Why the file is there."`
}

type keyFormat struct {
	Field     string                `json:"field" need:"yes" doc:"External id field, for example Bridge_Key__c."`
	From      oneOrMore[pathFormat] `json:"from" need:"yes" doc:"FHIRPath of the key: letters, digits, '.', '_', '-'. Never an NHS number."`
	Transform oneOrMore[callFormat] `json:"transform" doc:"Transforms, in order."`
	Purpose   string                `json:"purpose" doc:"What the key is made of, and why."`
}

type letFormat struct {
	From      oneOrMore[pathFormat] `json:"from" need:"yes" doc:"FHIRPath, or a list: the first that finds something."`
	Transform oneOrMore[callFormat] `json:"transform" doc:"Transforms, in order."`
	Values    string                `json:"values" doc:"Name of a value table."`
	Purpose   string                `json:"purpose" doc:"What the value is for."`
}

type rowFormat struct {
	Field        string                `json:"field" need:"yes" pattern:"^[A-Za-z][A-Za-z0-9_]{1,79}$" doc:"The Salesforce field."`
	From         oneOrMore[pathFormat] `json:"from" doc:"FHIRPath on the current element, or a list: the first that finds something. One value."`
	Values       string                `json:"values" doc:"Name of a value table."`
	Transform    oneOrMore[callFormat] `json:"transform" doc:"Transforms, in order."`
	Ref          string                `json:"ref" doc:"The value is the key of another record: CodeSetBundle, or HealthcareProvider.Bridge_Key__c."`
	Lookup       string                `json:"lookup" pattern:"^[A-Za-z][A-Za-z0-9_]{1,79}\\.nhsNumber$" doc:"The value finds another record: Account.nhsNumber."`
	Default      scalarFormat          `json:"default" doc:"Value where the source has none. true and false without quotes are a checkbox."`
	Required     bool                  `json:"required" doc:"Without a value the record is held."`
	Owner        string                `json:"owner" enum:"owner" doc:"source: every difference is written. target: written when the record is new. latest: whoever changed it last. create-only: the platform takes it on create only. stop: a checkbox that is set before anything else is written, also where the record is held. identity: it says who the record is about; a difference holds the record."`
	KeepIfAbsent bool                  `json:"keepIfAbsent" doc:"Without a value the field is left as it is; otherwise it is emptied."`
	Optional     bool                  `json:"optional" doc:"The row counts only where the org has the field; without it the field is an error."`
	Private      bool                  `json:"private" doc:"The value is shown to nobody: plans, diffs and conflicts say that there is one. An NHS number is private without it."`
	When         pathFormat            `json:"when" doc:"FHIRPath: the row counts only where this holds."`
	Purpose      string                `json:"purpose" doc:"Why this field leaves the trust."`
}

type bodyRowFormat struct {
	Path      string                `json:"path" need:"yes" doc:"The member, for example patient.fields.LastName or performers[].id."`
	From      oneOrMore[pathFormat] `json:"from" doc:"FHIRPath on the current element, or a list: the first that finds something."`
	Values    string                `json:"values" doc:"Name of a value table."`
	Transform oneOrMore[callFormat] `json:"transform" doc:"Transforms, in order."`
	Join      scalarFormat          `json:"join" doc:"The values of all elements of forEach become one text, with this between them."`
	Default   scalarFormat          `json:"default" doc:"Value where the source has none."`
	Required  bool                  `json:"required" doc:"Without a value the record is held."`
	When      pathFormat            `json:"when" doc:"FHIRPath: the row counts only where this holds."`
	Purpose   string                `json:"purpose" doc:"Why this value leaves the trust."`
}

type valueTableFormat struct {
	Codes      []codeFormat   `json:"codes" need:"yes" doc:"The rows: code of the source to value of the target."`
	Purpose    string         `json:"purpose" doc:"What the table is for."`
	System     string         `json:"system" doc:"Code system of every code that does not name its own."`
	Columns    []string       `json:"columns" doc:"Names, where each code leads to several values: to is then name: value pairs."`
	IgnoreCase bool           `json:"ignoreCase" doc:"Codes are found whatever the case of their letters."`
	Unlisted   unlistedFormat `json:"unlisted" doc:"What becomes of a code without a row: hold (the default), keep, none, or {to: value}."`
}

type codeFormat struct {
	Code    scalarFormat `json:"code" need:"yes" doc:"The code as it is written: 01 is not 1."`
	To      outputFormat `json:"to" need:"yes" doc:"The value; true and false without quotes are a checkbox."`
	System  string       `json:"system" doc:"Code system, where it is not that of the table."`
	Purpose string       `json:"purpose" doc:"Why it becomes this value."`
}

type dropFormat struct {
	Path    pathFormat `json:"path" need:"yes" doc:"FHIRPath of what is left out."`
	Purpose string     `json:"purpose" need:"yes" doc:"Why."`
}

type goneFormat struct {
	Field   string         `json:"field" need:"yes" doc:"The field that marks the record."`
	To      scalarFormat   `json:"to" need:"yes" doc:"Its value then."`
	Only    []scalarFormat `json:"only" doc:"The record is marked only while the field has one of these."`
	Purpose string         `json:"purpose" doc:"Why."`
}

type backFormat struct {
	Dialect    string                             `json:"dialect" need:"yes" enum:"dialect" doc:"Sources of this kind: ers or fhir."`
	Changed    oneOrMore[string]                  `json:"changed" need:"yes" doc:"A field, or several, that differs from what was last synced."`
	Operation  string                             `json:"operation" need:"yes" enum:"operation" doc:"What the source is told."`
	To         oneOrMore[scalarFormat]            `json:"to" doc:"What the first of the fields became; left out: anything."`
	While      map[string]oneOrMore[scalarFormat] `json:"while" doc:"Fields and their values as last synced, all of them."`
	Parameters []parameterFormat                  `json:"parameters" doc:"Inputs of the operation."`
	Purpose    string                             `json:"purpose" doc:"When the rule applies, in words."`
}

type parameterFormat struct {
	Name        string                             `json:"name" need:"yes" doc:"Name of the input."`
	System      string                             `json:"system" doc:"Code system of the code."`
	Code        scalarFormat                       `json:"code" doc:"A fixed code; otherwise from."`
	From        oneOrMore[string]                  `json:"from" doc:"A field whose value is sent; several make one code: Cannot Complete / NoShow."`
	Values      string                             `json:"values" doc:"Name of a value table: a code is sent, not a text."`
	Required    bool                               `json:"required" doc:"The source insists on it."`
	RequiredFor map[string]oneOrMore[scalarFormat] `json:"requiredFor" doc:"Fields and values for which the source insists on it."`
	Length      int                                `json:"length" doc:"Longest text in characters."`
	Forward     map[string]string                  `json:"forward" doc:"Fields and the value tables of the way there: what the source would not see is not sent."`
	Purpose     string                             `json:"purpose" doc:"Why."`
}

// Kinds of members that are no plain struct, text, list or switch.
type (
	scalarFormat     string // a text that may look like a number, true or false
	pathFormat       string // FHIRPath
	callFormat       string // a transform with its arguments
	namedFormat      struct{}
	unlistedFormat   struct{}
	outputFormat     struct{}
	oneOrMore[T any] struct{}
)

// schemed is a kind of member that writes its own schema.
type schemed interface {
	schema(s *schemaWriter) schemaNode
}

type schemaNode = map[string]any

func (scalarFormat) schema(*schemaWriter) schemaNode {
	return schemaNode{"type": []string{"string", "number", "boolean"}}
}

func (pathFormat) schema(*schemaWriter) schemaNode {
	return schemaNode{"type": []string{"string", "boolean"}} // when: false
}

func (callFormat) schema(*schemaWriter) schemaNode {
	return schemaNode{"type": "string", "pattern": `^\s*(` + strings.Join(TransformNames(), "|") + `)\s*(\([^()]*\))?\s*$`,
		"examples": TransformNames()}
}

func (namedFormat) schema(s *schemaWriter) schemaNode {
	return anyOf(schemaNode{"type": "string"}, schemaNode{"type": "array", "items": schemaNode{"type": "string"}, "minItems": 1},
		s.of(reflect.TypeFor[letFormat]()))
}

func (unlistedFormat) schema(s *schemaWriter) schemaNode {
	return anyOf(schemaNode{"enum": []string{UnlistedHold, UnlistedKeep, UnlistedNone}}, schemaNode{"type": "object",
		"required": []string{"to"}, "properties": schemaNode{"to": s.of(reflect.TypeFor[scalarFormat]())}, "additionalProperties": false})
}

func (outputFormat) schema(s *schemaWriter) schemaNode {
	value := s.of(reflect.TypeFor[scalarFormat]())
	return anyOf(value, schemaNode{"type": "object", "additionalProperties": value})
}

func (oneOrMore[T]) schema(s *schemaWriter) schemaNode {
	one := s.of(reflect.TypeFor[T]())
	return anyOf(one, schemaNode{"type": "array", "items": one, "minItems": 1})
}

func anyOf(nodes ...schemaNode) schemaNode { return schemaNode{"anyOf": nodes} }

// Schema gives the JSON Schema (draft-07, which editors know best) of a table file; mapping/schema.json is the same text.
func Schema() ([]byte, error) {
	s := &schemaWriter{definitions: schemaNode{}}
	root := anyOf(s.of(reflect.TypeFor[tableFormat]()), s.of(reflect.TypeFor[bodyFormat]()), s.of(reflect.TypeFor[valuesFormat]()))
	root["$schema"] = "http://json-schema.org/draft-07/schema#"
	root["title"] = "refbridge mapping table"
	root["description"] = "How the records of one Salesforce object are made from one FHIR R4 resource type; see docs/tables.md."
	root["definitions"] = s.definitions
	out, err := json.MarshalIndent(root, "", "  ")
	if err != nil {
		return nil, fmt.Errorf("write the schema: %w", err)
	}
	return append(out, '\n'), nil
}

// schemaWriter turns types into schemas. Each struct is written once, as a definition.
type schemaWriter struct{ definitions schemaNode }

func (s *schemaWriter) of(t reflect.Type) schemaNode {
	if own, ok := reflect.Zero(t).Interface().(schemed); ok {
		return own.schema(s)
	}
	switch t.Kind() {
	case reflect.Bool:
		return schemaNode{"type": "boolean"}
	case reflect.Int:
		return schemaNode{"type": "integer", "minimum": 1}
	case reflect.Slice:
		return schemaNode{"type": "array", "items": s.of(t.Elem())}
	case reflect.Map:
		return schemaNode{"type": "object", "additionalProperties": s.of(t.Elem())}
	case reflect.Struct:
		return s.object(t)
	}
	return schemaNode{"type": "string"}
}

// object defines a struct and gives the reference to it.
func (s *schemaWriter) object(t reflect.Type) schemaNode {
	name := strings.TrimSuffix(t.Name(), "Format")
	ref := schemaNode{"$ref": "#/definitions/" + name}
	if s.definitions[name] != nil {
		return ref
	}
	properties, needed := schemaNode{}, []string{}
	definition := schemaNode{"type": "object", "properties": properties, "additionalProperties": false}
	s.definitions[name] = definition
	for i := range t.NumField() {
		f := t.Field(i)
		member := f.Tag.Get("json")
		properties[member] = s.member(f)
		if f.Tag.Get("need") != "" {
			needed = append(needed, member)
		}
	}
	if len(needed) > 0 {
		definition["required"] = needed
	}
	return ref
}

func (s *schemaWriter) member(f reflect.StructField) schemaNode {
	out := s.of(f.Type)
	if out["$ref"] != nil {
		out = schemaNode{"allOf": []schemaNode{out}} // draft-07 reads nothing beside a $ref
	}
	out["description"] = f.Tag.Get("doc")
	if list := f.Tag.Get("enum"); list != "" {
		out["enum"] = enumOf(list)
	}
	if p := f.Tag.Get("pattern"); p != "" {
		out["pattern"] = p
	}
	return out
}

func enumOf(list string) []string {
	switch list {
	case "owner":
		return []string{"source", "target", "latest", "create-only", "stop", "identity"}
	case "shared":
		return []string{SharedByCode, SharedByPatient}
	case "body":
		return bodyNames()
	case "dialect":
		return dialects()
	}
	var out []string
	for _, d := range dialects() {
		out = append(out, operations(d)...)
	}
	return out
}
