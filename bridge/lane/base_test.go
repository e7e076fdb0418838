package lane_test

import (
	"bytes"
	"log/slog"
	"net/http"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"refbridge/bridge/bridgetest"
	"refbridge/ledger"
)

// base is what every world of these tests stands on: a ledger on disk, a log, a clock for all, and far ends in memory or on sockets.
type base struct {
	t     *testing.T
	mu    sync.Mutex
	clock time.Time         // of a world whose time stands still; zero = it runs
	shift time.Duration     // of a clock that runs
	tick  func()            // called whenever somebody looks at the clock; nil = nobody counts
	far   bridgetest.Memory // far ends without sockets; nil = sockets
	// through stands between the clients and the far ends in memory; nil = nothing does.
	through http.RoundTripper
	path    string
	log     *bytes.Buffer
	logger  *slog.Logger
	ledger  *ledger.Ledger
}

func (b *base) begin(t *testing.T, memory bool) {
	b.t, b.log, b.path = t, &bytes.Buffer{}, filepath.Join(t.TempDir(), "data", "ledger.db")
	b.logger = slog.New(slog.NewTextHandler(b.log, nil))
	if memory {
		b.far = bridgetest.Memory{}
	}
	b.openLedger()
	t.Cleanup(func() { _ = b.ledger.Close() })
}

func (b *base) openLedger() {
	var err error
	b.ledger, err = ledger.Open(b.t.Context(), ledger.Options{Path: b.path, Key: bytes.Repeat([]byte{7}, 32), Now: b.now})
	require.NoError(b.t, err)
}

func (b *base) now() time.Time {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.tick != nil {
		b.tick()
	}
	if b.clock.IsZero() {
		return time.Now().Add(b.shift)
	}
	return b.clock
}

// wait lets time pass for everybody.
func (b *base) wait(d time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.shift += d
	if !b.clock.IsZero() {
		b.clock = b.clock.Add(d)
	}
}

// days lets days pass.
func (b *base) days(n int) { b.wait(time.Duration(n) * 24 * time.Hour) }

// serve makes a far end reachable and returns its address.
func (b *base) serve(h http.Handler) string {
	b.t.Helper()
	if b.far == nil {
		return bridgetest.Socket(b.t, h)
	}
	return b.far.Serve(h)
}

// transport is how clients reach the far ends; nil = as they do.
func (b *base) transport() http.RoundTripper {
	switch {
	case b.far == nil:
		return nil
	case b.through != nil:
		return b.through
	}
	return b.far
}

// client calls the far ends as somebody else would.
func (b *base) client() *http.Client { return &http.Client{Transport: b.transport()} }

// statement sums up a ledger that is balanced and sound.
func (b *base) statement() ledger.Statement {
	b.t.Helper()
	s, err := b.ledger.Statement(b.t.Context())
	require.NoError(b.t, err)
	require.True(b.t, s.Balanced(), "%+v", s)
	require.NoError(b.t, b.ledger.Verify(b.t.Context()))
	return s
}

// entriesOf returns what is in a fate.
func (b *base) entriesOf(source string, fates ...ledger.Fate) []ledger.Entry {
	b.t.Helper()
	list, err := b.ledger.Entries(b.t.Context(), ledger.Filter{Source: source, Fates: fates})
	require.NoError(b.t, err)
	return list
}
