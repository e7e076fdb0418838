package fhirpath

import (
	"math/big"
	"slices"
	"strings"
)

// calendarUnit gives the singular of a calendar word (days: day), "" for anything else.
func calendarUnit(s string) string {
	word := strings.TrimSuffix(s, "s")
	switch word {
	case "year", "month", "week", "day", "hour", "minute", "second", "millisecond":
		return word
	}
	return ""
}

// measure is a unit taken apart: a factor to the base units and their exponents.
type measure struct {
	factor big.Rat
	powers [baseUnits]int8
}

// The base units. Calendar years and months are units of their own: they have no fixed length.
const (
	metre = iota
	gram
	secondUnit
	mole
	candela
	kelvin
	coulomb
	calendarYear
	baseUnits
)

// measured takes a unit of a Quantity apart; ok is false for a unit that this package does not know.
func measured(v value) (measure, bool) {
	word := calendarUnit(v.unit)
	switch word {
	case "year":
		return base(calendarYear, 12), true
	case "month":
		return base(calendarYear, 1), true
	case "week":
		return parseUnit("wk")
	case "day":
		return parseUnit("d")
	case "hour":
		return parseUnit("h")
	case "minute":
		return parseUnit("min")
	case "second":
		return parseUnit("s")
	case "millisecond":
		return parseUnit("ms")
	}
	return parseUnit(v.unit)
}

func base(unit int, factor int64) measure {
	var m measure
	m.factor.SetInt64(factor)
	m.powers[unit] = 1
	return m
}

// parseUnit reads the part of UCUM that is a product of known units: mg, m2, g/m, /min, 10*3/uL, mm[Hg] is not.
func parseUnit(s string) (measure, bool) {
	var out measure
	out.factor.SetInt64(1)
	invert := false
	for s != "" {
		if s[0] == '/' {
			invert, s = true, s[1:]
		}
		end := strings.IndexAny(s, "./")
		if end < 0 {
			end = len(s)
		}
		m, exponent, ok := parseFactor(s[:end])
		if !ok {
			return measure{}, false
		}
		if invert {
			exponent = -exponent
		}
		if out.multiply(m, exponent); !out.small() {
			return measure{}, false
		}
		if s = s[end:]; s == "" {
			break
		}
		invert = s[0] == '/'
		if s = s[1:]; s == "" {
			return measure{}, false
		}
	}
	return out, true
}

// parseFactor reads one unit with its exponent: cm, m2, s-1, 1, 10*3.
func parseFactor(s string) (measure, int, bool) {
	name := strings.TrimRight(s, "0123456789")
	digits := s[len(name):]
	sign := 1
	if rest, ok := strings.CutSuffix(name, "-"); ok && digits != "" {
		name, sign = rest, -1
	}
	if name == "" && digits == "1" {
		return base(metre, 1).power(0), 1, true
	}
	exponent := 1
	if digits != "" {
		n, ok := number(digits, 1, 9)
		if !ok {
			return measure{}, 0, false
		}
		exponent = n
	}
	m, ok := atom(name)
	if !ok {
		m, ok = prefixed(name)
	}
	return m, sign * exponent, ok
}

func prefixed(name string) (measure, bool) {
	for _, p := range []struct {
		prefix string
		tens   int
	}{{"da", 1}, {"k", 3}, {"h", 2}, {"d", -1}, {"c", -2}, {"m", -3}, {"u", -6}, {"n", -9}, {"p", -12}, {"f", -15}, {"M", 6}, {"G", 9}} {
		rest, ok := strings.CutPrefix(name, p.prefix)
		if !ok || !metric(rest) {
			continue
		}
		m, _ := atom(rest)
		m.factor.Mul(&m.factor, tens(p.tens))
		return m, true
	}
	return measure{}, false
}

func tens(n int) *big.Rat {
	if n < 0 {
		return new(big.Rat).SetFrac(big.NewInt(1), power10(-n))
	}
	return new(big.Rat).SetInt(power10(n))
}

func metric(name string) bool {
	switch name {
	case "m", "g", "s", "mol", "cd", "K", "C", "L", "l":
		return true
	}
	return false
}

// atom gives a unit without a prefix (https://ucum.org/ucum, the units of everyday clinical use).
func atom(name string) (measure, bool) {
	length := func(ratio string) (measure, bool) { return scaled(metre, 1, ratio), true }
	weight := func(ratio string) (measure, bool) { return scaled(gram, 1, ratio), true }
	duration := func(seconds string) (measure, bool) { return scaled(secondUnit, 1, seconds), true }
	switch name {
	case "m":
		return length("1")
	case "[in_i]":
		return length("0.0254")
	case "[ft_i]":
		return length("0.3048")
	case "[yd_i]":
		return length("0.9144")
	case "[mi_i]":
		return length("1609.344")
	case "g":
		return weight("1")
	case "t":
		return weight("1000000")
	case "[lb_av]":
		return weight("453.59237")
	case "[oz_av]":
		return weight("28.349523125")
	case "s":
		return duration("1")
	case "min":
		return duration("60")
	case "h":
		return duration("3600")
	case "d":
		return duration("86400")
	case "wk":
		return duration("604800")
	case "mo":
		return duration("2629800")
	case "a":
		return duration("31557600")
	case "L", "l":
		return scaled(metre, 3, "0.001"), true
	case "mol":
		return base(mole, 1), true
	case "cd":
		return base(candela, 1), true
	case "K":
		return base(kelvin, 1), true
	case "C":
		return base(coulomb, 1), true
	case "%":
		return scaled(metre, 0, "0.01"), true
	case "10*", "10^":
		return scaled(metre, 0, "10"), true
	}
	return measure{}, false
}

func scaled(unit, power int, ratio string) measure {
	var m measure
	m.factor.SetString(ratio)
	m.powers[unit] = int8(power)
	return m
}

func (m measure) power(n int) measure {
	var out measure
	out.factor.SetInt64(1)
	out.multiply(m, n)
	return out
}

// multiply takes another unit in, to a power.
func (m *measure) multiply(o measure, power int) {
	factor := &o.factor
	if power < 0 {
		factor = new(big.Rat).Inv(factor)
	}
	for range max(power, -power) {
		m.factor.Mul(&m.factor, factor)
	}
	for i := range m.powers {
		m.powers[i] += o.powers[i] * int8(power)
	}
}

// small tells whether every exponent is one digit, as what people measure is.
func (m *measure) small() bool {
	return slices.Max(m.powers[:]) <= 9 && slices.Min(m.powers[:]) >= -9
}

// amount gives a quantity in base units.
func amount(v value, m measure) *big.Rat {
	n := new(big.Rat).SetFrac(v.dec.big(), power10(v.dec.scale))
	return n.Mul(n, &m.factor)
}

// compareQuantities gives the order of two quantities: yes where it is known. It is unknown where the units are of
// different kinds, where one is not known to this package and the other is another, and between calendar and fixed
// months and years.
func compareQuantities(a, b value) (int, truth) {
	if a.unit == b.unit && a.word == b.word || calendarUnit(a.unit) != "" && calendarUnit(a.unit) == calendarUnit(b.unit) {
		return a.dec.cmp(b.dec), yes
	}
	m, okA := measured(a)
	n, okB := measured(b)
	if !okA || !okB || m.powers != n.powers {
		return 0, unknown
	}
	return amount(a, m).Cmp(amount(b, n)), yes
}

// similarQuantities is ~: equal after rounding to the lesser precision, in the unit of the less precise one.
func similarQuantities(a, b value) bool {
	if _, t := compareQuantities(a, b); t != yes {
		return false
	}
	if b.dec.trimmed().scale < a.dec.trimmed().scale {
		a, b = b, a
	}
	m, okA := measured(a)
	n, okB := measured(b)
	if !okA || !okB {
		return similarNumbers(a.dec, b.dec)
	}
	converted := amount(b, n)
	converted.Quo(converted, &m.factor)
	digits := a.dec.trimmed().scale
	d, ok := parseDecimal(converted.FloatString(digits))
	return ok && d.cmp(a.dec.round(digits)) == 0
}

// quantities computes with at least one Quantity: sums in the unit of the left side, products and quotients in
// base units where the units differ.
func (r *evaluation) quantities(p pair, v, w value) {
	switch {
	case p.name == "+" || p.name == "-":
		r.addQuantities(p, v, w)
	case v.kind != quantityKind:
		w.dec = w.dec.mul(v.decimal())
		r.pushQuantity(p.at, w)
	case w.kind != quantityKind && p.name == "*":
		v.dec = v.dec.mul(w.decimal())
		r.pushQuantity(p.at, v)
	case w.kind != quantityKind:
		d, ok := v.dec.div(w.decimal())
		if v.dec = d; ok {
			r.pushQuantity(p.at, v)
		}
	default:
		r.multiplyQuantities(p, v, w)
	}
}

func (r *evaluation) pushQuantity(at int, v value) {
	if v.dec.large() {
		r.fail(at, "a number of more than %d digits", maxDigits)
		return
	}
	r.push(Item{kind: quantityKind, val: &v})
}

func (r *evaluation) addQuantities(p pair, v, w value) {
	if p.name == "-" {
		w.dec = w.dec.neg()
	}
	if v.unit == w.unit && v.word == w.word {
		v.dec = v.dec.add(w.dec)
		r.pushQuantity(p.at, v)
		return
	}
	m, okA := measured(v)
	n, okB := measured(w)
	if !okA || !okB || m.powers != n.powers {
		return
	}
	sum := amount(w, n)
	d, ok := exact(sum.Quo(sum, &m.factor))
	if v.dec = v.dec.add(d); ok {
		r.pushQuantity(p.at, v)
	}
}

// exact turns a ratio into a decimal, rounded at divisionScale digits where it does not end before.
func exact(x *big.Rat) (decimal, bool) {
	d, ok := parseDecimal(x.FloatString(divisionScale))
	return d.trimmed(), ok
}

// multiplyQuantities gives the product or quotient in base units; units that are not known give empty.
func (r *evaluation) multiplyQuantities(p pair, v, w value) {
	m, okA := measured(v)
	n, okB := measured(w)
	if !okA || !okB || m.powers[calendarYear] != 0 || n.powers[calendarYear] != 0 {
		return
	}
	x, y := amount(v, m), amount(w, n)
	power := 1
	if p.name == "/" {
		if power = -1; y.Sign() == 0 {
			return
		}
		y.Inv(y)
	}
	m.multiply(n, power)
	if d, ok := exact(x.Mul(x, y)); ok && m.small() {
		r.pushQuantity(p.at, value{kind: quantityKind, dec: d, unit: m.String()})
	}
}

// String writes the base units: m2, g.m-1.
func (m measure) String() string {
	var parts []string
	for i, p := range m.powers {
		name := [baseUnits]string{"m", "g", "s", "mol", "cd", "K", "C", ""}[i]
		switch {
		case p == 1:
			parts = append(parts, name)
		case p < 0:
			parts = append(parts, name+"-"+string('0'-rune(p)))
		case p > 1:
			parts = append(parts, name+string('0'+rune(p)))
		}
	}
	if parts == nil {
		return "1"
	}
	return strings.Join(parts, ".")
}
