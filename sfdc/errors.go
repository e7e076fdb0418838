package sfdc

import (
	"errors"
	"fmt"
	"net/http"
	"strings"
	"time"

	"refbridge/fhir"
)

// The codes that the client itself gives; all others are Salesforce's, as Salesforce spells them.
const (
	CodeNoAnswer   = "no-answer"         // the connection failed, timed out or broke off
	CodeUnreadable = "unreadable-answer" // a 2xx answer that is not what the call promises: HTML, half a body
	CodeRowCount   = "row-count"         // an upsert answered with more or fewer rows than were sent
	CodeNotSent    = "not-sent"          // the context ended before the row's turn came
	CodeAllocation = "call-allocation"   // nothing was sent: only the reserve of daily calls is left, or none at all
	CodeTokenCalls = "token-calls"       // nothing was sent: another sign-in so soon could lock the user out
	CodeReadOnly   = "read-only"         // nothing was sent: the transport is ReadOnly
	CodeField      = "field-not-visible" // describe does not have the field: a wrong name, or no field-level security
	CodeValue      = "value-not-fit"     // a value of a kind that the field does not take
	CodeKey        = "key-not-fit"       // a record without a key, of another object or with another key field
	CodeKeyTwice   = "key-twice"         // two records of one call have the same key: neither was sent
	CodeVersion    = "api-version"       // the org does not serve this version of the API
)

const callToken = "token"

// Class says what a caller has to do about an Error.
type Class string

// The classes of an Error.
const (
	Retry        Class = "retry"         // passes by itself: locks, timeouts, 5xx
	Limit        Class = "limit"         // calls or storage used up: pause everything, for RetryAfter where it is given
	Auth         Class = "auth"          // signing in or the session is refused: halt
	Permission   Class = "permission"    // the org's configuration, not the record
	Data         Class = "data"          // the record as it was sent: validation, picklist, length, missing field
	Duplicate    Class = "duplicate"     // a duplicate rule, or two records under one key
	DuplicateKey Class = "duplicate-key" // a unique field has the value already
	Gone         Class = "gone"          // a record that was deleted, or a parent that is not there
	Locked       Class = "locked"        // locked by an approval
	Maintenance  Class = "maintenance"   // the org takes no writes for a while
	Unknown      Class = "unknown"       // a code that this program does not know
)

// Error is one refused or failed call, or one refused row of an upsert. It prints what was tried, the HTTP status,
// the code and field names. What Salesforce writes for people echoes values: it stands in Detail only.
type Error struct {
	Call       string       // "upsert ServiceAppointment", "token"
	Status     int          // HTTP status of the whole call; 0 where there was no answer; 200 for a refused row
	Code       string       // errorCode, statusCode or OAuth error; or one of the Code… constants; empty where there is none
	Fields     []string     // API names of the fields that it is about
	Matches    []string     // ids of the records in the way: DUPLICATES_DETECTED, and DUPLICATE_VALUE where its text says
	Detail     fhir.Private // Salesforce's message
	RetryAfter time.Duration

	why       string // printed; from a closed list of our own words
	broken    error  // of package wire: why there was no whole answer
	ambiguous bool
	unsent    bool // no connection came about: Salesforce has not seen the call
}

// Error gives call, status, code and fields.
func (e *Error) Error() string {
	var b strings.Builder
	b.WriteString(e.Call + ":")
	if e.Status != 0 {
		fmt.Fprintf(&b, " %d", e.Status)
	}
	if e.Code != "" {
		b.WriteString(" " + e.Code)
	} else if text := http.StatusText(e.Status); text != "" {
		b.WriteString(" " + strings.ToLower(text))
	}
	if e.why != "" {
		b.WriteString(" (" + e.why + ")")
	}
	if len(e.Fields) > 0 {
		b.WriteString(" in " + strings.Join(e.Fields, ", "))
	}
	if e.RetryAfter > 0 {
		b.WriteString(", again in " + e.RetryAfter.Round(time.Second).String())
	}
	return b.String()
}

// Unwrap returns the error of package wire that says why there was no whole answer, where there was none.
func (e *Error) Unwrap() error { return e.broken }

// Ambiguous tells whether the write may have happened all the same, now or within the ten minutes in which
// Salesforce ends a request: the row has to be looked up by its key before anybody calls it failed.
func (e *Error) Ambiguous() bool { return e.ambiguous }

// Class gives what to do. The lists are closed on purpose: a code that is not in them is Unknown in a 4xx answer or
// a row and Retry in a 5xx answer, never dropped.
func (e *Error) Class() Class {
	if c := ownClass(e.Code); c != "" {
		return c
	}
	if e.Call == callToken {
		return e.tokenClass()
	}
	if strings.Contains(e.Detail.Reveal(), "UNABLE_TO_LOCK_ROW") {
		return Retry // a trigger or a flow met the lock, and its code says only that it failed
	}
	if c := codeClass(e.Code); c != "" {
		return c
	}
	if c := dataClass(e.Code); c != "" {
		return c
	}
	return statusClass(e.Status, e.Code)
}

func ownClass(code string) Class {
	switch code {
	case CodeNoAnswer, CodeUnreadable, CodeRowCount, CodeNotSent:
		return Retry
	case CodeAllocation, CodeTokenCalls:
		return Limit
	case CodeReadOnly, CodeVersion:
		return Permission
	case CodeField, CodeValue, CodeKey, CodeKeyTwice:
		return Data
	}
	return ""
}

// tokenClass: the token endpoint has codes of its own (RFC 6749, section 5.2), and whatever it refuses is about the
// sign-in.
func (e *Error) tokenClass() Class {
	switch {
	case e.Code == "rate_limit_exceeded" || e.Status == http.StatusTooManyRequests:
		return Limit
	case e.Code == "server_error" || e.Code == "temporarily_unavailable" || e.Status >= 500:
		return Retry
	}
	return Auth
}

// codeClass knows the codes that are not about the values of the record.
func codeClass(code string) Class {
	switch code {
	case "UNABLE_TO_LOCK_ROW", "QUERY_TIMEOUT", "REQUEST_RUNNING_TOO_LONG", "SERVER_UNAVAILABLE", "SERVICE_UNAVAILABLE",
		"COLLISION_DETECTED", "CONFLICT", "ENTITY_FAILED_IFLASTMODIFIED_ON_UPDATE", "UNKNOWN_EXCEPTION", "INTERNAL_ERROR",
		"INVALID_QUERY_LOCATOR", "PROCESSING_HALTED", "BATCH_PROCESSING_HALTED", "ALL_OR_NONE_OPERATION_ROLLED_BACK",
		"FAILED_DUE_TO_OTHER_INPUTS", "TOO_MANY_APEX_REQUESTS":
		return Retry
	case "REQUEST_LIMIT_EXCEEDED", "LIMIT_EXCEEDED", "EXCEEDED_QUOTA", "TOO_MANY_JOBS", "STORAGE_LIMIT_EXCEEDED":
		return Limit
	case "INSERT_UPDATE_DELETE_NOT_ALLOWED_DURING_MAINTENANCE", "ORG_IN_MAINTENANCE",
		"FUNCTIONALITY_TEMPORARILY_UNAVAILABLE":
		return Maintenance
	case "INVALID_SESSION_ID", "SESSION_EXPIRED", "INVALID_AUTH_HEADER", "INVALID_LOGIN", "ORG_LOCKED",
		"API_DISABLED_FOR_ORG", "API_CURRENTLY_DISABLED":
		return Auth
	case "INSUFFICIENT_ACCESS", "INSUFFICIENT_ACCESS_OR_READONLY", "INSUFFICIENT_ACCESS_ON_CROSS_REFERENCE_ENTITY",
		"FUNCTIONALITY_NOT_ENABLED", "REQUIRED_FEATURE_MISSING", "INACTIVE_OWNER_OR_USER",
		"FIELD_NOT_UPDATABLE", "INVALID_TYPE", "NOT_FOUND", "UNSUPPORTED_API_VERSION", "GONE":
		return Permission
	case "DUPLICATE_VALUE":
		return DuplicateKey
	case "DUPLICATES_DETECTED", "DUPLICATE_EXTERNAL_ID", "MULTIPLE_CHOICES":
		return Duplicate
	case "ENTITY_IS_DELETED", "INVALID_CROSS_REFERENCE_KEY":
		return Gone
	case "ENTITY_IS_LOCKED":
		return Locked
	}
	return ""
}

// dataClass knows the codes that the same record would get again under the same tables and the same org.
func dataClass(code string) Class {
	switch code {
	case "FIELD_CUSTOM_VALIDATION_EXCEPTION", "FIELD_INTEGRITY_EXCEPTION", "FIELD_FILTER_VALIDATION_EXCEPTION",
		"INVALID_OR_NULL_FOR_RESTRICTED_PICKLIST", "REQUIRED_FIELD_MISSING", "STRING_TOO_LONG",
		"NUMBER_OUTSIDE_VALID_RANGE", "INVALID_EMAIL_ADDRESS", "MALFORMED_ID", "MALFORMED_QUERY",
		"INVALID_TYPE_ON_FIELD_IN_RECORD", "INVALID_RECORD_TYPE", "JSON_PARSER_ERROR", "INVALID_DATE_FORMAT",
		"INVALID_FIELD", "INVALID_FIELD_FOR_INSERT_UPDATE", "INVALID_STATUS", "CANNOT_REPARENT_RECORD",
		"INVALID_PERSON_ACCOUNT_OPERATION", "CANNOT_INSERT_UPDATE_ACTIVATE_ENTITY", "CANNOT_EXECUTE_FLOW_TRIGGER",
		"APEX_FAILED", "APEX_ERROR":
		return Data
	}
	return ""
}

func statusClass(status int, code string) Class {
	switch {
	case status == http.StatusServiceUnavailable && code == "":
		return Maintenance // the page that Salesforce shows to people
	case status >= 500 || status == http.StatusRequestTimeout:
		return Retry
	case status == http.StatusUnauthorized:
		return Auth
	case status == http.StatusTooManyRequests || status == 420:
		return Limit
	case status == http.StatusGone:
		return Permission
	case status == http.StatusMultipleChoices:
		return Duplicate
	case status == http.StatusConflict || status == http.StatusPreconditionFailed:
		return Retry
	}
	return Unknown
}

func asError(err error) (*Error, bool) { return errors.AsType[*Error](err) }
