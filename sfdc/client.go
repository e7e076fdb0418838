// Package sfdc is the client of Salesforce Health Cloud: sign-in, describe, queries whose keys never stand in a URL,
// and upserts by external id in which each row has its own fate. It knows nothing of referrals.
//
// Everything that is sent passes send, which holds the session, the daily allocation of calls and the reading of
// refusals. Whatever is tried again is tried again in one place (again for reads, upsert.run for writes): resty's own
// retry is off.
package sfdc

import (
	"context"
	"crypto/rsa"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"strings"
	"sync/atomic"
	"time"

	"github.com/go-resty/resty/v2"

	"refbridge/config/pattern"
	"refbridge/wire"
)

const (
	defaultVersion = "v66.0"
	defaultReserve = 0.20
	callTimeout    = 120 * time.Second // a full upsert that runs triggers takes long; Salesforce itself gives up after 10 min
	answerLimit    = 32 << 20          // bytes, decompressed
)

var versionPattern = pattern.MustOnce(`^v[1-9][0-9]{1,2}\.0$`)

// Config says where Salesforce is and who signs in.
type Config struct {
	LoginURL     string          // My Domain, "https://trust.my.salesforce.com": https, or http on loopback
	ClientID     string          // consumer key of the External Client App
	ClientSecret string          // for client credentials
	Username     string          // with Key: the user of the JWT bearer flow
	Key          *rsa.PrivateKey // signs the assertion of the JWT bearer flow
	Audience     string          // aud of the assertion; empty: https://login.salesforce.com, or https://test.salesforce.com for a sandbox
	Version      string          // of the API, "v66.0" where empty
	Reserve      float64         // share of the daily calls that is left to others, below 1; 0 means 0.20

	Transport http.RoundTripper // nil: wire.Transport without a proxy
	Now       func() time.Time  // nil: time.Now
	Logger    *slog.Logger      // nil: nothing is logged
}

// Client speaks to one org as one user. It is safe for concurrent use.
type Client struct {
	http      *resty.Client
	auth      *auth
	allowance *allowance
	describes describes
	pace      *wire.Pace
	base      string // "/services/data/v66.0"
	calls     atomic.Int64
	now       func() time.Time
}

// New checks the configuration, all faults at once, and sends nothing: the first call signs in.
func New(c Config) (*Client, error) {
	c = c.withDefaults()
	if err := c.check(); err != nil {
		return nil, err
	}
	h := wire.Client(c.Transport, wire.Limits{Body: answerLimit, Time: callTimeout})
	h.SetHeader("Accept", "application/json")
	h.SetHeader("Sforce-Call-Options", "client=refbridge") // change events repeat it: our own echoes can be told
	return &Client{
		http:      h,
		auth:      newAuth(c, h),
		allowance: &allowance{reserve: c.Reserve, now: c.Now},
		describes: newDescribes(),
		base:      "/services/data/" + c.Version,
		pace:      wire.NewPace(0, longest, func(error, time.Duration) {}).AfterOne(),
		now:       c.Now,
	}, nil
}

func (c Config) withDefaults() Config {
	if c.Version == "" {
		c.Version = defaultVersion
	}
	if c.Reserve == 0 {
		c.Reserve = defaultReserve
	}
	if c.Now == nil {
		c.Now = time.Now
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	c.LoginURL = strings.TrimSuffix(c.LoginURL, "/")
	return c
}

func (c Config) check() error {
	var faults []error
	add := func(wrong bool, what string) {
		if wrong {
			faults = append(faults, errors.New(what))
		}
	}
	if _, err := wire.Origin(c.LoginURL); err != nil {
		faults = append(faults, fmt.Errorf("login URL %w", err))
	}
	add(c.ClientID == "", "client id is missing")
	add(c.Key == nil && c.ClientSecret == "", "neither a client secret nor a key")
	add(c.Key != nil && c.ClientSecret != "", "a client secret and a key: only one of them can sign in")
	add(c.Key != nil && c.Username == "", "a key needs the username that it signs in")
	add(c.Key != nil && c.Key.N.BitLen() < 2048, "the key has fewer than 2048 bits")
	add(!versionPattern().MatchString(c.Version), `API version is not written like "v66.0"`)
	add(c.Reserve < 0 || c.Reserve >= 1, "reserve of calls is not between 0 and 1")
	return errors.Join(faults...)
}

// Usage gives what Salesforce last said of the org's rolling 24 hours of calls: used, and how many there are. Both
// are 0 before the first answer.
func (c *Client) Usage() (used, limit int) { return c.allowance.usage() }

// Calls gives how many API calls this client has sent, sign-ins not counted.
func (c *Client) Calls() int { return int(c.calls.Load()) }

// request is one call of the API below the instance URL.
type request struct {
	call   string // what an error is about: "upsert ServiceAppointment"; never a key
	method string
	path   string
	body   []byte
	free   bool // may use the reserve: without describe nothing can be checked
}

type answer struct {
	status int
	body   []byte
}

// send makes one call and gives a 2xx answer; everything else is an *Error, or the context's error where it ended
// first. An expired session is renewed once and the request replayed: Salesforce refuses a session before it does
// anything.
func (c *Client) send(ctx context.Context, r request) (answer, error) {
	if !r.free {
		if err := c.allowance.admit(r.call); err != nil {
			return answer{}, err
		}
	}
	s, err := c.auth.session(ctx, nil)
	if err != nil {
		return answer{}, err
	}
	a, err := c.exchange(ctx, s, r)
	if !sessionExpired(err) {
		return a, err
	}
	if s, err = c.auth.session(ctx, s); err != nil {
		return answer{}, err
	}
	return c.exchange(ctx, s, r)
}

func (c *Client) exchange(ctx context.Context, s *session, r request) (answer, error) {
	q := c.http.R().SetHeader("Authorization", "Bearer "+s.token.Reveal())
	if r.body != nil {
		q.SetHeader("Content-Type", "application/json; charset=UTF-8").SetBody(r.body)
	}
	if paused, ok := errors.AsType[*wire.Paused](c.pace.Ready(ctx)); ok {
		return answer{}, &Error{Call: r.call, Code: CodeNotSent, why: paused.Error(), RetryAfter: paused.Left, unsent: true}
	}
	limit := callTimeout
	if r.method != http.MethodPatch {
		limit = wire.ReadTime
	}
	limited, done := context.WithTimeout(ctx, limit)
	defer done()
	c.calls.Add(1)
	var a answer
	err := c.pace.Watch(func() error {
		resp, err := q.SetContext(limited).Execute(r.method, s.host+r.path)
		if resp != nil && resp.RawResponse != nil {
			c.allowance.note(resp.Header())
		}
		a, err = outcome(ctx, r.call, resp, err, c.now)
		return err
	})
	if e, ok := asError(err); ok && e.Code == "REQUEST_LIMIT_EXCEEDED" {
		e.RetryAfter = max(e.RetryAfter, c.allowance.close(e))
	}
	return a, err
}

// outcome reads what resty gives: an answer with a 2xx status, or the error that stands for everything else.
func outcome(ctx context.Context, call string, resp *resty.Response, err error, now func() time.Time) (answer, error) {
	status := 0
	if resp != nil && resp.RawResponse != nil {
		status = resp.StatusCode()
	}
	switch {
	case err != nil && ctx.Err() != nil:
		return answer{}, fmt.Errorf("%s: %w", call, ctx.Err())
	case errors.Is(err, wire.ErrReadOnly):
		return answer{}, &Error{Call: call, Code: CodeReadOnly}
	case err != nil && status < 300: // a redirect and a refusal with a broken body are refusals all the same
		why := wire.Broken(err)
		return answer{}, &Error{Call: call, Status: status, Code: CodeNoAnswer, why: why.Error(), broken: why, unsent: wire.NeverSent(why)}
	case status >= 300:
		return answer{}, refusal(call, resp, now())
	}
	return answer{status: status, body: resp.Body()}, nil
}
