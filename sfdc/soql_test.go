package sfdc

import (
	"strings"
	"testing"
	"time"
	"unicode/utf8"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestQueryIsWrittenFromCheckedNamesAndEscapedValues(t *testing.T) {
	at := time.Date(2026, 1, 31, 13, 0, 0, 5_900_000, time.FixedZone("", 3600))
	q, err := selectFrom("ClinicalServiceRequest", "Id", "Patient.Bridge_Key__c").
		in("Bridge_Key__c", []string{"a", `o'b\"`}).is("Status", "x\ny").since("SystemModstamp", at).
		startsWith("Bridge_Key__c", "ers_a%").orderBy("SystemModstamp", "Id").text()
	require.NoError(t, err)
	assert.Equal(t, `SELECT Id, Patient.Bridge_Key__c FROM ClinicalServiceRequest WHERE Bridge_Key__c IN ('a', 'o\'b\\\"')`+
		` AND Status = 'x\ny' AND SystemModstamp >= 2026-01-31T12:00:00.005Z AND Bridge_Key__c LIKE 'ers\_a\%%'`+
		` ORDER BY SystemModstamp, Id`, q)
}

func TestNameThatIsNoIdentifierIsRefusedWithoutBeingRepeated(t *testing.T) {
	for _, name := range []string{"", "1a", "a b", "a.b.c", "a.", ".a", "a'--" + markName, "a;b", "é", "a\n"} {
		_, err := selectFrom("Account", name).text()
		require.ErrorIs(t, err, errIdentifier, "%q", name)
		assert.NotContains(t, err.Error(), markName)
	}
}

func TestValueWithControlCharactersOrBrokenUTF8IsRefused(t *testing.T) {
	for _, value := range []string{"a\x00b", "\x1b", "\x7f", "\b", "\xff", markName + "\x00"} {
		_, err := selectFrom("Account", "Id").is("Name", value).text()
		require.ErrorIs(t, err, errLiteral, "%q", value)
		assert.NotContains(t, err.Error(), markName)
	}
}

// unquote reads a SOQL string the way the platform does; rest is what follows the closing quote.
func unquote(s string) (value, rest string, ok bool) {
	if !strings.HasPrefix(s, "'") {
		return "", s, false
	}
	var b strings.Builder
	for i := 1; i < len(s); i++ {
		switch s[i] {
		case '\'':
			return b.String(), s[i+1:], true
		case '\\':
			i++
			if i == len(s) {
				return "", "", false
			}
			at := strings.IndexByte(`nrtf'"\%_`, s[i])
			if at < 0 {
				return "", "", false
			}
			b.WriteByte("\n\r\t\f'\"\\%_"[at])
		default:
			b.WriteByte(s[i])
		}
	}
	return "", "", false
}

func FuzzLiteralReadsBackAsTheValue(f *testing.F) {
	for _, seed := range []string{"", "ers.sr.000000070001", "o'neill", `\`, `\'`, `' OR Name != '`, "a\nb\r\t\f", "%_", `\%`,
		"\x00", "\xff", "\u2028", "é'", `"quoted"`, `\\\'`} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, value string) {
		got, err := literal(value)
		if err != nil {
			hostile := !utf8.ValidString(value) || strings.ContainsFunc(value, func(r rune) bool {
				return (r < ' ' && !strings.ContainsRune("\n\r\t\f", r)) || r == 0x7f
			})
			require.True(t, hostile, "%q was refused", value)
			return
		}
		back, rest, ok := unquote(got)
		require.True(t, ok, "%q", got)
		require.Equal(t, value, back)
		require.Empty(t, rest)
		pattern, err := prefixPattern(value)
		require.NoError(t, err)
		back, rest, ok = unquote(pattern)
		require.True(t, ok)
		require.Equal(t, value+"%", back)
		require.Empty(t, rest)
		require.Equal(t, 1, bareWildcards(pattern), "the value brought a wildcard of its own")
	})
}

// bareWildcards counts % and _ that are not escaped.
func bareWildcards(pattern string) int {
	n := 0
	for i := 0; i < len(pattern); i++ {
		switch pattern[i] {
		case '\\':
			i++
		case '%', '_':
			n++
		}
	}
	return n
}

func TestFinding_code_T7_AFirstQueryNamesNoDateThatSOQLDoesNotKnow(t *testing.T) {
	for at, want := range map[time.Time]string{
		{}: "1700-01-01T00:00:00.000Z",
		time.Date(1699, 12, 31, 23, 59, 59, 0, time.UTC):      "1700-01-01T00:00:00.000Z",
		time.Date(1700, 1, 1, 0, 0, 1, 0, time.UTC):           "1700-01-01T00:00:01.000Z",
		time.Date(2026, 1, 31, 12, 0, 0, 1_999_999, time.UTC): "2026-01-31T12:00:00.001Z",
	} {
		text, err := selectFrom("Account", "Id").since("SystemModstamp", at).text()
		require.NoError(t, err)
		assert.Equal(t, "SELECT Id FROM Account WHERE SystemModstamp >= "+want, text)
	}
}
