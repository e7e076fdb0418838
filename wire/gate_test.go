package wire

import (
	"context"
	"errors"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestOneCallerFetchesAndTheOthersTakeWhatItGot(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, fetched := NewGate[string](), 0
		fetch := func(context.Context) (string, error) {
			fetched++
			time.Sleep(time.Second)
			return "token", nil
		}
		var all sync.WaitGroup
		for range 9 {
			all.Go(func() {
				got, err := g.Get(t.Context(), func(string) bool { return true }, fetch)
				assert.NoError(t, err)
				assert.Equal(t, "token", got)
			})
		}
		all.Wait()
		assert.Equal(t, 1, fetched)
		_, err := g.Get(t.Context(), func(string) bool { return false }, fetch)
		require.NoError(t, err)
		assert.Equal(t, 2, fetched, "one that is not good is fetched anew")
	})
}

func TestARefusalIsSharedByThoseWhoWaitedAndTriedAgainByThoseWhoComeLater(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g, fetched, refused := NewGate[string](), 0, errors.New("refused")
		fetch := func(context.Context) (string, error) {
			fetched++
			time.Sleep(time.Second)
			return "", refused
		}
		var all sync.WaitGroup
		for range 5 {
			all.Go(func() {
				_, err := g.Get(t.Context(), func(string) bool { return true }, fetch)
				assert.Equal(t, refused, err)
			})
		}
		all.Wait()
		assert.Equal(t, 1, fetched)
		_, err := g.Get(t.Context(), func(string) bool { return true }, fetch)
		assert.Equal(t, refused, err)
		assert.Equal(t, 2, fetched)
	})
}

func TestACallerThatGivesUpSaysNothingToTheOthers(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		g := NewGate[string]()
		ctx, stop := context.WithCancel(t.Context())
		var all sync.WaitGroup
		all.Go(func() {
			_, err := g.Get(ctx, nil, func(ctx context.Context) (string, error) {
				<-ctx.Done()
				return "", ctx.Err()
			})
			assert.ErrorIs(t, err, context.Canceled)
		})
		synctest.Wait()
		all.Go(func() {
			_, err := g.Get(ctx, nil, nil)
			assert.ErrorIs(t, err, context.Canceled, "one that waits gives up too")
		})
		all.Go(func() {
			got, err := g.Get(t.Context(), nil, func(context.Context) (string, error) { return "token", nil })
			assert.NoError(t, err)
			assert.Equal(t, "token", got)
		})
		synctest.Wait()
		stop()
		all.Wait()
	})
}
