package rest

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"

	"refbridge/config/pattern"
	"refbridge/wire"
)

// wellKnown is where a FHIR server says how to sign in, below its base
// (https://hl7.org/fhir/smart-app-launch/conformance.html#using-well-known).
const wellKnown = ".well-known/smart-configuration"

// Why the token endpoint is not known.
var (
	errNotSaid  = errors.New("the server does not say where it gives tokens (" + wellKnown + "): set token_url to the address that its administrator names")
	errEndpoint = errors.New("the token endpoint that the server names (" + wellKnown + ") is not taken: ")
)

// hostPort is a host, or a host and a port.
var hostPort = pattern.MustOnce(`^[A-Za-z0-9.\-]{1,100}(:[0-9]{1,5})?$`)

// discover asks the server where it gives tokens. Nothing of ours goes with the question.
func (t *tokens) discover(ctx context.Context) error {
	at := t.base.JoinPath(wellKnown)
	limited, done := context.WithTimeout(ctx, signInTime)
	defer done()
	answer, err := t.http.R().SetContext(limited).SetHeader("Accept", "application/json").Get(at.String())
	if err != nil {
		return noAnswer(ctx, "smart-configuration", answer, err)
	}
	failure := &Error{Call: "smart-configuration", Status: answer.StatusCode(), RetryAfter: wire.Asked(answer.StatusCode(), answer.Header(), t.now())}
	if answer.StatusCode() != http.StatusOK {
		if !failure.passing() {
			failure.cause = errNotSaid
		}
		return failure
	}
	u, err := endpoint(answer.Body(), t.base, t.hosts)
	if err != nil {
		failure.cause = err
		return failure
	}
	t.url = u.String()
	if t.guard != nil {
		t.guard.token.Store(u)
	}
	return nil
}

// endpoint reads the token endpoint out of a smart-configuration. Our signed assertion goes there, so it must be https, or as open
// as the base on this machine, and of a host that somebody has named: that of the base, or one of hosts. A forged or mistaken
// answer leads nowhere else.
func endpoint(body []byte, base *url.URL, hosts []string) (*url.URL, error) {
	var said struct {
		Token string `json:"token_endpoint"`
	}
	if json.Unmarshal(body, &said) != nil || said.Token == "" {
		return nil, errNotSaid
	}
	u, err := wire.SecureURL(said.Token)
	switch {
	case err != nil:
		return nil, fmt.Errorf("%wit %w", errEndpoint, err)
	case u.Scheme != "https" && base.Scheme == "https":
		return nil, fmt.Errorf("%wit is not https", errEndpoint)
	case u.RawQuery != "" || u.Fragment != "" || u.ForceQuery:
		return nil, fmt.Errorf("%wit has a query or a fragment", errEndpoint)
	}
	for _, named := range append([]string{base.Host}, hosts...) {
		if sameHost(u, named) {
			return u, nil
		}
	}
	return nil, fmt.Errorf("%wit is at %s, and the server is %s; if clients sign in there, set token_host to that host, or token_url to the whole address",
		errEndpoint, hostOf(u), hostOf(base))
}

// sameHost reports whether a URL leads to a host, and to its port or that of https.
func sameHost(u *url.URL, named string) bool {
	other := &url.URL{Scheme: u.Scheme, Host: named}
	return strings.EqualFold(u.Hostname(), other.Hostname()) && port(u) == port(other)
}
