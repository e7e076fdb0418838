package bridgetest

import (
	"bufio"
	"context"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"testing"
)

// Memory carries HTTP calls to handlers of the same process: the real clients and the far ends of the tests, with no socket between
// them. The keys are hosts.
type Memory map[string]http.Handler

// Serve adds a far end and returns its address.
func (m Memory) Serve(h http.Handler) string {
	host := net.JoinHostPort("127.0.0.1", strconv.Itoa(len(m)+1))
	m[host] = h
	return "http://" + host
}

// RoundTrip lets the handler of the host answer. A far end that hijacks its connection has broken it off.
func (m Memory) RoundTrip(r *http.Request) (*http.Response, error) {
	if err := r.Context().Err(); err != nil {
		return nil, err
	}
	h, ok := m[r.URL.Host]
	if !ok {
		return nil, &net.OpError{Op: "dial", Net: "memory", Err: net.UnknownNetworkError(r.URL.Host)}
	}
	in := r.Clone(context.WithoutCancel(r.Context()))
	in.RequestURI, in.Host, in.RemoteAddr = r.URL.RequestURI(), r.URL.Host, "127.0.0.1:9"
	if in.Body == nil {
		in.Body = http.NoBody
	}
	out := answer{ResponseRecorder: httptest.NewRecorder()}
	h.ServeHTTP(&out, in)
	if out.broken {
		return nil, io.ErrUnexpectedEOF
	}
	res := out.Result()
	res.Request = r
	return res, nil
}

// answer is what a handler writes.
type answer struct {
	*httptest.ResponseRecorder
	broken bool
}

// Hijack breaks the answer off.
func (a *answer) Hijack() (net.Conn, *bufio.ReadWriter, error) {
	a.broken = true
	near, far := net.Pipe()
	go func() { _, _ = io.Copy(io.Discard, far) }()
	return near, bufio.NewReadWriter(bufio.NewReader(near), bufio.NewWriter(near)), nil
}

// Socket serves a far end over TCP and returns its address: a scenario, which the short tests leave out.
func Socket(t *testing.T, h http.Handler) string {
	t.Helper()
	if testing.Short() {
		t.Skip("opens a socket")
	}
	s := httptest.NewServer(h)
	t.Cleanup(s.Close)
	return s.URL
}
