package lint

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/config/pattern"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

// declared is what a snapshot.yaml says: of tables for a target of its own all that the target takes, of others what it has
// beside the Health Cloud that is documented.
type declared struct {
	About string `yaml:"about"`
	// Objects are for tables of records.
	Objects []declaredObject `yaml:"objects"`
	// Bodies are the members of each body by their path, for tables of bodies.
	Bodies map[string]map[string]ownMember `yaml:"bodies"`
}

// ownMember is one member of a body. Without a type it takes anything, without values any text.
type ownMember struct {
	Type     string   `yaml:"type"` // string, boolean, double, date, datetime
	Length   int      `yaml:"length"`
	Required bool     `yaml:"required"`
	Values   []string `yaml:"values"`
}

type declaredObject struct {
	Name      string          `yaml:"name"`
	KeyPrefix string          `yaml:"keyPrefix"`
	Fields    []declaredField `yaml:"fields"`
}

// declaredField is a field as describe --save writes it. One that says none of createable, updateable and nillable is all of
// them: nobody declares a field that cannot be written.
type declaredField struct {
	Name               string          `yaml:"name"`
	Type               string          `yaml:"type"`
	Length             int             `yaml:"length"`
	Createable         *bool           `yaml:"createable"`
	Updateable         *bool           `yaml:"updateable"`
	Nillable           *bool           `yaml:"nillable"`
	DefaultedOnCreate  bool            `yaml:"defaultedOnCreate"`
	IDLookup           bool            `yaml:"idLookup"`
	ExternalID         bool            `yaml:"externalId"`
	Unique             bool            `yaml:"unique"`
	CaseSensitive      bool            `yaml:"caseSensitive"`
	RestrictedPicklist bool            `yaml:"restrictedPicklist"`
	PicklistValues     []declaredValue `yaml:"picklistValues"`
	ReferenceTo        []string        `yaml:"referenceTo"`
	RelationshipName   string          `yaml:"relationshipName"`
}

// declaredValue is a value of a picklist: its text alone, or as describe gives it.
type declaredValue sobject.PicklistValue

// UnmarshalYAML reads either form.
func (v *declaredValue) UnmarshalYAML(n *yaml.Node) error {
	if n.Kind == yaml.ScalarNode {
		*v = declaredValue{Value: n.Value, Active: true}
		return nil
	}
	return n.Decode((*sobject.PicklistValue)(v))
}

func (f declaredField) field() sobject.FieldType {
	given := f.Createable != nil || f.Updateable != nil || f.Nillable != nil
	is := func(b *bool) bool { return !given || b != nil && *b }
	out := sobject.FieldType{Name: f.Name, Type: f.Type, Length: f.Length, Createable: is(f.Createable), Updateable: is(f.Updateable),
		Nillable: is(f.Nillable), DefaultedOnCreate: f.DefaultedOnCreate, IDLookup: f.IDLookup, ExternalID: f.ExternalID, Unique: f.Unique,
		CaseSensitive: f.CaseSensitive, RestrictedPicklist: f.RestrictedPicklist, ReferenceTo: f.ReferenceTo, RelationshipName: f.RelationshipName}
	for _, v := range f.PicklistValues {
		out.PicklistValues = append(out.PicklistValues, sobject.PicklistValue(v))
	}
	return out
}

// beside reads the snapshot.yaml that stands beside the tables. It is the whole target of tables that name one of their own;
// to a Health Cloud that is no org it adds. What an org has is for the org to say.
func (l *linter) beside(fsys fs.FS) error {
	l.bodies = map[string]map[string]ownMember{}
	i := slices.IndexFunc(l.set.Tables(), func(t *mapping.Table) bool { return t.Target != "" })
	src, err := fs.ReadFile(fsys, mapping.SnapshotFile)
	switch {
	case err != nil && i >= 0:
		l.fail("no-snapshot", l.at(l.set.Tables()[i].Place, "target"), "", "a target of its own needs a file "+mapping.SnapshotFile+" beside the tables",
			"with bodies: (path: {type, length, values}) or objects: (name, fields)")
		return nil
	case errors.Is(err, fs.ErrNotExist):
		return nil
	case err != nil:
		return fmt.Errorf("read %s: %w", mapping.SnapshotFile, err)
	}
	own, err := readDeclared(src)
	switch {
	case err != nil:
		return err
	case i >= 0:
		l.target = Snapshot{About: own.About}
		l.report.Target, l.bodies = own.About, own.Bodies
		l.target.add(own.Objects)
	case own.Bodies != nil:
		return fmt.Errorf("read %s: bodies are those of a target of its own, and no table has target: NAME", mapping.SnapshotFile)
	case l.target.Taken == "" && l.target.About != "":
		l.report.Target += ", and " + mapping.SnapshotFile
		l.target.Objects = slices.Clone(l.target.Objects)
		l.target.add(own.Objects)
	}
	return nil
}

// inType is what the decoder says of our Go types.
var inType = pattern.MustOnce(` (in|into) (type )?lint\.\w+`)

func readDeclared(src []byte) (declared, error) {
	var own declared
	d := yaml.NewDecoder(strings.NewReader(string(src)))
	d.KnownFields(true)
	if err := d.Decode(&own); err != nil {
		return own, fmt.Errorf("read %s: %s", mapping.SnapshotFile, inType().ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), ""))
	}
	for _, o := range own.Objects {
		unnamed := func(f declaredField) bool { return !mapping.ValidObjectName(f.Name) || f.Type == "" }
		if !mapping.ValidObjectName(o.Name) || slices.ContainsFunc(o.Fields, unnamed) {
			return own, fmt.Errorf("read %s: an object needs a name, and each of its fields a name and a type", mapping.SnapshotFile)
		}
	}
	return own, nil
}

// add puts objects and fields into a snapshot, in the place of those of the same name.
func (s *Snapshot) add(objects []declaredObject) {
	for _, o := range objects {
		at := slices.IndexFunc(s.Objects, func(d sobject.Description) bool { return d.Name == o.Name })
		if at < 0 {
			at = len(s.Objects)
			s.Objects = append(s.Objects, sobject.Description{Name: o.Name, KeyPrefix: o.KeyPrefix})
		}
		fields := slices.Clone(s.Objects[at].Fields)
		for _, f := range o.Fields {
			fields = slices.DeleteFunc(fields, func(have sobject.FieldType) bool { return have.Name == f.Name })
			fields = append(fields, f.field())
		}
		s.Objects[at].Fields = fields
	}
}
