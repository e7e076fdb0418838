package rest

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	mathrand "math/rand/v2"
	"mime"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"refbridge/fhir"
)

const mediaType = "application/fhir+json"

type request struct {
	call   string // for errors and logs
	method string
	url    *url.URL
	header map[string]string
	body   []byte

	typ         string // of the resource, empty where no scope is looked at
	interaction byte   // r, s or u, as SMART names them
}

// read sends a GET until it is answered, as long as its patience lasts.
func (c *Client) read(ctx context.Context, r request) (*resty.Response, error) {
	p := patience{most: c.maxWait}
	for {
		began := time.Now()
		answer, err := c.send(ctx, r)
		var failure *Error
		if err == nil || !errors.As(err, &failure) || ctx.Err() != nil {
			return answer, err
		}
		if time.Since(began) >= callTimeout && !failure.throttled() {
			return answer, err // it took all its time, whatever the broken body is called: a second try would take it again
		}
		wait, again := p.next(failure)
		if !again {
			return answer, err
		}
		wait = time.Duration((0.5 + mathrand.Float64()/2) * float64(wait)) // who failed together does not return together
		if failure.throttled() {
			wait = max(wait, min(failure.RetryAfter, c.maxWait))
			c.hold(wait)
		}
		c.logger.Info("retrying", "call", r.call, "status", failure.Status, "attempt", p.tries+p.throttled, "wait", wait)
		if err := c.sleep(ctx, wait); err != nil {
			return nil, fmt.Errorf("%s: %w", r.call, err)
		}
	}
}

func sleep(ctx context.Context, d time.Duration) error {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// send signs in, waits for its turn and sends once. A 401 costs one new token and one replay: the server has not
// looked at the request, so that is safe for a change too.
func (c *Client) send(ctx context.Context, r request) (*resty.Response, error) {
	token, err := c.token(ctx, r, "")
	if err != nil {
		return nil, err
	}
	answer, err := c.once(ctx, r, token)
	var failure *Error
	if token == "" || !errors.As(err, &failure) || failure.Status != http.StatusUnauthorized {
		return answer, err
	}
	if token, err = c.token(ctx, r, token); err != nil {
		return nil, err
	}
	return c.once(ctx, r, token)
}

func (c *Client) token(ctx context.Context, r request, refused string) (string, error) {
	if c.tokens == nil {
		return "", nil
	}
	return c.tokens.get(ctx, r, refused)
}

func (c *Client) once(ctx context.Context, r request, token string) (*resty.Response, error) {
	if err := c.turn(ctx); err != nil {
		return nil, fmt.Errorf("%s: %w", r.call, err)
	}
	call := c.http.R().SetContext(ctx).SetHeader("Accept", mediaType)
	for name, value := range c.headers {
		call.SetHeader(name, strings.ReplaceAll(value, "{uuid}", uuid()))
	}
	call.SetHeaders(r.header)
	if token != "" {
		call.SetHeader("Authorization", "Bearer "+token)
	}
	if r.body != nil {
		call.SetHeader("Content-Type", mediaType).SetBody(r.body)
	}
	answer, err := call.Execute(r.method, r.url.String())
	if err == nil {
		err = c.refusal(r, answer)
	} else {
		err = noAnswer(ctx, r.call, answer, err)
	}
	var failure *Error
	if errors.As(err, &failure) {
		failure.change = r.method != http.MethodGet
		if failure.throttled() {
			c.hold(min(failure.RetryAfter, c.maxWait))
		}
	}
	return answer, err
}

// turn waits while the server has asked for a pause, then for the rate limit.
func (c *Client) turn(ctx context.Context) error {
	c.mu.Lock()
	wait := time.Until(c.resume)
	c.mu.Unlock()
	if wait > 0 {
		if err := sleep(ctx, wait); err != nil {
			return err
		}
	}
	if err := c.limit.Wait(ctx); err != nil {
		if ctx.Err() != nil {
			return ctx.Err()
		}
		return context.DeadlineExceeded // the turn would come after the deadline
	}
	return nil
}

// hold keeps every call of this client back for so long: a server's limits are of the application, not of one request.
func (c *Client) hold(wait time.Duration) {
	until := time.Now().Add(wait)
	c.mu.Lock()
	defer c.mu.Unlock()
	if until.After(c.resume) {
		c.resume = until
	}
}

// refusal makes an *Error of an answer that is no success, with the codes of its OperationOutcome where it has one.
func (c *Client) refusal(r request, answer *resty.Response) error {
	if answer.IsSuccess() {
		return nil
	}
	failure := &Error{Call: r.call, Status: answer.StatusCode(), RetryAfter: askedWait(answer.StatusCode(), answer.Header(), c.now())}
	if !isJSON(answer.Header().Get("Content-Type")) {
		return failure
	}
	if outcome, err := fhir.Parse(answer.Body()); err == nil && outcome.Type() == "OperationOutcome" {
		failure.Codes, failure.Outcome = codesOf(issues(outcome)), true
	}
	return failure
}

func noAnswer(ctx context.Context, call string, answer *resty.Response, err error) error {
	if errors.Is(err, resty.ErrAutoRedirectDisabled) && answer != nil {
		return &Error{Call: call, Status: answer.StatusCode(), cause: errRedirect}
	}
	return &Error{Call: call, cause: cause(ctx, err)}
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	return media == "application/json" || media == "text/json" || media == "application/json+fhir" ||
		strings.HasSuffix(media, "+json")
}

var knownMedia = regexp.MustCompile(`^[a-z]{1,20}/[a-z.+\-]{1,30}$`)

// notFHIR says what came instead of FHIR, by type and length.
func notFHIR(call string, answer *resty.Response) *Error {
	media, _, _ := mime.ParseMediaType(answer.Header().Get("Content-Type"))
	if !knownMedia.MatchString(media) {
		media = "no known type"
	}
	why := fmt.Errorf("%w (%s, %d bytes)", ErrNotFHIR, media, len(answer.Body()))
	return &Error{Call: call, Status: answer.StatusCode(), cause: why}
}

func uuid() string {
	var b [16]byte
	rand.Read(b[:])
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
