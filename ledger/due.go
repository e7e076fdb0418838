package ledger

import (
	"context"
	"math"
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

const selectDue = selectVersions + ` WHERE source = $1 AND fate IN ('pending', 'held', 'unknown') AND next_try <= $2
	AND (version = '' OR (
		EXISTS (SELECT 1 FROM refs r WHERE r.source = versions.source AND r.type = versions.type AND r.id = versions.id
			AND r.newest = versions.version)
		AND NOT EXISTS (SELECT 1 FROM versions m WHERE m.source = versions.source AND m.type = versions.type AND m.id = versions.id
			AND m.version = '' AND m.fate IN ('pending', 'held', 'unknown') AND m.next_try <= $2)))
	ORDER BY first_seen, type, id LIMIT $3`

// Due gives the refs of a source that wait for a decision now: pending, held or unknown ones whose next try has come,
// the newest version of each ref only, or its mark while there is one. In the order of their first sighting, then by
// ref. limit 0 = all.
func (l *Ledger) Due(ctx context.Context, source string, limit int) ([]Work, error) {
	return l.due(ctx, selectDue, source, l.now(), limit)
}

// Ready gives what Due gave at a time as far as its body is there. A run that asks with the time of its start gets each
// record once, whatever it does with it.
func (l *Ledger) Ready(ctx context.Context, source string, at time.Time, limit int) ([]Work, error) {
	return l.due(ctx, strings.Replace(selectDue, "ORDER BY", "AND body IS NOT NULL ORDER BY", 1), source, at, limit)
}

func (l *Ledger) due(ctx context.Context, query, source string, at time.Time, limit int) ([]Work, error) {
	if limit <= 0 {
		limit = math.MaxInt32
	}
	var out []Work
	err := l.view(ctx, "list due work", func(q querier) error {
		rows, err := list[versionRow](ctx, q, query, source, toMillis(at), limit)
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

// ToRead gives what Due gives as far as its body is not there: marks, and versions that were only named.
func (l *Ledger) ToRead(ctx context.Context, source string) ([]Work, error) {
	var out []Work
	err := l.view(ctx, "list what is to be read", func(q querier) error {
		var bare []versionRow
		err := each(ctx, q, func(v versionRow, bad error) error {
			if len(v.body) == 0 {
				bare = append(bare, v)
			}
			return bad
		}, selectDue, source, toMillis(l.now()), math.MaxInt32)
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
