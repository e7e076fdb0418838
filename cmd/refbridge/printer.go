package main

import (
	"fmt"
	"io"
	"strings"
	"unicode/utf8"

	"refbridge/mapping/measure"
)

// printer writes plans for people, at most 80 columns where the values allow it. The rule and the element behind a value may go
// beyond; on a terminal that is not wide enough they have a line of their own.
type printer struct {
	w       io.Writer
	colour  bool
	columns int // of the terminal, 0 where there is none
}

func newPrinter(w io.Writer) printer {
	return printer{w: w, colour: terminal(w) && !noColour(), columns: columns(w)}
}

func (p printer) paint(code, s string) string {
	if !p.colour {
		return s
	}
	return "\x1b[" + code + "m" + s + "\x1b[0m"
}

func (p printer) title(text string) { fmt.Fprintf(p.w, "\n%s\n", p.paint("1", wrap(text, 0))) }

// traced prints where a value comes from, behind it or below it.
func (p printer) traced(value, trace string) {
	if p.columns > 0 && utf8.RuneCountInString(value+" "+trace) > p.columns {
		fmt.Fprintf(p.w, "%s\n      %s\n", strings.TrimRight(value, " "), p.paint("2", wrap(trace, 6)))
		return
	}
	fmt.Fprintf(p.w, "%s %s\n", value, p.paint("2", trace))
}

// ruled gives a text with the place of a rule behind it, wrapped.
func (p printer) ruled(text, rule string, indent int) string {
	out := wrap(text+" "+rule, indent)
	return strings.TrimSuffix(out, rule) + p.paint("2", rule)
}

func (p printer) holds(title string, holds []measure.Hold) {
	if len(holds) > 0 {
		p.title(title)
	}
	for _, h := range holds {
		text := h.Message + " [" + string(h.Kind) + "]"
		if h.Field != "" {
			text = h.Field + ": " + text
		}
		fmt.Fprintf(p.w, "  %6d  %s\n", h.Count, p.ruled(text, h.Rule, 10))
		if h.Hint != "" {
			fmt.Fprintf(p.w, "          %s\n", wrap(h.Hint, 10))
		}
	}
}

// wrap breaks a text that begins at its indent, so that no line but one of a single long word has more than 80 characters; further
// lines are indented.
func wrap(text string, indent int) string {
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
