package mapping

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestAnNHSNumberIsSeenHoweverItIsWritten(t *testing.T) {
	for _, s := range []string{"9434765919", "943 476 5919", "943-476-5919", "https://t.example/943-476-5919", "943.476.5919", "id_943_476_5919",
		"100-200-9434765919", "x9434765919y", "943 - 476 - 5919", "943\u00a0476\u00a05919",
		"9434-765-919", "94347-65919", "9-4-3-4-7-6-5-9-1-9", "94 34 76 59 19", "9434/765/919", "943.4765.919", "no. 3: 9434-765-919", "2026-05-01-9434-765-919"} {
		assert.True(t, HoldsNHSNumber(s), s)
	}
	for _, s := range []string{"", "9434765910", "943-476-5910", "19434765919", "943476591", "94347659190", "2026-06-01T12:00:00Z", "943 476 59190", "999000041000000102",
		"urn:oid:2.943.476.5919.4", "943----476----5919", "943a476b5919", "9434-765-9190"} {
		assert.False(t, HoldsNHSNumber(s), s)
	}
	assert.Equal(t, "[12 characters, not shown]", ShowCode("9434-765-919"))
	assert.Equal(t, [][2]int{{2, 14}, {15, 25}}, NHSNumbers("a 943 476 5919,9434765919"))
}

func TestAConceptOfSNOMEDMayPassForAnNHSNumber(t *testing.T) {
	const both = "9990018006" // of the range for tests
	assert.True(t, HoldsNHSNumber(both))
	assert.True(t, SNOMEDConcept(both))
	assert.False(t, SNOMEDConcept("9990000018"), "of another partition")
	assert.False(t, SNOMEDConcept("9990018005"), "another check digit")
}
