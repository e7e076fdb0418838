package review

import (
	"bytes"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/mapping"
)

func tablesOf(t *testing.T, src string) *mapping.Set {
	t.Helper()
	src = strings.Replace(src, "let:\n  system:", "let:\n  first:", 1)
	s, err := mapping.Load(fstest.MapFS{"request.yaml": {Data: []byte(src)}}, mapping.Options{})
	require.NoError(t, err)
	return s
}

// changed compares the tables of the tests with what edits make of them.
func changed(t *testing.T, edits ...string) Review {
	t.Helper()
	return New(tablesOf(t, strings.NewReplacer(edits...).Replace(reviewTables)), Options{Base: tablesOf(t, reviewTables)})
}

func lines(r Review) []string {
	var out []string
	for _, p := range r.Changes.Parts {
		for _, l := range p.Lines {
			out = append(out, string(l.Mark)+": "+l.Kind+" "+l.Name)
		}
	}
	return out
}

func TestTablesThatSayTheSameHaveNotChanged(t *testing.T) {
	r := changed(t)
	assert.Empty(t, lines(r))
	var page, text bytes.Buffer
	require.NoError(t, r.HTML(&page))
	require.NoError(t, r.Markdown(&text))
	assert.Contains(t, page.String(), "Nothing: these tables say the same")
	assert.Contains(t, text.String(), "Nothing: these tables say the same")
	assert.NotContains(t, page.String(), `class="mark`)
}

func TestEachPartThatIsNewChangedOrGoneIsListed(t *testing.T) {
	r := changed(t,
		"identifier.system.first()", "identifier.system.last()",
		"    purpose: Why\n", "    purpose: Another reason\n  - {field: Extra__c, from: id}\n",
		"  - {path: note, purpose: Not ours.}", "  - {path: specimen, purpose: Not ours.}",
		"only: [Draft, Active]", "only: [Draft]",
		"to: Other", "to: Unknown",
		"code: x, to: X", "code: z, to: X")
	assert.Equal(t, []string{
		"changed: named value %first",
		"changed: field Type",
		"new: field Extra__c",
		"new: left out specimen",
		"changed: when the source no longer has it Status",
		"gone: left out note",
		"changed: value table s",
		"new: code of s z",
		"gone: code of s x",
	}, lines(r))
	assert.Equal(t, []int{3, 4, 2}, []int{r.Changes.New, r.Changes.Changed, r.Changes.Gone})
	line := r.Changes.Parts[0].Lines[1]
	assert.Equal(t, []aspect{{"Why", "Why"}}, line.Was, "only what differs")
	assert.Equal(t, []aspect{{"Why", "Another reason"}}, line.Now)

	assert.Equal(t, isChanged, r.Tables[0].Rows[2].Mark)
	assert.Equal(t, isNew, r.Tables[0].Rows[3].Mark)
	assert.Equal(t, isGone, r.Values[0].Codes[2].Mark, "a code that is gone stands below the others")
}

func TestARowThatIsGoneStandsBelowTheOthers(t *testing.T) {
	r := New(tablesOf(t, reviewTables[:strings.Index(reviewTables, "  - field: Type")]+reviewTables[strings.Index(reviewTables, "drop:"):]),
		Options{Base: tablesOf(t, reviewTables)})
	require.Len(t, r.Tables[0].Rows, 3)
	assert.Equal(t, "Type", r.Tables[0].Rows[2].Field)
	assert.Equal(t, isGone, r.Tables[0].Rows[2].Mark)
	assert.Equal(t, "was request.yaml:22", r.Tables[0].Rows[2].Place)
	assert.Equal(t, 2, r.Rows, "and is not counted")
	var page bytes.Buffer
	require.NoError(t, r.HTML(&page))
	assert.Contains(t, page.String(), `<tr role="row" class="gone">`)
	assert.Less(t, strings.Index(page.String(), `id="review"`), strings.Index(page.String(), `id="contents"`), "the reviewer signs below what changed")
	assert.Equal(t, 1, strings.Count(page.String(), `id="review"`))
}

func TestTheOrderOfRowsForOneFieldIsAChange(t *testing.T) {
	first := "  - {field: Name, when: status = 'active', from: id}\n"
	second := "  - {field: Name, when: intent = 'order', from: code.text}\n"
	base := strings.Replace(reviewTables, "rows:\n", "rows:\n"+first+second, 1)
	next := strings.Replace(reviewTables, "rows:\n", "rows:\n"+second+first, 1)
	r := New(tablesOf(t, next), Options{Base: tablesOf(t, base)})
	require.Equal(t, []string{"changed: field Name"}, lines(r))
	assert.Equal(t, []aspect{{"Order", "tried first"}}, r.Changes.Parts[0].Lines[0].Now)
}

func TestTablesThatCameOrWentAreListedWhole(t *testing.T) {
	other := fstest.MapFS{"request.yaml": {Data: []byte(strings.Replace(reviewTables, "let:\n  system:", "let:\n  first:", 1))},
		"other.yaml": {Data: []byte("object: X__c\nsource: Appointment\nkey: {field: K__c, from: \"%source & id\"}\nrows: [{field: A__c, from: id}]\n")}}
	more, err := mapping.Load(other, mapping.Options{})
	require.NoError(t, err)
	assert.Equal(t, []string{"new: record X__c", "new: field A__c"}, lines(New(more, Options{Base: tablesOf(t, reviewTables)})))
	assert.Equal(t, []string{"gone: record X__c", "gone: field A__c"}, lines(New(tablesOf(t, reviewTables), Options{Base: more})))
}

func TestARuleThatGivesAnotherValueInAnExampleIsMarked(t *testing.T) {
	base := starterTables(t)
	src := starterSource(t)
	src["values.yaml"].Data = bytes.Replace(src["values.yaml"].Data, []byte("{code: TWO_WEEK_WAIT, to: ASAP, purpose: urgent suspected cancer}"), []byte("{code: TWO_WEEK_WAIT, to: Urgent}"), 1)
	next, err := mapping.Load(src, mapping.Options{PatientKey: testKey})
	require.NoError(t, err)
	examples, err := Examples()
	require.NoError(t, err)
	r := New(next, Options{Base: base, Examples: examples})
	assert.Equal(t, []string{"other value: field Priority", "changed: code of ers-priority TWO_WEEK_WAIT"}, lines(r))
}
