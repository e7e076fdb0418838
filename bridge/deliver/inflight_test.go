package deliver

import (
	"context"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge"
)

func TestFinding_SEC20_WritingDownHasALimitOnlyAfterAStop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		ctx, stop := context.WithCancel(t.Context())
		settling, done := bridge.InFlight(ctx, settleTime)
		defer done()
		time.Sleep(time.Hour)
		assert.NoError(t, settling.Err(), "nobody stopped it, however much there is")
		stop()
		time.Sleep(settleTime - time.Second)
		assert.NoError(t, settling.Err(), "what is known is written down")
		time.Sleep(2 * time.Second)
		assert.Error(t, settling.Err())
	})
}
