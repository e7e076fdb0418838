package lane_test

import (
	"context"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/ledger"
)

// tired is a context that ends when it has been asked so often: before each statement of the ledger and each call of a far end somebody
// asks it.
type tired struct {
	context.Context
	stop context.CancelFunc
	left atomic.Int64
}

func endsAfter(t *testing.T, asked int64) *tired {
	ctx, stop := context.WithCancel(t.Context())
	out := &tired{Context: ctx, stop: stop}
	out.left.Store(asked)
	return out
}

func (c *tired) Done() <-chan struct{} {
	if c.left.Add(-1) < 0 {
		c.stop()
	}
	return c.Context.Done()
}

func (c *tired) Err() error {
	if c.left.Add(-1) < 0 {
		c.stop()
	}
	return c.Context.Err()
}

func TestAStopAtAnyMomentLosesAndDoublesNothing(t *testing.T) {
	s := setting{memory: true, referrals: 20, ward: 12, permits: accepting()}
	// lives is a day: everything is polled and applied, a booking is accepted in Salesforce, and e-RS is asked and told.
	lives := func(w *world, ctx context.Context) error {
		if err := w.eRS.Poll(ctx); err != nil {
			return err
		}
		if err := w.ward.Poll(ctx); err != nil {
			return err
		}
		if _, err := w.eRS.Sync(ctx); err != nil {
			return err
		}
		_, err := w.ward.Sync(ctx)
		return err
	}
	calm := newWorld(t, s)
	require.NoError(t, lives(calm, t.Context()))
	want := calm.statement()
	stopped := 0
	for n := int64(3); ; n += n/3 + 1 {
		w := newWorld(t, s)
		ctx := endsAfter(t, n)
		err := lives(w, ctx)
		if err == nil {
			break
		}
		stopped++
		require.ErrorIs(t, err, context.Canceled, "after %d questions", n)
		for range 2 {
			w.days(1) // what was in flight is past its deadline, and the ration of worklists is whole again
			w.run(w.eRS)
			w.run(w.ward)
		}
		got := w.statement()
		assert.Equal(t, want.Applied, got.Applied, "after %d questions", n)
		assert.Empty(t, w.entriesOf("ers", ledger.Pending, ledger.Unknown), "after %d questions", n)
		assert.Len(t, w.org.Rows(referral), len(calm.org.Rows(referral)), "after %d questions", n)
		assert.Len(t, w.org.Rows("ServiceAppointment"), len(calm.org.Rows("ServiceAppointment")), "after %d questions", n)
	}
	assert.Greater(t, stopped, 10)
}
