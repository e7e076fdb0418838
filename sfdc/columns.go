package sfdc

import (
	"context"
	"iter"
	"net/url"
	"slices"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// columns is a Selection joined with what describe says of its fields.
type columns struct {
	call     string
	object   sobject.Description
	keyField string
	user     string // ours, by id; empty: Salesforce did not say
	fields   []column
}

type column struct {
	sobject.FieldType
	target sobject.Target // of a Ref; zero for everything else
}

// key is the path to the other record's external key.
func (c column) key() string { return c.RelationshipName + "." + c.target.Field }

func (c *Client) columns(ctx context.Context, call string, s Selection) (columns, error) {
	needed := append([]string{s.KeyField}, s.Fields...)
	d, err := c.describeFor(ctx, s.Object, needed...)
	if err != nil {
		return columns{}, err
	}
	if err := invisible(call, d, needed...); err != nil {
		return columns{}, err
	}
	cols := columns{call: call, object: d, keyField: s.KeyField, user: c.auth.user()}
	for _, name := range s.Fields {
		f, _ := d.Field(name)
		col := column{FieldType: f}
		target, wanted := s.Refs[name]
		if wanted && !slices.Contains(f.ReferenceTo, target.Object) {
			return columns{}, &Error{Call: call, Code: CodeValue, Fields: []string{name}, why: "does not refer to " + target.Object}
		}
		if wanted && len(f.ReferenceTo) == 1 && f.RelationshipName != "" {
			col.target = target
		}
		cols.fields = append(cols.fields, col)
	}
	return cols, nil
}

// names gives what SELECT lists, each name once: SOQL refuses a field that is selected twice.
func (c columns) names() []string {
	out := []string{"Id"}
	add := func(name string) {
		if !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	add(c.keyField)
	for _, name := range []string{modifiedField, writerField} {
		if _, ok := c.object.Field(name); ok {
			add(name)
		}
	}
	for _, f := range c.fields {
		add(f.Name)
		if f.target.Field != "" {
			add(f.key())
		}
	}
	return out
}

// record makes a row a record. A value that its field type cannot have is an error that names the field.
func (c columns) record(row fhir.Node) (sobject.Record, error) {
	id, key := row.Get("Id"), row.Get(c.keyField)
	if id.Kind() != fhir.String || key.Kind() != fhir.String {
		return sobject.Record{}, unreadable(c.call, "a row without id or key")
	}
	r := sobject.Record{Object: c.object.Name, ID: strings.Clone(id.Text()),
		Key: sobject.Key{Field: c.keyField, Value: strings.Clone(key.Text())}}
	if stamp, ok := row.Get(modifiedField), true; stamp.Exists() {
		if r.Modified, ok = instant(stamp.Text()); !ok {
			return sobject.Record{}, c.misfit(modifiedField)
		}
	}
	r.Theirs = !c.wroteLast(row)
	for _, f := range c.fields {
		v, ok := f.value(row)
		if !ok {
			return sobject.Record{}, c.misfit(f.Name)
		}
		r.Fields = append(r.Fields, sobject.Field{Name: f.Name, Value: v})
	}
	return r, nil
}

// wroteLast reports whether our user certainly is the last who wrote a row. Ids come with 15 or 18 characters, the last three a checksum.
func (c columns) wroteLast(row fhir.Node) bool {
	by := row.Get(writerField).Text()
	return len(by) >= 15 && len(c.user) >= 15 && by[:15] == c.user[:15]
}

func (c columns) misfit(field string) error {
	return &Error{Call: c.call, Code: CodeValue, Fields: []string{field}, why: "value of another type than describe says"}
}

func (c column) value(row fhir.Node) (sobject.Value, bool) {
	if c.target.Field != "" {
		if key := row.Get(c.RelationshipName).Get(c.target.Field); key.Kind() == fhir.String {
			return sobject.RefValue(c.target, strings.Clone(key.Text())), true
		}
	}
	n := row.Get(c.Name)
	switch n.Kind() {
	case fhir.Null, fhir.Missing:
		return sobject.Value{}, true
	case fhir.Array, fhir.Object:
		return sobject.Value{}, false // compound fields: their parts are fields of their own
	}
	text := strings.Clone(n.Text())
	switch c.Type {
	case "boolean":
		return sobject.BoolValue(text == "true"), n.Kind() == fhir.Bool
	case "int", "long", "double", "currency", "percent":
		return sobject.NumberValue(text), n.Kind() == fhir.Number
	case "datetime":
		at, ok := instant(text)
		return sobject.DateTimeValue(at), ok
	case "date":
		return sobject.DateValue(text), day(text)
	}
	return sobject.TextValue(text), true
}

// instant reads Salesforce's form of an instant, 2026-01-31T12:00:00.000+0000 (no colon in the offset), and RFC 3339.
func instant(s string) (time.Time, bool) {
	at, err := time.Parse("2006-01-02T15:04:05.999-0700", s)
	if err != nil {
		at, err = time.Parse(time.RFC3339Nano, s)
	}
	return at, err == nil
}

func day(s string) bool {
	_, err := time.Parse(time.DateOnly, s)
	return err == nil
}

// keyChunks gives distinct keys in portions that one query can hold.
func keyChunks(keys []string) iter.Seq[[]string] {
	return func(yield func([]string) bool) {
		seen := map[string]bool{}
		var chunk []string
		size := 0
		for _, k := range keys {
			if seen[k] {
				continue
			}
			seen[k] = true
			length := len(url.QueryEscape(k)) + len("%27%27%2C+")
			if len(chunk) == keysPerQuery || len(chunk) > 0 && size+length > bytesPerQuery {
				if !yield(chunk) {
					return
				}
				chunk, size = nil, 0
			}
			chunk, size = append(chunk, k), size+length
		}
		if len(chunk) > 0 {
			yield(chunk)
		}
	}
}
