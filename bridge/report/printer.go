package report

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"
)

// Printer writes plans for people, at most 80 columns where the values allow it. The rule and the element behind a value may go
// beyond; on a terminal that is not wide enough they have a line of their own.
type Printer struct {
	W       io.Writer
	Colour  bool
	Columns int // of the terminal, 0 where there is none
}

// Paint colours a text where colours are wanted.
func (p Printer) Paint(code, s string) string {
	if !p.Colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

// Title prints a heading.
func (p Printer) Title(text string) { fmt.Fprintf(p.W, "\n%s\n", p.Paint("1", Wrap(text, 0))) }

// Traced prints where a value comes from, behind it or below it.
func (p Printer) Traced(value, trace string) {
	if p.Columns > 0 && utf8.RuneCountInString(value+" "+trace) > p.Columns {
		fmt.Fprintf(p.W, "%s\n      %s\n", strings.TrimRight(value, " "), p.Paint("2", Wrap(trace, 6)))
		return
	}
	fmt.Fprintf(p.W, "%s %s\n", value, p.Paint("2", trace))
}

// Ruled gives a text with the place of a rule behind it, wrapped.
func (p Printer) Ruled(text, rule string, indent int) string {
	out := Wrap(text+" "+rule, indent)
	return strings.TrimSuffix(out, rule) + p.Paint("2", rule)
}

// Wrap breaks a text that begins at its indent, so that no line but one of a single long word has more than 80 characters; further
// lines are indented.
func Wrap(text string, indent int) string {
	var b strings.Builder
	column := indent
	for i, word := range strings.Fields(text) {
		n := utf8.RuneCountInString(word)
		if i > 0 && column+1+n > 80 {
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		} else if i > 0 {
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}
