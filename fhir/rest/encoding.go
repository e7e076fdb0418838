package rest

import (
	"bytes"
	"fmt"

	"github.com/go-resty/resty/v2"

	"refbridge/fhir"
)

// errUTF16 is of an answer that no reader of JSON reads, whatever is in it.
var errUTF16 = fmt.Errorf("%w: the answer is in UTF-16 or UTF-32, and JSON that systems exchange is UTF-8 (RFC 8259, section 8.1): "+
	"set the server to UTF-8", fhir.ErrSyntax)

// unmarked is a body without the mark of UTF-8 that some servers put before it: a reader may ignore it (RFC 8259, section 8.1).
func unmarked(body []byte) []byte { return bytes.TrimPrefix(body, []byte("\xef\xbb\xbf")) }

// unmark takes the mark of UTF-8 off each answer, also off what a server says went wrong.
func unmark(_ *resty.Client, answer *resty.Response) error {
	answer.SetBody(unmarked(answer.Body()))
	return nil
}

// utf8Only fails where a body begins with the mark of another encoding, or as JSON does in one: a zero byte stands in no JSON text.
func utf8Only(body []byte) error {
	head := body[:min(4, len(body))]
	if bytes.HasPrefix(head, []byte{0xff, 0xfe}) || bytes.HasPrefix(head, []byte{0xfe, 0xff}) || bytes.IndexByte(head, 0) >= 0 {
		return errUTF16
	}
	return nil
}
