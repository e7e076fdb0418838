package fhirpath

import "slices"

// Never tells whether the expression holds for no resource at all while variables have the given values, as far as its comparisons
// of variables with texts tell: %mode = 'create' and name.exists() where mode is link.
func (e *Expr) Never(values map[string]string) bool {
	return never((&outline{src: e.src}).parsed(), values)
}

func never(t *tree, values map[string]string) bool {
	switch {
	case t.kind == pathTree && len(t.args) == 1: // parentheses
		return never(t.args[0], values)
	case t.kind != operatorTree:
		return false
	}
	is := func(t *tree) bool { return never(t, values) }
	switch t.name {
	case "and":
		return slices.ContainsFunc(t.args, is)
	case "or":
		return is(t.args[0]) && is(t.args[1])
	case "=", "!=":
		variable, literal := t.args[0], t.args[1]
		if variable.kind == literalTree {
			variable, literal = literal, variable
		}
		value, known := values[variable.name]
		same := literal.lit.text == value
		return known && variable.kind == variableTree && literal.kind == literalTree && literal.lit.kind == stringKind && same == (t.name == "!=")
	}
	return false
}
