package sfdcsim

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
)

// The limits of composite and of composite graphs (REST API Developer Guide).
const (
	maxSubrequests    = 25
	maxSubqueries     = 5
	maxGraphs         = 75
	maxGraphNodes     = 500
	maxGraphDepth     = 15
	maxGraphTypes     = 15
	maxFailedGraphs   = 14
	processingHalted  = "PROCESSING_HALTED"
	rolledBackMessage = "The transaction was rolled back since another operation in the same transaction failed."
)

// referencePattern finds @{ref.path} in the URL and the body of a subrequest.
var referencePattern = regexp.MustCompile(`@\{([A-Za-z0-9_]+)((?:\.[A-Za-z0-9_]+|\[[0-9]+\])*)\}`)

type subrequest struct {
	Method      string          `json:"method"`
	URL         string          `json:"url"`
	ReferenceID string          `json:"referenceId"`
	Body        json.RawMessage `json:"body"`
}

// run is one list of subrequests under way.
type run struct {
	t       *tx
	q       request
	answers map[string]any // bodies of the successful ones by reference id
	out     []response
}

func (s *Server) composite(t *tx, q request) response {
	sub := strings.Join(q.path[1:min(2, len(q.path))], "")
	switch {
	case sub == "sobjects":
		return s.collections(t, q)
	case q.method != http.MethodPost:
		return failed(notAllowed(q.method, "POST"))
	case sub == "graph":
		return s.graph(t, q)
	case sub != "":
		return failed(notFound())
	}
	var in struct {
		AllOrNone bool         `json:"allOrNone"`
		Requests  []subrequest `json:"compositeRequest"`
	}
	if err := decodeJSON(q.body, &in); err != nil {
		return failed(err)
	}
	if err := checkSubrequests(in.Requests); err != nil {
		return failed(err)
	}
	return response{status: 200, body: map[string]any{"compositeResponse": s.runAll(t, q, in.Requests, in.AllOrNone)}}
}

func checkSubrequests(list []subrequest) *apiError {
	if len(list) > maxSubrequests {
		return bare(400, "LIMIT_EXCEEDED", fmt.Sprintf("The composite request has %d subrequests; the limit is %d", len(list), maxSubrequests))
	}
	queries := 0
	for _, r := range list {
		if strings.Contains(r.URL, "/query") || strings.Contains(r.URL, "/composite/sobjects") {
			queries++
		}
	}
	if queries > maxSubqueries {
		return bare(400, "LIMIT_EXCEEDED", fmt.Sprintf("The composite request has %d query and collection subrequests; the limit is %d", queries, maxSubqueries))
	}
	return checkReferenceIDs(list)
}

func checkReferenceIDs(list []subrequest) *apiError {
	if len(list) == 0 {
		return bare(400, "REQUIRED_FIELD_MISSING", "At least 1 subrequest is required")
	}
	seen := map[string]bool{}
	for _, r := range list {
		switch {
		case r.ReferenceID == "" || strings.Trim(r.ReferenceID, base62+"_") != "":
			return bare(400, "INVALID_INPUT", "The reference id '"+r.ReferenceID+"' may hold letters, digits and underscores only")
		case seen[r.ReferenceID]:
			return bare(400, "INVALID_INPUT", "Duplicate ReferenceId provided in the request.")
		}
		seen[r.ReferenceID] = true
	}
	return nil
}

// runAll runs subrequests in order. With allOrNone one refusal takes all of them back.
func (s *Server) runAll(t *tx, q request, list []subrequest, allOrNone bool) []any {
	mark := t.mark()
	c := &run{t: t, q: q, answers: map[string]any{}}
	guilty := -1
	for i, r := range list {
		if allOrNone && guilty >= 0 {
			c.out = append(c.out, halted(rolledBackMessage))
			continue
		}
		answer := s.runOne(c, r)
		if c.out = append(c.out, answer); !answer.ok() && guilty < 0 {
			guilty = i
		}
	}
	if allOrNone && guilty >= 0 {
		t.rollback(mark)
		for i := range guilty {
			c.out[i] = halted(rolledBackMessage)
		}
	}
	return c.report(list)
}

func halted(message string) response {
	return response{status: 400, body: []any{map[string]any{"errorCode": processingHalted, "message": message}}}
}

func (c *run) report(list []subrequest) []any {
	out := []any{}
	for i, r := range list {
		headers := map[string]string{}
		for k, v := range c.out[i].headers {
			headers[k] = v
		}
		out = append(out, map[string]any{"body": c.out[i].body, "httpHeaders": headers,
			"httpStatusCode": c.out[i].status, "referenceId": r.ReferenceID})
	}
	return out
}

func (s *Server) runOne(c *run, r subrequest) response {
	address, err := c.expand(r.URL, url.PathEscape)
	if err != nil {
		return halted(err.message)
	}
	body, err := c.expand(string(r.Body), jsonEscape)
	if err != nil {
		return halted(err.message)
	}
	q, err := s.nested(c.q, r, address)
	if err != nil {
		return failed(err)
	}
	q.body = []byte(body)
	out := s.handle(c.t, q)
	if out.ok() {
		c.answers[r.ReferenceID] = plain(out.body)
	}
	return out
}

// nested turns a subrequest's URL into a request of the same API version.
func (s *Server) nested(outer request, r subrequest, address string) (request, *apiError) {
	u, err := url.Parse(address)
	if err != nil || u.Host != "" {
		return request{}, notFound()
	}
	segments, ok := pathSegments(u)
	if !ok || len(segments) < 4 || segments[0] != "services" || segments[1] != "data" {
		return request{}, notFound()
	}
	v, refused := version(segments[2])
	if refused != nil {
		return request{}, refused
	}
	path := segments[3:]
	if path[0] == "composite" && (len(path) == 1 || path[1] != "sobjects") || path[0] == "limits" {
		return request{}, bare(400, "INVALID_INPUT", "This resource can't be used in a composite request")
	}
	query, _ := url.ParseQuery(u.RawQuery)
	return request{method: r.Method, version: v, path: path, query: query, header: outer.header, nested: true}, nil
}

// expand puts values of earlier answers in place of @{ref.path}.
func (c *run) expand(text string, escape func(string) string) (string, *apiError) {
	var refused *apiError
	out := referencePattern.ReplaceAllStringFunc(text, func(match string) string {
		parts := referencePattern.FindStringSubmatch(match)
		v, ok := walk(c.answers[parts[1]], parts[2])
		if !ok {
			refused = bare(400, processingHalted, fmt.Sprintf("Invalid reference specified. No value for %s found in %s", parts[1]+parts[2], parts[1]))
			return ""
		}
		return escape(fmt.Sprint(v))
	})
	return out, refused
}

func jsonEscape(s string) string {
	b, _ := json.Marshal(s)
	return string(b[1 : len(b)-1])
}

// plain is a body as its reader sees it.
func plain(body any) any {
	b, err := json.Marshal(body)
	if err != nil {
		return nil
	}
	var out any
	if decodeJSON(b, &out) != nil {
		return nil
	}
	return out
}

// walk follows a path like ".records[0].Id"; names are case-sensitive. Only a scalar can be referred to.
func walk(v any, path string) (any, bool) {
	for _, step := range strings.FieldsFunc(path, func(c rune) bool { return c == '.' || c == '[' || c == ']' }) {
		switch at := v.(type) {
		case map[string]any:
			v = at[step]
		case []any:
			i, err := strconv.Atoi(step)
			if err != nil || i >= len(at) {
				return nil, false
			}
			v = at[i]
		default:
			return nil, false
		}
	}
	switch v.(type) {
	case string, json.Number, bool:
		return v, true
	}
	return nil, false
}

type graph struct {
	ID       string       `json:"graphId"`
	Requests []subrequest `json:"compositeRequest"`
}

// graph is /composite/graph: each graph is saved whole or not at all.
func (s *Server) graph(t *tx, q request) response {
	var in struct {
		Graphs []graph `json:"graphs"`
	}
	if err := decodeJSON(q.body, &in); err != nil {
		return failed(err)
	}
	if err := checkGraphs(in.Graphs); err != nil {
		return failed(err)
	}
	refusals, out := 0, []any{}
	for _, g := range in.Graphs {
		var answers []any
		good := true
		if refusals > maxFailedGraphs {
			answers, good = haltedGraph(g), false
		} else {
			answers = s.runAll(t, q, g.Requests, true)
			good = !slices.ContainsFunc(answers, func(a any) bool { return a.(map[string]any)["httpStatusCode"].(int) >= 300 })
		}
		if !good {
			refusals++
		}
		out = append(out, map[string]any{"graphId": g.ID, "isSuccessful": good,
			"graphResponse": map[string]any{"compositeResponse": answers}})
	}
	return response{status: 200, body: map[string]any{"graphs": out}}
}

func haltedGraph(g graph) []any {
	c := &run{}
	for range g.Requests {
		c.out = append(c.out, halted("Too many graphs failed; this graph was not processed."))
	}
	return c.report(g.Requests)
}

func checkGraphs(list []graph) *apiError {
	nodes := 0
	for _, g := range list {
		if err := checkReferenceIDs(g.Requests); err != nil {
			return err
		}
		nodes += len(g.Requests)
		types, depth := shapeOf(g)
		if types > maxGraphTypes || depth > maxGraphDepth {
			return bare(400, "LIMIT_EXCEEDED", fmt.Sprintf("Graph %s has %d node types and depth %d; the limits are %d and %d", g.ID, types, depth, maxGraphTypes, maxGraphDepth))
		}
		for _, r := range g.Requests {
			if !strings.Contains(r.URL, "/sobjects/") || strings.Contains(r.URL, "/composite/") {
				return bare(400, "INVALID_INPUT", "This resource can't be used in a composite graph")
			}
		}
	}
	if len(list) > maxGraphs || nodes > maxGraphNodes {
		return bare(400, "LIMIT_EXCEEDED", fmt.Sprintf("The request has %d graphs and %d nodes; the limits are %d and %d", len(list), nodes, maxGraphs, maxGraphNodes))
	}
	return nil
}

// shapeOf counts the object types of a graph and its longest chain of references.
func shapeOf(g graph) (types, depth int) {
	objects, level := map[string]bool{}, map[string]int{}
	for _, r := range g.Requests {
		_, rest, _ := strings.Cut(r.URL, "/sobjects/")
		name, _, _ := strings.Cut(rest, "/")
		objects[name] = true
		deep := 0
		for _, m := range referencePattern.FindAllStringSubmatch(r.URL+string(r.Body), -1) {
			deep = max(deep, level[m[1]])
		}
		level[r.ReferenceID] = deep + 1
		depth = max(depth, deep+1)
	}
	return len(objects), depth
}
