package review

import (
	"slices"
	"strings"

	"refbridge/config/pattern"
	"refbridge/mapping"
)

// variable is a %name in a path, or a text in quotes, in which a % is none.
var variable = pattern.MustOnce(`'(?:[^'\\]|\\.)*'|%([A-Za-z][A-Za-z0-9]*)`)

// builtIn gives the variables that refbridge sets, with others that the tables use and do not give.
func builtIn(tables []table) []named {
	var out, used []named
	for _, name := range mapping.BuiltIn() {
		out = append(out, setByRefbridge(name))
	}
	for _, t := range tables {
		for _, w := range t.Rows {
			used = append(used, w.Names...)
		}
	}
	for _, n := range used {
		if n == setByRefbridge(n.Name) && !slices.Contains(out, n) {
			out = append(out, n)
		}
	}
	return out
}

func setByRefbridge(name string) named {
	return named{Name: name, Words: builtInWords(name), ID: "name-" + name}
}

func builtInWords(name string) string {
	switch name {
	case "source":
		return "the name of the source in the configuration"
	case "run":
		return "how the record came here: live, first, backfill or replay"
	case "patientMode":
		return "whether patients are only found (link) or also created (create), from the configuration"
	case "system":
		return "the system of the source's own identifiers, from the configuration"
	case "fields", "body":
		return "what the rows above gave"
	}
	return ""
}

func letID(t *mapping.Table, name string) string {
	return strings.TrimSuffix(t.File, ".yaml") + "-let-" + name
}

// namesIn gives the named values that a row uses, each once.
func namesIn(t *mapping.Table, w *mapping.Row) []named {
	paths := w.Paths
	if w.When != nil {
		paths = append([]*mapping.Path{w.When}, paths...)
	}
	var out []named
	for _, p := range paths {
		for _, m := range variable().FindAllStringSubmatch(p.Text, -1) {
			n := nameOf(t, m[1])
			if n.Words != "" && !slices.Contains(out, n) {
				out = append(out, n)
			}
		}
	}
	return out
}

func nameOf(t *mapping.Table, name string) named {
	for i := range t.Lets {
		if l := &t.Lets[i]; l.Name == name {
			return named{Name: name, Words: letWords(l), ID: letID(t, name)}
		}
	}
	return setByRefbridge(name)
}

// letWords says in one line what a named value is: its purpose, else what it is made from.
func letWords(l *mapping.Let) string {
	if l.Purpose != "" {
		return strings.TrimSuffix(strings.ToLower(l.Purpose[:1])+l.Purpose[1:], ".")
	}
	var out []string
	for _, p := range pathWords(l.Paths) {
		if p.Words == "" {
			p.Words = p.Text
		}
		out = append(out, p.Words)
	}
	s := strings.Join(out, "; where that has none, ")
	for _, step := range transformRules(l.Transforms) {
		s += ", " + step
	}
	return s
}
