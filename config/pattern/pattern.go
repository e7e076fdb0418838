// Package pattern compiles regular expressions when they are first needed: most commands need few of them, and one that counts letters
// takes longer than the rest of a package's start.
package pattern

import (
	"regexp"
	"sync"
)

// MustOnce returns a function that compiles a pattern at its first call, and returns the same expression at every call. It panics
// there where the pattern is none, as regexp.MustCompile does.
func MustOnce(pattern string) func() *regexp.Regexp {
	return sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(pattern) })
}
