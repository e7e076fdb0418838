package fhirpath

import (
	"fmt"
	"strconv"
	"strings"
	"time"
)

// precision says how much of a date or time is known.
type precision uint8

const (
	noPrecision precision = iota
	toYear
	toMonth
	toDay
	toHour
	toMinute
	toSecond // with a fraction or without: FHIRPath makes no difference
)

// widestZones are the offsets that a time without a zone may have: UTC-12 to UTC+14, in minutes.
const westmost, eastmost = -12 * 60, 14 * 60

// temporal is a Date, a DateTime or a Time with the precision that was written.
type temporal struct {
	wall   time.Time // the clock's reading, as if in UTC; a Time stands on 0000-01-01
	to     precision
	digits uint8 // of the fraction of a second that were written
	zoned  bool
	offset int  // minutes east of UTC, where zoned
	day    bool // a Time has none
}

// parseTemporal reads a literal (without @) or the text of a FHIR date, dateTime, instant or time.
func parseTemporal(s string, k kind) (temporal, bool) {
	t := temporal{day: k != timeKind}
	date, clock, hasClock := strings.Cut(s, "T")
	if k == timeKind {
		if !hasClock {
			clock = date
		} else if date != "" {
			return t, false
		}
		return t, t.readClock(clock, 0, 1, 1) && !t.zoned
	}
	if k == dateKind && hasClock {
		return t, false
	}
	year, month, day, ok := t.readDate(date)
	if !ok || clock == "" {
		return t, ok
	}
	return t, t.to == toDay && t.readClock(clock, year, month, day)
}

func (t *temporal) readDate(s string) (year, month, day int, ok bool) {
	month, day = 1, 1
	parts := strings.Split(s, "-")
	widths, limits := [3]int{4, 2, 2}, [3]int{9999, 12, 31}
	if len(parts) > 3 {
		return 0, 0, 0, false
	}
	for i, into := range []*int{&year, &month, &day}[:len(parts)] {
		if *into, ok = number(parts[i], widths[i], limits[i]); !ok || *into == 0 {
			return 0, 0, 0, false
		}
	}
	t.to = toYear + precision(len(parts)-1)
	t.wall = time.Date(year, time.Month(month), day, 0, 0, 0, 0, time.UTC)
	return year, month, day, t.wall.Day() == day
}

// number reads exactly so many digits.
func number(s string, width, limit int) (int, bool) {
	if len(s) != width || strings.Trim(s, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi(s)
	return n, err == nil && n <= limit
}

func (t *temporal) readClock(s string, year, month, day int) bool {
	s, ok := t.readZone(s)
	s, fraction, hasFraction := strings.Cut(s, ".")
	parts := strings.Split(s, ":")
	if !ok || len(parts) > 3 || hasFraction && (len(parts) < 3 || fraction == "") {
		return false
	}
	var clock [3]int
	for i, part := range parts {
		if clock[i], ok = number(part, 2, [3]int{23, 59, 59}[i]); !ok {
			return false
		}
	}
	nanos, ok := nanoseconds(fraction)
	t.digits = uint8(min(len(fraction), 9))
	t.to = toHour + precision(len(parts)-1)
	t.wall = time.Date(year, time.Month(month), day, clock[0], clock[1], clock[2], nanos, time.UTC)
	return ok
}

// readZone cuts Z or +hh:mm off and remembers it.
func (t *temporal) readZone(s string) (string, bool) {
	if rest, ok := strings.CutSuffix(s, "Z"); ok {
		t.zoned = true
		return rest, true
	}
	i := strings.LastIndexAny(s, "+-")
	if i < 0 {
		return s, true
	}
	hours, minutes, _ := strings.Cut(s[i+1:], ":")
	h, okHours := number(hours, 2, 14)
	m, okMinutes := number(minutes, 2, 59)
	t.zoned, t.offset = true, h*60+m
	if s[i] == '-' {
		t.offset = -t.offset
	}
	return s[:i], okHours && okMinutes
}

func nanoseconds(fraction string) (int, bool) {
	if strings.Trim(fraction, "0123456789") != "" {
		return 0, false
	}
	n, err := strconv.Atoi((fraction + "000000000")[:9])
	return n, err == nil
}

// String writes what is known, as FHIR does: 2015, 2015-02-04T14:30:00.000+10:00, 14:30.
func (t temporal) String() string {
	s := ""
	if t.day {
		s = []string{"", "2006", "2006-01", "2006-01-02"}[min(t.to, toDay)]
		s = t.wall.Format(s)
	}
	if t.to < toHour {
		return s
	}
	clock := []string{"15", "15:04", "15:04:05"}[t.to-toHour]
	if t.digits > 0 {
		clock += "." + strings.Repeat("0", int(t.digits))
	}
	if t.day {
		s += "T"
	}
	return s + t.wall.Format(clock) + t.zone()
}

func (t temporal) zone() string {
	switch {
	case !t.zoned:
		return ""
	case t.offset == 0:
		return "Z"
	case t.offset < 0:
		return fmt.Sprintf("-%02d:%02d", -t.offset/60, -t.offset%60)
	}
	return fmt.Sprintf("+%02d:%02d", t.offset/60, t.offset%60)
}

// utc gives the instant, for a zone that is known or assumed.
func (t temporal) utc(assumed int) time.Time {
	if t.zoned {
		assumed = t.offset
	}
	return t.wall.Add(-time.Duration(assumed) * time.Minute)
}

// cmp compares as FHIRPath does: field by field to the precision that both have. ok is false where the answer
// depends on what is not known, a zone for instance.
func (t temporal) cmp(o temporal) (order int, ok bool) {
	if t.day != o.day {
		return 0, false
	}
	if t.zoned != o.zoned {
		return t.cmpUnsure(o)
	}
	a, b := t.utc(0), o.utc(0)
	to := min(t.to, o.to)
	if order := cut(a, to).Compare(cut(b, to)); order != 0 {
		return order, true
	}
	return 0, t.to == o.to
}

// cmpUnsure compares a time whose zone is known with one whose zone is not: the answer holds if it holds everywhere.
func (t temporal) cmpUnsure(o temporal) (order int, ok bool) {
	earliest, latest := t.span()
	otherEarliest, otherLatest := o.span()
	switch {
	case latest.Before(otherEarliest):
		return -1, true
	case earliest.After(otherLatest):
		return 1, true
	}
	return 0, false
}

// span gives the first and the last instant that t may mean.
func (t temporal) span() (first, last time.Time) {
	return t.utc(eastmost), t.end().utc(westmost)
}

// end is the last nanosecond of what t may mean, on its own clock.
func (t temporal) end() temporal {
	w := t.wall
	switch t.to {
	case toYear:
		w = w.AddDate(1, 0, 0)
	case toMonth:
		w = w.AddDate(0, 1, 0)
	case toDay:
		w = w.AddDate(0, 0, 1)
	case toHour:
		w = w.Add(time.Hour)
	case toMinute:
		w = w.Add(time.Minute)
	default:
		return t
	}
	t.wall = w.Add(-1)
	return t
}

// cut sets what is finer than a precision to its smallest value.
func cut(w time.Time, to precision) time.Time {
	switch to {
	case toYear:
		return time.Date(w.Year(), 1, 1, 0, 0, 0, 0, time.UTC)
	case toMonth:
		return time.Date(w.Year(), w.Month(), 1, 0, 0, 0, 0, time.UTC)
	case toDay:
		return w.Truncate(24 * time.Hour)
	case toHour:
		return w.Truncate(time.Hour)
	case toMinute:
		return w.Truncate(time.Minute)
	}
	return w
}

// momentOf gives a time of the machine with its zone, to the millisecond.
func momentOf(now time.Time) temporal {
	_, offset := now.Zone()
	wall := now.UTC().Add(time.Duration(offset) * time.Second).Truncate(time.Millisecond)
	return temporal{wall: wall, to: toSecond, digits: 3, zoned: true, offset: offset / 60, day: true}
}

// dateOf gives the calendar day of a time.
func dateOf(now time.Time) temporal {
	y, m, d := now.Date()
	return temporal{wall: time.Date(y, m, d, 0, 0, 0, 0, time.UTC), to: toDay, day: true}
}
