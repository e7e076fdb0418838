package ledger

import (
	"context"
	"fmt"

	"refbridge/fhir"
)

// Bodies hands out the newest bodies that were read from a source, the last one sighted first: at most last versions that
// ever had one. body is nil where the retention time was over and the body was purged. Bodies are read one by one, so that
// memory does not grow with last. An error of take ends it and comes back as it is.
func (l *Ledger) Bodies(ctx context.Context, source string, last int, take func(ref fhir.Reference, body []byte) error) error {
	refs, err := l.withBody(ctx, source, last)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		body, err := l.body(ctx, source, ref)
		if err != nil {
			return err
		}
		if err := take(ref, body); err != nil {
			return err
		}
	}
	return nil
}

// withBody lists the versions that have or had a body. A version is never deleted, so the list stays true.
func (l *Ledger) withBody(ctx context.Context, source string, last int) ([]fhir.Reference, error) {
	var out []fhir.Reference
	err := l.view(ctx, "list bodies", func(q querier) error {
		rows, err := q.QueryContext(ctx, `SELECT type, id, version FROM versions WHERE source = $1 AND fingerprint <> ''
			ORDER BY first_seen DESC, type, id, seq DESC LIMIT $2`, source, max(last, 0))
		if err != nil {
			return err
		}
		defer rows.Close()
		for rows.Next() {
			var ref fhir.Reference
			if err := rows.Scan(&ref.Type, &ref.ID, &ref.Version); err != nil {
				return err
			}
			out = append(out, ref)
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
