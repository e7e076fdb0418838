package sfdcsim

import (
	"fmt"
	"strconv"
	"strings"
)

// token is one piece of a SOQL text.
type token struct {
	kind byte   // 'i' identifier or path, 's' string, 'n' number, date or datetime, 'p' punctuation, 0 end
	text string // strings: as written between the quotes
	pos  int
}

func (t token) is(word string) bool {
	return (t.kind == 'i' || t.kind == 'p') && strings.EqualFold(t.text, word)
}

func (t token) shown() string {
	if t.kind == 0 {
		return "<EOF>"
	}
	return "'" + t.text + "'"
}

func malformed(format string, args ...any) *apiError {
	return bare(400, "MALFORMED_QUERY", fmt.Sprintf(format, args...))
}

// lex cuts a SOQL text into tokens.
func lex(src string) ([]token, *apiError) {
	var out []token
	for i := 0; i < len(src); {
		c := src[i]
		switch {
		case c == ' ' || c == '\t' || c == '\n' || c == '\r':
			i++
			continue
		case c == '\'':
			end := endOfString(src, i+1)
			if end < 0 {
				return nil, malformed("line 1:%d mismatched character '<EOF>' expecting '''", len(src))
			}
			out = append(out, token{'s', src[i+1 : end], i})
			i = end + 1
			continue
		}
		kind, n := span(src[i:])
		if n == 0 {
			return nil, malformed("line 1:%d no viable alternative at character '%c'", i, c)
		}
		out = append(out, token{kind, src[i : i+n], i})
		i += n
	}
	return append(out, token{pos: len(src)}), nil
}

func endOfString(src string, i int) int {
	for ; i < len(src); i++ {
		switch src[i] {
		case '\\':
			i++
		case '\'':
			return i
		}
	}
	return -1
}

// span gives the kind and length of the token at the start of src.
func span(src string) (byte, int) {
	c := src[0]
	switch {
	case letter(c):
		return 'i', spanOf(src, func(c byte) bool { return letter(c) || digit(c) || c == '.' })
	case digit(c) || (c == '-' || c == '+') && len(src) > 1 && digit(src[1]):
		return 'n', 1 + spanOf(src[1:], func(c byte) bool { return digit(c) || letter(c) || strings.IndexByte("-+:.", c) >= 0 })
	}
	for _, p := range []string{"<=", ">=", "!=", "<>", "(", ")", ",", "=", "<", ">"} {
		if strings.HasPrefix(src, p) {
			return 'p', len(p)
		}
	}
	return 0, 0
}

func spanOf(src string, in func(byte) bool) int {
	n := 0
	for n < len(src) && in(src[n]) {
		n++
	}
	return n
}

func letter(c byte) bool { return c == '_' || c|0x20 >= 'a' && c|0x20 <= 'z' }
func digit(c byte) bool  { return c >= '0' && c <= '9' }

// piece is one character of a string, and whether it was escaped: a LIKE takes an escaped % or _ as itself.
type piece struct {
	char    rune
	escaped bool
}

// pieces resolves the escapes of a string (SOQL and SOSL Reference, "Quoted String Escape Sequences").
func pieces(raw string) ([]piece, *apiError) {
	var out []piece
	chars := []rune(raw)
	for i := 0; i < len(chars); i++ {
		if chars[i] != '\\' {
			out = append(out, piece{char: chars[i]})
			continue
		}
		i++
		c, more, err := escape(chars[i:])
		if err != nil {
			return nil, err
		}
		i += more
		out = append(out, piece{char: c, escaped: true})
	}
	return out, nil
}

func escape(chars []rune) (c rune, more int, err *apiError) {
	switch chars[0] {
	case 'n', 'N':
		return '\n', 0, nil
	case 'r', 'R':
		return '\r', 0, nil
	case 't', 'T':
		return '\t', 0, nil
	case 'b', 'B':
		return '\b', 0, nil
	case 'f', 'F':
		return '\f', 0, nil
	case '"', '\'', '\\', '_', '%':
		return chars[0], 0, nil
	case 'u':
		if len(chars) > 4 {
			if n, err := strconv.ParseUint(string(chars[1:5]), 16, 32); err == nil {
				return rune(n), 4, nil
			}
		}
	}
	return 0, 0, malformed("Illegal escape sequence in string literal: \\%c", chars[0])
}

func joined(list []piece) string {
	var b strings.Builder
	for _, p := range list {
		b.WriteRune(p.char)
	}
	return b.String()
}

// like matches a text against a LIKE pattern in the same case: % is any run of characters, _ is one.
func like(pattern []piece, s []rune) bool {
	if len(pattern) == 0 {
		return len(s) == 0
	}
	p, rest := pattern[0], pattern[1:]
	if p.char == '%' && !p.escaped {
		return like(rest, s) || len(s) > 0 && like(pattern, s[1:])
	}
	fits := len(s) > 0 && (p.char == s[0] || p.char == '_' && !p.escaped)
	return fits && like(rest, s[1:])
}
