package ledger

import (
	"context"
	"errors"
	"fmt"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestEightGoroutinesShareALedgerWithoutErrorsOrLostCounts(t *testing.T) {
	w := newWorld(t)
	var spent atomic.Int64
	var wg sync.WaitGroup
	failures := make(chan error, 1000)
	for g := range 8 {
		wg.Go(func() { failures <- w.walk(t.Context(), g, &spent) })
	}
	wg.Wait()
	close(failures)
	for err := range failures {
		require.NoError(t, err)
	}
	assert.EqualValues(t, 50, spent.Load())
	assert.Equal(t, Statement{Observed: 80, Applied: 80}, w.statement())
	assert.NoError(t, w.Verify(t.Context()))
}

// walk takes ten referrals of its own through their whole life, spending, reading and looking at the statement on the
// way.
func (w *world) walk(ctx context.Context, g int, spent *atomic.Int64) error {
	for i := range 10 {
		r := ref(fmt.Sprintf("%d-%d", g, i))
		err := w.Spend(ctx, "shared", "day", 50)
		if err == nil {
			spent.Add(1)
		}
		if errors.Is(err, ErrSpent) {
			err = nil
		}
		err = errors.Join(err, w.Observe(ctx, Answer{Source: "ers"}, []Sighting{{Ref: r}}))
		_, kept := w.Keep(ctx, "ers", ref(r.ID, "1"), body(r.ID, "1", "active"))
		_, due := w.Due(ctx, "ers", Turn{Limit: 3})
		s, counted := w.Statement(ctx)
		if !s.Balanced() {
			counted = fmt.Errorf("not balanced: %+v", s)
		}
		op := Intent{ID: r.ID, Source: "ers", Ref: ref(r.ID, "1")}
		err = errors.Join(err, kept, due, counted, intend(ctx, w.Ledger, []Intent{op}),
			w.Settle(ctx, []Settlement{{Source: "ers", Ref: ref(r.ID, "1"), Fate: Applied, Intents: []string{r.ID}}}))
		if err != nil {
			return err
		}
	}
	return nil
}
