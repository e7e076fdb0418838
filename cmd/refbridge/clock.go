//go:build !movableclock

package main

import "time"

// clock returns what every part of the program takes for the time of day: the machine's clock. A build with the tag movableclock,
// for trials that let days go by, has another (movableclock.go).
func clock() (func() time.Time, error) { return time.Now, nil }
