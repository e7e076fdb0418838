package mapping

import (
	"bytes"
	"slices"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// privateKeys refuses a key that holds the NHS number of the patient, be it that of a record or of one that a field points to:
// keys travel in URLs and end in access logs.
func (m *Mapper) privateKeys() {
	if len(m.out.Records) == 0 {
		return
	}
	numbers := numbersIn(nil, m.in.Focus.Root())
	for _, r := range m.reached {
		numbers = numbersIn(numbers, r.Root())
	}
	for _, r := range m.out.Records {
		for _, f := range r.Record.Fields {
			if f.Value.Kind() == sobject.Lookup && f.Value.To().Field == "nhsNumber" {
				numbers = withNumber(numbers, f.Value.LookupKey())
			}
		}
	}
	for _, r := range m.out.Records {
		m.privateKey(r.Record.Key.Value, numbers, r.Key, r.Record.Key.Field)
		for i, f := range r.Record.Fields {
			if f.Value.Kind() == sobject.Ref {
				m.privateKey(f.Value.Key(), numbers, r.Rules[i], f.Name)
			}
		}
	}
}

func (m *Mapper) privateKey(key string, numbers [][]byte, rule Rule, field string) {
	if len(numbers) == 0 || !holdsOne(key, numbers) {
		return
	}
	m.add(rule.Place, nil, field, badValue("the key would hold the patient's NHS number, and keys stand in URLs"))
}

// holdsOne tells whether a key holds one of the numbers, however it is broken up.
func holdsOne(key string, numbers [][]byte) bool {
	var space [256]byte
	plain := space[:0]
	for i := range len(key) {
		if c := key[i]; c != '.' && c != '-' && c != '_' && c != ' ' {
			plain = append(plain, c)
		}
	}
	return slices.ContainsFunc(numbers, func(n []byte) bool { return bytes.Contains(plain, n) })
}

// numbersIn adds the NHS numbers of all identifiers below a node. A number that merely looks like one, as a UBRN may, is none.
func numbersIn(out [][]byte, n fhir.Node) [][]byte {
	if n.Kind() == fhir.Object {
		switch n.Member(nameSystem).Text() {
		case fhir.SystemNHSNumber, fhir.SystemNHSNumberSTU3:
			out = withNumber(out, n.Member(nameValue).Text())
		}
	}
	for c := n.First(); c.Exists(); c = c.Next() {
		if c.Kind() >= fhir.Array {
			out = numbersIn(out, c)
		}
	}
	return out
}

// withNumber adds the ten digits of a text, however they are broken up; a text with more or fewer is no NHS number.
func withNumber(out [][]byte, text string) [][]byte {
	var digits []byte
	for i := range len(text) {
		if text[i]-'0' <= 9 {
			digits = append(digits, text[i])
		}
	}
	if len(digits) != 10 {
		return out
	}
	return append(out, digits)
}
