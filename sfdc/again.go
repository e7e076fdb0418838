package sfdc

import (
	"context"
	"math/rand/v2"
	"time"

	"refbridge/fhir"
)

const (
	maxAttempts = 3
	shortest    = 500 * time.Millisecond
	longest     = 4 * time.Second
)

// again repeats a read until it succeeds, fails for good or has failed maxAttempts times. A parser's complaint about
// an answer counts as a failure of the read: half a body is mended by asking again.
func again(ctx context.Context, read func() error) error {
	for attempt := 1; ; attempt++ {
		err := read()
		if err == nil || attempt == maxAttempts || !passes(err) {
			return err
		}
		if err := pause(ctx, attempt, askedFor(err)); err != nil {
			return err
		}
	}
}

// passes tells whether the same request can succeed within seconds.
func passes(err error) bool {
	e, ok := asError(err)
	switch {
	case !ok || e.RetryAfter > longest:
		return false
	case e.Code == "INVALID_QUERY_LOCATOR": // the cursor is gone, asking for it again does not bring it back
		return false
	}
	return e.Class() == Retry || e.Status >= 500 && e.Class() == Maintenance
}

// askedFor is how long Salesforce asks to be left alone.
func askedFor(err error) time.Duration {
	if e, ok := asError(err); ok {
		return e.RetryAfter
	}
	return 0
}

// pause waits with jitter, between half a second and 2 s before the second attempt and 4 s before the third, or as
// long as Salesforce asks for.
func pause(ctx context.Context, attempt int, asked time.Duration) error {
	upper := min(longest, time.Second<<attempt)
	timer := time.NewTimer(max(asked, shortest+rand.N(upper-shortest)))
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-ctx.Done():
		return ctx.Err()
	}
}

// read makes a call, again where that helps, and hands the parsed answer to use.
func (c *Client) read(ctx context.Context, r request, use func(fhir.Node) error) error {
	return again(ctx, func() error {
		a, err := c.send(ctx, r)
		if err != nil {
			return err
		}
		var doc fhir.Doc
		if doc.Parse(a.body) != nil {
			return &Error{Call: r.call, Status: a.status, Code: CodeUnreadable}
		}
		return use(doc.Root())
	})
}
