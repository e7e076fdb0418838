package mapping

import (
	"fmt"
	"slices"
	"time"
	_ "time/tzdata" // the zone of partial dates must not depend on the machine
	"unicode/utf8"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
)

// zoneName is where a date without a time happened: NHS services run on British time.
const zoneName = "Europe/London"

// minYear and maxYear are the first and the last year that a Salesforce date or dateTime takes (Salesforce Help, "Valid Date and
// Datetime").
const (
	minYear = 1700
	maxYear = 4000
)

// outside is the trouble with a year that Salesforce does not take; nil where it does.
func outside(year int) *trouble {
	switch {
	case year < minYear:
		return badValue("the year %d is before %d, the first that Salesforce takes", year, minYear)
	case year > maxYear:
		return badValue("the year %d is after %d, the last that Salesforce takes", year, maxYear)
	}
	return nil
}

// reading is how utc reads a date without a time.
type reading struct {
	end  bool // as the end of a period: its last second, not its first moment
	utc  bool // a day is one in UTC; a month or year says nothing
	noon bool // a day is its noon in UTC, which is the same day from 12 hours west to 11 hours east; a month or year says nothing

	seconds bool // written to the second
}

// utcTransform: utc returns instants in UTC, to the millisecond. R4 lets a dateTime stop at the day, month or year: such a
// one becomes its first moment in Europe/London, so 2026-06-15 becomes 2026-06-14T23:00:00.000Z. The end of a Period includes all of
// its day, month or year (datatypes.html#Period): utc(end) returns the last second of it, 2026-06-15T22:59:59.000Z. utc(UTC) takes a
// day to begin at midnight UTC, as systems do that know no zone, and returns nothing for a month or a year; utc(UTC, end) its last second.
// utc(seconds) returns a text without a fraction, for the body of an API that takes none; it goes with the other words.
func utcTransform(args []string) (Transform, error) {
	t := Transform{Name: "utc"}
	args, seconds := without(args, "seconds")
	how := reading{seconds: seconds, end: slices.Contains(args, "end"), utc: slices.Contains(args, "UTC"), noon: slices.Equal(args, []string{"noon"})}
	known := 0
	for _, set := range []bool{how.end, how.utc, how.noon} {
		if set {
			known++
		}
	}
	if known != len(args) {
		return t, fmt.Errorf("utc takes nothing in brackets, end for the end of a period, noon for a day that is no moment, UTC for days that begin at midnight UTC, or seconds to write no fraction")
	}
	t.End, t.seconds = how.end, seconds
	t.dated(func(m *Mapper, s string) (string, *trouble) { return m.utc(s, how) })
	return t, nil
}

// utc writes an instant.
func (m *Mapper) utc(s string, how reading) (string, *trouble) {
	at, ok := fhir.ParseInstant(s)
	if !ok {
		var trouble *trouble
		if at, ok, trouble = m.partial(s, how); !ok {
			return "", trouble
		}
	}
	if trouble := outside(at.Year()); trouble != nil {
		return "", trouble
	}
	from := len(m.texts)
	m.texts = at.Append(m.texts)
	if how.seconds {
		m.texts = append(m.texts[:len(m.texts)-len(".000Z")], 'Z')
	}
	return m.computed(from), nil
}

// without returns a list without a word, and whether the word stood in it.
func without(list []string, word string) ([]string, bool) {
	i := slices.Index(list, word)
	if i < 0 {
		return list, false
	}
	return slices.Delete(slices.Clone(list), i, i+1), true
}

// partial reads a date without a time; it is false where that says nothing, or is none.
func (m *Mapper) partial(s string, how reading) (at fhir.Moment, ok bool, _ *trouble) {
	zone := m.set.zone
	if how.utc || how.noon {
		zone = time.UTC
	}
	extent, ok := fhir.ParseExtent(s, zone)
	switch {
	case !ok:
		return at, false, badValue("a text of %d characters is not a FHIR dateTime", utf8.RuneCountInString(s))
	case (how.utc || how.noon) && extent.Part < fhir.PartDay:
		return at, false, nil
	case how.noon:
		return fhir.MomentOf(extent.First.Add(12 * time.Hour)), true, nil
	case how.end:
		return fhir.MomentOf(extent.Last), true, nil
	}
	return fhir.MomentOf(extent.First), true, nil
}

// dateTransform: date returns a day; a month or a year alone has none, and becomes nothing. date(partial) leaves such a one as it is, for
// a row of owner identity: it is compared, and never written.
func dateTransform(args []string) (Transform, error) {
	t := Transform{Name: "date", Part: slices.Equal(args, []string{"partial"})}
	if len(args) > 0 && !t.Part {
		return t, fmt.Errorf("date takes nothing in brackets, or partial in a row of owner identity")
	}
	t.dated(func(m *Mapper, s string) (string, *trouble) { return m.date(s, t.Part) })
	return t, nil
}

// date returns a day: of a full date as it stands, of an instant as it is in Europe/London. A partial date has no day
// and becomes nothing, or stays as it is.
func (m *Mapper) date(s string, partial bool) (string, *trouble) {
	if day, ok := fhir.ParseDay(s); ok && len(s) == len(time.DateOnly) {
		return s, outside(day.Year())
	}
	extent, ok := fhir.ParseExtent(s, m.set.zone)
	switch {
	case !ok:
		return "", badValue("a text of %d characters is not a FHIR date", utf8.RuneCountInString(s))
	case extent.Part < fhir.PartDay && partial:
		return s, outside(extent.First.In(m.set.zone).Year())
	case extent.Part < fhir.PartDay:
		return "", nil
	}
	at := extent.First.In(m.set.zone)
	return at.Format(time.DateOnly), outside(at.Year())
}

// dated makes a transform of a function of one date or time. An element whose type is instant must be one: a day there, which R4 does
// not allow, says nothing of an hour.
func (t *Transform) dated(f func(*Mapper, string) (string, *trouble)) {
	t.each(f)
	t.times = true
}

// noInstant is the trouble with an element of type instant that holds less than one; nil where it holds one, or is of another type.
func noInstant(i fhirpath.Item) *trouble {
	if len(i.Text()) > len(time.DateOnly) || !i.OfType("instant") {
		return nil
	}
	return &trouble{BadValue, fmt.Sprintf("a text of %d characters is not a FHIR instant", utf8.RuneCountInString(i.Text())),
		"an instant has a date, a time with seconds, and a zone, such as 2026-07-06T09:30:00+01:00: put it right at the source"}
}
