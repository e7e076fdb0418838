package rest

import (
	"errors"
	"fmt"

	"refbridge/config/pattern"
	"refbridge/fhir"
)

// A page beyond one of these bounds is garbage. The first is ten times the largest _count and room for what is included; resources
// of a page have some hundred values each.
const (
	maxEntries    = 11_000
	maxBadEntries = 20
	maxParts      = 1_000_000 // values, of all entries together
)

// ErrGarbage is wrapped where a page closes and says that it is a search page, but has more entries, more values or more bad
// entries than a page can have. It is one bad answer: none of its entries is used.
var ErrGarbage = errors.New("the page is garbage")

var (
	errType   = errors.New("not the name of a resource type")
	errID     = errors.New("not a logical id that can stand in a URL")
	errBundle = errors.New("not a Bundle of type searchset")

	errModified = errors.New("a modifier of the page or of the entry changes what the resource means")

	typePattern = pattern.MustOnce(`^[A-Z][A-Za-z]{1,63}$`)
	idPattern   = pattern.MustOnce(`^[A-Za-z0-9\-.]{1,64}$`)
	tenDigits   = pattern.MustOnce(`(?:[0-9][\-.]*){10}`)
)

// Entry is one entry of a search page. Where Err is set the entry cannot be used; its neighbours can.
type Entry struct {
	Resource fhir.Resource
	FullURL  string
	Mode     string // "match", "include" or "outcome" (Bundle.entry.search.mode); match where the server says nothing
	Raw      []byte // the whole entry as received, also where it is not valid JSON
	Page     []byte // modifiers of the page, as fhir.AppendModifiers writes them: they change what each of its entries means
	Err      error  // *EntryError
}

// EntryError says what is wrong with one entry of a page.
type EntryError struct {
	Position int    // in Bundle.entry, from 0
	Type, ID string // of the resource, as far as they can be read without doubt
	Err      error
}

// Error returns position, name and reason, nothing else of the entry.
func (e *EntryError) Error() string {
	if e.Type == "" || e.ID == "" {
		return fmt.Sprintf("entry %d: %v", e.Position, e.Err)
	}
	return fmt.Sprintf("entry %d, %s/%s: %v", e.Position, e.Type, e.ID, e.Err)
}

// Unwrap returns the reason.
func (e *EntryError) Unwrap() error { return e.Err }

// ReadPage reads a page that Pages gave. An entry that is not valid JSON or no resource has an Err of its own and leaves its
// neighbours alone. ReadPage fails where the page itself cannot be trusted: fhir.ErrSyntax where it does not close or what stands
// around its entries is broken, ErrNotFHIR where it is no search page, ErrGarbage where it is out of all bounds; in the last case
// the Page has no entries, but its next link can be followed.
func ReadPage(body []byte) (Page, error) {
	p, err := readPage(unmarked(body))
	if err != nil {
		return p, fmt.Errorf("read a search page of %d bytes: %w", len(body), err)
	}
	return p, nil
}

func readPage(body []byte) (Page, error) {
	if err := utf8Only(body); err != nil {
		return Page{}, err
	}
	parts, err := cutApart(body, maxEntries)
	if err != nil {
		return Page{}, err
	}
	p := Page{Body: body}
	if p.bundle, err = readEnvelope(parts); err != nil {
		return p, err
	}
	switch {
	case parts.all > maxEntries:
		return p, fmt.Errorf("%w: %d entries", ErrGarbage, parts.all)
	case parts.parts > maxParts:
		return p, fmt.Errorf("%w: more than %d values", ErrGarbage, maxParts)
	}
	list := make([]Entry, 0, len(parts.entries))
	modifiers := fhir.AppendModifiers(nil, p.bundle.Root(), "entry", "link")
	bad := 0
	for i, raw := range parts.entries {
		list = append(list, readEntry(raw, i))
		list[i].Page = modifiers
		if list[i].Err == nil {
			continue
		}
		if bad++; bad > maxBadEntries {
			return p, fmt.Errorf("%w: more than %d entries that cannot be read", ErrGarbage, maxBadEntries)
		}
	}
	p.Entries = list
	return p, nil
}

// readEnvelope reads what stands around the entries of a page as strictly as any resource.
func readEnvelope(parts cutPage) (fhir.Resource, error) {
	s := scanner{src: parts.envelope}
	if s.value(0); s.parts > maxEntries {
		return fhir.Resource{}, fmt.Errorf("%w: %w", ErrNotFHIR, errBundle)
	}
	bundle, err := fhir.Parse(parts.envelope)
	if err != nil {
		return fhir.Resource{}, err
	}
	entry := bundle.Root().Get("entry")
	if !searchset(bundle) || entry.Kind() != fhir.Array && entry.Kind() != fhir.Missing && entry.Kind() != fhir.Null {
		return bundle, fmt.Errorf("%w: %w", ErrNotFHIR, errBundle)
	}
	return bundle, nil
}

func searchset(r fhir.Resource) bool {
	return r.Type() == "Bundle" && r.Root().Get("type").Text() == "searchset"
}

// readEntry parses one entry alone.
func readEntry(raw []byte, position int) Entry {
	e := Entry{Raw: raw}
	var doc fhir.Doc
	err := doc.Parse(raw)
	if err == nil {
		n := doc.Root()
		e.FullURL = n.Get("fullUrl").Text()
		if e.Resource, err = fhir.ResourceAt(n.Get("resource")); err == nil {
			e.Mode, err = modeOf(n, e.Resource)
		}
	}
	if err == nil && e.Mode != "outcome" && !idPattern().MatchString(e.Resource.ID()) {
		err = errors.New("the resource has no id")
	}
	if err != nil {
		bad := &EntryError{Position: position, Err: err}
		bad.Type, bad.ID = nameOf(raw)
		return Entry{FullURL: e.FullURL, Raw: raw, Err: bad}
	}
	return e
}

func modeOf(entry fhir.Node, r fhir.Resource) (string, error) {
	mode := entry.Get("search").Get("mode")
	switch mode.Text() {
	case "match", "include", "outcome":
		return mode.Text(), nil
	}
	switch {
	case mode.Exists():
		return "", errors.New("the search mode is none of R4")
	case r.Type() == "OperationOutcome":
		return "outcome", nil
	}
	return "match", nil
}

// nameOf finds type and id of the resource in an entry that cannot be read, empty unless each stands there once and could stand
// in a URL and holds no NHS number.
func nameOf(raw []byte) (typ, id string) {
	resource := onlyMember(raw, "resource")
	typ, id = unquote(onlyMember(resource, "resourceType")), unquote(onlyMember(resource, "id"))
	if !typePattern().MatchString(typ) || !idPattern().MatchString(id) || tenDigits().MatchString(id) {
		return "", ""
	}
	return typ, id
}

// onlyMember returns the value of a member of an object, nil where the object has none or several of that name
// or is not all that stands there.
func onlyMember(object []byte, name string) []byte {
	var out []byte
	found := 0
	s := scanner{src: object}
	end := s.members(s.space(0), func(m member) {
		if m.name == name {
			out, found = trim(object[m.start:m.end]), found+1
		}
	})
	if found != 1 || s.space(end) != len(object) {
		return nil
	}
	return out
}
