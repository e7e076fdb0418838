package bridge

import (
	"context"

	"refbridge/ledger"
)

// inbox is where a poll leaves what a source said, before anything else happens with it.
type inbox interface {
	cursor(ctx context.Context, name string) (string, error)
	// receive keeps an answer and moves a cursor, both or neither. Of an answer without a body there is only the cursor.
	receive(ctx context.Context, a ledger.Answer, c ledger.Cursor) error
	// news reports which sightings say something that was not observed before.
	news(ctx context.Context, seen []ledger.Sighting) ([]bool, error)
}
