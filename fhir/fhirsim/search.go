package fhirsim

import (
	"crypto/rand"
	"encoding/json"
	"maps"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// pageParameter carries the continuation token of a next link. Clients must not read anything into it.
const pageParameter = "_page"

// offsetParameter is where a page starts in offset paging; each page is a search of its own.
const offsetParameter = "_offset"

const (
	maxCount     = 200
	resultLife   = time.Hour
	resultsLimit = 1000
)

// result is what a search found, as it was then: pages of it do not shift when resources change in between.
type result struct {
	typ     string
	hits    []hit
	from    int // where the page starts
	count   int
	include []string
	expires time.Time
}

// hit is one version of one resource.
type hit struct {
	record *record
	number int
}

func (h hit) version() version { return h.record.versions[h.number-1] }

// includes lists what _include knows of a type.
func includes(typ string) list {
	switch typ {
	case "ServiceRequest":
		return list{"ServiceRequest:subject", "ServiceRequest:patient"}
	case "Appointment":
		return list{"Appointment:based-on", "Appointment:patient", "Appointment:actor"}
	}
	return list{}
}

func (s *Server) search(w http.ResponseWriter, r *http.Request) {
	typ, q := r.PathValue("type"), r.URL.Query()
	if token := q.Get(pageParameter); token != "" {
		found, ok := s.results[token]
		if !ok || found.typ != typ || s.now().After(found.expires) {
			fail(w, http.StatusGone, "expired")
			return
		}
		s.sendPage(w, r, found, url.Values{pageParameter: {token}})
		return
	}
	if s.refused(typ, q) {
		failWith(w, http.StatusBadRequest, "not-supported", "This server does not know how to handle such a search of "+typ)
		return
	}
	found, used, fault := s.find(typ, q, strings.Contains(r.Header.Get("Prefer"), "handling=strict"))
	if fault != "" {
		fail(w, http.StatusBadRequest, fault)
		return
	}
	s.sendPage(w, r, found, used)
}

// refused reports whether a fault in force refuses a parameter of a search.
func (s *Server) refused(typ string, q url.Values) bool {
	return slices.ContainsFunc(s.faults.Refuse, func(text string) bool {
		of, parameter, _ := strings.Cut(text, "?")
		return of == typ && (parameter == "" || q.Has(parameter))
	})
}

// find runs a search. used are the parameters that counted: by R4 the self link tells the client which. fault is the
// issue code of a parameter that cannot be used, or that is unknown where the client is strict.
func (s *Server) find(typ string, q url.Values, strict bool) (found result, used url.Values, fault string) {
	found = result{typ: typ, count: s.options.PageSize, expires: s.now().Add(resultLife)}
	used = url.Values{}
	var filters []func(id string, at time.Time) bool
	descending := false
	for name, values := range q {
		ok := true
		switch name {
		case "_id":
			filters = append(filters, idFilter(values))
		case "_lastUpdated":
			var f []func(string, time.Time) bool
			f, ok = updatedFilters(values)
			filters = append(filters, f...)
		case "_count":
			found.count, ok = count(values[0])
		case "_include":
			if s.faults.IgnoreInclude {
				continue
			}
			ok = s.include(&found, values) || !strict
		case offsetParameter:
			found.from, ok = offset(values[0])
		case "_sort":
			descending = values[0] == "-_lastUpdated"
			ok = descending || values[0] == "_lastUpdated"
		case "_format":
		default:
			if strict {
				return found, used, "not-supported"
			}
			continue
		}
		if !ok {
			return found, used, "invalid"
		}
		used[name] = values
	}
	found.count = s.capped(found.count)
	found.hits = s.matches(typ, filters)
	found.from = min(found.from, len(found.hits))
	order(found.hits, q.Get("_sort") != "", descending)
	return found, used, ""
}

func (s *Server) matches(typ string, filters []func(string, time.Time) bool) []hit {
	var out []hit
	for id, r := range s.store[typ] {
		n := s.shown(r, "search")
		if n == 0 || r.versions[n-1].deleted {
			continue
		}
		if !slices.ContainsFunc(filters, func(f func(string, time.Time) bool) bool { return !f(id, r.versions[n-1].at) }) {
			out = append(out, hit{record: r, number: n})
		}
	}
	return out
}

func order(hits []hit, byTime, descending bool) {
	slices.SortFunc(hits, func(a, b hit) int {
		if c := a.version().at.Compare(b.version().at); byTime && c != 0 {
			if descending {
				return -c
			}
			return c
		}
		return strings.Compare(a.record.ref, b.record.ref)
	})
}

func idFilter(values []string) func(string, time.Time) bool {
	ids := strings.Split(values[0], ",")
	return func(id string, _ time.Time) bool { return slices.Contains(ids, id) }
}

// updatedFilters reads _lastUpdated with ge, gt, le or lt; a date alone counts from its first moment in UTC, for gt
// and le to its last.
func updatedFilters(values []string) ([]func(string, time.Time) bool, bool) {
	var out []func(string, time.Time) bool
	for _, v := range values {
		if len(v) < 3 {
			return nil, false
		}
		from, until, ok := moment(v[2:])
		if !ok {
			return nil, false
		}
		switch v[:2] {
		case "ge":
			out = append(out, func(_ string, at time.Time) bool { return !at.Before(from) })
		case "gt":
			out = append(out, func(_ string, at time.Time) bool { return !at.Before(until) })
		case "le":
			out = append(out, func(_ string, at time.Time) bool { return at.Before(until) })
		case "lt":
			out = append(out, func(_ string, at time.Time) bool { return at.Before(from) })
		default:
			return nil, false
		}
	}
	return out, true
}

// moment reads a FHIR instant or date as the half-open interval that it names.
func moment(text string) (from, until time.Time, ok bool) {
	if day, err := time.Parse(time.DateOnly, text); err == nil {
		return day, day.AddDate(0, 0, 1), true
	}
	at, err := time.Parse(time.RFC3339Nano, text)
	if err != nil {
		return from, until, false
	}
	if strings.Contains(text, ".") {
		return at, at.Add(time.Millisecond), true
	}
	return at, at.Add(time.Second), true
}

func count(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return min(n, maxCount), err == nil && n >= 0
}

func offset(text string) (int, bool) {
	n, err := strconv.Atoi(text)
	return n, err == nil && n >= 0
}

// include takes the wishes that this server knows; it tells whether it knew all.
func (s *Server) include(found *result, values []string) bool {
	all := true
	for _, v := range values {
		if slices.Contains(includes(found.typ), any(v)) {
			found.include = append(found.include, v)
			continue
		}
		all = false
	}
	return all
}

func (s *Server) sendPage(w http.ResponseWriter, r *http.Request, found result, self url.Values) {
	base := origin(r) + basePath
	here := base + "/" + found.typ
	links := list{object{"relation": "self", "url": here + query(self)}}
	end := min(found.from+found.count, len(found.hits))
	if end < len(found.hits) && found.count > 0 {
		links = append(links, object{"relation": "next", "url": s.next(r, found, self, end)})
	}
	entries := list{}
	page := found.hits[found.from:end]
	for _, h := range page {
		entries = append(entries, entry(base, h, "match"))
	}
	included := s.included(found, page)
	for _, h := range included {
		entries = append(entries, entry(base, h, "include"))
	}
	if s.faults.Outcome != "" {
		entries = append(entries, incomplete(s.faults.Outcome))
	}
	bundle := object{
		"resourceType": "Bundle", "type": "searchset", "id": strings.ToLower(rand.Text()), "total": len(found.hits), "link": links,
		"meta": object{"lastUpdated": stamp(s.now())},
	}
	if len(entries) > 0 { // an empty array is not allowed in FHIR JSON
		bundle["entry"] = entries
	}
	body, _ := json.Marshal(bundle) // made of JSON only
	w.Header().Set("Content-Type", mediaType)
	w.Write(s.spoilPage(body, slices.Concat(page, included)))
}

// next is the address of the page that starts at end.
func (s *Server) next(r *http.Request, found result, self url.Values, end int) string {
	host := origin(r)
	if s.faults.NextHost != "" {
		host = strings.TrimSuffix(s.faults.NextHost, "/")
	}
	q := url.Values{}
	if s.faults.Paging == "offset" {
		maps.Copy(q, self)
		q.Set("_count", strconv.Itoa(found.count))
		q.Set(offsetParameter, strconv.Itoa(end))
	} else {
		q.Set(pageParameter, s.keep(found, end))
	}
	return host + basePath + "/" + found.typ + query(q)
}

// incomplete is an entry of mode outcome, by which a server says that it left something out.
func incomplete(text string) object {
	return object{
		"resource": object{"resourceType": "OperationOutcome", "issue": list{
			object{"severity": "warning", "code": "incomplete", "diagnostics": text},
		}},
		"search": object{"mode": "outcome"},
	}
}

func query(q url.Values) string {
	if len(q) == 0 {
		return ""
	}
	return "?" + q.Encode()
}

// keep remembers where the next page starts and gives its token; a token can be used again, as a client that lost
// the answer must.
func (s *Server) keep(found result, from int) string {
	for token, r := range s.results {
		if len(s.results) >= resultsLimit || s.now().After(r.expires) {
			delete(s.results, token)
		}
	}
	token := rand.Text()
	found.from = from
	s.results[token] = found
	return token
}

func entry(base string, h hit, mode string) object {
	return object{
		"fullUrl": base + "/" + h.record.ref, "resource": h.version().resource, "search": object{"mode": mode},
	}
}

// included gives what the matches of a page refer to, each once, as it is now.
func (s *Server) included(found result, page []hit) []hit {
	var out []hit
	seen := map[string]bool{}
	for _, h := range page {
		for _, ref := range wanted(h.version().resource, found.include) {
			typ, id, _ := strings.Cut(ref, "/")
			r := s.store[typ][id]
			if r == nil || seen[ref] {
				continue
			}
			seen[ref] = true
			if n := s.shown(r, "search"); n > 0 && !r.versions[n-1].deleted {
				out = append(out, hit{record: r, number: n})
			}
		}
	}
	return out
}

// wanted gives the references of a resource that the includes follow.
func wanted(resource object, include []string) []string {
	var out []string
	follow := func(v any) {
		if reference, ok := v.(object); ok {
			ref, _ := reference["reference"].(string)
			out = append(out, ref)
		}
	}
	for _, name := range include {
		switch name {
		case "ServiceRequest:subject", "ServiceRequest:patient":
			follow(resource["subject"])
		case "Appointment:based-on":
			each(resource["basedOn"], func(o object) { follow(o) })
		case "Appointment:patient", "Appointment:actor":
			each(resource["participant"], func(o object) { follow(o["actor"]) })
		}
	}
	return out
}

func each(v any, do func(object)) {
	items, _ := v.(list)
	for _, item := range items {
		if o, ok := item.(object); ok {
			do(o)
		}
	}
}
