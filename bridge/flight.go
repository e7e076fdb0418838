package bridge

import (
	"context"
	"time"
)

const (
	BatchSize  = 200              // rows a call: the limit of sObject Collections
	FlightTime = 20 * time.Second // to let a call in flight end after a stop
	// LateCommit is how long after it was begun an attempt may still take effect: two minutes for the call itself, ten in which
	// Salesforce may still commit what it has begun, and one for clocks.
	LateCommit = 13 * time.Minute
)

// InFlight returns a context that outlives ctx by d, and has no limit as long as nobody stops ctx.
func InFlight(ctx context.Context, d time.Duration) (context.Context, context.CancelFunc) {
	sending, cancel := context.WithCancel(context.WithoutCancel(ctx))
	stop := context.AfterFunc(ctx, func() { time.AfterFunc(d, cancel) })
	return sending, func() { stop(); cancel() }
}
