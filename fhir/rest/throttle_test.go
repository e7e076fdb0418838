package rest

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFinding_server_MP7_WhatAServerAsksForIsReadFromEachHeaderThatSaysIt(t *testing.T) {
	now := time.Date(2026, 3, 20, 8, 0, 0, 0, time.UTC)
	unix := func(d time.Duration) string { return fmt.Sprint(now.Add(d).Unix()) }
	for _, c := range []struct {
		what   string
		status int
		header []string
		want   time.Duration
	}{
		{"Medplum", 429, []string{"RateLimit", `"requests";r=0;t=24`}, 24 * time.Second},
		{"two quotas, one used up", 429, []string{"RateLimit", `"minute";r=12;t=50, "day";r=0;t=3600`}, time.Hour},
		{"two quotas, both used up", 429, []string{"RateLimit", `"second";r=0;t=1, "minute";r=0;t=40`}, 40 * time.Second},
		{"a quota that is not used up", 429, []string{"RateLimit", `"requests";r=3;t=24`}, 0},
		{"no remainder", 429, []string{"RateLimit", `"requests";t=24`}, 24 * time.Second},
		{"spaces and case", 429, []string{"RateLimit", `"requests" ; R=0 ; T=24`}, 24 * time.Second},
		{"the older form", 429, []string{"RateLimit", `limit=30, remaining=0, reset=24`}, 24 * time.Second},
		{"the older form, something left", 429, []string{"RateLimit", `limit=30, remaining=2, reset=24`}, 0},
		{"headers of their own", 429, []string{"RateLimit-Remaining", "0", "RateLimit-Reset", "24"}, 24 * time.Second},
		{"something left", 429, []string{"RateLimit-Remaining", "7", "RateLimit-Reset", "24"}, 0},
		{"reset alone", 429, []string{"RateLimit-Reset", "24"}, 24 * time.Second},
		{"seconds since 1970", 429, []string{"X-RateLimit-Remaining", "0", "X-RateLimit-Reset", unix(90 * time.Second)}, 90 * time.Second},
		{"milliseconds since 1970", 429, []string{"X-RateLimit-Reset", unix(90*time.Second) + "000"}, 90 * time.Second},
		{"another spelling", 429, []string{"X-Rate-Limit-Reset", "30"}, 30 * time.Second},
		{"a time that has passed", 429, []string{"X-RateLimit-Reset", unix(-time.Minute)}, 0},
		{"a time of next year", 429, []string{"X-RateLimit-Reset", unix(365 * 24 * time.Hour)}, 0},
		{"no time at all", 429, []string{"X-RateLimit-Reset", "123456789"}, 0},
		{"garbage", 429, []string{"RateLimit", `;;==,"`, "X-RateLimit-Reset", "soon"}, 0},
		{"not a number", 429, []string{"RateLimit", `"requests";r=0;t=NaN`, "X-RateLimit-Reset", "NaN"}, 0},
		{"below zero", 429, []string{"RateLimit", `"requests";r=-1;t=-24`}, 0},
		{"Retry-After comes first", 429, []string{"Retry-After", "7", "RateLimit", `"requests";r=0;t=24`}, 7 * time.Second},
		{"Retry-After of nothing", 429, []string{"Retry-After", "0", "RateLimit", `"requests";r=0;t=24`}, 24 * time.Second},
		{"maintenance", 503, []string{"Retry-After", "120"}, 2 * time.Minute},
		{"maintenance with a quota", 503, []string{"RateLimit", `"requests";r=0;t=24`}, 24 * time.Second},
		{"another refusal", 404, []string{"RateLimit", `"requests";r=0;t=24`}, 0},
		{"nothing", 429, nil, 0},
	} {
		assert.Equal(t, c.want, askedWait(c.status, reply(c.status, "", c.header...).Header, now), c.what)
	}
}

func TestHowLongACallIsPatient(t *testing.T) {
	failed := func(status int, asked time.Duration) *Error {
		return &Error{Call: "read", Status: status, RetryAfter: asked}
	}
	const never = -1
	for _, c := range []struct {
		what  string
		fails []*Error
		waits []time.Duration // never: not sent again
	}{
		{"a fault of the server", []*Error{failed(500, 0), failed(502, 0), failed(500, 0)}, []time.Duration{time.Second, 2 * time.Second, never}},
		{"a refusal", []*Error{failed(404, 0)}, []time.Duration{never}},
		{"too many calls", []*Error{failed(429, 24*time.Second), failed(429, 0), failed(429, time.Second)},
			[]time.Duration{24 * time.Second, 2 * time.Second, 4 * time.Second}},
		{"too many calls, and nothing said", []*Error{failed(429, 0), failed(429, 0), failed(429, 0), failed(429, 0), failed(429, 0), failed(429, 0), failed(429, 0), failed(429, 0)},
			[]time.Duration{1e9, 2e9, 4e9, 8e9, 16e9, 32e9, 60e9, 60e9}},
		{"a fault and too many calls count apart", []*Error{failed(500, 0), failed(429, 0), failed(500, 0), failed(429, 0), failed(500, 0)},
			[]time.Duration{time.Second, time.Second, 2 * time.Second, 2 * time.Second, never}},
		{"longer than we wait", []*Error{failed(429, time.Hour), failed(429, time.Second)}, []time.Duration{15 * time.Minute, never}},
		{"together longer than we wait", []*Error{failed(503, 10*time.Minute), failed(503, 10*time.Minute), failed(503, time.Second)},
			[]time.Duration{10 * time.Minute, 5 * time.Minute, never}},
	} {
		p := patience{most: defaultMaxWait}
		for i, e := range c.fails {
			wait, again := p.next(e)
			if !again {
				wait = never
			}
			assert.Equal(t, c.waits[i], wait, "%s, %d", c.what, i)
		}
	}
}

// metered is a server that answers so many calls a minute.
type metered struct {
	perMinute, calls, refused int
	left                      int
	renew                     time.Time
	header                    func(left time.Duration) []string
	pages                     int
}

func (m *metered) RoundTrip(r *http.Request) (*http.Response, error) {
	m.calls++
	if !time.Now().Before(m.renew) {
		m.left, m.renew = m.perMinute, time.Now().Add(time.Minute)
	}
	if m.left == 0 {
		m.refused++
		return reply(429, "", m.header(time.Until(m.renew))...), nil
	}
	m.left--
	n := 0
	fmt.Sscan(r.URL.Query().Get("p"), &n)
	next := ""
	if n+1 < m.pages {
		next = fmt.Sprint("?p=", n+1)
	}
	return reply(200, searchPage(next, patient(fmt.Sprint("p", n)))), nil
}

func TestFinding_server_MP7_AServerWithALimitAMinuteIsLoadedInOneSearch(t *testing.T) {
	left := func(d time.Duration) string { return fmt.Sprint(int(d.Seconds() + 0.999)) }
	for what, header := range map[string]func(time.Duration) []string{
		"RateLimit":   func(d time.Duration) []string { return []string{"RateLimit", `"requests";r=0;t=` + left(d)} },
		"Retry-After": func(d time.Duration) []string { return []string{"Retry-After", left(d)} },
		"older header": func(d time.Duration) []string {
			return []string{"RateLimit", "limit=30, remaining=0, reset=" + left(d)}
		},
		"nothing": func(time.Duration) []string { return nil },
	} {
		t.Run(what, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				far := &metered{perMinute: 30, pages: 200, header: header}
				start := time.Now()
				c := open(t, far.RoundTrip)
				ids, _, err := all(t.Context(), c, "Patient")
				require.NoError(t, err)
				assert.Len(t, ids, 200)
				assert.LessOrEqual(t, time.Since(start), 12*time.Minute)
				if what != "nothing" {
					assert.LessOrEqual(t, far.refused, 7, "one refusal a minute")
				}
			})
		})
	}
}

func TestAServerThatNeverLetsUsInEndsTheCallAfterTheLongestWait(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c, err := New(Config{BaseURL: testBase, MaxWait: time.Minute, Transport: wire(func(*http.Request) (*http.Response, error) {
			return reply(429, "", "Retry-After", "25"), nil
		})})
		require.NoError(t, err)
		start := time.Now()
		_, err = c.Read(t.Context(), patientRef)
		var failure *Error
		require.ErrorAs(t, err, &failure)
		assert.Equal(t, 429, failure.Status)
		assert.InDelta(t, 60, time.Since(start).Seconds(), 25)
	})
}

func TestAWaitForTheServerEndsWithTheCaller(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		c := open(t, func(*http.Request) (*http.Response, error) { return reply(429, "", "RateLimit", `"a";r=0;t=600`), nil })
		ctx, cancel := context.WithCancel(t.Context())
		time.AfterFunc(time.Second, cancel)
		start := time.Now()
		_, err := c.Read(ctx, patientRef)
		require.True(t, errors.Is(err, context.Canceled))
		assert.Equal(t, time.Second, time.Since(start))
	})
}
