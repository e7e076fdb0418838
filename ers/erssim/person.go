package erssim

import "strconv"

// firstTestNumber starts the 999 range: NHS numbers that are valid and are never issued.
const firstTestNumber = 9990000000

// Person is one of the synthetic people whom the simulators of all far ends share. e-RS knows no more of them than the
// NHS number.
type Person struct {
	N         int    `json:"n"`         // 0, 1, 2 …
	NHSNumber string `json:"nhsNumber"` // the N-th valid number from 9990000000 upward
}

// People gives the persons who have a referral here, by ascending number.
func (s *Server) People() []Person {
	numbers := nhsNumbers(persons(s.options.Referrals))
	seen := make([]bool, len(numbers))
	for i := range s.options.Referrals {
		seen[personOf(i, s.options.Referrals)] = true
	}
	var out []Person
	for n, number := range numbers {
		if seen[n] {
			out = append(out, Person{N: n, NHSNumber: number})
		}
	}
	return out
}

// persons is the number of people among whom n referrals are dealt out: some have several.
func persons(n int) int { return max(1, n*9/10) }

// personOf gives the person of referral i of n.
func personOf(i, n int) int { return i * 7 % persons(n) }

// nhsNumbers gives the first n valid NHS numbers of the test range.
func nhsNumbers(n int) []string {
	out := make([]string, 0, n)
	for candidate := firstTestNumber / 10; len(out) < n; candidate++ {
		nine := strconv.Itoa(candidate)
		if check, ok := checkDigit(nine); ok {
			out = append(out, nine+check)
		}
	}
	return out
}

// checkDigit gives the modulus 11 check digit of nine digits; there is none where it would be 10
// (NHS Data Dictionary, NHS NUMBER).
func checkDigit(nine string) (string, bool) {
	sum := 0
	for i := range 9 {
		sum += int(nine[i]-'0') * (10 - i)
	}
	check := (11 - sum%11) % 11
	return strconv.Itoa(check), check < 10
}

// miscounted gives the number with another check digit.
func miscounted(number string) string {
	last := number[9]
	return number[:9] + string('0'+(last-'0'+1)%10)
}
