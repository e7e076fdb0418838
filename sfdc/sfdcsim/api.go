package sfdcsim

import (
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"strconv"
	"strings"
)

// The limits of one call: bytes of a body, and of a request target.
const (
	maxBody = 50 << 20
	maxURL  = 16384
)

// request is one call of the REST API, or one subrequest of a composite.
type request struct {
	method  string
	version string   // "66.0"
	path    []string // after the version, percent-decoded
	query   url.Values
	header  http.Header
	body    []byte
	nested  bool // a subrequest
}

// pathSegments splits the path before decoding, so that a key may hold an encoded slash.
func pathSegments(u *url.URL) ([]string, bool) {
	segments := strings.Split(strings.Trim(u.EscapedPath(), "/"), "/")
	for i, s := range segments {
		decoded, err := url.PathUnescape(s)
		if err != nil {
			return nil, false
		}
		segments[i] = decoded
	}
	return segments, true
}

// version gives "66.0" of "v66.0", or why the org does not serve it. Versions below v59.0 lack the Health Cloud
// referral resources; nothing in refbridge may use them.
func version(segment string) (string, *apiError) {
	v, ok := strings.CutPrefix(segment, "v")
	n, err := strconv.ParseFloat(v, 64)
	switch {
	case !ok || err != nil || !strings.HasSuffix(v, ".0"):
		return "", notFound()
	case n < 31:
		return "", bare(http.StatusGone, "UNSUPPORTED_API_VERSION", "The requested API version is retired")
	case n < 59 || n > 67:
		return "", bare(http.StatusNotFound, "UNSUPPORTED_API_VERSION", "The requested API version is not supported")
	}
	return v, nil
}

// serveData answers everything under /services/data.
func (s *Server) serveData(w http.ResponseWriter, r *http.Request, segments []string) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	if err != nil {
		writeError(w, bare(http.StatusRequestEntityTooLarge, "REQUEST_ENTITY_TOO_LARGE", "The request is too large"))
		return
	}
	if len(r.URL.RequestURI()) > maxURL {
		http.Error(w, "<html><body><h1>414 URI Too Long</h1></body></html>", http.StatusRequestURITooLong)
		return
	}
	query, _ := url.ParseQuery(r.URL.RawQuery)
	q := request{method: r.Method, query: query, header: r.Header, body: body}
	if len(segments) > 0 {
		q.version, q.path = segments[0], segments[1:]
	}
	out, ending := s.answer(r, q)
	switch ending {
	case endDown:
		unavailable(w)
	case endCut:
		cut(w)
	default:
		writeResponse(w, out)
	}
}

// ending is how an answer reaches the client, if at all.
type ending int

const (
	endPlain ending = iota
	endDown         // 503 with a page
	endCut          // the work is done, the connection breaks
)

// answer does the work of one call, in a transaction.
func (s *Server) answer(r *http.Request, q request) (response, ending) {
	s.mu.Lock()
	defer s.mu.Unlock()
	switch {
	case s.faults.unavailable > 0:
		s.faults.unavailable--
		return response{}, endDown
	case q.version == "":
		return response{status: 200, body: versions()}, endPlain
	case !s.signedIn(r):
		return failed(bare(http.StatusUnauthorized, "INVALID_SESSION_ID", "Session expired or invalid")), endPlain
	}
	if target, err := url.QueryUnescape(r.URL.RequestURI()); err == nil && nhsNumberPattern.MatchString(target) {
		s.count.violations["an NHS number in a URL"]++
	}
	writes := s.count.writes()
	out := s.spendAndHandle(q)
	if s.faults.drop > 0 && s.count.writes() > writes {
		s.faults.drop--
		return response{}, endCut
	}
	headers := map[string]string{"Sforce-Limit-Info": fmt.Sprintf("api-usage=%d/%d", s.usedCalls(), s.options.DailyCalls)}
	maps.Copy(headers, out.headers)
	out.headers = headers
	return out, endPlain
}

func (s *Server) spendAndHandle(q request) response {
	if err := s.spend(); err != nil {
		s.count.refusals[err.code]++
		return failed(err)
	}
	v, err := version(q.version)
	if err != nil {
		return failed(err)
	}
	q.version = v
	t := s.begin(s.users.integration)
	options := strings.ReplaceAll(q.header.Get("Sforce-Duplicate-Rule-Header"), " ", "")
	t.allowSave = strings.Contains(options, "allowSave=true")
	return s.handle(t, q)
}

// handle runs one request as a unit: what a refused request did is taken back.
func (s *Server) handle(t *tx, q request) response {
	mark := t.mark()
	out := s.route(t, q)
	if !out.ok() {
		t.rollback(mark)
		s.countRefusals(out.body)
	}
	return out
}

func (s *Server) countRefusals(body any) {
	list, _ := body.([]any)
	for _, e := range list {
		if m, ok := e.(map[string]any); ok {
			s.count.refusals[fmt.Sprint(m["errorCode"])]++
		}
	}
}

func (s *Server) route(t *tx, q request) response {
	if err := readable(q); err != nil {
		return failed(err)
	}
	if len(q.path) == 0 {
		return response{status: 200, body: s.resources(q)}
	}
	switch q.path[0] {
	case "sobjects":
		return s.sobjects(t, q)
	case "query", "queryAll":
		return s.queryResource(q)
	case "limits":
		return s.limits()
	case "composite":
		return s.composite(t, q)
	}
	return failed(notFound())
}

// readable holds the rules for every request that carries a body.
func readable(q request) *apiError {
	if q.nested || q.method != http.MethodPost && q.method != http.MethodPatch {
		return nil
	}
	if !strings.HasPrefix(q.header.Get("Content-Type"), "application/json") {
		return bare(http.StatusUnsupportedMediaType, "UNSUPPORTED_MEDIA_TYPE", "Content type not supported")
	}
	return nil
}

// spend takes one call off the day's allocation.
func (s *Server) spend() *apiError {
	if day := s.clock().Format("2006-01-02"); day != s.usedDay {
		s.usedDay, s.used = day, 0
	}
	if s.faults.exhausted || s.used >= s.options.DailyCalls {
		return bare(http.StatusForbidden, "REQUEST_LIMIT_EXCEEDED", "TotalRequests Limit exceeded.")
	}
	s.used++
	s.count.calls++
	return nil
}

func (s *Server) usedCalls() int {
	if s.faults.exhausted {
		return s.options.DailyCalls
	}
	return s.used
}

func (s *Server) limits() response {
	limit := func(most, left int) map[string]any { return map[string]any{"Max": most, "Remaining": left} }
	return response{status: 200, body: map[string]any{
		"DailyApiRequests":              limit(s.options.DailyCalls, s.options.DailyCalls-s.usedCalls()),
		"DailyBulkApiBatches":           limit(15000, 15000),
		"DailyBulkV2QueryJobs":          limit(10000, 10000),
		"DataStorageMB":                 limit(10240, 10000),
		"FileStorageMB":                 limit(10240, 10240),
		"HourlyPublishedPlatformEvents": limit(250000, 250000),
	}}
}

func versions() []any {
	var out []any
	for n := 59; n <= 67; n++ {
		v := fmt.Sprintf("%d.0", n)
		out = append(out, map[string]any{"label": releaseName(n), "url": "/services/data/v" + v, "version": v})
	}
	return out
}

// releaseName: v66.0 is Spring '26; there are three releases a year.
func releaseName(n int) string {
	names := []string{"Spring", "Summer", "Winter"}
	i := n - 45 // v45.0 was Spring '19
	year := 19 + i/3
	if i%3 == 2 {
		year++
	}
	return fmt.Sprintf("%s '%d", names[i%3], year)
}

func (s *Server) resources(q request) map[string]any {
	base := "/services/data/v" + q.version
	return map[string]any{"sobjects": base + "/sobjects", "query": base + "/query", "queryAll": base + "/queryAll",
		"limits": base + "/limits", "composite": base + "/composite"}
}

func unavailable(w http.ResponseWriter) {
	w.Header().Set("Content-Type", "text/html; charset=UTF-8")
	w.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(w, "<html><head><title>Service Unavailable</title></head><body><h1>We are down for maintenance.</h1></body></html>\n")
}

// cut closes the connection without an answer: the client cannot know that the work was committed.
func cut(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		unavailable(w) // this transport cannot be cut (HTTP/2, a recorder)
		return
	}
	_ = conn.Close()
}

// nhsNumberPattern finds a synthetic NHS number where it may not stand.
var nhsNumberPattern = regexp.MustCompile(`(^|[^0-9])999[0-9]{7}([^0-9]|$)`)
