package bridgetest

import (
	"fmt"
	"os"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// DocumentedLine is a line of a table of docs/fates.md.
type DocumentedLine struct{ Code, Fate, Again string }

// DocumentedLines are the lines of the tables of the page of fates between two headings.
func DocumentedLines(t *testing.T, from, to string) (out []DocumentedLine) {
	t.Helper()
	page, err := os.ReadFile("../../docs/fates.md")
	require.NoError(t, err)
	_, part, ok := strings.Cut(string(page), from)
	require.True(t, ok)
	if to != "" {
		part, _, ok = strings.Cut(part, to)
		require.True(t, ok)
	}
	for _, m := range regexp.MustCompile("(?m)^\\| `([a-z-]+)` \\| .*? \\| ([^|]+)(?: \\|(?: ([^|]*))?)?\\|?$").FindAllStringSubmatch(part, -1) {
		out = append(out, DocumentedLine{m[1], strings.TrimSpace(m[2]), strings.TrimSpace(m[3])})
	}
	require.NotEmpty(t, out)
	return out
}

// PageOf is a search page of referrals, each with its subject, and of included patients by fullUrl.
func PageOf(base string, subjects map[string]string, patients ...[2]string) []byte {
	var entries []string
	for id, subject := range subjects {
		entries = append(entries, fmt.Sprintf(`{"fullUrl":"%s/ServiceRequest/%s","search":{"mode":"match"},"resource":{"resourceType":"ServiceRequest",
			"id":"%s","meta":{"versionId":"1"},"status":"active","intent":"order","subject":%s}}`, base, id, id, subject))
	}
	for _, p := range patients {
		entries = append(entries, fmt.Sprintf(`{"fullUrl":"%s","search":{"mode":"include"},"resource":%s}`, p[0], p[1]))
	}
	return []byte(`{"resourceType":"Bundle","type":"searchset","entry":[` + strings.Join(entries, ",") + `]}`)
}

// Person is a Patient with an NHS number.
func Person(id, version, number string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":"%s","meta":{"versionId":"%s"},
		"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"%s"}]}`, id, version, number)
}
