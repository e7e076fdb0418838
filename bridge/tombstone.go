package bridge

import (
	"bytes"

	"refbridge/fhir"
)

// tombstoneStart begins what is kept of a deletion: the entry that a history has for it.
const tombstoneStart = `{"resourceType":"Bundle","type":"history","entry":[{"request":{"method":"DELETE","url":`

// Tombstone returns what is kept of the deletion of a record.
func Tombstone(ref fhir.Reference) []byte {
	return append(fhir.AppendJSONString([]byte(tombstoneStart), ref.Current().Local().String()), `}}]}`...)
}

// IsTombstone reports whether what is kept of a record says that its source deleted it.
func IsTombstone(body []byte) bool { return bytes.HasPrefix(body, []byte(tombstoneStart)) }
