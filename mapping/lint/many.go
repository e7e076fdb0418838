package lint

import (
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"refbridge/mapping"
)

// plainPath is a row of elements without a function: what repeats, repeats.
var plainPath = regexp.MustCompile(`^[a-z][A-Za-z]*(\.[a-z][A-Za-z]*)*$`)

// several warns of a path through an element that R4 lets repeat, where the field takes one value: the first record with
// two of them would be held.
func (l *linter) several(w *mapping.Row, p *mapping.Path, v *view) {
	src := strings.TrimSpace(l.text(p))
	if w.Values != nil || w.Joined || !plainPath.MatchString(src) {
		return
	}
	folds := func(t mapping.Transform) bool {
		return slices.Contains([]string{"humanName", "nhsNumber", "patientKey"}, t.Name)
	}
	if slices.ContainsFunc(w.Transforms, folds) {
		return
	}
	if element := repeats(modelOf(v.start), strings.Split(src, ".")); element != "" {
		l.warn("several", p.Place, w.Field, fmt.Sprintf("%s can stand several times, the row takes one value: two of them hold the record", element),
			"choose one with .first() or .where(…), or write them together with .join('; ')")
	}
}

// modelOf gives the R4 structure of a type, nil where this check does not know it.
func modelOf(typ string) reflect.Type {
	switch typ {
	case "ServiceRequest":
		return reflect.TypeFor[r4.ServiceRequest]()
	case "Appointment":
		return reflect.TypeFor[r4.Appointment]()
	case "Patient":
		return reflect.TypeFor[r4.Patient]()
	case "Practitioner":
		return reflect.TypeFor[r4.Practitioner]()
	case "Organization":
		return reflect.TypeFor[r4.Organization]()
	case "HumanName":
		return reflect.TypeFor[r4.HumanName]()
	case "Address":
		return reflect.TypeFor[r4.Address]()
	case "Identifier":
		return reflect.TypeFor[r4.Identifier]()
	case "CodeableConcept":
		return reflect.TypeFor[r4.CodeableConcept]()
	}
	return nil
}

// repeats gives the first of the elements that is a list; empty where none is, or where the model does not know one
// (choices have other names there).
func repeats(model reflect.Type, elements []string) string {
	for _, name := range elements {
		if model == nil || model.Kind() != reflect.Struct {
			return ""
		}
		field := r4Field(model, name)
		if field == nil {
			return ""
		}
		if field.Kind() == reflect.Slice {
			return name
		}
		if field.Kind() == reflect.Pointer {
			field = field.Elem()
		}
		model = field
	}
	return ""
}

func r4Field(model reflect.Type, name string) reflect.Type {
	for i := range model.NumField() {
		tag, _, _ := strings.Cut(model.Field(i).Tag.Get("json"), ",")
		if tag == name {
			return model.Field(i).Type
		}
	}
	return nil
}
