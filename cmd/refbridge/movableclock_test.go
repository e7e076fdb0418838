//go:build movableclock

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAMovedClockIsTheMachinesPlusTheDurationInTheFile(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	t.Setenv("REFBRIDGE_CLOCK", file)
	now, err := clock()
	require.NoError(t, err)
	for _, c := range []struct {
		name, text string
		want       time.Duration
	}{
		{"no file", "", 0},
		{"an empty file", " \n", 0},
		{"ahead", "26h\n", 26 * time.Hour},
		{"ahead, in parts", "0h10m", 10 * time.Minute},
		{"half written: what was read last", "14", 10 * time.Minute},
		{"back", "-90s", -90 * time.Second},
		{"emptied", "\n", 0},
	} {
		t.Run(c.name, func(t *testing.T) {
			if c.text != "" {
				require.NoError(t, os.WriteFile(file, []byte(c.text), 0o600))
			}
			assert.WithinDuration(t, time.Now().Add(c.want), now(), 5*time.Second)
		})
	}
}

func TestAMovedClockStartsOnlyFromAFileThatCanBeRead(t *testing.T) {
	t.Setenv("REFBRIDGE_CLOCK", "")
	now, err := clock()
	require.NoError(t, err, "no file is named")
	assert.WithinDuration(t, time.Now(), now(), 5*time.Second)

	file := filepath.Join(t.TempDir(), "clock")
	require.NoError(t, os.WriteFile(file, []byte("tomorrow"), 0o600))
	t.Setenv("REFBRIDGE_CLOCK", file)
	r := refbridge(t, "version")
	assert.Equal(t, exitError, r.code)
	assert.Contains(t, r.err, `refbridge: error: REFBRIDGE_CLOCK: `+file+`: time: invalid duration "tomorrow"`)
	assert.Contains(t, r.err, "refbridge: hint: write a duration like 26h or -90s into it, or empty it")

	t.Setenv("REFBRIDGE_CLOCK", t.TempDir())
	assert.Equal(t, exitError, refbridge(t, "version").code, "a folder is no file")
}
