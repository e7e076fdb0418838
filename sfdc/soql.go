package sfdc

import (
	"errors"
	"fmt"
	"strings"
	"time"
	"unicode/utf8"

	"refbridge/config/pattern"
)

// A SOQL identifier: a field, or a field of the record that a relationship points to.
var identifierPattern = pattern.MustOnce(`^[A-Za-z][A-Za-z0-9_]*(?:\.[A-Za-z][A-Za-z0-9_]*)?$`)

var (
	errIdentifier = errors.New("not a Salesforce name")
	errLiteral    = errors.New("a value with control characters or broken UTF-8 cannot stand in a query")
)

// soql builds one SOQL statement. Names are checked, values are escaped: no text of a record can become syntax. The
// first fault is kept and given by text; it never holds a value.
type soql struct {
	b     strings.Builder
	where int
	err   error
}

func selectFrom(object string, fields ...string) *soql {
	q := &soql{}
	q.b.WriteString("SELECT ")
	for i, f := range fields {
		if i > 0 {
			q.b.WriteString(", ")
		}
		q.name(f)
	}
	q.b.WriteString(" FROM ")
	q.name(object)
	return q
}

func (q *soql) in(field string, values []string) *soql {
	q.condition(field, " IN (")
	for i, v := range values {
		if i > 0 {
			q.b.WriteString(", ")
		}
		q.add(literal(v))
	}
	q.b.WriteByte(')')
	return q
}

func (q *soql) is(field, value string) *soql {
	q.condition(field, " = ")
	q.add(literal(value))
	return q
}

// isTrue compares a checkbox.
func (q *soql) isTrue(field string) *soql {
	q.condition(field, " = TRUE")
	return q
}

func (q *soql) startsWith(field, prefix string) *soql {
	q.condition(field, " LIKE ")
	q.add(prefixPattern(prefix))
	return q
}

// earliest is the first dateTime that a condition may name (SOQL and SOSL Reference, "Date Formats and Date Literals").
func earliest() time.Time { return time.Date(1700, 1, 1, 0, 0, 0, 0, time.UTC) }

// since compares with an instant, to the millisecond as Salesforce keeps it.
func (q *soql) since(field string, at time.Time) *soql {
	if at.Before(earliest()) {
		at = earliest()
	}
	q.condition(field, " >= ")
	q.b.WriteString(at.UTC().Truncate(time.Millisecond).Format("2006-01-02T15:04:05.000Z"))
	return q
}

func (q *soql) orderBy(fields ...string) *soql {
	for i, f := range fields {
		q.b.WriteString([]string{" ORDER BY ", ", "}[min(i, 1)])
		q.name(f)
	}
	return q
}

func (q *soql) text() (string, error) { return q.b.String(), q.err }

func (q *soql) condition(field, operator string) {
	q.b.WriteString([]string{" WHERE ", " AND "}[min(q.where, 1)])
	q.where++
	q.name(field)
	q.b.WriteString(operator)
}

func (q *soql) name(s string) {
	if !identifierPattern().MatchString(s) {
		q.fail(fmt.Errorf("%w (%d characters)", errIdentifier, len(s)))
	}
	q.b.WriteString(s)
}

func (q *soql) add(literal string, err error) {
	q.fail(err)
	q.b.WriteString(literal)
}

func (q *soql) fail(err error) {
	if q.err == nil {
		q.err = err
	}
}

// literal gives a text as a SOQL string (SOQL and SOSL Reference, "Quoted String Escape Sequences").
func literal(s string) (string, error) {
	body, err := escape(s)
	return "'" + body + "'", err
}

// prefixPattern gives the LIKE pattern of everything that starts with s: its own wildcards lose their meaning.
func prefixPattern(s string) (string, error) {
	body, err := escape(s)
	return "'" + strings.NewReplacer("%", `\%`, "_", `\_`).Replace(body) + "%'", err
}

func escape(s string) (string, error) {
	if !utf8.ValidString(s) {
		return "", errLiteral
	}
	var b strings.Builder
	for _, r := range s {
		switch r {
		case '\\', '\'', '"':
			b.WriteByte('\\')
			b.WriteRune(r)
		case '\n':
			b.WriteString(`\n`)
		case '\r':
			b.WriteString(`\r`)
		case '\t':
			b.WriteString(`\t`)
		case '\f':
			b.WriteString(`\f`)
		default:
			if r < ' ' || r == 0x7f {
				return "", errLiteral
			}
			b.WriteRune(r)
		}
	}
	return b.String(), nil
}
