package lane_test

import (
	"fmt"
	"math/rand/v2"
	"net/http"
	"net/url"
	"strconv"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/source"
	"refbridge/ledger"
)

func TestFinding_code_T2_OneStampOfTheFutureHidesNothingThatComesAfterIt(t *testing.T) {
	w := newWard(t)
	w.put("a", time.Hour)
	w.put("b", -10*365*24*time.Hour)
	_, err := w.poll()
	require.NoError(t, err)
	require.Len(t, w.versions(), 2)
	notices, err := source.NoticesOf(t.Context(), w.ledger, "ward")
	require.NoError(t, err)
	require.Len(t, notices, 1)
	assert.Contains(t, notices[0], "1 records of ServiceRequest are stamped in the future (newest 2036-11-27")
	told := w.log.Len()
	w.wait(24 * time.Hour)
	w.put("a", 0)
	asked, err := w.poll()
	require.NoError(t, err)
	assert.Equal(t, []string{"ge2026-11-30T11:45:00Z"}, asked[0]["_lastUpdated"])
	assert.Equal(t, "2", w.versions()["a"])
	assert.Equal(t, told, w.log.Len(), "told once")
	w.put("b", 0) // the source put it right
	w.wait(time.Hour)
	_, err = w.poll()
	require.NoError(t, err)
	w.wait(time.Hour)
	_, err = w.poll()
	require.NoError(t, err)
	notices, err = source.NoticesOf(t.Context(), w.ledger, "ward")
	require.NoError(t, err)
	assert.Empty(t, notices)
}

func TestFinding_inputs_B2_AClockOfTheSourceThatIsPutRightLosesNothing(t *testing.T) {
	for name, skew := range map[string]time.Duration{"ahead": 3 * time.Hour, "behind": -3 * time.Hour} {
		for name2, then := range map[string]time.Duration{"then right": 0, "then the other way": -skew} {
			t.Run(name+", "+name2, func(t *testing.T) {
				w := newWard(t)
				w.date = skew
				w.put("a", -skew)
				_, err := w.poll()
				require.NoError(t, err)
				w.date = then
				for i := range 8 {
					w.put("n"+strconv.Itoa(i), -then)
					w.put("a", -then)
					w.wait(40 * time.Minute)
					_, err := w.poll()
					require.NoError(t, err)
				}
				assert.Len(t, w.versions(), 9)
				assert.Equal(t, "9", w.versions()["a"])
			})
		}
	}
}

func TestFinding_server_MP4_NoRowIsLostWhileOthersMoveBetweenPages(t *testing.T) {
	for seed := range uint64(12) {
		t.Run(fmt.Sprint("seed ", seed), func(t *testing.T) {
			w := newWard(t)
			random := rand.New(rand.NewPCG(seed, 7))
			w.limit = 7 + random.IntN(13)
			crowd := time.Duration(1+random.IntN(40)) * time.Minute
			for i := range 150 { // some share a stamp, more than a page of them
				ago := 2*time.Hour + time.Duration(random.IntN(10))*crowd
				if i%4 == 0 {
					ago = 30 * time.Hour
				}
				w.put(fmt.Sprintf("r%03d", i), ago)
			}
			moved := 0
			w.before = func(page int) {
				for range random.IntN(4) {
					if moved++; moved < 120 {
						w.put(fmt.Sprintf("r%03d", random.IntN(150)), time.Duration(random.IntN(3))*-time.Millisecond)
					}
				}
			}
			_, err := w.poll()
			require.NoError(t, err)
			require.Greater(t, moved, 10)
			seen := w.versions()
			for id, row := range w.rows {
				require.Contains(t, seen, id, "changed last at %s", row.at)
			}
			w.before = nil
			w.wait(time.Minute)
			_, err = w.poll()
			require.NoError(t, err)
			w.requireNewest()
		})
	}
}

func TestFinding_server_MP7_APollThatBreaksOffGoesOnWhereItStopped(t *testing.T) {
	w := newWard(t)
	for i := range 50 {
		w.put(fmt.Sprintf("r%02d", i), 100*time.Hour-time.Duration(i)*time.Hour)
	}
	w.limit = 10
	pages := 0
	w.break_ = func(url.Values, []*wardRow) int {
		if pages++; pages > 3 {
			return http.StatusForbidden
		}
		return 0
	}
	_, err := w.poll()
	require.Error(t, err)
	assert.Len(t, w.versions(), 28, "three pages, each but the first begins with the last row of the one before")
	assert.Equal(t, w.rows["r27"].at.Add(15*time.Minute).Format(time.RFC3339), w.Cursor("lastUpdated:ServiceRequest"))
	w.break_ = nil
	asked, err := w.poll()
	require.NoError(t, err)
	assert.Equal(t, "ge"+w.rows["r27"].at.Format(time.RFC3339), asked[0].Get("_lastUpdated"))
	assert.Len(t, w.versions(), 50)
}

func TestFinding_server_MP9_ManyChangesDuringAPollAreNoLoop(t *testing.T) {
	w := newWard(t)
	for i := range 300 {
		w.put(fmt.Sprintf("r%03d", i), 100*time.Hour-time.Duration(i)*time.Minute)
	}
	w.before = func(page int) {
		if page == 3 {
			for i := range 250 {
				w.put(fmt.Sprintf("r%03d", i), time.Duration(i-250)*time.Millisecond)
			}
		}
	}
	_, err := w.poll()
	require.NoError(t, err)
	w.requireNewest()
}

func TestFinding_server_MP12_MoreRowsOfOneStampThanTheServerCanPageThrough(t *testing.T) {
	w := newWard(t)
	w.put("first", 3*time.Hour)
	for i := range 250 {
		w.put(fmt.Sprintf("r%03d", i), 2*time.Hour)
	}
	w.put("last", time.Hour)
	w.break_ = func(q url.Values, _ []*wardRow) int {
		if q.Get("_sort") == "_lastUpdated" && q.Get("_offset") != "" {
			return http.StatusInternalServerError // "Cursor fails to make progress"
		}
		return 0
	}
	_, err := w.poll()
	require.NoError(t, err)
	assert.Len(t, w.versions(), 252)
}

func TestFinding_server_MP15_AnIdlePollStoresNothing(t *testing.T) {
	w := newWard(t)
	for i := range 30 {
		w.put(fmt.Sprintf("r%02d", i), time.Duration(i)*time.Second)
	}
	_, err := w.poll()
	require.NoError(t, err)
	stored := w.stored()
	for range 3 {
		_, err = w.poll()
		require.NoError(t, err)
	}
	assert.Equal(t, stored, w.stored())
	w.put("r07", 0)
	w.rows["r03"].note = "other content under the same version"
	_, err = w.poll()
	require.NoError(t, err)
	assert.Equal(t, stored+1, w.stored())
	assert.Equal(t, "2", w.versions()["r07"])
	held := w.entries(ledger.Held)
	require.Len(t, held, 1)
	assert.Equal(t, "same-version-other-content", held[0].Reason.Code)
	w.wait(time.Hour)
	asked, err := w.poll()
	require.NoError(t, err)
	assert.Equal(t, "ge2026-11-30T11:45:00Z", asked[0].Get("_lastUpdated"), "from the last poll, not from the newest change")
}
