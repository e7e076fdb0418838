package rest

import (
	"context"
	"errors"
	"fmt"
	"hash/maphash"
	"iter"
	"net/http"
	"net/url"
	"regexp"

	"github.com/go-resty/resty/v2"

	"refbridge/fhir"
)

// maxPages of one search; a server that has more has lost its way.
const maxPages = 10_000

var (
	errType   = errors.New("not the name of a resource type")
	errID     = errors.New("not a logical id that can stand in a URL")
	errBundle = errors.New("not a Bundle of type searchset")

	typePattern = regexp.MustCompile(`^[A-Z][A-Za-z]{1,63}$`)
	idPattern   = regexp.MustCompile(`^[A-Za-z0-9\-.]{1,64}$`)
)

// Entry is one entry of a search page. Where Err is set the entry cannot be used; its neighbours can.
type Entry struct {
	Resource fhir.Resource
	Mode     string // "match", "include" or "outcome" (Bundle.entry.search.mode); match where the server says nothing
	Err      error  // *EntryError
}

// EntryError says what is wrong with one entry of a page.
type EntryError struct {
	Position int // in Bundle.entry, from 0
	Err      error
}

// Error gives position and reason, nothing of the entry.
func (e *EntryError) Error() string { return fmt.Sprintf("entry %d: %v", e.Position, e.Err) }

// Unwrap gives the reason.
func (e *EntryError) Unwrap() error { return e.Err }

// Pages searches and gives each page whole, as received: a Bundle of type searchset that parses. It follows the next
// links, on the origin and below the path of the base URL only (else ErrForeignLink), and ends with ErrPagingLoop
// where they lead in a circle. After an error nothing follows: the search is not complete, whatever came before.
// Parameters must hold no personal value: they travel in the URL.
func (c *Client) Pages(ctx context.Context, typ string, q url.Values) iter.Seq2[[]byte, error] {
	return func(yield func([]byte, error) bool) {
		for p, err := range c.pages(ctx, typ, q) {
			if !yield(p.body, err) {
				return
			}
		}
	}
}

// Search gives the resources of all pages in order: the matches, and what _include brought. An *EntryError belongs
// to one entry and the search goes on; any other error is the last thing that comes.
func (c *Client) Search(ctx context.Context, typ string, q url.Values) iter.Seq2[fhir.Resource, error] {
	return func(yield func(fhir.Resource, error) bool) {
		for p, err := range c.pages(ctx, typ, q) {
			if err != nil {
				yield(fhir.Resource{}, err)
				return
			}
			if !p.each(yield) {
				return
			}
		}
	}
}

// ReadPage gives the entries of a page that Pages gave. It fails where the page itself cannot be trusted
// (fhir.ErrSyntax, ErrNotFHIR).
func ReadPage(body []byte) ([]Entry, error) {
	bundle, err := readBundle(body)
	if err != nil {
		return nil, fmt.Errorf("read a search page of %d bytes: %w", len(body), err)
	}
	return entries(bundle), nil
}

type page struct {
	body   []byte
	bundle fhir.Resource
	next   *url.URL // nil on the last page
}

func (p page) each(yield func(fhir.Resource, error) bool) bool {
	for _, e := range entries(p.bundle) {
		if e.Mode == "outcome" && e.Err == nil {
			continue
		}
		if e.Err != nil {
			e.Resource = fhir.Resource{}
		}
		if !yield(e.Resource, e.Err) {
			return false
		}
	}
	return true
}

func (c *Client) pages(ctx context.Context, typ string, q url.Values) iter.Seq2[page, error] {
	return func(yield func(page, error) bool) {
		if !typePattern.MatchString(typ) {
			yield(page{}, fmt.Errorf("search: %w", errType))
			return
		}
		at := c.base.JoinPath(typ)
		at.RawQuery = q.Encode()
		way := walk{seen: map[string]bool{}, ids: map[uint64]bool{}, seed: maphash.MakeSeed()}
		for at != nil {
			p, err := c.step(ctx, &way, typ, at)
			if err != nil {
				yield(page{}, c.lost(err, typ, way.pages))
				return
			}
			if !yield(p, nil) {
				return
			}
			at = p.next
		}
	}
}

func (c *Client) step(ctx context.Context, way *walk, typ string, at *url.URL) (page, error) {
	if err := way.enter(at); err != nil {
		return page{}, err
	}
	p, err := c.page(ctx, "search "+typ, at)
	if err != nil {
		return page{}, err
	}
	if err := way.leave(p.bundle); err != nil {
		return page{}, err
	}
	p.next, err = c.next(at, p.bundle)
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

func (c *Client) page(ctx context.Context, call string, at *url.URL) (page, error) {
	r := request{call: call, method: http.MethodGet, url: at}
	answer, err := c.read(ctx, r)
	if err != nil {
		return page{}, err
	}
	bundle, err := resourceOf(r, answer)
	if err != nil {
		return page{}, err
	}
	if !searchset(bundle) {
		return page{}, &Error{Call: call, Status: answer.StatusCode(), cause: errBundle}
	}
	for _, e := range entries(bundle) {
		if e.Mode == "outcome" && failed(e.Resource) {
			codes := codesOf(issues(e.Resource))
			return page{}, &Error{Call: call, Status: answer.StatusCode(), Codes: codes}
		}
	}
	return page{body: answer.Body(), bundle: bundle}, nil
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
	out, err := fhir.Parse(answer.Body())
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

func readBundle(body []byte) (fhir.Resource, error) {
	bundle, err := fhir.Parse(body)
	if err != nil {
		return fhir.Resource{}, err
	}
	if !searchset(bundle) {
		return fhir.Resource{}, fmt.Errorf("%w: %w", ErrNotFHIR, errBundle)
	}
	return bundle, nil
}

func searchset(r fhir.Resource) bool {
	return r.Type() == "Bundle" && r.Root().Get("type").Text() == "searchset"
}

func entries(bundle fhir.Resource) []Entry {
	var out []Entry
	for n := range bundle.Root().Get("entry").Items() {
		e := Entry{}
		var err error
		if e.Resource, err = fhir.ResourceAt(n.Get("resource")); err == nil {
			e.Mode, err = modeOf(n, e.Resource)
		}
		if err == nil && e.Mode != "outcome" && !idPattern.MatchString(e.Resource.ID()) {
			err = errors.New("the resource has no id")
		}
		if err != nil {
			e.Err = &EntryError{Position: len(out), Err: err}
		}
		out = append(out, e)
	}
	return out
}

func modeOf(entry fhir.Node, r fhir.Resource) (string, error) {
	mode := entry.Get("search").Get("mode")
	switch mode.Text() {
	case "match", "include", "outcome":
		return mode.Text(), nil
	}
	switch {
	case mode.Exists():
		return "", errors.New("the search mode is none of R4")
	case r.Type() == "OperationOutcome":
		return "outcome", nil
	}
	return "match", nil
}

// next gives where the page's next link leads, nil on the last page.
func (c *Client) next(at *url.URL, bundle fhir.Resource) (*url.URL, error) {
	for link := range bundle.Root().Get("link").Items() {
		if link.Get("relation").Text() == "next" {
			return nextURL(c.base, at, link.Get("url").Text())
		}
	}
	return nil, nil
}

// walk notices pages that do not come to an end: a URL seen before, two pages in a row that hold only what was
// seen before, or more pages than a search has. Pages without entries are allowed: servers filter after paging.
type walk struct {
	seen  map[string]bool
	ids   map[uint64]bool
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

func (w *walk) leave(bundle fhir.Resource) error {
	found, fresh := false, false
	for n := range bundle.Root().Get("entry").Items() {
		r := n.Get("resource")
		id := maphash.String(w.seed, r.Get("resourceType").Text()+"/"+r.Get("id").Text())
		found, fresh = true, fresh || !w.ids[id]
		w.ids[id] = true
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
