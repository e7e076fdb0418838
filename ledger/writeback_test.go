package ledger

import (
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func proposal(version, to string, state WritebackState) Writeback {
	return Writeback{Source: "ers", Ref: ref("1", version), Object: "ClinicalServiceRequest", Key: "ers.sr.1", Field: "Status",
		From: "On Hold", To: to, Operation: "$ers.acceptReferral", State: state}
}

func (w *world) writebacks(states ...WritebackState) []Writeback {
	w.t.Helper()
	out, err := w.Writebacks(w.t.Context(), "ers", states...)
	w.must(err)
	return out
}

func TestTheSameWritebackProposedTwiceIsOneAndTakesTheLatestVersionAndState(t *testing.T) {
	w := newWorld(t)
	w.must(w.Propose(t.Context(), []Writeback{proposal("5", "Accepted", "")}))
	w.must(w.Propose(t.Context(), []Writeback{proposal("6", "Accepted", Waiting), proposal("6", "Rejected", Waiting)}))
	w.restart()

	first, second := proposal("6", "Accepted", Waiting), proposal("6", "Rejected", Waiting)
	first.ID, second.ID = 1, 2
	first.Changed, second.Changed = w.now, w.now
	assert.Equal(t, []Writeback{first, second}, w.writebacks())
	other, err := w.Writebacks(t.Context(), "fhir")
	require.NoError(t, err)
	assert.Empty(t, other)
}

func TestAWritebackGoesFromApprovalToDoneAndIsThenProposedAnew(t *testing.T) {
	w := newWorld(t)
	w.must(w.Propose(t.Context(), []Writeback{proposal("5", "Accepted", Waiting)}))
	require.ErrorIs(t, w.Conclude(t.Context(), 1, Sent, Reason{}), ErrTransition, "nobody has approved")
	require.Error(t, w.Approve(t.Context(), 1, "", "UC-7"))
	w.must(w.Approve(t.Context(), 1, "j.smith", "UC-7"))
	require.ErrorIs(t, w.Approve(t.Context(), 1, "k.jones", "UC-7"), ErrTransition)
	assert.Equal(t, "j.smith, UC-7", w.writebacks(Approved)[0].Approved)

	w.must(w.Propose(t.Context(), []Writeback{proposal("9", "Accepted", Waiting)}))
	assert.Equal(t, ref("1", "5"), w.writebacks(Approved)[0].Ref, "what was approved is not altered")
	for range 2 {
		w.must(w.Conclude(t.Context(), 1, Sent, Reason{}))
	}
	w.must(w.Conclude(t.Context(), 1, Unclear, Reason{Code: "timeout"}))
	w.must(w.Conclude(t.Context(), 1, Waiting, Reason{Code: "not-there"}))
	assert.Empty(t, w.writebacks(Waiting)[0].Approved, "it has to be approved again")
	w.must(w.Approve(t.Context(), 1, "j.smith", "UC-7"))
	w.must(w.Conclude(t.Context(), 1, Sent, Reason{}))
	w.must(w.Conclude(t.Context(), 1, Done, Reason{}))
	for _, state := range []WritebackState{Sent, Refused, Waiting, Approved} {
		assert.ErrorIs(t, w.Conclude(t.Context(), 1, state, Reason{}), ErrTransition)
	}
	w.must(w.Propose(t.Context(), []Writeback{proposal("9", "Accepted", Waiting)}))
	assert.Len(t, w.writebacks(), 2, "the first one is done: this is another")
	assert.Len(t, w.chain(), 9, "an entry for each step")
	assert.NoError(t, w.Verify(t.Context()))
}

func TestAWritebackThatIsOnlyReportedCannotBeApproved(t *testing.T) {
	w := newWorld(t)
	w.must(w.Propose(t.Context(), []Writeback{proposal("5", "Accepted", Reported)}))
	require.ErrorIs(t, w.Approve(t.Context(), 1, "j.smith", "UC-7"), ErrTransition)
	require.ErrorIs(t, w.Approve(t.Context(), 2, "j.smith", "UC-7"), ErrNotFound)
	require.ErrorIs(t, w.Conclude(t.Context(), 2, Done, Reason{}), ErrNotFound)
	w.must(w.Conclude(t.Context(), 1, Done, Reason{Code: "agrees-now"}))
	assert.Empty(t, w.writebacks(Reported))
}

func TestAWritebackIsNotProposedInAStateThatOnlyAWriteLeadsTo(t *testing.T) {
	w := newWorld(t)
	for _, state := range []WritebackState{Sent, Done, Refused, Unclear, "lost"} {
		assert.ErrorIs(t, w.Propose(t.Context(), []Writeback{proposal("5", "Accepted", state)}), ErrTransition)
	}
	assert.Empty(t, w.writebacks())
	p := proposal("5", "Accepted", Approved)
	p.Ref, p.Approved = fhir.Reference{Type: "ServiceRequest", ID: "x"}, "policy, UC-7"
	w.must(w.Propose(t.Context(), []Writeback{p}))
	assert.Equal(t, "policy, UC-7", w.writebacks(Approved)[0].Approved)
}

func TestAWriteThatCertainlyDidNotHappenKeepsItsApprovalAndTellsWhy(t *testing.T) {
	w := newWorld(t)
	w.must(w.Propose(t.Context(), []Writeback{proposal("5", "Accepted", Waiting)}))
	w.must(w.Approve(t.Context(), 1, "j.smith", "UC-7"))
	for _, step := range []WritebackState{Sent, Approved, Approved, Sent, Unclear, Sent, Unclear, Approved} {
		w.must(w.Conclude(t.Context(), 1, step, Reason{Code: "after-" + string(step)}))
	}
	got := w.writebacks(Approved)
	require.Len(t, got, 1)
	assert.Equal(t, "j.smith, UC-7", got[0].Approved)
	assert.Equal(t, "after-approved", got[0].Reason.Code)
	before := len(w.chain())
	w.must(w.Conclude(t.Context(), 1, Approved, got[0].Reason))
	assert.Len(t, w.chain(), before, "nothing new")

	w.must(w.Conclude(t.Context(), 1, Reported, Reason{Code: "no-rule"}))
	assert.Empty(t, w.writebacks(Reported)[0].Approved)
	for _, step := range []WritebackState{Approved, Sent, Unclear} {
		assert.ErrorIs(t, w.Conclude(t.Context(), 1, step, Reason{}), ErrTransition, "only Approve and a new proposal lead there")
	}
	assert.NoError(t, w.Verify(t.Context()))
}
