package mapping

import (
	"strings"

	"refbridge/config/pattern"
	"refbridge/fhir"
)

var (
	digitRun   = pattern.MustOnce(`[0-9]+`)
	digitBreak = pattern.MustOnce(`^[^0-9A-Za-z]{1,3}$`)
)

// NHSNumbers gives where valid NHS numbers stand in a text, each as the byte offsets of its begin and end: exactly ten digits, in one
// run or in groups of any length with spaces, hyphens or other signs between them. Numbers with dots between them are an OID
// where there are more of them.
func NHSNumbers(s string) [][2]int {
	if countDigits(s) < 10 {
		return nil
	}
	var out [][2]int
	runs := digitRun().FindAllStringIndex(s, -1)
	joined := func(i int) bool {
		return i > 0 && i < len(runs) && digitBreak().MatchString(s[runs[i-1][1]:runs[i][0]])
	}
	dotted := func(i int) bool { return joined(i) && s[runs[i-1][1]:runs[i][0]] == "." }
	for i := 0; i < len(runs); i++ {
		digits, dots, last := runs[i][1]-runs[i][0], true, i
		for digits < 10 && joined(last+1) {
			last++
			digits, dots = digits+runs[last][1]-runs[last][0], dots && dotted(last)
		}
		begin, end := runs[i][0], runs[last][1]
		oid := last > i && dots && (dotted(i) || dotted(last+1))
		if digits == 10 && !oid && validNHSNumber(s[begin:end]) {
			out = append(out, [2]int{begin, end})
			i = last
		}
	}
	return out
}

func countDigits(s string) int {
	n := 0
	for i := range len(s) {
		if s[i] >= '0' && s[i] <= '9' {
			n++
		}
	}
	return n
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

// SystemSNOMED is the code system SNOMED CT. Some of its codes pass for NHS numbers.
const SystemSNOMED = "http://snomed.info/sct"

// SNOMEDConcept tells whether ten digits are a concept of SNOMED CT: partition 00 and the check digit of Verhoeff (SNOMED CT Technical
// Implementation Guide, 6.2 and 6.5). Longer ones cannot be taken for NHS numbers.
func SNOMEDConcept(digits string) bool {
	if len(digits) != 10 || digits[0] == '0' || digits[7:9] != "00" || strings.Trim(digits, "0123456789") != "" {
		return false
	}
	// The dihedral group of order ten, and the permutation for each place.
	table := [10]string{"0123456789", "1234067895", "2340178956", "3401289567", "4012395678", "5987604321", "6598710432", "7659821043", "8765932104", "9876543210"}
	permutation := [8]string{"0123456789", "1576283094", "5803796142", "8916043527", "9453126870", "4286573901", "2793806415", "7046913258"}
	check := byte('0')
	for i := range digits {
		at := permutation[i%8][digits[len(digits)-1-i]-'0']
		check = table[check-'0'][at-'0']
	}
	return check == '0'
}
