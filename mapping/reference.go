package mapping

import (
	"errors"
	"slices"
	"strings"

	"refbridge/fhir"
	"refbridge/fhir/fhirpath"
)

// lost is a reference that led to no resource while a value was worked out. It is a fault where the value is missed.
type lost struct {
	err  error     // of fhir.Resolver
	at   fhir.Node // the element that refers
	told bool      // there is a fault for it already
}

// trouble is the fault of a lost reference.
func (l lost) trouble() *trouble {
	switch {
	case errors.Is(l.err, fhir.ErrForeign):
		return &trouble{ReferenceForeign, l.err.Error(),
			"nothing of this server is taken in its place: refer to a resource of the source, or send that one along under its fullUrl"}
	case errors.Is(l.err, fhir.ErrAmbiguous):
		return &trouble{ReferenceAmbiguous, l.err.Error(), "send one of them, or give each entry a fullUrl of its own and refer to that"}
	case errors.Is(l.err, fhir.ErrVersion):
		return &trouble{ReferenceVersion, l.err.Error(), "send that version along, or refer to the resource without /_history"}
	}
	return &trouble{ReferenceUnresolved, l.err.Error(),
		"send it in the same Bundle, page or file, or name a patient by NHS number too"}
}

// graver reports whether a lost reference says more than another one.
func (l lost) graver(than lost) bool {
	return l.err != nil && (than.err == nil || gravity(l.err) > gravity(than.err))
}

// gravity orders the errors of fhir.Resolver; any other one, such as that of a file that cannot be read, comes before them.
func gravity(err error) int {
	switch err {
	case fhir.ErrUnresolved:
		return 1
	case fhir.ErrVersion:
		return 2
	case fhir.ErrForeign:
		return 3
	case fhir.ErrAmbiguous:
		return 4
	}
	return 0
}

// lose notes a reference that led nowhere.
func (m *Mapper) lose(l lost) {
	if l.told || l.graver(m.lost) && !m.lost.told {
		m.lost = l
	}
}

// addLost notes the fault of the lost reference, where it stands in the resource.
func (m *Mapper) addLost(at Place, from *Path, field string) {
	again := slices.ContainsFunc(m.lostAt, func(n fhir.Node) bool { return n.Same(m.lost.at) })
	if m.lost.told || again && m.lost.at.Exists() {
		return // once is enough for one reference, whatever else depends on it
	}
	m.lostAt = append(m.lostAt, m.lost.at)
	before := len(m.faults)
	m.add(at, from, field, m.lost.trouble())
	if len(m.faults) > before {
		m.faults[before].Element = sourcePath(m.lost.at)
	}
	m.lost.told = true
}

// ambiguous notes a fault where a reference fits two resources, whatever else there is: one of them may be another patient's.
func (m *Mapper) ambiguous(at Place, from *Path, field string) bool {
	return m.lost.err != nil && m.addAmbiguous(at, from, field)
}

func (m *Mapper) addAmbiguous(at Place, from *Path, field string) bool {
	if !errors.Is(m.lost.err, fhir.ErrAmbiguous) {
		return false
	}
	m.addLost(at, from, field)
	return true
}

// resolution is what a reference of a resource led to.
type resolution struct {
	from      fhir.Resource
	reference string
	to        fhir.Resource
	err       error
}

// resolve finds the resource that an element refers to, with the resolver of the input.
func (m *Mapper) resolve(reference string, at fhir.Node) (fhir.Node, bool) {
	to, err := m.follow(reference, at)
	if err != nil {
		m.lose(lost{err: err, at: at})
		return fhir.Node{}, false
	}
	if !to.Root().Same(m.in.Focus.Root()) && m.in.Reached != nil {
		m.in.Reached(to)
	}
	return to.Root(), true
}

// resolveSteps is what it counts for to resolve a reference.
const resolveSteps = 16

func (m *Mapper) follow(reference string, at fhir.Node) (fhir.Resource, error) {
	from := m.in.Focus
	if at.Exists() {
		from = fhir.Referrer(at)
	}
	for i := range m.followed {
		if f := &m.followed[i]; f.reference == reference && f.from == from {
			return f.to, f.err
		}
	}
	m.steps += resolveSteps
	if strings.HasPrefix(reference, "#") {
		m.steps += from.Root().Get("contained").Len()
	}
	to, err := m.resolver().Resolve(from, reference)
	if len(m.followed) < resolveSteps {
		m.followed = append(m.followed, resolution{from, reference, to, err})
	}
	if err == nil {
		m.reached = append(m.reached, to)
	}
	return to, err
}

func (m *Mapper) resolver() *fhir.Resolver {
	if m.in.Resolver == nil {
		m.in.Resolver = fhir.NewResolver("", []fhir.Resource{m.in.Focus}, m.in.Related)
	}
	return m.in.Resolver
}

// referenceIDs gives the logical ids of those references (Reference elements or texts) that name a resource of the type, each
// once. The id is that of a record of the same source: a reference to another server has none here, and is a fault.
func (m *Mapper) referenceIDs(in fhirpath.Collection, typ string) (fhirpath.Collection, *trouble) {
	var out fhirpath.Collection
	for _, item := range in {
		id, err := m.referenceID(item, typ)
		if err != nil {
			m.lose(lost{err: err, at: item.Node()})
		}
		if errors.Is(err, fhir.ErrForeign) || err != nil && item.Node().Get("type").Text() == typ {
			m.lost.told = true
			return nil, lost{err: err}.trouble()
		}
		if id != "" && !slices.ContainsFunc(out, func(i fhirpath.Item) bool { return i.Text() == id }) {
			out = append(out, fhirpath.StringItem(id))
		}
	}
	return out, nil
}

// referenceID is empty where a reference names something else, or a contained resource, which is no record of its own.
func (m *Mapper) referenceID(item fhirpath.Item, typ string) (string, error) {
	text, from := item.Text(), m.in.Focus
	if item.Node().Exists() {
		from = fhir.Referrer(item.Node())
	}
	if item.Node().Kind() == fhir.Object {
		text = item.Node().Get("reference").Text()
	}
	if text == "" || text[0] == '#' {
		return "", nil
	}
	ref, err := fhir.ParseReference(text)
	switch {
	case err == nil && ref.Type != typ:
		return "", nil
	case err == nil && m.resolver().Own(from, ref):
		return ref.ID, nil
	}
	to, err := m.follow(text, item.Node())
	switch {
	case err != nil:
		return "", err
	case to.Type() != typ:
		return "", nil
	case ref.Base != "" && m.resolver().Home(from) != "":
		return "", fhir.ErrForeign // it came along, and is another server's record all the same
	}
	return to.ID(), nil
}
