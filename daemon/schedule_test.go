package daemon

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

func at(t *testing.T, s string) time.Time {
	t.Helper()
	v, err := time.Parse(time.RFC3339, s)
	require.NoError(t, err)
	return v
}

func TestAScheduleOfAFixedHourRunsExactlyOnceOnEveryDayOfTheClockChange(t *testing.T) {
	for _, c := range []struct{ name, spec, after, want, then string }{
		{"an ordinary day", "30 1 * * *", "2026-06-01T12:00:00Z", "2026-06-02T00:30:00Z", "2026-06-03T00:30:00Z"},
		{"spring 2026: 01:30 does not exist, so at 02:00 BST", "30 1 * * *", "2026-03-28T12:00:00Z", "2026-03-29T01:00:00Z", "2026-03-30T00:30:00Z"},
		{"autumn 2026: 01:30 comes twice, so at the first", "30 1 * * *", "2026-10-24T12:00:00Z", "2026-10-25T00:30:00Z", "2026-10-26T01:30:00Z"},
		{"spring 2027", "15 1 * * *", "2027-03-27T12:00:00Z", "2027-03-28T01:00:00Z", "2027-03-29T00:15:00Z"},
		{"autumn 2027", "0 1 * * *", "2027-10-30T12:00:00Z", "2027-10-31T00:00:00Z", "2027-11-01T01:00:00Z"},
		{"autumn 2026, in the hour that comes twice", "30 1 * * *", "2026-10-25T01:00:00Z", "2026-10-26T01:30:00Z", "2026-10-27T01:30:00Z"},
		{"seven in the morning over the change", "0 7 * * *", "2026-03-28T12:00:00Z", "2026-03-29T06:00:00Z", "2026-03-30T06:00:00Z"},
	} {
		t.Run(c.name, func(t *testing.T) {
			s, err := Parse(c.spec, london(t))
			require.NoError(t, err)
			first := s.Next(at(t, c.after))
			assert.Equal(t, c.want, first.UTC().Format(time.RFC3339))
			assert.Equal(t, c.then, s.Next(first).UTC().Format(time.RFC3339))
		})
	}
}

func TestAScheduleOfEveryTwentyMinutesKeepsItsPaceOverTheClockChange(t *testing.T) {
	for _, start := range []string{"2026-03-28T23:00:00Z", "2026-10-24T23:00:00Z"} {
		s, err := Parse("*/20 * * * *", london(t))
		require.NoError(t, err)
		now := at(t, start)
		for range 15 {
			next := s.Next(now)
			assert.Equal(t, 20*time.Minute, next.Sub(now))
			now = next
		}
	}
}

func TestParseRefusesWhatPanicsOrNeverComes(t *testing.T) {
	for _, spec := range []string{"", "CRON_TZ=UTC", "0 0 30 2 *", "* * * *", "61 * * * *", "@never", "* * * * * *"} {
		_, err := Parse(spec, london(t))
		assert.Error(t, err, "%q", spec)
	}
}

func TestFinding_inputs_B12_AZoneBeforeTheFieldsIsRefusedAndNotPassedOver(t *testing.T) {
	for _, spec := range []string{"CRON_TZ=America/New_York 0 7 * * *", "TZ=America/New_York 0 7 * * *", "CRON_TZ=Asia/Tokyo @daily",
		"CRON_TZ=Europe/Nowhere 0 7 * * *", "CRON_TZ= 0 7 * * *", "TZ=Europe/London"} {
		_, err := Parse(spec, london(t))
		assert.ErrorContains(t, err, "time_zone in the configuration", spec)
	}
	s, err := Parse("0 7 * * *", london(t))
	require.NoError(t, err)
	assert.Equal(t, "2026-06-01T06:00:00Z", s.Next(at(t, "2026-06-01T00:00:00Z")).UTC().Format(time.RFC3339))
}

func TestFinding_inputs_B20_SundayIsTheSeventhDayToo(t *testing.T) {
	// 2026-06-01 is a Monday.
	for _, c := range []struct {
		spec string
		want []int // days of June 2026 on which it runs
	}{
		{"0 12 * * 7", []int{7, 14}},
		{"0 12 * * 0", []int{7, 14}},
		{"0 12 * * 5-7", []int{5, 6, 7, 12, 13, 14}},
		{"0 12 * * 1,7", []int{1, 7, 8, 14}},
		{"0 12 * * 7-7", []int{7, 14}},
		{"0 12 * * 0-7", []int{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14}},
		{"0 12 * * 1-7/2", []int{1, 3, 5, 7, 8, 10, 12, 14}},
		{"0 12 * * sun", []int{7, 14}},
	} {
		s, err := Parse(c.spec, time.UTC)
		require.NoError(t, err, c.spec)
		var days []int
		for now := s.Next(at(t, "2026-06-01T00:00:00Z")); now.Before(at(t, "2026-06-15T00:00:00Z")); now = s.Next(now) {
			days = append(days, now.Day())
		}
		assert.Equal(t, c.want, days, c.spec)
	}
	for _, spec := range []string{"0 12 * * 8", "0 12 * * 6-8", "0 12 * * 7-9", "0 12 * * x-7/2", "0 12 * * 1-7/0"} {
		_, err := Parse(spec, time.UTC)
		assert.Error(t, err, spec)
	}
}

func TestFinding_inputs_B20_AScheduleOfEveryTenMinutesInSomeHoursKeepsItsPaceInAutumn(t *testing.T) {
	s, err := Parse("*/10 0-6 * * *", london(t))
	require.NoError(t, err)
	now := at(t, "2026-10-24T23:00:00Z")
	for range 6 * 7 {
		next := s.Next(now)
		require.Equal(t, 10*time.Minute, next.Sub(now), "after %s", now)
		now = next
	}
}
