package ers

import (
	"cmp"
	"context"
	"crypto/rand"
	"fmt"
	"mime"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/wire"
)

const (
	maxBody     = 16 << 20          // of a 2xx answer; e-RS stops at 10 MB
	callTimeout = 240 * time.Second // of a write: e-RS waits 180 s for what is behind it, and to give up before that abandons writes that succeed
	listTime    = 170 * time.Second // of a worklist: its ration is spent when it is cut off
	signInTime  = 30 * time.Second
)

// call is one request, as often as it is sent.
type call struct {
	name   string
	method string
	path   string // below the base URL; absolute for the token call
	query  url.Values
	body   []byte
	match  string // If-Match
	write  bool
	repeat bool                        // it changes nothing, and may be sent again
	limit  time.Duration               // of one exchange; 0 is callTimeout
	before func(context.Context) error // right before the request leaves
}

// answer is a response with its body read.
type answer struct {
	status int
	header http.Header
	body   []byte
}

var requestIDPattern = pattern.MustOnce(`^[0-9A-Za-z]+(-[0-9A-Za-z]+)+$`)

// requestID gives X-Request-ID where it looks like one (groups with hyphens, so never an NHS number).
func (a answer) requestID() string {
	id := a.header.Get("X-Request-ID")
	if len(id) > 64 || !requestIDPattern().MatchString(id) {
		return ""
	}
	return id
}

// sender is HTTP, as package wire has it.
type sender struct {
	http *resty.Client
	now  func() time.Time
}

func newSender(transport http.RoundTripper, now func() time.Time) sender {
	return sender{http: wire.Client(transport, wire.Limits{Body: maxBody, Time: callTimeout}), now: now}
}

// exchange sends one request once. Its error is an *Error, or for a call that changes nothing the context's own.
func (w sender) exchange(ctx context.Context, q call, r *resty.Request) (answer, error) {
	limited, done := context.WithTimeout(ctx, cmp.Or(q.limit, callTimeout))
	defer done()
	resp, err := r.SetContext(limited).Execute(q.method, q.path)
	a := answer{header: http.Header{}}
	if resp != nil && resp.RawResponse != nil {
		a = answer{status: resp.StatusCode(), header: resp.Header(), body: resp.Body()}
	}
	switch {
	case ctx.Err() != nil && err != nil:
		return a, q.stopped(ctx.Err())
	case a.status != 0 && a.status/100 != 2:
		return a, q.refused(a, w.now())
	case err != nil:
		return a, q.broken(a, err)
	}
	return a, q.readable(a)
}

// stopped is what a cancelled context means: nothing for a read, an unknown outcome for a write on its way.
func (q call) stopped(cause error) error {
	if !q.write {
		return fmt.Errorf("%s: %w", q.name, cause)
	}
	return &Error{Call: q.name, Reason: "stopped while waiting for the answer", write: true, cause: cause}
}

var mediaPattern = pattern.MustOnce(`^[a-z]+/[a-z.+-]+$`)

// readable refuses a 2xx answer that is not JSON, such as the page of a captive portal.
func (q call) readable(a answer) error {
	media, _, err := mime.ParseMediaType(a.header.Get("Content-Type"))
	switch {
	case err == nil && (media == "application/fhir+json" || media == "application/json" || media == "application/json+fhir"):
		return nil
	case err != nil || !mediaPattern().MatchString(media):
		media = "no content type"
	}
	return q.fault(a, fmt.Sprintf("%s instead of JSON, %d bytes", media, len(a.body)))
}

// ReadOnly lets GET and the sign-in at tokenURL pass and refuses the rest with wire.ErrReadOnly before a byte is sent.
// The worklist call A008 is refused too: it is a POST and spends a ration.
func ReadOnly(next http.RoundTripper, tokenURL string) http.RoundTripper {
	return wire.ReadOnly(next, wire.PostTo(tokenURL))
}

// PollOnly is ReadOnly that lets the worklist call A008 pass too: it changes nothing at e-RS, and spends its ration.
func PollOnly(next http.RoundTripper, tokenURL string) http.RoundTripper {
	return wire.ReadOnly(next, wire.PostTo(tokenURL), func(r *http.Request) (*http.Request, bool) {
		return r, r.Method == http.MethodPost && strings.HasSuffix(r.URL.Path, worklistPath) && !wire.Overrides(r)
	})
}

// newID gives a random UUID (version 4).
func newID() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails: crypto/rand ends the program instead
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}

// resource reads a 2xx body as one FHIR resource of the type that was asked for.
func (q call) resource(a answer, typ string) (fhir.Resource, error) {
	r, err := fhir.Parse(a.body)
	switch {
	case err != nil:
		e := q.fault(a, err.Error())
		e.cause = err
		return fhir.Resource{}, e
	case r.Type() == "OperationOutcome":
		e := q.fault(a, "an OperationOutcome instead of a "+typ)
		e.Codes = codes(a.body)
		return fhir.Resource{}, e
	case r.Type() != typ:
		return fhir.Resource{}, q.fault(a, "a resource that is no "+typ)
	}
	return r, nil
}

// referral reads a 2xx body as the referral that was asked for.
func (q call) referral(a answer, ubrn string) (fhir.Resource, error) {
	r, err := q.resource(a, "ReferralRequest")
	if err != nil {
		return fhir.Resource{}, err
	}
	if r.Root().Get("id").Kind() != fhir.String || r.ID() != ubrn {
		return fhir.Resource{}, q.fault(a, "a referral with another UBRN than the one asked for")
	}
	return r, nil
}
