package ledger

import (
	"context"
	"fmt"
	"strings"
	"time"

	"refbridge/fhir"
)

// Fate is what became of an observed version.
type Fate string

// The fates. Applied, Superseded and Dead are final; docs/ledger.md has the drawing.
const (
	Pending    Fate = "pending"    // observed, undecided
	Applied    Fate = "applied"    // what it says is in Salesforce
	Superseded Fate = "superseded" // a newer version took its place
	Held       Fate = "held"       // waits, with a reason
	Dead       Fate = "dead"       // needs a person, with a reason
	Unknown    Fate = "unknown"    // sent, outcome not known
)

func (f Fate) final() bool { return f == Applied || f == Superseded || f == Dead }

func (f Fate) valid() bool {
	return f.final() || f == Pending || f == Held || f == Unknown
}

// Known is what was last applied for a ref. The zero Known is: nothing, never.
type Known struct {
	Version  string
	Digest   string // of every mapped input
	Tables   string // hash of the mapping tables
	Patient  string // opaque token of the patient
	Terminal bool   // the source says that nothing will come after it
}

// Work is one ref that waits for a decision.
type Work struct {
	Source   string
	Ref      fhir.Reference // without a version: a mark
	Body     []byte         // nil: read it first, then Keep
	Fate     Fate
	Reason   Reason    // why it was held before; the zero Reason: never
	Attempts int       // that ended with this reason
	First    time.Time // when this version was first sighted
	Known    Known
}

// Turn says which work somebody asks for.
type Turn struct {
	At    time.Time // what is due then; zero = now
	Read  bool      // only what has its body
	Codes []string  // what is held for one of these reasons counts as due, whatever its next try
	After Place     // only what comes behind this; the zero Place is before everything
	Limit int       // 0 = all
}

// Place is where a work stands in the order of their turns.
type Place struct {
	first    int64
	typ, id  string
	occupied bool
}

// Place returns where a work stands, for the next Turn.
func (w Work) Place() Place { return Place{toMillis(w.First), w.Ref.Type, w.Ref.ID, true} }

// Due returns the refs of a source that wait for a decision: pending, held or unknown ones whose next try has come,
// the newest version of each ref only, or what is to be read of it while there is something: its mark, or a version that
// was only named. They come in the order of their first sighting,
// then by ref. A run that asks batch by batch, each behind the last and all for the time of its start, is given each
// record once, whatever it does with it, and each batch costs what it holds, however many are behind it.
func (l *Ledger) Due(ctx context.Context, source string, t Turn) ([]Work, error) {
	if t.At.IsZero() {
		t.At = l.now()
	}
	query, args := t.query(source)
	var out []Work
	err := l.view(ctx, "list due work", func(q querier) error {
		rows, err := list[versionRow](ctx, q, query, args...)
		for i := 0; err == nil && i < len(rows); i++ {
			var w Work
			w, err = l.work(ctx, q, &rows[i])
			out = append(out, w)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

const isNewest = `EXISTS (SELECT 1 FROM refs r WHERE r.source = versions.source AND r.type = versions.type AND r.id = versions.id
		AND r.newest = versions.version)`

// query returns the statement of a turn. The condition on fate is, word for word, that of the index versions_open.
func (t Turn) query(source string) (string, []any) {
	args := []any{source, toMillis(t.At)}
	due := `next_try <= $2`
	if len(t.Codes) > 0 {
		due = `(next_try <= $2 OR fate = 'held' AND reason_code IN (` + placeholders(3, len(t.Codes)) + `))`
		for _, c := range t.Codes {
			args = append(args, c)
		}
	}
	text := selectVersions + ` WHERE source = $1 AND fate IN ('pending', 'held', 'unknown') AND ` + due + `
	AND (version = '' OR (fingerprint = '' OR ` + isNewest + `)
		AND NOT EXISTS (SELECT 1 FROM versions m WHERE m.source = versions.source AND m.type = versions.type AND m.id = versions.id
			AND m.fingerprint = '' AND m.version <> versions.version AND (m.version = '' OR versions.fingerprint <> '')
			AND m.fate IN ('pending', 'held', 'unknown') AND m.next_try <= $2))`
	if t.Read {
		text += ` AND body IS NOT NULL`
	}
	if t.After.occupied {
		text += ` AND (first_seen, type, id) > (` + placeholders(len(args)+1, 3) + `)`
		args = append(args, t.After.first, t.After.typ, t.After.id)
	}
	text += ` ORDER BY first_seen, type, id`
	if t.Limit > 0 {
		text += fmt.Sprintf(` LIMIT $%d`, len(args)+1)
		args = append(args, t.Limit)
	}
	return text, args
}

// ToRead returns what Due returns as far as its body is not there: marks, and versions that were only named.
func (l *Ledger) ToRead(ctx context.Context, source string) ([]Work, error) {
	query, args := Turn{At: l.now()}.query(source)
	query = strings.Replace(query, ` ORDER BY`, ` AND body IS NULL ORDER BY`, 1)
	var out []Work
	err := l.view(ctx, "list what is to be read", func(q querier) error {
		bare, err := list[versionRow](ctx, q, query, args...)
		for i := 0; err == nil && i < len(bare); i++ {
			var w Work
			w, err = l.work(ctx, q, &bare[i])
			out = append(out, w)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

func (l *Ledger) work(ctx context.Context, q querier, v *versionRow) (Work, error) {
	w := Work{Source: v.source, Ref: v.ref(), Fate: Fate(v.fate), Reason: v.reason.reason(), Attempts: int(v.attempts),
		First: fromMillis(v.firstSeen)}
	r, _, err := loadRef(ctx, q, v.source, w.Ref)
	if err != nil {
		return Work{}, err
	}
	w.Known = r.known()
	w.Body, err = l.box.open(v.body, v.place()...)
	return w, err
}

// Known gives what was last applied for a ref, whatever version the reference names.
func (l *Ledger) Known(ctx context.Context, source string, ref fhir.Reference) (Known, error) {
	var r refRow
	err := l.view(ctx, "read what is known", func(q querier) (err error) {
		r, _, err = loadRef(ctx, q, source, ref)
		return err
	})
	return r.known(), err
}

// Live gives the refs of which a version was applied and which the source has not ended, without versions, ordered:
// those to be looked at again after they have left the worklists.
func (l *Ledger) Live(ctx context.Context, source string) ([]fhir.Reference, error) {
	var out []fhir.Reference
	err := l.view(ctx, "list live refs", func(q querier) error {
		return each(ctx, q, func(r refRow, bad error) error {
			out = append(out, fhir.Reference{Type: r.typ, ID: r.id})
			return bad
		}, selectRefs+` WHERE source = $1 AND terminal = 0 AND type <> '`+unreadableType+`' AND (known_version <> '' OR EXISTS (
			SELECT 1 FROM versions v WHERE v.source = refs.source AND v.type = refs.type AND v.id = refs.id
			AND v.fate IN ('held', 'unknown'))) ORDER BY type, id`, source)
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
