package bridge

import (
	"testing"

	"github.com/stretchr/testify/assert"

	"refbridge/ledger"
)

func TestStepsAreCountedByWhatBecomesOfThem(t *testing.T) {
	write := func(a Action) []*Write { return []*Write{{Action: a}} }
	for _, c := range []struct {
		name    string
		step    Step
		outcome string
		want    Counts
	}{
		{"created", Step{Fate: ledger.Pending, Writes: write(Create)}, "create", Counts{Create: 1, Writes: 1}},
		{"updated", Step{Fate: ledger.Pending, Writes: write(Update)}, "update", Counts{Update: 1, Writes: 1}},
		{"a code that is new, of a referral that is not", Step{Fate: ledger.Pending, Writes: []*Write{{Action: Create, SharedBy: "code"}, {Action: Same}}}, "update", Counts{Update: 1, Writes: 1}},
		{"as it should be", Step{Fate: ledger.Pending, Writes: write(Same)}, "same", Counts{Same: 1}},
		{"nothing to do", Step{Fate: ledger.Applied}, "same", Counts{Same: 1}},
		{"held", Step{Fate: ledger.Held, Writes: write(Create)}, "held", Counts{Held: 1}},
		{"held, with a flag", Step{Fate: ledger.Held, Ahead: write(Update)}, "held", Counts{Held: 1, Writes: 1}},
		{"dead", Step{Fate: ledger.Dead}, "dead", Counts{Dead: 1}},
		{"superseded", Step{Fate: ledger.Superseded}, "superseded", Counts{Superseded: 1}},
		{"written by another step", Step{Fate: ledger.Pending, Writes: []*Write{{Action: Create, Shared: true}}}, "create", Counts{Create: 1}},
	} {
		assert.Equal(t, c.outcome, c.step.Outcome(), c.name)
		assert.Equal(t, c.want, Plan{Steps: []*Step{&c.step}}.Counts(), c.name)
		twice := c.want
		twice.Add(c.want)
		assert.Equal(t, Plan{Steps: []*Step{&c.step, &c.step}}.Counts(), twice, c.name)
		assert.Equal(t, c.step.Fate == ledger.Pending && c.outcome != "same", c.step.Changes(), c.name)
	}
}
