package sfdc

import (
	"slices"
	"strings"
	"time"

	"github.com/go-resty/resty/v2"

	"refbridge/config/pattern"
	"refbridge/fhir"
	"refbridge/wire"
)

var (
	codePattern  = pattern.MustOnce(`^[A-Za-z](?:[0-9]{0,2}[A-Za-z_]){0,79}[0-9]{0,2}$`)
	fieldPattern = pattern.MustOnce(`^[A-Za-z][A-Za-z0-9_]*(\.[A-Za-z][A-Za-z0-9_]*){0,2}$`)
	idPattern    = pattern.MustOnce(`^[A-Za-z0-9]{15}(?:[A-Za-z0-9]{3})?$`)

	// INVALID_FIELD says only in its text that a field is there and cannot stand in a WHERE.
	unfilterable = pattern.MustOnce(`(?i)can(?: ?not|'t) be filtered`)

	// DUPLICATE_VALUE says only in its text which field it is about and whose value is in the way.
	clashPattern = pattern.MustOnce(`duplicate value found: ([A-Za-z][A-Za-z0-9_]*) duplicates value on record with id: ([A-Za-z0-9]{15,18})\b`)
)

// refusal is the error of an answer with a status that is not 2xx.
func refusal(call string, resp *resty.Response, now time.Time) *Error {
	e := &Error{Call: call, Status: resp.StatusCode()}
	var doc fhir.Doc
	if doc.Parse(resp.Body()) == nil {
		readFaults(e, doc.Root())
	}
	e.RetryAfter = wire.Asked(resp.StatusCode(), resp.Header(), now)
	return e
}

// readFaults fills e from an error body, in any of the shapes that Salesforce has: a list of {errorCode, message,
// fields}, one such object, {statusCode, message, fields} of a row, or {error, error_description} of OAuth. The
// first code counts. A body of another shape leaves e as it is.
func readFaults(e *Error, body fhir.Node) {
	var texts []string
	for fault := range body.Items() {
		if e.Code == "" {
			e.Code = faultCode(fault)
		}
		for _, name := range []string{"message", "error_description"} {
			if text := fault.Get(name); text.Kind() == fhir.String {
				texts = append(texts, text.Text())
			}
		}
		for field := range fault.Get("fields").Items() {
			if fieldPattern().MatchString(field.Text()) && field.Kind() == fhir.String {
				e.Fields = append(e.Fields, strings.Clone(field.Text()))
			}
		}
		e.Matches = append(e.Matches, matches(fault.Get("duplicateResult"))...)
	}
	e.Detail = fhir.Private(strings.Join(texts, "; "))
	if e.Code == "INVALID_FIELD" && unfilterable().MatchString(e.Detail.Reveal()) {
		e.why = "a field of the query cannot be filtered; one that Shield encrypts can be, if its encryption is deterministic"
	}
	if clash := clashPattern().FindStringSubmatch(e.Detail.Reveal()); clash != nil && e.Code == "DUPLICATE_VALUE" {
		if !slices.Contains(e.Fields, clash[1]) {
			e.Fields = append(e.Fields, clash[1])
		}
		e.Matches = append(e.Matches, clash[2])
	}
}

// faultCode gives a code that is safe to print: one word without a long number, so that neither an NHS number nor
// a sentence can stand in it.
func faultCode(fault fhir.Node) string {
	for _, name := range []string{"errorCode", "statusCode", "error"} {
		if code := fault.Get(name); code.Kind() == fhir.String && codePattern().MatchString(code.Text()) {
			return strings.Clone(code.Text())
		}
	}
	return ""
}

func matches(result fhir.Node) []string {
	var out []string
	for rule := range result.Get("matchResults").Items() {
		for match := range rule.Get("matchRecords").Items() {
			if id := match.Get("record").Get("Id").Text(); idPattern().MatchString(id) && !slices.Contains(out, id) {
				out = append(out, strings.Clone(id))
			}
		}
	}
	return out
}
