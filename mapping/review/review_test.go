package review

import (
	"bytes"
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/mapping"
)

// testKey stands for the keyed hash of an NHS number.
func testKey(n fhir.NHSNumber) string { return "k" + n.Reveal()[8:] }

// starterTables are those that come with refbridge.
func starterTables(t *testing.T) *mapping.Set {
	t.Helper()
	s, err := mapping.Load(mapping.Default(), mapping.Options{PatientKey: testKey})
	require.NoError(t, err)
	return s
}

func starterReview(t *testing.T, s *mapping.Set) (Review, string, string) {
	t.Helper()
	examples, err := Examples()
	require.NoError(t, err)
	require.GreaterOrEqual(t, len(examples), 8)
	outside, err := ReadOracles()
	require.NoError(t, err)
	r := New(s, Options{Version: "v1.2.3", Examples: examples, Oracles: &outside})
	var page, text bytes.Buffer
	require.NoError(t, r.HTML(&page))
	require.NoError(t, r.Markdown(&text))
	return r, page.String(), text.String()
}

func TestTheReviewShowsEveryPartOfTheStarterTables(t *testing.T) {
	s := starterTables(t)
	_, page, text := starterReview(t, s)
	for _, out := range []string{page, text} {
		assert.Contains(t, out, "v1.2.3")
		assert.Contains(t, out, s.Hash())
		for _, table := range s.Tables() {
			for _, w := range table.Rows {
				assert.Contains(t, out, fmt.Sprintf("%s:%d", w.File, w.Line), "row for %s.%s", table.Object, w.Field)
			}
			for _, b := range table.Back {
				assert.Contains(t, out, fmt.Sprintf("%s:%d", b.File, b.Line), "rule of the way back of %s", table.Object)
			}
			assert.GreaterOrEqual(t, strings.Count(out, "Left out on purpose"), 1)
		}
		for name, v := range s.Values() {
			for _, c := range v.Codes {
				assert.Contains(t, out, c.Code, "code of %s", name)
			}
		}
	}
}

func TestEveryRowOfTheStarterTablesHasAnExampleThatReachesIt(t *testing.T) {
	r, _, _ := starterReview(t, starterTables(t))
	for _, e := range r.Examples {
		assert.Empty(t, e.Held, e.Name)
		assert.NotZero(t, e.Records, e.Name)
	}
	for _, table := range r.Tables {
		assert.NotZero(t, table.Key.Example.Example, "%s has no key in any example", table.Object)
		for _, w := range table.Rows {
			assert.NotZero(t, w.Example.Example, "%s %s has no example", w.Place, w.Field)
			empty := table.Object == "CodeSetBundle" || w.Field == "PersonMailingStreet"
			assert.True(t, empty || w.Example.Text != "", "%s %s is empty in all examples", w.Place, w.Field)
		}
	}
}

func TestThePageNeedsNothingBesideItAndNamesItsCells(t *testing.T) {
	_, page, _ := starterReview(t, starterTables(t))
	for _, not := range []string{"<script", "<link", "<img", " src=", "@import", "url(", "ZgotmplZ"} {
		assert.NotContains(t, page, not)
	}
	assert.Contains(t, page, `<html lang="en-GB">`)
	assert.Equal(t, 1, strings.Count(page, "<h1"), "one main heading")
	for _, th := range regexp.MustCompile(`<th\b[^>]*>`).FindAllString(page, -1) {
		assert.Contains(t, th, "scope=")
	}
	ids := map[string]bool{}
	for _, m := range regexp.MustCompile(` id="([^"]*)"`).FindAllStringSubmatch(page, -1) {
		assert.False(t, ids[m[1]], "the id %s stands twice", m[1])
		ids[m[1]] = true
	}
	for _, m := range regexp.MustCompile(`href="#([^"]*)"`).FindAllStringSubmatch(page, -1) {
		assert.True(t, ids[m[1]], "nothing has the id %s", m[1])
	}
	for _, tag := range []string{"table", "section", "tr", "td", "ul", "li", "dl", "dd", "span", "code"} {
		open := len(regexp.MustCompile(`<`+tag+`[ >]`).FindAllString(page, -1))
		assert.Equal(t, open, strings.Count(page, "</"+tag+">"), "<%s> without an end", tag)
	}
}

func TestHeadingsComeInOrder(t *testing.T) {
	_, page, _ := starterReview(t, starterTables(t))
	last := "0"
	for _, m := range regexp.MustCompile(`<h([1-6])`).FindAllStringSubmatch(page, -1) {
		assert.LessOrEqual(t, m[1][0], last[0]+1, "h%s after h%s", m[1], last)
		last = m[1]
	}
}

func TestACodedExampleShowsItsTermOnBothSides(t *testing.T) {
	_, page, text := starterReview(t, starterTables(t))
	assert.Contains(t, text, "| 29857009 “Chest pain” becomes the CodeSetBundle “Chest pain” (4)<br>`ServiceRequest.reasonCode[0]` |")
	assert.Contains(t, page, `<code class="at">ServiceRequest.reasonCode[0]</code>`)
	assert.Contains(t, page, "The small number is that of the example, listed at the end.")
}

func TestEverythingLeftOutIsNamedInWords(t *testing.T) {
	r, _, _ := starterReview(t, starterTables(t))
	for _, table := range r.Tables {
		for _, d := range table.Drops {
			assert.NotEmpty(t, d.Path.Words, "%s leaves out %s", table.Object, d.Path.Text)
		}
	}
}

func TestARowExplainsTheNamedValuesThatItUses(t *testing.T) {
	r, page, text := starterReview(t, starterTables(t))
	for _, table := range r.Tables {
		for _, w := range table.Rows {
			for _, n := range w.Names {
				assert.NotEmpty(t, n.Words, "%s %%%s", w.Place, n.Name)
				assert.Contains(t, page, `id="`+n.ID+`"`)
			}
		}
	}
	assert.Contains(t, page, `<a href="#service-request-let-ersState">%ersState</a>: the state of the referral in e-RS</span>`)
	assert.Contains(t, text, "<br>%ersState: the state of the referral in e-RS |")
	assert.Contains(t, text, "- Named value `%ersState`: The state of the referral in e-RS. Made from")
}

func TestObjectsThatTwoTablesMakeAreToldApartByWhatTheyAreFor(t *testing.T) {
	r, _, _ := starterReview(t, starterTables(t))
	titles := map[string]bool{}
	for _, table := range r.Tables {
		assert.False(t, titles[table.Title], "%s stands twice", table.Title)
		titles[table.Title] = true
	}
	assert.True(t, titles["Identifier: the business identifiers of a referral"])
	assert.True(t, titles["Account"])
}

func TestValueTablesOfTheWayBackSpeakOfTheChange(t *testing.T) {
	_, _, text := starterReview(t, starterTables(t))
	assert.Contains(t, text, "| In Salesforce | becomes | Note |")
	assert.Contains(t, text, "*any other value: nothing is sent, and the change is held until somebody adds it*")
	assert.Contains(t, text, "| `REJECTED` | no (not ticked) |", "a checkbox is no word")
}

func TestMarkdownTablesHaveTheSameCellsInEachRow(t *testing.T) {
	_, _, text := starterReview(t, starterTables(t))
	cells, tables := 0, 0
	for line := range strings.SplitSeq(text, "\n") {
		if !strings.HasPrefix(line, "|") {
			cells = 0
			continue
		}
		n := strings.Count(strings.ReplaceAll(line, `\|`, ""), "|")
		if cells == 0 {
			cells, tables = n, tables+1
		}
		assert.Equal(t, cells, n, line)
	}
	assert.Greater(t, tables, 20)
}

const reviewTables = `object: ClinicalServiceRequest
source: ServiceRequest
purpose: A purpose with <b>markup</b> & a | bar.
let:
  system:
    from: identifier.system.first()
key:
  field: Bridge_Key__c
  from: "%source & '.' & id"
when: status.exists()
rows:
  - field: Status
    when: priority = 'stat'
    from: "'Draft'"
    owner: create-only
  - field: Status
    from: [status, intent]
    values: s
    default: Active
    required: true
    owner: target
  - field: Type
    from: code.text
    transform: [upper, "truncate(9, cut)"]
    keepIfAbsent: true
    purpose: Why
drop:
  - {path: note, purpose: Not ours.}
gone:
  - {field: Status, to: Revoked, only: [Draft, Active], purpose: It is over.}
values:
  s:
    unlisted: {to: Other}
    codes:
      - {system: http://a.example, code: x, to: X}
      - {system: http://b.example, code: "y", to: Y, purpose: a note}
`

func TestTheReviewSaysInWordsWhatTheRulesAre(t *testing.T) {
	src := strings.Replace(reviewTables, "let:\n  system:", "let:\n  first:", 1)
	s, err := mapping.Load(fstest.MapFS{"request.yaml": {Data: []byte(src)}}, mapping.Options{})
	require.NoError(t, err)
	r := New(s, Options{Version: "test"})
	require.Len(t, r.Tables, 1)
	table := r.Tables[0]
	assert.Equal(t, 2, table.Fields)
	assert.Equal(t, []string{"Status"}, table.Required)
	assert.Equal(t, "there is a status", table.When.Words)
	assert.Equal(t, "set once", table.Rows[0].Owner)
	assert.Equal(t, "the priority is “stat”", table.Rows[0].When.Words)
	assert.True(t, table.Rows[1].Otherwise)
	assert.Equal(t, "Salesforce keeps it", table.Rows[1].Owner)
	assert.Equal(t, []string{"without a value: “Active”"}, table.Rows[1].Rules)
	assert.Equal(t, "any other code becomes “Other”", table.Rows[1].Unlisted)
	assert.Equal(t, []string{"in upper case", "cut after 9 characters"}, table.Rows[2].Steps)
	assert.Equal(t, []string{"without a value Salesforce keeps what it has"}, table.Rows[2].Rules)
	assert.Equal(t, []gone{{Field: "Status", To: "Revoked", Only: "Draft or Active", Purpose: "It is over.", Place: "request.yaml:30"}}, table.Gone)

	var page, text bytes.Buffer
	require.NoError(t, r.HTML(&page))
	require.NoError(t, r.Markdown(&text))
	assert.Contains(t, page.String(), "&lt;b&gt;markup&lt;/b&gt; &amp; a | bar.")
	assert.NotContains(t, page.String(), "<b>")
	assert.Contains(t, text.String(), `&lt;b>markup&lt;/b> & a \| bar.`)
	assert.Contains(t, page.String(), "no example")
	assert.Contains(t, page.String(), "http://b.example", "systems stand beside their codes where they differ")
}

func TestAnExampleThatIsHeldSaysWhy(t *testing.T) {
	s, err := mapping.Load(fstest.MapFS{"request.yaml": {Data: []byte(strings.Replace(reviewTables, "let:\n  system:", "let:\n  first:", 1))}}, mapping.Options{})
	require.NoError(t, err)
	e, err := readExample([]byte(`{"name": "Two texts", "variables": {"source": "x"}, "resources": [
		{"resourceType": "ServiceRequest", "id": "not an id", "status": "active", "code": {"text": "a"}}]}`))
	require.NoError(t, err)
	r := New(s, Options{Examples: []Example{e}})
	assert.Contains(t, r.Examples[0].Held, "the key must be one text")
	var page bytes.Buffer
	require.NoError(t, r.HTML(&page))
	assert.True(t, strings.Contains(page.String(), "Held: request.yaml"), "the page says why")
}

func TestTheReferenceAndTheReviewNameEveryTransform(t *testing.T) {
	page, err := os.ReadFile("../../docs/tables.md")
	require.NoError(t, err)
	for _, name := range mapping.TransformNames() {
		assert.Regexp(t, "`"+name+"[`(]", string(page), "docs/tables.md documents each transform")
		said := transformWords(mapping.Transform{Name: name, Text: name + "(family)"})
		assert.NotEqual(t, name+"(family)", said, "the review says in words what %s does", name)
	}
}

func TestNoTextOfATableIsALinkOrMarkupInMarkdown(t *testing.T) {
	src := strings.NewReplacer("let:\n  system:", "let:\n  first:", "A purpose with", `A [link](http://x.example) and \[another](http://x.example), with`,
		"purpose: Why", `purpose: "[why](http://x.example)"`, "purpose: It is over.", `purpose: "[over](http://x.example)"`,
		"code: x,", `code: "x|<[y](z)",`, "when: status.exists()", "when: (status | intent).count() < 3").Replace(reviewTables)
	s, err := mapping.Load(fstest.MapFS{"request.yaml": {Data: []byte(src)}}, mapping.Options{})
	require.NoError(t, err)
	var b bytes.Buffer
	require.NoError(t, New(s, Options{}).Markdown(&b))
	text := b.String()
	assert.Equal(t, 2, strings.Count(text, `A \[link](http://x.example) and \\\[another](http://x.example)`), "in the contents and above the table")
	assert.Contains(t, text, `| \[why](http://x.example) |`)
	assert.Contains(t, text, `\[over](http://x.example)`)
	assert.Contains(t, text, "| `x\\|<[y](z)` |", "in a code of a cell only the bar is escaped")
	assert.Contains(t, text, "only when `(status | intent).count() < 3`", "outside a table not even that")
	assert.NotRegexp(t, `(^|[^\\])(\\\\)*\[(link|another|why|over)\]`, text)
}

func TestACodeInACellOfMarkdownIsShownAsItIs(t *testing.T) {
	for code, want := range map[string]string{
		"a | b < c":  "`a \\| b < c`",
		"name[0]":    "`name[0]`",
		"a\n  and b": "`a and b`",
		"`div`":      "`` `div` ``",
	} {
		assert.Equal(t, want, markdownCodeCell(code))
	}
}
