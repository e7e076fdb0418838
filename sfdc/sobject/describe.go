package sobject

import "slices"

// Description is what describe says of an object, as the integration user sees it: a field that the user may not
// see is absent, not flagged.
type Description struct {
	Name      string      `json:"name"`
	KeyPrefix string      `json:"keyPrefix"`
	Fields    []FieldType `json:"fields"`
}

// FieldType is one field of a Description, with the names that the REST describe resource uses.
type FieldType struct {
	Name               string          `json:"name"`
	Type               string          `json:"type"` // string, picklist, multipicklist, reference, datetime, date, double, int, boolean, textarea, id, …
	Length             int             `json:"length"`
	Createable         bool            `json:"createable"`
	Updateable         bool            `json:"updateable"`
	Nillable           bool            `json:"nillable"`
	DefaultedOnCreate  bool            `json:"defaultedOnCreate"`
	IDLookup           bool            `json:"idLookup"`
	ExternalID         bool            `json:"externalId"`
	Unique             bool            `json:"unique"`
	CaseSensitive      bool            `json:"caseSensitive"`
	RestrictedPicklist bool            `json:"restrictedPicklist"`
	PicklistValues     []PicklistValue `json:"picklistValues"`
	ReferenceTo        []string        `json:"referenceTo"`
	RelationshipName   string          `json:"relationshipName"`
}

// PicklistValue is one value of a picklist.
type PicklistValue struct {
	Value  string `json:"value"`
	Active bool   `json:"active"`
}

// Field gives a field by name.
func (d Description) Field(name string) (FieldType, bool) {
	i := slices.IndexFunc(d.Fields, func(f FieldType) bool { return f.Name == name })
	if i < 0 {
		return FieldType{}, false
	}
	return d.Fields[i], true
}
