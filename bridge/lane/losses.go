package lane

import (
	"fmt"

	"refbridge/bridge"
)

// When so much of a lane is lost at once, it is the lane: a wrong base_url, a lost permission or a gateway answers like
// this, and must not close a hospital's referrals.
const (
	lostInARow = 10 // records that are not visible or deleted, one after the other
	lostShare  = 20 // one in so many of the lane's records (5 %), and
	lostAtOnce = 5  // at least so many: a small lane may lose a record or two
	lostAll    = 3  // every record of a lane, where it has at least so many, and none of them deleted
)

// losses counts what a round of reading did not find, for the first time, of what the lane has.
type losses struct {
	records int // live records of the lane, or those to be read, whichever are more
	missing int // not visible (404)
	deleted int // by the source's own word
	run     int // missing or deleted, one after the other up to now
}

// tooMany reports whether it is the lane that is lost and not its records.
func (l losses) tooMany() bool {
	lost := l.missing + l.deleted
	return l.run >= lostInARow || lost >= lostAtOnce && lost*lostShare > l.records || l.missing >= lostAll && l.missing >= l.records
}

// LostError halts a lane of which too much is not visible or deleted at once. Nothing of it is settled.
type LostError struct {
	Source                    string
	Records, Missing, Deleted int
	Run                       int
}

// Error says what was not found, of how many.
func (e *LostError) Error() string {
	return fmt.Sprintf("%v: of %d live records of %s, %d are not visible and %d deleted (%d in a row): this looks like a wrong address, "+
		"a lost permission or a gateway, not like so many deletions; nothing was settled, and nothing of it changes in Salesforce",
		bridge.ErrHalted, e.Records, e.Source, e.Missing, e.Deleted, e.Run)
}

// Unwrap says that the lane halted.
func (e *LostError) Unwrap() error { return bridge.ErrHalted }
