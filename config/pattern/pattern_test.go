package pattern_test

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"refbridge/config/pattern"
)

func TestAPatternIsCompiledOnceAndWhenItIsFirstNeeded(t *testing.T) {
	digits, none := pattern.MustOnce(`^[0-9]+$`), pattern.MustOnce(`(`)
	assert.True(t, digits().MatchString("42"))
	assert.False(t, digits().MatchString("4x"))
	assert.Same(t, digits(), digits())
	assert.Panics(t, func() { none() })
}
