package ledger

import (
	"context"

	"refbridge/fhir"
)

// detailRow is what stands behind the reason of a version: values, encrypted.
type detailRow struct {
	source, typ, id, version string
	changed                  int64
	body                     []byte // nil: purged
}

func (r *detailRow) table() string { return "details" }
func (r *detailRow) cells() []any {
	return []any{&r.source, &r.typ, &r.id, &r.version, &r.changed, &r.body}
}
func (r *detailRow) upsert() string {
	return `INSERT INTO details (source, type, id, version, changed, body, row_hash) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (source, type, id, version) DO UPDATE SET changed = excluded.changed, body = excluded.body, row_hash = excluded.row_hash`
}
func (r *detailRow) place() []string { return []string{"details", r.source, r.typ, r.id, r.version} }

const selectDetails = `SELECT source, type, id, version, changed, body, row_hash FROM details`

// keepDetail stores what stands behind the reason that a version has just been given.
func (t *tx) keepDetail(ctx context.Context, v *versionRow, detail fhir.Private) error {
	if detail == "" {
		return nil
	}
	r := detailRow{source: v.source, typ: v.typ, id: v.id, version: v.version, changed: v.changed}
	r.body = t.box.seal([]byte(detail.Reveal()), r.place()...)
	return t.put(ctx, &r)
}

// Detail returns the values behind the reason of an entry; empty where there are none, or they are purged.
func (l *Ledger) Detail(ctx context.Context, e Entry) (fhir.Private, error) {
	var text []byte
	err := l.view(ctx, "read the detail of a reason", func(q querier) error {
		r, found, err := get[detailRow](ctx, q, selectDetails+thisVersion, e.Source, e.Ref.Type, e.Ref.ID, e.Ref.Version)
		if err != nil || !found || r.changed != toMillis(e.Changed) {
			return err // none, or of a reason that the version does not have any more
		}
		text, err = l.box.open(r.body, r.place()...)
		return err
	})
	return fhir.Private(text), err
}

func eraseDetails(ctx context.Context, t *tx, before int64) (int, error) {
	rows, err := list[detailRow](ctx, t.sql, selectDetails+` WHERE changed < $1 AND body IS NOT NULL LIMIT $2`, before, purgeBatch)
	for i := 0; err == nil && i < len(rows); i++ {
		rows[i].body = nil
		err = t.put(ctx, &rows[i])
	}
	return len(rows), err
}
