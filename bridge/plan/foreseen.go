package plan

import (
	"crypto/sha256"
	"encoding/binary"

	"refbridge/bridge"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// Foreseen is what the earlier batches of a dry run would have written by now, as hashes: the record, and what was wanted of
// it. A sync finds these records in Salesforce; a dry run has to remember them, for 20,000 referrals and in little memory.
// The nil foreseen is empty: a sync has none.
type Foreseen map[uint64]uint64

// Add takes over what a batch would write.
func (f Foreseen) Add(p bridge.Plan) {
	for _, s := range p.Steps {
		for _, w := range s.Writes {
			if s.Fate == ledger.Pending && !s.Deferred && w.Action != bridge.Same {
				f[hashOf(bridge.RecordID(w.Object, w.Key))] = wishOf(w.Image)
			}
		}
	}
}

func (f Foreseen) has(id string) bool {
	_, ok := f[hashOf(id)]
	return ok
}

// wanted reports whether an earlier batch writes the record, and whether with the same content.
func (f Foreseen) wanted(w *bridge.Write) (written, same bool) {
	wish, ok := f[hashOf(bridge.RecordID(w.Object, w.Key))]
	return ok, ok && wish == wishOf(w.Image)
}

func hashOf(text string) uint64 {
	sum := sha256.Sum256([]byte(text))
	return binary.BigEndian.Uint64(sum[:])
}

// wishOf is a hash of the fields that are written to a record that is there.
func wishOf(r sobject.Record) uint64 {
	wish := sobject.Record{Object: r.Object, Key: r.Key}
	for _, f := range r.Fields {
		if (f.Owner == sobject.Source || f.Owner == sobject.Latest) && !f.Value.IsNull() {
			wish.Fields = append(wish.Fields, f)
		}
	}
	text, _ := sobject.Encode(wish)
	return hashOf(string(text))
}
