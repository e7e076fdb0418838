package rest

import (
	"net/http"
	"testing"
	"unicode/utf16"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// inUTF16 is a text in UTF-16, with its mark or without.
func inUTF16(text string, big, mark bool) string {
	units := utf16.Encode([]rune(text))
	if mark {
		units = append([]uint16{0xfeff}, units...)
	}
	var out []byte
	for _, u := range units {
		if big {
			out = append(out, byte(u>>8), byte(u))
		} else {
			out = append(out, byte(u), byte(u>>8))
		}
	}
	return string(out)
}

// TestFinding_inputs_ALivePageMayBeginWithTheMarkOfUTF8 has a row for each way in which a server writes JSON. One that cannot be read says so.
func TestFinding_inputs_ALivePageMayBeginWithTheMarkOfUTF8(t *testing.T) {
	const mark = "\xef\xbb\xbf"
	page := `{"resourceType":"Bundle","type":"searchset","entry":[{"resource":` + patient("a") + `}]}`
	for name, c := range map[string]struct{ before, page, one, fault string }{
		"plain":                     {"", page, patient("1"), ""},
		"marked":                    {mark, page, patient("1"), ""},
		"marked, and blank lines":   {mark + "\r\n ", page, patient("1"), ""},
		"marked twice":              {mark + mark, page, patient("1"), "JSON"},
		"UTF-16, little end first":  {"", inUTF16(page, false, true), inUTF16(patient("1"), false, true), "UTF-16"},
		"UTF-16, big end first":     {"", inUTF16(page, true, true), inUTF16(patient("1"), true, true), "UTF-16"},
		"UTF-16 without a mark":     {"", inUTF16(page, false, false), inUTF16(patient("1"), false, false), "UTF-16"},
		"UTF-16 without a mark, BE": {"", inUTF16(page, true, false), inUTF16(patient("1"), true, false), "UTF-16"},
	} {
		client := served(t, func(w http.ResponseWriter, r *http.Request) {
			if r.URL.Path == "/R4/Patient" {
				sendFHIR(w, 200, c.before+c.page)
				return
			}
			sendFHIR(w, 200, c.before+c.one)
		})
		ids, _, err := all(t.Context(), client, "Patient")
		_, alone := client.Read(t.Context(), patientRef.Current())
		if c.fault == "" {
			require.NoError(t, err, name)
			assert.Equal(t, []string{"a"}, ids, name)
			require.NoError(t, alone, name)
			_, err = ReadPage([]byte(c.before + c.page))
			assert.NoError(t, err, name)
			continue
		}
		for _, err := range []error{err, alone} {
			require.ErrorIs(t, err, fhir.ErrSyntax, name)
			assert.ErrorContains(t, err, c.fault, name)
		}
		assert.Empty(t, ids, name)
	}
}

func TestFinding_inputs_AMarkBeforeWhatWentWrongHidesNothing(t *testing.T) {
	client := served(t, func(w http.ResponseWriter, _ *http.Request) {
		sendFHIR(w, 404, "\xef\xbb\xbf"+`{"resourceType":"OperationOutcome","issue":[{"severity":"error","code":"not-found"}]}`)
	})
	_, err := client.Read(t.Context(), patientRef.Current())
	var failure *Error
	require.ErrorAs(t, err, &failure)
	assert.True(t, failure.Outcome)
	assert.Equal(t, []string{"not-found"}, failure.Codes)
}
