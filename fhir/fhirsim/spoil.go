package fhirsim

import (
	"bytes"
	"compress/gzip"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
)

func badKinds() []string {
	return []string{"duplicate-key", "lone-surrogate", "latin-1", "empty-resource", "empty-entry", "no-id"}
}

// spoiled is the body of a version as the faults in force send it.
func (s *Server) spoiled(ref string, v version) []byte {
	body := v.body
	if n := s.faults.Big[ref]; n > 0 {
		body = insert(body, narrative(strings.Repeat("x", n<<20)))
	}
	switch s.faults.Bad[ref] {
	case "duplicate-key":
		return insert(body, `"language":"en-GB","language":"en",`)
	case "lone-surrogate":
		return insert(body, narrative(`\ud83d`))
	case "latin-1":
		return insert(body, narrative("caf\xe9"))
	case "empty-resource", "empty-entry":
		return []byte("{}")
	case "no-id":
		rest := object{}
		for k, value := range v.resource {
			rest[k] = value
		}
		delete(rest, "id")
		body, _ = json.Marshal(rest) // made of JSON only
	}
	return body
}

func insert(body []byte, members string) []byte {
	return append([]byte("{"+members), body[1:]...)
}

func narrative(text string) string {
	return `"text":{"status":"generated","div":"<div xmlns=\"http://www.w3.org/1999/xhtml\">` + text + `</div>"},`
}

// spoilPage puts the spoiled bodies of a page's records in place of the right ones.
func (s *Server) spoilPage(page []byte, hits []hit) []byte {
	for _, h := range hits {
		right, wrong := h.version().body, s.spoiled(h.record.ref, h.version())
		if s.faults.Bad[h.record.ref] == "empty-entry" {
			page = bytes.Replace(page, emptied(page, right), wrong, 1)
			continue
		}
		page = bytes.Replace(page, right, wrong, 1)
	}
	return page
}

// emptied is the whole entry around a resource: {"fullUrl":…,"resource":…,"search":{"mode":"match"}}.
func emptied(page, resource []byte) []byte {
	at := bytes.Index(page, resource)
	from := bytes.LastIndex(page[:at], []byte(`{"fullUrl"`))
	end := at + len(resource)
	return page[from : end+bytes.Index(page[end:], []byte("}}"))+2]
}

// cut runs the right answer and breaks it off, where a fault in force says so; it reports whether it did.
func (s *Server) cut(w http.ResponseWriter, r *http.Request, call string, next http.HandlerFunc) bool {
	i := slices.IndexFunc(s.faults.Next, func(f Fault) bool { return f.Cut != "" && s.fits(f, r, call) })
	if i < 0 {
		return false
	}
	how := s.spend(i).Cut
	whole := httptest.NewRecorder()
	next(whole, r)
	if how == "gzip" {
		cutGzip(w, whole)
		return true
	}
	conn, out, err := http.NewResponseController(w).Hijack()
	if err != nil {
		return true
	}
	defer conn.Close()
	body := whole.Body.Bytes()
	part := body[:len(body)*2/3]
	fmt.Fprintf(out, "HTTP/1.1 %d %s\r\nContent-Type: %s\r\nDate: %s\r\n", whole.Code, http.StatusText(whole.Code),
		whole.Header().Get("Content-Type"), s.now().Format(http.TimeFormat))
	if how == "length" {
		fmt.Fprintf(out, "Content-Length: %d\r\n\r\n%s", len(body), part)
	} else {
		fmt.Fprintf(out, "Transfer-Encoding: chunked\r\n\r\n%x\r\n%s\r\n", len(part), part)
	}
	out.Flush()
	return true
}

// cutGzip sends a gzip stream without its end: HTTP sees a complete body.
func cutGzip(w http.ResponseWriter, whole *httptest.ResponseRecorder) {
	var packed bytes.Buffer
	z := gzip.NewWriter(&packed)
	z.Write(whole.Body.Bytes())
	z.Close()
	w.Header().Set("Content-Type", whole.Header().Get("Content-Type"))
	w.Header().Set("Content-Encoding", "gzip")
	w.WriteHeader(whole.Code)
	w.Write(packed.Bytes()[:packed.Len()*2/3])
}
