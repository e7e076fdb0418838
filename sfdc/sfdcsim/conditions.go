package sfdcsim

import (
	"cmp"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"
)

// condition is a part of WHERE. A comparison with null is false, except = null, and != which is the opposite of =: SOQL
// knows no third truth value.
type condition interface {
	holds(st *store, r *row) bool
}

type (
	both    []condition
	either  []condition
	negated struct{ condition }
)

// comparison is path operator value.
type comparison struct {
	path     path
	operator string
	values   []any // one; several for IN and NOT IN
	pattern  []piece
}

func (c both) holds(st *store, r *row) bool {
	return !slices.ContainsFunc(c, func(c condition) bool { return !c.holds(st, r) })
}

func (c either) holds(st *store, r *row) bool {
	return slices.ContainsFunc(c, func(c condition) bool { return c.holds(st, r) })
}

func (c negated) holds(st *store, r *row) bool { return !c.condition.holds(st, r) }

func (c comparison) holds(st *store, r *row) bool {
	v := st.follow(r, c.path)
	switch c.operator {
	case "=", "IN":
		return c.among(v)
	case "!=", "NOT IN":
		return !c.among(v)
	case "LIKE":
		s, ok := v.(string)
		return ok && like(c.pattern, []rune(strings.ToLower(s)))
	}
	if v == nil || c.values[0] == nil {
		return false
	}
	n := compare(c.path.field, v, c.values[0])
	switch c.operator {
	case "<":
		return n < 0
	case "<=":
		return n <= 0
	case ">":
		return n > 0
	}
	return n >= 0
}

func (c comparison) among(v any) bool {
	return slices.ContainsFunc(c.values, func(want any) bool {
		if v == nil || want == nil {
			return v == want
		}
		return compare(c.path.field, v, want) == 0
	})
}

// follow gives the value at a path; nil where a reference on the way is empty.
func (st *store) follow(r *row, p path) any {
	for _, f := range p.through {
		if r = st.byID[r.text(f.Name)]; r == nil {
			return nil
		}
	}
	if own := r.object.field(p.field.Name); own != nil && (own == p.field || p.field.Name != "Type") {
		return r.get(own)
	}
	switch p.field.Name {
	case "Type":
		return r.object.Name
	case "Name":
		return r.get(r.object.nameField())
	}
	return nil
}

// compare orders two values of a field. Text is compared without case, unless the field was created case-sensitive.
func compare(f *field, a, b any) int {
	switch a := a.(type) {
	case time.Time:
		b, _ := b.(time.Time)
		return a.Compare(b)
	case float64:
		b, _ := b.(float64)
		return cmp.Compare(a, b)
	case bool:
		b, _ := b.(bool)
		return cmp.Compare(strconv.FormatBool(a), strconv.FormatBool(b))
	}
	s, _ := a.(string)
	t, _ := b.(string)
	if f.is('S') || f.Type == "reference" || f.Type == "id" {
		return cmp.Compare(s, t)
	}
	return cmp.Compare(strings.ToLower(s), strings.ToLower(t))
}

// any parses one level of a condition: terms joined by AND, or by OR, never both.
func (p *soql) any() (condition, *apiError) {
	first, err := p.term()
	if err != nil {
		return nil, err
	}
	terms, word := []condition{first}, ""
	for p.peek().is("AND") || p.peek().is("OR") {
		t := p.next()
		if word != "" && !t.is(word) {
			return nil, unexpected(t)
		}
		word = strings.ToUpper(t.text)
		term, err := p.term()
		if err != nil {
			return nil, err
		}
		terms = append(terms, term)
	}
	switch word {
	case "AND":
		return both(terms), nil
	case "OR":
		return either(terms), nil
	}
	return first, nil
}

func (p *soql) term() (condition, *apiError) {
	if p.accept("NOT") {
		c, err := p.term()
		return negated{c}, err
	}
	if p.accept("(") {
		c, err := p.any()
		if err != nil {
			return nil, err
		}
		return c, p.expect(")")
	}
	return p.comparison()
}

func (p *soql) comparison() (condition, *apiError) {
	name := p.next()
	if name.kind != 'i' {
		return nil, unexpected(name)
	}
	where, err := p.path(name)
	if err != nil {
		return nil, err
	}
	if !where.field.is('F') {
		return nil, p.located("INVALID_FIELD", name, "field '"+where.field.Name+"' can not be filtered in a query call")
	}
	c := comparison{path: where}
	if c.operator, err = p.operator(); err != nil {
		return nil, err
	}
	if c.operator == "IN" || c.operator == "NOT IN" {
		c.values, err = p.list(c)
		return c, err
	}
	t := p.next()
	v, err := p.value(c, t)
	if err != nil {
		return nil, err
	}
	c.values = []any{v}
	if c.operator == "LIKE" {
		return p.like(c, t)
	}
	return c, nil
}

func (p *soql) operator() (string, *apiError) {
	t := p.next()
	switch {
	case t.is("<>"):
		return "!=", nil
	case t.kind == 'p' && strings.ContainsAny(t.text, "=<>"):
		return t.text, nil
	case t.is("IN"), t.is("LIKE"):
		return strings.ToUpper(t.text), nil
	case t.is("NOT"):
		return "NOT IN", p.expect("IN")
	}
	return "", unexpected(t)
}

func (p *soql) list(c comparison) ([]any, *apiError) {
	if err := p.expect("("); err != nil {
		return nil, err
	}
	var out []any
	for {
		v, err := p.value(c, p.next())
		if err != nil {
			return nil, err
		}
		out = append(out, v)
		if !p.accept(",") {
			return out, p.expect(")")
		}
	}
}

func (p *soql) like(c comparison, t token) (condition, *apiError) {
	if t.kind != 's' || !c.path.field.isText() {
		return nil, bare(400, "INVALID_QUERY_FILTER_OPERATOR", "invalid operator on "+c.path.field.Type+" field")
	}
	pattern, err := pieces(strings.ToLower(t.text))
	c.pattern = pattern
	return c, err
}

// value reads a literal of the kind that the field wants.
func (p *soql) value(c comparison, t token) (any, *apiError) {
	f := c.path.field
	if t.is("null") {
		if c.operator != "=" && c.operator != "!=" && !strings.HasSuffix(c.operator, "IN") {
			return nil, malformed("unexpected token: 'null'")
		}
		return nil, nil
	}
	switch {
	case t.kind == 's' && f.isText():
		list, err := pieces(t.text)
		return joined(list), err
	case t.kind == 's' && (f.Type == "id" || f.Type == "reference"):
		if id, ok := parseID(t.text); ok {
			return id, nil
		}
		return nil, bare(400, "INVALID_QUERY_FILTER_OPERATOR", "invalid ID field: "+t.text)
	case (t.is("true") || t.is("false")) && f.Type == "boolean":
		return t.is("true"), nil
	case t.kind == 'n':
		if v, ok := literal(f, t.text); ok {
			return v, nil
		}
	case t.kind == 'i' && !t.is("true") && !t.is("false") || t.kind == 0 || t.kind == 'p':
		return nil, unexpected(t)
	}
	return nil, wrongKind(f)
}

func literal(f *field, text string) (any, bool) {
	switch f.Type {
	case "double", "int":
		n, err := strconv.ParseFloat(text, 64)
		return n, err == nil
	case "date":
		d, err := time.Parse(time.DateOnly, text)
		return d.Format(time.DateOnly), err == nil
	case "datetime":
		if !strings.Contains(text, "T") {
			return nil, false
		}
		for _, layout := range []string{time.RFC3339Nano, "2006-01-02T15:04:05.999999999-0700"} {
			if at, err := time.Parse(layout, text); err == nil {
				return at.UTC(), true
			}
		}
	}
	return nil, false
}

func wrongKind(f *field) *apiError {
	kind, quotes := f.Type, "should not be enclosed in quotes"
	switch {
	case f.isText() || f.Type == "id" || f.Type == "reference":
		kind, quotes = "string", "should be enclosed in quotes"
	case f.Type == "datetime":
		kind = "dateTime"
	}
	return bare(400, "INVALID_FIELD", fmt.Sprintf("value of filter criterion for field '%s' must be of type %s and %s", f.Name, kind, quotes))
}
