package ledger

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestWhichVersionsAreDecided(t *testing.T) {
	for _, c := range []struct {
		fate    Fate
		code    string
		decided bool
	}{
		{Applied, "", true},
		{Applied, CodeNamedOnly, true},
		{Superseded, "", true},
		{Superseded, CodeNamedOnly, false},
		{Held, "", false},
		{Dead, "", false},
		{Pending, "", false},
		{Unknown, "", false},
	} {
		r := versionRow{fate: string(c.fate), reason: reasonCells{code: c.code}}
		assert.Equal(t, c.decided, r.decided(), "%s %s", c.fate, c.code)
	}
}
