package review

import (
	"bytes"
	"fmt"
	"io/fs"
	"maps"
	"regexp"
	"strings"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/mapping"
)

// edits are what somebody may do to a line of a table, each as what is found and what comes in its place.
func edits() [][2]string {
	return [][2]string{
		{`(?s)^.*$`, ""},
		{`owner: [a-z-]+`, "owner: latest"},
		{`required: true`, "required: false"},
		{`source: ServiceRequest`, "source: Appointment"},
		{`purpose: .*?([,}\n])`, "purpose: Another$1"},
		{`system: [^,}\s]+`, "system: https://x.example/s"},
		{`to: [^,}]+`, "to: Zzz"},
		{`, to: (true|false)`, ", to: '$1'"},
		{`code: [^,}]+`, "code: Zzz"},
		{`unlisted: .*`, "unlisted: none"},
		{`truncate\(\d+`, "truncate(7"},
		{`, hold\)`, ", cut)"},
		{`ref: (\w+)`, "ref: $1.Other__c"},
		{`default: .*`, "default: zzz"},
		{`from: (\w+)\n`, "from: $1.first()\n"},
		{`length: \d+`, "length: 7"},
		{`only: .*`, "only: [Scheduled]"},
		{`forward: .*`, "forward: {Status: request-intent}"},
		{`(field: \w+)\n`, "$1\n    keepIfAbsent: true\n"},
		{`(field: \w+)\n`, "$1\n    owner: create-only\n"},
		{`(field: \w+)\n`, "$1\n    when: status.exists()\n"},
		{`transform: (\w+)\n`, "transform: [$1, upper]\n"},
	}
}

// editsOf gives what becomes of a file by each edit of a line, by what was done. Of codes that follow each other the first stands for all.
func editsOf(text string) map[string]string {
	out := map[string]string{}
	lines := strings.SplitAfter(text, "\n")
	for i, line := range lines {
		said := strings.TrimSpace(line)
		if said == "" || strings.HasPrefix(said, "#") || strings.HasPrefix(said, "- {code:") && strings.HasPrefix(strings.TrimSpace(lines[i-1]), "- {code:") {
			continue
		}
		for _, e := range edits() {
			edited := regexp.MustCompile(e[0]).ReplaceAllString(line, e[1])
			if edited != line && (said != "owner: source" || strings.TrimSpace(edited) != "") { // the owner of a table that names none
				out[fmt.Sprintf("line %d became %q", i+1, edited)] = strings.Join(lines[:i], "") + edited + strings.Join(lines[i+1:], "")
			}
		}
	}
	return out
}

func TestEveryEditOfALineOfTheStarterTablesIsListed(t *testing.T) {
	if testing.Short() {
		t.Skip("some thousand edits, each loaded")
	}
	src, base, listed := starterSource(t), starterTables(t), 0
	for name, file := range src {
		for what, text := range editsOf(string(file.Data)) {
			next := maps.Clone(src)
			next[name] = &fstest.MapFile{Data: []byte(text)}
			set, err := mapping.Load(next, mapping.Options{PatientKey: testKey})
			if err != nil {
				continue
			}
			listed++
			assert.NotEmpty(t, New(set, Options{Base: base}).Changes.Parts, "%s: %s", name, what)
		}
	}
	assert.Greater(t, listed, 500)
}

func TestThePageNamesTheSystemOfTheCodesThatTheSourceIsTold(t *testing.T) {
	_, page, text := starterReview(t, starterTables(t))
	for _, out := range []string{page, text} {
		assert.Contains(t, out, "reviewOutcome: always ACCEPT_REFER_BOOK_LATER, as a code of https://fhir.nhs.uk/STU3/CodeSystem/eRS-ReviewOutcome-1")
		assert.Contains(t, out, "translated by ers-cancel-reason, as a code of REFERRAL-CANCELLATION-REASON; without it")
		assert.Contains(t, out, "could not see a difference (Status is made by request-status)")
		assert.Contains(t, out, "Code lists of FHIR R4 and NHS e-RS, and what they are called in Health Cloud.", "the file of value tables")
	}
}

func TestTextsThatDifferInWhatThePageDoesNotShowAreNeverCalledTheSame(t *testing.T) {
	for what, edit := range map[string][2]string{
		"a comment":                 {"rows:\n", "# a comment moves the rows\n\nrows:\n"},
		"a setting that is default": {"    required: true\n", "    required: true\n    keepIfAbsent: false\n"},
	} {
		r := changed(t, edit[0], edit[1])
		assert.Empty(t, lines(r), what)
		var page, text bytes.Buffer
		require.NoError(t, r.HTML(&page))
		require.NoError(t, r.Markdown(&text))
		for _, out := range []string{page.String(), text.String()} {
			assert.NotContains(t, out, "Nothing: these tables say the same", what)
			assert.Contains(t, out, "in what this page does not show, such as comments", what)
		}
		assert.NotContains(t, page.String(), `class="mark`)
	}
}

func starterSource(t *testing.T) fstest.MapFS {
	t.Helper()
	names, err := mapping.Files(mapping.Default())
	require.NoError(t, err)
	out := fstest.MapFS{}
	for _, name := range names {
		b, err := fs.ReadFile(mapping.Default(), name)
		require.NoError(t, err)
		out[name] = &fstest.MapFile{Data: b}
	}
	return out
}
