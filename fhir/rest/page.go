package rest

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"refbridge/fhir"
)

// maxPages of one search; a server that has more has lost its way.
const maxPages = 10_000

// Page is one page of a search.
type Page struct {
	Body    []byte // as received
	Entries []Entry
	Notices []string  // codes of the OperationOutcomes on the page that are no failure: of an incomplete search, say
	Time    time.Time // of the server's clock when it answered, zero where it did not say
	More    bool      // a page follows
	Err     error     // the page closes, but it is ErrGarbage: no entry is used, and the search goes on behind it

	bundle fhir.Resource // without its entries
	next   *url.URL      // nil on the last page
}

// Pages searches and returns each page, a complete Bundle of type searchset. It follows the next
// links, on the origin and below the path of the base URL only (else ErrForeignLink), and ends with ErrPagingLoop
// where they lead in a circle. After an error nothing follows: the search is not complete, whatever came before.
// Parameters must hold no personal value: they travel in the URL.
func (c *Client) Pages(ctx context.Context, typ string, q url.Values) iter.Seq2[Page, error] {
	return func(yield func(Page, error) bool) {
		if !typePattern().MatchString(typ) {
			yield(Page{}, fmt.Errorf("search: %w", errType))
			return
		}
		way := walk{seen: map[string]bool{}, rows: map[uint64]bool{}, seed: maphash.MakeSeed()}
		for at := c.searchURL(typ, q); at != nil; {
			p, err := c.step(ctx, &way, typ, at)
			if err != nil {
				yield(Page{}, c.lost(err, typ, way.pages))
				return
			}
			if !yield(p, nil) {
				return
			}
			at = p.next
		}
	}
}

// Page searches and returns the first page alone, for a caller that finds the further ones by a key of its own.
func (c *Client) Page(ctx context.Context, typ string, q url.Values) (Page, error) {
	for p, err := range c.Pages(ctx, typ, q) {
		return p, err
	}
	return Page{}, nil
}

func (c *Client) searchURL(typ string, q url.Values) *url.URL {
	at := c.base.JoinPath(typ)
	at.RawQuery = q.Encode()
	return at
}

// Search returns the resources of all pages in order: the matches, and what _include brought. An *EntryError belongs
// to one entry and the search goes on, also of one that its entry or its page modifies: what that means the resource by itself does
// not say. Any other error is the last thing that comes.
func (c *Client) Search(ctx context.Context, typ string, q url.Values) iter.Seq2[fhir.Resource, error] {
	return func(yield func(fhir.Resource, error) bool) {
		for p, err := range c.Pages(ctx, typ, q) {
			if err = cmp.Or(err, p.Err); err != nil {
				yield(fhir.Resource{}, err)
				return
			}
			if !p.each(yield) {
				return
			}
		}
	}
}

func (p Page) each(yield func(fhir.Resource, error) bool) bool {
	for i, e := range p.Entries {
		if e.Mode == "outcome" && e.Err == nil {
			continue
		}
		if e.Err == nil && len(e.Page)+len(e.Resource.Around()) > 0 {
			e.Resource, e.Err = fhir.Resource{}, &EntryError{Position: i, Type: e.Resource.Type(), ID: e.Resource.ID(), Err: errModified}
		}
		if !yield(e.Resource, e.Err) {
			return false
		}
	}
	return true
}

func (c *Client) step(ctx context.Context, way *walk, typ string, at *url.URL) (Page, error) {
	if err := way.enter(at); err != nil {
		return Page{}, err
	}
	p, err := c.page(ctx, typ, at)
	if err != nil {
		return Page{}, err
	}
	if err := way.leave(p); err != nil {
		return Page{}, err
	}
	p.next, err = c.next(at, p.bundle)
	p.More = p.next != nil
	return p, err
}

// lost says how far a search got. A refused link is for the log too: somebody may be at work.
func (c *Client) lost(err error, typ string, pages int) error {
	if errors.Is(err, ErrForeignLink) {
		c.logger.Warn("refused a next link", "type", typ, "page", pages, "error", err)
		return fmt.Errorf("search %s: page %d: %w", typ, pages, err)
	}
	if errors.Is(err, ErrPagingLoop) {
		return fmt.Errorf("search %s: page %d: %w", typ, pages, err)
	}
	return err
}

func (c *Client) page(ctx context.Context, typ string, at *url.URL) (Page, error) {
	call := "search " + typ
	r := request{call: call, method: http.MethodGet, url: at, typ: typ, interaction: 's'}
	answer, err := c.read(ctx, r)
	if err != nil {
		return Page{}, err
	}
	if !isJSON(answer.Header().Get("Content-Type")) {
		return Page{}, notFHIR(call, answer)
	}
	p, err := readPage(answer.Body())
	if err != nil && !errors.Is(err, ErrGarbage) {
		return Page{}, noPage(call, answer, p.bundle, err)
	}
	for _, e := range p.Entries {
		if e.Mode != "outcome" {
			continue
		}
		codes := codesOf(issues(e.Resource))
		if failed(e.Resource) {
			return Page{}, &Error{Call: call, Status: answer.StatusCode(), Codes: codes}
		}
		p.Notices = append(p.Notices, codes...)
	}
	p.Err = err
	p.Time, _ = http.ParseTime(answer.Header().Get("Date"))
	return p, nil
}

// noPage makes an error of a good answer that is no page: of the OperationOutcome that came instead, where it says what failed.
func noPage(call string, answer *resty.Response, instead fhir.Resource, err error) error {
	if failed(instead) {
		return &Error{Call: call, Status: answer.StatusCode(), Codes: codesOf(issues(instead))}
	}
	return &Error{Call: call, Status: answer.StatusCode(), cause: err}
}

// resourceOf reads the resource in a successful answer. An OperationOutcome with an error in it makes the call a
// failed one, whatever its status says.
func resourceOf(r request, answer *resty.Response) (fhir.Resource, error) {
	change := r.method != http.MethodGet
	if !isJSON(answer.Header().Get("Content-Type")) {
		failure := notFHIR(r.call, answer)
		failure.change = change
		return fhir.Resource{}, failure
	}
	err := utf8Only(answer.Body())
	var out fhir.Resource
	if err == nil {
		out, err = fhir.Parse(answer.Body())
	}
	if err != nil {
		return fhir.Resource{}, &Error{Call: r.call, Status: answer.StatusCode(), cause: err, change: change}
	}
	if failed(out) {
		return fhir.Resource{}, &Error{Call: r.call, Status: answer.StatusCode(), Codes: codesOf(issues(out)), change: change}
	}
	return out, nil
}

func failed(r fhir.Resource) bool {
	if r.Type() != "OperationOutcome" {
		return false
	}
	for _, i := range issues(r) {
		if i.failed() {
			return true
		}
	}
	return false
}

// next gives where the page's next link leads, nil on the last page.
func (c *Client) next(at *url.URL, bundle fhir.Resource) (*url.URL, error) {
	for link := range bundle.Root().Get("link").Items() {
		if link.Get("relation").Text() == "next" {
			return nextURL(c.base, c.public, at, link.Get("url").Text())
		}
	}
	return nil, nil
}

// walk notices pages that do not come to an end: a URL seen before, two pages in a row that hold only what was
// seen before, or more pages than a search has. Pages without entries are allowed: servers filter after paging.
type walk struct {
	seen  map[string]bool
	rows  map[uint64]bool // type, id and version
	seed  maphash.Seed
	pages int
	stale int
}

func (w *walk) enter(at *url.URL) error {
	w.pages++
	if w.pages > maxPages {
		return fmt.Errorf("%w: more than %d pages", ErrPagingLoop, maxPages)
	}
	if w.seen[at.String()] {
		return fmt.Errorf("%w: a page came twice", ErrPagingLoop)
	}
	w.seen[at.String()] = true
	return nil
}

// leave notes what stood on a page. A row that changed meanwhile, and moved to a later page by that, is news.
func (w *walk) leave(p Page) error {
	found, fresh := p.Err != nil, false
	for _, e := range p.Entries {
		row := w.row(e)
		found, fresh = true, fresh || !w.rows[row]
		w.rows[row] = true
	}
	if p.Err != nil {
		row := maphash.Bytes(w.seed, p.Body)
		fresh = !w.rows[row]
		w.rows[row] = true
	}
	if fresh || !found {
		w.stale = 0
		return nil
	}
	if w.stale++; w.stale == 2 {
		return fmt.Errorf("%w: two pages without anything new", ErrPagingLoop)
	}
	return nil
}

func (w *walk) row(e Entry) uint64 {
	if e.Err != nil {
		return maphash.Bytes(w.seed, e.Raw)
	}
	meta := e.Resource.Root().Get("meta")
	name := []string{e.Resource.Type(), e.Resource.ID(), meta.Get("versionId").Text(), meta.Get("lastUpdated").Text()}
	return maphash.String(w.seed, strings.Join(name, "\n"))
}
