package sfdc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"refbridge/config/pattern"
	"refbridge/fhir"
)

// maxRows is how many rows one query may have: more than any trust has referrals, and few enough to hold their keys.
const maxRows = 2_000_000

var nextPattern = pattern.MustOnce(`^/services/data/v[0-9]+\.[0-9]+/query/[A-Za-z0-9_-]{1,200}$`)

// soqlQuery is one SOQL statement. use is given the rows of each page and keeps nothing of them: then one page is in memory at a time.
type soqlQuery struct {
	call string // what an error is about
	text string
	use  func([]fhir.Node) error
}

// query runs SOQL statements as subrequests of POST /composite, which keeps them out of URLs; resource is "query", or "queryAll", which
// gives deleted rows too.
func (c *Client) query(ctx context.Context, resource string, queries []soqlQuery) error {
	for batch := range slices.Chunk(queries, queriesPerCall) {
		body, err := c.composite(resource, batch)
		if err != nil {
			return fmt.Errorf("%s: %w", callOf(batch), err)
		}
		var pages []page
		r := request{call: callOf(batch), method: http.MethodPost, path: c.base + "/composite", body: body}
		err = c.read(ctx, r, func(root fhir.Node) (err error) {
			pages, err = compositePages(batch, root)
			return err
		})
		if err != nil {
			return err
		}
		for i, q := range batch {
			first := pages[i]
			pages[i] = page{}
			if err := c.usePages(ctx, q, first); err != nil {
				return err
			}
		}
	}
	return nil
}

// callOf names a call of several statements.
func callOf(batch []soqlQuery) string {
	var others []string
	for _, q := range batch {
		if q.call != batch[0].call && !slices.Contains(others, q.call) {
			others = append(others, q.call)
		}
	}
	if len(others) == 0 {
		return batch[0].call
	}
	return fmt.Sprintf("%s and %d more", batch[0].call, len(others))
}

func (c *Client) usePages(ctx context.Context, q soqlQuery, p page) (err error) {
	way := paging{seen: map[string]bool{}}
	for {
		if err := way.take(q.call, p); err != nil {
			return err
		}
		if err := q.use(p.rows); err != nil {
			return err
		}
		if p.next == "" {
			return nil
		}
		if p, err = c.following(ctx, q.call, p.next); err != nil {
			return err
		}
	}
}

// following reads the page at nextRecordsUrl, which holds a cursor and nothing of the query.
func (c *Client) following(ctx context.Context, call, next string) (page, error) {
	var p page
	err := c.read(ctx, request{call: call, method: http.MethodGet, path: next}, func(root fhir.Node) (err error) {
		if p, err = readPage(call, root); err == nil && p.next == next {
			err = unreadable(call, "a page that is its own successor")
		}
		return err
	})
	return p, err
}

// paging notices pages that do not come to an end.
type paging struct {
	seen  map[string]bool
	rows  int
	empty int
	total int // as the first page says, -1 where it does not
}

// take notes a page. All pages together bring no more rows than there are, few of them bring none, and none leads back.
func (w *paging) take(call string, p page) error {
	if len(w.seen) == 0 {
		w.total = p.total
	}
	w.rows += len(p.rows)
	if len(p.rows) == 0 {
		w.empty++
	}
	switch {
	case w.total >= 0 && w.rows > w.total:
		return unreadable(call, "more rows than the query has")
	case w.rows > maxRows:
		return unreadable(call, "more than two million rows")
	case p.next == "":
		return nil
	case w.seen[p.next]:
		return unreadable(call, "a page came twice")
	case w.empty > maxEmptyPages:
		return unreadable(call, "pages that do not come to an end")
	}
	w.seen[p.next] = true
	return nil
}

// maxEmptyPages is how many pages of a query may be empty before the last one.
const maxEmptyPages = 10

type subrequest struct {
	Method      string `json:"method"`
	URL         string `json:"url"`
	ReferenceID string `json:"referenceId"`
}

func (c *Client) composite(resource string, queries []soqlQuery) ([]byte, error) {
	var subs []subrequest
	for i, q := range queries {
		subs = append(subs, subrequest{Method: http.MethodGet, ReferenceID: referenceID(i),
			URL: c.base + "/" + resource + "?q=" + url.QueryEscape(q.text)})
	}
	return json.Marshal(map[string]any{"allOrNone": false, "compositeRequest": subs})
}

func referenceID(i int) string { return "q" + strconv.Itoa(i) }

type page struct {
	rows  []fhir.Node
	total int // of the query, -1 where the page does not say
	next  string
}

// compositePages finds the answers by referenceId: their order is not promised. One refused query fails the call.
func compositePages(batch []soqlQuery, root fhir.Node) ([]page, error) {
	found := map[string]fhir.Node{}
	for sub := range root.Get("compositeResponse").Items() {
		found[sub.Get("referenceId").Text()] = sub
	}
	var pages []page
	for i, q := range batch {
		sub := found[referenceID(i)]
		status, err := strconv.Atoi(sub.Get("httpStatusCode").Text())
		if err != nil || status < 100 || status > 599 { // printed, so nothing but a status
			return nil, unreadable(q.call, "a subrequest without an answer")
		}
		if status != http.StatusOK {
			e := &Error{Call: q.call, Status: status}
			readFaults(e, sub.Get("body"))
			return nil, e
		}
		p, err := readPage(q.call, sub.Get("body"))
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
	p := page{rows: slices.Collect(rows.Items()), total: -1}
	if total, err := strconv.Atoi(n.Get("totalSize").Text()); err == nil && total >= 0 {
		p.total = total
	}
	if done.Text() == "true" {
		return p, nil
	}
	if !nextPattern().MatchString(next) {
		return page{}, unreadable(call, "more rows, but no address for them")
	}
	p.next = strings.Clone(next)
	return p, nil
}

func unreadable(call, why string) *Error {
	return &Error{Call: call, Status: http.StatusOK, Code: CodeUnreadable, why: why}
}
