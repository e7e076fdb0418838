package lint

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/mapping"
)

// Excerpt gives the line that a finding is about and the offset in characters at which to point; empty where the
// finding has no line, or its file is no table: that may be somebody's record. Characters that do not print are dots, and a long
// line is cut around the place.
func (r *Report) Excerpt(f Finding) (line string, caret int) {
	s := r.sources[f.File]
	if s == nil || f.Line < 1 || f.Line > len(s.lines) || !s.table() {
		return "", 0
	}
	width := 80 - len(fmt.Sprintf("  %d | ", f.Line))
	before := width * 2 / 3
	text := []rune(masked(strings.TrimRight(s.lines[f.Line-1], "\r")))
	for i, c := range text {
		if !unicode.IsPrint(c) {
			text[i] = '·'
		}
	}
	caret = min(max(f.Column-1, 0), len(text))
	from := max(0, min(caret-before, len(text)-width))
	if len(text) <= width {
		from = 0
	}
	to := min(len(text), from+width)
	head, tail := "", ""
	if from > 0 {
		head, from = "…", from+1
	}
	if to < len(text) {
		tail, to = "…", to-1
	}
	return head + string(text[from:to]) + tail, caret - from + len([]rune(head))
}

// Text writes the findings for people. paint colours a text by an ANSI code ("31"), or gives it back as it is.
func (r *Report) Text(w io.Writer, paint func(code, text string) string) error {
	var b strings.Builder
	for _, f := range r.Findings {
		colour := "31"
		if f.Severity == Warning {
			colour = "33"
		}
		at := f.File
		if f.Line > 0 {
			at += fmt.Sprintf(":%d:%d", f.Line, f.Column)
		}
		if at != "" {
			at += ": "
		}
		told := wrapped(fmt.Sprintf("%s [%s]", printable(f.what()), f.Check), len([]rune(at))+len(f.Severity)+2, 4)
		fmt.Fprintf(&b, "%s%s: %s\n", paint("1", at), paint(colour, string(f.Severity)), told)
		if line, caret := r.Excerpt(f); line != "" {
			number := fmt.Sprint(f.Line)
			fmt.Fprintf(&b, "  %s | %s\n  %s | %s%s\n", number, line, strings.Repeat(" ", len(number)), strings.Repeat(" ", caret), paint(colour, "^"))
		}
		if f.Hint != "" {
			fmt.Fprintf(&b, "  hint: %s\n", wrapped(printable(f.Hint), 8, 8))
		}
		b.WriteString("\n")
	}
	b.WriteString(wrapped(r.summary(), 0, 2) + "\n")
	_, err := io.WriteString(w, b.String())
	return err
}

// wrapped breaks a text that begins in a column, so that no line but one of a single long word has more than 80 characters;
// further lines are indented.
func wrapped(text string, column, indent int) string {
	var b strings.Builder
	for i, word := range strings.Fields(text) {
		n := len([]rune(word))
		switch {
		case i > 0 && column+1+n > 80:
			b.WriteString("\n" + strings.Repeat(" ", indent))
			column = indent
		case i > 0:
			b.WriteByte(' ')
			column++
		}
		b.WriteString(word)
		column += n
	}
	return b.String()
}

func (f Finding) what() string {
	if f.Field == "" || strings.Contains(f.Message, f.Field) {
		return f.Message
	}
	return f.Field + ": " + f.Message
}

func (r *Report) summary() string {
	count := func(n int, what string) string {
		if n != 1 {
			what += "s"
		}
		return fmt.Sprintf("%d %s", n, what)
	}
	of := ""
	if r.Of != "" {
		of = " of " + r.Of
	}
	return fmt.Sprintf("%s, %s in %s%s", count(r.Count(Error), "error"), count(r.Count(Warning), "warning"), count(r.Tables, "file"), of)
}

// ReportJSON is a Report for programs.
type ReportJSON struct {
	Errors   int           `json:"errors"`
	Warnings int           `json:"warnings"`
	Files    int           `json:"files"`
	Tables   string        `json:"tables,omitempty"`
	Target   string        `json:"target,omitempty"`
	Findings []FindingJSON `json:"findings"`
}

// FindingJSON is a Finding for programs.
type FindingJSON struct {
	Severity Severity `json:"severity"`
	Check    string   `json:"check"`
	File     string   `json:"file,omitempty"`
	Line     int      `json:"line,omitempty"`
	Column   int      `json:"column,omitempty"`
	Field    string   `json:"field,omitempty"`
	From     string   `json:"from,omitempty"`
	Message  string   `json:"message"`
	Hint     string   `json:"hint,omitempty"`
	Excerpt  string   `json:"excerpt,omitempty"`
}

// JSON gives the report for encoding/json.
func (r *Report) JSON() ReportJSON {
	out := ReportJSON{Errors: r.Count(Error), Warnings: r.Count(Warning), Files: r.Tables, Tables: r.Of, Target: r.Target, Findings: []FindingJSON{}}
	for _, f := range r.Findings {
		excerpt, _ := r.Excerpt(f)
		out.Findings = append(out.Findings, FindingJSON{Severity: f.Severity, Check: f.Check, File: f.File, Line: f.Line, Column: f.Column,
			Field: f.Field, From: f.Source, Message: f.Message, Hint: f.Hint, Excerpt: strings.TrimSpace(excerpt)})
	}
	return out
}

func printable(s string) string {
	return strings.Map(func(c rune) rune {
		if !unicode.IsPrint(c) {
			return '·'
		}
		return c
	}, s)
}

var tenDigits = pattern.MustOnce(`[0-9]{3}[ \-]?[0-9]{3}[ \-]?[0-9]{4}`)

// identity tells whether a run of digits is a valid NHS number that stands alone.
func identity(s string, span []int) bool {
	digit := func(i int) bool { return i >= 0 && i < len(s) && s[i] >= '0' && s[i] <= '9' }
	if digit(span[0]-1) || digit(span[1]) {
		return false
	}
	_, err := fhir.ParseNHSNumber(s[span[0]:span[1]])
	return err == nil
}

// masked hides what may be an NHS number, character for character.
func masked(s string) string {
	out := []byte(s)
	for _, span := range tenDigits().FindAllStringIndex(s, -1) {
		if identity(s, span) {
			copy(out[span[0]:span[1]], strings.Repeat("#", span[1]-span[0]))
		}
	}
	return string(out)
}

// concepts gives the concepts of SNOMED CT of ten digits that a file names with their system: in value tables, and in paths.
func (l *linter) concepts(s *sourceText) []string {
	var out []string
	for _, v := range l.set.Values() {
		for _, c := range v.Codes {
			if c.File == s.name && c.System == mapping.SystemSNOMED {
				out = append(out, c.Code)
			}
		}
	}
	for _, n := range s.scalars {
		if strings.Contains(n.Value, mapping.SystemSNOMED) {
			out = append(out, tenDigits().FindAllString(n.Value, -1)...)
		}
	}
	return slices.DeleteFunc(out, func(code string) bool { return !mapping.SNOMEDConcept(code) })
}

// identities warns of numbers in a table that may be a patient's: tables are read, sent and kept by many.
func (l *linter) identities(s *sourceText) {
	concepts := l.concepts(s)
	for i, line := range s.lines {
		for _, span := range tenDigits().FindAllStringIndex(line, -1) {
			if identity(line, span) && !slices.Contains(concepts, line[span[0]:span[1]]) {
				at := mapping.Place{File: s.name, Line: i + 1, Column: len([]rune(line[:span[0]])) + 1}
				l.warn("nhs-number", at, "", "the number may be a patient's NHS number", "tables are no place for patients: take it out")
			}
		}
	}
}
