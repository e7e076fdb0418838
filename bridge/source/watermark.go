package source

import (
	"slices"
	"time"
)

// overlap is how far back each poll reaches behind the start of the one before: clocks of servers differ, and a change can
// become visible later than its time stamp.
const overlap = 15 * time.Minute

// aheadBy is how far a time stamp may lie behind the answer that it stands in before it is called one of the future: Date
// headers have whole seconds, and the machines of one server have clocks of their own.
const aheadBy = time.Minute

// progress is how far one poll of one resource type has come: by the stamps of what the server gave, in the order in which
// it gave it.
//
//	watermark before ──> page by page: the newest stamp ──> start of the poll
//
// No watermark lies behind the start of the poll, whatever the stamps say: one record of the year 2099 must not hide what
// changes until then.
type progress struct {
	from     time.Time // the watermark before this poll; zero = none yet
	start    time.Time // of this poll, see pollStart
	newest   time.Time // stamp so far
	stamped  int
	bare     int // records without a stamp that can be read
	disorder bool
	ahead    int       // stamps of the future
	furthest time.Time // of them
}

// pollStart returns when a poll began: by the server's clock, whose stamps are compared with it, or by ours where that is
// earlier or the server does not tell its own. A clock that is ahead today may be put right tomorrow.
func pollStart(server, ours time.Time) time.Time {
	if server.IsZero() {
		return ours
	}
	return earlier(server, ours)
}

// since returns from when on a poll asks; zero = for everything. first is the lower bound of the first poll.
func since(mark, now, first time.Time) time.Time {
	if mark.IsZero() {
		return first
	}
	return earlier(mark, now).Add(-overlap)
}

// putBack returns from when on a poll asks that began, by the server's clock, before the watermark of the last one: the clock was
// put back, and what changed since the last poll is stamped by so much earlier. Else it is the watermark.
func putBack(mark, start, ours time.Time) time.Time {
	if !start.Before(mark) {
		return mark
	}
	return mark.Add(start.Sub(ours) - overlap)
}

// page returns the progress after a page with these stamps; a zero time is a record whose stamp is missing or cannot be read.
// now is the server's clock.
func (p progress) page(stamps []time.Time, now time.Time) progress {
	for _, at := range stamps {
		if at.IsZero() {
			p.bare++
			continue
		}
		p.stamped++
		p.disorder = p.disorder || at.Before(p.newest)
		p.newest = later(p.newest, at)
		if at.After(now.Add(aheadBy)) {
			p.ahead++
			p.furthest = later(p.furthest, at)
		}
	}
	return p
}

// mark returns the watermark while the poll goes on: what the server stamped up to then has come. A poll that follows one that did
// not end goes on at the newest stamp, unless that lies within the overlap before this one's start: however many rows have stamps
// of one quarter of an hour, each poll gets further. Where the server does not keep to the order that it was asked for, nobody
// knows what is still to come, and the watermark stays.
func (p progress) mark() time.Time {
	before := earlier(p.from, p.start)
	if p.disorder || p.bare > 0 || p.newest.IsZero() {
		return before
	}
	return later(before, earlier(p.newest.Add(overlap), p.start))
}

// end returns the watermark of a poll that came to its end: its start. A server that gives records and stamps none of them
// does not say when they changed, and each poll asks it for everything.
func (p progress) end() time.Time {
	if p.bare > 0 && p.stamped == 0 {
		return earlier(p.from, p.start)
	}
	return p.start
}

func earlier(a, b time.Time) time.Time {
	if a.Before(b) {
		return a
	}
	return b
}

func later(a, b time.Time) time.Time {
	if a.After(b) {
		return a
	}
	return b
}

// step says how a poll goes on behind a page.
type step int

const (
	follow step = iota // the next link
	rekey              // ask anew, from the newest stamp of the page on
	repeat             // ask anew from the same stamp on: rows may have been skipped
)

// stretch is what one search has given: its first page and what its next links led to. Pages by offset shift while rows move,
// so that a next link can pass over rows. A first page cannot: it is one answer to one question. So a poll asks for first
// pages, each from the newest stamp of the one before on (its key), and follows links only where the key cannot move: more
// rows have one stamp than a page holds, or the server does not sort or filter as it was asked to.
type stretch struct {
	key     time.Time // rows from here on were asked for; zero = all
	links   bool      // the server does not sort or filter by the stamp: links are all there is
	pages   int
	skipped int // rows that came behind a link and were not known from before: others may have been passed over
}

// pageView is what a page means for the way on.
type pageView struct {
	oldest, newest time.Time // stamps; zero where there is none
	sorted         bool      // ascending, none missing
	more           bool      // it has a next link
	fresh          int       // rows that this poll had not seen
	late           int       // of them, those at or before the key
}

// take returns the stretch with the page in it, and how to go on.
func (s stretch) take(v pageView) (stretch, step) {
	s.pages++
	ignored := !s.key.IsZero() && v.oldest.Before(s.key.Truncate(time.Second)) && !v.oldest.IsZero()
	s.links = s.links || !v.sorted || ignored
	moves := !s.links && !v.newest.IsZero() && v.newest.After(s.key)
	if s.pages > 1 {
		n := v.fresh
		if moves {
			n = v.late
		}
		s.skipped += n
	}
	switch {
	case !moves || !v.more && s.pages == 1:
		return s, follow
	case s.skipped > 0:
		return s, repeat
	}
	return s, rekey
}

// viewOf reads stamps in the order of a page. fresh says of each whether its row is new to the poll.
func viewOf(stamps []time.Time, fresh []bool, key time.Time, more bool) pageView {
	v := pageView{more: more, sorted: slices.IsSortedFunc(stamps, time.Time.Compare) && !slices.ContainsFunc(stamps, time.Time.IsZero)}
	for i, at := range stamps {
		if v.oldest.IsZero() || at.Before(v.oldest) {
			v.oldest = at
		}
		v.newest = later(v.newest, at)
		if fresh[i] {
			v.fresh++
			if !at.After(key) {
				v.late++
			}
		}
	}
	return v
}
