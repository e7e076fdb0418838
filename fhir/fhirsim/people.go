package fhirsim

import (
	_ "embed"
	"fmt"
	"strconv"
	"strings"
	"time"
)

// firstPerson is where the people of this server start in the population that all simulators share.
const firstPerson = 100_000

//go:embed names.txt
var familyNames string

//go:embed given.txt
var givenNames string

// person n of the shared synthetic population: everybody computes the same one.
type person struct {
	n         int
	nhsNumber string // the n-th valid number from 9990000000 upward
	family    string
	given     string
	birthDate string
	gender    string
}

// persons gives count persons from number first on.
func persons(first, count int) []person {
	families, givens := strings.Fields(familyNames), strings.Fields(givenNames)
	out := make([]person, 0, count)
	born := time.Date(1940, 1, 1, 0, 0, 0, 0, time.UTC)
	for nine, n := 999_000_000, 0; len(out) < count; nine++ {
		check := checkDigit(strconv.Itoa(nine))
		if check == 10 {
			continue
		}
		if n >= first {
			out = append(out, person{
				n: n, nhsNumber: strconv.Itoa(nine) + strconv.Itoa(check),
				family: families[n%len(families)], given: givens[n%len(givens)],
				birthDate: born.AddDate(0, 0, n*379%25000).Format(time.DateOnly),
				gender:    []string{"female", "male", "other", "unknown"}[n%4],
			})
		}
		n++
	}
	return out
}

// checkDigit is modulus 11 (NHS Data Dictionary, NHS NUMBER); 10 means that there is no such number.
func checkDigit(nine string) int {
	sum := 0
	for i := range 9 {
		sum += int(nine[i]-'0') * (10 - i)
	}
	return (11 - sum%11) % 11
}

// patient is a Patient by UK Core (https://simplifier.net/hl7fhirukcorer4). Telephone numbers are of the range that
// Ofcom keeps free for drama, postcodes of the area ZZ99, which has no addresses.
func (p person) patient(trouble int) object {
	out := object{
		"resourceType": "Patient", "id": fmt.Sprintf("p%d", p.n),
		"meta":       object{"profile": list{"https://fhir.hl7.org.uk/StructureDefinition/UKCore-Patient"}},
		"active":     true,
		"identifier": list{object{"system": "https://pas.example.org/patient", "value": fmt.Sprintf("SYN%d", p.n)}},
		"name":       list{object{"use": "official", "family": p.family, "given": list{p.given}}},
		"gender":     p.gender,
		"birthDate":  p.birthDate,
		"telecom":    list{object{"system": "phone", "use": "mobile", "value": fmt.Sprintf("07700 9%05d", p.n%1000)}},
		"address": list{object{
			"use": "home", "line": list{fmt.Sprintf("%d Synthetic Street", 1+p.n%200)}, "city": "Exampleton",
			"postalCode": fmt.Sprintf("ZZ99 %dZZ", p.n%10),
		}},
	}
	number := p.nhsNumber
	switch trouble {
	case withoutNHSNumber:
		return out
	case wrongCheckDigit:
		number = number[:9] + strconv.Itoa((int(number[9]-'0')+1)%10)
	}
	out["identifier"] = append(list{object{
		"extension": list{object{
			"url": "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus",
			"valueCodeableConcept": concept("https://fhir.hl7.org.uk/CodeSystem/UKCore-NHSNumberVerificationStatusEngland",
				"number-present-and-verified", "Number present and verified"),
		}},
		"system": "https://fhir.nhs.uk/Id/nhs-number", "value": number,
	}}, out["identifier"].(list)...)
	return out
}
