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
		c, err := New(Config{BaseURL: testBase, MaxWait: time.Minute, Transport: farEnd(func(*http.Request) (*http.Response, error) {
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
