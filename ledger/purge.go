package ledger

import (
	"context"
	"time"
)

const purgeBatch = 200 // rows a transaction

// Purge erases what the retention time is over for and gives how many ciphertexts that were: bodies of versions that
// were applied, superseded or dead before the time, answers that were read and came before it, and images that were
// last stored before it and belong to terminal refs only, values behind a reason that was given before it, and what a worklist said that has
// not said it again since. Rows, keys, digests and the chain stay. It works in small
// transactions: a crash leaves the rest for the next purge.
func (l *Ledger) Purge(ctx context.Context, before time.Time) (int, error) {
	total := 0
	for _, erase := range []func(context.Context, *tx, int64) (int, error){eraseVersions, eraseAnswers, eraseImages, eraseDetails, eraseListed} {
		for {
			n := 0
			err := l.update(ctx, "purge", func(t *tx) (err error) {
				n, err = erase(ctx, t, toMillis(before))
				return err
			})
			if err != nil {
				return total, err
			}
			total += n
			if n < purgeBatch {
				break
			}
		}
	}
	return total, emptyLog(ctx, l.write)
}

func eraseVersions(ctx context.Context, t *tx, before int64) (int, error) {
	rows, err := list[versionRow](ctx, t.sql, selectVersions+` WHERE fate IN ('applied', 'superseded', 'dead') AND changed < $1
		AND body IS NOT NULL LIMIT $2`, before, purgeBatch)
	for i := 0; err == nil && i < len(rows); i++ {
		rows[i].body = nil
		err = t.put(ctx, &rows[i])
	}
	return len(rows), err
}

func eraseAnswers(ctx context.Context, t *tx, before int64) (int, error) {
	rows, err := list[inboxRow](ctx, t.sql, selectInbox+` WHERE read_at <> 0 AND received < $1 AND body IS NOT NULL LIMIT $2`, before, purgeBatch)
	for i := 0; err == nil && i < len(rows); i++ {
		rows[i].body = nil
		err = t.put(ctx, &rows[i])
	}
	return len(rows), err
}

func eraseImages(ctx context.Context, t *tx, before int64) (int, error) {
	rows, err := list[imageRow](ctx, t.sql, selectImages+` WHERE changed < $1 AND body IS NOT NULL AND NOT EXISTS (
		SELECT 1 FROM image_links k JOIN refs r ON r.source = k.source AND r.type = k.type AND r.id = k.id
		WHERE k.object = images.object AND k.record_key = images.record_key AND r.terminal = 0) LIMIT $2`, before, purgeBatch)
	for i := 0; err == nil && i < len(rows); i++ {
		rows[i].body = nil
		err = t.put(ctx, &rows[i])
	}
	return len(rows), err
}
