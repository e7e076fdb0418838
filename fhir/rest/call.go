package rest

import (
	"context"
	"crypto/rand"
	"errors"
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

// read sends a GET until it is answered, as long as the patience of one call lasts.
func (c *Client) read(ctx context.Context, r request) (answer *resty.Response, err error) {
	var began time.Time
	err = c.pace.Try(ctx, func() (err error) {
		began = time.Now()
		answer, err = c.send(ctx, r)
		return err
	}, func(err error) wire.Failure {
		e, ok := errors.AsType[*Error](err)
		if !ok || ctx.Err() != nil {
			return wire.Failure{}
		}
		// What took all its time is not sent again, whatever the broken body is called: a second try would take it again.
		return wire.Failure{Again: e.throttled() || e.passing() && time.Since(began) < wire.ReadTime, Busy: e.throttled(), Asked: e.RetryAfter}
	})
	if err != nil && ctx.Err() != nil && errors.Is(err, ctx.Err()) {
		err = fmt.Errorf("%s: %w", r.call, err)
	}
	return answer, err
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
	if err := c.ready(ctx, r); err != nil {
		return nil, err
	}
	call := c.http.R().SetHeader("Accept", mediaType)
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
	limit := callTimeout
	if r.method == http.MethodGet {
		limit = wire.ReadTime
	}
	limited, done := context.WithTimeout(ctx, limit)
	defer done()
	var answer *resty.Response
	err := c.pace.Watch(func() (err error) {
		if answer, err = call.SetContext(limited).Execute(r.method, r.url.String()); err != nil {
			return noAnswer(ctx, r.call, answer, err)
		}
		return c.refusal(r, answer)
	})
	var failure *Error
	if errors.As(err, &failure) {
		failure.change = r.method != http.MethodGet
		if failure.throttled() {
			c.pace.Hold(failure.RetryAfter)
		}
	}
	return answer, err
}

// ready returns when the call may leave.
func (c *Client) ready(ctx context.Context, r request) error {
	err := c.pace.Ready(ctx)
	if paused, ok := errors.AsType[*wire.Paused](err); ok {
		return &Error{Call: r.call, Status: http.StatusTooManyRequests, RetryAfter: paused.Left, cause: paused}
	}
	if err != nil {
		return fmt.Errorf("%s: %w", r.call, err)
	}
	return nil
}

// refusal makes an *Error of an answer that is no success, with the codes of its OperationOutcome where it has one.
func (c *Client) refusal(r request, answer *resty.Response) error {
	if answer.IsSuccess() {
		return nil
	}
	failure := &Error{Call: r.call, Status: answer.StatusCode(), RetryAfter: wire.Asked(answer.StatusCode(), answer.Header(), c.now())}
	if !isJSON(answer.Header().Get("Content-Type")) {
		return failure
	}
	if outcome, err := fhir.Parse(answer.Body()); err == nil && outcome.Type() == "OperationOutcome" {
		failure.Codes, failure.Outcome = codesOf(issues(outcome)), true
	}
	return failure
}

// noAnswer is the error of a call without a whole answer.
func noAnswer(ctx context.Context, call string, answer *resty.Response, err error) error {
	why := wire.Broken(err)
	if ctx.Err() != nil {
		why = ctx.Err()
	}
	failure := &Error{Call: call, cause: why}
	if errors.Is(why, wire.ErrRedirect) && answer != nil {
		failure.Status = answer.StatusCode()
	}
	return failure
}

func isJSON(contentType string) bool {
	media, _, err := mime.ParseMediaType(contentType)
	if err != nil {
		return false
	}
	return media == "application/json" || media == "text/json" || media == "application/json+fhir" ||
		strings.HasSuffix(media, "+json")
}

var knownMedia = pattern.MustOnce(`^[a-z]{1,20}/[a-z.+\-]{1,30}$`)

// notFHIR says what came instead of FHIR, by type and length.
func notFHIR(call string, answer *resty.Response) *Error {
	media, _, _ := mime.ParseMediaType(answer.Header().Get("Content-Type"))
	if !knownMedia().MatchString(media) {
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
