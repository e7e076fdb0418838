package mapping

import (
	"regexp"
	"strings"

	"refbridge/fhir"
)

var tenDigitGroups = regexp.MustCompile(`[0-9]{3}[^0-9A-Za-z]{0,3}[0-9]{3}[^0-9A-Za-z]{0,3}[0-9]{4}`)

// NHSNumbers gives where valid NHS numbers stand in a text, each as the byte offsets of its begin and end: exactly ten digits, in one
// run or in groups of three, three and four with spaces, hyphens or other signs between them.
func NHSNumbers(s string) [][2]int {
	var out [][2]int
	digit := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= '0' && s[i] <= '9' }
	for from := 0; from < len(s); {
		span := tenDigitGroups.FindStringIndex(s[from:])
		if span == nil {
			break
		}
		begin, end := from+span[0], from+span[1]
		from = begin + 1
		if !digit(begin-1) && !digit(end) && validNHSNumber(s[begin:end]) {
			out = append(out, [2]int{begin, end})
			from = end
		}
	}
	return out
}

func validNHSNumber(groups string) bool {
	_, err := fhir.ParseNHSNumber(strings.Map(func(r rune) rune {
		if r < '0' || r > '9' {
			return -1
		}
		return r
	}, groups))
	return err == nil
}

// HoldsNHSNumber tells whether a valid NHS number stands in a text.
func HoldsNHSNumber(s string) bool { return len(NHSNumbers(s)) > 0 }
