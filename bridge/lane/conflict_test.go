package lane_test

import (
	"bytes"
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ledger"
)

func TestFinding_server_MP17_AConflictKeepsBothValuesForTheOperatorAndForNoLog(t *testing.T) {
	// Before: a referral is Active on both sides. The source puts it on hold, a coordinator revokes it.
	w := newWorld(t, setting{memory: true, ward: 12})
	a := w.wardWork("active")
	w.sync(w.ward)
	key := "ward.sr." + a.Ref.ID
	w.wait(time.Minute)
	require.NoError(t, w.org.Edit("ClinicalServiceRequest", key, map[string]any{"Status": "Revoked"}))
	onHold := bytes.Replace(a.Body, []byte(`"status":"active"`), []byte(`"status":"on-hold"`), 1)
	w.observe(a.Ref, "8", onHold)
	w.sync(w.ward)

	held := w.wardHeld(a)
	assert.Equal(t, "both-sides-changed", held.Reason.Code)
	assert.Equal(t, "Status", held.Reason.Field)
	assert.NotContains(t, fmt.Sprint(held.Reason, w.log.String()), "On-Hold", "the reason and the log hold no value")
	detail, err := w.ledger.Detail(t.Context(), held)
	require.NoError(t, err)
	assert.Equal(t, "the source says On-Hold, Salesforce says Revoked", detail.Reveal())

	// Solved: one side is made equal to the other. The values behind the old reason are not those of the new fate.
	require.NoError(t, w.org.Edit("ClinicalServiceRequest", key, map[string]any{"Status": "On-Hold"}))
	w.wait(time.Hour)
	w.sync(w.ward)
	solved, err := w.ledger.Entries(t.Context(), ledger.Filter{Source: "ward", Ref: held.Ref})
	require.NoError(t, err)
	require.Len(t, solved, 1)
	assert.Equal(t, ledger.Applied, solved[0].Fate)
	detail, err = w.ledger.Detail(t.Context(), solved[0])
	require.NoError(t, err)
	assert.Empty(t, detail)
	assert.True(t, w.statement().Balanced())
}

func (w *world) wardHeld(a ledger.Work) ledger.Entry {
	w.t.Helper()
	held, err := w.ledger.Entries(w.t.Context(), ledger.Filter{Source: "ward", Ref: a.Ref.Current(), Fates: []ledger.Fate{ledger.Held}})
	require.NoError(w.t, err)
	require.Len(w.t, held, 1)
	return held[0]
}
