package report_test

import (
	"bytes"
	"encoding/json"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/report"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc/sobject"
)

func noon() time.Time { return time.Date(2026, 12, 1, 12, 0, 0, 0, time.UTC) }

func aRef() fhir.Reference { return fhir.Reference{Type: "ServiceRequest", ID: "r1", Version: "2"} }

// What a table calls private is in no form of a plan, and everything else is.
func TestAPlanShowsNothingThatIsPrivate(t *testing.T) {
	const number = "9990000018"
	change := func(field string, have, want sobject.Value, private bool) bridge.FieldChange {
		return bridge.FieldChange{Field: field, Have: have, Want: want, Rule: mapping.Rule{Place: mapping.Place{File: "a.yaml", Line: 3}, Private: private}}
	}
	s := &bridge.Step{Work: ledger.Work{Ref: aRef()}, Fate: ledger.Pending, Writes: []*bridge.Write{
		{Action: bridge.Create, Object: "Identifier", Key: sobject.Key{Value: "ward.id.1"}, Fields: []bridge.FieldChange{change("IdValue", sobject.Value{}, sobject.TextValue(number), true)}},
		{Action: bridge.Update, Object: "ClinicalServiceRequest", Key: sobject.Key{Value: "ward.sr.r1"}, Kept: []string{"Priority"}, Fields: []bridge.FieldChange{
			change("Status", sobject.TextValue("Active"), sobject.TextValue("On-Hold"), false),
			change("Note__c", sobject.TextValue("told "+number), sobject.Value{}, true)}}}}
	var text bytes.Buffer
	report.Printer{W: &text, Columns: 80}.Step(s)
	shape, err := json.Marshal(report.StepOf(s))
	require.NoError(t, err)
	for name, out := range map[string]string{"text": text.String(), "JSON": string(shape)} {
		assert.NotContains(t, out, number, name)
		for _, want := range []string{"ServiceRequest/r1/_history/2", "IdValue", "[private]", "Note__c", "On-Hold", "Active", "Priority", "a.yaml:3"} {
			assert.Contains(t, out, want, name)
		}
	}
	assert.Contains(t, text.String(), "  + Identifier ward.id.1\n")
	assert.Contains(t, text.String(), "  ~ ClinicalServiceRequest ward.sr.r1\n")
}

// What stands behind a version in the statement and in show: a row a case.
func TestAVersionSaysWhyItIsWhereItIsAndWhatComesNext(t *testing.T) {
	for _, c := range []struct {
		about string
		entry ledger.Entry
		want  []string
		next  bool // in the JSON form
	}{
		{"applied", ledger.Entry{Fate: ledger.Applied}, []string{"ward ServiceRequest/r1/_history/2  applied, "}, false},
		{"applied, and a period in it ends", ledger.Entry{Fate: ledger.Applied, Next: noon()}, []string{"mapped again 1 Dec 2026"}, true},
		{"held until a time", ledger.Entry{Fate: ledger.Held, Attempts: 2, Next: noon(), Reason: ledger.Reason{Code: "mapping", Text: "no value", Field: "Status", Rule: "a.yaml:3"}},
			[]string{"held after 2 attempts", "no value [mapping]", "Status a.yaml:3", "next try 1 Dec 2026"}, true},
		{"held until something changes", ledger.Entry{Fate: ledger.Held, Next: ledger.Never(), Reason: ledger.Reason{Code: "x", Text: "y"}}, []string{"waits for a change"}, false},
		{"dead", ledger.Entry{Fate: ledger.Dead, Reason: ledger.Reason{Code: "x", Text: "y"}}, []string{"dead", "y [x]"}, false},
		{"an escape in a far end's words", ledger.Entry{Fate: ledger.Dead, Reason: ledger.Reason{Code: "x", Text: "y", Detail: "a\x1b[2Jb"}}, []string{`a\x1b[2Jb`}, false},
	} {
		c.entry.Source, c.entry.Ref, c.entry.Changed = "ward", aRef(), noon()
		var out bytes.Buffer
		report.PrintEntry(&out, c.entry)
		for _, want := range c.want {
			assert.Contains(t, strings.Join(strings.Fields(out.String()), " "), strings.Join(strings.Fields(want), " "), c.about)
		}
		assert.NotContains(t, out.String(), "\x1b", c.about)
		for line := range strings.Lines(out.String()) {
			assert.LessOrEqual(t, len(line), 81, c.about)
		}
		assert.Equal(t, c.next, report.EntryOf(c.entry).Next != nil, c.about)
	}
}

func TestADoubtIsShownByItsFieldsAndItsTimes(t *testing.T) {
	in := ledger.Intent{Source: "ward", Ref: aRef(), Object: "ClinicalServiceRequest", Key: "ward.sr.r1", Created: noon(), Deadline: noon().Add(13 * time.Minute),
		Meant: sobject.Record{Fields: []sobject.Field{{Name: "Status", Value: sobject.TextValue("secret")}}}}
	create := in
	create.Creates = true
	all := report.DoubtsOf([]ledger.Intent{in, create})
	require.Len(t, all, 2)
	assert.Equal(t, []string{"update", "create"}, []string{all[0].Write, all[1].Write})
	assert.Equal(t, []string{"Status"}, all[0].Fields)
	var out bytes.Buffer
	report.PrintDoubts(&out, all)
	assert.NotContains(t, out.String(), "secret")
	assert.Contains(t, strings.Join(strings.Fields(out.String()), " "), "in doubt: update of ClinicalServiceRequest ward.sr.r1 for ward ServiceRequest/r1/_history/2")
	assert.Len(t, report.DoubtsAbout(all, "ward", aRef().Current()), 2)
	assert.Empty(t, report.DoubtsAbout(all, "ers", aRef().Current()))
	assert.Empty(t, report.DoubtsAbout(all, "ward", fhir.Reference{Type: "ServiceRequest", ID: "r"}), "a part of the id is another record")
}

func TestAStatementThatDoesNotBalanceSaysSo(t *testing.T) {
	for _, c := range []struct {
		s    ledger.Statement
		want string
	}{
		{ledger.Statement{Observed: 3, Applied: 2, Held: 1}, "balances"},
		{ledger.Statement{Observed: 3, Applied: 1, Held: 1}, "DOES NOT BALANCE"},
	} {
		var out bytes.Buffer
		report.PrintStatement(&out, c.s)
		assert.Contains(t, out.String(), c.want)
		assert.Equal(t, c.want == "balances", report.StatementOf(c.s, nil, nil).Balanced)
	}
	var out bytes.Buffer
	report.PrintFreshness(&out, time.UTC, []report.Freshness{{Source: "ward"}, {Source: "ers", LastPoll: noon(), Overdue: true, FailingSince: noon(), Failure: "status 503", Notices: []string{"odd"}}})
	for _, want := range []string{"ward: never polled", "ers: last polled 1 Dec 2026 12:00 UTC, OVERDUE", "not readable since 1 Dec 2026 12:00 UTC: status 503", "odd"} {
		assert.Contains(t, strings.Join(strings.Fields(out.String()), " "), want)
	}
}
