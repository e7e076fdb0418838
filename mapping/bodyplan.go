package mapping

import (
	"fmt"
	"slices"
	"strings"

	"refbridge/fhir"
)

// bodyPlan is how one body is put together: its tables fill cells and lists, and the nodes say in which order those are
// written.
type bodyPlan struct {
	name   string
	tables []*Table
	cells  int // of all tables together
	lists  []bodyList
	root   []bodyNode
}

type bodyList struct {
	name string
	max  int // that the API takes, 0: any number
}

// bodyNode is one member of a body: a value, an object or a list.
type bodyNode struct {
	name     string
	key      []byte // ,"name":
	cell     int    // of a value, -1 for others
	list     int    // of a list, -1 for others
	members  []bodyNode
	required bool
	except   int // of the fields of a record: the cell of its id and 1; the API takes one of the two. 0: none
	at       Place
}

// linkBodies puts the tables of each body together and checks what stands across them.
func (s *Set) linkBodies() Faults {
	var faults Faults
	for _, name := range bodyNames() {
		p := &bodyPlan{name: name}
		for _, t := range s.tables {
			if t.Body == name {
				faults = append(faults, t.bodyPaths()...)
				p.tables = append(p.tables, t)
			}
		}
		if len(p.tables) == 0 {
			continue
		}
		faults = append(faults, p.join()...)
		faults = append(faults, p.complete()...)
		s.bodies = append(s.bodies, p)
	}
	return faults
}

// join gives every table its cells and builds the nodes.
func (p *bodyPlan) join() Faults {
	var faults Faults
	given := map[string]Place{}
	for _, t := range p.tables {
		t.plan, t.base, t.list = p, p.cells, -1
		p.cells += len(t.fields)
		if t.Array != "" {
			t.list = p.listOf(t)
			t.item = t.itemNodes()
			continue
		}
		for i, path := range t.fields {
			at := t.Rows[slices.IndexFunc(t.Rows, func(w *Row) bool { return w.Field == path })].Place
			if other, double := given[path]; double {
				faults = append(faults, at.Fault(TableFault, fmt.Sprintf("%s has its value from %s already", path, other.FileLine()), ""))
				continue
			}
			given[path] = at
			plant(&p.root, strings.Split(path, "."), bodyNode{cell: t.base + i, list: -1, at: at})
		}
	}
	p.mark(p.root)
	return faults
}

// listOf gives the number of the list that a table adds to; a new one gets a node.
func (p *bodyPlan) listOf(t *Table) int {
	at := slices.IndexFunc(p.lists, func(l bodyList) bool { return l.name == t.Array })
	if at >= 0 {
		return at
	}
	schema := BodySchema(p.name)
	property := schema[slices.IndexFunc(schema, func(m BodyMember) bool { return m.Name == t.Array })]
	p.lists = append(p.lists, bodyList{name: t.Array, max: property.max})
	plant(&p.root, []string{t.Array}, bodyNode{cell: -1, list: len(p.lists) - 1, at: t.Place})
	return len(p.lists) - 1
}

func (t *Table) itemNodes() []bodyNode {
	var out []bodyNode
	for i, path := range t.fields {
		_, rest, deeper := strings.Cut(path, "].")
		if deeper {
			plant(&out, strings.Split(rest, "."), bodyNode{cell: t.base + i, list: -1, at: t.Rows[0].Place})
		}
	}
	for i := range out {
		out[i].required = t.plan.needs(t.Array, out[i].name)
	}
	oneOf(out)
	return out
}

// needs tells whether an item of a list must have a member.
func (p *bodyPlan) needs(list, name string) bool {
	schema := BodySchema(p.name)
	property := schema[slices.IndexFunc(schema, func(m BodyMember) bool { return m.Name == list })]
	return slices.ContainsFunc(property.members, func(m BodyMember) bool { return m.Name == name && m.required })
}

// plant adds a node under a path.
func plant(nodes *[]bodyNode, steps []string, leaf bodyNode) {
	at := slices.IndexFunc(*nodes, func(n bodyNode) bool { return n.name == steps[0] })
	if at < 0 {
		at = len(*nodes)
		key := append(fhir.AppendJSONString([]byte{','}, steps[0]), ':')
		*nodes = append(*nodes, bodyNode{name: steps[0], key: key, cell: -1, list: -1, at: leaf.at})
	}
	if len(steps) > 1 {
		plant(&(*nodes)[at].members, steps[1:], leaf)
		return
	}
	(*nodes)[at].cell, (*nodes)[at].list = leaf.cell, leaf.list
}

// oneOf notes that a Record Fields Input has an id or fields, not both.
func oneOf(members []bodyNode) {
	id := slices.IndexFunc(members, func(n bodyNode) bool { return n.name == "id" })
	fields := slices.IndexFunc(members, func(n bodyNode) bool { return n.name == "fields" })
	if id >= 0 && fields >= 0 {
		members[fields].except = members[id].cell + 1
	}
}

// mark notes what the API needs, and which objects are Record Fields Inputs.
func (p *bodyPlan) mark(nodes []bodyNode) {
	for _, m := range BodySchema(p.name) {
		i := slices.IndexFunc(nodes, func(n bodyNode) bool { return n.name == m.Name })
		if i >= 0 {
			nodes[i].required = m.required
			oneOf(nodes[i].members)
		}
	}
}

// complete checks that what the API needs has a rule.
func (p *bodyPlan) complete() Faults {
	var faults Faults
	first := p.tables[0]
	for _, m := range BodySchema(p.name) {
		if m.required && p.row(m.Name) == nil {
			faults = append(faults, first.Fault(TableFault, fmt.Sprintf("the %s body needs %s, and no row gives it", p.name, m.Name), ""))
		}
		for _, part := range m.members {
			if part.required && p.row(m.Name) != nil && p.row(m.Name+"[]."+part.Name) == nil {
				faults = append(faults, p.row(m.Name).Fault(TableFault, fmt.Sprintf("an item of %s needs %s, and no row gives it", m.Name, part.Name), ""))
			}
		}
		if m.Kind == recordMember {
			faults = append(faults, p.oneOf(m.Name)...)
		}
	}
	if p.name == "appointment" {
		faults = append(faults, p.scheduler()...)
	}
	return faults
}

// oneOf checks that no table gives the id of a record and fields of a new one, always.
func (p *bodyPlan) oneOf(name string) Faults {
	var faults Faults
	for _, t := range p.tables {
		one := &bodyPlan{tables: []*Table{t}}
		id, all := one.row(name+"[].id"), one
		if id == nil {
			id, all = one.row(name+".id"), p
		}
		if id != nil && id.When == nil && (all.row(name+".fields") != nil || all.row(name+"[].fields") != nil) {
			faults = append(faults, id.Fault(TableFault, fmt.Sprintf("%s takes an id or fields, not both", name), "give both rows a when"))
		}
	}
	return faults
}

// row gives the first row of a member, or of a part of it.
func (p *bodyPlan) row(name string) *Row {
	for _, t := range p.tables {
		for _, w := range t.Rows {
			rest, ok := strings.CutPrefix(w.Field, name)
			if ok && (rest == "" || rest[0] == '.' || rest[0] == '[') {
				return w
			}
		}
	}
	return nil
}
