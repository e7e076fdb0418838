package sfdcsim

import (
	"encoding/json"
	"net/http"
	"strings"
)

// apiError is one refusal, before it is known whether it goes out as an element of the REST array (errorCode) or as
// an element of a collections result (statusCode).
type apiError struct {
	status    int
	code      string
	message   string
	fields    []string       // nil: the answer has no fields member
	duplicate map[string]any // duplicateResult of a duplicate rule
	plain     bool           // duplicateResult stays out of collections results
}

func refuse(code, message string, fields ...string) *apiError {
	if fields == nil {
		fields = []string{}
	}
	return &apiError{status: http.StatusBadRequest, code: code, message: message, fields: fields}
}

func bare(status int, code, message string) *apiError {
	return &apiError{status: status, code: code, message: message}
}

func notFound() *apiError {
	return bare(http.StatusNotFound, "NOT_FOUND", "The requested resource does not exist")
}

func notAllowed(method string, allowed ...string) *apiError {
	return bare(http.StatusMethodNotAllowed, "METHOD_NOT_ALLOWED",
		"HTTP Method '"+method+"' not allowed. Allowed are "+strings.Join(allowed, ","))
}

func noColumn(name, object string) *apiError {
	return bare(http.StatusBadRequest, "INVALID_FIELD", "No such column '"+name+"' on sobject of type "+object)
}

// rest is the element of the array that the REST API answers with.
func (e *apiError) rest() map[string]any {
	out := map[string]any{"errorCode": e.code, "message": e.message}
	if e.fields != nil {
		out["fields"] = e.fields
	}
	if e.duplicate != nil {
		delete(out, "fields")
		out["duplicateResult"] = e.duplicate
	}
	return out
}

// result is the element of errors in a collections result.
func (e *apiError) result() map[string]any {
	fields := e.fields
	if fields == nil {
		fields = []string{}
	}
	out := map[string]any{"statusCode": e.code, "message": e.message, "fields": fields}
	if e.duplicate != nil && !e.plain {
		out["duplicateResult"] = e.duplicate
	}
	return out
}

// response is an answer of the REST API, or of one subrequest.
type response struct {
	status  int
	headers map[string]string
	body    any // nil: no body
}

func failed(e *apiError) response { return response{status: e.status, body: []any{e.rest()}} }

func (r response) ok() bool { return r.status < 300 }

func writeError(w http.ResponseWriter, e *apiError) { writeResponse(w, failed(e)) }

func writeResponse(w http.ResponseWriter, r response) {
	for k, v := range r.headers {
		w.Header().Set(k, v)
	}
	if r.body == nil {
		w.WriteHeader(r.status)
		return
	}
	w.Header().Set("Content-Type", "application/json;charset=UTF-8")
	w.WriteHeader(r.status)
	enc := json.NewEncoder(w)
	enc.SetEscapeHTML(false)
	_ = enc.Encode(r.body) // the peer may be gone; nothing else can be done
}
