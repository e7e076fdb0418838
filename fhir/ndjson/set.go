package ndjson

import (
	"errors"
	"fmt"
	"io"
	"os"
	"sync"

	"refbridge/fhir"
)

// Set is the records of some files as one: what one refers to may stand in another line or another file. The files are read through
// once, when the first reference asks, and the places of their resources are kept by Type/id: 24 bytes each, in memory up to 6 MiB
// and in a temporary file beyond that. The file holds no personal data: hashes under a key of this process, and offsets.
//
// A resource that stands alone is found by its name. An entry of a Bundle is found if it has a RESTful fullUrl: others have a
// meaning within their Bundle only.
type Set struct {
	names []string

	once  sync.Once
	index index
	err   error
}

// maxTwins is how many resources of one name are compared.
const maxTwins = 1000

// errTwins is fhir.ErrAmbiguous with a cause of its own.
var errTwins = fmt.Errorf("%w: more than %d have that name", fhir.ErrAmbiguous, maxTwins)

// NewSet returns the set of the records of files.
func NewSet(names ...string) *Set { return &Set{names: names} }

// Find returns the resources of that type and id, whatever server they are of. It is made for fhir.Resolver.More, and may be
// called by several at a time.
func (s *Set) Find(typ, id string) ([]fhir.Resource, error) {
	s.once.Do(func() { s.err = s.read() })
	if s.err != nil {
		return nil, s.err
	}
	places, err := s.index.find(typ, id)
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

// Close removes the temporary file.
func (s *Set) Close() error { return s.index.close() }

// read reads all files through.
func (s *Set) read() error {
	for i, name := range s.names {
		in, err := os.Open(name)
		if err != nil {
			return err
		}
		err = s.file(uint32(i), in)
		if err = errors.Join(err, in.Close()); err != nil {
			return fmt.Errorf("look for resources in %s: %w", name, err)
		}
	}
	return s.index.done()
}

func (s *Set) file(nr uint32, in io.Reader) error {
	var doc fhir.Doc
	var c Chunk
	for r := NewReader(in); c.End == nil; {
		r.Next(&c)
		for one := range c.Records() {
			if one.Err != nil {
				continue // told where the file is worked off
			}
			p := place{at: one.At, size: uint32(len(one.Text)), file: nr}
			if err := s.index.addAll(&doc, one.Text, p); err != nil {
				return err
			}
		}
	}
	if c.End != io.EOF {
		return c.End
	}
	return nil
}

// addAll notes the place of the resources of a record.
func (x *index) addAll(doc *fhir.Doc, text []byte, p place) error {
	if typ, id, ok := head(text); ok {
		return x.add(typ, id, p)
	}
	r, err := doc.Resource(text)
	if err != nil {
		return nil // told where the file is worked off
	}
	for _, one := range findable(r) {
		if err := x.add(one.Type(), one.ID(), p); err != nil {
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
