package erssim

import (
	"bytes"
	"crypto/rand"
	"encoding/json"
	"fmt"
	"io"
	"mime"
	"net/http"
	"strconv"
	"strings"
)

const (
	fhirJSON = "application/fhir+json"
	maxBody  = 1 << 20 // bytes of a request
)

// object is a JSON object that is being built.
type object = map[string]any

// list is a JSON array that is being built.
type list = []any

// endpoint is one operation of the API: how it is reached, its number in the NHS catalogue, and what answers it.
type endpoint struct {
	pattern, name string
	answer        func(*call) answer
}

// call is a request that passed the gate.
type call struct {
	*http.Request
	name string // A005
	base string // this server's FHIR base URL, as the client addressed it
	body []byte
}

func (c *call) ubrn() string { return c.PathValue("ubrn") }

// write tells whether the call changes a referral.
func (c *call) write() bool { return c.Method == http.MethodPost && c.ubrn() != "" }

// answer is a response before it is written.
type answer struct {
	status      int
	contentType string
	header      map[string]string
	body        []byte
	drop        bool // close the connection instead of answering
}

// empty is an answer without a body: what the gateway sends for 403 on banned headers, 404 and 429.
func empty(status int) answer { return answer{status: status} }

// plain is the text/plain answer of 406 and 415.
func plain(status int) answer {
	return answer{status: status, contentType: "text/plain; charset=utf-8", body: []byte(http.StatusText(status))}
}

// resource answers 200 with a FHIR resource; version 0 sends no ETag.
func resource(body object, version int) answer {
	a := answer{status: http.StatusOK, contentType: fhirJSON, body: encode(body)}
	if version > 0 {
		a.header = map[string]string{"ETag": fmt.Sprintf(`W/"%d"`, version)}
	}
	return a
}

// encode gives compact JSON without HTML escapes, as e-RS sends it.
func encode(v any) []byte {
	var b bytes.Buffer
	e := json.NewEncoder(&b)
	e.SetEscapeHTML(false)
	if err := e.Encode(v); err != nil {
		return nil // maps, slices, strings and numbers only: cannot fail
	}
	return bytes.TrimSuffix(b.Bytes(), []byte("\n"))
}

// outcome answers an eRS-OperationOutcome-1 (STU3).
func outcome(status int, code, diagnostics string) answer {
	issue := object{
		"severity": "error", "code": issueType(status),
		"details": object{"coding": list{object{
			"system": canonical("eRS-APIErrorCode-1"), "code": code, "display": sentence(code),
		}}},
	}
	if diagnostics != "" {
		issue["diagnostics"] = diagnostics
	}
	return answer{status: status, contentType: fhirJSON, body: encode(object{
		"resourceType": "OperationOutcome", "meta": profile("eRS-OperationOutcome-1"), "issue": list{issue},
	})}
}

func unprocessable(code, diagnostics string) answer {
	return outcome(http.StatusUnprocessableEntity, code, diagnostics)
}

// outcomeR4 answers the OperationOutcome of the R4 endpoints.
func outcomeR4(status int, code, diagnostics string) answer {
	return answer{status: status, contentType: fhirJSON, body: encode(object{
		"resourceType": "OperationOutcome",
		"issue": list{object{
			"severity": "error", "code": issueType(status), "diagnostics": diagnostics,
			"details": object{"coding": list{object{
				"system": "https://fhir.nhs.uk/CodeSystem/NHSD-API-ErrorOrWarningCode", "code": code,
			}}},
		}},
	})}
}

// apigee answers the gateway's own fault JSON, which is no FHIR.
func apigee(status int, code, text string) answer {
	return answer{status: status, contentType: "application/json", body: encode(object{
		"fault": object{"faultstring": text, "detail": object{"errorcode": code}},
	})}
}

func issueType(status int) string {
	switch status {
	case http.StatusUnauthorized:
		return "login"
	case http.StatusForbidden:
		return "forbidden"
	case http.StatusConflict:
		return "conflict"
	case http.StatusBadGateway:
		return "exception"
	case http.StatusServiceUnavailable:
		return "transient"
	case http.StatusGatewayTimeout:
		return "timeout"
	}
	return "value"
}

// sentence turns UNEXPECTED_FIELD into "Unexpected field".
func sentence(code string) string {
	words := strings.ToLower(strings.ReplaceAll(code, "_", " "))
	if words == "" {
		return ""
	}
	return strings.ToUpper(words[:1]) + words[1:]
}

// send writes the answer with the headers that e-RS puts on every response.
func (a answer) send(w http.ResponseWriter, r *http.Request) {
	if a.drop {
		hangUp(w)
		return
	}
	h := w.Header()
	h.Set("X-Request-ID", uuid())
	h.Set("Cache-Control", "no-cache")
	if id := r.Header.Get("X-Correlation-ID"); id != "" {
		h.Set("X-Correlation-ID", id)
	}
	for k, v := range a.header {
		h.Set(k, v)
	}
	if a.contentType != "" {
		h.Set("Content-Type", a.contentType)
	}
	h.Set("Content-Length", strconv.Itoa(len(a.body)))
	w.WriteHeader(a.status)
	_, _ = w.Write(a.body)
}

// hangUp closes the connection under the client; where that is not possible it answers an empty 502.
func hangUp(w http.ResponseWriter) {
	conn, _, err := http.NewResponseController(w).Hijack()
	if err != nil {
		w.WriteHeader(http.StatusBadGateway)
		return
	}
	_ = conn.Close()
}

// serverURL is the address under which the client reached this server.
func serverURL(r *http.Request) string {
	if r.TLS != nil {
		return "https://" + r.Host
	}
	return "http://" + r.Host
}

// accepts tells whether an Accept header allows FHIR JSON; none at all does.
func accepts(header []string) bool {
	if len(header) == 0 {
		return true
	}
	for part := range strings.SplitSeq(strings.Join(header, ","), ",") {
		typ, _, err := mime.ParseMediaType(part)
		if err == nil && (typ == fhirJSON || typ == "*/*" || typ == "application/*") {
			return true
		}
	}
	return false
}

// receive reads a request's body and checks its type; a body may be absent.
func receive(r *http.Request) ([]byte, answer, bool) {
	body, err := io.ReadAll(http.MaxBytesReader(nil, r.Body, maxBody))
	if err != nil {
		return nil, empty(http.StatusRequestEntityTooLarge), false
	}
	if len(body) == 0 {
		return nil, answer{}, true
	}
	if typ, _, err := mime.ParseMediaType(r.Header.Get("Content-Type")); err != nil || typ != fhirJSON {
		return nil, plain(http.StatusUnsupportedMediaType), false
	}
	return body, answer{}, true
}

// uuid gives a random RFC 4122 UUID.
func uuid() string {
	var b [16]byte
	_, _ = rand.Read(b[:]) // never fails (crypto/rand)
	return formatUUID(b)
}

func formatUUID(b [16]byte) string {
	b[6], b[8] = b[6]&0x0f|0x40, b[8]&0x3f|0x80
	return fmt.Sprintf("%x-%x-%x-%x-%x", b[:4], b[4:6], b[6:8], b[8:10], b[10:])
}
