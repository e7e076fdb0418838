package fhirsim

import (
	"fmt"
	"maps"
	"net/http"
	"slices"
	"strconv"
	"strings"
	"time"
)

// Faults are ways in which this server behaves as some real ones do. SetFaults and POST /control/faults replace all
// that were in force; Stamps and Delete change the store and stay. Records are named as "ServiceRequest/sr100000",
// durations as "90s" or "24h".
type Faults struct {
	Paging  string `json:"paging,omitempty"`  // "cursor" (usual): pages of one moment; "offset": each page counts from the start anew, so rows shift
	PageCap int    `json:"pageCap,omitempty"` // entries of a page at most, whatever _count asks
	Ahead   string `json:"ahead,omitempty"`   // the server's clock, its Date header and new stamps are so far ahead

	Lag      string `json:"lag,omitempty"`      // searches show the state of so long ago, as a replica that lags
	LagReads bool   `json:"lagReads,omitempty"` // reads lag too
	LagEvery int    `json:"lagEvery,omitempty"` // only each n-th call reaches the replica; 0 = every call

	Stamps map[string]string `json:"stamps,omitempty"` // a new version of the record with this meta.lastUpdated
	Delete []string          `json:"delete,omitempty"` // deleted: 410 with an OperationOutcome, in no search, DELETE in the history

	Bad map[string]string `json:"bad,omitempty"` // duplicate-key, lone-surrogate, latin-1, empty-resource, empty-entry or no-id
	Big map[string]int    `json:"big,omitempty"` // the record is so many MiB large

	IgnoreInclude bool     `json:"ignoreInclude,omitempty"` // _include is left out of the answer and of the self link
	Refuse        []string `json:"refuse,omitempty"`        // searches answered 400: "Patient?_lastUpdated"
	Outcome       string   `json:"outcome,omitempty"`       // each page has an entry of mode outcome: issue code incomplete, with this text
	NextHost      string   `json:"nextHost,omitempty"`      // next links begin with this origin, "https://other.example"

	RatePerMinute int    `json:"ratePerMinute,omitempty"` // more calls than that in a minute are answered 429
	RateStyle     string `json:"rateStyle,omitempty"`     // "ratelimit" (usual): RateLimit: "requests";r=0;t=24 and no Retry-After; "retry-after"; "bare": neither

	TokenEndpoint string `json:"tokenEndpoint,omitempty"` // what smart-configuration names instead of the right one

	Grant []string `json:"grant,omitempty"` // scopes that are granted at most; a request for others gets less than it asked, and no error
	Next  []Fault  `json:"next,omitempty"`  // answers to give instead of the right ones; the first that fits counts
}

// Fault spoils the next Times calls that fit Call, Ref, Page and Above. Without Cut it answers Status; with Cut the
// right answer is sent, and broken off.
type Fault struct {
	Call        string `json:"call,omitempty"`        // "search ServiceRequest", "read Patient", "token"; "" = any but that
	Ref         string `json:"ref,omitempty"`         // the record that is read
	Page        int    `json:"page,omitempty"`        // the n-th page of a search, from 1
	Above       int    `json:"above,omitempty"`       // pages of more than n entries
	Times       int    `json:"times,omitempty"`       // 0 = once, below 0 = for good
	Status      int    `json:"status,omitempty"`      // 0 = 200, for a Body of garbage
	Code        string `json:"code,omitempty"`        // issue code of the OperationOutcome; "" = exception
	Diagnostics string `json:"diagnostics,omitempty"` // its text
	RetryAfter  string `json:"retryAfter,omitempty"`  // the header as it stands
	Body        string `json:"body,omitempty"`        // sent as it stands, with ContentType, instead of an OperationOutcome
	ContentType string `json:"contentType,omitempty"` // of Body; "" = text/html
	Cut         string `json:"cut,omitempty"`         // length (Content-Length says more than comes), chunked (no last chunk) or gzip (the stream ends early)
}

// active are the faults in force, read.
type active struct {
	Faults
	ahead, lag time.Duration
	lagging    bool // this call reaches the replica
	calls      int  // counted for LagEvery
	window     time.Time
	inWindow   int // calls in the minute that began at window
}

// SetFaults replaces the faults in force. It fails, and changes nothing, where one of them cannot be.
func (s *Server) SetFaults(f Faults) error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.setFaults(f)
}

func (s *Server) setFaults(f Faults) error {
	next := active{Faults: f}
	next.Next = slices.Clone(f.Next)
	for i := range next.Next {
		next.Next[i].Times = orOne(next.Next[i].Times)
	}
	var err error
	if next.ahead, err = duration("ahead", f.Ahead); err != nil {
		return err
	}
	if next.lag, err = duration("lag", f.Lag); err != nil {
		return err
	}
	if err := f.check(); err != nil {
		return err
	}
	stamps, err := s.stamps(f)
	if err != nil {
		return err
	}
	s.faults = next
	for _, ref := range slices.Sorted(maps.Keys(stamps)) {
		s.lookup(ref).change(stamps[ref], func(object) {})
	}
	for _, ref := range f.Delete {
		s.lookup(ref).remove(s.now())
	}
	return nil
}

func orOne(n int) int {
	if n == 0 {
		return 1
	}
	return n
}

func duration(name, text string) (time.Duration, error) {
	if text == "" {
		return 0, nil
	}
	d, err := time.ParseDuration(text)
	if err != nil {
		return 0, fmt.Errorf("%s: %q is no duration such as 90s or 24h", name, text)
	}
	return d, nil
}

// check refuses words that mean nothing, so that a misspelt fault is not a server without faults.
func (f Faults) check() error {
	for _, w := range []struct {
		name, word string
		known      []string
	}{
		{"paging", f.Paging, []string{"", "cursor", "offset"}},
		{"rateStyle", f.RateStyle, []string{"", "ratelimit", "retry-after", "bare"}},
	} {
		if !slices.Contains(w.known, w.word) {
			return fmt.Errorf("%s: %q is none of %s", w.name, w.word, strings.Join(w.known[1:], ", "))
		}
	}
	for ref, kind := range f.Bad {
		if !slices.Contains(badKinds(), kind) {
			return fmt.Errorf("bad: %s: %q is none of %s", ref, kind, strings.Join(badKinds(), ", "))
		}
	}
	for i, n := range f.Next {
		if !slices.Contains([]string{"", "length", "chunked", "gzip"}, n.Cut) {
			return fmt.Errorf("next %d: cut: %q is none of length, chunked, gzip", i+1, n.Cut)
		}
	}
	return nil
}

// stamps reads the stamps, and checks that every record that a fault changes is there.
func (s *Server) stamps(f Faults) (map[string]time.Time, error) {
	out := map[string]time.Time{}
	for ref, text := range f.Stamps {
		at, err := time.Parse(time.RFC3339Nano, text)
		if err != nil {
			return nil, fmt.Errorf("stamps: %s: %q is no instant such as 2099-01-01T00:00:00Z", ref, text)
		}
		out[ref] = at
	}
	named := slices.Concat(slices.Collect(maps.Keys(f.Stamps)), f.Delete,
		slices.Collect(maps.Keys(f.Bad)), slices.Collect(maps.Keys(f.Big)))
	for _, ref := range named {
		if s.lookup(ref) == nil {
			return nil, fmt.Errorf("there is no record %q", ref)
		}
	}
	return out, nil
}

func (s *Server) lookup(ref string) *record {
	typ, id, _ := strings.Cut(ref, "/")
	return s.store[typ][id]
}

// horizon is the moment whose state this call shows; false where that is now, whatever the stamps say.
func (s *Server) horizon(interaction string) (time.Time, bool) {
	if !s.faults.lagging || interaction != "search" && !s.faults.LagReads {
		return time.Time{}, false
	}
	return s.now().Add(-s.faults.lag), true
}

// shown is the number of the version that this call shows of a record; 0 where it shows none.
func (s *Server) shown(r *record, interaction string) int {
	until, lags := s.horizon(interaction)
	if !lags {
		return len(r.versions)
	}
	for n := len(r.versions); n > 0; n-- {
		if !r.versions[n-1].at.After(until) {
			return n
		}
	}
	return 0
}

// misbehave answers a call as a fault in force says; it reports whether the call is answered.
func (s *Server) misbehave(w http.ResponseWriter, r *http.Request, call string) bool {
	s.faults.calls++
	s.faults.lagging = s.faults.lag > 0 && (s.faults.LagEvery < 2 || s.faults.calls%s.faults.LagEvery == 0)
	if wait, limited := s.limited(); limited {
		s.refuseRate(w, wait)
		return true
	}
	i := slices.IndexFunc(s.faults.Next, func(f Fault) bool { return f.Cut == "" && s.fits(f, r, call) })
	if i < 0 {
		return false
	}
	f := s.spend(i)
	if f.RetryAfter != "" {
		w.Header().Set("Retry-After", f.RetryAfter)
	}
	f.send(w)
	return true
}

// spend counts a fault as used once.
func (s *Server) spend(i int) Fault {
	f := s.faults.Next[i]
	if s.faults.Next[i].Times--; s.faults.Next[i].Times == 0 {
		s.faults.Next = slices.Delete(s.faults.Next, i, i+1)
	}
	return f
}

func (s *Server) fits(f Fault, r *http.Request, call string) bool {
	if f.Call != "" && f.Call != call || f.Call == "" && call == "token" {
		return false
	}
	if f.Ref != "" && f.Ref != r.PathValue("type")+"/"+r.PathValue("id") {
		return false
	}
	if f.Page == 0 && f.Above == 0 {
		return true
	}
	page, count := s.pageAsked(r)
	return (f.Page == 0 || f.Page == page) && count > f.Above
}

// pageAsked tells which page of a search a request is for, and of how many entries.
func (s *Server) pageAsked(r *http.Request) (page, size int) {
	q := r.URL.Query()
	if found, ok := s.results[q.Get(pageParameter)]; ok {
		return found.from/max(found.count, 1) + 1, found.count
	}
	size = s.options.PageSize
	if n, ok := count(q.Get("_count")); ok {
		size = n
	}
	size = s.capped(size)
	from, _ := strconv.Atoi(q.Get(offsetParameter))
	return from/max(size, 1) + 1, size
}

func (s *Server) capped(size int) int {
	if s.faults.PageCap > 0 {
		return min(size, s.faults.PageCap)
	}
	return size
}

func (f Fault) send(w http.ResponseWriter) {
	if f.Body != "" {
		media := f.ContentType
		if media == "" {
			media = "text/html"
		}
		w.Header().Set("Content-Type", media)
		w.WriteHeader(max(f.Status, http.StatusOK))
		w.Write([]byte(f.Body))
		return
	}
	code := f.Code
	if code == "" {
		code = "exception"
	}
	failWith(w, max(f.Status, http.StatusOK), code, f.Diagnostics)
}

// limited counts a call, and says how long a client must wait where the minute's calls are used up.
func (s *Server) limited() (time.Duration, bool) {
	if s.faults.RatePerMinute == 0 {
		return 0, false
	}
	now := s.now()
	if now.Sub(s.faults.window) >= time.Minute {
		s.faults.window, s.faults.inWindow = now, 0
	}
	s.faults.inWindow++
	return s.faults.window.Add(time.Minute).Sub(now), s.faults.inWindow > s.faults.RatePerMinute
}

// refuseRate answers 429. Medplum sends the RateLimit header of the IETF draft and no Retry-After.
func (s *Server) refuseRate(w http.ResponseWriter, wait time.Duration) {
	seconds := int((wait + time.Second - 1) / time.Second)
	switch s.faults.RateStyle {
	case "", "ratelimit":
		w.Header().Set("RateLimit", fmt.Sprintf(`"requests";r=0;t=%d`, seconds))
	case "retry-after":
		w.Header().Set("Retry-After", strconv.Itoa(seconds))
	}
	fail(w, http.StatusTooManyRequests, "throttled")
}
