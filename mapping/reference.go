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

// Why a reference that must lead to a record of the source leads to none, beside the errors of fhir.Resolver.
var (
	errLogical   = errors.New("the reference names its record by an identifier or in words alone, and which record that is nobody can say")
	errContained = errors.New("the reference leads to a resource that is contained in this record, and that is no record of its own")
)

// any reports whether a reference led nowhere.
func (l *lost) any() bool { return l.err != nil || l.told }

// trouble is the fault of a lost reference.
func (l lost) trouble() *trouble {
	switch {
	case errors.Is(l.err, errLogical):
		return &trouble{ReferenceUnresolved, l.err.Error(), "write the reference beside it at the source, such as ServiceRequest/id"}
	case errors.Is(l.err, errContained):
		return &trouble{ReferenceUnresolved, l.err.Error(), "refer to the record of its own that the source has of it"}
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

// twoServers holds the record where another server's record with its Type/id came along: the key would be that of both, and one would
// be written over the other.
func (m *Mapper) twoServers() {
	if m.in.Resolver == nil && m.in.Focus.Base() == "" {
		return
	}
	two, err := m.resolver().TwoServers(m.in.Focus)
	switch {
	case err != nil:
		m.add(Place{}, nil, "", lost{err: err}.trouble())
	case two:
		m.add(Place{}, nil, "", &trouble{TwoServers, "records of two servers came along that have this type and id, and refbridge knows a record by them",
			"map the records of each server by themselves, each as a source of its own"})
	}
}

// referenceIDs returns the logical ids of those references (Reference elements or texts) that name a resource of the type, each
// once. The id is that of a record of the same source: a reference to another server has none here, and is a fault. So is one
// beside it that names another record of the type, or may do so, and nobody can say which. One that leads to nothing at all, and does not
// say of which type that was, names no record that anybody has.
func (m *Mapper) referenceIDs(in fhirpath.Collection, typ string) (fhirpath.Collection, *trouble) {
	var out fhirpath.Collection
	var nowhere lost
	for _, item := range in {
		id, err := m.referenceID(item, typ)
		l := lost{err: err, at: item.Node()}
		if err != nil {
			m.lose(l)
		}
		if surely(err, item.Node().Get("type").Text() == typ) {
			m.lost.told = true
			return nil, l.trouble()
		}
		if !errors.Is(err, fhir.ErrUnresolved) && l.graver(nowhere) {
			nowhere = l
		}
		if id != "" && !slices.ContainsFunc(out, func(i fhirpath.Item) bool { return i.Text() == id }) {
			out = append(out, fhirpath.StringItem(id))
		}
	}
	if len(out) > 0 && nowhere.err != nil {
		m.lost.told = true
		return nil, nowhere.trouble()
	}
	return out, nil
}

// surely reports whether an error is a fault though nobody misses the value: the reference surely names a record of the type, and not
// the one that would be taken for it.
func surely(err error, ofType bool) bool {
	if errors.Is(err, fhir.ErrForeign) || errors.Is(err, fhir.ErrVersion) {
		return true
	}
	return err != nil && ofType && !errors.Is(err, errLogical)
}

// referenceID is empty where a reference names nothing, or surely something else.
func (m *Mapper) referenceID(item fhirpath.Item, typ string) (string, error) {
	text, from := item.Text(), m.in.Focus
	if item.Node().Exists() {
		from = fhir.Referrer(item.Node())
	}
	if item.Node().Kind() == fhir.Object {
		text = item.Node().Get("reference").Text()
	}
	if blankText(text) {
		return "", unnamed(item.Node(), typ)
	}
	ref, err := fhir.ParseReference(text)
	switch {
	case err == nil && ref.Type != typ:
		return "", nil
	case err == nil && m.resolver().Own(from, ref):
		return ref.ID, m.sameVersion(from, ref)
	}
	to, err := m.follow(text, item.Node())
	switch {
	case err != nil && otherwise(item.Node(), typ):
		return "", nil
	case err != nil:
		return "", err
	case to.Type() != typ:
		return "", nil
	case text[0] == '#':
		return "", errContained
	case ref.Base != "" && m.resolver().Home(from) != "":
		return "", fhir.ErrForeign // it came along, and is another server's record all the same
	}
	return to.ID(), nil
}

// otherwise reports whether a Reference says that it names a resource of another type.
func otherwise(reference fhir.Node, typ string) bool {
	of := reference.Get("type").Text()
	return !blankText(of) && of != typ
}

// unnamed is the error of a Reference without a literal reference: it may still name a resource of the type, by an identifier or in
// words.
func unnamed(reference fhir.Node, typ string) error {
	if otherwise(reference, typ) || blankText(reference.Get("identifier").Get("value").Text()) && blankText(reference.Get("display").Text()) {
		return nil
	}
	return errLogical
}

// sameVersion fails where a reference to a record of the same source names another version than came along. Where the record did not
// come along there is nothing to compare.
func (m *Mapper) sameVersion(from fhir.Resource, ref fhir.Reference) error {
	if ref.Version == "" {
		return nil
	}
	m.steps += resolveSteps
	_, err := m.resolver().Resolve(from, ref.String())
	if errors.Is(err, fhir.ErrUnresolved) || errors.Is(err, fhir.ErrForeign) {
		return nil
	}
	return err
}
