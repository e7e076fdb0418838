package wire

import (
	"math"
	"net/http"
	"strconv"
	"strings"
	"time"
)

// LongestAsked is the longest pause that a far end is believed to ask for: nothing is left unread for longer without another try.
const LongestAsked = 15 * time.Minute

const plausible = 24 * time.Hour // what is longer until a quota begins anew is no time until then

// Asked returns how long an answer asks to be left alone: Retry-After (RFC 9110, 10.2.3), the RateLimit header of
// draft-ietf-httpapi-ratelimit-headers in its newer and older forms, or the X- headers before it, which say something of other
// answers than a refusal for too many calls too. Dates count from the far end's own clock where it tells it. Garbage and times that have
// passed are 0.
func Asked(status int, h http.Header, now time.Time) time.Duration {
	if date, err := http.ParseTime(h.Get("Date")); err == nil {
		now = date
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

// Busy reports whether an answer says that the far end wants fewer calls; asked is what Asked says of it.
func Busy(status int, asked time.Duration) bool {
	return status == http.StatusTooManyRequests || status == http.StatusServiceUnavailable && asked > 0
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
	return max(0, min(at.Sub(now), LongestAsked))
}

func seconds(text string) (time.Duration, bool) {
	n, err := strconv.ParseFloat(text, 64)
	if err != nil || math.IsNaN(n) {
		return 0, false
	}
	return time.Duration(max(0, min(n, LongestAsked.Seconds())) * float64(time.Second)), true
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
	case n <= plausible.Seconds():
		return min(time.Duration(n*float64(time.Second)), LongestAsked)
	}
	return 0
}

func until(at, now time.Time) time.Duration {
	if wait := at.Sub(now); wait > 0 && wait <= plausible {
		return min(wait, LongestAsked)
	}
	return 0
}
