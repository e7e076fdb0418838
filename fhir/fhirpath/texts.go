package fhirpath

import (
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"html"
	"regexp"
	"strings"
	"unicode/utf8"
)

// texts adds the functions of texts. Places and lengths count characters, not bytes.
func texts(all map[string]function) {
	all["indexOf"] = text(1, integerKind, func(r *evaluation, at int, in Item, args []Item) { r.find(at, in, args, strings.Index) })
	all["lastIndexOf"] = text(1, integerKind, func(r *evaluation, at int, in Item, args []Item) { r.find(at, in, args, strings.LastIndex) })
	all["startsWith"] = textTest("startsWith()", strings.HasPrefix)
	all["endsWith"] = textTest("endsWith()", strings.HasSuffix)
	all["contains"] = textTest("contains()", strings.Contains)
	all["upper"] = textChange("upper()", strings.ToUpper)
	all["lower"] = textChange("lower()", strings.ToLower)
	all["trim"] = textChange("trim()", strings.TrimSpace)
	all["length"] = text(0, integerKind, func(r *evaluation, at int, in Item, _ []Item) {
		if s, ok := r.itemText(in, at, "length()"); ok {
			r.push(integerItem(int64(runes(s))))
		}
	})
	substring := single(2, stringKind, stringKind, substring)
	substring.min = 1
	all["substring"] = substring
	all["replace"] = text(2, stringKind, replace)
	all["toChars"] = text(0, stringKind, func(r *evaluation, at int, in Item, _ []Item) { r.split(at, in, "") })
	all["split"] = text(1, stringKind, func(r *evaluation, at int, in Item, args []Item) {
		if by, ok := r.itemText(args[0], at, "split()"); ok {
			r.split(at, in, by)
		}
	})
	all["join"] = function{0, 1, buildJoin}
	all["matches"] = function{1, 1, pattern(func(s string) string { return "(?s)" + s })}
	all["matchesFull"] = function{1, 1, pattern(func(s string) string { return `(?s)\A(?:` + s + `)\z` })}
	all["replaceMatches"] = function{2, 2, buildReplaceMatches}
	all["encode"] = coding("base64, urlbase64 or hex", encoders)
	all["decode"] = coding("base64, urlbase64 or hex", decoders)
	all["escape"] = coding("html or json", escapers)
	all["unescape"] = coding("html or json", unescapers)
}

func textTest(name string, test func(s, part string) bool) function {
	return text(1, booleanKind, func(r *evaluation, at int, in Item, args []Item) {
		s, okText := r.itemText(in, at, name)
		part, okPart := r.itemText(args[0], at, name)
		if okText && okPart {
			r.push(booleanItem(test(s, part)))
		}
	})
}

func textChange(name string, change func(string) string) function {
	return text(0, stringKind, func(r *evaluation, at int, in Item, _ []Item) {
		if s, ok := r.itemText(in, at, name); ok {
			r.pushText(at, change(s))
		}
	})
}

func (r *evaluation) find(at int, in Item, args []Item, index func(s, part string) int) {
	s, okText := r.itemText(in, at, "indexOf()")
	part, okPart := r.itemText(args[0], at, "indexOf()")
	if !okText || !okPart {
		return
	}
	i := index(s, part)
	if i > 0 {
		i = runes(s[:i])
	}
	r.push(integerItem(int64(i)))
}

// substring gives empty where the start is outside the text.
func substring(r *evaluation, at int, in Item, args []Item) {
	s, ok := r.itemText(in, at, "substring()")
	start, okStart := r.integer(args[0], at, "substring()")
	length := int64(len(s))
	if len(args) == 2 && okStart {
		length, okStart = r.integer(args[1], at, "substring()")
	}
	if !ok || !okStart || start < 0 {
		return
	}
	rest := s[offset(s, int(start)):]
	if length >= int64(len(rest)) {
		length = int64(len(rest))
	}
	if rest != "" && length == int64(len(rest)) {
		r.push(StringItem(rest))
	} else if rest != "" {
		r.push(StringItem(rest[:offset(rest, int(max(length, 0)))]))
	}
}

// offset gives the byte where a character begins.
func offset(s string, character int) int {
	at := 0
	for ; character > 0 && at < len(s); character-- {
		if s[at] < utf8.RuneSelf {
			at++
			continue
		}
		_, size := utf8.DecodeRuneInString(s[at:])
		at += size
	}
	return at
}

func replace(r *evaluation, at int, in Item, args []Item) {
	s, ok := r.itemText(in, at, "replace()")
	old, okOld := r.itemText(args[0], at, "replace()")
	by, okBy := r.itemText(args[1], at, "replace()")
	if !ok || !okOld || !okBy {
		return
	}
	if (len(s)+1)*(len(by)+1) > maxText && strings.Count(s, old)*len(by) > maxText {
		r.fail(at, "a text of more than %d bytes", maxText)
		return
	}
	r.pushText(at, strings.ReplaceAll(s, old, by))
}

func (r *evaluation) split(at int, in Item, by string) {
	s, ok := r.itemText(in, at, "split()")
	for ok {
		i := strings.Index(s, by)
		if by == "" {
			_, i = utf8.DecodeRuneInString(s)
		}
		if i < 0 || by == "" && i >= len(s) {
			break
		}
		r.push(StringItem(s[:i]))
		s, ok = s[i+len(by):], r.err == nil
	}
	if ok && (s != "" || by != "") {
		r.push(StringItem(s))
	}
}

func buildJoin(c *compiler, k call) (op, shape) {
	at := k.at
	if lits, ok := literals(k.args); ok && len(lits) == 0 || ok && lits[0].kind == stringKind {
		by := ""
		if len(lits) == 1 {
			by = lits[0].text
		}
		return func(r *evaluation, in span) { r.join(at, in, by) }, systemShape(stringKind)
	}
	separator, _ := c.expr(k.args[0], c.this)
	return func(r *evaluation, in span) {
		base := len(r.stack)
		by, ok := r.text(r.eval(separator, r.this), at, "join()")
		r.drop(base)
		if ok {
			r.join(at, in, by)
		}
	}, systemShape(stringKind)
}

func (r *evaluation) join(at int, in span, by string) {
	from := len(r.scratch)
	for i := in.from; i < in.to; i++ {
		s, ok := r.itemText(r.stack[i], at, "join()")
		if i > in.from {
			r.scratch = append(r.scratch, by...)
		}
		if r.scratch = append(r.scratch, s...); !ok && r.err != nil || len(r.scratch) > maxText {
			break
		}
	}
	if in.len() > 0 {
		r.pushKept(at, from)
	}
}

// pattern makes a function that tests a text against a regular expression (RE2). The expression is a literal, so
// that a fault in it is found by Compile; {} gives empty.
func pattern(dress func(string) string) func(c *compiler, k call) (op, shape) {
	return func(c *compiler, k call) (op, shape) {
		re, ok := c.regexp(k, dress)
		if !ok {
			return func(*evaluation, span) {}, systemShape(booleanKind)
		}
		at, name := k.at, k.name+"()"
		return func(r *evaluation, in span) {
			if s, ok := r.text(in, at, name); ok {
				r.steps += len(s) / 16
				r.push(booleanItem(re.MatchString(s)))
			}
		}, systemShape(booleanKind)
	}
}

// regexp compiles the first argument; ok is false for {} and after a refusal.
func (c *compiler) regexp(k call, dress func(string) string) (*regexp.Regexp, bool) {
	arg := k.args[0]
	if !textual(k.in) && !k.in.nothing {
		c.refuse(k.at, k.name+"() wants a text", "what stands before it is a "+k.in.describe())
		return nil, false
	}
	if arg.kind == emptyTree {
		return nil, false
	}
	if arg.kind != literalTree || arg.lit.kind != stringKind {
		c.refuse(arg.at, k.name+"() wants its pattern as a literal", "for example "+k.name+"('^[0-9]+$')")
		return nil, false
	}
	re, err := regexp.Compile(dress(arg.lit.text))
	if err != nil {
		c.refuse(arg.at, "no regular expression", "RE2 syntax: no look-around, no back references")
	}
	return re, err == nil
}

func buildReplaceMatches(c *compiler, k call) (op, shape) {
	re, ok := c.regexp(k, func(s string) string { return "(?s)" + s })
	by, s := c.expr(k.args[1], c.this)
	if !ok {
		return func(*evaluation, span) {}, systemShape(stringKind)
	}
	if s.system != nodeKind && s.system != stringKind {
		return c.refuse(k.args[1].at, "replaceMatches() wants a text", "")
	}
	at, nothing := k.at, k.args[0].lit.text == ""
	group := regexp.MustCompile(`\$(\d+)`)
	return func(r *evaluation, in span) {
		base := len(r.stack)
		s, ok := r.text(in, at, "replaceMatches()")
		with, okWith := r.text(r.eval(by, r.this), at, "replaceMatches()")
		r.drop(base)
		switch {
		case !ok || !okWith:
		case nothing:
			r.push(StringItem(s))
		default:
			r.replaceMatches(at, re, s, group.ReplaceAllString(with, "$${$1}"))
		}
	}, systemShape(stringKind)
}

// replaceMatches pushes a text with its matches replaced. It stops where the result gets too long, or has too many matches.
func (r *evaluation) replaceMatches(at int, re *regexp.Regexp, s, with string) {
	r.steps += len(s) / 16
	from, end, groups := len(r.scratch), 0, strings.Count(with, "$")
	matches := re.FindAllStringSubmatchIndex(s, max(r.limit-r.steps, 0)+1)
	for _, match := range matches {
		if groups*(match[1]-match[0]) > maxText { // one replacement could be as long
			r.fail(at, "a text of more than %d bytes", maxText)
		}
		if !r.step() || len(r.scratch)-from > maxText {
			break
		}
		r.scratch = append(r.scratch, s[end:match[0]]...)
		r.scratch = re.ExpandString(r.scratch, with, s, match)
		end = match[1]
	}
	r.scratch = append(r.scratch, s[end:]...)
	r.pushKept(at, from)
}

// codec changes a text; ok is false where it cannot, which gives empty.
type codec func(s string) (out string, ok bool)

// coding makes a function that changes a text in a way that a literal argument names.
func coding(ways string, find func(way string) codec) function {
	return function{1, 1, func(c *compiler, k call) (op, shape) {
		arg := k.args[0]
		var change codec
		if arg.kind == literalTree {
			change = find(arg.lit.text)
		}
		if change == nil {
			return c.refuse(arg.at, k.name+"() knows no such way", "write "+ways+" as a literal")
		}
		at, name := k.at, k.name+"()"
		return func(r *evaluation, in span) {
			s, ok := r.text(in, at, name)
			if !ok {
				return
			}
			if out, ok := change(s); ok {
				r.pushText(at, out)
			}
		}, systemShape(stringKind)
	}}
}

func encoders(way string) codec {
	switch way {
	case "base64":
		return func(s string) (string, bool) { return base64.StdEncoding.EncodeToString([]byte(s)), true }
	case "urlbase64":
		return func(s string) (string, bool) { return base64.URLEncoding.EncodeToString([]byte(s)), true }
	case "hex":
		return func(s string) (string, bool) { return hex.EncodeToString([]byte(s)), true }
	}
	return nil
}

func decoders(way string) codec {
	switch way {
	case "base64":
		return decoded(base64.StdEncoding.DecodeString)
	case "urlbase64":
		return decoded(base64.URLEncoding.DecodeString)
	case "hex":
		return decoded(hex.DecodeString)
	}
	return nil
}

func decoded(decode func(string) ([]byte, error)) codec {
	return func(s string) (string, bool) {
		b, err := decode(s)
		return string(b), err == nil && utf8.Valid(b)
	}
}

func escapers(way string) codec {
	switch way {
	case "html":
		quotes := strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;", "'", "&#39;")
		return func(s string) (string, bool) { return quotes.Replace(s), true }
	case "json":
		return func(s string) (string, bool) {
			quoted := jsonText(s)
			return quoted[1 : len(quoted)-1], true
		}
	}
	return nil
}

func unescapers(way string) codec {
	switch way {
	case "html":
		return func(s string) (string, bool) { return html.UnescapeString(s), true }
	case "json":
		return unescapeJSON
	}
	return nil
}

// unescapeJSON undoes the escapes of JSON; a quotation mark that is not escaped stands for itself.
func unescapeJSON(s string) (out string, ok bool) {
	var quoted strings.Builder
	escaped := false
	for _, c := range s {
		if c == '"' && !escaped {
			quoted.WriteByte('\\')
		}
		escaped = c == '\\' && !escaped
		quoted.WriteRune(c)
	}
	err := json.Unmarshal([]byte(`"`+quoted.String()+`"`), &out)
	return out, err == nil
}
