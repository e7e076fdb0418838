package mapping

import (
	"slices"
	"strconv"
	"time"
	"unicode/utf8"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
)

// Names, addresses, telephone numbers and identifiers have a use and a period (FHIR R4, datatypes.html#HumanName, #Address,
// #ContactPoint, #Identifier): "the time when it was or will be in use". What is old, over, or not begun is not of today. A message
// about care to a number that somebody gave up goes to a stranger.

// now returns the moment of mapping, to which current things are compared.
func (m *Mapper) now() time.Time {
	if m.in.Now.IsZero() {
		return time.Now()
	}
	return m.in.Now
}

// isCurrent reports whether something with a use and a period is in use at a moment. The end of a period includes all of its last day,
// month or year in the zone.
func isCurrent(n fhir.Node, now time.Time, zone *time.Location) (bool, *trouble) {
	if n.Get("use").Text() == "old" {
		return false, nil
	}
	period := n.Get("period")
	if !period.Exists() {
		return true, nil
	}
	first, last := period.Get("start").Text(), period.Get("end").Text()
	current := true
	if !blankText(first) {
		begin, ok := fhir.ParseExtent(first, zone)
		if !ok {
			return false, noDateTime(first)
		}
		current = !now.Before(begin.First)
	}
	if !blankText(last) {
		end, ok := fhir.ParseExtent(last, zone)
		if !ok {
			return false, noDateTime(last)
		}
		current = current && now.Before(end.Last.Add(time.Second))
	}
	return current, nil
}

func noDateTime(s string) *trouble {
	return badValue("the period has a text of %d characters that is not a FHIR dateTime", utf8.RuneCountInString(s))
}

// current keeps what is in use now, the preferred first: by rank, then by use, postal addresses before those that are only
// visited, and otherwise in the order of the source.
func current(m *Mapper, in fhirpath.Collection) (fhirpath.Collection, *trouble) {
	var out fhirpath.Collection
	for _, item := range in {
		if item.Primitive() {
			return nil, badValue("the source gives a text, and only something with a use and a period can be current")
		}
		is, trouble := isCurrent(item.Node(), m.now(), m.set.zone)
		if trouble != nil {
			return nil, trouble
		}
		if is {
			out = append(out, item)
		}
	}
	slices.SortStableFunc(out, func(a, b fhirpath.Item) int { return slices.Compare(preference(a.Node()), preference(b.Node())) })
	return out, nil
}

// preference orders what is in use now; the lower counts.
func preference(n fhir.Node) []int {
	rank, err := strconv.Atoi(n.Get("rank").Text())
	if err != nil || rank < 1 {
		rank = 1 << 30
	}
	uses := []string{"official", "usual", "home", "mobile", "", "temp", "secondary", "work", "billing"}
	use := slices.Index(uses, n.Get("use").Text())
	if use < 0 {
		use = len(uses)
	}
	visited := 0
	if n.Get("type").Text() == "physical" {
		visited = 1
	}
	return []int{rank, visited, use}
}

// contact is the value of the preferred ContactPoint of those that are in use now.
func contact(m *Mapper, in fhirpath.Collection) (fhirpath.Collection, *trouble) {
	points, trouble := current(m, in)
	if trouble != nil {
		return nil, trouble
	}
	for _, point := range points {
		if value := point.Node().Get("value").Text(); !blankText(value) {
			return m.one(value), nil
		}
	}
	return nil, nil
}
