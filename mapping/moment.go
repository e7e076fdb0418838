package mapping

import "time"

// moment is an instant in UTC, to the millisecond: what FHIR sources send and the APIs take.
type moment struct {
	day    int // since 1970-01-01
	second int // of the day
	milli  int
}

const (
	secondsOfDay = 24 * 60 * 60
	dayLength    = len("2006-01-02")
	wholeSecond  = len("2006-01-02T15:04:05")
)

func (m moment) time() time.Time {
	return time.Unix(int64(m.day)*secondsOfDay+int64(m.second), int64(m.milli)*int64(time.Millisecond)).UTC()
}

func momentOf(t time.Time) moment {
	s := t.Unix()
	day := floor(s, secondsOfDay)
	return moment{day: int(day), second: int(s - day*secondsOfDay), milli: t.Nanosecond() / int(time.Millisecond)}
}

func floor(a, b int64) int64 {
	q := a / b
	if a < 0 && q*b != a {
		q--
	}
	return q
}

// year gives the year of the moment.
func (m moment) year() int {
	y, _, _ := civil(m.day)
	return y
}

// append writes 2006-01-02T15:04:05.000Z.
func (m moment) append(dst []byte) []byte {
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

// parseDay reads 2006-01-02, a day that there is.
func parseDay(s string) (day int, ok bool) {
	if len(s) < dayLength || s[4] != '-' || s[7] != '-' {
		return 0, false
	}
	y, m, d := two(s, 0)*100+two(s, 2), two(s, 5), two(s, 8)
	if y < 0 || m < 1 || m > 12 || d < 1 || d > daysOf(y, m) {
		return 0, false
	}
	return dayNumber(y, m, d), true
}

// parseInstant reads an RFC 3339 date and time with a zone, as FHIR writes an instant. Fractions beyond milliseconds are cut.
func parseInstant(s string) (moment, bool) {
	day, ok := parseDay(s)
	if !ok || len(s) < wholeSecond+1 || s[10] != 'T' || s[13] != ':' || s[16] != ':' {
		return moment{}, false
	}
	h, min, sec := two(s, 11), two(s, 14), two(s, 17)
	if h < 0 || h > 23 || min < 0 || min > 59 || sec < 0 || sec > 59 {
		return moment{}, false
	}
	m := moment{day: day, second: h*3600 + min*60 + sec}
	rest, ok := m.fraction(s[wholeSecond:])
	offset, zone := parseZone(rest)
	if !ok || !zone {
		return moment{}, false
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

// fraction reads .123 where there is one, and gives what follows.
func (m *moment) fraction(s string) (rest string, ok bool) {
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

// parseZone reads Z or +01:00, in seconds.
func parseZone(s string) (offset int, ok bool) {
	if s == "Z" {
		return 0, true
	}
	if len(s) != len("+01:00") || s[0] != '+' && s[0] != '-' || s[3] != ':' {
		return 0, false
	}
	h, m := two(s, 1), two(s, 4)
	if h < 0 || h > 23 || m < 0 || m > 59 {
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
