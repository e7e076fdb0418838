//go:build ignore

// Command generate_model writes model_table.go from the definitions that HL7 publishes with FHIR R4 (the files
// profiles-types.json and profiles-resources.json of https://hl7.org/fhir/R4/definitions.json.zip, CC0), and from
// the list below of what e-RS still sends as STU3.
//
//	FHIR_DEFINITIONS=/path/to/definitions go generate ./fhir/fhirpath
package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"go/format"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// stu3 lists types and elements that STU3 (3.0.2) has and R4 has not: type, base, then element:type, * for lists,
// several types for a choice.
const stu3 = `
ReferralRequest DomainResource identifier:Identifier* definition:Reference* basedOn:Reference* replaces:Reference* groupIdentifier:Identifier status:code intent:code type:CodeableConcept priority:code serviceRequested:CodeableConcept* subject:Reference context:Reference occurrence:dateTime|Period authoredOn:dateTime requester:ReferralRequest.requester specialty:CodeableConcept recipient:Reference* reasonCode:CodeableConcept* reasonReference:Reference* description:string supportingInfo:Reference* note:Annotation* relevantHistory:Reference*
ReferralRequest.requester BackboneElement agent:Reference onBehalfOf:Reference
ProcedureRequest DomainResource identifier:Identifier* definition:Reference* basedOn:Reference* replaces:Reference* requisition:Identifier status:code intent:code priority:code doNotPerform:boolean category:CodeableConcept* code:CodeableConcept subject:Reference context:Reference occurrence:dateTime|Period|Timing asNeeded:boolean|CodeableConcept authoredOn:dateTime requester:ProcedureRequest.requester performerType:CodeableConcept performer:Reference reasonCode:CodeableConcept* reasonReference:Reference* supportingInfo:Reference* specimen:Reference* bodySite:CodeableConcept* note:Annotation* relevantHistory:Reference*
ProcedureRequest.requester BackboneElement agent:Reference onBehalfOf:Reference
Appointment - appointmentType:CodeableConcept reason:CodeableConcept* indication:Reference* incomingReferral:Reference*
Patient - animal:Patient.animal
Patient.animal BackboneElement species:CodeableConcept breed:CodeableConcept genderStatus:CodeableConcept
Encounter - incomingReferral:Reference* reason:CodeableConcept*
EpisodeOfCare - team:Reference*
Task - definition:uri|Reference context:Reference requester:Task.requester reason:CodeableConcept
Task.requester BackboneElement agent:Reference onBehalfOf:Reference
HealthcareService - serviceProvisionCode:CodeableConcept* programName:string* requiredEligibility:CodeableConcept eligibilityNote:string
DocumentReference - class:CodeableConcept created:dateTime indexed:instant
Communication - definition:Reference* notDone:boolean notDoneReason:CodeableConcept context:Reference
DiagnosticReport - context:Reference image:DiagnosticReport.image*
DiagnosticReport.image BackboneElement comment:string link:Reference
Observation - context:Reference comment:string related:Observation.related*
Observation.related BackboneElement type:code target:Reference
Condition - context:Reference assertedDate:dateTime
Procedure - definition:Reference* notDone:boolean notDoneReason:CodeableConcept context:Reference
Annotation - author:Reference|string
`

type element struct {
	name         string
	types        []string
	choice, many bool
}

type typ struct {
	name, base string
	kind       string // primitive-type, complex-type, resource
	elements   []element
}

type definition struct {
	Name           string
	Kind           string
	Type           string
	BaseDefinition string
	Derivation     string
	Snapshot       struct {
		Element []struct {
			Path             string
			Max              string
			ContentReference string
			Type             []struct{ Code string }
		}
	}
	Differential struct {
		Element []struct{ Path string }
	}
}

func main() {
	dir := os.Getenv("FHIR_DEFINITIONS")
	types := map[string]*typ{}
	for _, file := range []string{"profiles-types.json", "profiles-resources.json"} {
		if err := read(filepath.Join(dir, file), types); err != nil {
			fmt.Fprintln(os.Stderr, "generate_model:", err)
			os.Exit(1)
		}
	}
	supplement(types)
	src, err := format.Source(write(types))
	if err == nil {
		err = os.WriteFile("model_table.go", src, 0o644)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "generate_model:", err)
		os.Exit(1)
	}
}

func read(path string, types map[string]*typ) error {
	b, err := os.ReadFile(path)
	if err != nil {
		return fmt.Errorf("set FHIR_DEFINITIONS: %w", err)
	}
	var bundle struct {
		Entry []struct{ Resource json.RawMessage }
	}
	if err := json.Unmarshal(b, &bundle); err != nil {
		return fmt.Errorf("read %s: %w", path, err)
	}
	for _, e := range bundle.Entry {
		var d definition
		if json.Unmarshal(e.Resource, &d) == nil && d.Type != "" && d.Kind != "logical" && d.Derivation != "constraint" {
			define(d, types)
		}
	}
	return nil
}

func define(d definition, types map[string]*typ) {
	base := d.BaseDefinition[strings.LastIndex(d.BaseDefinition, "/")+1:]
	types[d.Name] = &typ{name: d.Name, base: base, kind: d.Kind}
	if d.Kind == "primitive-type" {
		return
	}
	own := map[string]bool{}
	for _, e := range d.Differential.Element {
		own[e.Path] = true
	}
	for _, e := range d.Snapshot.Element {
		dot := strings.LastIndexByte(e.Path, '.')
		if dot < 0 || !own[e.Path] {
			continue
		}
		el := element{name: strings.TrimSuffix(e.Path[dot+1:], "[x]"), many: e.Max != "1" && e.Max != "0"}
		el.choice = strings.HasSuffix(e.Path, "[x]")
		owner := types[e.Path[:dot]]
		if ref := e.ContentReference; ref != "" {
			el.types = []string{ref[1:]}
		}
		for _, t := range e.Type {
			el.types = append(el.types, code(e.Path, t.Code))
		}
		if !el.choice && len(el.types) == 1 && (el.types[0] == "BackboneElement" || el.types[0] == "Element") && e.Path != "Element" {
			types[e.Path] = &typ{name: e.Path, base: el.types[0], kind: "complex-type"}
			el.types[0] = e.Path
		}
		owner.elements = append(owner.elements, el)
	}
}

// code gives the FHIR type of an element that the definitions type as a FHIRPath system type.
func code(path, code string) string {
	switch {
	case path == "Resource.id":
		return "id"
	case path == "Extension.url":
		return "uri"
	case strings.HasPrefix(code, "http://hl7.org/fhirpath/System."):
		return strings.ToLower(code[len("http://hl7.org/fhirpath/System."):])
	}
	return code
}

func supplement(types map[string]*typ) {
	for line := range strings.Lines(strings.TrimSpace(stu3)) {
		fields := strings.Fields(line)
		t := types[fields[0]]
		if t == nil {
			kind := "resource"
			if strings.Contains(fields[0], ".") {
				kind = "complex-type"
			}
			t = &typ{name: fields[0], base: fields[1], kind: kind}
			types[fields[0]] = t
		}
		for _, f := range fields[2:] {
			name, rest, _ := strings.Cut(f, ":")
			el := element{name: name, many: strings.HasSuffix(rest, "*")}
			el.types = strings.Split(strings.TrimSuffix(rest, "*"), "|")
			el.choice = len(el.types) > 1
			if !slices.ContainsFunc(t.elements, func(e element) bool { return e.name == name }) {
				t.elements = append(t.elements, el)
			}
		}
	}
}

// table is the generated file while it grows.
type table struct {
	names                    []string
	rows, elements, choices  bytes.Buffer
	elementCount, choiceSize int
	lists                    map[string]int // where the types of a choice stand, by their names
}

func write(types map[string]*typ) []byte {
	t := table{names: slices.Sorted(maps.Keys(types)), lists: map[string]int{}}
	for _, name := range t.names {
		row := types[name]
		slices.SortFunc(row.elements, func(a, b element) int { return strings.Compare(a.name, b.name) })
		fmt.Fprintf(&t.rows, "{%q, %d, %s, %d, %d},\n", name, t.index(row.base), kindName(row.kind), t.elementCount, len(row.elements))
		for _, e := range row.elements {
			t.element(e)
		}
	}
	var out bytes.Buffer
	out.WriteString("// Code generated by generate_model.go from the FHIR R4 (4.0.1) definitions; DO NOT EDIT.\n\npackage fhirpath\n\n")
	fmt.Fprintf(&out, "var modelTypes = [...]typeRow{\n{},\n%s}\n\n", t.rows.String())
	fmt.Fprintf(&out, "var modelElements = [...]elementRow{\n%s}\n\n", t.elements.String())
	fmt.Fprintf(&out, "var modelChoices = [...]typeID{\n%s}\n", t.choices.String())
	return out.Bytes()
}

// index gives the row of a type, 0 for none.
func (t *table) index(name string) int {
	i := slices.Index(t.names, name)
	if i < 0 && name != "" {
		fmt.Fprintln(os.Stderr, "generate_model: unknown type", name)
		os.Exit(1)
	}
	return i + 1
}

func (t *table) element(e element) {
	t.elementCount++
	first, count := t.index(e.types[0]), 0
	if e.choice {
		first, count = t.choice(e.types), len(e.types)
	}
	fmt.Fprintf(&t.elements, "{%q, %d, %d, %t},\n", e.name, first, count, e.many)
}

// choice gives where the types of a choice stand.
func (t *table) choice(types []string) int {
	key := strings.Join(types, "|")
	at, known := t.lists[key]
	if known {
		return at
	}
	at = t.choiceSize
	t.lists[key] = at
	for _, name := range types {
		fmt.Fprintf(&t.choices, "%d, ", t.index(name))
		t.choiceSize++
	}
	t.choices.WriteString("\n")
	return at
}

func kindName(kind string) string {
	switch kind {
	case "primitive-type":
		return "primitiveType"
	case "resource":
		return "resourceType"
	}
	return "complexType"
}
