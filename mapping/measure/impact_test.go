package measure

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/mapping"
)

func impact(t *testing.T, base, next *mapping.Set, names ...string) ImpactReport {
	t.Helper()
	i := NewImpact(base, next)
	for _, name := range names {
		i.Add(golden(t, name))
	}
	return i.Report()
}

func TestTheSameTablesHaveNoImpact(t *testing.T) {
	r := impact(t, starterTables(t), edited(t, "values.yaml", "# Value tables", "\n\n# Value tables"), "ers-booked-two-week-wait", "fhir-everything", "ers-held-many-reasons")
	assert.Equal(t, ImpactReport{Records: 3, HeldBefore: 1, HeldAfter: 1, Objects: []ObjectChange{}, Fields: []FieldChange{},
		Values: []ValueChange{}, Failing: []Hold{}, Passing: []Hold{}}, r)
}

func TestAChangedValueIsShownWithItsCount(t *testing.T) {
	next := edited(t, "values.yaml", "{code: TWO_WEEK_WAIT, to: ASAP, purpose: urgent suspected cancer}", "{code: TWO_WEEK_WAIT, to: Urgent}")
	r := impact(t, starterTables(t), next, "ers-booked-two-week-wait", "ers-booked-two-week-wait", "fhir-everything")
	assert.Equal(t, 3, r.Records)
	assert.Equal(t, 2, r.Touched)
	assert.Equal(t, []ObjectChange{{Object: "ClinicalServiceRequest", Changed: 2}}, r.Objects)
	require.Len(t, r.Fields, 1)
	assert.Equal(t, 2, r.Fields[0].Changed)
	assert.Equal(t, []string{"service-request.yaml:54"}, r.Fields[0].After)
	assert.Equal(t, []ValueChange{{Object: "ClinicalServiceRequest", Field: "Priority", From: "ASAP", To: "Urgent", Count: 2}}, r.Values)
}

func TestPersonalValuesAreTokens(t *testing.T) {
	next := edited(t, "service-request.yaml", "  - field: PatientInstruction\n    from: patientInstruction", "  - field: PatientInstruction\n    from: patientInstruction.upper()")
	r := impact(t, starterTables(t), next, "fhir-everything", "fhir-everything")
	require.Len(t, r.Values, 1, "the same change twice is one line")
	v := r.Values[0]
	assert.Regexp(t, `^~[0-9a-f]{8}$`, v.From)
	assert.Regexp(t, `^~[0-9a-f]{8}$`, v.To)
	assert.NotEqual(t, v.From, v.To)
	assert.Equal(t, 2, v.Count)
	again := impact(t, starterTables(t), next, "fhir-everything")
	assert.NotEqual(t, v.From, again.Values[0].From, "a token means nothing in another run")
}

func TestAFieldThatIsClearedOrFilledSaysSo(t *testing.T) {
	next := edited(t, "service-request.yaml", "  - field: DateSigned\n    from: authoredOn", "  - field: DateSigned\n    from: occurrence.ofType(dateTime)")
	r := impact(t, starterTables(t), next, "ers-booked-two-week-wait")
	require.Len(t, r.Fields, 1)
	assert.Equal(t, 1, r.Fields[0].Cleared)
	assert.Equal(t, noValue, r.Values[0].To)
	back := impact(t, next, starterTables(t), "ers-booked-two-week-wait")
	assert.Equal(t, 1, back.Fields[0].Filled)
	assert.Equal(t, noValue, back.Values[0].From)
}

func TestNewlyFailingAndNewlyPassingAreByReason(t *testing.T) {
	next := edited(t, "values.yaml", "      - {code: BOOKED, to: Active}\n", "")
	names := []string{"ers-booked-two-week-wait", "ers-booked-two-week-wait", "fhir-everything"}
	r := impact(t, starterTables(t), next, names...)
	require.Len(t, r.Failing, 1)
	assert.Equal(t, mapping.UnknownCode, r.Failing[0].Kind)
	assert.Equal(t, "Status", r.Failing[0].Field)
	assert.Equal(t, 2, r.Failing[0].Count)
	assert.Contains(t, r.Failing[0].Rule, "service-request.yaml:")
	assert.Equal(t, 2, r.HeldAfter)
	assert.Empty(t, r.Passing)
	back := impact(t, next, starterTables(t), names...)
	assert.Empty(t, back.Failing)
	require.Len(t, back.Passing, 1)
	assert.Equal(t, 2, back.Passing[0].Count)
}

func TestRecordsThatComeAndGoAreCounted(t *testing.T) {
	next := edited(t, "service-request-identifier.yaml", "identifier.where(value.trim() != ''", "identifier.where(use = 'nickname' and value.exists()")
	r := impact(t, starterTables(t), next, "ers-booked-two-week-wait")
	assert.Equal(t, []ObjectChange{{Object: "Identifier", Removed: 1}}, r.Objects)
	assert.Equal(t, 1, r.Touched)
	assert.Equal(t, []ObjectChange{{Object: "Identifier", Added: 1}}, impact(t, next, starterTables(t), "ers-booked-two-week-wait").Objects)
}

const letTable = `object: Thing__c
source: ServiceRequest
let:
  urgency: {from: priority, values: urgency}
  same: "%urgency"
key: {field: Key__c, from: "%source & '.' & id"}
rows:
  - {field: Priority__c, from: "%same"}
  - {field: Again__c, from: "%fields.Priority__c"}
  - {field: Text__c, from: patientInstruction}
values:
  urgency:
    codes: [{code: routine, to: Routine}, {code: stat, to: Urgent}]
`

func TestTheCodesOfANamedValueAreShown(t *testing.T) {
	base := tables(t, map[string]string{"t.yaml": letTable})
	next := tables(t, map[string]string{"t.yaml": strings.Replace(letTable, "{code: routine, to: Routine}", "{code: routine, to: Soon}", 1)})
	i := NewImpact(base, next)
	i.Add(sample(t, `{"resourceType":"ServiceRequest","id":"1","priority":"routine"}`))
	assert.Equal(t, []ValueChange{{Object: "Thing__c", Field: "Again__c", From: "Routine", To: "Soon", Count: 1},
		{Object: "Thing__c", Field: "Priority__c", From: "Routine", To: "Soon", Count: 1}}, i.Report().Values)
}

func TestAFieldWhoseRowIsGoneIsNotCleared(t *testing.T) {
	row := "  - {field: Text__c, from: patientInstruction}\n"
	base := tables(t, map[string]string{"t.yaml": letTable})
	for _, gone := range []string{"", "  - {field: Text__c, from: note.text, keepIfAbsent: true}\n"} {
		next := tables(t, map[string]string{"t.yaml": strings.Replace(letTable, row, gone, 1)})
		i := NewImpact(base, next)
		i.Add(sample(t, `{"resourceType":"ServiceRequest","id":"1","priority":"routine","patientInstruction":"come"}`))
		r := i.Report()
		require.Len(t, r.Fields, 1)
		assert.Equal(t, []int{1, 0}, []int{r.Fields[0].Unwritten, r.Fields[0].Cleared}, "Salesforce keeps what it has")
		require.Len(t, r.Values, 1)
		assert.Equal(t, notWritten, r.Values[0].To)
	}
	next := tables(t, map[string]string{"t.yaml": strings.Replace(letTable, row, "", 1)})
	i := NewImpact(base, next)
	i.Add(sample(t, `{"resourceType":"ServiceRequest","id":"1","priority":"routine"}`))
	r := i.Report()
	require.Len(t, r.Fields, 1)
	assert.Equal(t, 1, r.Fields[0].Unwritten, "what was written empty is not written any more")
	assert.Empty(t, r.Values)
}

func TestAnotherOwnerIsAChange(t *testing.T) {
	next := edited(t, "service-request.yaml", "    purpose: Priority in e-RS.", "    owner: target\n    purpose: Priority in e-RS.")
	r := impact(t, starterTables(t), next, "ers-booked-two-week-wait")
	require.Len(t, r.Fields, 1)
	assert.Equal(t, 1, r.Fields[0].Policy)
	assert.Empty(t, r.Values)
}

func TestAFieldThatANewRowWritesEmptyIsCountedApart(t *testing.T) {
	row := "  - field: DateSigned\n    from: authoredOn"
	extra := func(more string) *mapping.Set {
		return edited(t, "service-request.yaml", row, "  - field: SourceChannel\n    from: extension('https://example.org/none').value\n"+more+row)
	}
	r := impact(t, starterTables(t), extra(""), "ers-booked-two-week-wait")
	require.Len(t, r.Fields, 1)
	assert.Equal(t, []int{1, 0, 0}, []int{r.Fields[0].Emptied, r.Fields[0].Policy, r.Fields[0].Cleared})
	r = impact(t, starterTables(t), extra("    keepIfAbsent: true\n"), "ers-booked-two-week-wait")
	assert.Empty(t, r.Fields, "it leaves what Salesforce holds")
	assert.Zero(t, r.Touched)
}

// noteTables give a record whose Note is written by a row, or by none.
func noteTables(t *testing.T, more string) *mapping.Set {
	t.Helper()
	row := ""
	if more != "none" {
		row = "  - {field: Note, from: note.text" + more + "}\n"
	}
	return tables(t, map[string]string{"a.yaml": "object: Thing\nsource: ServiceRequest\nkey: {field: Bridge_Key__c, from: id}\nrows:\n  - {field: Status, from: status}\n" + row})
}

func TestWhatIsNotWrittenEitherWayIsNoChange(t *testing.T) {
	const none, source, keep, target, createOnly, latest = "none", "", ", keepIfAbsent: true", ", owner: target", ", owner: create-only", ", owner: latest"
	bare, full := `{"resourceType":"ServiceRequest","id":"1","status":"active"}`, `{"resourceType":"ServiceRequest","id":"1","status":"active","note":[{"text":"x"}]}`
	for _, c := range []struct{ doc, before, after, want string }{
		{bare, none, source, "emptied"}, {bare, none, latest, "emptied"}, {bare, none, keep, ""}, {bare, none, target, ""}, {bare, none, createOnly, ""},
		{bare, source, none, "unwritten"}, {bare, latest, none, "unwritten"}, {bare, keep, none, ""}, {bare, target, none, ""}, {bare, createOnly, none, ""},
		{bare, keep, source, "emptied"}, {bare, target, source, "emptied"}, {bare, createOnly, source, "emptied"}, {bare, keep, target, ""},
		{bare, source, keep, "unwritten"}, {bare, source, target, "unwritten"}, {bare, source, latest, "policy"}, {bare, source, source, ""},
		{full, none, source, "filled"}, {full, none, createOnly, "filled"}, {full, source, none, "unwritten"}, {full, createOnly, none, "unwritten"},
		{full, source, keep, "policy"}, {full, target, source, "policy"}, {full, keep, keep, ""},
	} {
		i := NewImpact(noteTables(t, c.before), noteTables(t, c.after))
		i.Add(sample(t, c.doc))
		r := i.Report()
		assert.Equal(t, c.want, kindsOf(r), "%q -> %q of %s", c.before, c.after, c.doc)
		assert.Equal(t, c.want != "", r.Touched == 1)
	}
}

func TestWhatARowThatOnlyCreatesGaveIsEmptiedAndNotCleared(t *testing.T) {
	doc := `{"resourceType":"ServiceRequest","id":"1","status":"active","note":[{"text":"x"}]}`
	nothing := func(more string) *mapping.Set {
		return tables(t, map[string]string{"a.yaml": "object: Thing\nsource: ServiceRequest\nkey: {field: Bridge_Key__c, from: id}\nrows:\n" +
			"  - {field: Status, from: status}\n  - {field: Note, from: reasonCode.text" + more + "}\n"})
	}
	for before, want := range map[string]string{"": "cleared", ", keepIfAbsent: true": "cleared", ", owner: latest": "cleared", ", owner: target": "emptied", ", owner: create-only": "emptied"} {
		i := NewImpact(noteTables(t, before), nothing(""))
		i.Add(sample(t, doc))
		assert.Equal(t, want, kindsOf(i.Report()), before)
	}
	i := NewImpact(noteTables(t, ", owner: create-only"), nothing(", owner: create-only"))
	i.Add(sample(t, doc))
	r := i.Report()
	assert.Equal(t, "unwritten", kindsOf(r), "a record that is there keeps what it has")
	assert.Equal(t, notWritten, r.Values[0].To)
}

// kindsOf names the counts of a report that are not zero.
func kindsOf(r ImpactReport) string {
	var out []string
	for _, f := range r.Fields {
		for _, c := range []struct {
			n    int
			name string
		}{{f.Changed, "changed"}, {f.Filled, "filled"}, {f.Cleared, "cleared"}, {f.Unwritten, "unwritten"}, {f.Emptied, "emptied"}, {f.Policy, "policy"}} {
			if c.n > 0 {
				out = append(out, c.name)
			}
		}
	}
	return strings.Join(out, " ")
}

func TestNothingAboutAPersonIsInAnImpactReport(t *testing.T) {
	// A change to every row of the referral that carries a text, and to what is held.
	next := edited(t, "service-request.yaml", "truncate(32000, hold)", "truncate(3, cut)")
	other := edited(t, "values.yaml", "unlisted: none", "unlisted: keep")
	for _, tables := range []*mapping.Set{next, other, tables(t, map[string]string{"t.yaml": coverTable})} {
		i, back := NewImpact(starterTables(t), tables), NewImpact(tables, starterTables(t))
		for _, in := range plantedSamples(t) {
			i.Add(in)
			back.Add(in)
		}
		for _, r := range []ImpactReport{i.Report(), back.Report()} {
			text, err := json.Marshal(r)
			require.NoError(t, err)
			for _, marker := range []string{"Zebedee", "Quillfeather", "Zeb", "9434765919"} {
				assert.NotContains(t, string(text), marker)
			}
		}
	}
}

func TestDistinctValuesAreBounded(t *testing.T) {
	next := edited(t, "service-request.yaml", "  - field: SourceSystemIdentifier\n    from: id", "  - field: SourceSystemIdentifier\n    from: id & 'x'")
	i := NewImpact(starterTables(t), next)
	in := golden(t, "fhir-everything")
	src := string(in.Focus[0].Raw())
	for n := range 50 {
		r, err := fhir.Parse([]byte(strings.Replace(src, `"id": "sr-1"`, `"id": "sr-1`+string(rune('a'+n%26))+string(rune('a'+n/26))+`"`, 1)))
		require.NoError(t, err)
		in.Focus = []fhir.Resource{r}
		i.Add(in)
	}
	r := i.Report()
	assert.Len(t, r.Values, maxTokens+1)
	assert.Equal(t, ValueChange{Object: "ClinicalServiceRequest", Field: "SourceSystemIdentifier", From: "(other values)", To: "(other values)", Count: 30}, r.Values[0])
}

func BenchmarkImpact(b *testing.B) {
	i := NewImpact(starterTables(b), edited(b, "values.yaml", "{code: TWO_WEEK_WAIT, to: ASAP, purpose: urgent suspected cancer}", "{code: TWO_WEEK_WAIT, to: Urgent}"))
	in := golden(b, "ers-booked-two-week-wait")
	for b.Loop() {
		i.Add(in)
	}
}
