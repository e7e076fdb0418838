package source

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"time"

	"refbridge/bridge"
	"refbridge/fhir/rest"
	"refbridge/ledger"
)

// fullPage is how many records a page is asked for where nothing else is said.
const fullPage = 100

// Bounds of one poll of one resource type. A poll that reaches one ends with an error, and the next goes on where it stopped.
const (
	maxStretches = 10_000
	maxRepeats   = 10 // passes over one stretch, each of which found rows that the one before had passed over
)

var (
	errRepeats = errors.New("records go on moving between its pages: what changed behind the watermark is read by the next poll")
	errLong    = errors.New("more pages than one poll reads: the next one goes on from here")
)

// polled are the searches of one poll, referrals before the appointments that refer to them.
func polled() []struct{ typ, include string } {
	return []struct{ typ, include string }{
		{"ServiceRequest", "ServiceRequest:subject"},
		{"Appointment", "Appointment:patient"},
	}
}

// take completes a page, and hands it to the inbox.
func (s *search) take(ctx context.Context, page rest.Page) ([]row, error) {
	page, err := s.completed(ctx, page)
	if err != nil {
		return nil, err
	}
	rows := s.rows(page)
	return rows, s.Receive(ctx, page, rows)
}

// Poll searches for what changed since the watermark and hands every page to the inbox, as far as it holds news. The watermark
// moves with each page, in the same transaction: a poll that breaks off goes on where it stopped. A resource type that fails
// keeps the others from nothing.
func (f *FHIRServer) Poll(ctx context.Context, in Inbox) error {
	f.most *= 2 // it may be quicker by now
	var failed error
	for _, p := range polled() {
		err := f.pollType(ctx, in, p.typ, p.include)
		if bridge.Stopped(ctx, err) {
			return errors.Join(failed, err)
		}
		failed = errors.Join(failed, err)
	}
	return errors.Join(failed, f.pollPatients(ctx, in))
}

func (f *FHIRServer) pollType(ctx context.Context, in Inbox, typ, include string) error {
	text, err := in.Cursor(ctx, markCursor(typ))
	if err != nil {
		return err
	}
	mark, _ := time.Parse(time.RFC3339Nano, text)
	s := f.search(in, typ, include)
	if typ == PatientType && mark.IsZero() {
		mark = f.Now() // whoever was changed before came with the records
	}
	s.cursor, s.progress.from = markCursor(typ), mark
	s.key = since(mark, f.Now(), f.From)
	if err := s.run(ctx); err != nil {
		return fmt.Errorf("poll %s: %w", typ, err)
	}
	return s.finish(ctx)
}

func markCursor(typ string) string { return "lastUpdated:" + typ }

// Window searches for what changed between two instants, for a backfill; the watermark stays where it is.
func (f *FHIRServer) Window(ctx context.Context, in Inbox, from, to time.Time) error {
	f.most *= 2 // it may be quicker by now
	var failed error
	for _, p := range polled() {
		s := f.search(in, p.typ, p.include)
		s.key, s.until = from, to
		if err := s.run(ctx); err != nil {
			failed = errors.Join(failed, fmt.Errorf("poll %s: %w", p.typ, err))
		}
	}
	return failed
}

// search reads what changed of one resource type.
type search struct {
	server       *FHIRServer
	in           Inbox
	typ, include string
	cursor       string // of the watermark; empty = a backfill, which moves none
	until        time.Time
	progress     progress
	key          time.Time       // rows that changed from here on are asked for; zero = all
	links        bool            // the key does not work with this server
	seen         map[string]bool // rows from the key on that came in this poll
	count        int             // records a page
	noted        string          // watermark as it stands in the ledger
	outcomes     []string        // codes of what the server said about its own answers
}

func (f *FHIRServer) search(in Inbox, typ, include string) *search {
	return &search{server: f, in: in, typ: typ, include: include, count: f.full(), seen: map[string]bool{}}
}

// full returns how many records a page is asked for.
func (f *FHIRServer) full() int {
	full := cmp.Or(f.PageSize, fullPage)
	return min(cmp.Or(f.most, full), full)
}

// run asks until nothing new comes.
func (s *search) run(ctx context.Context) error {
	repeats := 0
	for n := range maxStretches {
		if err := s.Check(); err != nil && n > 0 { // each resource type gets on, however long the others take
			return err
		}
		st, next, err := s.stretch(ctx)
		if err != nil {
			if err = s.around(ctx, st, err); err != nil {
				return err
			}
			continue
		}
		s.links = st.links
		s.count = min(2*s.count, s.server.full())
		switch {
		case next == rekey:
			repeats = 0
		case st.skipped == 0:
			return nil
		case repeats == maxRepeats:
			return errRepeats
		default:
			repeats++
		}
	}
	return errLong
}

// stretch asks for what changed from the key on and follows links as long as the key cannot move.
func (s *search) stretch(ctx context.Context) (stretch, step, error) {
	st, next := stretch{key: s.key, links: s.links}, follow
	for page, err := range s.server.Client.Pages(ctx, s.typ, s.query()) {
		if err != nil {
			return st, next, err
		}
		if page.Err != nil && st.pages == 0 && s.count > smallPage {
			return st, next, page.Err
		}
		if s.begin(page) {
			return st, rekey, nil
		}
		rows, err := s.take(ctx, page)
		if err != nil {
			return st, next, unstoppable{err}
		}
		stamps, fresh := s.remember(rows)
		st, next = st.take(viewOf(stamps, fresh, s.key, page.More))
		switch next {
		case rekey:
			s.move(rows)
			return st, next, nil
		case repeat:
			return st, next, nil
		}
		if err := s.Check(); err != nil && page.More {
			return st, next, unstoppable{err}
		}
	}
	return st, follow, nil
}

// unstoppable is an error of the ledger: nothing is tried another way.
type unstoppable struct{ error }

func (u unstoppable) Unwrap() error { return u.error }

func (s *search) query() url.Values {
	q := url.Values{"_sort": {"_lastUpdated"}, "_count": {strconv.Itoa(s.count)}}
	if s.include != "" {
		q.Set("_include", s.include)
	}
	s.bounds(q)
	return q
}

func (s *search) bounds(q url.Values) {
	if !s.key.IsZero() {
		q.Add("_lastUpdated", "ge"+stampText(s.key))
	}
	if !s.until.IsZero() {
		q.Add("_lastUpdated", "lt"+stampText(s.until))
	}
}

// stampText writes an instant for _lastUpdated; what is finer than a millisecond is cut off, so that ge includes the instant.
func stampText(at time.Time) string {
	at = at.UTC().Truncate(time.Millisecond)
	if at.Nanosecond() == 0 {
		return at.Format(time.RFC3339)
	}
	return at.Format("2006-01-02T15:04:05.000Z07:00")
}

// begin notes with the first page when the poll began by the server's clock, and reports whether the poll has to begin anew: a
// clock that was put back since the last poll stamps changes before the watermark.
func (s *search) begin(page rest.Page) bool {
	if !s.progress.start.IsZero() {
		return false
	}
	s.progress.start = pollStart(page.Time, s.server.Now())
	if s.cursor == "" || s.progress.from.IsZero() {
		return false
	}
	before := s.key
	s.key = earlier(s.key, putBack(s.progress.from, s.progress.start, s.server.Now()))
	return s.key.Before(before)
}

// row is one record of a page, as it is observed.
type row struct {
	sighting
	name string // of this version, or of these bytes
	at   time.Time
}

// rows reads the records of the resource type on a page; what was included stands beside its record.
func (s *search) rows(page rest.Page) []row {
	var out []row
	if page.Err != nil {
		whole := UnreadableAnswer(page.Body, page.Err)
		return []row{{sighting: sighting{Sighting: whole}, name: string(whole.Body)}}
	}
	for _, seen := range s.server.sightings(s.typ, page.Entries) {
		r := row{sighting: seen}
		r.name = seen.Ref.String()
		if seen.entry.Err == nil {
			r.at = seen.entry.Resource.LastUpdated()
		}
		if seen.Ref.Version == "" || seen.entry.Err != nil {
			r.name += "\n" + string(seen.entry.Raw)
		}
		out = append(out, r)
	}
	return out
}

// remember notes the rows of a page and returns their stamps, and which of them are new to this poll. A row that cannot be
// read has no stamp, and no say in how the poll goes on.
func (s *search) remember(rows []row) (stamps []time.Time, fresh []bool) {
	for _, r := range rows {
		if r.entry.Resource.Exists() {
			stamps, fresh = append(stamps, r.at), append(fresh, !s.seen[r.name])
		}
		s.seen[r.name] = true
	}
	return stamps, fresh
}

// move sets the key to the newest stamp of a page. What changed before it is not asked for again.
func (s *search) move(rows []row) {
	for _, r := range rows {
		s.key = later(s.key, r.at)
	}
	s.seen = map[string]bool{}
	for _, r := range rows {
		if r.at.IsZero() || !r.at.Before(s.key.Truncate(time.Millisecond)) {
			s.seen[r.name] = true
		}
	}
}

// finish notes that the poll came to its end.
func (s *search) finish(ctx context.Context) error {
	if !s.progress.start.IsZero() {
		if err := s.note(ctx, s.progress.end()); err != nil {
			return err
		}
	}
	return s.tell(ctx)
}

// note moves the watermark by itself, where no answer comes with it.
func (s *search) note(ctx context.Context, mark time.Time) error {
	c := s.mark(mark)
	if c.Name == "" {
		return nil
	}
	return s.in.Receive(ctx, ledger.Answer{}, c)
}

// mark returns the cursor of the watermark where it moves.
func (s *search) mark(at time.Time) ledger.Cursor {
	if s.cursor == "" || at.IsZero() {
		return ledger.Cursor{}
	}
	text := at.UTC().Format(time.RFC3339Nano)
	if text == s.noted {
		return ledger.Cursor{}
	}
	s.noted = text
	return ledger.Cursor{Name: s.cursor, Value: text}
}
