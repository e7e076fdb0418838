package fhirpath

import (
	"strings"
	"unicode/utf8"
)

type tokenKind uint8

const (
	endToken tokenKind = iota
	nameToken
	quotedNameToken // `name`
	textToken       // 'text', unescaped
	numberToken
	dateToken // @2015-02-04, text without @; also @2015T…
	timeToken // @T14:30, text without @
	symbolToken
)

type token struct {
	kind tokenKind
	text string
	at   int // byte offset
}

// next reads the token after the current one into c.tok.
func (c *compiler) next() {
	c.skip()
	c.tok = token{at: c.at}
	if c.at >= len(c.src) || c.err != nil {
		return
	}
	switch ch := c.src[c.at]; {
	case letter(ch):
		c.tok.kind, c.tok.text = nameToken, c.run(func(b byte) bool { return letter(b) || digit(b) })
	case digit(ch):
		c.tok.kind, c.tok.text = numberToken, c.number()
	case ch == '\'' || ch == '`' || ch == '"':
		c.quoted(ch)
	case ch == '@':
		c.moment()
	default:
		c.symbol()
	}
}

func letter(b byte) bool { return b == '_' || b >= 'a' && b <= 'z' || b >= 'A' && b <= 'Z' }
func digit(b byte) bool  { return b >= '0' && b <= '9' }

// peek gives the byte at an offset from the current place, 0 beyond the end.
func (c *compiler) peek(ahead int) byte {
	if c.at+ahead < len(c.src) {
		return c.src[c.at+ahead]
	}
	return 0
}

func (c *compiler) run(in func(byte) bool) string {
	from := c.at
	for c.at < len(c.src) && in(c.src[c.at]) {
		c.at++
	}
	return c.src[from:c.at]
}

// skip steps over white space and comments.
func (c *compiler) skip() {
	for {
		c.run(func(b byte) bool { return b == ' ' || b == '\t' || b == '\n' || b == '\r' })
		switch {
		case c.peek(0) == '/' && c.peek(1) == '/':
			c.run(func(b byte) bool { return b != '\n' && b != '\r' })
		case c.peek(0) == '/' && c.peek(1) == '*':
			end := strings.Index(c.src[c.at+2:], "*/")
			if end < 0 {
				c.refuse(c.at, "a comment without an end", "close it with */")
				c.at = len(c.src)
				return
			}
			c.at += end + 4
		default:
			return
		}
	}
}

func (c *compiler) number() string {
	from := c.at
	c.run(digit)
	if c.peek(0) == '.' && digit(c.peek(1)) {
		c.at++
		c.run(digit)
	}
	return c.src[from:c.at]
}

func (c *compiler) quoted(end byte) {
	from := c.at
	c.at++
	var b strings.Builder
	for c.at < len(c.src) && c.src[c.at] != end {
		if c.src[c.at] != '\\' {
			b.WriteByte(c.src[c.at])
			c.at++
			continue
		}
		c.escape(&b)
	}
	if c.at >= len(c.src) {
		c.refuse(from, "a quoted text without an end", "close it with "+string(end))
		return
	}
	c.at++
	c.tok.kind, c.tok.text = quotedNameToken, b.String()
	if end == '\'' {
		c.tok.kind = textToken
	}
	if end == '"' {
		c.refuse(from, "double quotes quote nothing", "write texts in single quotes, names in backticks")
	}
}

func (c *compiler) escape(b *strings.Builder) {
	ch := c.peek(1)
	c.at += 2
	switch ch {
	case 'f':
		b.WriteByte('\f')
	case 'n':
		b.WriteByte('\n')
	case 'r':
		b.WriteByte('\r')
	case 't':
		b.WriteByte('\t')
	case '\\', '/', '\'', '"', '`':
		b.WriteByte(ch)
	case 'u':
		b.WriteRune(c.unicode())
	default:
		c.refuse(c.at-2, "an unknown escape", `use \\ \/ \' \" \f \n \r \t or \u and four hexadecimal digits`)
	}
}

func (c *compiler) unicode() rune {
	var r rune
	for range 4 {
		d := strings.IndexByte("0123456789abcdef", c.peek(0)|0x20)
		if d < 0 {
			c.refuse(c.at, "a short \\u escape", "write four hexadecimal digits")
			return utf8.RuneError
		}
		r = r<<4 | rune(d)
		c.at++
	}
	return r
}

// moment reads the text of a date, time or dateTime literal; parseTemporal judges it.
func (c *compiler) moment() {
	c.at++
	from := c.at
	c.tok.kind = dateToken
	if c.peek(0) == 'T' {
		c.tok.kind = timeToken
	} else {
		c.run(func(b byte) bool { return digit(b) || b == '-' })
	}
	if c.peek(0) == 'T' {
		c.at++
		c.clock()
	}
	c.tok.text = c.src[from:c.at]
}

func (c *compiler) clock() {
	if !digit(c.peek(0)) {
		return
	}
	c.run(func(b byte) bool { return digit(b) || b == ':' })
	if c.peek(0) == '.' && digit(c.peek(1)) {
		c.at++
		c.run(digit)
	}
	if c.peek(0) == 'Z' {
		c.at++
	} else if (c.peek(0) == '+' || c.peek(0) == '-') && digit(c.peek(1)) && digit(c.peek(2)) && c.peek(3) == ':' {
		c.at++
		c.run(func(b byte) bool { return digit(b) || b == ':' })
	}
}

func (c *compiler) symbol() {
	for _, two := range []string{"<=", ">=", "!=", "!~"} {
		if strings.HasPrefix(c.src[c.at:], two) {
			c.tok.kind, c.tok.text = symbolToken, two
			c.at += 2
			return
		}
	}
	r, size := utf8.DecodeRuneInString(c.src[c.at:])
	if !strings.ContainsRune("+-*/|&=~<>.,()[]{}%$", r) {
		c.refuse(c.at, "an unexpected character", "")
		return
	}
	c.tok.kind, c.tok.text = symbolToken, c.src[c.at:c.at+size]
	c.at += size
}
