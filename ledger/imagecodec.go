package ledger

import (
	"bytes"
	"encoding/json"
	"fmt"

	"refbridge/sfdc/sobject"
)

// Image is what of a row of Salesforce is known to be ours: answered, or read and found equal to what was wished or meant. A
// person's value never enters.
type Image struct {
	// Record has the fields that are known; one that it lacks is not known. Modified is the stamp of the row when it was as this says.
	Record sobject.Record
	// Unseen: nobody has seen the row, there is only something to be remembered for it.
	Unseen bool
	// Deleted: the row was seen deleted by a person.
	Deleted bool
	// Unclear are fields with a value of which nobody can tell whether it is ours or a person's.
	Unclear []string
	// Said is what the source said last of fields that a later version is silent about, and that nobody has seen settled.
	Said []sobject.Field
	// Carried is what a person set and the source took over.
	Carried []Carried
}

// Carried is a value that was carried back to the source. While the row and the source stay as they are then, neither is written: a
// source may go on saying something else (e-RS keeps BOOKED after an acceptance).
type Carried struct {
	Field   string
	Value   sobject.Value // in the row
	Against string        // version of the source's record that the operation was sent against
	Made    string        // the version that the operation made, in the source's own words; "" = its answer named none
	Seen    bool          // that version was seen
	After   sobject.Value // what it says
}

// imageState is what an Image has beside its record.
type imageState struct {
	Unseen  bool            `json:"unseen,omitempty"`
	Deleted bool            `json:"deleted,omitempty"`
	Unclear []string        `json:"unclear,omitempty"`
	Said    json.RawMessage `json:"said,omitempty"`
	Carried []carriedJSON   `json:"carried,omitempty"`
}

type carriedJSON struct {
	Pair    json.RawMessage `json:"pair"` // a record with the field twice: in the row, and what the source says
	Against string          `json:"against,omitempty"`
	Made    string          `json:"made,omitempty"`
	Seen    bool            `json:"seen,omitempty"`
}

const stateMember = `,"state":{` // text of a record cannot look so: its quotes are escaped

func (i Image) encode() ([]byte, error) {
	plain, err := sobject.Encode(i.Record)
	if err != nil || !i.Unseen && !i.Deleted && len(i.Unclear) == 0 && len(i.Said) == 0 && len(i.Carried) == 0 {
		return plain, err
	}
	s := imageState{Unseen: i.Unseen, Deleted: i.Deleted, Unclear: i.Unclear}
	if len(i.Said) > 0 {
		if s.Said, err = sobject.Encode(sobject.Record{Fields: i.Said}); err != nil {
			return nil, err
		}
	}
	for _, c := range i.Carried {
		pair, err := sobject.Encode(sobject.Record{Fields: []sobject.Field{{Name: c.Field, Value: c.Value}, {Name: c.Field, Value: c.After}}})
		if err != nil {
			return nil, err
		}
		s.Carried = append(s.Carried, carriedJSON{Pair: pair, Against: c.Against, Made: c.Made, Seen: c.Seen})
	}
	state, err := json.Marshal(s)
	if err != nil {
		return nil, err
	}
	out := append(plain[:len(plain)-1:len(plain)-1], stateMember[:len(stateMember)-1]...)
	return append(append(out, state...), '}'), nil
}

func decodeImage(plain []byte) (Image, error) {
	record, err := sobject.Decode(plain)
	i := Image{Record: record}
	if err != nil || !bytes.Contains(plain, []byte(stateMember)) {
		return i, err
	}
	var in struct{ State imageState }
	if json.Unmarshal(plain, &in) != nil {
		return Image{}, fmt.Errorf("decode an image of %d bytes: not what was written", len(plain))
	}
	i.Unseen, i.Deleted, i.Unclear = in.State.Unseen, in.State.Deleted, in.State.Unclear
	if len(in.State.Said) > 0 {
		said, err := sobject.Decode(in.State.Said)
		if err != nil {
			return Image{}, err
		}
		i.Said = said.Fields
	}
	for _, c := range in.State.Carried {
		pair, err := sobject.Decode(c.Pair)
		if err != nil || len(pair.Fields) != 2 {
			return Image{}, fmt.Errorf("decode what was carried back (%d bytes): not what was written", len(c.Pair))
		}
		i.Carried = append(i.Carried, Carried{Field: pair.Fields[0].Name, Value: pair.Fields[0].Value, After: pair.Fields[1].Value,
			Against: c.Against, Made: c.Made, Seen: c.Seen})
	}
	return i, nil
}
