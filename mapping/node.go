package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"slices"
	"strings"
	"unicode"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"refbridge/config/pattern"
	"refbridge/config/spelling"
	"refbridge/fhir/fhirpath"
)

// The loader walks YAML nodes instead of decoding into structs: positions stay, and a code such as 01 stays the text
// that was written.

// MaxFile is the largest table, in bytes.
const MaxFile = 1 << 20

var yamlLine = pattern.MustOnce(`line (\d+): ?`)

// Reader reads one YAML file strictly and collects what is wrong with it: names that nobody knows, names twice, empty values.
type Reader struct {
	File   string
	Lines  []string
	Faults Faults
	unread bool // nothing could be read

	modifiers []string // that paths name

	scope fhirpath.Scope // what is known of what the paths start from
}

// Document gives the root node of the file, nil where the YAML cannot be read.
func (r *Reader) Document(src []byte) *yaml.Node {
	if len(src) > MaxFile || !utf8.Valid(src) {
		r.unread = true
		r.found("yaml", nil, "not a text of at most 1 MiB in UTF-8", "")
		return nil
	}
	r.Lines = strings.Split(string(src), "\n")
	var doc, more yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(src))
	if err := in.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		r.syntax(err)
		return nil
	}
	if len(doc.Content) != 1 {
		r.At(nil, "the file is empty", "remove it, or give it an object and rows, or values")
		return nil
	}
	switch err := in.Decode(&more); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.syntax(err)
		return nil
	default:
		r.At(&more, "a second document, after ---", "one file is one table: move it to a file of its own")
	}
	return doc.Content[0]
}

func (r *Reader) place(n *yaml.Node) Place {
	if n == nil {
		return Place{File: r.File, Line: 1, Column: 1}
	}
	return Place{File: r.File, Line: n.Line, Column: n.Column}
}

// At notes what is wrong at a node; nil is the whole file.
func (r *Reader) At(n *yaml.Node, message, hint string) { r.found("table", n, message, hint) }

// found is At for what has a check of its own.
func (r *Reader) found(check string, n *yaml.Node, message, hint string) {
	r.noted(check, r.place(n).Fault(TableFault, message, hint))
}

func (r *Reader) noted(check string, f Fault) {
	f.Check = check
	r.Faults = append(r.Faults, f)
}

// Mapping gives the members of a YAML mapping by name. Names outside of allowed, names twice and empty values are
// faults; needed names come first in allowed, before an empty string. A misspelt name is read as the one that it may mean, so that
// nothing is said to be missing because of it.
func (r *Reader) Mapping(n *yaml.Node, what string, allowed ...string) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		r.At(n, fmt.Sprintf("%s must be written as name: value pairs", what), r.alias(n))
		return out
	}
	needed := max(slices.Index(allowed, ""), 0)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case !slices.Contains(allowed, key.Value) || key.Value == "":
			r.found("unknown-key", key, fmt.Sprintf("%s does not take %q", what, Short(key.Value)), Nearest(key.Value, allowed))
		case out[key.Value] != nil:
			r.At(key, fmt.Sprintf("%q stands twice in %s", key.Value, what), "")
		case value.ShortTag() == "!!null":
			r.At(key, fmt.Sprintf("%q has no value", key.Value), "write one, or remove the line")
			out[key.Value] = value
		default:
			out[key.Value] = value
		}
	}
	meant := misspelt(n, out, allowed)
	for _, name := range allowed[:needed] {
		if out[name] == nil && !slices.Contains(meant, name) {
			r.At(n, fmt.Sprintf("%s needs %q", what, name), "")
		}
	}
	for name, value := range out {
		if value.ShortTag() == "!!null" {
			delete(out, name)
		}
	}
	return out
}

// misspelt adds the values of names that nobody knows under those that they may mean, where these are absent: of frm and form under
// from. One that is less like it adds nothing but that it may be meant.
func misspelt(n *yaml.Node, out map[string]*yaml.Node, allowed []string) (meant []string) {
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i].Value
		if slices.Contains(allowed, key) {
			continue
		}
		name := spelling.Nearest(key, allowed)
		if name == "" || out[name] != nil {
			continue
		}
		meant = append(meant, name)
		if spelling.Distance(key, name) == 1 {
			out[name] = n.Content[i+1]
		}
	}
	return meant
}

// Pairs gives the members of a YAML mapping whose names are the author's own, in the order written.
func (r *Reader) Pairs(n *yaml.Node, what string) [][2]*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.At(n, fmt.Sprintf("%s must be written as name: value pairs", what), r.alias(n))
		return nil
	}
	var out [][2]*yaml.Node
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			r.At(key, fmt.Sprintf("%q stands twice in %s", Short(key.Value), what), "")
			continue
		}
		seen[key.Value] = true
		out = append(out, [2]*yaml.Node{key, n.Content[i+1]})
	}
	return out
}

// List gives the items of a YAML list.
func (r *Reader) List(n *yaml.Node, what string) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.At(n, fmt.Sprintf("%s must be a list: each item on a line that starts with -", what), r.alias(n))
		return nil
	}
	return n.Content
}

// OneOrMore gives the items of a list, or the single value that stands in its place.
func (r *Reader) OneOrMore(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.SequenceNode {
		return n.Content
	}
	return []*yaml.Node{n}
}

// Text gives a scalar as it was written: 01 stays 01, no stays no.
func (r *Reader) Text(n *yaml.Node, what string) string {
	switch {
	case n == nil:
		return ""
	case n.Kind != yaml.ScalarNode:
		r.At(n, fmt.Sprintf("%s must be a single text", what), r.alias(n))
		return ""
	case n.ShortTag() == "!!null" || strings.TrimSpace(n.Value) == "":
		r.At(n, fmt.Sprintf("%s is empty", what), "")
		return ""
	}
	return n.Value
}

func (r *Reader) alias(n *yaml.Node) string {
	if n.Kind == yaml.AliasNode {
		return "anchors and aliases are not read: write the value out"
	}
	return ""
}

// Choice gives a scalar that must be one of the names.
func (r *Reader) Choice(n *yaml.Node, what string, names ...string) string {
	v := r.Text(n, what)
	if v != "" && !slices.Contains(names, v) {
		r.At(n, fmt.Sprintf("%s cannot be %q: one of %s", what, Short(v), strings.Join(names, ", ")), Nearest(v, names))
		return ""
	}
	return v
}

// flag gives true or false, false where n is nil.
func (r *Reader) flag(n *yaml.Node, what string) bool {
	return n != nil && r.Choice(n, what, "true", "false") == "true"
}

// path compiles a FHIRPath; nil where it is absent or faulty. One that is wrong only because of what is known of its source (no
// ServiceRequest has a birthDate) is kept beside its fault.
func (r *Reader) path(n *yaml.Node, what string, variables []string) *Path {
	src := r.Text(n, what)
	if src == "" {
		return nil
	}
	r.readModifiers(src)
	r.scope.Variables = variables
	expr, err := r.scope.Compile(src)
	if err != nil {
		f := r.refused(n, err)
		if expr, err = fhirpath.Compile(src, variables...); err != nil {
			f = r.refused(n, err)
			f.Message = what + ": " + f.Message
		}
		f.Source = strings.TrimSpace(src)
		r.Faults = append(r.Faults, f)
	}
	if err != nil {
		return nil
	}
	p := &Path{Place: r.place(n), Text: strings.TrimSpace(src), Expr: expr, walks: expr.Walks(), slot: expr.Variable()}
	typ := expr.Known().Type()
	if _, whole := leastOf(typ); whole || typ == "boolean" {
		p.typ = typ
	}
	p.dated = typ == "date" || typ == "dateTime"
	return p
}

// refused gives the fault of a path that does not compile.
func (r *Reader) refused(n *yaml.Node, err error) Fault {
	p, message, hint, check := r.place(n), err.Error(), "", "path"
	var at *fhirpath.Error
	if errors.As(err, &at) {
		p, message, hint = r.Inside(n, at.Line, at.Column), at.Message, at.Hint
		if at.Element != "" {
			check = "unknown-element"
		}
	}
	if n.Style == 0 && n.LineComment != "" {
		hint = `the text ends before " #", where a comment begins: if it should go on, put it in double quotes`
	}
	f := p.Fault(TableFault, message, hint)
	f.Check = check
	return f
}

// Inside gives the place in the file of a line and column of a scalar's text; of a text in quotes that has several lines, where it
// begins.
func (r *Reader) Inside(n *yaml.Node, line, column int) Place {
	p := r.place(n)
	line, column = max(line, 1), max(column, 1)
	if n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) == 0 {
		return r.unquoted(n, line, column)
	}
	if line == 1 {
		p.Column += column
	}
	return p
}

// unquoted is Inside for texts that stand in the file as they are, but for spaces and breaks of lines (|, > and without a mark): it
// walks over as many other characters as stand before the place.
func (r *Reader) unquoted(n *yaml.Node, line, column int) Place {
	lines := strings.SplitAfter(n.Value, "\n")
	last := []rune(lines[min(line, len(lines))-1])
	column = min(column, len(last)+1)
	before := strings.Fields(strings.Join(lines[:min(line, len(lines))-1], "") + string(last[:column-1]))
	left := len([]rune(strings.Join(before, "")))
	blank := column > len(last) || unicode.IsSpace(last[column-1])
	row, from := n.Line-1, n.Column-1
	if n.Style&(yaml.LiteralStyle|yaml.FoldedStyle) != 0 {
		row, from = n.Line, 0
	}
	for ; row < len(r.Lines); row, from = row+1, 0 {
		for i, c := range []rune(r.Lines[row]) {
			if i < from || unicode.IsSpace(c) {
				continue
			}
			if left == 0 {
				return Place{File: r.File, Line: row + 1, Column: i + 1}
			}
			if left--; left == 0 && blank {
				return Place{File: r.File, Line: row + 1, Column: i + 2}
			}
		}
	}
	return r.place(n)
}

// Short keeps a message readable where an author's text is long.
func Short(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:57], "") + "…"
}
