package mapping

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
	"pgregory.net/rapid"
)

func TestInstantsAreReadAsTheStandardLibraryReadsThem(t *testing.T) {
	for _, s := range []string{"2026-06-15T10:30:00Z", "2024-02-29T23:59:59.999999+14:00", "1969-12-31T23:59:59.5-05:00",
		"0000-03-01T00:00:00Z", "2000-12-31T00:30:00.1+01:00"} {
		want, err := time.Parse(time.RFC3339Nano, s)
		require.NoError(t, err)
		got, ok := parseInstant(s)
		require.True(t, ok, s)
		assert.Equal(t, want.UTC().Truncate(time.Millisecond), got.time(), s)
	}
	for _, s := range []string{"", "2026", "2026-06-15", "2026-02-29T00:00:00Z", "2026-13-01T00:00:00Z", "2026-01-01T24:00:00Z",
		"2026-01-01T00:60:00Z", "2026-01-01T00:00:60Z", "2026-01-01T00:00:00", "2026-01-01T00:00:00.Z", "2026-01-01T00:00:00+1:00",
		"2026-01-01T00:00:00+25:00", "2026-01-01 00:00:00Z", "２026-01-01T00:00:00Z", "2026-01-01T00:00:00ZZ"} {
		_, ok := parseInstant(s)
		assert.False(t, ok, s)
	}
}

func TestAnInstantIsWrittenAsItWasReadToTheMillisecond(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		seconds := rapid.Int64Range(-62_000_000_000, 250_000_000_000).Draw(t, "seconds")
		offset := rapid.IntRange(-23*60, 23*60).Draw(t, "offset")
		at := time.Unix(seconds, rapid.Int64Range(0, 999_999_999).Draw(t, "nanoseconds")).In(time.FixedZone("", offset*60))
		if y := at.UTC().Year(); y < 1 || y > 9998 || at.Year() < 1 || at.Year() > 9999 {
			t.Skip("a year that RFC 3339 does not have")
		}
		got, ok := parseInstant(at.Format(time.RFC3339Nano))
		require.True(t, ok)
		require.Equal(t, at.UTC().Format("2006-01-02T15:04:05.000Z"), string(got.append(nil)))
		require.Equal(t, got, momentOf(at))
		require.Equal(t, at.UTC().Year(), got.year())
	})
}
