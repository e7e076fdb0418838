package fhir

import (
	"regexp"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestInstantsAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	for _, s := range []string{"2026-06-15T10:30:00Z", "2024-02-29T23:59:59.999999+14:00", "1969-12-31T23:59:59.5-05:00",
		"0001-03-01T00:00:00Z", "2000-12-31T00:30:00.1+01:00"} {
		want, err := time.Parse(time.RFC3339Nano, s)
		require.NoError(t, err)
		got, ok := ParseInstant(s)
		require.True(t, ok, s)
		assert.Equal(t, want.UTC().Truncate(time.Millisecond), got.Time(), s)
	}
	for _, s := range []string{"", "2026", "2026-06-15", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z", "2026-01-01T00:00:61Z", "0000-01-01T00:00:00Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+1:00",
		"2026-01-01T00:00:00+25:00", "2026-01-01 00:00:00Z", "２026-01-01T00:00:00Z", "2026-01-01T00:00:00ZZ"} {
		_, ok := ParseInstant(s)
		assert.False(t, ok, s)
	}
}

func TestAnInstantIsWrittenAsItWasReadToTheMillisecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(-62_000_000_000, 250_000_000_000).Draw(t, "seconds")
		offset := rapid.IntRange(-14*60, 14*60).Draw(t, "offset")
		at := time.Unix(seconds, rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).In(time.FixedZone("", offset*60))
		if y := at.UTC().Year(); y < 1 || y > 9998 || at.Year() < 1 || at.Year() > 9999 {
			t.Skip("a year that RFC 3339 does not have")
		}
		got, ok := ParseInstant(at.Format(time.RFC3339Nano))
		require.True(t, ok)
		require.Equal(t, at.UTC().Format("2006-01-02T15:04:05.000Z"), string(got.Append(nil)))
		require.Equal(t, got, MomentOf(at))
		require.Equal(t, at.UTC().Year(), got.Year())
	})
}

// TestFinding_inputs_B11_OnlyInstantsOfFHIRAreTaken: one row a way to write an instant that RFC 3339 libraries are lenient about.
func TestFinding_inputs_B11_OnlyInstantsOfFHIRAreTaken(t *testing.T) {
	cases := map[string]string{ // "" where it is refused
		"2026-03-02T08:05:09+14:00":       "2026-03-01T18:05:09.000Z",
		"2026-03-02T08:05:09-14:00":       "2026-03-02T22:05:09.000Z",
		"2026-03-02T08:05:09-00:00":       "2026-03-02T08:05:09.000Z",
		"2026-03-02T08:05:60Z":            "2026-03-02T08:05:59.000Z",
		"2026-12-31T23:59:60.250Z":        "2026-12-31T23:59:59.250Z",
		"2026-03-02T08:05:09.1234567891Z": "2026-03-02T08:05:09.123Z",
		"2026-03-02T8:05:09Z":             "",
		"2026-03-02T08:5:09Z":             "",
		"2026-03-02T08:05:9Z":             "",
		"2026-3-2T08:05:09Z":              "",
		"2026-03-02T08:05Z":               "",
		"2026-03-02T08:05:09":             "",
		"2026-03-02T08:05:09,5Z":          "",
		"2026-03-02T08:05:09.Z":           "",
		"2026-03-02T08:05:09z":            "",
		"2026-03-02t08:05:09Z":            "",
		"2026-03-02T24:00:00Z":            "",
		"2026-03-02T08:05:61Z":            "",
		"2026-03-02T08:60:00Z":            "",
		"2026-03-02T08:05:09+14:01":       "",
		"2026-03-02T08:05:09-23:59":       "",
		"2026-03-02T08:05:09+24:00":       "",
		"2026-03-02T08:05:09+02:60":       "",
		"2026-03-02T08:05:09+0200":        "",
		"2026-03-02T08:05:09+02":          "",
		"2026-03-02 08:05:09Z":            "",
		" 2026-03-02T08:05:09Z":           "",
		"2026-03-02T08:05:09Z ":           "",
		"2026-02-29T08:05:09Z":            "",
		"0000-03-02T08:05:09Z":            "",
		"10000-03-02T08:05:09Z":           "",
	}
	for text, want := range cases {
		at, ok := ParseInstant(text)
		assert.Equal(t, want != "", ok, text)
		updated := resource(t, `{"resourceType":"Patient","meta":{"lastUpdated":"`+text+`"}}`).LastUpdated()
		assert.Equal(t, want == "", updated.IsZero(), "meta.lastUpdated %s", text)
		if want != "" && ok {
			assert.Equal(t, want, string(at.Append(nil)), text)
			assert.Equal(t, want, string(MomentOf(updated).Append(nil)), text)
		}
	}
}

func TestADateStandsForAllOfItsDayMonthOrYear(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	require.NoError(t, err)
	for text, want := range map[string][2]string{
		"2026-03-29":           {"2026-03-29T00:00:00Z", "2026-03-29T22:59:59Z"}, // the clocks go forward
		"2026-10-25":           {"2026-10-24T23:00:00Z", "2026-10-25T23:59:59Z"}, // and back
		"2028-02":              {"2028-02-01T00:00:00Z", "2028-02-29T23:59:59Z"},
		"2026":                 {"2026-01-01T00:00:00Z", "2026-12-31T23:59:59Z"},
		"2026-12-31":           {"2026-12-31T00:00:00Z", "2026-12-31T23:59:59Z"},
		"2026-07-01T12:00:00Z": {"2026-07-01T12:00:00Z", "2026-07-01T12:00:00Z"},
	} {
		extent, ok := ParseExtent(text, london)
		require.True(t, ok, text)
		assert.Equal(t, want, [2]string{extent.First.UTC().Format(time.RFC3339), extent.Last.UTC().Format(time.RFC3339)}, text)
	}
	for _, text := range []string{"", "20", "202", "20260", "0000", "2026-", "2026-0", "2026-00", "2026-13", "2026-1-1", "2026-02-30",
		"2026-01-0", "2026-01-01T", "2026-01-01T10:00", "26-01-01", "２026"} {
		_, ok := ParseExtent(text, london)
		assert.False(t, ok, text)
	}
}

// FuzzInstants: what is taken matches the regular expression that FHIR R4 publishes for a dateTime with a time (datatypes.html#dateTime),
// and comes back as itself when it is read again.
func FuzzInstants(f *testing.F) {
	shape := regexp.MustCompile(`^([0-9]([0-9]([0-9][1-9]|[1-9]0)|[1-9]00)|[1-9]000)-(0[1-9]|1[0-2])-(0[1-9]|[1-2][0-9]|3[0-1])` +
		`T([01][0-9]|2[0-3]):[0-5][0-9]:([0-5][0-9]|60)(\.[0-9]+)?(Z|(\+|-)((0[0-9]|1[0-3]):[0-5][0-9]|14:00))$`)
	for _, seed := range []string{"2026-06-15T10:30:00Z", "2026-06-15T10:30:60.5+14:00", "2026-06-15T9:30:00Z", "2026-06-15", "2026-06",
		"9999-12-31T23:59:59-14:00", "0001-01-01T00:00:00+14:00"} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, s string) {
		ParseExtent(s, time.UTC) // must not panic
		at, ok := ParseInstant(s)
		if day, real := ParseDay(s); real && shape.MatchString(s) != ok || ok && !shape.MatchString(s) {
			t.Fatalf("%q: taken %v, day %v", s, ok, day)
		}
		if y := at.Year(); ok && y > 0 && y < 10000 {
			again, ok := ParseInstant(string(at.Append(nil)))
			require.True(t, ok)
			require.Equal(t, at, again)
		}
	})
}
