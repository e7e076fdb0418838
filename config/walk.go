package config

import (
	"fmt"
	"reflect"
	"strconv"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"

	"refbridge/config/spelling"
)

// walker fills structs from YAML nodes and collects what is wrong. Scalars are taken from the source text, so that a
// service id 01234 stays one.
type walker struct {
	file     string
	lines    map[string]int  // where each key stands, by path
	zero     map[string]bool // numbers that are given as 0
	faults   Faults
	schedule Schedule
	zone     *time.Location
}

func (w *walker) fault(at, message, hint string) {
	line := w.lines[at]
	for p := at; line == 0 && p != ""; {
		p = p[:max(strings.LastIndexAny(p, ".["), 0)]
		line = w.lines[p]
	}
	w.faults = append(w.faults, Fault{File: w.file, Line: max(line, 1), Message: message, Hint: hint})
}

func (w *walker) document(doc *yaml.Node, into any) {
	if len(doc.Content) == 0 {
		w.fault("", "the file is empty", "refbridge init writes an example")
		return
	}
	w.value("", doc.Content[0], reflect.ValueOf(into).Elem())
}

func (w *walker) value(at string, n *yaml.Node, v reflect.Value) {
	w.lines[at] = n.Line
	if n.Kind == yaml.AliasNode {
		n = n.Alias
	}
	switch v.Kind() {
	case reflect.Struct:
		w.mapping(at, n, v)
	case reflect.Slice:
		w.sequence(at, n, v)
	default:
		w.scalar(at, n, v)
	}
}

func (w *walker) mapping(at string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.MappingNode {
		w.fault(at, fmt.Sprintf("%s is not a group of keys", last(at)), "")
		return
	}
	seen := map[string]bool{}
	for i := 0; i+1 < len(n.Content); i += 2 {
		key, child := n.Content[i], n.Content[i+1]
		below := strings.TrimPrefix(at+"."+key.Value, ".")
		w.lines[below] = key.Line
		field, ok := fieldOf(v, key.Value)
		switch {
		case !ok:
			w.fault(below, fmt.Sprintf("unknown key %q", key.Value), suggestion(v.Type(), key.Value))
		case seen[key.Value]:
			w.fault(below, fmt.Sprintf("key %q stands twice", key.Value), "")
		default:
			w.value(below, child, field)
			w.lines[below] = key.Line
		}
		seen[key.Value] = true
	}
}

func (w *walker) sequence(at string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.SequenceNode {
		w.fault(at, fmt.Sprintf("%s is not a list", last(at)), "")
		return
	}
	v.Set(reflect.MakeSlice(v.Type(), len(n.Content), len(n.Content)))
	for i, item := range n.Content {
		w.value(fmt.Sprintf("%s[%d]", at, i), item, v.Index(i))
	}
}

func (w *walker) scalar(at string, n *yaml.Node, v reflect.Value) {
	if n.Kind != yaml.ScalarNode {
		w.fault(at, fmt.Sprintf("%s is not a single value", last(at)), "")
		return
	}
	if n.Tag == "!!null" {
		return
	}
	switch v.Kind() {
	case reflect.Float64:
		f, err := strconv.ParseFloat(n.Value, 64)
		w.number(at, "a number", f == 0, err)
		v.SetFloat(f)
	case reflect.Int:
		i, err := strconv.Atoi(n.Value)
		w.number(at, "a whole number", i == 0, err)
		v.SetInt(int64(i))
	case reflect.Bool:
		if n.Value != "true" && n.Value != "false" {
			w.fault(at, fmt.Sprintf("%s is neither true nor false", last(at)), "")
		}
		v.SetBool(n.Value == "true")
	default:
		v.SetString(n.Value)
	}
}

// number notes that a number is none, or that it is given as 0.
func (w *walker) number(at, what string, zero bool, err error) {
	if err != nil {
		w.fault(at, fmt.Sprintf("%s is not %s", last(at), what), "")
	}
	if zero {
		w.zero[at] = true
	}
}

func fieldOf(v reflect.Value, key string) (reflect.Value, bool) {
	for i := range v.NumField() {
		if tag := v.Type().Field(i).Tag.Get("yaml"); tag != "" && tag == key {
			return v.Field(i), true
		}
	}
	return reflect.Value{}, false
}

// suggestion gives the key that was probably meant, or all of them.
func suggestion(t reflect.Type, key string) string {
	var all []string
	for i := range t.NumField() {
		if tag := t.Field(i).Tag.Get("yaml"); tag != "" {
			all = append(all, tag)
		}
	}
	if best := spelling.Nearest(key, all); best != "" {
		return fmt.Sprintf("did you mean %q?", best)
	}
	return "known here: " + strings.Join(all, ", ")
}
