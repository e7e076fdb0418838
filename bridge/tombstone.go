package bridge

import (
	"bytes"

	"refbridge/fhir"
)

// tombstoneStart begins what is kept of a deletion: the entry that a history has for it.
const tombstoneStart = `{"resourceType":"Bundle","type":"history","entry":[{"request":{"method":"DELETE","url":`

// tombstone returns what is kept of the deletion of a record.
func tombstone(ref fhir.Reference) []byte {
	return append(fhir.AppendJSONString([]byte(tombstoneStart), ref.Current().Local().String()), `}}]}`...)
}

func isTombstone(body []byte) bool { return bytes.HasPrefix(body, []byte(tombstoneStart)) }
