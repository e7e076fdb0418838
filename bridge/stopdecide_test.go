package bridge

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"refbridge/sfdc/sobject"
)

func TestFinding_values_O6_AStopFlagIsSetByTheSourceAndTakenBackOnlyWhereItHadSetIt(t *testing.T) {
	yes, no, none := sobject.BoolValue(true), sobject.BoolValue(false), sobject.Value{}
	for _, c := range []struct {
		name             string
		want, have, last sobject.Value
		remembered       bool
		then             decision
	}{
		{"it is set", yes, yes, yes, true, leave},
		{"somebody has set it before", yes, yes, no, true, leave},
		{"it is to be set", yes, no, no, true, overwrite},
		{"it is to be set in a record that never had it", yes, no, none, false, overwrite},
		{"a person took back what we had set", yes, no, yes, true, keepTheirs},
		{"nobody says stop", no, no, no, true, leave},
		{"a person says so beside us and took it back", no, no, yes, true, leave},
		{"what we had set is taken back", no, yes, yes, true, overwrite},
		{"somebody else set it", no, yes, no, true, keepTheirs},
		{"somebody set it, we know not who", no, yes, none, false, keepTheirs},
	} {
		assert.Equal(t, c.then, decideStop(c.want, c.have, past{image: c.last, known: c.remembered}), c.name)
	}
}
