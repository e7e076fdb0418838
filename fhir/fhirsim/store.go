package fhirsim

import (
	"encoding/json"
	"strconv"
	"time"
)

// object and list are JSON as it goes over the wire.
type (
	object = map[string]any
	list   = []any
)

// record is one resource with all its versions, oldest first; version n is versions[n-1].
type record struct {
	ref      string // Type/id
	versions []version
}

type version struct {
	resource object
	body     []byte
	at       time.Time
	deleted  bool // what the record was before stays in resource and body
}

func (r *record) current() version { return r.versions[len(r.versions)-1] }

func (r *record) etag() string { return etag(len(r.versions)) }

func etag(version int) string { return `W/"` + strconv.Itoa(version) + `"` }

// put makes resource the newest version, with meta.versionId and meta.lastUpdated of this server.
func (r *record) put(resource object, at time.Time) {
	meta := object{}
	if old, ok := resource["meta"].(object); ok {
		for k, v := range old {
			meta[k] = v
		}
	}
	meta["versionId"] = strconv.Itoa(len(r.versions) + 1)
	meta["lastUpdated"] = stamp(at)
	resource["meta"] = meta
	body, _ := json.Marshal(resource) // made of JSON only
	r.versions = append(r.versions, version{resource: resource, body: body, at: at})
}

// change makes a new version in which edit changed the top level.
func (r *record) change(at time.Time, edit func(object)) {
	next := object{}
	for k, v := range r.current().resource {
		next[k] = v
	}
	edit(next)
	r.put(next, at)
}

// remove makes a deletion the newest version.
func (r *record) remove(at time.Time) {
	if v := r.current(); !v.deleted {
		r.versions = append(r.versions, version{resource: v.resource, body: v.body, at: at, deleted: true})
	}
}

func stamp(t time.Time) string { return t.UTC().Format("2006-01-02T15:04:05.000Z") }

func concept(system, code, display string) object {
	return object{"coding": list{object{"system": system, "code": code, "display": display}}, "text": display}
}
