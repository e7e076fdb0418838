package sfdc

import (
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"

	"refbridge/config/pattern"
)

const (
	heardFor    = 10 * time.Minute // how long the figures are believed: the 24 hours roll, and nothing is heard while nothing is sent
	closedFor   = 5 * time.Minute  // after REQUEST_LIMIT_EXCEEDED for the day
	crowdedFor  = 30 * time.Second // after REQUEST_LIMIT_EXCEEDED for concurrent calls
	concurrency = "ConcurrentRequests"
)

var usagePattern = pattern.MustOnce(`(?i)\b(per-app-)?api-usage=(\d{1,9})/(\d{1,9})`)

// allowance keeps the daily allocation of calls, so that refbridge never takes the share that the trust's own people
// and other systems need.
type allowance struct {
	reserve float64
	now     func() time.Time

	mu     sync.Mutex
	org    usage
	app    usage
	heard  time.Time // when the figures were last heard, or last tested by one call
	closed time.Time // nothing is sent before
}

type usage struct{ used, limit int }

// note reads Sforce-Limit-Info: "api-usage=10018/100000; per-app-api-usage=17/250(appName=refbridge)".
func (a *allowance) note(h http.Header) {
	found := usagePattern().FindAllStringSubmatch(strings.Join(h.Values("Sforce-Limit-Info"), ";"), -1)
	if len(found) == 0 {
		return
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.heard = a.now()
	for _, m := range found {
		used, _ := strconv.Atoi(m[2])
		limit, _ := strconv.Atoi(m[3])
		if m[1] == "" {
			a.org = usage{used, limit}
		} else {
			a.app = usage{used, limit}
		}
	}
}

// admit refuses a call when only the reserve is left. Figures older than heardFor are tested by letting one call
// through.
func (a *allowance) admit(call string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	now := a.now()
	wait := a.closed.Sub(now)
	if a.spent(a.org) || a.spent(a.app) {
		wait = max(wait, a.heard.Add(heardFor).Sub(now))
		if wait <= 0 {
			a.heard = now
		}
	}
	if wait > 0 {
		return &Error{Call: call, Code: CodeAllocation, RetryAfter: wait}
	}
	return nil
}

func (a *allowance) spent(u usage) bool {
	return u.limit > 0 && float64(u.used) > (1-a.reserve)*float64(u.limit)
}

// close stops everything for a while after REQUEST_LIMIT_EXCEEDED and gives the while. The same code stands for too
// many long calls at once: that form passes soon, and only its text tells.
func (a *allowance) close(e *Error) time.Duration {
	pause := closedFor
	if strings.Contains(e.Detail.Reveal(), concurrency) {
		pause = crowdedFor
	}
	a.mu.Lock()
	defer a.mu.Unlock()
	a.closed = a.now().Add(pause)
	return pause
}

func (a *allowance) usage() (used, limit int) {
	a.mu.Lock()
	defer a.mu.Unlock()
	return a.org.used, a.org.limit
}
