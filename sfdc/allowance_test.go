package sfdc

import (
	"fmt"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestUsageIsReadFromEveryAnswerInEveryForm(t *testing.T) {
	for header, want := range map[string][2]int{
		"api-usage=10018/100000": {10018, 100000},
		"api-usage=18/5000; per-app-api-usage=17/250(appName=refbridge)": {18, 5000},
		"per-app-api-usage=17/250(appName=refbridge)":                    {0, 0},
		"nonsense": {0, 0}, "api-usage=99999999999999999999/1": {0, 0}, "": {0, 0},
	} {
		o := serve(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
			w.Header().Set("Sforce-Limit-Info", header)
			w.WriteHeader(404) // refusals count too
		})
		c := o.client()
		_, _ = c.Retrieve(t.Context(), oneKey())
		used, limit := c.Usage()
		assert.Equal(t, want, [2]int{used, limit}, header)
	}
}

func TestReserveIsLeftToOthersUntilTheFiguresAreOld(t *testing.T) {
	for _, header := range []string{"api-usage=%d/1000", "api-usage=1/1000; per-app-api-usage=%d/1000(appName=refbridge)"} {
		synctest.Test(t, func(t *testing.T) {
			used := 800
			o := inMemory(t, func(w http.ResponseWriter, r *http.Request, body []byte) {
				w.Header().Set("Sforce-Limit-Info", fmt.Sprintf(header, used))
				if r.Method == http.MethodPatch {
					saveAll(t, w, body)
					return
				}
				writeRows(t, w, body)
			})
			c := o.client()
			_, err := c.Retrieve(t.Context(), oneKey())
			require.NoError(t, err)
			_, err = c.Retrieve(t.Context(), oneKey())
			require.NoError(t, err, "800 of 1000 is not more than 80 %%")
			used = 801
			_, err = c.Retrieve(t.Context(), oneKey())
			require.NoError(t, err)
			sent := len(o.seen)

			_, err = c.Retrieve(t.Context(), oneKey())
			e := isError(t, err)
			assert.Equal(t, Limit, e.Class())
			assert.Equal(t, "retrieve ClinicalServiceRequest: call-allocation, again in 10m0s", e.Error())
			results, err := c.Upsert(t.Context(), "CodeSet", "CodeSetKey", codeSets(450), nil)
			require.NoError(t, err, "describe may use the reserve")
			for _, r := range results {
				require.Equal(t, Limit, isError(t, r.Err).Class())
				require.False(t, isError(t, r.Err).Ambiguous())
			}
			assert.Len(t, o.seen, sent, "nothing was sent")

			time.Sleep(e.RetryAfter)
			_, err = c.Retrieve(t.Context(), oneKey())
			require.NoError(t, err, "one call tests whether the figures still hold")
			_, err = c.Retrieve(t.Context(), oneKey())
			require.Equal(t, CodeAllocation, isError(t, err).Code)
			used = 10
			time.Sleep(e.RetryAfter)
			for range 3 {
				_, err = c.Retrieve(t.Context(), oneKey())
				require.NoError(t, err)
			}
		})
	}
}

func TestExhaustedLimitPausesTheClientAndACrowdedOneBriefly(t *testing.T) {
	for text, pause := range map[string]time.Duration{
		"TotalRequests Limit exceeded.":                                5 * time.Minute,
		"ConcurrentRequests (Concurrent API Requests) Limit exceeded.": 30 * time.Second,
	} {
		synctest.Test(t, func(t *testing.T) {
			o := inMemory(t, func(w http.ResponseWriter, _ *http.Request, _ []byte) {
				writeJSON(w, 403, refused("REQUEST_LIMIT_EXCEEDED", text))
			})
			c := o.client()
			_, err := c.Retrieve(t.Context(), oneKey())
			assert.Equal(t, pause, isError(t, err).RetryAfter)
			for range 100 {
				_, err = c.Retrieve(t.Context(), oneKey())
				assert.Equal(t, CodeAllocation, isError(t, err).Code)
			}
			assert.Len(t, o.seen, 1)
			time.Sleep(pause)
			_, err = c.Retrieve(t.Context(), oneKey())
			assert.True(t, strings.Contains(err.Error(), "REQUEST_LIMIT_EXCEEDED"))
			assert.Len(t, o.seen, 2)
		})
	}
}

func TestDescribeIsAskedOnceHoweverManyWorkersStart(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		o := inMemory(t, noRows(t))
		c := o.client(func(cfg *Config) {
			cfg.Transport = roundTrip(func(r *http.Request) (*http.Response, error) {
				time.Sleep(time.Second)
				return o.RoundTrip(r)
			})
		})
		done := make(chan error)
		for range 8 {
			go func() { _, err := c.Describe(t.Context(), "CodeSet"); done <- err }()
		}
		for range 8 {
			assert.NoError(t, <-done)
		}
		assert.Equal(t, 1, c.Calls())
	})
}
