package fhir

import (
	"errors"
	"fmt"
	"strings"
)

// The systems under which an NHS number stands: the current one, and the one that e-RS sends in STU3 resources.
const (
	SystemNHSNumber     = "https://fhir.nhs.uk/Id/nhs-number"
	SystemNHSNumberSTU3 = "http://fhir.nhs.net/Id/nhs-number"
	SystemUBRN          = "https://fhir.nhs.uk/Id/UBRN"
)

// Why a text is not an NHS number. The errors never hold the text.
var (
	ErrNHSNumberMissing = errors.New("NHS number is missing")
	ErrNHSNumberFormat  = errors.New("NHS number does not have ten digits")
	ErrNHSNumberCheck   = errors.New("NHS number has a wrong check digit")
	// ErrNHSNumberPlaceholder: one digit ten times fits the check digit and is typed where the number is not known.
	ErrNHSNumberPlaceholder = errors.New("NHS number is a placeholder (one digit, ten times): it names nobody")
)

// NHSNumber is a valid NHS number. Like Private it does not print itself.
type NHSNumber struct{ digits Private }

// ParseNHSNumber strips spaces and hyphens and checks ten digits with the modulus 11 check digit
// (NHS Data Dictionary, NHS NUMBER). It fails with one of the ErrNHSNumber… errors.
func ParseNHSNumber(s string) (NHSNumber, error) {
	if strings.ContainsAny(s, " -") {
		s = strings.ReplaceAll(strings.ReplaceAll(s, " ", ""), "-", "")
	}
	if s == "" {
		return NHSNumber{}, ErrNHSNumberMissing
	}
	if len(s) != 10 {
		return NHSNumber{}, ErrNHSNumberFormat
	}
	sum := 0
	for i := range 10 {
		c := s[i]
		if c < '0' || c > '9' {
			return NHSNumber{}, ErrNHSNumberFormat
		}
		if i < 9 {
			sum += int(c-'0') * (10 - i)
		}
	}
	if check := (11 - sum%11) % 11; check == 10 || byte(check)+'0' != s[9] {
		return NHSNumber{}, ErrNHSNumberCheck
	}
	if strings.Count(s, s[:1]) == len(s) {
		return NHSNumber{}, ErrNHSNumberPlaceholder
	}
	return NHSNumber{digits: Private(s)}, nil
}

// Reveal gives the ten digits.
func (n NHSNumber) Reveal() string { return n.digits.Reveal() }

// IsZero tells whether n is no number at all.
func (n NHSNumber) IsZero() bool { return n.digits == "" }

// IsTest tells whether the number is in the 999 range, which is valid and never issued.
func (n NHSNumber) IsTest() bool { return strings.HasPrefix(string(n.digits), "999") }

// Format gives a placeholder for every verb.
func (n NHSNumber) Format(s fmt.State, verb rune) { n.digits.Format(s, verb) }

// String gives a placeholder.
func (n NHSNumber) String() string { return n.digits.String() }

// GoString gives a placeholder.
func (n NHSNumber) GoString() string { return n.digits.String() }
