package sobject

import (
	"encoding/json"
	"fmt"
	"time"
)

type fieldJSON struct {
	Name   string `json:"n"`
	Kind   Kind   `json:"k"`
	Text   string `json:"v,omitempty"`
	Object string `json:"to,omitempty"`
	Key    string `json:"by,omitempty"`
	Owner  Owner  `json:"o,omitempty"`
	Keep   bool   `json:"keep,omitempty"`
}

type recordJSON struct {
	Object string      `json:"object"`
	Field  string      `json:"keyField,omitempty"`
	Key    string      `json:"key,omitempty"`
	ID     string      `json:"id,omitempty"`
	At     int64       `json:"at,omitempty"` // Modified, in milliseconds
	Fields []fieldJSON `json:"fields"`
}

// Encode returns a record as bytes that hold everything but Theirs. They are personal data in clear: the ledger encrypts them.
func Encode(r Record) ([]byte, error) {
	out := recordJSON{Object: r.Object, Field: r.Key.Field, Key: r.Key.Value, ID: r.ID}
	if !r.Modified.IsZero() {
		out.At = r.Modified.UnixMilli()
	}
	for _, f := range r.Fields {
		j := fieldJSON{Name: f.Name, Kind: f.Value.kind, Text: f.Value.text, Owner: f.Owner, Keep: f.KeepIfAbsent}
		j.Object, j.Key = f.Value.to.Object, f.Value.to.Field
		if f.Value.kind == Bool || f.Value.kind == DateTime {
			j.Text = f.Value.Reveal()
		}
		out.Fields = append(out.Fields, j)
	}
	return json.Marshal(out)
}

// Decode reads what Encode wrote. Its errors hold no field values.
func Decode(b []byte) (Record, error) {
	var in recordJSON
	if json.Unmarshal(b, &in) != nil {
		return Record{}, fmt.Errorf("decode a record of %d bytes: not what Encode writes", len(b))
	}
	r := Record{Object: in.Object, Key: Key{Field: in.Field, Value: in.Key}, ID: in.ID}
	if in.At != 0 {
		r.Modified = time.UnixMilli(in.At).UTC()
	}
	for _, j := range in.Fields {
		v := Value{kind: j.Kind, text: j.Text, to: Target{Object: j.Object, Field: j.Key}}
		switch j.Kind {
		case Bool:
			v = BoolValue(j.Text == "true")
		case DateTime:
			at, err := time.Parse(time.RFC3339, j.Text)
			if err != nil {
				return Record{}, fmt.Errorf("decode field %s: not an instant", j.Name)
			}
			v = DateTimeValue(at)
		}
		r.Fields = append(r.Fields, Field{Name: j.Name, Value: v, Owner: j.Owner, KeepIfAbsent: j.Keep})
	}
	return r, nil
}
