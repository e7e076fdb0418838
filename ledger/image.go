package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"slices"
	"time"

	"refbridge/fhir"
)

// imageRow is a record as it was last synced.
type imageRow struct {
	object, key     string
	source, typ, id string // of the ref that wrote it last
	changed         int64
	body            []byte // nil: purged
}

func (r *imageRow) table() string { return "images" }
func (r *imageRow) cells() []any {
	return []any{&r.object, &r.key, &r.source, &r.typ, &r.id, &r.changed, &r.body}
}
func (r *imageRow) upsert() string {
	return `INSERT INTO images (object, record_key, source, type, id, changed, body, row_hash) VALUES ($1, $2, $3, $4, $5, $6, $7, $8)
		ON CONFLICT (object, record_key) DO UPDATE SET source = excluded.source, type = excluded.type, id = excluded.id,
		changed = excluded.changed, body = excluded.body, row_hash = excluded.row_hash`
}
func (r *imageRow) place() []string { return []string{"images", r.object, r.key} }

func (r *imageRow) imageHash() string {
	sum := sha256.Sum256(r.body)
	return hex.EncodeToString(sum[:])
}

const (
	selectImages = `SELECT object, record_key, source, type, id, changed, body, row_hash FROM images`
	thisRecord   = ` WHERE object = $1 AND record_key = $2`
)

// linkRow says that a ref has a record; several refs may share one, for example their patient's Account.
type linkRow struct {
	source, typ, id string
	object, key     string
	nth             int64
}

func (r *linkRow) table() string { return "image_links" }
func (r *linkRow) cells() []any  { return []any{&r.source, &r.typ, &r.id, &r.object, &r.key, &r.nth} }
func (r *linkRow) upsert() string {
	return `INSERT INTO image_links (source, type, id, object, record_key, nth, row_hash) VALUES ($1, $2, $3, $4, $5, $6, $7)
		ON CONFLICT (source, type, id, object, record_key) DO UPDATE SET nth = excluded.nth, row_hash = excluded.row_hash`
}

const selectImageLinks = `SELECT source, type, id, object, record_key, nth, row_hash FROM image_links`

// keepImage stores what is known of a row and returns the hash of its ciphertext.
func (t *tx) keepImage(ctx context.Context, v *versionRow, image Image, nth int) (string, error) {
	record := image.Record
	if record.Object == "" || record.Key.Value == "" {
		return "", fmt.Errorf("image %d: %w", nth, errors.New("a record without object or key"))
	}
	plain, err := image.encode()
	if err != nil {
		return "", err
	}
	r := imageRow{object: record.Object, key: record.Key.Value, source: v.source, typ: v.typ, id: v.id, changed: t.now}
	r.body = t.box.seal(plain, r.place()...)
	if err := t.put(ctx, &r); err != nil {
		return "", err
	}
	return r.imageHash(), t.linkTo(ctx, linkRow{source: v.source, typ: v.typ, id: v.id, object: r.object, key: r.key, nth: int64(nth)})
}

// asBefore leaves the place of a row among those of its ref as it is.
const asBefore = -1

func (t *tx) linkTo(ctx context.Context, l linkRow) error {
	if l.nth != asBefore {
		return t.put(ctx, &l)
	}
	_, found, err := get[linkRow](ctx, t.sql, selectImageLinks+thisRef+` AND object = $4 AND record_key = $5`, l.source, l.typ, l.id, l.object, l.key)
	if err != nil || found {
		return err
	}
	l.nth = 0
	return t.put(ctx, &l)
}

// Row is what the ledger knows of one row of Salesforce.
type Row struct {
	Object, Key string
	Image       Image
	Known       bool      // there is an image, and it was not purged
	Purged      bool      // the row was there once: its image was purged
	Changed     time.Time // when the image was written
	Open        []Intent  // writes of the row whose outcome nobody has seen, oldest first
	Source      string    // of the record that the row belongs to: its image, or without one its latest open intent
	Ref         fhir.Reference
}

// Rows returns what is known of those keys that have an image or an open intent.
func (l *Ledger) Rows(ctx context.Context, object string, keys []string) (map[string]Row, error) {
	out := map[string]Row{}
	err := l.view(ctx, "read what is known of rows", func(q querier) error {
		for chunk := range slices.Chunk(keys, keysPerQuery) {
			if err := l.rows(ctx, q, object, chunk, out); err != nil {
				return err
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

const keysPerQuery = 200

func (l *Ledger) rows(ctx context.Context, q querier, object string, keys []string, out map[string]Row) error {
	among := ` WHERE object = $1 AND record_key IN (` + placeholders(2, len(keys)) + `)`
	args := []any{object}
	for _, k := range keys {
		args = append(args, k)
	}
	images, err := list[imageRow](ctx, q, selectImages+among, args...)
	for i := 0; err == nil && i < len(images); i++ {
		row := out[images[i].key]
		err = l.fill(&row, &images[i])
		out[row.Key] = row
	}
	if err != nil {
		return err
	}
	open, err := l.intents(ctx, q, among+` AND closed = 0`+inOrder, args...)
	for _, in := range open {
		row := out[in.Key]
		row.doubt(in)
		out[in.Key] = row
	}
	return err
}

// fill takes over an image.
func (l *Ledger) fill(row *Row, r *imageRow) (err error) {
	row.Object, row.Key, row.Source, row.Ref = r.object, r.key, r.source, fhir.Reference{Type: r.typ, ID: r.id}
	row.Changed = fromMillis(r.changed)
	if r.body == nil {
		row.Purged = true
		return nil
	}
	row.Image, err = openImage(l.box, r)
	row.Known = err == nil
	return err
}

func openImage(b *box, r *imageRow) (Image, error) {
	plain, err := b.open(r.body, r.place()...)
	if err != nil {
		return Image{}, err
	}
	return decodeImage(plain)
}

// doubt takes over an open intent.
func (row *Row) doubt(in Intent) {
	if row.Source == "" || len(row.Open) > 0 && row.Source == row.Open[len(row.Open)-1].Source && !row.Known {
		row.Source, row.Ref = in.Source, in.Ref.Current()
	}
	row.Object, row.Key, row.Open = in.Object, in.Key, append(row.Open, in)
}

// RowsOf returns what is known of the rows of a ref, parents first, whatever version the reference names: of those that have an
// image, and behind them of those that an open intent of the ref may have made. Rows that the ref shares with others are among them.
func (l *Ledger) RowsOf(ctx context.Context, source string, ref fhir.Reference) ([]Row, error) {
	var out []Row
	err := l.view(ctx, "read what is known of the rows of a ref", func(q querier) error {
		links, err := list[linkRow](ctx, q, selectImageLinks+thisRef+` ORDER BY nth, object, record_key`, source, ref.Type, ref.ID)
		if err != nil {
			return err
		}
		open, err := l.intents(ctx, q, thisRef+` AND closed = 0`+inOrder, source, ref.Type, ref.ID)
		if err != nil {
			return err
		}
		at := make([]linkRow, 0, len(links)+len(open))
		at = append(at, links...)
		for _, in := range open {
			if !slices.ContainsFunc(at, func(k linkRow) bool { return k.object == in.Object && k.key == in.Key }) {
				at = append(at, linkRow{object: in.Object, key: in.Key})
			}
		}
		for _, k := range at {
			one := map[string]Row{}
			if err := l.rows(ctx, q, k.object, []string{k.key}, one); err != nil {
				return err
			}
			if row := one[k.key]; row.Known || len(row.Open) > 0 {
				out = append(out, row)
			}
		}
		return nil
	})
	return out, err
}

// RefOfKey returns the source and the ref (without a version) that a row belongs to: the one that wrote it last, or, where nothing was
// settled yet, the one that may have. ErrNotFound where the key is not ours.
func (l *Ledger) RefOfKey(ctx context.Context, object, key string) (source string, ref fhir.Reference, err error) {
	rows, err := l.Rows(ctx, object, []string{key})
	row, found := rows[key]
	if err == nil && !found {
		err = fmt.Errorf("find the ref of a key: %s: %w", object, ErrNotFound)
	}
	return row.Source, row.Ref, err
}
