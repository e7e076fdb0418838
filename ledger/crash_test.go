package ledger

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// A crash test runs the test binary once more: it opens the ledger of the parent, does one thing and kills itself at a
// named point.
const (
	crashPath = "LEDGER_CRASH_PATH"
	crashAt   = "LEDGER_CRASH_AT"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(crashPath); path != "" {
		fmt.Println(crash(path, os.Getenv(crashAt)))
		os.Exit(1) // a child that lives to tell did not reach its point
	}
	os.Exit(m.Run())
}

// die ends the process at a point, as a power cut would.
func die(at string) func(point string) {
	return func(point string) {
		if point == at {
			self, err := os.FindProcess(os.Getpid())
			if err == nil {
				_ = self.Kill()
				select {} // the signal is on its way
			}
		}
	}
}

func crash(path, at string) error {
	ctx := context.Background()
	if strings.HasPrefix(at, "version ") {
		db, err := openSQLite(path, false)
		if err != nil {
			return err
		}
		_, err = db.Exec(`PRAGMA cache_size = 1`) // changed pages go to the log before their transaction ends
		return errors.Join(err, migrate(ctx, db, schema, migration{now: start(), reached: die(at)}))
	}
	l, err := Open(ctx, Options{Path: path, Key: testKey(), Now: start})
	if err != nil {
		return err
	}
	l.hook = die(at)
	return errors.Join(l.Spend(ctx, "a008", "2026-03-29", 2), intend(ctx, l, crashIntents()), l.Settle(ctx, crashSettlements()))
}

func crashIntents() []Intent {
	return []Intent{{ID: "op", Source: "ers", Ref: ref("1", "5"), Object: "Account", Key: "k", Digest: "d"}}
}

func crashSettlements() []Settlement {
	return []Settlement{{Source: "ers", Ref: ref("1", "5"), Fate: Applied, Known: &Known{Digest: "d"},
		Images: imagesOf(record("Account", "k")), Intents: []string{"op"}}}
}

func TestAKilledProcessLeavesEachTransactionWholeOrUndone(t *testing.T) {
	if testing.Short() {
		t.Skip("starts processes")
	}
	type after struct {
		spent, unresolved, links int
		fate                     Fate
	}
	for _, c := range []struct {
		at   string
		want after
	}{
		{"spend begun", after{0, 0, 0, Pending}},
		{"spend written", after{0, 0, 0, Pending}},
		{"spend committed", after{1, 0, 0, Pending}},
		{"intend begun", after{1, 0, 0, Pending}},
		{"intend written", after{1, 0, 0, Pending}},
		{"intend committed", after{1, 1, 0, Pending}}, // nothing was sent, but nobody can know that
		{"settle begun", after{1, 1, 0, Pending}},
		{"settle written", after{1, 1, 0, Pending}},
		{"settle committed", after{1, 0, 2, Applied}},
	} {
		w := newWorld(t)
		w.observe(Sighting{Ref: ref("1", "5"), Body: body("1", "5", "active")})
		require.NoError(t, w.Close())
		kill(t, w.path, c.at)
		w.open()

		got := after{links: len(w.chain())}
		for w.Spend(t.Context(), "a008", "2026-03-29", 2) == nil {
			got.spent++
		}
		got.spent = 2 - got.spent
		unresolved, err := w.Unresolved(t.Context())
		require.NoError(t, err)
		got.unresolved = len(unresolved)
		entries, err := w.Entries(t.Context(), Filter{})
		require.NoError(t, err)
		require.Len(t, entries, 1)
		got.fate = entries[0].Fate
		assert.Equal(t, c.want, got, c.at)
		w.statement()
		assert.NoError(t, w.Verify(t.Context()), c.at)

		// It goes on from there: intending and settling again is doing it once.
		w.must(intend(t.Context(), w.Ledger, crashIntents()))
		w.must(w.Settle(t.Context(), crashSettlements()))
		assert.Equal(t, Statement{Observed: 1, Applied: 1}, w.statement())
		assert.NoError(t, w.Verify(t.Context()), c.at)
	}
}

func kill(t *testing.T, path, at string) {
	t.Helper()
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	cmd := exec.CommandContext(ctx, os.Args[0])
	cmd.Env = append(os.Environ(), crashPath+"="+path, crashAt+"="+at)
	out, err := cmd.CombinedOutput()
	var exit *exec.ExitError
	require.ErrorAs(t, err, &exit)
	require.Equal(t, -1, exit.ExitCode(), "%s: ended by itself: %s", at, out)
}
