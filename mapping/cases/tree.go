package cases

import (
	"bytes"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"

	"go.yaml.in/yaml/v3"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/mapping"
)

// A resource that a case writes in YAML, or changes with set, is a tree of map[string]any, []any, string, json.Number, bool
// and nil. Members come in alphabetical order: their order means nothing in FHIR.

func appendJSON(dst []byte, tree any) []byte {
	b := bytes.NewBuffer(dst)
	e := json.NewEncoder(b)
	e.SetEscapeHTML(false)
	if e.Encode(tree) != nil { // cannot happen: the tree holds JSON values only
		return nil
	}
	return bytes.TrimSpace(b.Bytes())
}

var jsonNumber = pattern.MustOnce(`^-?(0|[1-9]\d*)(\.\d+)?([eE][+-]?\d+)?$`)

// tree gives what a YAML node holds. Dates are texts as in FHIR, and so is what only YAML takes for a number (01).
func (r *reader) tree(n *yaml.Node) any {
	switch n.Kind {
	case yaml.MappingNode:
		out := map[string]any{}
		for _, p := range r.Pairs(n, "a resource") {
			out[p[0].Value] = r.tree(p[1])
			r.quoted(p[0].Value, p[1])
		}
		return out
	case yaml.SequenceNode:
		out := []any{}
		for _, item := range n.Content {
			out = append(out, r.tree(item))
		}
		return out
	case yaml.AliasNode:
		r.At(n, "anchors and aliases are not read: write the value out", "")
		return nil
	}
	switch tag := n.ShortTag(); {
	case tag == "!!null":
		return nil
	case tag == "!!bool":
		return strings.EqualFold(n.Value, "true")
	case (tag == "!!int" || tag == "!!float") && jsonNumber().MatchString(n.Value):
		return json.Number(n.Value)
	}
	return n.Value
}

// quoted finds a number where FHIR has a text: a code 7 and a code "7" are not the same to a reader of JSON.
func (r *reader) quoted(name string, n *yaml.Node) {
	texts := []string{"id", "versionId", "code", "version", "reference", "postalCode"}
	if slices.Contains(texts, name) && (n.ShortTag() == "!!int" || n.ShortTag() == "!!float") {
		r.At(n, fmt.Sprintf("%s is a text in FHIR", name), fmt.Sprintf("write it in quotes: %q", mapping.Short(n.Value)))
	}
}

// changed gives a resource with the values of set in it. A null takes out what is there.
func (r *reader) changed(raw []byte, set [][2]*yaml.Node) []byte {
	if _, err := fhir.Parse(raw); err != nil {
		return raw // whoever reads the resource says so
	}
	d := json.NewDecoder(bytes.NewReader(raw))
	d.UseNumber()
	var root any
	if d.Decode(&root) != nil {
		return raw
	}
	for _, p := range set {
		steps, ok := pathSteps(p[0].Value)
		if !ok {
			r.At(p[0], fmt.Sprintf("%q is not a path into the resource", mapping.Short(p[0].Value)),
				"for example status, identifier[0].value or extension('https://…').valueCoding.code")
			continue
		}
		root = put(root, steps, r.tree(p[1]))
	}
	return appendJSON(nil, root)
}

// pathStep is a member of an object, or an item of a list: by number, or an extension by its url.
type pathStep struct {
	name  string
	url   string
	index int // -1: the member itself
}

var stepShape = pattern.MustOnce(`^([A-Za-z_][A-Za-z0-9_]*)(?:\[(\d{1,4})\]|\('([^']+)'\))?(?:\.|$)`)

func pathSteps(text string) ([]pathStep, bool) {
	var out []pathStep
	for text != "" {
		m := stepShape().FindStringSubmatch(text)
		if m == nil {
			return nil, false
		}
		s := pathStep{name: m[1], url: m[3], index: -1}
		if m[2] != "" {
			s.index, _ = strconv.Atoi(m[2])
		}
		out = append(out, s)
		text = text[len(m[0]):]
	}
	return out, len(out) > 0
}

// put gives a tree with a value at a path; what is missing on the way is made. A nil value takes out what is there.
func put(tree any, steps []pathStep, value any) any {
	if len(steps) == 0 {
		return value
	}
	s, object := steps[0], map[string]any{}
	if have, ok := tree.(map[string]any); ok {
		object = have
	}
	switch {
	case s.url != "":
		object[s.name] = putExtension(object[s.name], s.url, steps[1:], value)
	case s.index >= 0:
		object[s.name] = putItem(object[s.name], s.index, steps[1:], value)
	default:
		object[s.name] = put(object[s.name], steps[1:], value)
	}
	if list, ok := object[s.name].([]any); object[s.name] == nil || ok && len(list) == 0 {
		delete(object, s.name) // FHIR has neither null nor empty lists
	}
	return object
}

func putItem(tree any, index int, rest []pathStep, value any) any {
	list, ok := tree.([]any)
	if !ok && tree != nil {
		list = []any{tree}
	}
	for len(list) <= index {
		list = append(list, map[string]any{})
	}
	list[index] = put(list[index], rest, value)
	if list[index] == nil {
		list = slices.Delete(list, index, index+1)
	}
	return list
}

func putExtension(tree any, url string, rest []pathStep, value any) any {
	list, _ := tree.([]any)
	i := slices.IndexFunc(list, func(item any) bool {
		object, _ := item.(map[string]any)
		return object["url"] == url
	})
	switch {
	case i < 0 && value == nil:
		return tree
	case i < 0:
		i, list = len(list), append(list, map[string]any{"url": url})
	}
	list[i] = put(list[i], rest, value)
	if list[i] == nil {
		list = slices.Delete(list, i, i+1)
	}
	return list
}
