package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"strings"

	"refbridge/fhir"
)

// Reasons that the ledger itself gives.
const (
	CodeOlderVersion  = "older-version"              // superseded: a higher number was applied before
	CodeNewerVersion  = "newer-version"              // superseded: a newer version was settled
	CodeOtherContent  = "same-version-other-content" // held: the source may have been restored from a backup
	CodeReopened      = "reopened"                   // pending: a person asked for it
	unreadableType    = "Unreadable"
	versionlessPrefix = "d-"
)

// Reason says why a version is where it is.
type Reason struct {
	Code  string // stable, "patient-identity"
	Text  string // for people, no personal data
	Rule  string // "service-request.yaml:42"
	Field string // "Status"
	// Detail is what the values behind it are, for the operator's own terminal: kept encrypted, and read by Detail alone.
	Detail fhir.Private
}

// Sighting is one entry of an answer.
type Sighting struct {
	Ref    fhir.Reference // without a version where the source gives none; zero where the entry has no readable reference
	Body   []byte         // the resource, nil where the entry is only a hint
	Reason Reason         // with a Code: the entry is unreadable and goes to held
}

// Observe records what an answer holds and marks the answer read, in one transaction. answer.ID 0 stands for sightings
// that come from no answer; answer.Source names the source. What is known already is only seen again; a number below
// the applied one is superseded at once; the newest version with other content than before is held. Observing twice is
// observing once.
func (l *Ledger) Observe(ctx context.Context, answer Answer, seen []Sighting) error {
	return l.update(ctx, "observe", func(t *tx) error {
		if answer.ID != 0 {
			if err := t.readAnswer(ctx, answer); err != nil {
				return err
			}
		}
		for _, s := range seen {
			if _, err := t.observe(ctx, answer.Source, s); err != nil {
				return fmt.Errorf("%s: %w", s.Ref, err)
			}
		}
		return nil
	})
}

// Keep stores what a read of a ref gave: the mark is cleared, a new version is observed, a version that waits for its
// body gets it. fresh tells whether this version is still to be decided. ref.Version is the version that was read,
// empty where the source has none.
func (l *Ledger) Keep(ctx context.Context, source string, ref fhir.Reference, body []byte) (fresh bool, err error) {
	err = l.update(ctx, "keep", func(t *tx) error {
		if len(body) == 0 {
			return fmt.Errorf("%s: %w", ref, errors.New("nothing was read"))
		}
		if err := t.unmark(ctx, source, ref.Current()); err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
		v, err := t.observe(ctx, source, Sighting{Ref: ref, Body: body})
		if err != nil {
			return fmt.Errorf("%s: %w", ref, err)
		}
		fresh = !v.final() && v.reason.code != CodeOtherContent
		return nil
	})
	return fresh && err == nil, err
}

func (t *tx) observe(ctx context.Context, source string, s Sighting) (versionRow, error) {
	s.Ref = s.reference()
	r, found, err := loadRef(ctx, t.sql, source, s.Ref)
	if err != nil {
		return versionRow{}, err
	}
	if !found {
		r = refRow{source: source, typ: s.Ref.Type, id: s.Ref.ID, firstSeen: t.now}
	}
	r.lastSeen = t.now
	if s.Ref.Version == "" && len(s.Body) > 0 {
		if s.Ref.Version, err = t.versionless(ctx, &r, s.Body); err != nil {
			return versionRow{}, err
		}
	}
	v, known, err := loadVersion(ctx, t.sql, source, s.Ref)
	if err != nil {
		return versionRow{}, err
	}
	if !known {
		v = t.first(&r, s)
	}
	if err := t.put(ctx, &r); err != nil { // before the version, which refers to it
		return versionRow{}, err
	}
	if !known {
		return v, t.insert(ctx, &r, &v)
	}
	if s.Reason.Code != "" {
		return v, nil // an unreadable entry says nothing about a version that is known
	}
	return v, t.again(ctx, &r, &v, s.Body)
}

// reference gives an entry without a readable reference a name of its own, so that it is counted and can be listed.
func (s Sighting) reference() fhir.Reference {
	if s.Ref.Type != "" && s.Ref.ID != "" {
		return s.Ref
	}
	name := versionlessPrefix + shortDigest(append([]byte(s.Reason.Code), s.Body...))
	return fhir.Reference{Type: unreadableType, ID: name, Version: s.Ref.Version}
}

func shortDigest(b []byte) string {
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:8])
}

// versionless gives the version of a body that has none. Content that comes back after something else was seen is a
// new version: states of a referral go round in circles, and what comes back has to be applied again.
func (t *tx) versionless(ctx context.Context, r *refRow, body []byte) (string, error) {
	base := versionlessPrefix + shortDigest(body)
	if r.newest == base || strings.HasPrefix(r.newest, base+".") {
		return r.newest, nil
	}
	var n int
	err := t.sql.QueryRowContext(ctx, `SELECT COUNT(*) FROM versions`+thisRef+` AND (version = $4 OR version LIKE $5)`,
		r.source, r.typ, r.id, base, base+".%").Scan(&n)
	if err != nil || n == 0 {
		return base, err
	}
	return fmt.Sprintf("%s.%d", base, n+1), nil
}

// first makes the row of a version, or a mark, that was not known.
func (t *tx) first(r *refRow, s Sighting) versionRow {
	v := versionRow{source: r.source, typ: r.typ, id: r.id, version: s.Ref.Version, firstSeen: t.now, changed: t.now, fate: string(Pending)}
	switch {
	case older(v.version, r.knownVersion):
		v.fate = string(Superseded)
		v.reason = cellsOf(Reason{Code: CodeOlderVersion, Text: "version " + r.knownVersion + " was applied before"})
	case s.Reason.Code != "":
		v.fate, v.next, v.reason = string(Held), toMillis(Never()), cellsOf(s.Reason)
	}
	if !v.mark() {
		r.versions++
		v.seq = r.versions
		if v.fate != string(Superseded) && !older(v.version, r.newest) {
			r.newest = v.version
		}
	}
	t.fill(&v, s.Body)
	return v
}

func (t *tx) insert(ctx context.Context, r *refRow, v *versionRow) error {
	t.count["observed"]++
	t.count[v.fate]++
	if v.fate != string(Pending) {
		if err := t.append(ctx, v.link(r.digest)); err != nil {
			return err
		}
	}
	return t.put(ctx, v)
}

// again looks at a version that is known. A body that was missing is filled in; other content under the newest
// version's number is not believed: neither what was decided nor the new content is, until a person looks (Reopen
// applies the new content).
func (t *tx) again(ctx context.Context, r *refRow, v *versionRow, body []byte) error {
	if v.mark() && v.fate == string(Dead) {
		// Named again after it could not be read: whoever names it (a worklist, an operator's backfill) wants it read.
		v.next = 0
		return t.move(ctx, v, Pending, Reason{}, r.digest)
	}
	if len(body) == 0 || v.mark() {
		return nil
	}
	print := t.box.printContent(body)
	if v.print != "" && v.print != print {
		if v.version != r.newest {
			return nil // a newer version is decided or will be: this one has no say any more
		}
		v.print, v.body, v.next = print, t.box.seal(body, v.place()...), toMillis(Never())
		reason := Reason{Code: CodeOtherContent, Text: "the source sent version " + v.version + " again with other content"}
		return t.move(ctx, v, Held, reason, r.digest)
	}
	if v.print != "" && (v.final() || v.body != nil) {
		return nil
	}
	t.fill(v, body)
	return t.put(ctx, v)
}

// fill stores the body of an undecided version; of a decided one only the fingerprint is of use.
func (t *tx) fill(v *versionRow, body []byte) {
	if len(body) == 0 || v.mark() {
		return
	}
	v.print = t.box.printContent(body)
	if !v.final() {
		v.body = t.box.seal(body, v.place()...)
	}
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
