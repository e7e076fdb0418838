package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
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

// keepImage stores a record as it was synced and gives the hash of its ciphertext.
func (t *tx) keepImage(ctx context.Context, v *versionRow, record sobject.Record, nth int) (string, error) {
	if record.Object == "" || record.Key.Value == "" {
		return "", fmt.Errorf("image %d: %w", nth, errors.New("a record without object or key"))
	}
	plain, err := sobject.Encode(record)
	if err != nil {
		return "", err
	}
	r := imageRow{object: record.Object, key: record.Key.Value, source: v.source, typ: v.typ, id: v.id, changed: t.now}
	r.body = t.box.seal(plain, r.place()...)
	if err := t.put(ctx, &r); err != nil {
		return "", err
	}
	l := linkRow{source: v.source, typ: v.typ, id: v.id, object: r.object, key: r.key, nth: int64(nth)}
	return r.imageHash(), t.put(ctx, &l)
}

// image gives the record of a key, and whether there is one; a purged image is none.
func (l *Ledger) image(ctx context.Context, q querier, object, key string) (sobject.Record, bool, error) {
	r, found, err := get[imageRow](ctx, q, selectImages+thisRecord, object, key)
	if err != nil || !found || r.body == nil {
		return sobject.Record{}, false, err
	}
	plain, err := l.box.open(r.body, r.place()...)
	if err != nil {
		return sobject.Record{}, false, err
	}
	record, err := sobject.Decode(plain)
	return record, err == nil, err
}

// Image gives a record as it was last synced, and whether there is one.
func (l *Ledger) Image(ctx context.Context, object, key string) (record sobject.Record, found bool, err error) {
	err = l.view(ctx, "read an image", func(q querier) (err error) {
		record, found, err = l.image(ctx, q, object, key)
		return err
	})
	return record, found, err
}

// Images gives the records of a ref as they were last synced, parents first, whatever version the reference names.
// Records that the ref shares with others are among them.
func (l *Ledger) Images(ctx context.Context, source string, ref fhir.Reference) ([]sobject.Record, error) {
	var out []sobject.Record
	err := l.view(ctx, "read images", func(q querier) error {
		links, err := list[linkRow](ctx, q, selectImageLinks+thisRef+` ORDER BY nth, object, record_key`, source, ref.Type, ref.ID)
		for i := 0; err == nil && i < len(links); i++ {
			var record sobject.Record
			var found bool
			if record, found, err = l.image(ctx, q, links[i].object, links[i].key); found {
				out = append(out, record)
			}
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// ImagesByKey gives the images of those keys that have one.
func (l *Ledger) ImagesByKey(ctx context.Context, object string, keys []string) (map[string]sobject.Record, error) {
	out := map[string]sobject.Record{}
	err := l.view(ctx, "read images", func(q querier) error {
		for _, key := range keys {
			record, found, err := l.image(ctx, q, object, key)
			if err != nil {
				return err
			}
			if found {
				out[key] = record
			}
		}
		return nil
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}

// RefOfKey gives the source and the ref (without a version) that a record came from: the one that wrote it last, or,
// where nothing was settled yet, the one that intended to. ErrNotFound where the key is not ours.
func (l *Ledger) RefOfKey(ctx context.Context, object, key string) (source string, ref fhir.Reference, err error) {
	err = l.view(ctx, "find the ref of a key", func(q querier) error {
		r, found, err := get[imageRow](ctx, q, selectImages+thisRecord, object, key)
		if err != nil {
			return err
		}
		if found {
			source, ref = r.source, fhir.Reference{Type: r.typ, ID: r.id}
			return nil
		}
		i, found, err := get[intentRow](ctx, q, selectIntents+thisRecord+` ORDER BY created DESC LIMIT 1`, object, key)
		if err == nil && !found {
			err = fmt.Errorf("%s by key: %w", object, ErrNotFound)
		}
		source, ref = i.source, i.ref().Current()
		return err
	})
	return source, ref, err
}
