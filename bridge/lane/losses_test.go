package lane

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
)

// When it is the lane that is lost, and when its records: a row a case.
func TestFinding_people_U2_WhenTooMuchIsLostAtOnce(t *testing.T) {
	for _, c := range []struct {
		about string
		l     losses
		want  bool
	}{
		{"nothing", losses{records: 749}, false},
		{"one of one", losses{records: 1, missing: 1, run: 1}, false},
		{"a referral and its appointment, all there is", losses{records: 2, missing: 2, run: 2}, false},
		{"all of three", losses{records: 3, missing: 3, run: 3}, true},
		{"all of three, deleted by the source's own word", losses{records: 3, deleted: 3, run: 3}, false},
		{"three of four", losses{records: 4, missing: 3, run: 3}, false},
		{"four of twenty", losses{records: 20, missing: 2, deleted: 2, run: 4}, false},
		{"five of twenty", losses{records: 20, missing: 2, deleted: 3, run: 1}, true},
		{"five of a hundred is 5 %", losses{records: 100, missing: 5, run: 1}, false},
		{"five of 99 is more", losses{records: 99, missing: 5, run: 1}, true},
		{"nine in a row of many", losses{records: 10_000, missing: 9, run: 9}, false},
		{"ten in a row of many", losses{records: 10_000, missing: 4, deleted: 6, run: 10}, true},
		{"500 of 10,000, spread", losses{records: 10_000, missing: 500, run: 3}, false},
		{"501 of 10,000, spread", losses{records: 10_000, missing: 400, deleted: 101, run: 3}, true},
	} {
		assert.Equal(t, c.want, c.l.tooMany(), c.about)
	}
}

// What is the source's own word that it has deleted a record: a row a case.
func TestFinding_server_MP5_OnlyTheSourcesOwnWordIsADeletion(t *testing.T) {
	now := time.Date(2026, 3, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		err     error
		deleted bool
		fate    ledger.Fate
		code    string
	}{
		{&rest.Error{Status: http.StatusGone, Outcome: true, Codes: []string{"deleted"}}, true, ledger.Held, bridge.CodeSourceGone},
		{&rest.Error{Status: http.StatusGone, Outcome: true}, true, ledger.Held, bridge.CodeSourceGone},
		{&rest.Error{Status: http.StatusGone}, false, ledger.Held, bridge.CodeSourceGone}, // a gateway's page
		{&rest.Error{Status: http.StatusNotFound, Outcome: true, Codes: []string{"not-found"}}, false, ledger.Held, bridge.CodeSourceGone},
		{&rest.Error{Status: http.StatusNotFound}, false, ledger.Held, bridge.CodeSourceGone},
		{&rest.Error{Status: http.StatusForbidden, Outcome: true}, false, ledger.Dead, bridge.CodeRelationship},
		{fmt.Errorf("read: %w", &rest.Error{Status: http.StatusGone, Outcome: true}), true, ledger.Held, bridge.CodeSourceGone},
		{fhir.ErrUnresolved, false, ledger.Held, bridge.CodeUnresolved}, // the patient is not there: the referral is
	} {
		assert.Equal(t, c.deleted, saysDeleted(c.err), "%v", c.err)
		v := bridge.OfSource(c.err, ledger.Work{}, now)
		assert.Equal(t, c.fate, v.Fate, "%v", c.err)
		assert.Equal(t, c.code, v.Reason.Code, "%v", c.err)
	}
}

// An answer that every record gets is the source's: a row a case.
func TestFinding_people_U2_AStatusThatEveryRecordGetsIsTheSources(t *testing.T) {
	for _, c := range []struct {
		code     string
		n, given int
		halts    bool
	}{
		{bridge.CodeSource, 4, 0, false}, {bridge.CodeSource, 5, 0, true}, {bridge.CodeSource, 5, 9, true},
		{bridge.CodeRelationship, 9, 0, false}, {bridge.CodeRelationship, 10, 0, true}, {bridge.CodeRelationship, 10, 9, true},
		{bridge.CodeUnreadable, 9, 0, false}, {bridge.CodeUnreadable, 10, 0, true}, {bridge.CodeUnreadable, 10, 1, false},
		{bridge.CodePatientIdentity, 50, 0, false},
	} {
		var failed []ledger.Settlement
		for range c.n {
			failed = append(failed, ledger.Settlement{Reason: ledger.Reason{Code: c.code}})
		}
		err := outage(failed, c.given)
		assert.Equal(t, c.halts, err != nil, "%+v", c)
		if err != nil {
			assert.ErrorIs(t, err, bridge.ErrHalted)
		}
	}
}
