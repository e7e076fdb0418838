package lane_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/source"
	"refbridge/fhir"
)

func TestAPollThatLastsTooLongKeepsWhatItReadAndTheNextOneGoesOn(t *testing.T) {
	for name, c := range map[string]struct {
		page  time.Duration // that the server takes for one
		most  time.Duration
		apart time.Duration // stamps of the records
		polls int           // until everything is there
	}{
		"in time":                              {time.Minute, time.Hour, time.Hour, 1},
		"no bound":                             {time.Hour, 0, time.Hour, 1},
		"three pages a poll":                   {20 * time.Minute, time.Hour, time.Hour, 3},
		"one page lasts longer":                {2 * time.Hour, time.Hour, time.Hour, 9},
		"all stamps of one quarter of an hour": {20 * time.Minute, time.Hour, time.Second, 3},
	} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			for i := range 10 {
				w.put(fmt.Sprint("r", i), 100*time.Hour-time.Duration(i)*c.apart)
			}
			w.limit, w.flow.MaxPoll = 2, c.most
			w.before = func(int) { w.clock = w.clock.Add(c.page) }
			for n := 1; ; n++ {
				_, err := w.poll()
				have := len(w.versions())
				if err == nil {
					assert.Equal(t, c.polls, n)
					break
				}
				require.ErrorIs(t, err, source.ErrPollEnded)
				assert.ErrorContains(t, err, "max_poll")
				assert.Empty(t, w.Cursor("polled"), "it did not come to its end")
				require.Less(t, n, 20, "%d records", have)
			}
			assert.Len(t, w.versions(), 10)
			assert.NotEmpty(t, w.Cursor("polled"))
		})
	}
}

func TestReadingOneByOneEndsInTimeToo(t *testing.T) {
	// Before: 120 records are known. Source: reading them again takes a minute for each fifty.
	w := newWard(t)
	for i := range 120 {
		w.put(fmt.Sprintf("r%03d", i), 100*time.Hour)
	}
	_, err := w.poll()
	require.NoError(t, err)
	var refs []fhir.Reference
	for id := range w.rows {
		refs = append(refs, fhir.Reference{Type: "ServiceRequest", ID: id})
	}
	require.NoError(t, w.flow.Sight(t.Context(), refs))
	w.flow.MaxPoll = time.Minute
	w.before = func(int) { w.clock = w.clock.Add(20 * time.Second) } // three searches of the poll, then one for each fifty
	for _, left := range []int{70, 20, 0} {
		_, err = w.poll()
		bare, bad := w.ledger.ToRead(t.Context(), "ward")
		require.NoError(t, bad)
		assert.Len(t, bare, left)
		if left > 0 {
			require.ErrorIs(t, err, source.ErrPollEnded)
		}
	}
	require.NoError(t, err)
}
