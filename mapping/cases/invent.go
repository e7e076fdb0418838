package cases

import (
	"crypto/hmac"
	"crypto/sha256"
	"encoding/binary"
	"strings"
	"time"
	"unicode"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/mapping"
)

// inventor makes invented values. The same value of the source becomes the same invented one, so that what belonged together
// still does: an id, the references to it, an NHS number in two places. Without the key nobody can go back.
type inventor struct {
	key  []byte
	made map[string]string
}

func newInventor(key []byte) *inventor { return &inventor{key: key, made: map[string]string{}} }

// number gives a number below n that belongs to a text; round tells several numbers for one text apart.
func (v *inventor) number(text string, round, n int) int {
	h := hmac.New(sha256.New, v.key)
	h.Write(binary.BigEndian.AppendUint32([]byte(text), uint32(round)))
	return int(binary.BigEndian.Uint64(h.Sum(nil)) % uint64(n))
}

// name gives an invented name, never the one that was there; a long one stays long, as fields have lengths.
func (v *inventor) name(was string, of []string) string {
	i := v.number(was, 0, len(of))
	if strings.EqualFold(of[i], was) {
		i = (i + 1) % len(of)
	}
	out := of[i]
	if n := mapping.TextLength(was); n > 30 {
		out += strings.Repeat("x", max(n-mapping.TextLength(out), 0))
	}
	return out
}

func families() []string {
	return []string{"Example", "Sample", "Specimen", "Placeholder", "Testcase", "Fictional", "Madeup", "Nobody"}
}

func givens() []string { return []string{"Ada", "Ben", "Cleo", "Dov", "Esi", "Fay", "Gus", "Hal"} }

// nhsNumber gives a number of the 999 range, which is never issued. What was wrong with the old one is wrong with the new one.
func (v *inventor) nhsNumber(was string) string {
	_, err := fhir.ParseNHSNumber(was)
	digits := strings.Map(func(r rune) rune {
		if r >= '0' && r <= '9' {
			return r
		}
		return -1
	}, was)
	if len(digits) != 10 || strings.Trim(was, "0123456789 -") != "" {
		return "99" + v.shaped(strings.TrimPrefix(was, "99"))[:max(mapping.TextLength(was)-2, 0)]
	}
	for round := 0; ; round++ {
		n := v.number(digits, round, 1_000_000)
		head := []byte("999000000")
		for i := 8; i > 2; i, n = i-1, n/10 {
			head[i] = byte('0' + n%10)
		}
		if last, ok := checkDigit(head); ok {
			if err != nil {
				last = '0' + (last-'0'+1)%10
			}
			return string(append(head, last))
		}
	}
}

// checkDigit is the modulus 11 check digit of nine digits; a remainder of 10 has none (NHS Data Dictionary, NHS NUMBER).
func checkDigit(nine []byte) (byte, bool) {
	sum := 0
	for i, d := range nine {
		sum += int(d-'0') * (10 - i)
	}
	r := (11 - sum%11) % 11
	return byte('0' + r), r != 10
}

// shaped gives a text of the same shape: a digit for a digit, a letter for a letter, everything else as it was. Zeros in front
// stay. No part of it is a valid NHS number.
func (v *inventor) shaped(was string) string {
	if out, ok := v.made[was]; ok {
		return out
	}
	out := was
	for round := 0; round < 100 && strings.Trim(was, "0-./_ ") != ""; round++ {
		if out = v.shape(was, round); out != was && !mapping.HoldsNHSNumber(out) {
			break
		}
	}
	v.made[was] = out
	return out
}

func (v *inventor) shape(was string, round int) string {
	front := true
	i := 0
	return strings.Map(func(r rune) rune {
		i++
		zero := front && (r == '0' || r == '.')
		front = front && (zero || r > unicode.MaxASCII || !unicode.IsLetter(r) && !unicode.IsDigit(r))
		n := func(below int) rune { return rune(v.number(was, round<<16|i, below)) }
		switch {
		case zero:
			return r
		case r >= '0' && r <= '9':
			return '0' + n(10)
		case r >= 'a' && r <= 'f', r >= 'A' && r <= 'F':
			return r - (r-'A')%32 + n(6)
		case unicode.IsUpper(r):
			return 'A' + n(26)
		case unicode.IsLetter(r):
			return 'a' + n(26)
		}
		return r
	}, was)
}

// phone keeps the way in which a number is written and puts one of the ranges in that Ofcom keeps for drama.
func (v *inventor) phone(was string) string {
	digits := strings.Map(onlyDigits, was)
	drama := "01632960"
	if national := strings.TrimPrefix(strings.TrimPrefix(digits, "44"), "0"); strings.HasPrefix(national, "7") {
		drama = "07700900"
	}
	drama += string([]byte{'0' + byte(v.number(was, 1, 10)), '0' + byte(v.number(was, 2, 10)), '0' + byte(v.number(was, 3, 10))})
	if strings.HasPrefix(digits, "44") {
		drama = "44" + drama[1:]
		if strings.HasPrefix(digits, "440") {
			drama = "440" + drama[2:]
		}
	}
	at := 0
	return strings.Map(func(r rune) rune {
		switch {
		case onlyDigits(r) >= 0:
			at++
			if at <= len(drama) {
				return rune(drama[at-1])
			}
			return '0'
		case unicode.IsLetter(r):
			return 'x'
		}
		return r
	}, was)
}

func onlyDigits(r rune) rune {
	if r >= '0' && r <= '9' {
		return r
	}
	return -1
}

// dateShape is a date, dateTime or instant of FHIR (https://hl7.org/fhir/R4/datatypes.html): nothing else may stand behind the day.
var dateShape = pattern.MustOnce(`^(\d{4})(-\d{2})?(-\d{2})?(T\d{2}:\d{2}(:\d{2}(\.\d{1,9})?)?(Z|[+\-]\d{2}:\d{2})?)?$`)

// moved shifts a date by whole days; time, zone and precision stay as they are written. What is no date stays none.
func moved(was string, days int) string {
	m := dateShape().FindStringSubmatch(was)
	layout := "2006-01-02"
	if m != nil {
		layout = layout[:len(m[1])+len(m[2])+len(m[3])]
	}
	at, err := time.Parse(layout, was[:min(len(layout), len(was))])
	if m == nil || err != nil || m[4] != "" && m[3] == "" {
		return noDate(was)
	}
	return at.AddDate(0, 0, days).Format(layout) + was[len(layout):]
}

// noDate gives nines and crosses, and of what looks like an instant the T.
func noDate(was string) string {
	i := -1
	return strings.Map(func(r rune) rune {
		i++
		switch {
		case onlyDigits(r) >= 0:
			return '9'
		case unicode.IsLetter(r) && (r != 'T' || i != len(time.DateOnly)):
			return 'x'
		}
		return r
	}, was)
}

// placeholder is a text of exactly n UTF-16 units, which is how fields count.
func placeholder(n int) string {
	const text = "Invented text "
	out := []byte(strings.Repeat(text, n/len(text)+1)[:n])
	if n > 0 && out[n-1] == ' ' {
		out[n-1] = '.'
	}
	return string(out)
}
