package mapping

import (
	"fmt"
	"strconv"
	"strings"
	"unicode/utf8"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// listWork is one list of a body while it is made.
type listWork struct {
	items []byte // JSON, with commas
	count int
}

// AppendBody appends the JSON body that the tables make of one focus, in one line; name is referral or appointment. It
// is Map for a stream: what the Mapper remembers of the last resource is lost, and no trace is made. The error is Faults;
// dst comes back as it was then.
func (m *Mapper) AppendBody(dst []byte, name string, in Input) ([]byte, error) {
	m.begin(in)
	if len(m.set.faults) > 0 {
		return dst, m.set.faults
	}
	m.tracing = false
	for _, p := range m.set.bodies {
		if p.name == name && p.reads(in.Focus) {
			out := m.body(p, dst)
			m.modifiers()
			m.twoServers()
			if len(m.faults) > 0 {
				return dst, m.faults.Err()
			}
			return out, nil
		}
	}
	m.faults = append(m.faults, m.set.NoTable(in.Focus))
	return dst, m.faults.Err()
}

// reads tells whether a table of the body reads a resource.
func (p *bodyPlan) reads(focus fhir.Resource) bool {
	typ := focus.Type()
	for _, t := range p.tables {
		if t.Source == typ {
			return true
		}
	}
	return false
}

// whole makes a body with the trace of its values.
func (m *Mapper) whole(p *bodyPlan) {
	m.values = nil
	json := m.body(p, nil)
	m.out.Bodies = append(m.out.Bodies, Body{Name: p.name, JSON: json, Values: m.values})
}

// body works out all tables of a body and appends it.
func (m *Mapper) body(p *bodyPlan, dst []byte) []byte {
	if len(m.cells) < p.cells {
		m.cells = make([]cell, p.cells)
	}
	clear(m.cells[:p.cells])
	for len(m.lists) < len(p.lists) {
		m.lists = append(m.lists, listWork{})
	}
	for i := range m.lists {
		m.lists[i] = listWork{items: m.lists[i].items[:0]}
	}
	m.takesPart = m.takesPart[:0]
	typ := m.in.Focus.Type()
	for _, t := range p.tables {
		switch {
		case t.Source != typ:
		case t.list >= 0:
			m.listItems(t)
		case t.ForEach != nil:
			m.joinItems(t)
		default:
			m.run(t, m.part)
		}
	}
	whole := len(m.faults) == 0
	dst = m.object(dst, p.root)
	if whole && p.name == "appointment" {
		m.booking(p)
	}
	return dst
}

// part works out a table that gives single members of the body.
func (m *Mapper) part(t *Table) bool {
	if t.When == nil || m.holds(t.When) {
		m.fill(t)
		m.trace(-1)
	}
	return true
}

// listItems adds the items of a table to its list.
func (m *Mapper) listItems(t *Table) {
	taken, limit := 0, t.plan.lists[t.list].max
	m.run(t, func(t *Table) bool {
		if t.When != nil && !m.holds(t.When) {
			return true
		}
		if t.Max > 0 && taken == t.Max {
			return false
		}
		m.fill(t)
		l := &m.lists[t.list]
		if !m.listItem(t, l) {
			return true
		}
		m.trace(l.count)
		if t.Array == "participants" {
			m.participant(t)
		}
		l.count++
		taken++
		if limit > 0 && l.count > limit {
			f := t.Fault(TooLong, fmt.Sprintf("%s has more than %d items, the API takes no more", t.Array, limit),
				fmt.Sprintf("write max: %d in the table to keep the first %d", limit, limit))
			f.Field = t.Array
			m.faults = append(m.faults, f)
			return false
		}
		return true
	})
}

// listItem appends the current item to its list; it is false where the item is empty.
func (m *Mapper) listItem(t *Table, l *listWork) bool {
	before := len(l.items)
	if before > 0 {
		l.items = append(l.items, ',')
	}
	from := len(l.items)
	if t.item != nil {
		l.items = m.object(l.items, t.item)
	} else if c := &m.row[0]; c.kind != sobject.Null {
		l.items = c.appendJSON(l.items)
	}
	if len(l.items) == from {
		l.items = l.items[:before]
		return false
	}
	return true
}

// joinItems makes one text of the values of all elements: several numbers or flags are a text, too.
func (m *Mapper) joinItems(t *Table) {
	var first cell
	m.joined = m.joined[:0]
	n := 0
	m.run(t, func(t *Table) bool {
		if t.When != nil && !m.holds(t.When) {
			return true
		}
		m.fill(t)
		c := m.row[0]
		if c.kind == sobject.Null {
			return true
		}
		if n++; n == 1 {
			first = c
		} else {
			m.joined = append(m.joined, c.row.Join...)
			first.source, first.whole = fhir.Node{}, false
		}
		m.joined = append(m.joined, c.text...)
		return true
	})
	if n > 1 {
		from := len(m.texts)
		m.texts = append(m.texts, m.joined...)
		first.kind, first.text = sobject.Text, m.computed(from)
		if w := first.row; w.length > 0 && utf8.RuneCount(m.joined) > w.length {
			t := tooLong(utf8.RuneCount(m.joined), w.length)
			m.add(w.Place, first.from, w.Field, &trouble{t.kind, t.message, "shorten the parts with truncate, or leave some of them out with when"})
		}
	}
	if n > 0 {
		m.row[0] = first
		m.trace(-1)
	}
}

// object appends an object, or nothing where it would be empty.
func (m *Mapper) object(dst []byte, members []bodyNode) []byte {
	begin := len(dst)
	for i := range members {
		n := &members[i]
		if n.cell >= 0 {
			if c := &m.cells[n.cell]; c.whole {
				dst = c.source.AppendRaw(append(dst, n.key...))
				continue
			} else if c.kind != sobject.Null {
				dst = c.appendJSON(append(dst, n.key...))
				continue
			}
		} else if out := m.nested(append(dst, n.key...), n); len(out) > len(dst)+len(n.key) {
			dst = out
			if n.except > 0 && m.cells[n.except-1].kind != sobject.Null {
				m.add(n.at, nil, "", &trouble{BadValue, "a record has an id and fields, the API takes one of the two", "give the rows a when"})
			}
			continue
		}
		if n.required && len(m.faults) == 0 {
			m.lacking(n)
		}
	}
	if len(dst) == begin {
		return dst
	}
	dst[begin] = '{' // for the comma before the first key
	return append(dst, '}')
}

// nested appends an object or a list, or nothing where that would be empty.
func (m *Mapper) nested(dst []byte, n *bodyNode) []byte {
	if n.list < 0 {
		return m.object(dst, n.members)
	}
	if l := &m.lists[n.list]; l.count > 0 {
		return append(append(append(dst, '['), l.items...), ']')
	}
	return dst
}

func (m *Mapper) lacking(n *bodyNode) {
	f := n.at.Fault(RequiredMissing, fmt.Sprintf("the API needs %s, and the source gives nothing for it", n.name), "")
	f.Field = n.name
	m.faults = append(m.faults, f)
}

// trace notes the values of the current table, as part of item number at of its list, or of none.
func (m *Mapper) trace(at int) {
	if !m.tracing {
		return
	}
	for i := range m.row {
		c := &m.row[i]
		if c.kind == sobject.Null {
			continue
		}
		path := c.row.Field
		if at >= 0 {
			path = strings.Replace(path, "[]", "["+strconv.Itoa(at)+"]", 1)
		}
		m.values = append(m.values, BodyValue{Path: path, Value: c.value(strings.Clone(c.text)), Rule: c.rule()})
	}
}
