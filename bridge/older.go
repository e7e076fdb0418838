package bridge

import (
	"errors"
	"time"

	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// ErrOlder says that a row shows a write of ours that the ledger does not know.
var ErrOlder = errors.New("the ledger does not know a write of ours that Salesforce has")

// OlderBy reports whether a row shows that the ledger is older than the truth: our user wrote it last, under a key of this lane, and
// the ledger knows nothing of the row, or of the version that stands in it. A row that was as it is when the ledger was made anew,
// and that nobody could tell the record of then, says nothing.
func OlderBy(row ledger.Row, have sobject.Record, anew time.Time) bool {
	if have.Theirs || have.ID == "" {
		return false
	}
	if row.Source == "" {
		return have.Modified.After(anew)
	}
	const version = versionField
	is, _ := have.Get(version)
	p := PastOf(row, version, have)
	return row.Known && !row.Image.Unseen && !is.IsNull() && !p.Unclear && len(p.Candidates()) > 0 && !p.Ours(is)
}

// versionField is the field that tells which version of the source was written last.
const versionField = "Bridge_Version__c"
