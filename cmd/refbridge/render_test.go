package main

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestATextIsBrokenAt80CharactersNotBytes(t *testing.T) {
	half := strings.Repeat("…", 37)
	assert.Equal(t, half+" "+half, wrap(half+"  "+half, 5), "exactly 80 with the indent")
	assert.Equal(t, half+"\n      "+half, wrap(half+" "+half, 6))
	long := strings.Repeat("x", 90)
	assert.Equal(t, "a\n  "+long+"\n  b", wrap("a "+long+" b", 2), "a word is never broken")
}
