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
		then             Decision
	}{
		{"it is set", yes, yes, yes, true, Leave},
		{"somebody has set it before", yes, yes, no, true, Leave},
		{"it is to be set", yes, no, no, true, Overwrite},
		{"it is to be set in a record that never had it", yes, no, none, false, Overwrite},
		{"a person took back what we had set", yes, no, yes, true, KeepTheirs},
		{"nobody says stop", no, no, no, true, Leave},
		{"a person says so beside us and took it back", no, no, yes, true, Leave},
		{"what we had set is taken back", no, yes, yes, true, Overwrite},
		{"somebody else set it", no, yes, no, true, KeepTheirs},
		{"somebody set it, we know not who", no, yes, none, false, KeepTheirs},
	} {
		assert.Equal(t, c.then, decideStop(c.want, c.have, Past{Image: c.last, Known: c.remembered}), c.name)
	}
}
