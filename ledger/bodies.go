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
	Seen time.Time // when the version was first sighted
	JSON []byte    // nil: the retention time was over, and it was purged
}

// Bodies hands out the newest bodies that were read from a source: at most last versions that ever had one. What was sighted last
// comes first, with its older versions right behind it. Bodies are read one by one, so that memory does not grow with their
// size. An error of take ends it and comes back as it is.
func (l *Ledger) Bodies(ctx context.Context, source string, last int, take func(Body) error) error {
	list, err := l.withBody(ctx, source, last)
	if err != nil {
		return err
	}
	for _, b := range together(list) {
		if b.JSON, err = l.body(ctx, source, b.Ref); err != nil {
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

// withBody lists the versions that have or had a body. A version is never deleted, so the list stays true.
func (l *Ledger) withBody(ctx context.Context, source string, last int) ([]Body, error) {
	var out []Body
	err := l.view(ctx, "list bodies", func(q querier) error {
		rows, err := q.QueryContext(ctx, `SELECT type, id, version, first_seen FROM versions WHERE source = $1 AND fingerprint <> ''
			ORDER BY first_seen DESC, type, id, seq DESC LIMIT $2`, source, max(last, 0))
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

func (l *Ledger) body(ctx context.Context, source string, ref fhir.Reference) (body []byte, err error) {
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
