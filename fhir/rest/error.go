package rest

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	samply "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/wire"
)

// ErrNotFHIR stands inside an Error where something else came than FHIR.
var ErrNotFHIR = errors.New("the answer is not FHIR JSON")

// Error is a call that failed: the server refused it, or no usable answer came. It holds no text of the server and no URL.
type Error struct {
	Call       string        // "search ServiceRequest", "read Patient", "update ServiceRequest", "token"
	Status     int           // HTTP status, 0 where there was no answer
	Codes      []string      // OperationOutcome: issue.code and details.coding.code of what failed; of the token endpoint: error
	RetryAfter time.Duration // what the server asked for, 0 where it did not
	Outcome    bool          // the answer was FHIR: the server's own OperationOutcome, and no gateway's page

	cause  error
	change bool // the call could have changed something
}

// Error gives call, status, codes and cause, nothing else.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Call)
	if e.Status != 0 {
		fmt.Fprintf(&b, ": status %d", e.Status)
	}
	if len(e.Codes) > 0 {
		fmt.Fprintf(&b, " (%s)", strings.Join(e.Codes, ", "))
	}
	if e.cause != nil {
		fmt.Fprintf(&b, ": %v", e.cause)
	}
	return b.String()
}

// Unwrap returns the cause where there is one: a context's error, ErrNotFHIR, an error of package wire, fhir.ErrSyntax …
func (e *Error) Unwrap() error { return e.cause }

// Ambiguous tells that a change was sent and nobody knows whether it took effect: no answer, an unreadable one, or
// one of a gateway. Read the resource before doing anything else.
func (e *Error) Ambiguous() bool {
	_, paused := errors.AsType[*wire.Paused](e.cause)
	if !e.change || paused || wire.NeverSent(e.cause) || errors.Is(e.cause, ErrScope) {
		return false
	}
	unreadable := e.Status >= 200 && e.Status < 300 && e.cause != nil
	return e.Status == 0 || unreadable || e.Status == http.StatusRequestTimeout || e.Status >= 500
}

// Conflict tells that the resource is no longer at the version that the update was made from (412, or 409).
func (e *Error) Conflict() bool {
	return e.Status == http.StatusPreconditionFailed || e.Status == http.StatusConflict
}

// OfPage reports whether a search may have failed because of what is on the page: a smaller page, or another one, may come. That
// is so of a page that is too large, garbage or broken, took too long or was cut, and of what servers say when they cannot make
// one; not of a refusal, of a server that is not there, or of one that wants fewer calls.
func OfPage(err error) bool {
	if errors.Is(err, wire.ErrTooLarge) || errors.Is(err, ErrGarbage) {
		return true
	}
	e, ok := errors.AsType[*Error](err)
	if !ok {
		return false
	}
	switch e.Status {
	case 0, http.StatusOK:
		return errors.Is(e.cause, wire.ErrTimeout) || errors.Is(e.cause, wire.ErrCut) || errors.Is(e.cause, fhir.ErrSyntax)
	case http.StatusBadRequest, http.StatusRequestTimeout, http.StatusRequestEntityTooLarge, http.StatusInternalServerError,
		http.StatusBadGateway, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// passing reports whether the same read may succeed a moment later.
func (e *Error) passing() bool {
	if _, paused := errors.AsType[*wire.Paused](e.cause); paused {
		return false
	}
	switch e.Status {
	case 0:
		return wire.MayPass(e.cause)
	case http.StatusRequestTimeout, http.StatusTooManyRequests, http.StatusInternalServerError, http.StatusBadGateway,
		http.StatusServiceUnavailable, http.StatusGatewayTimeout:
		return true
	}
	return false
}

// throttled reports whether the server wants fewer calls: the same call is good later.
func (e *Error) throttled() bool { return e.cause == nil && wire.Busy(e.Status, e.RetryAfter) }

// codePattern: what may be shown as a code. A run of seven digits could be a piece of somebody's number.
var (
	codePattern = pattern.MustOnce(`^[A-Za-z][A-Za-z0-9_.\-]{0,63}$`)
	longNumber  = pattern.MustOnce(`[0-9]{7}`)
)

func showable(code string) bool {
	return codePattern().MatchString(code) && !longNumber().MatchString(code)
}

type issue struct {
	severity string
	codes    []string
}

func (i issue) failed() bool { return i.severity == "error" || i.severity == "fatal" }

// issues reads an OperationOutcome. The typed reading knows the code lists of R4; it turns what is missing into the
// first value of a list and refuses unknown codes, so both cases are read from the tree instead.
func issues(outcome fhir.Resource) []issue {
	if typed, err := samply.UnmarshalOperationOutcome(outcome.Raw()); err == nil && complete(outcome) {
		return typedIssues(typed)
	}
	var out []issue
	for n := range outcome.Root().Get("issue").Items() {
		i := issue{severity: strings.ToLower(n.Get("severity").Text()), codes: []string{n.Get("code").Text()}}
		for coding := range n.Get("details").Get("coding").Items() {
			i.codes = append(i.codes, coding.Get("code").Text())
		}
		out = append(out, i)
	}
	return out
}

func typedIssues(o samply.OperationOutcome) []issue {
	var out []issue
	for _, n := range o.Issue {
		i := issue{severity: n.Severity.Code(), codes: []string{n.Code.Code()}}
		if n.Details != nil {
			for _, coding := range n.Details.Coding {
				i.codes = append(i.codes, deref(coding.Code))
			}
		}
		out = append(out, i)
	}
	return out
}

func complete(outcome fhir.Resource) bool {
	for n := range outcome.Root().Get("issue").Items() {
		if n.Get("severity").Kind() != fhir.String || n.Get("code").Kind() != fhir.String {
			return false
		}
	}
	return true
}

func deref(s *string) string {
	if s == nil {
		return ""
	}
	return *s
}

// codesOf gives the codes of the issues that make a call fail; of all issues where none is marked so.
func codesOf(list []issue) []string {
	var out []string
	serious := slices.ContainsFunc(list, issue.failed)
	for _, i := range list {
		if serious && !i.failed() {
			continue
		}
		for _, code := range i.codes {
			if showable(code) && !slices.Contains(out, code) && len(out) < 8 {
				out = append(out, code)
			}
		}
	}
	return out
}
