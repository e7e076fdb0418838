package sfdcsim

import (
	_ "embed"
	"encoding/json"
	"fmt"
	"slices"
	"strings"
)

// objectsJSON holds the objects and fields of the org. Derived from the Health Cloud Developer Guide and the Object
// Reference (v66.0); flags that no page states are createable, updateable, nillable, filterable.
//
//go:embed objects.json
var objectsJSON string

// field is one column. Props are letters, explained at the top of objects.json.
type field struct {
	Name    string   `json:"name"`
	Type    string   `json:"type"`
	Props   string   `json:"props"`
	Length  int      `json:"length"`
	Values  []string `json:"values"`
	To      []string `json:"to"`
	Rel     string   `json:"rel"`
	Default any      `json:"default"`
	Format  string   `json:"format"` // of an autonumber
}

func (f *field) is(prop byte) bool { return strings.IndexByte(f.Props, prop) >= 0 }

func (f *field) polymorphic() bool { return len(f.To) > 1 }

func (f *field) custom() bool { return strings.HasSuffix(f.Name, "__c") }

func (f *field) isText() bool {
	return slices.Contains([]string{"string", "textarea", "phone", "email", "url", "picklist", "multipicklist"}, f.Type)
}

// lookupKey tells whether a record can be found by this field in an upsert or a relationship reference.
func (f *field) lookupKey() bool { return f.is('I') || f.is('X') }

// indexed fields answer equality without a scan.
func (f *field) indexed() bool {
	if f.Type == "reference" {
		return !slices.Contains(f.To, "User") && !slices.Contains(f.To, "RecordType")
	}
	return f.Name != "Id" && (f.lookupKey() || f.is('Q') || f.Name == "IdValue" || f.Name == "SourceSystemIdentifier")
}

func (f *field) required() bool {
	return f.is('C') && !f.is('N') && !f.is('D') && f.Type != "boolean" && f.Default == nil
}

type object struct {
	Name     string   `json:"name"`
	Prefix   string   `json:"prefix"`
	ReadOnly bool     `json:"readOnly"`
	Fields   []*field `json:"fields"`
	byName   map[string]*field
	byRel    map[string]*field
}

func (o *object) field(name string) *field { return o.byName[strings.ToLower(name)] }

func (o *object) relation(name string) *field { return o.byRel[strings.ToLower(name)] }

// nameField is the field that people see as the record's name.
func (o *object) nameField() *field {
	for _, name := range []string{"Name", "AppointmentNumber", "MasterLabel"} {
		if f := o.field(name); f != nil {
			return f
		}
	}
	return o.field("Id")
}

type schema struct {
	objects  []*object
	byName   map[string]*object
	byPrefix map[string]*object
}

func (s *schema) object(name string) *object { return s.byName[strings.ToLower(name)] }

func newSchema(o Options) (*schema, error) {
	var in struct {
		Common  []field   `json:"common"`
		Objects []*object `json:"objects"`
	}
	if err := json.Unmarshal([]byte(objectsJSON), &in); err != nil {
		return nil, fmt.Errorf("read the objects: %w", err)
	}
	s := &schema{byName: map[string]*object{}, byPrefix: map[string]*object{}}
	for _, obj := range in.Objects {
		for _, common := range in.Common {
			obj.Fields = append(obj.Fields, &common)
		}
		s.add(obj)
	}
	if o.NoReferralParent {
		s.withoutReferralParent()
	}
	if err := s.hide(o.Hidden); err != nil {
		return nil, err
	}
	if err := s.extend(o.PicklistValues); err != nil {
		return nil, err
	}
	if !o.OpenPicklists {
		s.restrict()
	}
	return s, nil
}

func (o *object) register(f *field) {
	o.byName[strings.ToLower(f.Name)] = f
	if f.Rel != "" {
		o.byRel[strings.ToLower(f.Rel)] = f
	}
}

func (s *schema) add(obj *object) {
	obj.byName, obj.byRel = map[string]*field{}, map[string]*field{}
	for _, f := range obj.Fields {
		obj.register(f)
	}
	s.objects = append(s.objects, obj)
	s.byName[strings.ToLower(obj.Name)] = obj
	s.byPrefix[obj.Prefix] = obj
}

func (s *schema) withoutReferralParent() {
	const referral = "ClinicalServiceRequest"
	appointment := s.object("ServiceAppointment")
	parent := appointment.field("ParentRecordId")
	parent.To = slices.DeleteFunc(parent.To, func(name string) bool { return name == referral })
	lookup := &field{Name: "Bridge_Referral__c", Type: "reference", Props: "CUNF", To: []string{referral}, Rel: "Bridge_Referral__r"}
	appointment.Fields = append(appointment.Fields, lookup)
	appointment.register(lookup)
}

func (s *schema) hide(names []string) error {
	for _, name := range names {
		objectName, fieldName, hasField := strings.Cut(name, ".")
		obj := s.object(objectName)
		switch {
		case obj == nil:
			return fmt.Errorf("hide %s: no such object", name)
		case !hasField:
			delete(s.byName, strings.ToLower(objectName))
			delete(s.byPrefix, obj.Prefix)
			s.objects = slices.DeleteFunc(s.objects, func(o *object) bool { return o == obj })
		case obj.field(fieldName) == nil:
			return fmt.Errorf("hide %s: no such field", name)
		default:
			f := obj.field(fieldName)
			obj.Fields = slices.DeleteFunc(obj.Fields, func(g *field) bool { return g == f })
			delete(obj.byName, strings.ToLower(f.Name))
			delete(obj.byRel, strings.ToLower(f.Rel))
		}
	}
	return nil
}

func (s *schema) extend(values map[string][]string) error {
	for name, more := range values {
		objectName, fieldName, _ := strings.Cut(name, ".")
		obj := s.object(objectName)
		if obj == nil || obj.field(fieldName) == nil {
			return fmt.Errorf("add picklist values to %s: no such field", name)
		}
		f := obj.field(fieldName)
		f.Values = append(f.Values, more...)
	}
	return nil
}

// restrict makes the picklists that automation depends on restricted, as administrators do.
func (s *schema) restrict() {
	for _, name := range []string{"ClinicalServiceRequest.Status", "ClinicalServiceRequest.Type",
		"ClinicalServiceRequest.Priority", "ServiceAppointment.Status"} {
		objectName, fieldName, _ := strings.Cut(name, ".")
		if obj := s.object(objectName); obj != nil && obj.field(fieldName) != nil {
			obj.field(fieldName).Props += "R"
		}
	}
}
