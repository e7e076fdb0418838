package fhirpath

import (
	"regexp"
	"strings"

	"refbridge/fhir"
)

// conversions adds toX() and convertsToX() of every System type.
func conversions(all map[string]function) {
	for name, f := range map[string]func(v value, i Item) (value, bool){
		"Boolean": toBoolean, "Integer": toInteger, "Decimal": toDecimal, "String": toText,
		"Date": toDate, "DateTime": toDateTime, "Time": toTime, "Quantity": toQuantity,
	} {
		out := kindNamed(name)
		all["to"+name] = converter(out, func(r *evaluation, at int, i Item) {
			if v, ok := f(i.value(), i); ok {
				r.pushValue(at, v)
			}
		})
		all["convertsTo"+name] = converter(booleanKind, func(r *evaluation, _ int, i Item) {
			_, ok := f(i.value(), i)
			r.push(booleanItem(ok))
		})
	}
}

// converter makes a function of one item. A Quantity may be asked for in a unit; that is not supported.
func converter(out kind, f func(r *evaluation, at int, i Item)) function {
	return function{0, 0, func(_ *compiler, k call) (op, shape) {
		at, name := k.at, k.name+"()"
		return func(r *evaluation, in span) {
			if i, ok := r.one(in, at, name); ok && !valueless(i.node) {
				f(r, at, i)
			}
		}, systemShape(out)
	}}
}

func kindNamed(name string) kind {
	for k := stringKind; k <= typeKind; k++ {
		if k.String() == name {
			return k
		}
	}
	return nodeKind
}

func toBoolean(v value, _ Item) (value, bool) {
	out := value{kind: booleanKind}
	switch v.kind {
	case booleanKind:
		return v, true
	case integerKind, decimalKind:
		one := v.decimal().cmp(wholeDecimal(1)) == 0
		if one {
			out.num = 1
		}
		return out, one || v.decimal().sign() == 0
	case stringKind:
		switch strings.ToLower(v.text) {
		case "true", "t", "yes", "y", "1", "1.0":
			out.num = 1
			return out, true
		case "false", "f", "no", "n", "0", "0.0":
			return out, true
		}
	}
	return out, false
}

func toInteger(v value, _ Item) (value, bool) {
	switch v.kind {
	case integerKind, booleanKind:
		return value{kind: integerKind, num: v.num}, true
	case stringKind:
		d, ok := numeral(v.text)
		n, whole := d.int64()
		ok = ok && whole && d.scale == 0 && n >= -maxInteger-1 && n <= maxInteger
		return value{kind: integerKind, num: n}, ok
	}
	return value{}, false
}

// numeral reads digits with a sign and a fraction, as FHIRPath converts them: no exponent, no spaces.
func numeral(s string) (decimal, bool) {
	whole, fraction, point := strings.Cut(strings.TrimLeft(s, "+-"), ".")
	if whole == "" || point && fraction == "" || strings.Trim(whole+fraction, "0123456789") != "" || len(s) > 1+len(whole)+1+len(fraction) {
		return decimal{}, false
	}
	return parseDecimal(s)
}

func toDecimal(v value, _ Item) (value, bool) {
	switch v.kind {
	case integerKind, decimalKind:
		return value{kind: decimalKind, dec: v.decimal()}, true
	case booleanKind:
		return value{kind: decimalKind, dec: wholeDecimal(v.num)}, true
	case stringKind:
		d, ok := numeral(v.text)
		return value{kind: decimalKind, dec: d}, ok
	}
	return value{}, false
}

// toText gives the text of a primitive as its source wrote it.
func toText(v value, i Item) (value, bool) {
	switch v.kind {
	case complexKind, absentKind, typeKind:
		return value{}, false
	case quantityKind:
		return value{kind: stringKind, text: v.literal()}, true
	}
	return value{kind: stringKind, text: i.Text()}, true
}

func toDate(v value, _ Item) (value, bool) {
	switch v.kind {
	case dateKind:
		return v, true
	case dateTimeKind:
		t := temporal{wall: cut(v.time.wall, min(v.time.to, toDay)), to: min(v.time.to, toDay), day: true}
		return value{kind: dateKind, time: t}, true
	case stringKind:
		t, ok := parseTemporal(v.text, dateKind)
		return value{kind: dateKind, time: t}, ok
	}
	return value{}, false
}

func toDateTime(v value, _ Item) (value, bool) {
	switch v.kind {
	case dateKind, dateTimeKind:
		v.kind = dateTimeKind
		return v, true
	case stringKind:
		t, ok := parseTemporal(v.text, dateTimeKind)
		return value{kind: dateTimeKind, time: t}, ok && !strings.HasSuffix(v.text, "T")
	}
	return value{}, false
}

func toTime(v value, _ Item) (value, bool) {
	switch v.kind {
	case timeKind:
		return v, true
	case stringKind:
		t, ok := parseTemporal(v.text, timeKind)
		return value{kind: timeKind, time: t}, ok && !strings.HasPrefix(v.text, "T")
	}
	return value{}, false
}

// quantityText is how a text writes a quantity: 1, 1.5 'mg', 4 days.
var quantityText = regexp.MustCompile(`^([+-]?\d+(?:\.\d+)?)\s*(?:'([^']+)'|([a-zA-Z]+))?$`)

func toQuantity(v value, _ Item) (value, bool) {
	out := value{kind: quantityKind, unit: "1"}
	switch v.kind {
	case quantityKind:
		return v, true
	case integerKind, decimalKind:
		out.dec = v.decimal()
		return out, true
	case booleanKind:
		out.dec = wholeDecimal(v.num)
		return out, true
	case stringKind:
		parts := quantityText.FindStringSubmatch(v.text)
		if parts == nil || parts[3] != "" && calendarUnit(parts[3]) == "" {
			return out, false
		}
		if parts[2]+parts[3] != "" {
			out.unit, out.word = parts[2]+parts[3], parts[3] != ""
		}
		d, ok := numeral(parts[1])
		out.dec = d
		return out, ok
	}
	return out, false
}

// jsonText writes a text as JSON does.
func jsonText(s string) string { return string(fhir.AppendJSONString(nil, s)) }
