package mapping

import (
	"fmt"
	"strings"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
)

// readable gives what a person reads of a coded or complex value: the text of a CodeableConcept, else the display of
// its first coding that has one, else the first code; the display of a Coding or Reference; the comparator, value and
// unit of a Quantity; texts as they are.
func readable(m *Mapper, in fhirpath.Collection) (fhirpath.Collection, *trouble) {
	var out fhirpath.Collection
	for _, item := range in {
		n := item.Node()
		if n.Kind() != fhir.Object {
			out = append(out, m.one(item.Text())...)
			continue
		}
		s := firstText(n.Get("text"), n.Get("display"))
		if s == "" && n.Get("coding").Exists() {
			s = readableCoding(n.Get("coding"))
		}
		if s == "" && n.Get("value").Exists() {
			s = strings.TrimSpace(n.Get("comparator").Text() + " " + n.Get("value").Text() + " " + firstText(n.Get("unit"), n.Get("code")))
		}
		if s == "" {
			s = n.Get("code").Text()
		}
		if s == "" && wordless(n) {
			continue
		}
		if s == "" {
			return nil, badValue("the value has no text, display or code to read")
		}
		out = append(out, fhirpath.StringItem(s))
	}
	return out, nil
}

// wordless reports whether a value has words that show nothing: it says as little as one that is not there.
func wordless(n fhir.Node) bool {
	words := n.Get("text").Text() + n.Get("display").Text()
	for c := range n.Get("coding").Items() {
		words += c.Get("display").Text()
	}
	return words != ""
}

func readableCoding(codings fhir.Node) string {
	for c := range codings.Items() {
		if s := c.Get("display").Text(); !blankText(s) {
			return s
		}
	}
	return codings.At(0).Get("code").Text()
}

func firstText(nodes ...fhir.Node) string {
	for _, n := range nodes {
		if s := n.Text(); !blankText(s) {
			return s
		}
	}
	return ""
}

// humanNameTransform: humanName(part) picks the name to use among all names of a person (official, else usual, else
// the first; never one that is old, over or not begun) and returns a part of it.
func humanNameTransform(args []string) (Transform, error) {
	t := Transform{Name: "humanName", takes: "FHIR.HumanName"}
	if len(args) != 1 {
		return t, fmt.Errorf("humanName takes one of family, given, middle, prefix, full, for example humanName(family)")
	}
	part, err := namePart(args[0])
	if err != nil {
		return t, err
	}
	t.apply = func(m *Mapper, in fhirpath.Collection) (fhirpath.Collection, *trouble) {
		name, trouble := m.currentName(in)
		return m.one(part(name)), trouble
	}
	return t, nil
}

func namePart(part string) (func(fhir.Node) string, error) {
	switch part {
	case "family":
		return func(n fhir.Node) string { return n.Get("family").Text() }, nil
	case "given":
		return func(n fhir.Node) string { return n.Get("given").At(0).Text() }, nil
	case "middle":
		return func(n fhir.Node) string {
			return strings.TrimSpace(strings.TrimPrefix(joined(n.Get("given")), n.Get("given").At(0).Text()))
		}, nil
	case "prefix":
		return func(n fhir.Node) string { return n.Get("prefix").At(0).Text() }, nil
	case "full":
		return fullName, nil
	}
	return nil, fmt.Errorf("humanName takes one of family, given, middle, prefix, full")
}

func fullName(n fhir.Node) string {
	if s := n.Get("text").Text(); !blankText(s) {
		return s
	}
	parts := []string{joined(n.Get("prefix")), joined(n.Get("given")), n.Get("family").Text(), joined(n.Get("suffix"))}
	return strings.Join(strings.Fields(strings.Join(parts, " ")), " ")
}

func joined(n fhir.Node) string {
	var parts []string
	for item := range n.Items() {
		parts = append(parts, item.Text())
	}
	return strings.Join(parts, " ")
}

// currentName returns the name to use of those that are in use now; none where all are over, or not begun.
func (m *Mapper) currentName(names fhirpath.Collection) (best fhir.Node, _ *trouble) {
	rank := unusable
	for _, item := range names {
		is, trouble := isCurrent(item.Node(), m.now(), m.set.zone)
		if trouble != nil {
			return fhir.Node{}, trouble
		}
		if r := nameRank(item.Node().Get("use").Text()); is && r < rank {
			best, rank = item.Node(), r
		}
	}
	return best, nil
}

const unusable = 4

// nameRank orders the uses of a name; an old name is never used, and one from before a marriage only where there is no other.
func nameRank(use string) int {
	switch use {
	case "official":
		return 0
	case "usual":
		return 1
	case "maiden":
		return 3
	case "old":
		return unusable
	}
	return 2
}
