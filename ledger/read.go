package ledger

import (
	"context"
	"errors"
	"fmt"
	"time"

	"refbridge/fhir"
)

var errNothing = errors.New("nothing was read")

// Keep stores what a read of a ref gave: the mark is cleared, a new version is observed, a version that waits for its
// body gets it. What a read gives is the truth: versions that were only named are closed. fresh reports whether this
// version is still to be decided. ref.Version is the version that was read, empty where the source has none.
func (l *Ledger) Keep(ctx context.Context, source string, ref fhir.Reference, body []byte) (fresh bool, err error) {
	n, err := l.KeepAll(ctx, source, []Sighting{{Ref: ref, Body: body}})
	return n == 1, err
}

// KeepAll is Keep for what several reads gave, in one transaction; it returns how many of them are still to be decided.
func (l *Ledger) KeepAll(ctx context.Context, source string, reads []Sighting) (fresh int, err error) {
	if len(reads) == 0 {
		return 0, nil
	}
	err = l.update(ctx, "keep", func(t *tx) error {
		fresh = 0
		for _, s := range reads {
			v, err := t.keep(ctx, source, s)
			if err != nil {
				return fmt.Errorf("%s: %w", s.Ref, err)
			}
			if !v.final() && v.reason.code != CodeOtherContent && v.reason.code != CodeSourceBehind {
				fresh++
			}
		}
		return nil
	})
	if err != nil {
		return 0, err
	}
	return fresh, nil
}

func (t *tx) keep(ctx context.Context, source string, s Sighting) (versionRow, error) {
	if len(s.Body) == 0 {
		return versionRow{}, errNothing
	}
	if err := t.unmark(ctx, source, s.Ref.Current()); err != nil {
		return versionRow{}, err
	}
	r, _, err := loadRef(ctx, t.sql, source, s.Ref)
	if err != nil {
		return versionRow{}, err
	}
	if is, has := split(r.newest), split(s.Ref.Version); Deleted(r.newest) && has.own == is.own && has.turn == 0 {
		s.Ref.Version = inTurn(s.Ref.Version, is.turn+1) // given again as it was before it was deleted
	}
	v, err := t.observe(ctx, source, s)
	if err != nil {
		return v, err
	}
	if r, _, err = loadRef(ctx, t.sql, source, s.Ref); err != nil {
		return v, err
	}
	if err := t.closeNamed(ctx, &r, &v); err != nil {
		return v, err
	}
	newest, err := stampOf(ctx, t.sql, &r, r.newest)
	if err != nil {
		return v, err
	}
	if v.stamp().before(newest) {
		return v, t.behind(ctx, &r, &v, s)
	}
	if err := t.caughtUp(ctx, &r); err != nil {
		return v, err
	}
	return v, t.supersede(ctx, &r, &v)
}

// KeepGone stores that the source has deleted a record: body says so in the source's words. The deletion is a version of
// its own, after the newest; fresh reports whether it is still to be decided. Told again it is only seen again.
func (l *Ledger) KeepGone(ctx context.Context, source string, ref fhir.Reference, body []byte) (fresh bool, err error) {
	err = l.update(ctx, "keep", func(t *tx) error {
		r, _, err := loadRef(ctx, t.sql, source, ref)
		if err != nil {
			return err
		}
		last, err := stampOf(ctx, t.sql, &r, r.newest)
		if err != nil {
			return err
		}
		s := Sighting{Ref: ref.Current(), Body: body, Updated: fromMillis(last.updated), Beside: fromMillis(last.beside)}
		s.Ref.Version = r.newest
		if !Deleted(r.newest) {
			s.Ref.Version = inTurn(r.newest, split(r.newest).turn+1)
		}
		v, err := t.keep(ctx, source, s)
		fresh = !v.final()
		return err
	})
	return fresh && err == nil, err
}

// behindCursor is where the first read that gave an older version than the newest is noted, as long as it goes on.
func behindCursor(r *refRow) string { return "behind:" + r.typ + "/" + r.id }

// behind is for a read that gave an older version than the newest. A copy that lags behind does so for minutes: the
// version is superseded and told. Where reads go on giving it, the source was put back to an earlier state (a restored
// backup): it is held, and a person decides (Reopen takes it for what counts now).
func (t *tx) behind(ctx context.Context, r *refRow, v *versionRow, s Sighting) error {
	first, found, err := get[cursorRow](ctx, t.sql, selectCursors+` WHERE source = $1 AND name = $2`, r.source, behindCursor(r))
	if err != nil || v.reason.code == CodeSourceBehind {
		return err
	}
	if !found || first.value != v.version {
		return t.put(ctx, &cursorRow{source: r.source, name: behindCursor(r), value: v.version, changed: t.now})
	}
	if t.now-first.changed < behindFor.Milliseconds() {
		return nil
	}
	others, err := list[versionRow](ctx, t.sql, selectVersions+thisRef+` AND reason_code = '`+CodeSourceBehind+`' AND fate = 'held'`, r.source, r.typ, r.id)
	for i := 0; err == nil && i < len(others); i++ {
		err = t.move(ctx, &others[i], Superseded, replacedBy(v.version), r.digest)
	}
	if err != nil {
		return err
	}
	v.body, v.next = t.box.seal(s.Body, v.place()...), toMillis(Never())
	return t.move(ctx, v, Held, Reason{Code: CodeSourceBehind, Text: "every read since " +
		fromMillis(first.changed).UTC().Format(time.RFC3339) + " gave version " + v.version + ", and version " + r.newest +
		" came before: the source may have been put back to an earlier state. Salesforce keeps what it has; refbridge retry takes version " +
		v.version + " for what counts now"}, r.digest)
}

// caughtUp forgets that reads were behind.
func (t *tx) caughtUp(ctx context.Context, r *refRow) error {
	_, err := t.sql.ExecContext(ctx, `DELETE FROM cursors WHERE source = $1 AND name = $2`, r.source, behindCursor(r))
	return err
}

// unmark forgets that a ref was to be read: it has been.
func (t *tx) unmark(ctx context.Context, source string, current fhir.Reference) error {
	v, found, err := loadVersion(ctx, t.sql, source, current)
	if err != nil || !found {
		return err
	}
	t.count["observed"]--
	t.count[v.fate]--
	_, err = t.sql.ExecContext(ctx, `DELETE FROM versions`+thisVersion, source, v.typ, v.id, "")
	return err
}
