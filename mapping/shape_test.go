package mapping

import (
	"math/rand/v2"
	"regexp"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestShapesByHandAreThoseOfTheirPatterns(t *testing.T) {
	for pattern, holds := range map[string]func(string) bool{
		`^[A-Za-z][A-Za-z0-9_]{1,79}$`:                                           isObjectName,
		`^[A-Z][A-Za-z]{1,63}$`:                                                  isResourceName,
		`^_?[A-Za-z][A-Za-z0-9]{0,63}$`:                                          isElementName,
		`^[A-Za-z][A-Za-z0-9 \-]{0,39}$`:                                         isTargetName,
		`^[A-Za-z][A-Za-z0-9]{0,39}$`:                                            isLetName,
		`^[A-Za-z0-9][A-Za-z0-9_.\-]{0,63}$`:                                     PlainCode,
		`^[A-Za-z0-9_\-]+(\.[A-Za-z0-9_\-]+)*$`:                                  isKey,
		`^[A-Za-z][A-Za-z0-9_]{0,79}(\[\])?(\.[A-Za-z][A-Za-z0-9_]{0,79}){0,4}$`: isBodyPath,
	} {
		shape := regexp.MustCompile(pattern)
		random := rand.New(rand.NewPCG(3, 4))
		parts := []string{"a", "Z", "0", "9", "_", "-", ".", "[]", " ", "\n", "é", "@", "`", "{", "[", "/", ":", strings.Repeat("a", 38), strings.Repeat("B", 62), strings.Repeat("c", 79)}
		held := 0
		for range 50_000 {
			var text strings.Builder
			for range random.IntN(7) {
				text.WriteString(parts[random.IntN(len(parts))])
			}
			want := shape.MatchString(text.String())
			require.Equal(t, want, holds(text.String()), "%s of %q", pattern, text.String())
			if want {
				held++
			}
		}
		assert.Greater(t, held, 100, pattern)
	}
}
