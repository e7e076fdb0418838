package fhir

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func london(t *testing.T) *time.Location {
	t.Helper()
	zone, err := time.LoadLocation("Europe/London")
	require.NoError(t, err)
	return zone
}

func patientWith(t *testing.T, elements string) Bundle {
	t.Helper()
	r, err := Parse([]byte(`{"resourceType":"Patient","id":"1",` + elements + `}`))
	require.NoError(t, err)
	return Bundle{Related: []Resource{r}}
}

func TestTheNextTurnIsWhenTheFirstPeriodOfUseBeginsOrIsOver(t *testing.T) {
	zone := london(t)
	const never = ""
	for _, c := range []struct{ name, elements, now, want string }{
		{"nothing has a period", `"name":[{"family":"A"}]`, "2026-06-15T10:00:00Z", never},
		{"a day-only end includes its day, in summer", `"telecom":[{"value":"1","period":{"end":"2026-06-16"}}]`, "2026-06-15T10:00:00Z", "2026-06-16T23:00:00Z"},
		{"and on its last evening", `"telecom":[{"value":"1","period":{"end":"2026-06-16"}}]`, "2026-06-16T22:59:59Z", "2026-06-16T23:00:00Z"},
		{"once it is over, never again", `"telecom":[{"value":"1","period":{"end":"2026-06-16"}}]`, "2026-06-16T23:00:00Z", never},
		{"a day-only end in winter", `"telecom":[{"value":"1","period":{"end":"2026-12-16"}}]`, "2026-12-01T10:00:00Z", "2026-12-17T00:00:00Z"},
		{"a day-only begin", `"name":[{"family":"B","period":{"start":"2026-06-22"}}]`, "2026-06-15T10:00:00Z", "2026-06-21T23:00:00Z"},
		{"a month", `"address":[{"city":"Leeds","period":{"end":"2026-06"}}]`, "2026-06-15T10:00:00Z", "2026-06-30T23:00:00Z"},
		{"a year", `"address":[{"city":"Leeds","period":{"end":"2026"}}]`, "2026-06-15T10:00:00Z", "2027-01-01T00:00:00Z"},
		{"an end with a time includes its second", `"identifier":[{"value":"1","period":{"end":"2026-06-16T12:00:00+01:00"}}]`, "2026-06-15T10:00:00Z", "2026-06-16T11:00:01Z"},
		{"a begin with a time", `"identifier":[{"value":"1","period":{"start":"2026-06-16T12:00:00+01:00"}}]`, "2026-06-15T10:00:00Z", "2026-06-16T11:00:00Z"},
		{"the begin comes before the end", `"name":[{"family":"B","period":{"start":"2026-06-22","end":"2026-07-01"}}]`, "2026-06-15T10:00:00Z", "2026-06-21T23:00:00Z"},
		{"then the end", `"name":[{"family":"B","period":{"start":"2026-06-22","end":"2026-07-01"}}]`, "2026-06-25T10:00:00Z", "2026-07-01T23:00:00Z"},
		{"the earliest of several", `"name":[{"family":"B","period":{"start":"2026-06-22"}}],"telecom":[{"value":"1","period":{"end":"2026-06-18"}}]`, "2026-06-15T10:00:00Z", "2026-06-18T23:00:00Z"},
		{"what is old stays old", `"telecom":[{"use":"old","value":"1","period":{"end":"2026-06-16"}}]`, "2026-06-15T10:00:00Z", never},
		{"a period of something else", `"contact":[{"period":{"end":"2026-06-16"}}]`, "2026-06-15T10:00:00Z", never},
		{"what is no date turns never", `"telecom":[{"value":"1","period":{"end":"soon"}}]`, "2026-06-15T10:00:00Z", never},
	} {
		now, err := time.Parse(time.RFC3339, c.now)
		require.NoError(t, err, c.name)
		b := patientWith(t, c.elements)
		got := b.NextTurn(now, zone)
		if c.want == never {
			assert.True(t, got.IsZero(), "%s: %s", c.name, got)
			continue
		}
		require.Equal(t, c.want, got.UTC().Format(time.RFC3339), c.name)
		assert.Equal(t, b.DigestAt(now, zone), b.DigestAt(got.Add(-time.Millisecond), zone), "%s: the same until then", c.name)
		assert.NotEqual(t, b.DigestAt(now, zone), b.DigestAt(got, zone), "%s: another from then on", c.name)
	}
}

func TestAPeriodThatBeginsOrEndsChangesTheDigestOfAMoment(t *testing.T) {
	b := patientWith(t, `"name":[{"family":"A","period":{"end":"2026-06"}},{"family":"B","period":{"start":"2026-07-01"}}]`)
	at := func(day string) Digest {
		now, err := time.Parse(time.DateOnly, day)
		require.NoError(t, err)
		return b.DigestAt(now, time.UTC)
	}
	assert.Equal(t, at("2026-05-01"), at("2026-06-29"))
	assert.NotEqual(t, at("2026-06-29"), at("2026-07-02"))
	assert.Equal(t, at("2026-07-02"), at("2027-07-02"))
	bare := patientWith(t, `"name":[{"family":"A"}]`)
	assert.Equal(t, bare.Digest(), bare.DigestAt(time.Now(), time.UTC))
}
