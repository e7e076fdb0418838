package rest

import (
	"bytes"
	"compress/gzip"
	"context"
	"fmt"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// packed returns text as gzip.
func packed(t testing.TB, text string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := gzip.NewWriter(&b)
	_, err := z.Write([]byte(text))
	require.NoError(t, err)
	require.NoError(t, z.Close())
	return b.Bytes()
}

// answering is a server that writes the same bytes to every request and hangs up.
func answering(t testing.TB, raw []byte) (base string, calls *int) {
	t.Helper()
	calls = new(int)
	s := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		*calls++
		conn, _, err := w.(http.Hijacker).Hijack()
		if assert.NoError(t, err) {
			conn.Write(raw)
			conn.(*net.TCPConn).CloseWrite()
			conn.Close()
		}
	}))
	t.Cleanup(s.Close)
	return s.URL + "/R4", calls
}

func TestOfAnAnswerThatWasCutOnItsWayNothingIsUsed(t *testing.T) {
	whole := searchPage("", patient("a"), patient("b"))
	zip := packed(t, whole)
	wrongSum := bytes.Clone(zip)
	wrongSum[len(wrongSum)-6] ^= 1 // in the checksum: every byte of the page comes out right
	const head = "HTTP/1.1 200 OK\r\nContent-Type: application/fhir+json\r\nConnection: close\r\n"
	chunk := func(b []byte) string { return fmt.Sprintf("%x\r\n%s\r\n", len(b), b) }
	for what, raw := range map[string]string{
		"shorter than its length":      head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(whole)+10, whole),
		"cut within its length":        head + fmt.Sprintf("Content-Length: %d\r\n\r\n%s", len(whole), whole[:len(whole)-40]),
		"without its last chunk":       head + "Transfer-Encoding: chunked\r\n\r\n" + chunk([]byte(whole)),
		"cut within a chunk":           head + "Transfer-Encoding: chunked\r\n\r\n" + chunk([]byte(whole))[:60],
		"packed, cut":                  head + "Content-Encoding: gzip\r\n\r\n" + string(zip[:len(zip)-20]),
		"packed, without its checksum": head + "Content-Encoding: gzip\r\n\r\n" + string(zip[:len(zip)-8]),
		"packed, of another checksum":  head + fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(zip), wrongSum),
		"packed, cut after its length": head + fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(zip)-9, zip[:len(zip)-9]),
		"of no length, cut":            head + "\r\n" + whole[:len(whole)-1],
		"of no length, cut in entry 2": head + "\r\n" + whole[:len(whole)-30],
	} {
		t.Run(what, func(t *testing.T) {
			base, calls := answering(t, []byte(raw))
			c, err := New(Config{BaseURL: base})
			require.NoError(t, err)
			c.pace.Sleep = func(context.Context, time.Duration) error { return nil }
			ids, bad, err := all(t.Context(), c, "Patient")
			var failure *Error
			require.ErrorAs(t, err, &failure)
			assert.Empty(t, ids)
			assert.Empty(t, bad)
			assert.NotZero(t, *calls)
			_, err = c.Page(t.Context(), "Patient", nil)
			assert.Error(t, err)
		})
	}
	base, _ := answering(t, []byte(head+fmt.Sprintf("Content-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", len(zip), zip)))
	c, err := New(Config{BaseURL: base})
	require.NoError(t, err)
	ids, _, err := all(t.Context(), c, "Patient")
	require.NoError(t, err, "whole")
	assert.Len(t, ids, 2)
}
