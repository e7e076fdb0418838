package fhir

import (
	"cmp"
	"errors"
	"slices"
	"strings"
)

// Why a reference leads to no resource. Each is an outcome of its own: a record that depends on it is held with that reason,
// and no other resource is taken in its place.
var (
	ErrForeign    = errors.New("the reference names a resource of another server")
	ErrAmbiguous  = errors.New("the reference fits two different resources")
	ErrVersion    = errors.New("the reference names a version of the resource that did not come along")
	ErrUnresolved = errors.New("the reference leads to no resource that came along")
)

// Resolver finds what references point to, by the rules of FHIR R4 (bundle.html#references, references.html):
//
//	#p                         the contained resource with this id, of the resource that refers
//	urn:uuid:…, urn:oid:…      the entry with this fullUrl
//	https://a/r4/Patient/1     the entry with this fullUrl
//	Patient/1                  relative to the base of the fullUrl of the entry that refers, else to Base
//	…/_history/2               only the resource whose meta.versionId is 2
//
// An entry without a RESTful fullUrl belongs to the server of whoever refers to it by Type/id, as long as no other resource of
// that name came along; without any fullUrl it is also found by a urn:uuid that is its id. Of several versions of one resource
// the newest is the one that a reference without a version means.
type Resolver struct {
	Base string // of the server that the resources come from; empty where only their fullUrls tell
	// More returns resources of that type and id which came along elsewhere, in other lines of a file; nil: there are none.
	More func(typ, id string) ([]Resource, error)
	// Others reports whether a resource of that type and id, of another server than base, came along elsewhere; nil: there is none.
	Others func(typ, id, base string) (bool, error)

	all    []Resource
	byName map[typeID][]Resource // nil: few enough to be looked through
	byURL  map[string][]Resource
}

type typeID struct{ typ, id string }

// fewResources is how many are looked through one by one.
const fewResources = 16

// NewResolver returns a resolver among resources. Those that stand in entries of a Bundle are known by their fullUrl.
func NewResolver(base string, resources ...[]Resource) *Resolver {
	r := &Resolver{Base: base}
	for _, list := range resources {
		r.all = append(r.all, list...)
	}
	if len(r.all) <= fewResources {
		return r
	}
	r.byName, r.byURL = map[typeID][]Resource{}, map[string][]Resource{}
	for _, one := range r.all {
		n := typeID{one.Type(), one.ID()}
		r.byName[n] = append(r.byName[n], one)
		url := cmp.Or(one.FullURL(), "urn:uuid:"+one.ID())
		r.byURL[urlKey(url)] = append(r.byURL[urlKey(url)], one)
	}
	return r
}

// among is the same resolver among other resources.
func (r *Resolver) among(resources ...[]Resource) *Resolver {
	out := NewResolver(r.Base, resources...)
	out.More, out.Others = r.More, r.Others
	return out
}

// Resolve returns the resource that a reference of another one points to. The error is ErrForeign, ErrAmbiguous, ErrVersion or
// ErrUnresolved, or that of More.
func (r *Resolver) Resolve(from Resource, reference string) (Resource, error) {
	if id, local := strings.CutPrefix(reference, "#"); local {
		return Contained(from, id)
	}
	w := r.wanted(from, reference)
	here := r.candidates(w)
	if len(r.all) == 0 && from.Exists() {
		here = []Resource{from} // each can refer to itself
	}
	found, err := w.chosen(here)
	if err == nil || errors.Is(err, ErrAmbiguous) || r.More == nil || !w.literal {
		return found, err
	}
	more, failed := r.More(w.ref.Type, w.ref.ID)
	if failed != nil {
		return Resource{}, failed
	}
	if len(more) == 0 {
		return found, err
	}
	return w.chosen(slices.Concat(here, more))
}

// Own reports whether a literal reference of a resource names a record of the resource's own server: it is relative, or its
// base is that of the resource.
func (r *Resolver) Own(from Resource, ref Reference) bool {
	return ref.Base == "" || SameBase(ref.Base, r.Home(from))
}

// TwoServers reports whether a resource of the same type and id came along that is of another server: they are two records, and
// Type/id, by which a record of this source is known, is the name of both.
func (r *Resolver) TwoServers(one Resource) (bool, error) {
	home := r.Home(one)
	if home == "" || one.ID() == "" {
		return false, nil
	}
	same := r.all
	if r.byName != nil {
		same = r.byName[typeID{one.Type(), one.ID()}]
	}
	for _, c := range same {
		if c.Type() == one.Type() && c.ID() == one.ID() && r.Home(c) != "" && !SameBase(r.Home(c), home) {
			return true, nil
		}
	}
	if r.Others == nil || one.Base() == "" {
		return false, nil
	}
	return r.Others(one.Type(), one.ID(), one.Base())
}

// Home returns the base of the server that a resource comes from, empty where that is not known.
func (r *Resolver) Home(from Resource) string { return cmp.Or(from.Base(), r.Base) }

// wanted is what a reference asks for.
type wanted struct {
	url     string // as fullUrls write it, without the version; empty for a relative reference of unknown base
	ref     Reference
	literal bool   // ref is set
	home    string // base of whoever refers
	base    string // that the resource must have, empty where it is not known
}

func (r *Resolver) wanted(from Resource, reference string) wanted {
	w := wanted{url: reference, home: r.Home(from)}
	ref, err := ParseReference(reference)
	if err != nil {
		return w
	}
	w.ref, w.literal, w.base = ref, true, cmp.Or(ref.Base, w.home)
	if w.url = ""; w.base != "" {
		w.url = Reference{Base: w.base, Type: ref.Type, ID: ref.ID}.String()
	}
	return w
}

// candidates are the resources that a reference could mean.
func (r *Resolver) candidates(w wanted) []Resource {
	if r.byName == nil {
		return r.all
	}
	var out []Resource
	if w.url != "" {
		out = append(out, r.byURL[urlKey(w.url)]...)
	}
	if w.literal {
		out = append(out, r.byName[typeID{w.ref.Type, w.ref.ID}]...)
	}
	return out
}

// fit is how well a resource fits a reference.
type fit int

const (
	unfit    fit = iota
	elsewise     // the name fits, and it is of another server
	byName       // the name fits, and nothing says which server it is of
	byURL        // it is the one
	odd          // its fullUrl contradicts its type and id
)

func (w wanted) fits(c Resource) fit {
	full := c.FullURL()
	var at Reference
	if full != "" {
		at, _ = ParseReference(full)
	}
	restful := at.Base != ""
	sameName := w.literal && c.Type() == w.ref.Type && c.ID() == w.ref.ID
	sameURL := full != "" && w.url != "" && sameURL(full, w.url)
	switch {
	case restful && (at.Type != c.Type() || c.ID() != "" && at.ID != c.ID()):
		if sameName || sameURL {
			return odd
		}
		return unfit
	case sameURL:
		return byURL
	case !w.literal:
		if id, ok := strings.CutPrefix(w.url, "urn:uuid:"); ok && full == "" && len(id) == 36 && c.ID() == id {
			return byURL
		}
		return unfit
	case !sameName:
		return unfit
	case restful && w.base != "":
		return elsewise
	case !restful && w.ref.Base != "" && !SameBase(w.ref.Base, w.home):
		return unfit
	}
	return byName
}

// chosen is the one resource that is meant.
func (w wanted) chosen(candidates []Resource) (Resource, error) {
	var exact, named []Resource
	others := false
	for _, c := range candidates {
		switch w.fits(c) {
		case odd:
			return Resource{}, ErrAmbiguous
		case byURL:
			exact = append(exact, c)
		case byName:
			named = append(named, c)
		case elsewise:
			others = true
		}
	}
	switch {
	case len(exact) > 0:
		return w.version(exact)
	case len(named) > 0 && (others || !oneServer(named)):
		return Resource{}, ErrAmbiguous
	case len(named) > 0:
		return w.version(named)
	case w.ref.Base != "" && !SameBase(w.ref.Base, w.home):
		return Resource{}, ErrForeign
	}
	return Resource{}, ErrUnresolved
}

// oneServer reports whether no two resources are said to be of different servers.
func oneServer(list []Resource) bool {
	for _, c := range list[1:] {
		if !SameBase(c.Base(), list[0].Base()) {
			return false
		}
	}
	return true
}

// version chooses the version that is asked for, else the newest one.
func (w wanted) version(list []Resource) (Resource, error) {
	if w.ref.Version != "" {
		var same []Resource
		for _, c := range list {
			if c.VersionID() == w.ref.Version {
				same = append(same, c)
			}
		}
		if list = same; len(list) == 0 {
			return Resource{}, ErrVersion
		}
	}
	best := list[0]
	for _, c := range list[1:] {
		switch {
		case c.root.Same(best.root) || c.ID() == best.ID() && c.Type() == best.Type() && c.Digest() == best.Digest():
		case c.ID() != best.ID() || c.Type() != best.Type() || c.VersionID() == best.VersionID():
			return Resource{}, ErrAmbiguous
		default:
			newer, known := Newer(c, best)
			if !known {
				return Resource{}, ErrAmbiguous
			}
			if newer {
				best = c
			}
		}
	}
	return best, nil
}

// Newer reports whether the first of two versions of one resource is the newer one: by versionId where both are decimal
// numbers, else by lastUpdated. known is false where neither tells.
func Newer(a, b Resource) (newer, known bool) {
	if x, y := a.VersionID(), b.VersionID(); decimal(x) && decimal(y) {
		x, y = strings.TrimLeft(x, "0"), strings.TrimLeft(y, "0")
		order := cmp.Or(cmp.Compare(len(x), len(y)), cmp.Compare(x, y))
		return order > 0, order != 0
	}
	x, y := a.LastUpdated(), b.LastUpdated()
	return x.After(y), !x.IsZero() && !y.IsZero() && !x.Equal(y)
}

func decimal(s string) bool { return s != "" && strings.Trim(s, "0123456789") == "" }

// Contained returns the contained resource with an id; without an id the resource itself.
func Contained(in Resource, id string) (Resource, error) {
	if id == "" && in.Exists() {
		return in, nil
	}
	var found []Resource
	for n := range in.root.Get("contained").Items() {
		if c, err := ResourceAt(n); err == nil && c.ID() == id {
			found = append(found, c)
		}
	}
	switch len(found) {
	case 0:
		return Resource{}, ErrUnresolved
	case 1:
		return found[0], nil
	}
	return Resource{}, ErrAmbiguous
}

// FullURL returns the fullUrl of the Bundle entry that the resource stands in, empty where there is none.
func (r Resource) FullURL() string {
	if r.root.Name() != "resource" {
		return ""
	}
	return r.root.Parent().Get("fullUrl").Text()
}

// Base returns the service base URL that a RESTful fullUrl tells, empty where none does.
func (r Resource) Base() string {
	full := r.FullURL()
	if full == "" {
		return ""
	}
	at, err := ParseReference(full)
	if err != nil || at.Type != r.Type() || r.ID() != "" && at.ID != r.ID() {
		return ""
	}
	return at.Base
}

// Referrer returns the resource that a node stands in: that of a Bundle entry or of the whole document, never a contained one.
func Referrer(n Node) Resource {
	for n.Parent().Exists() && (n.Name() != "resource" || !n.Get("resourceType").Exists()) {
		n = n.Parent()
	}
	r, _ := ResourceAt(n)
	return r
}

// sameURL reports whether two fullUrls are the same but for the version.
func sameURL(a, b string) bool { return a == b || urlKey(a) == urlKey(b) }

// urlKey is a fullUrl in the form in which equal ones are equal.
func urlKey(url string) string {
	ref, err := ParseReference(url)
	if err != nil || ref.Base == "" {
		return url
	}
	return BaseKey(ref.Base) + "/" + ref.Type + "/" + ref.ID
}

// BaseKey is a service base URL in the form in which those that SameBase takes for one are equal.
func BaseKey(base string) string {
	host, path := splitBase(base)
	return strings.ToLower(host) + "/" + path
}
