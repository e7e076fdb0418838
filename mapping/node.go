package mapping

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode/utf8"

	"go.yaml.in/yaml/v3"

	"refbridge/fhir/fhirpath"
)

// The loader walks YAML nodes instead of decoding into structs: positions stay, and a code such as 01 stays the text
// that was written.

const maxTable = 1 << 20 // bytes of one table file

var yamlLine = regexp.MustCompile(`line (\d+): ?`)

// reader reads one table file and collects what is wrong with it.
type reader struct {
	file   string
	lines  []string
	faults Faults
}

// document gives the root node of the file, nil where the YAML cannot be read.
func (r *reader) document(src []byte) *yaml.Node {
	if len(src) > maxTable || !utf8.Valid(src) {
		r.at(nil, "not a text of at most 1 MiB in UTF-8", "")
		return nil
	}
	r.lines = strings.Split(string(src), "\n")
	var doc, more yaml.Node
	in := yaml.NewDecoder(bytes.NewReader(src))
	if err := in.Decode(&doc); err != nil && !errors.Is(err, io.EOF) {
		r.syntax(err)
		return nil
	}
	if len(doc.Content) != 1 {
		r.at(nil, "the file is empty", "remove it, or give it an object and rows, or values")
		return nil
	}
	switch err := in.Decode(&more); {
	case errors.Is(err, io.EOF):
	case err != nil:
		r.syntax(err)
	default:
		r.at(&more, "a second document, after ---", "one file is one table: move it to a file of its own")
	}
	return doc.Content[0]
}

func (r *reader) syntax(err error) {
	message := strings.TrimPrefix(err.Error(), "yaml: ")
	p := place{file: r.file, line: 1, column: 1}
	if m := yamlLine.FindStringSubmatch(message); m != nil {
		p.line, _ = strconv.Atoi(m[1])
		message = strings.Replace(message, m[0], "", 1)
	}
	r.faults = append(r.faults, p.fault(TableFault, "not YAML: "+message,
		`a FHIRPath that starts with % or ', or holds ": " or " #", stands in double quotes`))
}

func (r *reader) place(n *yaml.Node) place {
	if n == nil {
		return place{file: r.file, line: 1, column: 1}
	}
	return place{file: r.file, line: n.Line, column: n.Column}
}

func (r *reader) at(n *yaml.Node, message, hint string) {
	r.faults = append(r.faults, r.place(n).fault(TableFault, message, hint))
}

// mapping gives the members of a YAML mapping by name. Names outside of allowed, names twice and empty values are
// faults; needed names come first in allowed, before an empty string.
func (r *reader) mapping(n *yaml.Node, what string, allowed ...string) map[string]*yaml.Node {
	out := map[string]*yaml.Node{}
	if n.Kind != yaml.MappingNode {
		r.at(n, fmt.Sprintf("%s must be written as name: value pairs", what), r.alias(n))
		return out
	}
	needed := max(slices.Index(allowed, ""), 0)
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, value := n.Content[i], n.Content[i+1]
		switch {
		case !slices.Contains(allowed, key.Value) || key.Value == "":
			r.at(key, fmt.Sprintf("%s does not take %q", what, short(key.Value)), nearest(key.Value, allowed))
		case out[key.Value] != nil:
			r.at(key, fmt.Sprintf("%q stands twice in %s", key.Value, what), "")
		case value.ShortTag() == "!!null":
			r.at(key, fmt.Sprintf("%q has no value", key.Value), "write one, or remove the line")
			out[key.Value] = value
		default:
			out[key.Value] = value
		}
	}
	for _, name := range allowed[:needed] {
		if out[name] == nil {
			r.at(n, fmt.Sprintf("%s needs %q", what, name), "")
		}
	}
	for name, value := range out {
		if value.ShortTag() == "!!null" {
			delete(out, name)
		}
	}
	return out
}

// pairs gives the members of a YAML mapping whose names are the author's own, in the order written.
func (r *reader) pairs(n *yaml.Node, what string) [][2]*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.MappingNode {
		r.at(n, fmt.Sprintf("%s must be written as name: value pairs", what), r.alias(n))
		return nil
	}
	var out [][2]*yaml.Node
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key := n.Content[i]
		if seen[key.Value] {
			r.at(key, fmt.Sprintf("%q stands twice in %s", short(key.Value), what), "")
			continue
		}
		seen[key.Value] = true
		out = append(out, [2]*yaml.Node{key, n.Content[i+1]})
	}
	return out
}

// list gives the items of a YAML list.
func (r *reader) list(n *yaml.Node, what string) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind != yaml.SequenceNode {
		r.at(n, fmt.Sprintf("%s must be a list: each item on a line that starts with -", what), r.alias(n))
		return nil
	}
	return n.Content
}

// oneOrMore gives the items of a list, or the single value that stands in its place.
func (r *reader) oneOrMore(n *yaml.Node) []*yaml.Node {
	if n == nil {
		return nil
	}
	if n.Kind == yaml.SequenceNode {
		return n.Content
	}
	return []*yaml.Node{n}
}

// text gives a scalar as it was written: 01 stays 01, no stays no.
func (r *reader) text(n *yaml.Node, what string) string {
	switch {
	case n == nil:
		return ""
	case n.Kind != yaml.ScalarNode:
		r.at(n, fmt.Sprintf("%s must be a single text", what), r.alias(n))
		return ""
	case n.ShortTag() == "!!null" || strings.TrimSpace(n.Value) == "":
		r.at(n, fmt.Sprintf("%s is empty", what), "")
		return ""
	}
	return n.Value
}

func (r *reader) alias(n *yaml.Node) string {
	if n.Kind == yaml.AliasNode {
		return "anchors and aliases are not read: write the value out"
	}
	return ""
}

// choice gives a scalar that must be one of the names.
func (r *reader) choice(n *yaml.Node, what string, names ...string) string {
	v := r.text(n, what)
	if v != "" && !slices.Contains(names, v) {
		r.at(n, fmt.Sprintf("%s cannot be %q: one of %s", what, short(v), strings.Join(names, ", ")), nearest(v, names))
		return ""
	}
	return v
}

// flag gives true or false, false where n is nil.
func (r *reader) flag(n *yaml.Node, what string) bool {
	return n != nil && r.choice(n, what, "true", "false") == "true"
}

// path compiles a FHIRPath; nil where it is absent or faulty.
func (r *reader) path(n *yaml.Node, what string, variables []string) *path {
	src := r.text(n, what)
	if src == "" {
		return nil
	}
	expr, err := fhirpath.Compile(src, variables...)
	if err == nil {
		return &path{place: r.place(n), text: strings.TrimSpace(src), expr: expr, walks: expr.Walks()}
	}
	p, message, hint := r.place(n), err.Error(), ""
	var at *fhirpath.Error
	if errors.As(err, &at) {
		p, message, hint = r.inside(n, at.Line, at.Column), at.Message, at.Hint
	}
	r.faults = append(r.faults, p.fault(TableFault, fmt.Sprintf("%s: %s", what, message), hint))
	return nil
}

// inside gives the place in the file of a line and column of a scalar's text. It is exact for texts on one line and
// for literal blocks (|); folded texts give where they begin.
func (r *reader) inside(n *yaml.Node, line, column int) place {
	p := r.place(n)
	line, column = max(line, 1), max(column, 1)
	switch {
	case n.Style&yaml.LiteralStyle != 0:
		p.line += line
		p.column = column + r.indent(n.Line)
	case n.Style&(yaml.SingleQuotedStyle|yaml.DoubleQuotedStyle) != 0 && line == 1:
		p.column += column
	case n.Style == 0 && line == 1:
		p.column += column - 1
	}
	return p
}

// indent gives the spaces before the text of a line, counted from 0.
func (r *reader) indent(line int) int {
	if line >= len(r.lines) {
		return 0
	}
	return len(r.lines[line]) - len(strings.TrimLeft(r.lines[line], " "))
}

// short keeps a message readable where an author's text is long.
func short(s string) string {
	if len(s) <= 60 {
		return s
	}
	return strings.ToValidUTF8(s[:57], "") + "…"
}
