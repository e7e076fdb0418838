package cases

import (
	"errors"
	"fmt"
	"slices"
	"strings"

	"refbridge/config/pattern"
	"refbridge/mapping"
)

// ErrPersonal is wrapped where a synthetic record may still hold something about a person.
var ErrPersonal = errors.New("something personal may have remained")

// noElement stands in a path for a member with a name that must not be shown.
const noElement = "(a name that no element has)"

var (
	mailShape = pattern.MustOnce(`[^\s@/]+@[^\s@/]+\.[a-z]`)
	// postcodeShape finds a UK postcode, with or without its space.
	postcodeShape = pattern.MustOnce(`(?i)(?:^|[^a-z0-9])[a-z]{1,2}\d[a-z\d]?[ _.+\-]?\d[a-z]{2}(?:$|[^a-z0-9])`)
	// postcodeAlone is a code that is one: the second part has none of the letters C, I, K, M, O and V.
	postcodeAlone = pattern.MustOnce(`(?i)^[a-z]{1,2}\d[a-z\d]?\d[abd-hjlnp-uw-z]{2}$`)
	hump          = pattern.MustOnce(`([a-z])([A-Z])`)
)

// remains looks for what may be personal in all that was kept: the words of a name in a code, an identifier in a system.
func (s *synthesiser) remains() error {
	strange := func(name string) bool {
		return !s.elements.has(strings.TrimPrefix(name, "_")) && s.secrets.in(name, code) != ""
	}
	var found [][2]string
	for _, place := range s.strange {
		found = append(found, [2]string{place, "name of an element"})
	}
	for _, m := range s.members {
		if strange(m.What) {
			found = append(found, [2]string{m.Path + "." + noElement, "name of an element"})
		}
	}
	for _, k := range s.kept {
		found = append(found, [2]string{k.path, s.secrets.in(k.text, k.kind)})
	}
	for _, n := range s.numbers {
		found = append(found, [2]string{n.path, s.secrets.number(n.text)})
	}
	var lines []string
	for _, f := range found {
		if f[1] != "" {
			lines = append(lines, fmt.Sprintf("%v: %s (%s)", ErrPersonal, unnamed(f[0], strange), f[1]))
		}
	}
	if len(lines) == 0 {
		return nil
	}
	slices.Sort(lines)
	return personalError{strings.Join(slices.Compact(lines), "\n")}
}

// personalError has a line for each place.
type personalError struct{ lines string }

// Error gives the lines.
func (e personalError) Error() string { return e.lines }

// Unwrap gives ErrPersonal.
func (e personalError) Unwrap() error { return ErrPersonal }

// unnamed gives a path without the names that must not be shown.
func unnamed(path string, strange func(string) bool) string {
	steps := strings.Split(path, ".")
	for i, step := range steps {
		name, _, _ := strings.Cut(step, "[")
		if i == 0 && knownType(name) || name == "" || !mapping.ValidElementName(name) {
			continue
		}
		if strange(name) {
			steps[i] = noElement + step[len(name):]
		}
	}
	return strings.Join(steps, ".")
}
