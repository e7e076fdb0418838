package rest

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// What passes by itself is tried three times in one call; longer patience is the caller's. What a server holds back until it has
// had fewer calls is waited for, up to Config.MaxWait in one call.
const (
	maxAttempts    = 3
	firstWait      = time.Second
	longestBackoff = time.Minute
	defaultMaxWait = 15 * time.Minute
)

// patience counts the tries of one call.
type patience struct {
	most      time.Duration // all waits for a server that wants fewer calls, together
	tries     int           // that failed in another way
	throttled int
	waited    time.Duration
}

// next returns how long to wait, at most, before the same read is sent again. It reports false where it is not to be sent again.
func (p *patience) next(e *Error) (time.Duration, bool) {
	if !e.throttled() {
		p.tries++
		return backoff(p.tries), p.tries < maxAttempts && e.passing()
	}
	p.throttled++
	wait := min(max(e.RetryAfter, backoff(p.throttled)), p.most-p.waited)
	p.waited += wait
	return wait, wait > 0
}

// backoff returns 1, 2, 4 … seconds, up to a minute.
func backoff(attempt int) time.Duration {
	return min(firstWait<<min(attempt-1, 10), longestBackoff)
}

// throttled reports whether the server wants fewer calls: the same call is good later.
func (e *Error) throttled() bool {
	return e.Status == http.StatusTooManyRequests || e.Status == http.StatusServiceUnavailable && e.RetryAfter > 0
}

const longestAsked = 24 * time.Hour

// askedWait returns how long the server asks to be left alone: Retry-After (RFC 9110), the RateLimit header of
// draft-ietf-httpapi-ratelimit-headers in its newer and older forms, or the X- headers before it, which say something of other
// answers than a refusal for too many calls too. Garbage and times that have passed are 0; what is longer than a day counts as a
// day.
func askedWait(status int, h http.Header, now time.Time) time.Duration {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date // dates count from the server's own clock
	}
	wait := retryAfter(h.Get("Retry-After"), now)
	if wait > 0 || status != http.StatusTooManyRequests && status != http.StatusServiceUnavailable {
		return wait
	}
	for _, value := range h.Values("RateLimit") {
		if wait := rateLimit(value); wait > 0 {
			return wait
		}
	}
	for _, name := range []string{"RateLimit-Reset", "X-RateLimit-Reset", "X-Rate-Limit-Reset"} {
		left := strings.TrimSuffix(name, "Reset") + "Remaining"
		if wait := resetIn(h.Get(name), now); wait > 0 && spent(h.Get(left)) {
			return wait
		}
	}
	return 0
}

// retryAfter reads seconds or a date.
func retryAfter(text string, now time.Time) time.Duration {
	text = strings.TrimSpace(text)
	if wait, ok := seconds(text); ok {
		return wait
	}
	at, err := http.ParseTime(text)
	if err != nil {
		return 0
	}
	return max(0, min(at.Sub(now), longestAsked))
}

func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) {
		return 0, false
	}
	return time.Duration(max(0, min(n, longestAsked.Seconds())) * float64(time.Second)), true
}

// rateLimit reads `"requests";r=0;t=24` (several of them in a list) and `limit=30, remaining=0, reset=24`: the longest wait for
// anything that is used up.
func rateLimit(value string) time.Duration {
	var longest time.Duration
	for item := range strings.SplitSeq(value, ",") {
		if p := parameters(item); spent(p["r"]) {
			wait, _ := seconds(p["t"])
			longest = max(longest, wait)
		}
	}
	older := parameters(strings.ReplaceAll(value, ",", ";"))
	if reset, ok := older["reset"]; ok && spent(older["remaining"]) {
		wait, _ := seconds(reset)
		longest = max(longest, wait)
	}
	return longest
}

// parameters reads name=value pairs between semicolons.
func parameters(item string) map[string]string {
	out := map[string]string{}
	for pair := range strings.SplitSeq(item, ";") {
		if name, value, found := strings.Cut(pair, "="); found {
			out[strings.ToLower(strings.TrimSpace(name))] = strings.Trim(strings.TrimSpace(value), `"`)
		}
	}
	return out
}

// spent reports whether nothing is left of a quota. Where the server does not say what is left, it is what refused the call.
func spent(left string) bool {
	n, err := strconv.ParseFloat(strings.TrimSpace(left), 64)
	return err != nil && left == "" || err == nil && n <= 0
}

// resetIn reads when a quota begins anew: so many seconds from now, or seconds or milliseconds since 1970, which servers write too.
func resetIn(text string, now time.Time) time.Duration {
	n, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	switch {
	case err != nil || math.IsNaN(n) || n <= 0:
		return 0
	case n >= 1e12 && n < 1e14:
		return until(time.UnixMilli(int64(n)), now)
	case n >= 1e9 && n < 1e11:
		return until(time.Unix(int64(n), 0), now)
	case n <= longestAsked.Seconds():
		return time.Duration(n * float64(time.Second))
	}
	return 0
}

func until(at, now time.Time) time.Duration {
	if wait := at.Sub(now); wait > 0 && wait <= longestAsked {
		return wait
	}
	return 0
}
