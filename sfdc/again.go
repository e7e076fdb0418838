package sfdc

import (
	"context"
	"time"

	"refbridge/fhir"
	"refbridge/wire"
)

const longest = 4 * time.Second // that one call waits; a longer pause is the lane's to keep

// again repeats a read until it succeeds, fails for good or has failed often enough. A parser's complaint about an answer counts as a
// failure of the read: half a body is mended by asking again.
func (c *Client) again(ctx context.Context, read func() error) error {
	return c.pace.Try(ctx, read, func(err error) wire.Failure { return wire.Failure{Again: passes(err), Asked: askedFor(err)} })
}

// passes tells whether the same request can succeed within seconds.
func passes(err error) bool {
	e, ok := asError(err)
	switch {
	case !ok || e.RetryAfter > longest:
		return false
	case e.broken != nil && !wire.MayPass(e.broken):
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

// read makes a call, again where that helps, and hands the parsed answer to use.
func (c *Client) read(ctx context.Context, r request, use func(fhir.Node) error) error {
	return c.again(ctx, func() error {
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
