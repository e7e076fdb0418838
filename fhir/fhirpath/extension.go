package fhirpath

import (
	"slices"
	"strings"
)

// Extension is a step of an expression to an extension, or to what an extension holds.
type Extension struct {
	Variable string   // %name at which the way begins; empty: none
	URLs     []string // from outside in
	Step     string   // what is read of it: value, valueString, ofType(string); empty: the step to the extension itself
	At       Part
}

// Extensions gives the steps of the expression to extensions, also those inside of conditions: extension('x') and
// extension.where(url = 'x').
func (e *Expr) Extensions() []Extension {
	o := outline{src: e.src}
	o.reach(o.parsed(), reached{})
	return o.extensions
}

// reached is an extension, as far as it is plain to see.
type reached struct {
	variable string
	urls     []string
	any      bool // all extensions of what stands before: their url is still to come
	value    bool // the value of the extension
}

func (f reached) inside() bool { return len(f.urls) > 0 || f.variable != "" }

func (f reached) to(url string) reached {
	return reached{variable: f.variable, urls: append(slices.Clone(f.urls), url)}
}

// note keeps a step at a part of the expression.
func (o *outline) note(at reached, step string, t *tree, text string) {
	o.extensions = append(o.extensions, Extension{at.variable, at.urls, step, o.part(t, text)})
}

// reach gives where a tree leads from an extension, and notes the steps on the way.
func (o *outline) reach(t *tree, from reached) reached {
	switch t.kind {
	case memberTree:
		return o.reachMember(t, from)
	case variableTree:
		return reached{variable: t.name}
	case contextTree:
		if t.name == "this" {
			return from
		}
	case pathTree:
		here := from
		for _, step := range t.args {
			here = o.reach(step, here)
		}
		return here
	case indexTree:
		o.reach(t.args[0], reached{})
		return from
	case callTree:
		return o.reachCall(t, from)
	case typeTree:
		if here := o.reach(t.args[0], from); here.value {
			o.note(here, "ofType("+t.name+")", t, t.name)
		}
	default:
		for _, arg := range t.args {
			o.reach(arg, from)
		}
	}
	return reached{}
}

func (o *outline) reachMember(t *tree, from reached) reached {
	switch {
	case t.name == "extension":
		return reached{variable: from.variable, urls: from.urls, any: true}
	case strings.HasPrefix(t.name, "value") && from.inside() && !from.any && !from.value:
		o.note(from, t.name, t, t.name)
		return reached{variable: from.variable, urls: from.urls, value: true}
	}
	return reached{}
}

func (o *outline) reachCall(t *tree, from reached) reached {
	if url := extensionURL(t, from); url != nil {
		from = from.to(url.lit.text)
		o.note(from, "", url, url.lit.text)
		if t.name == "extension" {
			return from
		}
	}
	var last reached
	for _, arg := range t.args {
		last = o.reach(arg, from)
	}
	switch {
	case t.name == "ofType" && from.value && len(t.args) == 1:
		o.note(from, "ofType("+t.args[0].text()+")", t.args[0], t.args[0].text())
		return from
	case t.name == "select":
		return last
	case subset(t.name):
		return from
	}
	return reached{}
}

// extensionURL gives the text that names the extension in extension('x'), and in where(url = 'x') after all of them.
func extensionURL(t *tree, from reached) *tree {
	if len(t.args) != 1 {
		return nil
	}
	if t.name == "extension" && isText(t.args[0]) {
		return t.args[0]
	}
	if from.any {
		return urlIn(t.args[0])
	}
	return nil
}

// urlIn finds url = 'x' among conditions that must all hold.
func urlIn(t *tree) *tree {
	t = unbracketed(t)
	switch {
	case t.kind != operatorTree:
	case t.name == "and":
		if url := urlIn(t.args[0]); url != nil {
			return url
		}
		return urlIn(t.args[1])
	case t.name == "=" && t.args[0].text() == "url" && isText(t.args[1]):
		return t.args[1]
	}
	return nil
}

func isText(t *tree) bool { return t.kind == literalTree && t.lit.kind == stringKind }
