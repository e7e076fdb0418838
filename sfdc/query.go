package sfdc

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net/http"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

const (
	keysPerQuery   = 200
	bytesPerQuery  = 10_000 // of keys; Salesforce takes URLs of about 16,000 characters, inside a composite too
	queriesPerCall = 5      // of the 25 subrequests of a composite
	modifiedField  = "SystemModstamp"
)

var nextPattern = regexp.MustCompile(`^/services/data/v[0-9]+\.[0-9]+/query/[A-Za-z0-9_-]{1,200}$`)

// Selection names records and the fields that are wanted of them.
type Selection struct {
	Object   string
	KeyField string // the external id field, "Bridge_Key__c"
	Keys     []string
	Fields   []string
	// Refs says for reference fields which external key stands for the record that they point to. Such a field is
	// read as a Ref; where the reference is polymorphic or the other record has no key, as the Id in text.
	Refs map[string]sobject.Target
}

// Lookup says how records are found by something that is not their own key: Identifier rows by IdValue, for example,
// whose ParentRecordId is the patient's Account.
type Lookup struct {
	Object string            // "Identifier"
	Field  string            // "IdValue": holds the key
	Parent string            // "ParentRecordId": what is wanted; "Id" for the record itself
	Where  map[string]string // further fields and the values that they must have
}

// Retrieve reads records by external key, in no particular order; keys that no record has are simply not there.
// Fields stand in the order of s.Fields, empty ones as Null. Keys travel in request bodies only. A field that the
// user may not see is an *Error with CodeField that names all of them.
func (c *Client) Retrieve(ctx context.Context, s Selection) ([]sobject.Record, error) {
	call := "retrieve " + s.Object
	if len(s.Keys) == 0 {
		return nil, nil
	}
	cols, err := c.columns(ctx, call, s)
	if err != nil {
		return nil, err
	}
	var queries []string
	for chunk := range keyChunks(s.Keys) {
		q, err := selectFrom(s.Object, cols.names()...).in(s.KeyField, chunk).text()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", call, err)
		}
		queries = append(queries, q)
	}
	return c.records(ctx, cols, queries)
}

// Changed reads the records that were modified at or after since and whose key starts with keyPrefix, oldest first.
// Commits can become visible later than their stamp: callers overlap by some minutes.
func (c *Client) Changed(ctx context.Context, s Selection, since time.Time, keyPrefix string) ([]sobject.Record, error) {
	call := "changed " + s.Object
	cols, err := c.columns(ctx, call, s)
	if err != nil {
		return nil, err
	}
	if err := invisible(call, cols.object, modifiedField); err != nil {
		return nil, err
	}
	q, err := selectFrom(s.Object, cols.names()...).since(modifiedField, since).
		startsWith(s.KeyField, keyPrefix).orderBy(modifiedField, "Id").text()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", call, err)
	}
	return c.records(ctx, cols, []string{q})
}

// FindParents gives for each key the distinct parents of the rows that hold it, sorted; a key that no row holds is
// not in the map. Keys such as NHS numbers travel in request bodies only.
func (c *Client) FindParents(ctx context.Context, l Lookup, keys []string) (map[string][]string, error) {
	call := "find " + l.Parent + " of " + l.Object
	if len(keys) == 0 {
		return map[string][]string{}, nil
	}
	where := slices.Sorted(maps.Keys(l.Where))
	needed := append([]string{l.Field, l.Parent}, where...)
	d, err := c.describeFor(ctx, l.Object, needed...)
	if err != nil {
		return nil, err
	}
	if err := invisible(call, d, needed...); err != nil {
		return nil, err
	}
	var queries []string
	for chunk := range keyChunks(keys) {
		q := selectFrom(l.Object, l.Field, l.Parent).in(l.Field, chunk)
		for _, field := range where {
			q.is(field, l.Where[field])
		}
		text, err := q.text()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", call, err)
		}
		queries = append(queries, text)
	}
	rows, err := c.query(ctx, call, queries)
	if err != nil {
		return nil, err
	}
	return parents(rows, l, keys), nil
}

// parents groups by the key as the caller wrote it: Salesforce compares without case.
func parents(rows []fhir.Node, l Lookup, keys []string) map[string][]string {
	asked := map[string][]string{}
	for _, k := range keys {
		asked[strings.ToLower(k)] = append(asked[strings.ToLower(k)], k)
	}
	out := map[string][]string{}
	for _, row := range rows {
		parent := row.Get(l.Parent)
		if parent.Kind() != fhir.String {
			continue
		}
		for _, key := range asked[strings.ToLower(row.Get(l.Field).Text())] {
			if !slices.Contains(out[key], parent.Text()) {
				out[key] = append(out[key], strings.Clone(parent.Text()))
			}
		}
	}
	for _, ids := range out {
		slices.Sort(ids)
	}
	return out
}

func (c *Client) records(ctx context.Context, cols columns, queries []string) ([]sobject.Record, error) {
	rows, err := c.query(ctx, cols.call, queries)
	if err != nil {
		return nil, err
	}
	out := make([]sobject.Record, 0, len(rows))
	for _, row := range rows {
		r, err := cols.record(row)
		if err != nil {
			return nil, err
		}
		out = append(out, r)
	}
	return out, nil
}

// query runs SOQL statements as subrequests of POST /composite, which keeps them out of URLs, and gives all rows.
func (c *Client) query(ctx context.Context, call string, queries []string) ([]fhir.Node, error) {
	var rows []fhir.Node
	for batch := range slices.Chunk(queries, queriesPerCall) {
		body, err := c.composite(batch)
		if err != nil {
			return nil, fmt.Errorf("%s: %w", call, err)
		}
		var pages []page
		r := request{call: call, method: http.MethodPost, path: c.base + "/composite", body: body}
		err = c.read(ctx, r, func(root fhir.Node) (err error) {
			pages, err = compositePages(call, root, len(batch))
			return err
		})
		if err != nil {
			return nil, err
		}
		for _, p := range pages {
			if p, err = c.rest(ctx, call, p); err != nil {
				return nil, err
			}
			rows = append(rows, p.rows...)
		}
	}
	return rows, nil
}

// rest follows nextRecordsUrl, which holds a cursor and nothing of the query.
func (c *Client) rest(ctx context.Context, call string, p page) (page, error) {
	for p.next != "" {
		var more page
		err := c.read(ctx, request{call: call, method: http.MethodGet, path: p.next}, func(root fhir.Node) (err error) {
			more, err = readPage(call, root)
			if err == nil && more.next == p.next {
				err = unreadable(call, "a page that is its own successor")
			}
			return err
		})
		if err != nil {
			return page{}, err
		}
		p = page{rows: append(p.rows, more.rows...), next: more.next}
	}
	return p, nil
}

type subrequest struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	ReferenceID string `json:"referenceId"`
}

func (c *Client) composite(queries []string) ([]byte, error) {
	var subs []subrequest
	for i, q := range queries {
		subs = append(subs, subrequest{Method: http.MethodGet, ReferenceID: referenceID(i),
			URL: c.base + "/query?q=" + url.QueryEscape(q)})
	}
	return json.Marshal(map[string]any{"allOrNone": false, "compositeRequest": subs})
}

func referenceID(i int) string { return "q" + strconv.Itoa(i) }

type page struct {
	rows []fhir.Node
	next string
}

// compositePages finds the answers by referenceId: their order is not promised. One refused query fails the call.
func compositePages(call string, root fhir.Node, n int) ([]page, error) {
	found := map[string]fhir.Node{}
	for sub := range root.Get("compositeResponse").Items() {
		found[sub.Get("referenceId").Text()] = sub
	}
	var pages []page
	for i := range n {
		sub := found[referenceID(i)]
		status, err := strconv.Atoi(sub.Get("httpStatusCode").Text())
		if err != nil {
			return nil, unreadable(call, "a subrequest without an answer")
		}
		if status != http.StatusOK {
			e := &Error{Call: call, Status: status}
			readFaults(e, sub.Get("body"))
			return nil, e
		}
		p, err := readPage(call, sub.Get("body"))
		if err != nil {
			return nil, err
		}
		pages = append(pages, p)
	}
	return pages, nil
}

func readPage(call string, n fhir.Node) (page, error) {
	rows, done, next := n.Get("records"), n.Get("done"), n.Get("nextRecordsUrl").Text()
	if rows.Kind() != fhir.Array || done.Kind() != fhir.Bool {
		return page{}, unreadable(call, "no query result")
	}
	p := page{rows: slices.Collect(rows.Items())}
	if done.Text() == "true" {
		return p, nil
	}
	if !nextPattern.MatchString(next) {
		return page{}, unreadable(call, "more rows, but no address for them")
	}
	p.next = strings.Clone(next)
	return p, nil
}

func unreadable(call, why string) *Error {
	return &Error{Call: call, Status: http.StatusOK, Code: CodeUnreadable, why: why}
}
