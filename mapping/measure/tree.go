package measure

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
	"refbridge/mapping"
)

// branch is a generalised source path: one for all items of a list, extensions told apart by their url, contained resources
// by their type.
type branch struct {
	path     string
	lost     bool // of what the source sent
	children map[string]*branch
	states   [5]tally // by rank of a state
	all      tally
	held     tally // mapped, of a record that is held
	uses     map[int]*tally
}

// tally counts records, each once, and remembers when the first of them was seen.
type tally struct {
	last, records int
	since         time.Time
	body, bodies  int       // the version that had it last, and how many did; only Live asks
	seen          time.Time // of that version
	start         time.Time // the first sighting of a record that had it from its start
}

func (c *Coverage) tally(t *tally) {
	if t.last != c.sum.Records {
		t.last = c.sum.Records
		t.records++
	}
	if t.body != c.body {
		t.body = c.body
		t.bodies++
	}
	t.seen = c.seen
	t.since = earlier(t.since, c.seen)
}

// earlier gives the earlier of two times, of which the first may be unknown.
func earlier(a, b time.Time) time.Time {
	if a.IsZero() || b.Before(a) {
		return b
	}
	return a
}

// maxBranches bounds the memory for sources that invent elements and urls without end.
const maxBranches = 50_000

// furtherPaths stands for what is beyond the bound.
const furtherPaths = "(further paths)"

func (c *Coverage) root(typ string) *branch {
	if c.roots[typ] == nil {
		c.roots[typ] = &branch{path: typ}
	}
	return c.roots[typ]
}

func (c *Coverage) child(b *branch, step string) *branch {
	if b.path == furtherPaths {
		return b
	}
	if n := b.children[step]; n != nil {
		return n
	}
	if c.size++; c.size > maxBranches {
		return c.root(furtherPaths)
	}
	if b.children == nil {
		b.children = map[string]*branch{}
	}
	n := &branch{path: b.path + step, lost: b.lost}
	b.children[step] = n
	return n
}

func typeName(resource fhir.Node) string {
	if typ := resource.Get("resourceType").Text(); mapping.ValidResourceName(typ) {
		return strings.Clone(typ)
	}
	return "(a resource of no type)"
}

// walk counts the values below a node. uses are those of what it stands in.
func (c *Coverage) walk(n fhir.Node, b *branch, uses []int) {
	if own := c.marks[n]; len(own) > 0 {
		uses = slices.Concat(uses, own)
	}
	switch n.Kind() {
	case fhir.Object:
		for m := range n.Members() {
			if m.Name() != "resourceType" && !(m.Name() == "url" && isExtension(n)) {
				c.walk(m, c.child(b, "."+stepName(m.Name())), uses)
			}
		}
	case fhir.Array:
		for item := range n.Items() {
			c.walk(item, c.child(b, itemStep(n, item)), uses)
		}
	case fhir.Missing, fhir.Null:
	default:
		c.leaf(n, b, uses)
	}
}

// stepName gives the name of an element, one that could be about a person by its length alone; what stands beside a primitive
// (_birthDate) belongs to it.
func stepName(name string) string {
	switch {
	case !mapping.ValidElementName(name):
		return "(a name that no element has)"
	case mapping.HoldsNHSNumber(name):
		return fmt.Sprintf("[%d characters, not shown]", len(name))
	}
	return strings.Clone(strings.TrimPrefix(name, "_"))
}

func isExtension(object fhir.Node) bool {
	name := object.Element()
	return name == "extension" || name == "modifierExtension"
}

func itemStep(list, item fhir.Node) string {
	switch list.Name() {
	case "extension", "modifierExtension":
		return "('" + extensionURL(item) + "')"
	case "contained":
		return ".ofType(" + typeName(item) + ")"
	case "parameter":
		return "('" + strings.Clone(mapping.ShowCode(item.Get("name").Text())) + "')"
	}
	return "[]"
}

// extensionURL gives the url of an extension; that of a part of one is a word.
func extensionURL(ext fhir.Node) string {
	url := ext.Get("url").Text()
	if mapping.PlainCode(url) && !mapping.HoldsNHSNumber(url) {
		return strings.Clone(url)
	}
	return strings.Clone(mapping.ShowSystem(url))
}

// leaf counts one value for the best of its uses.
func (c *Coverage) leaf(n fhir.Node, b *branch, uses []int) {
	own := len(uses) > 0
	if !own {
		uses = c.beside[n]
	}
	best := 0
	for _, u := range uses {
		best = max(best, rank(c.uses[u].State))
	}
	if best == rank(mapping.Looked) && own && isText(n) {
		// A condition on a text asks whether it is there. That is no account of what it says.
		best = rank(Unaccounted)
	}
	c.count(b, best, uses)
}

// count counts a value in a state, and those of its uses that are of that state.
func (c *Coverage) count(b *branch, state int, uses []int) {
	c.tally(&b.all)
	c.tally(&b.states[state])
	if c.kept && state == rank(mapping.Carried) {
		c.tally(&b.held)
	}
	if state == rank(Unaccounted) {
		c.news = append(c.news, &b.states[state])
	}
	for _, u := range uses {
		if rank(c.uses[u].State) != state {
			continue
		}
		if b.uses == nil {
			b.uses = map[int]*tally{}
		}
		if b.uses[u] == nil {
			b.uses[u] = &tally{}
		}
		c.tally(b.uses[u])
	}
}

func isText(n fhir.Node) bool {
	switch strings.TrimPrefix(fhirpath.NodeItem(n).Type(), "FHIR.") {
	case "string", "markdown", "xhtml", "base64Binary":
		return n.Element() != "system" && n.Element() != "code" // where the model does not know the element
	}
	return false
}

// use gives the number of a use.
func (c *Coverage) use(u mapping.Use) int {
	n, ok := c.useOf[u]
	if !ok {
		n = len(c.uses)
		c.uses = append(c.uses, u)
		c.useOf[u] = n
	}
	return n
}

// sink hears what the tables read of the current record.
type sink struct{ *Coverage }

// Reads implements mapping.Sink. It notes a use of a node and all that stands in it. With a code goes what it belongs to: its system and version, and the
// display, which says the same for people.
func (c sink) Reads(n fhir.Node, u mapping.Use) {
	if !n.Exists() {
		return
	}
	id := c.use(u)
	if !slices.Contains(c.marks[n], id) {
		c.marks[n] = append(c.marks[n], id)
	}
	if n.Name() != "code" || n.Kind() != fhir.String {
		return
	}
	for _, name := range []string{"system", "version", "display"} {
		if m := n.Parent().Get(name); !slices.Contains(c.beside[m], id) {
			c.beside[m] = append(c.beside[m], id)
		}
	}
}

// Lacks implements mapping.Sink.
func (c sink) Lacks(code mapping.UnlistedCode) {
	if c.codes[code] == nil && len(c.codes) >= maxDistinct {
		code.Code, code.System = "(other codes)", ""
	}
	if c.codes[code] == nil {
		c.codes[code] = &tally{}
	}
	c.tally(c.codes[code])
	c.news = append(c.news, c.codes[code])
}

// paths gives the coverage of a branch and all below it.
func (b *branch) paths(out []Path, uses []mapping.Use) []Path {
	if b.all.records > 0 {
		p := Path{Path: b.path, Records: b.all.records, Unaccounted: b.states[0].records, PassedOver: b.states[1].records,
			Dropped: b.states[2].records, Looked: b.states[3].records, Mapped: b.states[4].records,
			Held: b.held.records, Lost: b.lost, Uses: []Use{}}
		p.State = Unaccounted
		if p.Unaccounted == 0 {
			p.State = p.best()
		}
		for _, id := range slices.Sorted(maps.Keys(b.uses)) {
			p.Uses = append(p.Uses, Use{Use: uses[id], Records: b.uses[id].records})
		}
		slices.SortStableFunc(p.Uses, func(a, b Use) int { return b.Records - a.Records })
		out = append(out, p)
	}
	for _, step := range slices.Sorted(maps.Keys(b.children)) {
		out = b.children[step].paths(out, uses)
	}
	return out
}

// best is the state of most use to know where nothing is unaccounted.
func (p Path) best() mapping.State {
	switch {
	case p.Mapped > 0:
		return mapping.Carried
	case p.Looked > 0:
		return mapping.Looked
	case p.Dropped > 0:
		return mapping.Dropped
	}
	return mapping.PassedOver
}
