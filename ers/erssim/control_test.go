package erssim

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestTheSimulatorIsSteeredOverHTTPWithoutAToken(t *testing.T) {
	c := start(t, Options{Referrals: 60})
	root := strings.TrimSuffix(c.creds.BaseURL, basePath)

	clock := c.control("/control/clock", `{"advance":"24h"}`)
	require.Equal(t, 200, clock.status)
	assert.Equal(t, "2026-03-11T12:00:00Z", clock.json(t)["now"])
	assert.Equal(t, noon.Add(24*time.Hour), c.now())

	evolved := c.control("/control/evolve", `{"bookings":2,"internalBumps":1}`)
	var events []Event
	require.NoError(t, json.Unmarshal(evolved.body, &events))
	assert.Len(t, events, 3)

	var report Report
	require.NoError(t, json.Unmarshal(read(t, must(http.Get(root+"/control/report"))).body, &report))
	assert.Equal(t, c.sim.Report(), report)
	assert.Equal(t, 60, report.Referrals)
	assert.Equal(t, 1, report.Calls, "control calls are not counted")
	var rows []Referral
	require.NoError(t, json.Unmarshal(read(t, must(http.Get(root+"/control/referrals"))).body, &rows))
	assert.Equal(t, c.sim.Referrals(), rows)
}

func TestControlRefusesWhatItDoesNotUnderstand(t *testing.T) {
	c := start(t, Options{})
	assert.Equal(t, 400, c.control("/control/clock", `{"advance":"tomorrow"}`).status)
	assert.Equal(t, 400, c.control("/control/evolve", `{"boookings":2}`).status)
	assert.Equal(t, 400, c.control("/control/faults", `nonsense`).status)
	assert.Equal(t, 404, c.control("/control/reset", `{}`).status)
}

func TestControlAnswersOnLoopbackOnly(t *testing.T) {
	c := start(t, Options{})
	for remote, status := range map[string]int{
		"192.0.2.1:4711": 403, "127.0.0.1:4711": 200, "[::1]:4711": 200, "[::ffff:127.0.0.1]:4711": 200, "nonsense": 403,
	} {
		r := httptest.NewRequest("GET", "/control/report", nil)
		r.RemoteAddr = remote
		w := httptest.NewRecorder()
		c.sim.ServeHTTP(w, r)
		assert.Equal(t, status, w.Code, remote)
	}
}

func TestManyClientsAtOnceLeaveTheBooksInOrder(t *testing.T) {
	c := start(t, Options{Referrals: 120, Clean: true})
	rows := c.sim.Referrals()
	var wg sync.WaitGroup
	for worker := range 6 {
		wg.Go(func() {
			for i := worker; i < len(rows); i += 6 {
				c.referral(rows[i].UBRN)
				if rows[i].State == booked {
					c.operateAt(rows[i].UBRN, "acceptReferral", "", rows[i].Version)
				}
			}
		})
	}
	wg.Go(func() { c.sim.Evolve(Changes{InternalBumps: 20}); c.sim.Advance(time.Second); c.sim.Report() })
	wg.Wait()

	report := c.sim.Report()
	assert.Equal(t, 120, report.ReadCalls)
	assert.Empty(t, report.Violations)
	for _, o := range report.Operations {
		assert.Equal(t, o.Before+1, o.After)
	}
	accepted := 0
	for _, r := range c.sim.Referrals() {
		if r.Reviewed {
			accepted++
		}
	}
	assert.Len(t, report.Operations, accepted)
}

func TestOfRacingWritersOneWinsAndTheOthersSeeAConflictOrALock(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	row := c.inState(booked)
	status := make(chan int, 8)
	var wg sync.WaitGroup
	for range 8 {
		wg.Go(func() { status <- c.operateAt(row.UBRN, "acceptReferral", "", row.Version).status })
	}
	wg.Wait()
	close(status)
	seen := map[int]int{}
	for s := range status {
		seen[s]++
	}
	assert.Equal(t, 1, seen[200])
	assert.Equal(t, 7, seen[409]+seen[423])
}
