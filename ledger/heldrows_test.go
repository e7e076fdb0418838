package ledger

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/sfdc/sobject"
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

// An image of which a part is not what was written is told, and its values are not.
func TestAnImageThatIsNotWhatWasWrittenIsRefused(t *testing.T) {
	secret := sobject.TextValue("Zebedee")
	image := Image{Record: record("Account", "k", field("LastName", "Zebedee")), Said: []sobject.Field{{Name: "F", Value: secret}},
		Carried: []Carried{{Field: "F", Value: secret, Against: "1", Made: "2", After: secret}}}
	plain, err := image.encode()
	require.NoError(t, err)
	back, err := decodeImage(plain)
	require.NoError(t, err)
	assert.Equal(t, image.Carried, back.Carried)
	for about, damage := range map[string][2]string{
		"what the source said":          {`"said":`, `"said":[],"x":`},
		"what was carried back":         {`"pair":`, `"pair":[],"x":`},
		"a pair of another length":      {`"pair":`, `"pair":{"object":"","fields":[]},"x":`},
		"what is carried back, no list": {`"carried":[`, `"carried":{"x":[`},
	} {
		broken := strings.Replace(string(plain), damage[0], damage[1], 1)
		require.NotEqual(t, string(plain), broken, about)
		_, err := decodeImage([]byte(broken))
		require.Error(t, err, about)
		assert.NotContains(t, err.Error(), "Zebedee", about)
	}
}
