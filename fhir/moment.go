package fhir

import "time"

// Moment is an instant in UTC, to the millisecond: what FHIR sources send and the APIs take.
type Moment struct {
	day    int // since 1970-01-01
	second int // of the day
	milli  int
}

const (
	secondsOfDay = 24 * 60 * 60
	dayLength    = len("2006-01-02")
	wholeSecond  = len("2006-01-02T15:04:05")
)

// Time returns the moment as a time in UTC.
func (m Moment) Time() time.Time {
	return time.Unix(int64(m.day)*secondsOfDay+int64(m.second), int64(m.milli)*int64(time.Millisecond)).UTC()
}

// MomentOf returns the moment of a time; what is finer than a millisecond is cut.
func MomentOf(t time.Time) Moment {
	s := t.Unix()
	day := floor(s, secondsOfDay)
	return Moment{day: int(day), second: int(s - day*secondsOfDay), milli: t.Nanosecond() / int(time.Millisecond)}
}

func floor(a, b int64) int64 {
	q := a / b
	if a < 0 && q*b != a {
		q--
	}
	return q
}

// Year returns the year of the moment in UTC.
func (m Moment) Year() int {
	y, _, _ := civil(m.day)
	return y
}

// Append appends 2006-01-02T15:04:05.000Z.
func (m Moment) Append(dst []byte) []byte {
	y, month, d := civil(m.day)
	dst = appendTwo(appendTwo(dst, y/100), y%100)
	dst = appendTwo(append(dst, '-'), month)
	dst = appendTwo(append(dst, '-'), d)
	dst = appendTwo(append(dst, 'T'), m.second/3600)
	dst = appendTwo(append(dst, ':'), m.second/60%60)
	dst = appendTwo(append(dst, ':'), m.second%60)
	dst = append(dst, '.', byte('0'+m.milli/100))
	return append(appendTwo(dst, m.milli%100), 'Z')
}

func appendTwo(dst []byte, n int) []byte { return append(dst, byte('0'+n/10), byte('0'+n%10)) }

// two reads two digits; it is negative where there are none.
func two(s string, i int) int {
	a, b := s[i]-'0', s[i+1]-'0'
	if a > 9 || b > 9 {
		return -1 << 20
	}
	return int(a)*10 + int(b)
}

// ParseDay reads the day that a text begins with: 2006-01-02, a day that exists, of the year 1 or later. It reports false for any
// other text.
func ParseDay(s string) (Moment, bool) {
	if len(s) < dayLength || s[4] != '-' || s[7] != '-' {
		return Moment{}, false
	}
	y, m, d := two(s, 0)*100+two(s, 2), two(s, 5), two(s, 8)
	if y < 1 || m < 1 || m > 12 || d < 1 || d > daysOf(y, m) {
		return Moment{}, false
	}
	return Moment{day: dayNumber(y, m, d)}, true
}

// ParseInstant reads an instant, or a dateTime with a time, in the form of FHIR R4 (datatypes.html#instant, #dateTime): two digits
// for each part, a point before a fraction, and a zone, Z or an offset of at most 14 hours. 24:00 is refused. R4 lets a leap
// second be written as second 60: it is read as second 59, which keeps its minute and its day. A fraction beyond milliseconds is cut.
func ParseInstant(s string) (Moment, bool) {
	m, ok := ParseDay(s)
	if !ok || len(s) < wholeSecond+1 || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return Moment{}, false
	}
	h, min, sec := two(s, 11), two(s, 14), two(s, 17)
	if h < 0 || h > 23 || min < 0 || min > 59 || sec < 0 || sec > 60 {
		return Moment{}, false
	}
	if sec == 60 {
		sec = 59
	}
	m.second = h*3600 + min*60 + sec
	rest, ok := m.fraction(s[wholeSecond:])
	offset, zone := parseZone(rest)
	if !ok || !zone {
		return Moment{}, false
	}
	m.second -= offset
	if m.second < 0 {
		m.second, m.day = m.second+secondsOfDay, m.day-1
	}
	if m.second >= secondsOfDay {
		m.second, m.day = m.second-secondsOfDay, m.day+1
	}
	return m, true
}

// Extent is the time that a FHIR date, dateTime or instant may stand for: all of its day, month or year where it names no time.
type Extent struct {
	First time.Time // its first moment
	Last  time.Time // its last second; equal to First where the text names a time
	Part  Part
}

// Part is the finest part that a date names.
type Part int

// The parts, the coarsest first.
const (
	PartYear Part = iota
	PartMonth
	PartDay
	PartTime
)

// ParseExtent reads a FHIR date, dateTime or instant; a day, month or year is one in the zone given. It reports false for what FHIR R4
// does not allow.
func ParseExtent(s string, zone *time.Location) (Extent, bool) {
	if at, ok := ParseInstant(s); ok {
		return Extent{at.Time(), at.Time(), PartTime}, true
	}
	day, ok := ParseDay(s + "0000-01-01"[min(len(s), dayLength):])
	if !ok {
		return Extent{}, false
	}
	y, m, d := civil(day.day)
	first := time.Date(y, time.Month(m), d, 0, 0, 0, 0, zone)
	switch len(s) {
	case len("2006"):
		return Extent{first, lastSecond(y+1, 1, 1, zone), PartYear}, true
	case len("2006-01"):
		return Extent{first, lastSecond(y, m+1, 1, zone), PartMonth}, true
	case dayLength:
		return Extent{first, lastSecond(y, m, d+1, zone), PartDay}, true
	}
	return Extent{}, false
}

// lastSecond returns the second before a day begins.
func lastSecond(y, m, d int, zone *time.Location) time.Time {
	return time.Date(y, time.Month(m), d, 0, 0, 0, 0, zone).Add(-time.Second)
}

// fraction reads .123 where there is one, and returns what follows.
func (m *Moment) fraction(s string) (rest string, ok bool) {
	if s[0] != '.' {
		return s, true
	}
	i, scale := 1, 100
	for ; i < len(s) && s[i]-'0' <= 9; i++ {
		m.milli += int(s[i]-'0') * scale
		scale /= 10
	}
	return s[i:], i > 1
}

// parseZone reads Z or +01:00, in seconds. The zones of FHIR end at 14:00.
func parseZone(s string) (offset int, ok bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != len("+01:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	h, m := two(s, 1), two(s, 4)
	if h < 0 || m < 0 || m > 59 || h*60+m > 14*60 {
		return 0, false
	}
	offset = h*3600 + m*60
	if s[0] == '-' {
		offset = -offset
	}
	return offset, true
}

func daysOf(y, m int) int {
	switch m {
	case 4, 6, 9, 11:
		return 30
	case 2:
		if y%4 == 0 && (y%100 != 0 || y%400 == 0) {
			return 29
		}
		return 28
	}
	return 31
}

// dayNumber and civil count days from 1970-01-01 by years that begin in March (H. Hinnant, "chrono-Compatible Low-Level
// Date Algorithms").
func dayNumber(y, m, d int) int {
	if m <= 2 {
		y--
	}
	era := int(floor(int64(y), 400))
	ofEra := y - era*400
	ofYear := (153*((m+9)%12)+2)/5 + d - 1
	return era*146097 + ofEra*365 + ofEra/4 - ofEra/100 + ofYear - 719468
}

func civil(day int) (y, m, d int) {
	z := day + 719468
	era := int(floor(int64(z), 146097))
	ofEra := z - era*146097
	yearOfEra := (ofEra - ofEra/1460 + ofEra/36524 - ofEra/146096) / 365
	ofYear := ofEra - (365*yearOfEra + yearOfEra/4 - yearOfEra/100)
	month := (5*ofYear + 2) / 153
	d = ofYear - (153*month+2)/5 + 1
	m = month + 3
	if m > 12 {
		m -= 12
	}
	y = yearOfEra + era*400
	if m <= 2 {
		y++
	}
	return y, m, d
}
