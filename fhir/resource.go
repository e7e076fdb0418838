package fhir

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"
)

// ErrNotResource is wrapped where valid JSON is no FHIR resource.
var ErrNotResource = errors.New("not a FHIR resource")

// Resource is one FHIR resource, whole, as received. The zero Resource is empty and safe.
type Resource struct{ root Node }

// Parse reads one resource: a JSON object with a resourceType. Its errors wrap ErrSyntax or ErrNotResource.
func Parse(src []byte) (Resource, error) {
	return new(Doc).Resource(src)
}

// Resource is Parse into a reused Doc: the Resource is valid until the Doc parses again.
func (d *Doc) Resource(src []byte) (Resource, error) {
	if err := d.Parse(src); err != nil {
		return Resource{}, err
	}
	return ResourceAt(d.Root())
}

// ResourceAt gives the resource that stands at a node, for example an entry of a Bundle or a contained one.
func ResourceAt(n Node) (Resource, error) {
	if n.Kind() != Object {
		return Resource{}, fmt.Errorf("%w: no JSON object", ErrNotResource)
	}
	if typ := n.Get("resourceType"); typ.Kind() != String || !typeName(typ.Text()) {
		return Resource{}, fmt.Errorf("%w: no resourceType", ErrNotResource)
	}
	return Resource{root: n}, nil
}

// typeName tells whether a text has the shape of a resource type: [A-Z][A-Za-z]{1,63}.
func typeName(s string) bool {
	if len(s) < 2 || len(s) > 64 || s[0] < 'A' || s[0] > 'Z' {
		return false
	}
	for i := 1; i < len(s); i++ {
		if c := s[i] | 0x20; c < 'a' || c > 'z' {
			return false
		}
	}
	return true
}

// Root gives the resource's node.
func (r Resource) Root() Node { return r.root }

// Type gives resourceType.
func (r Resource) Type() string { return r.root.Get("resourceType").Text() }

// ID gives the logical id.
func (r Resource) ID() string { return r.root.Get("id").Text() }

// VersionID gives meta.versionId, empty where the server does not version.
func (r Resource) VersionID() string { return r.root.Get("meta").Get("versionId").Text() }

// LastUpdated returns meta.lastUpdated, the zero time where it is absent or no instant of FHIR R4.
func (r Resource) LastUpdated() time.Time {
	text := r.root.Get("meta").Get("lastUpdated").Text()
	at, ok := ParseInstant(text)
	if !ok {
		return time.Time{}
	}
	if exact, err := time.Parse(time.RFC3339Nano, text); err == nil {
		return exact
	}
	return at.Time()
}

// Reference gives Type/ID with the version that was read.
func (r Resource) Reference() Reference {
	return Reference{Type: r.Type(), ID: r.ID(), Version: r.VersionID()}
}

// Raw gives the bytes as received.
func (r Resource) Raw() []byte { return r.root.Raw() }

// Exists tells whether there is a resource at all.
func (r Resource) Exists() bool { return r.root.Exists() }

// Clone copies the resource out of a reused Doc.
func (r Resource) Clone() Resource {
	if !r.Exists() {
		return Resource{}
	}
	c, err := Parse(bytes.Clone(r.Raw()))
	if err != nil {
		return Resource{}
	}
	return c
}

// Digest is a SHA-256 of content, printed as 64 hexadecimal digits.
type Digest [sha256.Size]byte

// String gives the digest in hexadecimal.
func (d Digest) String() string { return hex.EncodeToString(d[:]) }

// IsZero tells whether there is no digest.
func (d Digest) IsZero() bool { return d == Digest{} }

// Digest is the content of the resource in one value: equal for equal content, whatever the order of members, the
// white space, the way strings are escaped, or meta.versionId, meta.lastUpdated and meta.source, which move without
// a change of content (e-RS raises versions for internal reasons).
func (r Resource) Digest() Digest {
	return sha256.Sum256(canonical(nil, r.root, ""))
}

// Differs returns the elements of a resource in which it is not as another one, by their names, sorted: of a choice (deceasedBoolean)
// the part before the type. What moves without a change of content, and the text made of the rest, is not among them.
func (r Resource) Differs(o Resource) []string {
	var out []string
	here, there := elements(r), elements(o)
	for _, e := range slices.Sorted(maps.Keys(here)) {
		if there[e] != here[e] {
			out = append(out, e)
		}
	}
	for e := range there {
		if _, both := here[e]; !both {
			out = append(out, e)
		}
	}
	slices.Sort(out)
	return slices.Compact(out)
}

// elements are the canonical forms of the elements of a resource.
func elements(r Resource) map[string]string {
	out := map[string]string{}
	for m := range r.root.Members() {
		name := strings.TrimPrefix(m.Name(), "_")
		switch name {
		case "resourceType", "id", "meta", "text", "implicitRules", "language":
			continue
		}
		if rest, is := strings.CutPrefix(name, "deceased"); is && rest != "" {
			name = "deceased"
		} else if rest, is := strings.CutPrefix(name, "multipleBirth"); is && rest != "" {
			name = "multipleBirth"
		}
		out[name] += string(canonical([]byte(m.Name()+":"), m, name))
	}
	return out
}

// canonical appends n with members sorted by name; path is the place of n below the nearest resource.
func canonical(dst []byte, n Node, path string) []byte {
	switch n.Kind() {
	case Object:
		return canonicalObject(dst, n, path)
	case Array:
		dst = append(dst, '[')
		for item := range n.Items() {
			dst = append(canonical(dst, item, path), ',')
		}
		return append(dst, ']')
	case String:
		return AppendJSONString(dst, n.Text())
	case Missing:
		return dst
	}
	return append(dst, n.Raw()...)
}

func canonicalObject(dst []byte, n Node, path string) []byte {
	if n.Get("resourceType").Exists() {
		path = ""
	}
	members := slices.SortedFunc(n.Members(), func(a, b Node) int { return strings.Compare(a.Name(), b.Name()) })
	dst = append(dst, '{')
	for _, m := range members {
		if path == "meta" && volatile(m.Name()) || path == "" && m.Name() == "meta" && bare(m) {
			continue
		}
		dst = append(AppendJSONString(dst, m.Name()), ':')
		dst = append(canonical(dst, m, below(path, m.Name())), ',')
	}
	return append(dst, '}')
}

// bare tells whether a meta holds nothing but what moves without a change of content: it counts as no meta at all.
func bare(meta Node) bool {
	for m := range meta.Members() {
		if !volatile(m.Name()) {
			return false
		}
	}
	return meta.Kind() == Object
}

func volatile(name string) bool {
	return name == "versionId" || name == "lastUpdated" || name == "source"
}

func below(path, name string) string {
	if path == "" {
		return name
	}
	return path + "." + name
}

// Bundle is what one source version became: the resources to map, and those that they refer to.
type Bundle struct {
	Focus   []Resource // mapped in this order
	Related []Resource // found by reference only, for example the Patient
	// Resolver finds what references of these resources point to; nil: what is among them.
	Resolver *Resolver
}

// With returns the bundle with more resources to be found by reference.
func (b Bundle) With(related ...Resource) Bundle {
	b.Related = append(slices.Clip(b.Related), related...)
	if b.Resolver != nil {
		b.Resolver = b.Resolver.among(b.Focus, b.Related)
	}
	return b
}

// References returns the resolver of the bundle's references.
func (b Bundle) References() *Resolver {
	if b.Resolver != nil {
		return b.Resolver
	}
	return NewResolver("", b.Focus, b.Related)
}

// Digest is the content of everything in the bundle.
func (b Bundle) Digest() Digest {
	h := sha256.New()
	for _, list := range [][]Resource{b.Focus, b.Related} {
		fmt.Fprintf(h, "%d;", len(list))
		for _, r := range list {
			d := r.Digest()
			h.Write(d[:])
			h.Write(r.Around())
		}
	}
	return Digest(h.Sum(nil))
}
