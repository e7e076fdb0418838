package ledger

import (
	"context"
	"errors"
	"fmt"
)

const maxFaults = 20

// faults collects what Verify finds, up to a number that a person can read.
type faults struct{ errs []error }

func (f *faults) add(format string, args ...any) {
	if len(f.errs) < maxFaults {
		f.errs = append(f.errs, fmt.Errorf("%w: "+format, append([]any{ErrTampered}, args...)...))
	}
}

// Verify reads the whole ledger and compares: every row with its hash, every ciphertext with its place, the chain with
// itself and its head, fates and images with the chain's last word, counters with rows. The error joins up to 20
// faults, each an ErrTampered that names table and row by references and keys.
func (l *Ledger) Verify(ctx context.Context) error {
	var f faults
	err := l.view(ctx, "verify", func(q querier) error {
		checks := []func(context.Context, querier, *faults) error{
			l.verifyVersions, l.verifyImages, l.verifyOthers, verifyChain, verifyFates, l.verifyCounters,
		}
		for _, check := range checks {
			if err := check(ctx, q, &f); err != nil {
				return err
			}
		}
		return nil
	})
	return errors.Join(append(f.errs, err)...)
}

func (l *Ledger) verifyVersions(ctx context.Context, q querier, f *faults) error {
	return each(ctx, q, func(r versionRow, bad error) error {
		if bad != nil {
			f.add("%s of %s does not match its row hash", r.ref(), r.source)
		}
		if _, err := l.box.open(r.body, r.place()...); err != nil {
			f.add("the body of %s of %s does not open", r.ref(), r.source)
		}
		return nil
	}, selectVersions)
}

// verifyImages compares each image with its own hash and with the chain's last entry about it.
func (l *Ledger) verifyImages(ctx context.Context, q querier, f *faults) error {
	last := map[[2]string]string{}
	err := eachLink(ctx, q, func(k link) {
		if k.image != "" {
			last[[2]string{k.object, k.key}] = k.image
		}
	}, selectLinks+` WHERE seq IN (SELECT MAX(seq) FROM chain WHERE image <> '' GROUP BY object, record_key)`)
	if err != nil {
		return err
	}
	err = each(ctx, q, func(r imageRow, bad error) error {
		at := [2]string{r.object, r.key}
		if bad != nil {
			f.add("image %s %s does not match its row hash", r.object, r.key)
		}
		if _, err := l.box.open(r.body, r.place()...); err != nil {
			f.add("image %s %s does not open", r.object, r.key)
		}
		if r.body != nil && r.imageHash() != last[at] {
			f.add("image %s %s is not the one in the audit chain", r.object, r.key)
		}
		delete(last, at)
		return nil
	}, selectImages)
	for at := range last {
		f.add("image %s %s is in the audit chain and nowhere else", at[0], at[1])
	}
	return err
}

func (l *Ledger) verifyOthers(ctx context.Context, q querier, f *faults) error {
	return errors.Join(
		verifyRows[refRow](ctx, q, f, selectRefs),
		verifyRows[detailRow](ctx, q, f, selectDetails),
		verifyRows[patientRow](ctx, q, f, selectPatients),
		verifyRows[budgetRow](ctx, q, f, selectBudgets),
		verifyRows[cursorRow](ctx, q, f, selectCursors),
		verifyRows[linkRow](ctx, q, f, selectImageLinks),
		verifySealed[intentRow](ctx, q, f, l.box, selectIntents),
		verifySealed[listedRow](ctx, q, f, l.box, selectListed),
		verifySealed[inboxRow](ctx, q, f, l.box, selectInbox),
		verifySealed[writebackRow](ctx, q, f, l.box, selectWritebacks))
}

func verifyRows[R any, P rowOf[R]](ctx context.Context, q querier, f *faults, query string) error {
	return each[R, P](ctx, q, func(r R, bad error) error {
		if bad != nil {
			f.add("a row of %s does not match its hash", P(&r).table())
		}
		return nil
	}, query)
}

type sealedRow[R any] interface {
	rowOf[R]
	place() []string
	sealed() []byte
}

func verifySealed[R any, P sealedRow[R]](ctx context.Context, q querier, f *faults, b *box, query string) error {
	return each[R, P](ctx, q, func(r R, bad error) error {
		p := P(&r)
		if bad != nil {
			f.add("row %s of %s does not match its hash", p.place()[1], p.table())
		}
		if _, err := b.open(p.sealed(), p.place()...); err != nil {
			f.add("row %s of %s does not open", p.place()[1], p.table())
		}
		return nil
	}, query)
}

func (r *inboxRow) sealed() []byte     { return r.body }
func (r *writebackRow) sealed() []byte { return r.body }

func eachLink(ctx context.Context, q querier, fn func(link), query string) error {
	rows, err := q.QueryContext(ctx, query)
	if err != nil {
		return err
	}
	defer rows.Close()
	for rows.Next() {
		var k link
		if err := rows.Scan(append(k.cells(), &k.hash)...); err != nil {
			return err
		}
		fn(k)
	}
	return rows.Err()
}

// verifyChain walks the chain from its first entry and compares the end with the head. One fault is enough: after it
// nothing matches.
func verifyChain(ctx context.Context, q querier, f *faults) error {
	var last link
	broken := false
	err := eachLink(ctx, q, func(k link) {
		if !broken && (k.seq != last.seq+1 || k.hash != k.after(last.hash)) {
			f.add("the audit chain breaks at entry %d", last.seq+1)
			broken = true
		}
		last = k
	}, selectLinks+` ORDER BY seq`)
	if err != nil || broken {
		return err
	}
	rows, err := q.QueryContext(ctx, `SELECT seq, hash FROM chain_head WHERE one = 1`)
	if err != nil {
		return err
	}
	defer rows.Close()
	var seq int64
	var hash string
	if rows.Next() {
		err = rows.Scan(&seq, &hash)
	}
	if err == nil && (seq != last.seq || hash != last.hash) {
		f.add("the audit chain ends at entry %d, its head says %d", last.seq, seq)
	}
	return errors.Join(err, rows.Err())
}

const (
	aboutVersions = ` FROM chain c WHERE c.object = '' AND c.version <> '' AND c.fate NOT LIKE 'writeback-%'`
	// versions that the chain knows and that are gone or elsewhere
	selectStrayFates = `SELECT c.type, c.id, c.version, c.fate` + aboutVersions + `
		AND NOT EXISTS (SELECT 1 FROM chain n WHERE n.source = c.source AND n.type = c.type AND n.id = c.id AND n.version = c.version
			AND n.object = '' AND n.fate NOT LIKE 'writeback-%' AND n.seq > c.seq)
		AND NOT EXISTS (SELECT 1 FROM versions v WHERE v.source = c.source AND v.type = c.type AND v.id = c.id AND v.version = c.version
			AND v.fate = c.fate)
		ORDER BY c.seq`
	// versions with a fate that the chain never heard of
	selectUnheardFates = `SELECT v.type, v.id, v.version, v.fate FROM versions v WHERE v.version <> '' AND v.fate <> 'pending'
		AND NOT EXISTS (SELECT 1` + aboutVersions + ` AND c.source = v.source AND c.type = v.type AND c.id = v.id AND c.version = v.version)
		ORDER BY v.type, v.id, v.version`
)

// verifyFates compares the fate of each version with the chain's last word on it. Marks come and go and are left out.
func verifyFates(ctx context.Context, q querier, f *faults) error {
	for _, query := range []string{selectStrayFates, selectUnheardFates} {
		rows, err := q.QueryContext(ctx, query)
		if err != nil {
			return err
		}
		for rows.Next() {
			var r versionRow
			if err := rows.Scan(&r.typ, &r.id, &r.version, &r.fate); err != nil {
				return errors.Join(err, rows.Close())
			}
			f.add("%s is not as the audit chain has it", r.ref())
		}
		if err := errors.Join(rows.Err(), rows.Close()); err != nil {
			return err
		}
	}
	return nil
}

func (l *Ledger) verifyCounters(ctx context.Context, q querier, f *faults) error {
	kept, err := counts(ctx, q, `SELECT name, value FROM counters`)
	if err != nil {
		return err
	}
	found, err := counts(ctx, q, `SELECT fate, COUNT(*) FROM versions GROUP BY fate
		UNION ALL SELECT 'observed', COUNT(*) FROM versions
		UNION ALL SELECT 'unread', COUNT(*) FROM inbox WHERE read_at = 0`)
	if err == nil && kept != found {
		f.add("the counters say %+v, the rows %+v", kept, found)
	}
	return err
}
