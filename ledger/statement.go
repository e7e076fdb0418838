package ledger

import (
	"context"
	"fmt"
	"math"
	"slices"
	"strings"
	"time"

	"refbridge/fhir"
)

// Statement says how many versions were observed and what became of them. A ref that is still to be read counts as
// one.
type Statement struct {
	Observed, Applied, Superseded, Held, Dead, Unknown, Pending int
	Unread                                                      int // answers that nobody has read yet; not among Observed
}

// Balanced tells whether every observed version has exactly one fate.
func (s Statement) Balanced() bool {
	return s.Observed == s.Applied+s.Superseded+s.Held+s.Dead+s.Unknown+s.Pending
}

func (s *Statement) counter(name string) *int {
	switch name {
	case string(Applied):
		return &s.Applied
	case string(Superseded):
		return &s.Superseded
	case string(Held):
		return &s.Held
	case string(Dead):
		return &s.Dead
	case string(Unknown):
		return &s.Unknown
	case string(Pending):
		return &s.Pending
	case "unread":
		return &s.Unread
	case "observed":
		return &s.Observed
	}
	return nil
}

// Statement gives the counts as they were kept with every change; Verify compares them with the rows.
func (l *Ledger) Statement(ctx context.Context) (Statement, error) {
	var s Statement
	err := l.view(ctx, "count", func(q querier) (err error) {
		s, err = counts(ctx, q, `SELECT name, value FROM counters`)
		return err
	})
	return s, err
}

func counts(ctx context.Context, q querier, query string) (Statement, error) {
	var s Statement
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return s, err
	}
	defer rows.Close()
	for rows.Next() {
		var name string
		var n int
		if err := rows.Scan(&name, &n); err != nil {
			return s, err
		}
		c := s.counter(name)
		if c == nil {
			return s, fmt.Errorf("%w: a count that has no name among the fates", ErrTampered)
		}
		*c += n
	}
	return s, rows.Err()
}

// Filter chooses entries. Empty fields choose everything.
type Filter struct {
	Source string
	Ref    fhir.Reference // with a version: that one; otherwise all of the ref
	Fates  []Fate
	Limit  int
}

// Entry is one observed version and what became of it, for people.
type Entry struct {
	Source               string
	Ref                  fhir.Reference // without a version: to be read
	Fate                 Fate
	Reason               Reason
	Attempts             int
	First, Changed, Next time.Time
}

// Entries lists observed versions, the latest change first.
func (l *Ledger) Entries(ctx context.Context, f Filter) ([]Entry, error) {
	query := selectVersions + ` WHERE ($1 = '' OR source = $1) AND ($2 = '' OR type = $2) AND ($3 = '' OR id = $3) AND ($4 = '' OR version = $4)`
	args := []any{f.Source, f.Ref.Type, f.Ref.ID, f.Ref.Version}
	if len(f.Fates) > 0 {
		query += ` AND fate IN (` + placeholders(5, len(f.Fates)) + `)`
		for _, fate := range f.Fates {
			args = append(args, string(fate))
		}
	}
	if f.Limit <= 0 {
		f.Limit = math.MaxInt32
	}
	query += fmt.Sprintf(` ORDER BY changed DESC, source, type, id, seq DESC LIMIT $%d`, len(args)+1)
	return l.entries(ctx, query, append(args, f.Limit)...)
}

func (l *Ledger) entries(ctx context.Context, query string, args ...any) ([]Entry, error) {
	var out []Entry
	err := l.view(ctx, "list entries", func(q querier) error {
		return each(ctx, q, func(r versionRow, bad error) error {
			out = append(out, Entry{Source: r.source, Ref: r.ref(), Fate: Fate(r.fate), Reason: r.reason.reason(), Attempts: int(r.attempts),
				First: fromMillis(r.firstSeen), Changed: fromMillis(r.changed), Next: fromMillis(r.next)})
			return bad
		}, query, args...)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// Gone lists the records that their sources had deleted when they were last read, the latest first.
func (l *Ledger) Gone(ctx context.Context) ([]Entry, error) {
	return l.entries(ctx, selectVersions+` WHERE version LIKE '%`+turnMark+`gone%' AND `+isNewest+` ORDER BY changed DESC, source, type, id`)
}

// Noted lists the versions that were applied since a moment with a reason of one code, the latest first.
func (l *Ledger) Noted(ctx context.Context, code string, since time.Time) ([]Entry, error) {
	return l.entries(ctx, selectVersions+` WHERE fate = 'applied' AND reason_code = $1 AND changed >= $2 ORDER BY changed DESC, source, type, id`,
		code, toMillis(since))
}

// placeholders gives "$5, $6, $7" for n = 3 from 5 on.
func placeholders(from, n int) string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("$%d", from+i)
	}
	return strings.Join(out, ", ")
}

// Reopen makes what is held, dead or unknown pending again, due now and with no attempts counted, and gives how many
// versions that were: the newest version of the ref and what is to be read of it; with a version in the reference only that
// one. Older versions stay as they are, since a newer one has taken their place, but for one that the source was put back
// to: whoever reopens that takes it for what counts now.
func (l *Ledger) Reopen(ctx context.Context, source string, ref fhir.Reference) (int, error) {
	n := 0
	err := l.update(ctx, "reopen", func(t *tx) error {
		r, _, err := loadRef(ctx, t.sql, source, ref)
		if err != nil {
			return err
		}
		rows, err := list[versionRow](ctx, t.sql, selectVersions+thisRef+` AND fate IN ('held', 'dead', 'unknown')
			AND (fingerprint = '' OR version = $4 OR reason_code = '`+CodeSourceBehind+`') AND ($5 = '' OR version = $5)`,
			source, ref.Type, ref.ID, r.newest, ref.Version)
		if err != nil {
			return err
		}
		if rows, err = t.putBack(ctx, &r, rows); err != nil {
			return err
		}
		for i := range rows {
			rows[i].next, rows[i].attempts = 0, 0
			if err := t.move(ctx, &rows[i], Pending, Reason{Code: CodeReopened, Text: "a person asked for another try"}, r.digest); err != nil {
				return err
			}
		}
		n = len(rows)
		return nil
	})
	if err != nil {
		return 0, err
	}
	return n, nil
}

// putBack makes the version that the source was put back to, where one of the rows is such a one, the newest of its ref, and
// returns the rows that are to be reopened: what was the newest until then has no say any more.
func (t *tx) putBack(ctx context.Context, r *refRow, rows []versionRow) ([]versionRow, error) {
	i := slices.IndexFunc(rows, func(v versionRow) bool { return v.reason.code == CodeSourceBehind })
	if i < 0 {
		return rows, nil
	}
	back := rows[i]
	open, err := list[versionRow](ctx, t.sql, selectVersions+thisRef+` AND fingerprint <> '' AND version <> $4
		AND fate IN ('pending', 'held', 'unknown') ORDER BY seq`, r.source, r.typ, r.id, back.version)
	for j := 0; err == nil && j < len(open); j++ {
		err = t.move(ctx, &open[j], Superseded, replacedBy(back.version), r.digest)
	}
	if err != nil {
		return nil, err
	}
	r.newest, r.knownVersion = back.version, ""
	return rows[i : i+1], t.put(ctx, r)
}

// releaseBatch is how many versions one transaction of Release takes.
const releaseBatch = 200

// Release makes the newest version of each ref of a source, or what is to be read of it, that is held for one of these reasons due now, and counts its
// attempts on: something that it waited for has changed. It returns how many versions that were. A crash between its
// transactions leaves some of them as they were; they are released again by whoever asks again.
func (l *Ledger) Release(ctx context.Context, source string, codes []string) (int, error) {
	n := 0
	for len(codes) > 0 {
		released := 0
		err := l.update(ctx, "release", func(t *tx) (err error) {
			released, err = t.release(ctx, source, codes)
			return err
		})
		if err != nil {
			return n, err
		}
		if n += released; released < releaseBatch {
			break
		}
	}
	return n, nil
}

func (t *tx) release(ctx context.Context, source string, codes []string) (int, error) {
	args := []any{source, releaseBatch}
	for _, c := range codes {
		args = append(args, c)
	}
	rows, err := list[versionRow](ctx, t.sql, selectVersions+` WHERE source = $1 AND fate = 'held' AND next_try <> 0
		AND reason_code IN (`+placeholders(3, len(codes))+`) AND (fingerprint = '' OR `+isNewest+`)
		ORDER BY first_seen, type, id LIMIT $2`, args...)
	for i := 0; err == nil && i < len(rows); i++ {
		rows[i].next = 0
		err = t.put(ctx, &rows[i])
	}
	return len(rows), err
}
