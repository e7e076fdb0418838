package lint

import (
	"bytes"
	_ "embed"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

//go:embed snapshot/health-cloud.json
var healthCloud string

// Snapshot is what a target takes, for checking tables without asking it: objects as the describe resource of the
// Salesforce REST API gives them (https://developer.salesforce.com/docs/atlas.en-us.api_rest.meta/api_rest/resources_sobject_describe.htm).
// A member that is left out is false, empty or 0. A text field of length 0 has a length that is not known, a picklist
// without values takes any, a reference without targets any object.
type Snapshot struct {
	About   string                `json:"about,omitempty"` // where it comes from
	Version string                `json:"apiVersion,omitempty"`
	Taken   string                `json:"taken,omitempty"` // RFC 3339; empty for one that is no org's
	Objects []sobject.Description `json:"objects"`
}

// DefaultSnapshot gives Salesforce Health Cloud as its documentation describes it, with the custom fields of refbridge.
// An org differs in what its administrators changed.
func DefaultSnapshot() (Snapshot, error) { return ReadSnapshot([]byte(healthCloud)) }

// ReadSnapshot reads what Encode wrote, or what describe answers: one object, or a list of them.
func ReadSnapshot(src []byte) (Snapshot, error) {
	src = bytes.TrimSpace(src)
	var s Snapshot
	into := any(&s)
	if bytes.HasPrefix(src, []byte("[")) {
		into = &s.Objects
	}
	err := json.Unmarshal(src, into)
	var one sobject.Description
	if err == nil && len(s.Objects) == 0 && json.Unmarshal(src, &one) == nil && one.Name != "" {
		s.Objects = []sobject.Description{one}
	}
	if err == nil {
		err = s.check()
	}
	if err != nil {
		return Snapshot{}, fmt.Errorf("read the snapshot of a target: %w", plain(err))
	}
	return s, nil
}

// plain drops from an error of encoding/json what it quotes of the file.
func plain(err error) error {
	var syntax *json.SyntaxError
	var typ *json.UnmarshalTypeError
	switch {
	case errors.As(err, &syntax):
		return fmt.Errorf("not JSON from byte %d", syntax.Offset)
	case errors.As(err, &typ):
		return fmt.Errorf("byte %d: %s where %s is wanted", typ.Offset, typ.Value, typ.Type)
	}
	return err
}

func (s Snapshot) check() error {
	if len(s.Objects) == 0 {
		return errors.New("it has no objects")
	}
	seen := map[string]bool{}
	for _, o := range s.Objects {
		switch {
		case !mapping.ValidObjectName(o.Name):
			return errors.New("an object has no name")
		case seen[strings.ToLower(o.Name)]:
			return fmt.Errorf("object %s stands in it twice", o.Name)
		case len(o.Fields) == 0:
			return fmt.Errorf("object %s has no fields", o.Name)
		}
		seen[strings.ToLower(o.Name)] = true
	}
	return nil
}

// Object gives an object by name.
func (s Snapshot) Object(name string) (sobject.Description, bool) {
	i := slices.IndexFunc(s.Objects, func(d sobject.Description) bool { return d.Name == name })
	if i < 0 {
		return sobject.Description{}, false
	}
	return s.Objects[i], true
}

// values gives what a picklist of an object lists.
func (s Snapshot) values(object, field string) []string {
	desc, _ := s.Object(object)
	f, _ := desc.Field(field)
	out := make([]string, len(f.PicklistValues))
	for i, v := range f.PicklistValues {
		out[i] = v.Value
	}
	return out
}

// names gives the objects' names.
func (s Snapshot) names() []string {
	out := make([]string, len(s.Objects))
	for i, o := range s.Objects {
		out[i] = o.Name
	}
	return out
}

// compactField is sobject.FieldType without the members that say nothing.
type compactField struct {
	Name               string                  `json:"name"`
	Type               string                  `json:"type"`
	Length             int                     `json:"length,omitempty"`
	Createable         bool                    `json:"createable,omitempty"`
	Updateable         bool                    `json:"updateable,omitempty"`
	Nillable           bool                    `json:"nillable,omitempty"`
	DefaultedOnCreate  bool                    `json:"defaultedOnCreate,omitempty"`
	IDLookup           bool                    `json:"idLookup,omitempty"`
	ExternalID         bool                    `json:"externalId,omitempty"`
	Unique             bool                    `json:"unique,omitempty"`
	CaseSensitive      bool                    `json:"caseSensitive,omitempty"`
	RestrictedPicklist bool                    `json:"restrictedPicklist,omitempty"`
	PicklistValues     []sobject.PicklistValue `json:"picklistValues,omitempty"`
	ReferenceTo        []string                `json:"referenceTo,omitempty"`
	RelationshipName   string                  `json:"relationshipName,omitempty"`
}

// Encode gives the snapshot as JSON, one field a line and sorted by name, so that two of them compare well.
func (s Snapshot) Encode() ([]byte, error) {
	head := s
	head.Objects = nil
	about, err := json.Marshal(head)
	if err != nil {
		return nil, fmt.Errorf("write the snapshot: %w", err)
	}
	var b bytes.Buffer
	b.Write(bytes.TrimSuffix(about, []byte("null}")))
	b.WriteString("[")
	for i, o := range s.Objects {
		fmt.Fprintf(&b, "%s\n{\"name\": %q, \"keyPrefix\": %q, \"fields\": [", comma(i), o.Name, o.KeyPrefix)
		fields := slices.SortedFunc(slices.Values(o.Fields), func(a, b sobject.FieldType) int { return strings.Compare(a.Name, b.Name) })
		for j, f := range fields {
			line, err := json.Marshal(compactField(f))
			if err != nil {
				return nil, fmt.Errorf("write the snapshot: %w", err)
			}
			fmt.Fprintf(&b, "%s\n%s", comma(j), line)
		}
		b.WriteString("\n]}")
	}
	b.WriteString("\n]}\n")
	return b.Bytes(), nil
}

func comma(i int) string {
	if i == 0 {
		return ""
	}
	return ","
}
