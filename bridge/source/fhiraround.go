package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"refbridge/fhir/rest"
	"refbridge/wire"
)

// smallPage is how many records a page is asked for at least before it is taken for garbage: it cannot have more bad entries
// than a page may have.
const smallPage = 12

// around finds a way past a page that does not come: smaller pages, down to one record; past a record that does not come even
// alone; and where more rows have one stamp than the server can page through, by their ids. nil: it has found one.
func (s *search) around(ctx context.Context, st stretch, failed error) error {
	var ours unstoppable
	switch {
	case errors.As(failed, &ours):
		return ours.error
	case ctx.Err() != nil || !rest.OfPage(failed):
		return failed
	case st.pages > 0 && !st.links && !errors.Is(failed, wire.ErrTooLarge):
		return s.sameStamp(ctx, failed)
	case s.count > 1 && !(st.links && st.pages > 0):
		s.count /= 2
		if errors.Is(failed, wire.ErrTimeout) {
			s.count = max(1, s.count/8) // a second page that takes its whole time would look like a server that hangs
			s.server.most = s.count
		}
		return nil
	case st.links:
		return failed
	}
	return s.named(ctx, failed)
}

// sameStamp reads all rows that have the stamp of the key, in the order of their ids, until a pass brings nothing new, and moves
// the key behind them.
func (s *search) sameStamp(ctx context.Context, failed error) error {
	q := s.query()
	q["_sort"], q["_lastUpdated"] = []string{"_id"}, []string{"eq" + stampText(s.key)}
	for range maxRepeats {
		found, err := s.pass(ctx, q)
		if err != nil {
			return fmt.Errorf("%w; by id: %w", failed, err)
		}
		if found == 0 {
			s.key = s.key.Truncate(time.Millisecond).Add(time.Millisecond)
			return nil
		}
	}
	return errRepeats
}

// pass reads all pages of a search and returns how many rows were new to this poll.
func (s *search) pass(ctx context.Context, q url.Values) (found int, err error) {
	for page, err := range s.server.Client.Pages(ctx, s.typ, q) {
		if err != nil {
			return found, err
		}
		rows, err := s.take(ctx, page)
		if err != nil {
			return found, err
		}
		_, fresh := s.remember(rows)
		for _, news := range fresh {
			if news {
				found++
			}
		}
	}
	return found, nil
}

// named asks for no more than the names of the records from the key on, and leaves them to be read one by one: of the one that
// does not come, it is told there.
func (s *search) named(ctx context.Context, failed error) error {
	q := url.Values{"_sort": {"_lastUpdated"}, "_count": {strconv.Itoa(s.server.full())}, "_elements": {"id,meta"}}
	s.bounds(q)
	page, err := s.server.Client.Page(ctx, s.typ, q)
	if err != nil || page.Err != nil {
		return failed
	}
	rows := s.rows(page)
	stamps := stampsIn(rows)
	v := viewOf(stamps, make([]bool, len(stamps)), s.key, page.More)
	if len(rows) == 0 || !v.sorted || page.More && !v.newest.After(s.key) {
		return failed
	}
	s.progress = s.progress.page(stamps, pollStart(page.Time, s.server.Now()))
	err = s.in.Receive(ctx, s.server.answer(namedKind+s.typ, page.Body), s.mark(s.progress.mark()))
	if err != nil {
		return err
	}
	s.move(rows)
	if !page.More {
		s.key = s.key.Truncate(time.Millisecond).Add(time.Millisecond)
	}
	return nil
}
