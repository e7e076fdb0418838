package wire

import (
	"fmt"
	"net/http"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func header(pairs ...string) http.Header {
	h := http.Header{}
	for i := 0; i+1 < len(pairs); i += 2 {
		h.Set(pairs[i], pairs[i+1])
	}
	return h
}

func TestRetryAfterIsReadInBothFormsAndNeverTrusted(t *testing.T) {
	now := time.Date(2026, 7, 1, 12, 0, 0, 0, time.UTC)
	for text, want := range map[string]time.Duration{
		"":                              0,
		"7":                             7 * time.Second,
		" 7 ":                           7 * time.Second,
		"0.5":                           500 * time.Millisecond,
		"-5":                            0,
		"1000000000":                    LongestAsked,
		"99999999999999999999":          LongestAsked,
		"NaN":                           0,
		"soon":                          0,
		"Wed, 01 Jul 2026 12:00:20 GMT": 20 * time.Second,
		"Wed, 01 Jul 2026 11:59:00 GMT": 0,
		"Thu, 02 Jul 2026 12:00:00 GMT": LongestAsked,
	} {
		assert.Equal(t, want, Asked(503, header("Retry-After", text), now), text)
	}
	far := now.AddDate(5, 0, 0) // the far end's clock is years from ours
	assert.Equal(t, time.Minute, Asked(503, header("Retry-After", far.Add(time.Minute).Format(http.TimeFormat), "Date", far.Format(http.TimeFormat)), now))
}

func TestABusyFarEndIsToldFromABrokenOne(t *testing.T) {
	assert.True(t, Busy(429, 0))
	assert.True(t, Busy(503, time.Second))
	assert.False(t, Busy(503, 0))
	assert.False(t, Busy(500, time.Second))
}

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
		{"two quotas, one used up", 429, []string{"RateLimit", `"minute";r=12;t=50, "day";r=0;t=600`}, 10 * time.Minute},
		{"longer than anybody is believed", 429, []string{"RateLimit", `"day";r=0;t=3600`}, LongestAsked},
		{"an hour until a quota begins anew", 429, []string{"X-RateLimit-Reset", "3600"}, LongestAsked},
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
		assert.Equal(t, c.want, Asked(c.status, header(c.header...), now), c.what)
	}
}
