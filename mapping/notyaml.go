package mapping

import (
	"cmp"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/config/pattern"
)

// What is wrong with a file that is not YAML, for people who do not know YAML. The parser gives up somewhere behind the fault,
// or names the first line of the block that it was in; so the line is the first with which the file cannot be read any more.

// broken is a fault of YAML in a line. column counts from 1.
type broken struct {
	column        int
	message, hint string
}

// syntax notes why the file is not YAML.
func (r *Reader) syntax(err error) {
	r.unread = true
	line := firstUnread(r.Lines)
	b := diagnosis(r.Lines, line)
	if b.message == "" {
		b.message = yamlLine().ReplaceAllString(strings.TrimPrefix(err.Error(), "yaml: "), "")
		b.hint = `a FHIRPath that starts with % or ', or holds ": " or " #", stands in double quotes`
	}
	p := Place{File: r.File, Line: line + 1, Column: max(b.column, 1)}
	r.noted("yaml", p.Fault(TableFault, "not YAML: "+b.message, b.hint))
}

// firstUnread gives the line, from 0, up to which lines can be read as YAML. A text in quotes or brackets may go over some
// lines, so that fewer lines may be unreadable where more are not.
func firstUnread(lines []string) int {
	const window = 8
	have, not := 0, len(lines)
	for not-have > 1 {
		middle := (have + not) / 2
		end := middle
		for end < min(middle+window, not) && !reads(lines[:end]) {
			end++
		}
		if end < min(middle+window, not) {
			have = end
		} else {
			not = middle
		}
	}
	return have
}

func reads(lines []string) bool {
	in := yaml.NewDecoder(strings.NewReader(strings.Join(lines, "\n")))
	for {
		var doc yaml.Node
		if err := in.Decode(&doc); err != nil {
			return errors.Is(err, io.EOF)
		}
	}
}

// valueAt is a line up to its value: the indentation, dashes, and a name.
var valueAt = pattern.MustOnce(`^\s*(?:- +)*(?:[A-Za-z0-9_.$-]+: +)?`)

var loneWord = pattern.MustOnce(`^[A-Za-z]+$`)

// diagnosis says what is wrong with a line, the lines above it being right; nothing where it does not know.
func diagnosis(lines []string, line int) broken {
	text := []rune(strings.TrimRight(lines[line], "\r"))
	indent := string(text[:len(text)-len([]rune(strings.TrimLeft(string(text), " \t")))])
	if i := strings.IndexByte(indent, '\t'); i >= 0 {
		return broken{i + 1, "a tab in the indentation", "indent with spaces"}
	}
	if fit := fitting(lines, line, len(indent)); fit != "" {
		return broken{len(indent) + 1, fmt.Sprintf("a line indented by %d cannot stand here", len(indent)), fit}
	}
	if word := strings.TrimSpace(string(text)); loneWord().MatchString(word) {
		return broken{len(text) + 1, "a name without a colon", "write " + word + ":"}
	}
	from := len([]rune(valueAt().FindString(string(text))))
	b := valueFault(text[from:])
	b.column += from
	return b
}

// fitting says by how many spaces a line would have to be indented, the least change; empty where no indentation helps.
func fitting(lines []string, line, have int) string {
	text := strings.TrimLeft(lines[line], " ")
	open := levels(lines[:line])
	slices.SortStableFunc(open, func(a, b int) int {
		return cmp.Or(max(a-have, have-a)-max(b-have, have-b), b-a)
	})
	for _, n := range open {
		if n == have || !reads(append(slices.Clone(lines[:line]), strings.Repeat(" ", n)+text)) {
			continue
		}
		return fmt.Sprintf("%d spaces would fit", n)
	}
	return ""
}

// levels gives the indentations at which the block at the end of lines can go on.
func levels(lines []string) []int {
	var open []int
	for _, line := range lines {
		text := strings.TrimLeft(line, " ")
		if text == "" || text[0] == '#' {
			continue
		}
		at := len(line) - len(text)
		open = slices.DeleteFunc(open, func(n int) bool { return n >= at })
		open = append(open, at)
		for strings.HasPrefix(text, "- ") {
			rest := strings.TrimLeft(text[2:], " ")
			at += len(text) - len(rest)
			open, text = append(open, at), rest
		}
	}
	return open
}

// valueFault finds what is wrong with the value of a line. Its column counts from the value's first character, from 1.
func valueFault(value []rune) broken {
	if len(value) == 0 {
		return broken{}
	}
	switch value[0] {
	case '%', '@', '`', '*', '&', '!', '|', '>':
		return broken{1, fmt.Sprintf("an unquoted text cannot begin with %c", value[0]), inQuotes("the text")}
	case '\'', '"':
		return quotedFault(value, "")
	case '{', '[':
		return flowFault(value)
	}
	if at := strings.Index(string(value), ": "); at >= 0 {
		return broken{len([]rune(string(value)[:at])) + 1, `": " inside of an unquoted text`, inQuotes("the text")}
	}
	return broken{}
}

func inQuotes(what string) string { return "put " + what + " in double quotes" }

// quotedFault finds what is wrong with a text in quotes; ends are the characters that may follow it.
func quotedFault(value []rune, ends string) broken {
	if at := strangeEscape(value); at > 0 {
		return broken{at + 1, fmt.Sprintf(`\%c means nothing in double quotes`, value[at+1]), `write \\ for a backslash`}
	}
	end := quoteEnd(value, 0)
	if end < 0 {
		return broken{1, "a quote that is never closed", fmt.Sprintf("end the text with %c", value[0])}
	}
	rest := strings.TrimLeft(string(value[end:]), " ")
	if rest == "" || rest[0] == '#' || strings.ContainsRune(ends, rune(rest[0])) {
		return broken{}
	}
	return broken{len(value) - len([]rune(rest)) + 1, "the text goes on behind its closing quote", inQuotes("the whole text")}
}

// quoteEnd gives the place behind the closing quote of the text that begins at i, -1 where there is none.
func quoteEnd(value []rune, i int) int {
	quote := value[i]
	for i++; i < len(value); i++ {
		switch {
		case quote == '"' && value[i] == '\\':
			i++
		case value[i] == quote && quote == '\'' && i+1 < len(value) && value[i+1] == quote:
			i++
		case value[i] == quote:
			return i + 1
		}
	}
	return -1
}

// strangeEscape gives the place of a backslash that YAML does not know, 0 where there is none.
func strangeEscape(value []rune) int {
	for i := 1; value[0] == '"' && i+1 < len(value) && value[i] != '"'; i++ {
		if value[i] != '\\' {
			continue
		}
		if !strings.ContainsRune("0abtnvfre \"/\\N_LPxuU\t", value[i+1]) {
			return i
		}
		i++
	}
	return 0
}

// flowFault finds what is wrong inside of {…} or […] on one line.
func flowFault(value []rune) broken {
	depth, begins := 0, true // begins: a text begins here
	for i := 0; i < len(value); i++ {
		switch c := value[i]; {
		case c == '#' && i > 0 && value[i-1] == ' ':
			return broken{i + 1, `a comment begins at " #", before the bracket is closed`, inQuotes("a text that holds \" #\"")}
		case c == '{' || c == '[':
			depth, begins = depth+1, true
		case c == '}' || c == ']':
			depth, begins = depth-1, false
		case c == ',':
			begins = true
		case c == ':' && i+1 < len(value) && value[i+1] == ' ':
			begins = true
		case c == ' ' || !begins:
		case strings.ContainsRune("%@`*&!|>", c):
			return broken{i + 1, fmt.Sprintf("an unquoted text cannot begin with %c", c), inQuotes("the text")}
		case c == '\'' || c == '"':
			if b := quotedFault(value[i:], ",:]}"); b.message != "" {
				b.column += i
				return b
			}
			i, begins = quoteEnd(value, i)-1, false
		default:
			begins = false
		}
	}
	if depth > 0 {
		return broken{1, fmt.Sprintf("a %c that is never closed", value[0]), "close it; a text that holds brackets stands in double quotes"}
	}
	return broken{1, fmt.Sprintf("what stands in %c…%c cannot be read", value[0], value[0]+2), `inside of brackets a text that holds , : [ ] { or } stands in double quotes`}
}
