package fhir

import (
	"crypto/sha256"
	"time"
)

// Names, ways to reach somebody, addresses and identifiers are in use for a time (FHIR R4, datatypes.html#Period): what a record says of
// its patient changes when such a period begins or ends, though no byte of the record has changed.

// DigestAt is the content of everything in the bundle as it stands at a moment: a name, an address or a number whose period has begun
// or ended since says something else. A day, month or year is one in the zone. Where nothing has a period it is Digest.
func (b Bundle) DigestAt(now time.Time, zone *time.Location) Digest {
	var states []byte
	b.periods(func(period Node) { states = append(states, periodState(period, now, zone)) })
	d := b.Digest()
	if len(states) == 0 {
		return d
	}
	return sha256.Sum256(append(d[:], states...))
}

// NextTurn returns the first moment after now at which such a period of the bundle begins, or is over; the zero time where none does any
// more. A day, month or year is one in the zone, and the end of a period includes all of it.
func (b Bundle) NextTurn(now time.Time, zone *time.Location) time.Time {
	var next time.Time
	b.periods(func(period Node) {
		for _, bound := range bounds(period, zone) {
			if now.Before(bound) && (next.IsZero() || bound.Before(next)) {
				next = bound
			}
		}
	})
	return next
}

// bounds returns the first moment of a period and the first one after it; the zero time where it has no such bound, or one that cannot be
// read.
func bounds(period Node, zone *time.Location) (out [2]time.Time) {
	if start, ok := ParseExtent(period.Get("start").Text(), zone); ok {
		out[0] = start.First
	}
	if end, ok := ParseExtent(period.Get("end").Text(), zone); ok {
		out[1] = end.Last.Add(time.Second)
	}
	return out
}

// periodState returns whether a period is to come, is running or is over.
func periodState(period Node, now time.Time, zone *time.Location) byte {
	b := bounds(period, zone)
	switch {
	case !b[1].IsZero() && !now.Before(b[1]):
		return 'o'
	case now.Before(b[0]):
		return 'c'
	}
	return 'r'
}

// periods hands out the periods of use in the bundle, in their order.
func (b Bundle) periods(take func(period Node)) {
	for _, list := range [][]Resource{b.Focus, b.Related} {
		for _, r := range list {
			periodsBelow(r.root, take)
		}
	}
}

func periodsBelow(n Node, take func(period Node)) {
	if n.Kind() == Object && n.Name() == "period" && inUse(n.Parent()) {
		take(n)
		return
	}
	for m := n.First(); m.Exists(); m = m.Next() {
		periodsBelow(m, take)
	}
}

// inUse reports whether the element at n is of a kind that is in use for a time: a name, a way to reach somebody, a number. What is old
// stays so, whatever its period says.
func inUse(n Node) bool {
	switch n.Element() {
	case "name", "telecom", "address", "identifier":
		return n.Get("use").Text() != "old"
	}
	return false
}
