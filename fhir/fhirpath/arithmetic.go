package fhirpath

import (
	"math/big"
	"time"
)

// arithmetic is + - * / div mod between single items; an empty side gives empty.
func (p pair) arithmetic() op {
	return func(r *evaluation, in span) {
		base, a, b := p.sides(r, in)
		left, okLeft := r.one(a, p.at, p.name)
		right, okRight := r.one(b, p.at, p.name)
		r.drop(base)
		if !okLeft || !okRight {
			return
		}
		v, w := left.value(), right.value()
		if v.kind == absentKind || w.kind == absentKind {
			return
		}
		if _, ok := arithmeticKind(p.name, v.kind, w.kind); !ok {
			r.fail(p.at, "%s %s %s does not work", left.Type(), p.name, right.Type())
			return
		}
		p.compute(r, v, w)
	}
}

func (p pair) compute(r *evaluation, v, w value) {
	switch {
	case v.kind == stringKind:
		r.pushText(p.at, v.text+w.text)
	case v.moment():
		r.move(p, v, w)
	case v.kind == quantityKind || w.kind == quantityKind:
		r.quantities(p, v, w)
	case v.kind == integerKind && w.kind == integerKind && p.name != "/":
		r.integers(p, v.num, w.num)
	default:
		r.decimals(p, v, w)
	}
}

// arithmeticKind gives the kind of a result; ok is false where the operator does not work between the two. nodeKind
// is not known.
func arithmeticKind(name string, a, b kind) (out kind, ok bool) {
	number := func(k kind) bool { return k == integerKind || k == decimalKind }
	switch {
	case a == nodeKind || b == nodeKind:
		return nodeKind, a != booleanKind && b != booleanKind
	case a == stringKind && b == stringKind:
		return stringKind, name == "+"
	case (a == dateKind || a == dateTimeKind || a == timeKind) && b == quantityKind:
		return a, name == "+" || name == "-"
	case a == quantityKind || b == quantityKind:
		same := a == b && name != "div" && name != "mod"
		scaled := number(a) && name == "*" || number(b) && (name == "*" || name == "/")
		return quantityKind, same || scaled
	case !number(a) || !number(b):
		return nodeKind, false
	case name == "div" || a == integerKind && b == integerKind && name != "/":
		return integerKind, true
	}
	return decimalKind, true
}

// integers computes with 32-bit Integers; what does not fit, and a division by zero, is empty.
func (r *evaluation) integers(p pair, a, b int64) {
	var n int64
	switch p.name {
	case "+":
		n = a + b
	case "-":
		n = a - b
	case "*":
		n = a * b
	default:
		if b == 0 {
			return
		}
		if n = a / b; p.name == "mod" {
			n = a % b
		}
	}
	r.pushInteger(n)
}

func (r *evaluation) pushInteger(n int64) {
	if n >= -maxInteger-1 && n <= maxInteger {
		r.push(integerItem(n))
	}
}

func (r *evaluation) decimals(p pair, v, w value) {
	a, b := v.decimal(), w.decimal()
	out, ok := a, true
	switch p.name {
	case "+":
		out = a.add(b)
	case "-":
		out = a.add(b.neg())
	case "*":
		out = a.mul(b)
	case "/":
		out, ok = a.div(b)
	case "div":
		if out, _, ok = a.quotient(b); ok {
			r.pushWhole(out)
		}
		return
	case "mod":
		_, out, ok = a.quotient(b)
	}
	if ok {
		r.pushDecimal(p.at, out)
	}
}

// pushWhole pushes a whole decimal as an Integer; one that does not fit is empty.
func (r *evaluation) pushWhole(d decimal) {
	if n, ok := d.int64(); ok {
		r.pushInteger(n)
	}
}

func (r *evaluation) pushDecimal(at int, d decimal) {
	if d.large() {
		r.fail(at, "a number of more than %d digits", maxDigits)
		return
	}
	r.push(decimalItem(d))
}

// pushValue pushes what was computed.
func (r *evaluation) pushValue(at int, v value) {
	switch v.kind {
	case integerKind:
		r.pushInteger(v.num)
	case booleanKind:
		r.push(booleanItem(v.num != 0))
	case stringKind:
		r.pushText(at, v.text)
	case decimalKind:
		r.pushDecimal(at, v.dec)
	default:
		r.push(Item{kind: v.kind, val: &v})
	}
}

// move adds a Quantity of time to a Date, DateTime or Time, or takes it away.
func (r *evaluation) move(p pair, v, w value) {
	unit, ok := movingUnit(w)
	if !ok {
		r.fail(p.at, "a date moves by years, months, weeks, days and parts of a day, and by no other unit")
		return
	}
	n := w.dec
	if p.name == "-" {
		n = n.neg()
	}
	t, ok := v.time.moved(n, unit, w.word)
	if ok {
		r.push(momentItem(t, v.kind))
	}
}

// movingUnit gives the calendar word for a unit that dates move by. 'mo' and 'a' are no calendar months and years,
// they have a fixed length, so dates do not move by them (https://hl7.org/fhirpath/N1/#datetime-arithmetic).
func movingUnit(w value) (string, bool) {
	if word := calendarUnit(w.unit); word != "" {
		return word, true
	}
	switch w.unit {
	case "wk":
		return "week", true
	case "d":
		return "day", true
	case "h":
		return "hour", true
	case "min":
		return "minute", true
	case "s":
		return "second", true
	case "ms":
		return "millisecond", true
	}
	return "", false
}

// moved adds n units. Fractions are cut off, except those of calendar seconds. What is finer than t's own precision
// is first turned into whole units of that precision; ok is false beyond the years 1 to 9999.
func (t temporal) moved(n decimal, unit string, word bool) (temporal, bool) {
	if !t.day && (unit == "year" || unit == "month" || unit == "week" || unit == "day") {
		return t, false
	}
	if unit == "second" && word && n.scale > 0 {
		n, unit = n.mul(wholeDecimal(1000)), "millisecond"
	}
	count, ok := n.truncate(0).int64()
	if !ok || count > 1e15 || count < -1e15 {
		return t, false
	}
	if unit == "week" {
		count, unit = count*7, "day"
	}
	switch unit {
	case "year", "month":
		return t.months(count, unit)
	}
	return t.exactly(count, unit)
}

// months moves by calendar months: the last day of a shorter month stands for days that it has not.
func (t temporal) months(n int64, unit string) (temporal, bool) {
	if unit == "year" {
		n *= 12
	}
	if t.to == toYear {
		n -= n % 12
	}
	if n > 12*9999 || n < -12*9999 {
		return t, false
	}
	first := time.Date(t.wall.Year(), t.wall.Month(), 1, 0, 0, 0, 0, time.UTC).AddDate(0, int(n), 0)
	last := first.AddDate(0, 1, -1).Day()
	clock := t.wall.Sub(t.wall.Truncate(24 * time.Hour))
	t.wall = first.AddDate(0, 0, min(t.wall.Day(), last)-1).Add(clock)
	return t, t.inRange()
}

// exactly moves by units of a fixed length. A year counts as 365 days and a month as 30 where t is less precise.
func (t temporal) exactly(n int64, unit string) (temporal, bool) {
	length := unitLength(unit)
	switch t.to {
	case toYear:
		return t.months(wholeUnits(n, length, 365*24*time.Hour), "year")
	case toMonth:
		return t.months(wholeUnits(n, length, 30*24*time.Hour), "month")
	}
	finest := t.finest()
	whole := wholeUnits(n, length, finest)
	days, rest := whole/int64(24*time.Hour/finest), whole%int64(24*time.Hour/finest)
	if days > 9999*366 || days < -9999*366 {
		return t, false
	}
	t.wall = t.wall.AddDate(0, 0, int(days)).Add(time.Duration(rest) * finest)
	if !t.day {
		t.wall = time.Date(0, 1, 1, t.wall.Hour(), t.wall.Minute(), t.wall.Second(), t.wall.Nanosecond(), time.UTC)
		return t, true
	}
	if t.to == toSecond && t.wall.Nanosecond() != 0 {
		t.digits = max(t.digits, 3)
	}
	return t, t.inRange()
}

// finest is the length of the smallest unit that t knows.
func (t temporal) finest() time.Duration {
	switch t.to {
	case toDay:
		return 24 * time.Hour
	case toHour:
		return time.Hour
	case toMinute:
		return time.Minute
	}
	return time.Millisecond
}

func (t temporal) inRange() bool { return t.wall.Year() >= 1 && t.wall.Year() <= 9999 }

func unitLength(unit string) time.Duration {
	switch unit {
	case "day":
		return 24 * time.Hour
	case "hour":
		return time.Hour
	case "minute":
		return time.Minute
	case "second":
		return time.Second
	}
	return time.Millisecond
}

// wholeUnits gives how many whole units of one length are in n of another; n times length may not fit an int64.
func wholeUnits(n int64, length, unit time.Duration) int64 {
	product := new(big.Int).Mul(big.NewInt(n), big.NewInt(int64(length)))
	return product.Quo(product, big.NewInt(int64(unit))).Int64()
}
