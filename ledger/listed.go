package ledger

import (
	"context"
	"strconv"

	"refbridge/fhir"
)

// listedRow is what one worklist said of a ref last.
type listedRow struct {
	source, typ, id, list string
	nth                   int64  // of the changes of all that worklists said of the ref
	print                 string // of the entry; empty: it is on this worklist no more
	seen                  int64
	body                  []byte // nil: it is on this worklist no more
}

func (r *listedRow) table() string { return "worklists" }
func (r *listedRow) cells() []any {
	return []any{&r.source, &r.typ, &r.id, &r.list, &r.nth, &r.print, &r.seen, &r.body}
}
func (r *listedRow) upsert() string {
	return `INSERT INTO worklists (source, type, id, list, nth, print, seen, body, row_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)
		ON CONFLICT (source, type, id, list) DO UPDATE SET nth = excluded.nth, print = excluded.print, seen = excluded.seen,
		body = excluded.body, row_hash = excluded.row_hash`
}
func (r *listedRow) place() []string { return []string{"worklists", r.source, r.typ, r.id, r.list} }
func (r *listedRow) sealed() []byte  { return r.body }

const selectListed = `SELECT source, type, id, list, nth, print, seen, body, row_hash FROM worklists`

// Listed is what worklists say of a record now.
type Listed struct {
	// Change counts what worklists said of the record, its leaving them included; 0 = none ever named it.
	Change  int64
	Entries [][]byte // one for each worklist that it is on, as the sighting brought it
}

// WithWorklist returns the version of a record that was seen together with what worklists said after so many changes. OwnVersion
// takes it apart again. A version that is no number stays as it is: it could not be taken apart.
func WithWorklist(own string, change int64) string {
	if change == 0 || !decimal(own) {
		return own
	}
	return own + worklistPart + strconv.FormatInt(change, 10)
}

// Listed returns what worklists say of a record now.
func (l *Ledger) Listed(ctx context.Context, source string, ref fhir.Reference) (out Listed, err error) {
	err = l.view(ctx, "read what worklists say", func(q querier) error {
		rows, err := listedOf(ctx, q, source, ref)
		out.Change = lastChange(rows)
		for i := 0; err == nil && i < len(rows); i++ {
			var entry []byte
			if entry, err = l.box.open(rows[i].body, rows[i].place()...); entry != nil {
				out.Entries = append(out.Entries, entry)
			}
		}
		return err
	})
	return out, err
}

// ListedAnew reports whether a worklist's answer, which nobody has observed yet, says something else of a record than it did.
func (l *Ledger) ListedAnew(ctx context.Context, answer Answer, s Sighting) (fresh bool, err error) {
	if len(s.Listed) == 0 {
		return false, nil
	}
	err = l.view(ctx, "compare what a worklist says", func(q querier) error {
		rows, err := listedOf(ctx, q, answer.Source, s.Ref)
		_, fresh = listedAs(rows, answer.Source, answer.Kind, l.box.printContent(s.Listed), s.Ref)
		return err
	})
	return fresh, err
}

func listedOf(ctx context.Context, q querier, source string, ref fhir.Reference) ([]listedRow, error) {
	return list[listedRow](ctx, q, selectListed+thisRef+` ORDER BY list`, source, ref.Type, ref.ID)
}

func lastChange(rows []listedRow) (last int64) {
	for _, r := range rows {
		last = max(last, r.nth)
	}
	return last
}

// listedAs returns the row that a sighting leaves of its worklist, and whether it says anything new. Content that comes back after
// something else was said is new, too.
func listedAs(rows []listedRow, source, worklist, print string, ref fhir.Reference) (listedRow, bool) {
	for _, r := range rows {
		if r.list == worklist && r.print == print {
			return r, false
		}
	}
	return listedRow{source: source, typ: ref.Type, id: ref.ID, list: worklist, nth: lastChange(rows) + 1, print: print}, true
}

// keepListed keeps what a worklist says of a record. The version that it names becomes one with that: where the entry changed the
// record is due again, whatever the source's own version.
func (t *tx) keepListed(ctx context.Context, answer Answer, s Sighting) (Sighting, error) {
	if len(s.Listed) == 0 {
		return s, nil
	}
	rows, err := listedOf(ctx, t.sql, answer.Source, s.Ref)
	if err != nil {
		return s, err
	}
	r, fresh := listedAs(rows, answer.Source, answer.Kind, t.box.printContent(s.Listed), s.Ref)
	if fresh {
		r.body = t.box.seal(s.Listed, r.place()...)
	}
	r.seen = t.now
	s.Ref.Version = WithWorklist(s.Ref.Version, max(r.nth, lastChange(rows)))
	return s, t.put(ctx, &r)
}

// withdraw ends what a worklist said of the records that its newest answer does not name any more. An answer of which an entry could
// not be read may have named any of them, and ends nothing.
func (t *tx) withdraw(ctx context.Context, answer Answer, seen []Sighting) error {
	named := map[fhir.Reference]bool{}
	for _, s := range seen {
		if s.Reason.Code != "" {
			return nil
		}
		named[s.Ref.Current()] = true
	}
	rows, err := list[listedRow](ctx, t.sql, selectListed+` WHERE source = $1 AND list = $2 AND body IS NOT NULL ORDER BY type, id`,
		answer.Source, answer.Kind)
	for i := 0; err == nil && i < len(rows); i++ {
		if !named[fhir.Reference{Type: rows[i].typ, ID: rows[i].id}] {
			err = t.unlist(ctx, rows[i])
		}
	}
	return err
}

// unlist ends what a worklist said of a record, and marks the record to be read, unless the source has ended it: leaving a worklist
// says that something happened, and not what.
func (t *tx) unlist(ctx context.Context, r listedRow) error {
	ref := fhir.Reference{Type: r.typ, ID: r.id}
	rows, err := listedOf(ctx, t.sql, r.source, ref)
	if err != nil {
		return err
	}
	r.nth, r.print, r.body = lastChange(rows)+1, "", nil
	if err := t.put(ctx, &r); err != nil {
		return err
	}
	known, found, err := loadRef(ctx, t.sql, r.source, ref)
	if err != nil || !found || known.newest == "" || known.terminal != 0 {
		return err
	}
	_, err = t.observe(ctx, r.source, Sighting{Ref: ref})
	return err
}

func eraseListed(ctx context.Context, t *tx, before int64) (int, error) {
	rows, err := list[listedRow](ctx, t.sql, selectListed+` WHERE seen < $1 AND body IS NOT NULL ORDER BY source, type, id LIMIT $2`, before, purgeBatch)
	for i := 0; err == nil && i < len(rows); i++ {
		err = t.unlist(ctx, rows[i])
	}
	return len(rows), err
}
