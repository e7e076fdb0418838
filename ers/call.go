package ers

import (
	"context"
	"encoding/json"
	"errors"
	"net/http"
	"strings"

	"refbridge/fhir"
	"refbridge/wire"
)

// do makes a call, again where it changes nothing and that may help.
func (c *Client) do(ctx context.Context, q call) (answer, error) {
	var a answer
	err := c.pace.Try(ctx, func() (err error) {
		a, err = c.authorised(ctx, q)
		return err
	}, q.judge)
	if err != nil {
		return answer{}, q.named(err)
	}
	return a, nil
}

// judge says what a failed try of a call means for the next.
func (q call) judge(err error) wire.Failure {
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return wire.Failure{}
	}
	return wire.Failure{Again: e.again && q.repeat, Busy: !e.unsent && wire.Busy(e.Status, e.RetryAfter), Asked: e.RetryAfter}
}

// named is an error with the name of the call.
func (q call) named(err error) error {
	if errors.Is(err, context.Canceled) || errors.Is(err, context.DeadlineExceeded) {
		if e, ok := errors.AsType[*Error](err); !ok || e == nil {
			return q.stopped(err)
		}
	}
	return err
}

// ready returns when the call may leave.
func (q call) ready(ctx context.Context, p *wire.Pace) error {
	err := p.Ready(ctx)
	if paused, ok := errors.AsType[*wire.Paused](err); ok {
		return &Error{Call: q.name, Status: http.StatusTooManyRequests, RetryAfter: paused.Left, Reason: paused.Error(), cause: paused,
			write: q.write, unsent: true}
	}
	return err
}

// authorised sends with a token, and once more with a new one after a 401. A 401 that survives that is not about the
// token: the application lacks this endpoint. Then later calls of the endpoint do not sign in again for nothing.
func (c *Client) authorised(ctx context.Context, q call) (answer, error) {
	token, err := c.tokens.bearer(ctx, "")
	if err != nil {
		return answer{}, err
	}
	a, err := c.send(ctx, q, token)
	if unauthorised(err) && !c.wasDenied(q.name) {
		if token, err = c.tokens.bearer(ctx, token); err != nil {
			return answer{}, err
		}
		a, err = c.send(ctx, q, token)
		if unauthorised(err) {
			c.deny(q.name, true)
		}
	}
	if err == nil {
		c.deny(q.name, false)
	}
	return a, err
}

func unauthorised(err error) bool {
	var e *Error
	return errors.As(err, &e) && e.Status == http.StatusUnauthorized
}

func (c *Client) wasDenied(name string) bool {
	c.mu.Lock()
	defer c.mu.Unlock()
	return c.denied[name]
}

func (c *Client) deny(name string, denied bool) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.denied[name] = denied
}

// send puts one request on the wire. In application-restricted mode e-RS takes organisation and role from the
// application; headers that name them are refused, so none is sent.
func (c *Client) send(ctx context.Context, q call, token string) (answer, error) {
	if err := q.ready(ctx, c.pace); err != nil {
		return answer{}, err
	}
	if q.before != nil {
		if err := q.before(ctx); err != nil {
			return answer{}, err
		}
	}
	r := c.sender.http.R().SetAuthToken(token).SetQueryParamsFromValues(q.query)
	r.SetHeader("Accept", "application/fhir+json").SetHeader("X-Correlation-ID", newID())
	if q.method == http.MethodPost {
		r.SetHeader("Content-Type", "application/fhir+json").SetContentLength(true) // else an empty body goes out chunked
	}
	if q.body != nil {
		r.SetBody(q.body)
	}
	if q.match != "" {
		r.SetHeader("If-Match", q.match)
	}
	q.path = c.base + q.path
	var a answer
	err := c.pace.Watch(func() (err error) {
		a, err = c.sender.exchange(ctx, q, r)
		return err
	})
	return a, err
}

// versioned gives a referral with the version in meta.versionId. The ETag of a 2xx answer says the same; where the
// body has no version, the ETag's is put in.
func (q call) versioned(a answer, r fhir.Resource) (fhir.Resource, error) {
	tag := weakVersion(a.header)
	body := r.VersionID()
	switch {
	case tag == "" && body == "":
		return fhir.Resource{}, q.fault(a, "a referral without a version")
	case tag != "" && body != "" && tag != body:
		return fhir.Resource{}, q.fault(a, "an ETag that is not the version in the body")
	case body != "":
		return r, nil
	}
	return withVersion(r, tag)
}

// weakVersion reads W/"5"; e-RS marks versions weak, and strong tags on its answers are hashes.
func weakVersion(h http.Header) string {
	tag := h.Get("ETag")
	if !strings.HasPrefix(tag, "W/") {
		return ""
	}
	return fhir.VersionOfETag(tag)
}

func withVersion(r fhir.Resource, version string) (fhir.Resource, error) {
	members := map[string]json.RawMessage{}
	for m := range r.Root().Members() {
		members[m.Name()] = m.Raw()
	}
	meta := map[string]json.RawMessage{}
	for m := range r.Root().Get("meta").Members() {
		meta[m.Name()] = m.Raw()
	}
	meta["versionId"] = fhir.AppendJSONString(nil, version)
	raw, err := json.Marshal(meta)
	if err != nil {
		return fhir.Resource{}, err
	}
	members["meta"] = raw
	if raw, err = json.Marshal(members); err != nil {
		return fhir.Resource{}, err
	}
	return fhir.Parse(raw)
}
