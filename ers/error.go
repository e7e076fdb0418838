package ers

import (
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/wire"
)

// Error is a call that e-RS refused or that did not come through. It holds codes and figures only: never text of the
// answer, which may be about a patient, and no URL, which holds the UBRN.
type Error struct {
	Call       string        // endpoint number and words, e.g. "A005 read referral"; "sign in" for the token call
	Status     int           // HTTP status; 0 where no answer came
	Codes      []string      // of an OperationOutcome's details, else its issue codes; error of a token answer
	RetryAfter time.Duration // what the answer asked for, or what is left of a pause of the whole lane; at most 15 min
	RequestID  string        // X-Request-ID of the answer, to quote to NHS support
	Reason     string        // in our words, where status and codes do not say it

	write  bool  // the call changes something
	unsent bool  // the request did not leave
	again  bool  // another attempt may succeed
	cause  error // ours or of the context, never text of the answer
}

// Error gives what is known, e.g. "A005 read referral: status 422, PATIENT_ERROR, request id 58621d65-1".
func (e *Error) Error() string {
	var says []string
	if e.Status != 0 {
		says = append(says, fmt.Sprintf("status %d", e.Status))
	}
	says = append(says, e.Codes...)
	if e.Reason != "" {
		says = append(says, e.Reason)
	}
	if e.RequestID != "" {
		says = append(says, "request id "+e.RequestID)
	}
	return e.Call + ": " + strings.Join(says, ", ")
}

// Unwrap returns the cancelled context, an error of package wire or fhir.ErrSyntax where one of them is the cause.
func (e *Error) Unwrap() error { return e.cause }

// Code tells whether the answer carried this code, for example PATIENT_ERROR or NO_RELATIONSHIP.
func (e *Error) Code(code string) bool { return slices.Contains(e.Codes, code) }

// SignIn reports whether it was the sign-in that failed: nothing was asked about any record.
func (e *Error) SignIn() bool { return e.Call == signInCall }

// Ambiguous tells that a write may have taken effect all the same: a 5xx (PAS_NOT_RESPONDING and its like), no answer,
// an answer that cannot be read. Read the referral before deciding anything; e-RS has no idempotency key.
func (e *Error) Ambiguous() bool {
	unknown := e.Status == 0 || e.Status == http.StatusRequestTimeout || e.Status >= 500 || e.Status/100 == 2
	return e.write && !e.unsent && unknown
}

// fault is an error about an answer of this call.
func (q call) fault(a answer, reason string) *Error {
	return &Error{Call: q.name, Status: a.status, RequestID: a.requestID(), Reason: reason, write: q.write}
}

// refused is the error of a non-2xx answer.
func (q call) refused(a answer, now time.Time) *Error {
	e := q.fault(a, "")
	e.Codes = codes(a.body)
	e.RetryAfter = wire.Asked(a.status, a.header, now)
	e.again = a.status == http.StatusTooManyRequests || a.status >= 500
	if a.status/100 == 3 {
		e.Reason = wire.ErrRedirect.Error()
	}
	return e
}

// broken is the error of a call without a whole answer.
func (q call) broken(a answer, err error) *Error {
	why := wire.Broken(err)
	e := q.fault(a, why.Error())
	e.cause, e.unsent, e.again = why, wire.NeverSent(why), wire.MayPass(why)
	if !q.write && !errors.Is(why, wire.ErrTooLarge) {
		e.Status = 0 // a status whose body never came whole is no answer: it says nothing of the record
	}
	return e
}

// codePattern has no digits on purpose: whatever else stands where a code should, it is no NHS number.
var codePattern = pattern.MustOnce(`^[A-Za-z][A-Za-z_-]{1,63}$`)

// codes finds the machine-readable codes of an error body: an OperationOutcome (STU3 or R4), an OAuth error, or the
// gateway's own {"fault":…}, for which it gives GATEWAY_FAULT. Everything else, text, HTML or nothing, gives none.
func codes(body []byte) []string {
	var d fhir.Doc
	if d.Parse(body) != nil {
		return nil
	}
	var out []string
	root := d.Root()
	for issue := range root.Get("issue").Items() {
		found := issue.Get("details").Get("coding")
		if found.Len() == 0 {
			out = appendCode(out, issue.Get("code"))
		}
		for coding := range found.Items() {
			out = appendCode(out, coding.Get("code"))
		}
	}
	out = appendCode(out, root.Get("error"))
	if root.Get("fault").Exists() {
		out = append(out, "GATEWAY_FAULT")
	}
	return out
}

func appendCode(to []string, n fhir.Node) []string {
	if n.Kind() != fhir.String || !codePattern().MatchString(n.Text()) || slices.Contains(to, n.Text()) {
		return to
	}
	return append(to, strings.Clone(n.Text()))
}
