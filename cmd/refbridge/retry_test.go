package main

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFinding_code_T14_ASourceThatHaltsKeepsNoOtherFromItsTurn(t *testing.T) {
	halted := errors.New("halted")
	var done []string
	err := forEach([]string{"ward", "ers", "clinic"}, func(name string) error {
		done = append(done, name)
		if name == "ers" {
			return nil
		}
		return fmt.Errorf("%s: %w", name, halted)
	})
	assert.Equal(t, []string{"ward", "ers", "clinic"}, done)
	assert.ErrorIs(t, err, halted)
	assert.ErrorContains(t, err, "ward")
	assert.ErrorContains(t, err, "clinic")
	assert.NoError(t, forEach([]string{"ward"}, func(string) error { return nil }))
}

func TestFinding_code_T13_TheDayOfABackfillBeginsInTheTimeZoneOfTheConfiguration(t *testing.T) {
	london, err := time.LoadLocation("Europe/London")
	require.NoError(t, err)
	day := time.Date(2026, 7, 1, 0, 0, 0, 0, time.UTC) // as a flag is read
	assert.Equal(t, "2026-06-30T23:00:00Z", dayIn(day, london).UTC().Format(time.RFC3339))
	c := backfillCmd{}
	now := time.Date(2026, 7, 3, 9, 0, 0, 0, time.UTC)
	assert.Equal(t, now, c.until(&program{now: func() time.Time { return now }}, london))
	c.To = day
	assert.Equal(t, "2026-06-30T23:00:00Z", c.until(&program{}, london).UTC().Format(time.RFC3339))
}
