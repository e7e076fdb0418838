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

func TestHowLongACallIsPatient(t *testing.T) {
	broken, busy := Failure{Again: true}, Failure{Again: true, Busy: true}
	asks := func(f Failure, wait time.Duration) Failure { f.Asked = wait; return f }
	const never = -1
	for _, c := range []struct {
		what  string
		fails []Failure
		waits []time.Duration // never: not sent again
	}{
		{"a fault that may pass", []Failure{broken, broken, broken}, []time.Duration{time.Second, 2 * time.Second, never}},
		{"a refusal", []Failure{{}}, []time.Duration{never}},
		{"a fault that asks for a pause", []Failure{asks(broken, 5*time.Second), broken}, []time.Duration{5 * time.Second, 2 * time.Second}},
		{"a fault that asks for more than a call waits", []Failure{asks(broken, 2*time.Minute)}, []time.Duration{never}},
		{"too many calls", []Failure{asks(busy, 24*time.Second), busy, asks(busy, time.Second)}, []time.Duration{24 * time.Second, 2 * time.Second, 4 * time.Second}},
		{"too many calls, and nothing said", []Failure{busy, busy, busy, busy, busy, busy}, []time.Duration{1e9, 2e9, 4e9, 8e9, 16e9, never}},
		{"too many calls, of a call that is not repeated", []Failure{{Busy: true}}, []time.Duration{never}},
		{"both count apart", []Failure{broken, busy, broken, busy, broken}, []time.Duration{time.Second, time.Second, 2 * time.Second, 2 * time.Second, never}},
		{"longer than a call waits", []Failure{asks(busy, time.Hour)}, []time.Duration{never}},
		{"together longer than a call waits", []Failure{asks(busy, 40*time.Second), asks(busy, 40*time.Second)}, []time.Duration{40 * time.Second, never}},
	} {
		p := patience{longest: time.Minute}
		for i, f := range c.fails {
			wait, again := p.next(f)
			if !again {
				wait = never
			}
			assert.Equal(t, c.waits[i], wait, "%s, %d", c.what, i)
		}
	}
	assert.Equal(t, longBackoff, backoff(50))
}

func TestAReadIsRepeatedAndItsWaitsAreTold(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		fault := errors.New("fault")
		var told []time.Duration
		p := NewPace(0, time.Minute, func(err error, wait time.Duration) {
			assert.Equal(t, fault, err)
			told = append(told, wait)
		})
		tries, begin := 0, time.Now()
		err := p.Try(t.Context(), func() error { tries++; return fault }, func(error) Failure { return Failure{Again: true} })
		assert.Equal(t, fault, err)
		assert.Equal(t, Attempts, tries)
		require.Len(t, told, 2)
		assert.Equal(t, told[0]+told[1], time.Since(begin))
		assert.True(t, told[0] >= time.Second/2 && told[0] <= time.Second && told[1] >= time.Second && told[1] <= 2*time.Second, "%v", told)

		ctx, stop := context.WithCancel(t.Context())
		err = p.Try(ctx, func() error { stop(); return fault }, func(error) Failure { return Failure{Again: true} })
		assert.ErrorIs(t, err, context.Canceled)
		err = p.Try(ctx, func() error { return fault }, func(error) Failure { return Failure{} })
		assert.Equal(t, fault, err, "what is not repeated is told as it is")
		assert.NoError(t, p.Try(ctx, func() error { return nil }, nil))
	})
}

func TestABusyFarEndHoldsEveryCall(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(0, time.Minute, func(error, time.Duration) {})
		begin := time.Now()
		p.Hold(30 * time.Second)
		p.Hold(time.Second) // a shorter one changes nothing
		var all sync.WaitGroup
		for range 3 {
			all.Go(func() { assert.NoError(t, p.Ready(t.Context())) })
		}
		all.Wait()
		assert.Equal(t, 30*time.Second, time.Since(begin))

		p.Hold(10 * time.Minute)
		err := p.Ready(t.Context())
		var paused *Paused
		require.ErrorAs(t, err, &paused, "a longer pause is the caller's to keep")
		assert.Equal(t, 10*time.Minute, paused.Left)
		assert.EqualError(t, err, "not sent: the far end asked for a pause, 10m0s of which are left")

		busy := 0
		_ = p.Try(t.Context(), func() error { return errors.New("429") }, func(error) Failure {
			busy++
			return Failure{Busy: true, Asked: 20 * time.Minute}
		})
		assert.Equal(t, 1, busy)
		require.ErrorAs(t, p.Ready(t.Context()), &paused, "also after a call that is not repeated")
		assert.Equal(t, 20*time.Minute, paused.Left)
	})
}

func TestCallsAreEvenlySpaced(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(4, time.Minute, func(error, time.Duration) {})
		begin := time.Now()
		for range 5 {
			require.NoError(t, p.Ready(t.Context()))
		}
		assert.InDelta(t, time.Second, time.Since(begin), float64(time.Millisecond))
		short, stop := context.WithTimeout(t.Context(), time.Millisecond)
		defer stop()
		assert.ErrorIs(t, p.Ready(short), context.DeadlineExceeded, "its turn would come too late")
		ended, end := context.WithCancel(t.Context())
		end()
		assert.ErrorIs(t, p.Ready(ended), context.Canceled)
		p.Hold(time.Second)
		brief, stop := context.WithTimeout(t.Context(), 500*time.Millisecond)
		defer stop()
		assert.ErrorIs(t, p.Ready(brief), context.DeadlineExceeded)
	})
}

func TestAPauseBetweenAttemptsIsAsLongAsTheFarEndAsks(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		p := NewPace(0, time.Minute, nil)
		begin := time.Now()
		require.NoError(t, p.Pause(t.Context(), 1, 3*time.Second))
		assert.Equal(t, 3*time.Second, time.Since(begin))
		require.NoError(t, p.Pause(t.Context(), 2, 0))
		assert.LessOrEqual(t, time.Since(begin), 5*time.Second)
	})
}
