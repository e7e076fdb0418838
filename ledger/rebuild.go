package ledger

import (
	"context"
	"fmt"

	"refbridge/fhir"
)

// CodeRebuilt is the reason of what waits, or was ended, because the ledger was made anew from Salesforce.
const CodeRebuilt = "ledger-rebuilt"

func rebuilt() Reason {
	return Reason{Code: CodeRebuilt, Text: "the ledger was older than Salesforce and was made anew from it: both sides are compared again"}
}

// Forget begins to make what is known of a source anew: what an older ledger says of rows, writes and changes to carry back is not true
// any more. Its open intents are closed and its open write-backs ended; of rows it is only known that they are there; and every record
// that was applied is due again. A crash in between leaves the rest for whoever asks again.
func (l *Ledger) Forget(ctx context.Context, source string) error {
	var images imagesAfter
	for _, forget := range []func(context.Context, *tx, string) (int, error){forgetIntents, forgetWritebacks, forgetDigests, images.forget, reopenApplied} {
		for {
			n := 0
			err := l.update(ctx, "forget what an older ledger says", func(t *tx) (err error) {
				n, err = forget(ctx, t, source)
				return err
			})
			if err != nil {
				return err
			}
			if n < purgeBatch {
				break
			}
		}
	}
	return nil
}

func forgetIntents(ctx context.Context, t *tx, source string) (int, error) {
	rows, err := list[intentRow](ctx, t.sql, selectIntents+` WHERE closed = 0 AND source = $1 LIMIT $2`, source, purgeBatch)
	for i := 0; err == nil && i < len(rows); i++ {
		r := &rows[i]
		r.closed, r.body = t.now, nil
		if err = t.put(ctx, r); err == nil {
			err = t.append(ctx, link{source: r.source, typ: r.typ, id: r.id, version: r.version, object: r.object, key: r.key, digest: r.digest, fate: CodeRebuilt})
		}
	}
	return len(rows), err
}

func forgetWritebacks(ctx context.Context, t *tx, source string) (int, error) {
	rows, err := list[writebackRow](ctx, t.sql, selectWritebacks+` WHERE source = $1 AND state NOT IN ('done', 'refused') LIMIT $2`, source, purgeBatch)
	for i := 0; err == nil && i < len(rows); i++ {
		_, err = t.conclude(ctx, rows[i].nr, Refused, rebuilt())
	}
	return len(rows), err
}

func forgetDigests(ctx context.Context, t *tx, source string) (int, error) {
	rows, err := list[refRow](ctx, t.sql, selectRefs+` WHERE source = $1 AND digest <> '' LIMIT $2`, source, purgeBatch)
	for i := 0; err == nil && i < len(rows); i++ {
		rows[i].digest = ""
		err = t.put(ctx, &rows[i])
	}
	return len(rows), err
}

// imagesAfter is how far the forgetting of images has come.
type imagesAfter struct{ object, key string }

// forget forgets what rows were like. That they were there is remembered, and whether a person deleted them.
func (a *imagesAfter) forget(ctx context.Context, t *tx, source string) (int, error) {
	rows, err := list[imageRow](ctx, t.sql, selectImages+` WHERE source = $1 AND body IS NOT NULL AND (object, record_key) > ($2, $3)
		ORDER BY object, record_key LIMIT $4`, source, a.object, a.key, purgeBatch)
	for i := 0; err == nil && i < len(rows); i++ {
		var image Image
		if image, err = openImage(t.box, &rows[i]); err != nil {
			return 0, err
		}
		a.object, a.key = rows[i].object, rows[i].key
		image.Record.Fields, image.Unclear, image.Said, image.Carried = nil, nil, nil, nil
		err = t.rebuild(ctx, source, Rebuilt{Ref: fhir.Reference{Type: rows[i].typ, ID: rows[i].id}, Image: image})
	}
	return len(rows), err
}

func reopenApplied(ctx context.Context, t *tx, source string) (int, error) {
	rows, err := list[versionRow](ctx, t.sql, selectVersions+` WHERE source = $1 AND fate = 'applied' AND `+isNewest+` LIMIT $2`, source, purgeBatch)
	for i := 0; err == nil && i < len(rows); i++ {
		rows[i].next, rows[i].attempts = 0, 0
		err = t.move(ctx, &rows[i], Pending, rebuilt(), "")
	}
	return len(rows), err
}

// Rebuilt is what Salesforce holds of one row.
type Rebuilt struct {
	Ref   fhir.Reference // of the source's record that the row belongs to
	Image Image
}

// Rebuild takes over what Salesforce holds of rows of a source. Their records need not be known yet.
func (l *Ledger) Rebuild(ctx context.Context, source string, rows []Rebuilt) error {
	return l.update(ctx, "rebuild", func(t *tx) error {
		for _, r := range rows {
			if err := t.rebuild(ctx, source, r); err != nil {
				return fmt.Errorf("%s: %w", r.Ref, err)
			}
		}
		return nil
	})
}

func (t *tx) rebuild(ctx context.Context, source string, r Rebuilt) error {
	_, found, err := loadRef(ctx, t.sql, source, r.Ref)
	if err == nil && !found {
		err = t.put(ctx, &refRow{source: source, typ: r.Ref.Type, id: r.Ref.ID, firstSeen: t.now, lastSeen: t.now})
	}
	if err != nil {
		return err
	}
	v := versionRow{source: source, typ: r.Ref.Type, id: r.Ref.ID}
	hash, err := t.keepImage(ctx, &v, r.Image, asBefore)
	if err != nil {
		return err
	}
	return t.append(ctx, link{source: source, typ: v.typ, id: v.id, object: r.Image.Record.Object, key: r.Image.Record.Key.Value, image: hash, fate: CodeRebuilt})
}
