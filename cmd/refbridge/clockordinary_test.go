//go:build !movableclock

package main

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAnOrdinaryBuildDoesNotReadTheFileOfAMovedClock(t *testing.T) {
	file := filepath.Join(t.TempDir(), "clock")
	for _, text := range []string{"87600h", "no duration"} {
		require.NoError(t, os.WriteFile(file, []byte(text), 0o600))
		t.Setenv("REFBRIDGE_CLOCK", file)
		now, err := clock()
		require.NoError(t, err)
		assert.WithinDuration(t, time.Now(), now(), time.Minute)
		assert.Equal(t, exitDone, refbridge(t, "version").code)
	}
}
