package bridge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

func TestDoubtRule10_ALedgerIsOlderWhereARowShowsAWriteThatItDoesNotKnow(t *testing.T) {
	text := sobject.TextValue
	record := func(version string) sobject.Record {
		r := sobject.Record{Object: "ClinicalServiceRequest", ID: "0sR1"}
		if version != "" {
			r.Fields = []sobject.Field{{Name: versionField, Value: text(version)}}
		}
		return r
	}
	known := func(version string) ledger.Row {
		return ledger.Row{Known: true, Source: "ers", Image: ledger.Image{Record: record(version)}}
	}
	meant := ledger.Row{Source: "ers", Open: []ledger.Intent{{Meant: record("3"), Creates: true}}}
	both := known("2")
	both.Open = meant.Open
	legacy := known("2")
	legacy.Open = []ledger.Intent{{}}
	theirs := record("9")
	theirs.Theirs = true
	anew := time.Date(2026, 3, 1, 12, 0, 0, 0, time.UTC)
	at := func(r sobject.Record, stamp time.Time) sobject.Record {
		r.Modified = stamp
		return r
	}
	for _, c := range []struct {
		name  string
		row   ledger.Row
		have  sobject.Record
		older bool
	}{
		{"it is as the image has it", known("2"), record("2"), false},
		{"a version that nobody here wrote", known("2"), record("3"), true},
		{"a row that nobody here wrote", ledger.Row{}, at(record("1"), anew.Add(time.Second)), true},
		{"a row whose record nobody could tell", ledger.Row{}, at(record("1"), anew), false},
		{"a person wrote it last", known("2"), theirs, false},
		{"a person made it", ledger.Row{}, theirs, false},
		{"it is not there", ledger.Row{}, sobject.Record{}, false},
		{"what was meant has arrived", both, record("3"), false},
		{"a create that nobody saw has arrived", meant, record("3"), false},
		{"neither the image nor what was meant", both, record("4"), true},
		{"an intent without values may have meant anything", legacy, record("3"), false},
		{"an image without the field: a ledger that was made anew", known(""), record("3"), false},
		{"a purged image", ledger.Row{Source: "ers"}, record("3"), false},
		{"the field is empty there", known("2"), record(""), false},
	} {
		assert.Equal(t, c.older, OlderBy(c.row, c.have, anew), c.name)
	}
}
