package mapping

import (
	"fmt"
	"time"
	_ "time/tzdata" // the zone of partial dates must not depend on the machine
	"unicode/utf8"
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

// utcTransform: utc gives instants in UTC, to the millisecond. R4 lets a dateTime stop at the day, month or year: such a
// one becomes its first moment in Europe/London, so 2026-06-15 gives 2026-06-14T23:00:00.000Z. utc(UTC) takes a day to begin
// at midnight UTC, as systems do that know no zone, and gives nothing for a month or a year.
func utcTransform(args []string) (Transform, error) {
	t := Transform{Name: "utc"}
	switch {
	case len(args) == 0:
		t.each(func(m *Mapper, s string) (string, *trouble) { return m.utc(s, m.british) })
	case len(args) == 1 && args[0] == "UTC":
		t.each(func(m *Mapper, s string) (string, *trouble) { return m.utc(s, midnight) })
	default:
		return t, fmt.Errorf("utc takes nothing in brackets, or UTC for days that begin at midnight UTC")
	}
	return t, nil
}

// utc writes an instant; partial says what becomes of a date without a time: nothing, where it is not given.
func (m *Mapper) utc(s string, partial func(string) (at moment, given, ok bool)) (string, *trouble) {
	at, ok := parseInstant(s)
	given := ok
	if !ok {
		at, given, ok = partial(s)
	}
	switch {
	case !ok:
		return "", badValue("a text of %d characters is not a FHIR dateTime", utf8.RuneCountInString(s))
	case !given:
		return "", nil
	}
	if trouble := outside(at.year()); trouble != nil {
		return "", trouble
	}
	from := len(m.texts)
	m.texts = at.append(m.texts)
	return m.computed(from), nil
}

func (m *Mapper) british(s string) (at moment, given, ok bool) {
	t, ok := parseTime(s, m.set.zone)
	return momentOf(t), ok, ok
}

func midnight(s string) (at moment, given, ok bool) {
	if day, ok := parseDay(s); ok && len(s) == dayLength {
		return moment{day: day}, true, true
	}
	_, ok = parseTime(s, time.UTC)
	return at, false, ok && len(s) < dayLength
}

// parseTime reads a FHIR date, a part of one, or an instant; what has no zone is in the one given.
func parseTime(s string, zone *time.Location) (time.Time, bool) {
	layout := time.RFC3339Nano
	switch len(s) {
	case len("2006-01-02"), len("2006-01"), len("2006"):
		layout = time.DateOnly[:len(s)]
	}
	at, err := time.ParseInLocation(layout, s, zone)
	return at, err == nil
}

// date gives a day: of a full date as it stands, of an instant as it is in Europe/London. A partial date has no day
// and gives nothing.
func (m *Mapper) date(s string) (string, *trouble) {
	if _, ok := parseDay(s); ok && len(s) == dayLength {
		return s, outside(two(s, 0)*100 + two(s, 2))
	}
	at, ok := parseTime(s, m.set.zone)
	switch {
	case !ok:
		return "", badValue("a text of %d characters is not a FHIR date", utf8.RuneCountInString(s))
	case len(s) < dayLength:
		return "", nil
	}
	at = at.In(m.set.zone)
	return at.Format(time.DateOnly), outside(at.Year())
}
