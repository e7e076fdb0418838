package fhirpath

import (
	"math"
	"math/big"
	"strconv"
	"strings"
)

// maxDigits bounds the digits of a number, so that 1e999999999 costs nothing.
const maxDigits = 400

// divisionScale is how many digits after the point a quotient has at least.
const divisionScale = 16

// decimal is coef / 10^scale, exact. The scale keeps the precision that was written: 1.50 has scale 2. The zero
// decimal is 0.
type decimal struct {
	coef  *big.Int
	scale int // never negative
}

func wholeDecimal(n int64) decimal { return decimal{coef: big.NewInt(n)} }

// parseDecimal reads a number as JSON and FHIRPath write it.
func parseDecimal(s string) (decimal, bool) {
	digits, exponent := s, 0
	if e := strings.IndexAny(s, "eE"); e >= 0 {
		n, err := strconv.Atoi(s[e+1:])
		if err != nil || n > maxDigits || n < -maxDigits {
			return decimal{}, false
		}
		digits, exponent = s[:e], n
	}
	whole, fraction, _ := strings.Cut(digits, ".")
	if len(whole)+len(fraction) > maxDigits || strings.Trim(whole, "+-") == "" {
		return decimal{}, false
	}
	coef, ok := new(big.Int).SetString(whole+fraction, 10)
	if !ok || strings.ContainsRune(digits, '_') {
		return decimal{}, false
	}
	d := decimal{coef: coef, scale: len(fraction) - exponent}
	if d.scale < 0 {
		d = decimal{coef: new(big.Int).Mul(coef, power10(-d.scale))}
	}
	return d, true
}

// floatDecimal rounds a computed float to 8 digits after the point, what FHIRPath asks for at least.
func floatDecimal(f float64) (decimal, bool) {
	if math.IsNaN(f) || math.IsInf(f, 0) {
		return decimal{}, false
	}
	d, ok := parseDecimal(strconv.FormatFloat(f, 'f', 8, 64))
	return d.trimmed(), ok
}

func power10(n int) *big.Int {
	return new(big.Int).Exp(big.NewInt(10), big.NewInt(int64(n)), nil)
}

func (d decimal) big() *big.Int {
	if d.coef == nil {
		return new(big.Int)
	}
	return d.coef
}

func (d decimal) sign() int { return d.big().Sign() }

// atScale gives the coefficient at a scale that is not smaller than d's own.
func (d decimal) atScale(scale int) *big.Int {
	if scale <= d.scale {
		return d.big()
	}
	return new(big.Int).Mul(d.big(), power10(scale-d.scale))
}

func (d decimal) cmp(o decimal) int {
	scale := max(d.scale, o.scale)
	return d.atScale(scale).Cmp(o.atScale(scale))
}

func (d decimal) add(o decimal) decimal {
	scale := max(d.scale, o.scale)
	return decimal{coef: new(big.Int).Add(d.atScale(scale), o.atScale(scale)), scale: scale}
}

func (d decimal) neg() decimal { return decimal{coef: new(big.Int).Neg(d.big()), scale: d.scale} }

func (d decimal) mul(o decimal) decimal {
	return decimal{coef: new(big.Int).Mul(d.big(), o.big()), scale: d.scale + o.scale}
}

// div gives the quotient, rounded half away from zero at divisionScale digits where it does not end before;
// ok is false for a division by zero.
func (d decimal) div(o decimal) (decimal, bool) {
	if o.sign() == 0 {
		return decimal{}, false
	}
	scale := max(d.scale, o.scale) + divisionScale
	num := new(big.Int).Mul(d.atScale(scale), power10(divisionScale))
	q := roundedQuotient(num, o.atScale(scale))
	return decimal{coef: q, scale: divisionScale}.trimmed(), true
}

// roundedQuotient divides and rounds half away from zero.
func roundedQuotient(num, den *big.Int) *big.Int {
	q, rest := new(big.Int).QuoRem(num, den, new(big.Int))
	if new(big.Int).Abs(rest.Lsh(rest, 1)).Cmp(new(big.Int).Abs(den)) >= 0 {
		q.Add(q, big.NewInt(int64(num.Sign()*den.Sign())))
	}
	return q
}

// quotient gives the whole part of a division and what is left.
func (d decimal) quotient(o decimal) (whole, rest decimal, ok bool) {
	if o.sign() == 0 {
		return decimal{}, decimal{}, false
	}
	scale := max(d.scale, o.scale)
	q, r := new(big.Int).QuoRem(d.atScale(scale), o.atScale(scale), new(big.Int))
	return decimal{coef: q}, decimal{coef: r, scale: scale}, true
}

// round rounds half away from zero to a number of digits after the point; it adds no digits.
func (d decimal) round(digits int) decimal {
	if digits >= d.scale {
		return d
	}
	return decimal{coef: roundedQuotient(d.big(), power10(d.scale-digits)), scale: digits}
}

// truncate cuts digits off; it adds none.
func (d decimal) truncate(digits int) decimal {
	if digits >= d.scale {
		return d
	}
	return decimal{coef: new(big.Int).Quo(d.big(), power10(d.scale-digits)), scale: digits}
}

// padded adds zeros up to a number of digits after the point.
func (d decimal) padded(digits int) decimal {
	return decimal{coef: d.atScale(digits), scale: max(d.scale, digits)}
}

// trimmed drops zeros at the end.
func (d decimal) trimmed() decimal {
	ten, rest := big.NewInt(10), new(big.Int)
	coef := new(big.Int).Set(d.big())
	for d.scale > 0 {
		q := new(big.Int)
		if q.QuoRem(coef, ten, rest); rest.Sign() != 0 {
			break
		}
		coef = q
		d.scale--
	}
	return decimal{coef: coef, scale: d.scale}
}

// floor and ceiling give whole numbers.
func (d decimal) floor() decimal {
	q, rest := new(big.Int).DivMod(d.big(), power10(d.scale), new(big.Int))
	_ = rest
	return decimal{coef: q}
}

func (d decimal) ceiling() decimal { return d.neg().floor().neg() }

// int64 gives a whole number; ok is false where there is a fraction or it does not fit.
func (d decimal) int64() (int64, bool) {
	t := d.trimmed()
	return t.coef.Int64(), t.scale == 0 && t.coef.IsInt64()
}

func (d decimal) float() float64 {
	f, _ := new(big.Rat).SetFrac(d.big(), power10(d.scale)).Float64()
	return f
}

// String writes all digits of the scale: 1.50.
func (d decimal) String() string {
	s := new(big.Int).Abs(d.big()).String()
	if d.scale > 0 {
		if len(s) <= d.scale {
			s = strings.Repeat("0", d.scale-len(s)+1) + s
		}
		s = s[:len(s)-d.scale] + "." + s[len(s)-d.scale:]
	}
	if d.sign() < 0 {
		return "-" + s
	}
	return s
}

// large tells whether the number has grown beyond what an evaluation may compute with.
func (d decimal) large() bool { return d.big().BitLen() > 4*maxDigits || d.scale > maxDigits }
