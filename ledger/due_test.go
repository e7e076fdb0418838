package ledger

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

// observed puts n versions into the ledger, each of a record of its own.
func (w *world) manyObserved(n int) {
	w.t.Helper()
	var seen []Sighting
	for i := range n {
		seen = append(seen, Sighting{Ref: fhir.Reference{Type: "ServiceRequest", ID: fmt.Sprintf("r%04d", i), Version: "1"},
			Body: fmt.Appendf(nil, `{"resourceType":"ServiceRequest","id":"r%04d"}`, i)})
	}
	require.NoError(w.t, w.Observe(w.t.Context(), Answer{Source: "ward"}, seen))
}

func TestABatchOfDueWorkComesBehindTheLast(t *testing.T) {
	w := newWorld(t)
	w.manyObserved(25)
	var got []string
	turn := Turn{Limit: 10, Read: true}
	for {
		work, err := w.Due(t.Context(), "ward", turn)
		require.NoError(t, err)
		if len(work) == 0 {
			break
		}
		for _, one := range work {
			got = append(got, one.Ref.ID)
		}
		turn.After = work[len(work)-1].Place()
	}
	require.Len(t, got, 25)
	assert.IsIncreasing(t, got)
}

func TestWhatIsHeldForANamedReasonIsDueWhateverItsNextTry(t *testing.T) {
	w := newWorld(t)
	w.manyObserved(3)
	for i, code := range []string{"unknown-code", "parent"} {
		require.NoError(t, w.Settle(t.Context(), []Settlement{{Source: "ward", Fate: Held, Reason: Reason{Code: code}, Next: Never(),
			Ref: fhir.Reference{Type: "ServiceRequest", ID: fmt.Sprintf("r%04d", i), Version: "1"}}}))
	}
	for _, c := range []struct {
		codes []string
		want  int
	}{{nil, 1}, {[]string{"unknown-code"}, 2}, {[]string{"unknown-code", "mapping"}, 2}, {[]string{"parent", "unknown-code"}, 3}} {
		work, err := w.Due(t.Context(), "ward", Turn{Codes: c.codes})
		require.NoError(t, err)
		assert.Len(t, work, c.want, "%v", c.codes)
	}
	n, err := w.Release(t.Context(), "ward", []string{"parent"})
	require.NoError(t, err)
	assert.Equal(t, 1, n)
	work, err := w.Due(t.Context(), "ward", Turn{})
	require.NoError(t, err)
	assert.Len(t, work, 2, "released for good")
}

// The cost of a batch must not grow with what is behind it: the rows come by an index in their order, unsorted.
func TestFinding_cost_P1_ABatchIsReadByAnIndexInItsOrder(t *testing.T) {
	w := newWorld(t)
	query, args := Turn{At: w.now, Read: true, Limit: 200, After: Place{1, "ServiceRequest", "r1", true}}.query("ward")
	rows, err := w.raw().Query(`EXPLAIN QUERY PLAN `+query, args...)
	require.NoError(t, err)
	defer rows.Close()
	var plan []string
	for rows.Next() {
		var id, parent, unused int
		var detail string
		require.NoError(t, rows.Scan(&id, &parent, &unused, &detail))
		plan = append(plan, detail)
	}
	text := strings.Join(plan, "\n")
	assert.Contains(t, text, "SEARCH versions USING INDEX versions_open (source=? AND (first_seen,type,id)>")
	assert.NotContains(t, text, "TEMP B-TREE")
}
