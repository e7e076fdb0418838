package ledger

import (
	"context"
	"fmt"
	"slices"
	"time"

	"refbridge/fhir"
)

// Body is what a source sent of one version.
type Body struct {
	Ref  fhir.Reference
	Seen time.Time // when the version was first sighted; while it is held for other content, when that came
	JSON []byte    // nil: the retention time was over, and it was purged
}

// Bodies hands out the newest bodies that were read from a source: at most last versions that ever had one. What was sighted last
// comes first, with its older versions right behind it. Bodies are read one by one, so that memory does not grow with their
// size. An error of take ends it and comes back as it is.
func (l *Ledger) Bodies(ctx context.Context, source string, last int, take func(Body) error) error {
	list, err := l.list(ctx, `SELECT type, id, version, `+seenAt+` FROM versions WHERE source = $1 AND fingerprint <> '' AND `+noTombstone+`
		ORDER BY `+newestFirst+` LIMIT $2`, source, max(last, 0))
	if err != nil {
		return err
	}
	return l.handOut(ctx, source, list, take)
}

// Sample hands out, as Bodies does, at most n of the bodies that are kept of a source: half of them are the newest, the others lie at
// equal distances among all that are older, the oldest with them. Where no more are kept, it is all of them.
func (l *Ledger) Sample(ctx context.Context, source string, n int, take func(Body) error) error {
	newest := max(n, 0) / 2
	others := max(n-newest, 1)
	list, err := l.list(ctx, `SELECT type, id, version, seen FROM (
			SELECT type, id, version, `+seenAt+` AS seen, ROW_NUMBER() OVER (ORDER BY `+newestFirst+`) AS nth, COUNT(*) OVER () AS kept
			FROM versions WHERE source = $1 AND body IS NOT NULL AND `+noTombstone+`) AS bodies
		WHERE CASE WHEN nth <= $2 THEN 0 ELSE (kept - nth) % ((kept - $2 - 1) / $3 + 1) END = 0 ORDER BY nth LIMIT $4`,
		source, newest, others, max(n, 0))
	if err != nil {
		return err
	}
	return l.handOut(ctx, source, list, take)
}

const (
	noTombstone = `version NOT LIKE '%` + turnMark + `gone%'` // which says that a record was deleted, and nothing that tables could map
	newestFirst = `first_seen DESC, type, id, seq DESC`
	seenAt      = `CASE WHEN reason_code = '` + CodeOtherContent + `' THEN changed ELSE first_seen END`
)

func (l *Ledger) handOut(ctx context.Context, source string, list []Body, take func(Body) error) (err error) {
	for _, b := range together(list) {
		if b.JSON, err = l.Body(ctx, source, b.Ref); err != nil {
			return err
		}
		if err := take(b); err != nil {
			return err
		}
	}
	return nil
}

// together puts the versions of a ref behind the first of them.
func together(list []Body) []Body {
	place := map[fhir.Reference]int{}
	for i, b := range list {
		if _, ok := place[b.Ref.Current()]; !ok {
			place[b.Ref.Current()] = i
		}
	}
	slices.SortStableFunc(list, func(a, b Body) int { return place[a.Ref.Current()] - place[b.Ref.Current()] })
	return list
}

// list gives versions that have or had a body. A version is never deleted, so the list stays true.
func (l *Ledger) list(ctx context.Context, query string, args ...any) ([]Body, error) {
	var out []Body
	err := l.view(ctx, "list bodies", func(q querier) error {
		rows, err := q.QueryContext(ctx, query, args...)
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var b Body
			var seen int64
			if err := rows.Scan(&b.Ref.Type, &b.Ref.ID, &b.Ref.Version, &seen); err != nil {
				return err
			}
			b.Seen = fromMillis(seen)
			out = append(out, b)
		}
		return rows.Err()
	})
	return out, err
}

// Body returns what was kept of a version; nil where nothing was, or not any more.
func (l *Ledger) Body(ctx context.Context, source string, ref fhir.Reference) (body []byte, err error) {
	err = l.view(ctx, "read a body", func(q querier) error {
		v, found, err := loadVersion(ctx, q, source, ref)
		if err != nil || !found {
			return err
		}
		if body, err = l.box.open(v.body, v.place()...); err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
		return nil
	})
	return body, err
}
