package sfdc

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"strings"
	"sync"
	"time"

	"refbridge/sfdc/sobject"
)

const (
	describedFor = 24 * time.Hour  // nothing is written under an older one
	absentFor    = 5 * time.Minute // an administrator who grants a missing field does not wait a day for it
)

// describes remembers what describe said. turn lets one goroutine at a time ask, so that workers that start together
// ask once.
type describes struct {
	turn  chan struct{}
	mu    *sync.Mutex
	known map[string]described
}

type described struct {
	at time.Time
	sobject.Description
}

func newDescribes() describes {
	return describes{turn: make(chan struct{}, 1), mu: &sync.Mutex{}, known: map[string]described{}}
}

func (d describes) get(object string, notBefore time.Time) (sobject.Description, bool) {
	d.mu.Lock()
	defer d.mu.Unlock()
	got, ok := d.known[object]
	return got.Description, ok && got.at.After(notBefore)
}

func (d describes) put(object string, now time.Time, desc sobject.Description) {
	d.mu.Lock()
	defer d.mu.Unlock()
	d.known[object] = described{at: now, Description: desc}
}

// Describe gives an object's fields as the signed-in user sees them: a field without field-level security is absent.
// It is asked for once and kept for 24 h. The call may use the reserve.
func (c *Client) Describe(ctx context.Context, object string) (sobject.Description, error) {
	if !identifierPattern().MatchString(object) || strings.Contains(object, ".") {
		return sobject.Description{}, fmt.Errorf("describe: %w", errIdentifier)
	}
	return c.described(ctx, object, describedFor)
}

// DescribeAgain is Describe for somebody who found the answer wanting: one older than five minutes is asked for again.
func (c *Client) DescribeAgain(ctx context.Context, object string) (sobject.Description, error) {
	if !identifierPattern().MatchString(object) || strings.Contains(object, ".") {
		return sobject.Description{}, fmt.Errorf("describe: %w", errIdentifier)
	}
	return c.described(ctx, object, absentFor)
}

// describeFor is Describe for somebody who needs fields: where one is absent, an answer older than absentFor is not
// good enough. The fields can still be absent afterwards.
func (c *Client) describeFor(ctx context.Context, object string, fields ...string) (sobject.Description, error) {
	d, err := c.Describe(ctx, object)
	if err != nil || invisible("", d, fields...) == nil {
		return d, err
	}
	return c.described(ctx, object, absentFor)
}

func (c *Client) described(ctx context.Context, object string, age time.Duration) (sobject.Description, error) {
	if d, ok := c.describes.get(object, c.now().Add(-age)); ok {
		return d, nil
	}
	select {
	case c.describes.turn <- struct{}{}:
		defer func() { <-c.describes.turn }()
	case <-ctx.Done():
		return sobject.Description{}, fmt.Errorf("describe %s: %w", object, ctx.Err())
	}
	if d, ok := c.describes.get(object, c.now().Add(-age)); ok {
		return d, nil
	}
	d, err := c.describe(ctx, object)
	if err == nil {
		c.describes.put(object, c.now(), d)
	}
	return d, err
}

func (c *Client) describe(ctx context.Context, object string) (sobject.Description, error) {
	r := request{call: "describe " + object, method: http.MethodGet,
		path: c.base + "/sobjects/" + object + "/describe", free: true}
	var d sobject.Description
	err := c.again(ctx, func() error {
		a, err := c.send(ctx, r)
		if err != nil {
			return err
		}
		d = sobject.Description{}
		if json.Unmarshal(a.body, &d) != nil || len(d.Fields) == 0 || !strings.EqualFold(d.Name, object) {
			return &Error{Call: r.call, Status: a.status, Code: CodeUnreadable}
		}
		return nil
	})
	if e, ok := asError(err); ok && (e.Status == http.StatusNotFound || e.Status == http.StatusGone) {
		return d, c.wrongVersion(ctx, e)
	}
	return d, err
}

// wrongVersion finds out whether an object is missing or the whole version of the API: Salesforce answers 404 to both. It returns
// refused where the version is served, or where that cannot be found out.
func (c *Client) wrongVersion(ctx context.Context, refused *Error) error {
	a, err := c.send(ctx, request{call: refused.Call, method: http.MethodGet, path: "/services/data/", free: true})
	var list []struct {
		Version string `json:"version"`
	}
	if err != nil || json.Unmarshal(a.body, &list) != nil || len(list) == 0 {
		return refused
	}
	ours := strings.TrimPrefix(c.base, "/services/data/")
	for _, one := range list {
		if "v"+one.Version == ours {
			return refused
		}
	}
	why := "this org does not serve " + ours
	if newest := "v" + list[len(list)-1].Version; versionPattern().MatchString(newest) {
		why += ", its newest is " + newest
	}
	return &Error{Call: refused.Call, Code: CodeVersion, why: why + "; set api_version"}
}

// invisible is the error of fields that describe does not have, nil where it has them all.
func invisible(call string, d sobject.Description, fields ...string) error {
	var missing []string
	for _, f := range fields {
		if _, ok := d.Field(f); !ok && fieldPattern().MatchString(f) {
			missing = append(missing, f)
		} else if !ok {
			missing = append(missing, "a field whose name is not a Salesforce name")
		}
	}
	if missing == nil {
		return nil
	}
	return &Error{Call: call, Code: CodeField, Fields: missing, why: "object " + d.Name}
}
