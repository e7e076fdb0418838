package fhirpath

import "math"

// numbers adds the mathematical functions. Sums, products and roundings are exact; roots, powers and logarithms are
// computed in binary and rounded to 8 digits after the point.
func numbers(all map[string]function) {
	all["abs"] = number1(nodeKind, func(r *evaluation, at int, v value) {
		if v.decimal().sign() < 0 || v.num < 0 {
			v.num, v.dec = -v.num, v.dec.neg()
		}
		r.pushValue(at, v)
	})
	all["ceiling"] = number1(integerKind, func(r *evaluation, _ int, v value) { r.pushWhole(v.decimal().ceiling()) })
	all["floor"] = number1(integerKind, func(r *evaluation, _ int, v value) { r.pushWhole(v.decimal().floor()) })
	all["truncate"] = number1(integerKind, func(r *evaluation, _ int, v value) { r.pushWhole(v.decimal().truncate(0)) })
	all["sqrt"] = number1(decimalKind, func(r *evaluation, at int, v value) { r.pushFloat(at, math.Sqrt(v.decimal().float())) })
	all["exp"] = number1(decimalKind, func(r *evaluation, at int, v value) { r.pushFloat(at, math.Exp(v.decimal().float())) })
	all["ln"] = number1(decimalKind, func(r *evaluation, at int, v value) { r.pushFloat(at, math.Log(v.decimal().float())) })
	all["log"] = number2(decimalKind, func(r *evaluation, at int, v, base value) {
		r.pushFloat(at, math.Log(v.decimal().float())/math.Log(base.decimal().float()))
	})
	all["power"] = number2(nodeKind, power)
	all["round"] = single(1, nodeKind, decimalKind, round)
}

// number1 makes a function of one number.
func number1(out kind, f func(r *evaluation, at int, v value)) function {
	return single(0, nodeKind, out, func(r *evaluation, at int, in Item, _ []Item) {
		if v, ok := r.number(in, at); ok {
			f(r, at, v)
		}
	})
}

// number2 makes a function of one number with another as its argument.
func number2(out kind, f func(r *evaluation, at int, v, w value)) function {
	s := single(1, nodeKind, out, func(r *evaluation, at int, in Item, args []Item) {
		v, okV := r.number(in, at)
		w, okW := r.number(args[0], at)
		if okV && okW {
			f(r, at, v, w)
		}
	})
	s.min = 1
	return s
}

func (r *evaluation) number(i Item, at int) (value, bool) {
	v := i.value()
	if !v.number() && v.kind != quantityKind {
		r.fail(at, "a number is wanted, not %s", i.Type())
		return v, false
	}
	return v, true
}

// pushFloat pushes a computed number; what is no number is empty.
func (r *evaluation) pushFloat(at int, f float64) {
	if d, ok := floatDecimal(f); ok {
		r.pushDecimal(at, d)
	}
}

// power is exact for small whole exponents.
func power(r *evaluation, at int, v, w value) {
	n, whole := w.decimal().int64()
	if !whole || n < 0 || n > 64 {
		r.pushFloat(at, math.Pow(v.decimal().float(), w.decimal().float()))
		return
	}
	out := wholeDecimal(1)
	for range n {
		if out = out.mul(v.decimal()); out.large() {
			break
		}
	}
	if v.kind == integerKind && w.kind == integerKind {
		r.pushWhole(out)
		return
	}
	r.pushDecimal(at, out)
}

// round rounds half away from zero, to whole numbers or to a number of digits after the point.
func round(r *evaluation, at int, in Item, args []Item) {
	v, ok := r.number(in, at)
	digits := int64(0)
	if ok && len(args) == 1 {
		digits, ok = r.integer(args[0], at, "round()")
	}
	switch {
	case !ok:
	case digits < 0:
		r.fail(at, "round() wants no negative number of digits")
	case v.kind == quantityKind:
		v.dec = v.dec.round(int(digits))
		r.pushQuantity(at, v)
	default:
		r.pushDecimal(at, v.decimal().round(int(digits)))
	}
}
