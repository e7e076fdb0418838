package fhirpath

// moments adds the functions of time, of precision and of units.
func moments(all map[string]function) {
	all["now"] = clock(dateTimeKind, func(r *evaluation) temporal { return momentOf(r.now()) })
	all["today"] = clock(dateKind, func(r *evaluation) temporal { return dateOf(r.now()) })
	all["timeOfDay"] = clock(timeKind, func(r *evaluation) temporal {
		t := momentOf(r.now())
		t.day, t.zoned, t.offset = false, false, 0
		t.wall = t.wall.AddDate(-t.wall.Year(), 1-int(t.wall.Month()), 1-t.wall.Day())
		return t
	})
	all["precision"] = single(0, nodeKind, integerKind, precisionOf)
	all["lowBoundary"] = single(1, nodeKind, nodeKind, func(r *evaluation, at int, in Item, args []Item) { r.boundary(at, in, args, false) })
	all["highBoundary"] = single(1, nodeKind, nodeKind, func(r *evaluation, at int, in Item, args []Item) { r.boundary(at, in, args, true) })
	comparable := single(1, nodeKind, booleanKind, comparableTo)
	comparable.min = 1
	all["comparable"] = comparable
}

func clock(k kind, read func(r *evaluation) temporal) function {
	return function{0, 0, func(*compiler, call) (op, shape) {
		return func(r *evaluation, _ span) { r.push(momentItem(read(r), k)) }, systemShape(k)
	}}
}

// digitsOf gives the precision of a date or time in digits, as precision() counts them: 2014-01 has 6.
func (t temporal) digitsOf() int {
	n := []int{0, 4, 6, 8, 10, 12, 14}[t.to]
	if t.digits > 0 {
		n += int(t.digits)
	}
	if !t.day {
		n -= 8
	}
	return n
}

func precisionOf(r *evaluation, at int, in Item, _ []Item) {
	switch v := in.value(); {
	case v.moment():
		r.push(integerItem(int64(v.time.digitsOf())))
	case v.number():
		r.push(integerItem(int64(v.decimal().scale)))
	default:
		r.fail(at, "precision() wants a number, date or time, not %s", in.Type())
	}
}

// boundary gives the least or the greatest value that an item may stand for, to a precision: digits after the point
// of a number (8 where none is given), digits in all of a date or time (8, 17 and 9).
func (r *evaluation) boundary(at int, in Item, args []Item, high bool) {
	v := in.value()
	digits := int64(-1)
	given := len(args) == 1
	if given {
		var ok bool
		if digits, ok = r.integer(args[0], at, "boundary"); !ok || digits < 0 {
			return
		}
	}
	switch {
	case v.number() || v.kind == quantityKind:
		r.numberBoundary(at, v, digits, high)
	case v.moment():
		if t, ok := v.time.boundary(int(digits), v.kind, high); ok {
			r.push(momentItem(t, v.kind))
		}
	default:
		r.fail(at, "a boundary is of a number, date or time, not of %s", in.Type())
	}
}

// maxBoundaryDigits is the greatest precision of a decimal (https://hl7.org/fhirpath/#decimal).
const maxBoundaryDigits = 28

// numberBoundary moves by half a unit of the last digit. The bound nearer to zero is then cut to the precision, the
// farther one rounded, as the suite of FHIR R4 has it.
func (r *evaluation) numberBoundary(at int, v value, digits int64, high bool) {
	if digits < 0 {
		digits = 8
	}
	if digits > maxBoundaryDigits {
		return
	}
	d := v.decimal()
	half := decimal{coef: wholeDecimal(5).coef, scale: d.scale + 1}
	if !high {
		half = half.neg()
	}
	outward := high == (d.sign() >= 0)
	if d = d.add(half); outward {
		d = d.round(int(digits))
	} else {
		d = d.truncate(int(digits))
	}
	v.dec = d.padded(int(digits))
	if v.kind == integerKind {
		v.kind = decimalKind
	}
	r.pushValue(at, v)
}

// boundary fills what t does not know with the smallest or the greatest values, to a number of digits. An hour alone
// is read as its first minute, for FHIR has no hours alone.
func (t temporal) boundary(digits int, k kind, high bool) (temporal, bool) {
	to, fraction, ok := asked(digits, k)
	if !ok {
		return t, false
	}
	if t.to == toHour {
		t.to = toMinute
	}
	if high {
		t.wall = t.end().wall
	}
	if to < toHour && k == dateTimeKind || k == timeKind {
		t.zoned, t.offset = false, 0
	} else if k == dateTimeKind && !t.zoned {
		if t.zoned, t.offset = true, eastmost; high {
			t.offset = westmost
		}
	}
	t.to, t.digits = to, uint8(fraction)
	t.wall = cut(t.wall, to)
	return t, true
}

// asked turns a precision in digits into the finest field and the digits of the fraction; -1 is the finest.
func asked(digits int, k kind) (to precision, fraction int, ok bool) {
	if k == timeKind && digits >= 0 {
		digits += 8
	}
	switch digits {
	case -1:
		if k == dateKind {
			return toDay, 0, true
		}
		return toSecond, 3, true
	case 4:
		return toYear, 0, true
	case 6:
		return toMonth, 0, true
	case 8:
		return toDay, 0, k != timeKind
	case 10:
		return toHour, 0, k != dateKind
	case 12:
		return toMinute, 0, k != dateKind
	case 14:
		return toSecond, 0, k != dateKind
	case 17:
		return toSecond, 3, k != dateKind
	}
	return noPrecision, 0, false
}

// comparableTo tells whether two quantities measure the same kind of thing. Units that this package does not know
// compare only with themselves.
func comparableTo(r *evaluation, at int, in Item, args []Item) {
	v, w := in.value(), args[0].value()
	if v.kind != quantityKind || w.kind != quantityKind {
		r.fail(at, "comparable() wants quantities, not %s and %s", in.Type(), args[0].Type())
		return
	}
	_, t := compareQuantities(v, w)
	r.push(booleanItem(t == yes))
}
