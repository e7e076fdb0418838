// Package source reads e-RS and FHIR servers for a lane: a poll leaves answers in an inbox, sightings are read from them, and records are
// read and normalised to R4. It writes nothing but the operations that it is asked to invoke.
package source

import (
	"context"

	"refbridge/ledger"
)

// Inbox is where a poll leaves what a source said, before anything else happens with it.
type Inbox interface {
	Cursor(ctx context.Context, name string) (string, error)
	// receive keeps an answer and moves a cursor, both or neither. Of an answer without a body there is only the cursor.
	Receive(ctx context.Context, a ledger.Answer, c ledger.Cursor) error
	// news reports which sightings say something that was not observed before.
	News(ctx context.Context, seen []ledger.Sighting) ([]bool, error)
}
