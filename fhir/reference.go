package fhir

import (
	"fmt"
	"strings"
	"unicode"
)

// Reference names one resource of a server, and where it matters one version of it:
// ServiceRequest/42 or ReferralRequest/000000070001/_history/5.
type Reference struct {
	Base    string // service base URL without a slash at its end; empty = the server, or the Bundle, that holds the reference
	Type    string // resource type
	ID      string // logical id, [A-Za-z0-9.-]{1,64}; for e-RS the UBRN with its leading zeros
	Version string // meta.versionId without quotes or W/; empty = whatever is current
}

// ParseReference reads a literal reference, relative or absolute ("https://host/base/Patient/1"); it refuses
// contained ("#x"), logical and malformed ones. The error does not repeat the text.
func ParseReference(s string) (Reference, error) {
	var r Reference
	rest, id := cutLast(s)
	rest, typ := cutLast(rest)
	if typ == "_history" && id != "" {
		r.Version = id
		rest, id = cutLast(rest)
		rest, typ = cutLast(rest)
	}
	r.Base, r.Type, r.ID = strings.TrimRight(rest, "/"), typ, id
	if !r.valid() || r.Base == "" && strings.HasPrefix(s, "//") {
		return Reference{}, fmt.Errorf("not a literal FHIR reference (%d characters)", len(s))
	}
	return r, nil
}

// cutLast cuts a text at its last slash.
func cutLast(s string) (before, last string) {
	i := strings.LastIndexByte(s, '/')
	return s[:max(i, 0)], s[i+1:]
}

func (r Reference) valid() bool {
	return typeName(r.Type) && idShaped(r.ID) && (r.Version == "" || idShaped(r.Version)) && (r.Base == "" || baseShaped(r.Base))
}

// baseShaped reports whether a text has the shape of a service base URL: http or https, and a host.
func baseShaped(s string) bool {
	scheme, rest, found := strings.Cut(s, "://")
	return found && (strings.EqualFold(scheme, "https") || strings.EqualFold(scheme, "http")) && rest != "" && rest[0] != '/' &&
		!strings.ContainsAny(rest, " ?#\"\\") && !strings.ContainsFunc(rest, unicode.IsControl)
}

// SameBase reports whether two service base URLs name one server. Whether it is http or https, the case of the host, the
// port that the scheme has anyway and a slash at the end make no difference; paths are compared as they are.
func SameBase(a, b string) bool {
	if a == b {
		return true
	}
	hostA, pathA := splitBase(a)
	hostB, pathB := splitBase(b)
	return hostA != "" && pathA == pathB && strings.EqualFold(hostA, hostB)
}

func splitBase(base string) (host, path string) {
	scheme, rest, found := strings.Cut(base, "://")
	if !found {
		return "", ""
	}
	host, path, _ = strings.Cut(rest, "/")
	port := ":80"
	if strings.EqualFold(scheme, "https") {
		port = ":443"
	}
	return strings.TrimSuffix(host, port), strings.TrimRight(path, "/")
}

// idShaped tells whether a text has the shape of an id: [A-Za-z0-9.-]{1,64}.
func idShaped(s string) bool {
	for i := range len(s) {
		if c := s[i]; c != '-' && c != '.' && (c < '0' || c > '9') && (c|0x20 < 'a' || c|0x20 > 'z') {
			return false
		}
	}
	return len(s) >= 1 && len(s) <= 64
}

// Current is the same reference without a version.
func (r Reference) Current() Reference {
	r.Version = ""
	return r
}

// Local is the same reference as its own server writes it, without the base: what keys of the ledger are made of.
func (r Reference) Local() Reference {
	r.Base = ""
	return r
}

// String returns Type/ID, with the base before it and /_history/Version behind it where they are known.
func (r Reference) String() string {
	s := r.Type + "/" + r.ID
	if r.Base != "" {
		s = r.Base + "/" + s
	}
	if r.Version != "" {
		s += "/_history/" + r.Version
	}
	return s
}

// ETag gives the version as If-Match wants it: W/"5". It is empty where the version is unknown.
func (r Reference) ETag() string {
	if r.Version == "" {
		return ""
	}
	return `W/"` + r.Version + `"`
}

// VersionOfETag reads the version out of W/"5" or "5"; it is empty where the header holds something else.
func VersionOfETag(etag string) string {
	v := strings.TrimPrefix(etag, "W/")
	if len(v) < 3 || v[0] != '"' || v[len(v)-1] != '"' || !idShaped(v[1:len(v)-1]) {
		return ""
	}
	return v[1 : len(v)-1]
}

// Operation is one change that goes back to a source: an e-RS operation such as $ers.acceptReferral, or an update.
type Operation struct {
	On         Reference // with the version that was read: it becomes If-Match
	Name       string    // "$ers.acceptReferral", "$ers.recordReviewOutcome", "$ers.cancelReferral", or OperationUpdate
	Parameters []Parameter
}

// OperationUpdate is the Name of a plain FHIR update (read, change, PUT with If-Match).
const OperationUpdate = "update"

// Parameter is one input of an Operation: a coded value or a text.
type Parameter struct {
	Name   string
	System string // of a coded value; empty for a text
	Code   string
	Text   Private
}
