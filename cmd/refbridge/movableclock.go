//go:build movableclock

package main

import (
	"fmt"
	"os"
	"strings"
	"sync/atomic"
	"time"
)

// clockVariable names the file that moves the clock of this build.
const clockVariable = "REFBRIDGE_CLOCK"

// clock returns the machine's clock plus the duration (as Go writes one: 26h, -90s) in the file that REFBRIDGE_CLOCK names. The file
// is read at each call; where it is absent or empty the clock is not moved. A file that holds no duration is an error here, at the
// start. Later, when a reader may meet it half written, the last duration that could be read holds.
func clock() (func() time.Time, error) {
	path := os.Getenv(clockVariable)
	if path == "" {
		return time.Now, nil
	}
	offset, err := readOffset(path)
	if err != nil {
		return nil, hinted{err, "write a duration like 26h or -90s into it, or empty it"}
	}
	var last atomic.Int64
	last.Store(int64(offset))
	return func() time.Time {
		if offset, err := readOffset(path); err == nil {
			last.Store(int64(offset))
		}
		return time.Now().Add(time.Duration(last.Load()))
	}, nil
}

// readOffset returns the duration in a file, 0 where there is no file or nothing in it.
func readOffset(path string) (time.Duration, error) {
	text, err := os.ReadFile(path)
	if os.IsNotExist(err) {
		return 0, nil
	}
	if err != nil {
		return 0, fmt.Errorf("%s: %w", clockVariable, err)
	}
	word := strings.TrimSpace(string(text))
	if word == "" {
		return 0, nil
	}
	offset, err := time.ParseDuration(word)
	if err != nil {
		return 0, fmt.Errorf("%s: %s: %w", clockVariable, path, err)
	}
	return offset, nil
}
