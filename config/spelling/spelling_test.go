package spelling_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"refbridge/config/spelling"
)

func TestAMisspeltNameFindsTheOneThatWasMeant(t *testing.T) {
	names := []string{"first", "last", "where", "authoredOn", "SourceChannel", "status", ""}
	for misspelt, meant := range map[string]string{
		"frist": "first", "authordOn": "authoredOn", "SourceChanel": "SourceChannel", "STATUS": "status", "statsu": "status", "wher": "where",
		"colour": "", "x": "", "": "", strings.Repeat("status", 20): "",
	} {
		assert.Equal(t, meant, spelling.Nearest(misspelt, names), misspelt)
	}
}
