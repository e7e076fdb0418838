package ndjson

import (
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"
	"sync"

	"refbridge/fhir"
)

// Set is the records of some files as one: what one refers to may stand in another line or another file. When the first reference
// asks the files are read for the types of their resources, which is quick, and a reference to a type that is not among them has its
// answer. When one asks for a type that is there the files are read through, and the places of their resources are kept by Type/id:
// 32 bytes each, in memory up to 8 MiB and in a temporary file beyond that. The file holds no personal data: hashes under a key of
// this process, and offsets.
//
// A resource that stands alone is found by its name. An entry of a Bundle is found if it has a RESTful fullUrl: others have a
// meaning within their Bundle only.
type Set struct {
	names []string

	looked  sync.Once
	types   map[string]bool // nil: not all of them are known
	unknown error           // why not

	indexed sync.Once
	index   index
	err     error
}

// maxTypes is how many types are kept; R4 has 148.
const maxTypes = 500

// errEnough ends the look at types.
var errEnough = errors.New("enough is known")

// maxTwins is how many resources of one name are compared.
const maxTwins = 1000

// errTwins is fhir.ErrAmbiguous with a cause of its own.
var errTwins = fmt.Errorf("%w: more than %d have that name", fhir.ErrAmbiguous, maxTwins)

// NewSet returns the set of the records of files.
func NewSet(names ...string) *Set { return &Set{names: names} }

// Find returns the resources of that type and id, whatever server they are of. It is made for fhir.Resolver.More, and may be
// called by several at a time.
func (s *Set) Find(typ, id string) ([]fhir.Resource, error) {
	places, err := s.places(typ, id)
	if err != nil {
		return nil, err
	}
	if len(places) > maxTwins {
		return nil, errTwins
	}
	var out []fhir.Resource
	for _, p := range places {
		found, err := s.at(p, typ, id)
		if err != nil {
			return nil, err
		}
		out = append(out, found...)
	}
	return out, nil
}

// OfAnother reports whether a resource of that type and id, of another server than base, stands anywhere in the files. Only fullUrls
// tell of which server one is. It is made for fhir.Resolver.Others, and may be called by several at a time.
func (s *Set) OfAnother(typ, id, base string) (bool, error) {
	places, err := s.places(typ, id)
	if err != nil || len(places) == 0 {
		return false, err
	}
	own := s.index.server(base)
	return slices.ContainsFunc(places, func(p place) bool { return p.base != 0 && p.base != own }), nil
}

// places returns where resources of that type and id stand.
func (s *Set) places(typ, id string) ([]place, error) {
	s.looked.Do(func() { s.look(typ) })
	if s.unknown != nil {
		return nil, s.unknown
	}
	if s.types != nil && !s.types[typ] {
		return nil, nil
	}
	s.indexed.Do(func() { s.err = s.read() })
	if s.err != nil {
		return nil, s.err
	}
	return s.index.find(typ, id)
}

// Close removes the temporary file.
func (s *Set) Close() error { return s.index.close() }

// look finds which types of resources the files have. It ends where it meets the type that is asked for: the index is needed then.
func (s *Set) look(asked string) {
	var doc fhir.Doc
	types := map[string]bool{}
	err := s.each(func(text []byte, _ place) error {
		for _, typ := range typesOf(&doc, text) {
			if typ == asked || len(types) == maxTypes {
				return errEnough
			}
			types[typ] = true
		}
		return nil
	})
	switch {
	case err == nil:
		s.types = types
	case !errors.Is(err, errEnough):
		s.unknown = err
	}
}

// read makes the index.
func (s *Set) read() error {
	var doc fhir.Doc
	if err := s.each(func(text []byte, p place) error { return s.index.addAll(&doc, text, p) }); err != nil {
		return err
	}
	return s.index.done()
}

// each reads all files through.
func (s *Set) each(take func(text []byte, p place) error) error {
	for i, name := range s.names {
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		err = file(uint32(i), in, take)
		if err = errors.Join(err, in.Close()); err != nil {
			return fmt.Errorf("look for resources in %s: %w", name, err)
		}
	}
	return nil
}

func file(nr uint32, in io.Reader, take func(text []byte, p place) error) error {
	var c Chunk
	for r := NewReader(in); c.End == nil; {
		r.Next(&c)
		for one := range c.Records() {
			if one.Err != nil {
				continue // told where the file is worked off
			}
			if err := take(one.Text, place{at: one.At, size: uint32(len(one.Text)), file: nr}); err != nil {
				return err
			}
		}
	}
	if c.End != io.EOF {
		return c.End
	}
	return nil
}

// typesOf are the types of the resources of a record that others may refer to.
func typesOf(doc *fhir.Doc, text []byte) []string {
	if typ, ok := typeOf(text); ok {
		return []string{typ}
	}
	r, err := doc.Resource(text)
	if err != nil {
		return nil // told where the file is worked off
	}
	var out []string
	for _, one := range findable(r) {
		out = append(out, strings.Clone(one.Type()))
	}
	return out
}

// addAll notes the place of the resources of a record.
func (x *index) addAll(doc *fhir.Doc, text []byte, p place) error {
	if typ, id, ok := head(text); ok {
		return x.add(typ, id, "", p)
	}
	r, err := doc.Resource(text)
	if err != nil {
		return nil // told where the file is worked off
	}
	for _, one := range findable(r) {
		if err := x.add(one.Type(), one.ID(), one.Base(), p); err != nil {
			return err
		}
	}
	return nil
}

// findable are the resources of a record that others may refer to.
func findable(r fhir.Resource) []fhir.Resource {
	if r.Type() != "Bundle" {
		return []fhir.Resource{r}
	}
	var out []fhir.Resource
	for e := range r.Root().Get("entry").Items() {
		ref, err := fhir.ParseReference(e.Get("fullUrl").Text())
		if one, bad := fhir.ResourceAt(e.Get("resource")); err == nil && bad == nil && ref.Base != "" {
			out = append(out, one)
		}
	}
	return out
}

// at reads the resources of a name at a place. A file that has changed since holds none there.
func (s *Set) at(p place, typ, id string) ([]fhir.Resource, error) {
	in, err := os.Open(s.names[p.file])
	if err != nil {
		return nil, err
	}
	defer in.Close()
	text := make([]byte, p.size)
	if _, err := in.ReadAt(text, p.at); err != nil && err != io.EOF {
		return nil, err
	}
	r, err := fhir.Parse(text)
	if err != nil {
		return nil, nil
	}
	var out []fhir.Resource
	for _, one := range findable(r) {
		if one.Type() == typ && one.ID() == id {
			out = append(out, one)
		}
	}
	return out, nil
}
