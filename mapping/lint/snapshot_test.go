package lint

import (
	"encoding/json"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/mapping"
)

func TestASnapshotReadsBackAsItWasWritten(t *testing.T) {
	s := defaultSnapshot(t)
	text, err := s.Encode()
	require.NoError(t, err)
	back, err := ReadSnapshot(text)
	require.NoError(t, err)
	assert.Equal(t, s, back)
	again, err := back.Encode()
	require.NoError(t, err)
	assert.Equal(t, string(text), string(again))
	assert.Equal(t, fieldCount(s), strings.Count(string(text), `{"name":"`), "a field a line")
}

func fieldCount(s Snapshot) int {
	n := 0
	for _, o := range s.Objects {
		n += len(o.Fields)
	}
	return n
}

func TestWhatDescribeAnswersIsASnapshot(t *testing.T) {
	const account = `{"name":"Account","label":"Account","keyPrefix":"001","childRelationships":[],"fields":[{"name":"Name","type":"string","length":255,"createable":true}]}`
	for _, text := range []string{account, "[" + account + "]", `{"objects":[` + account + `]}`} {
		s, err := ReadSnapshot([]byte(text))
		require.NoError(t, err, text)
		d, ok := s.Object("Account")
		require.True(t, ok)
		assert.Len(t, d.Fields, 1)
	}
}

func TestAFileThatIsNoSnapshotIsRefusedWithoutQuotingIt(t *testing.T) {
	for text, want := range map[string]string{
		"":                              "not JSON",
		"secret":                        "not JSON",
		`{"objects":[]}`:                "it has no objects",
		`{"objects":[{"name":"A__c"}]}`: "object A__c has no fields",
		`{"objects":"secret"}`:          "string where",
		`[{"name":"A__c","fields":[{"name":"x"}]},{"name":"a__C","fields":[{"name":"x"}]}]`: "stands in it twice",
		`[{"name":"../x","fields":[{"name":"x"}]}]`:                                         "an object has no name",
	} {
		_, err := ReadSnapshot([]byte(text))
		require.ErrorContains(t, err, want, text)
		assert.NotContains(t, err.Error(), "secret")
	}
}

func TestTheDefaultSnapshotHasWhatTheStarterTablesWrite(t *testing.T) {
	s := defaultSnapshot(t)
	names, err := Objects(mapping.Default())
	require.NoError(t, err)
	for _, name := range names {
		d, ok := s.Object(name)
		require.True(t, ok, name)
		assert.Greater(t, len(d.Fields), 5, name)
	}
	var raw map[string]any
	require.NoError(t, json.Unmarshal([]byte(healthCloud), &raw))
	assert.NotEmpty(t, raw["about"])
}
