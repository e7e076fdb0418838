package ledger

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"strings"
	"time"

	"refbridge/fhir"
)

// Reasons that the ledger itself gives.
const (
	CodeOlderVersion  = "older-version"              // superseded: a newer one was applied before
	CodeNewerVersion  = "newer-version"              // superseded: a newer version was settled or read
	CodeNamedOnly     = "named-only"                 // superseded: a list named it, and a read gave another one
	CodeSourceBehind  = "source-went-back"           // held: reads go on giving an older version than the newest
	CodeOtherContent  = "same-version-other-content" // held: the source may have been restored from a backup
	CodePatientError  = "patient-error"              // dead, and not read again, whoever names it
	CodeReopened      = "reopened"                   // pending: a person asked for it
	CodePeriodTurned  = "period-turned"              // pending: a period in an applied version began or ended
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
	// Patient is the Patient of this source, and its version, that was seen beside the record; zero where there was none. A sighting
	// whose Ref is a Patient, without a body, says which version that Patient has now: its records are read again.
	Patient fhir.Reference
	// Listed is what the worklist whose answer it is says of the record, as a resource; nil where the answer is no worklist.
	Listed []byte

	Updated time.Time // meta.lastUpdated of the record: the order of versions that are no numbers; zero = not said
	Beside  time.Time // meta.lastUpdated of the patient that was seen beside it
}

func replacedBy(version string) Reason {
	return Reason{Code: CodeNewerVersion, Text: "version " + version + " took its place"}
}

func appliedBefore(version string) Reason {
	return Reason{Code: CodeOlderVersion, Text: "version " + version + " was applied before"}
}

// Observe records what an answer holds and marks the answer read, in one transaction. answer.ID 0 stands for sightings
// that come from no answer; answer.Source names the source. What is known already is only seen again; a version older than
// the applied one, or than the newest whose content came, is superseded at once; the newest version with other content
// than before is held. A version without a body is only named: it is to be read, and has no say over those that were.
// Observing twice is observing once. What a worklist says of a record is kept with it, and ends with the first of the worklist's answers
// that does not name the record: it is marked to be read then.
func (l *Ledger) Observe(ctx context.Context, answer Answer, seen []Sighting) error {
	return l.update(ctx, "observe", func(t *tx) error {
		if answer.ID != 0 {
			if err := t.readAnswer(ctx, answer); err != nil {
				return err
			}
		}
		for _, s := range seen {
			if err := t.sight(ctx, answer, s); err != nil {
				return err
			}
		}
		return t.withdraw(ctx, answer, seen)
	})
}

func (t *tx) sight(ctx context.Context, answer Answer, s Sighting) error {
	if s.patient() {
		return t.patientChanged(ctx, answer.Source, s.Ref) // its error names the record and not the patient
	}
	s, err := t.keepListed(ctx, answer, s)
	if err == nil {
		_, err = t.observe(ctx, answer.Source, s)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.Ref, err)
	}
	return nil
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
	s.Ref.Version = sameTurn(s, r.newest)
	v, known, err := loadVersion(ctx, t.sql, source, s.Ref)
	if err != nil {
		return versionRow{}, err
	}
	if !known {
		if v, err = t.first(ctx, &r, s); err != nil {
			return versionRow{}, err
		}
	}
	if err := t.put(ctx, &r); err != nil { // before the version, which refers to it
		return versionRow{}, err
	}
	if err := t.keepPatient(ctx, &r, s); err != nil {
		return versionRow{}, err
	}
	if !known {
		return v, t.insert(ctx, &r, &v)
	}
	if s.Reason.Code != "" {
		return v, nil // an unreadable entry says nothing about a version that is known
	}
	return v, t.again(ctx, &r, &v, s)
}

// sameTurn returns the version under which a sighting is filed. Where the source had deleted the record and then gave it
// again as it was, what comes with a body under the same own version belongs to the later turn.
func sameTurn(s Sighting, newest string) string {
	has, is := split(s.Ref.Version), split(newest)
	if len(s.Body) == 0 || has.own != is.own || has.turn != 0 || is.turn%2 != 0 {
		return s.Ref.Version
	}
	return inTurn(s.Ref.Version, is.turn)
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
func (t *tx) first(ctx context.Context, r *refRow, s Sighting) (versionRow, error) {
	v := versionRow{source: r.source, typ: r.typ, id: r.id, version: s.Ref.Version, firstSeen: t.now, changed: t.now, fate: string(Pending),
		updated: toMillis(s.Updated), beside: toMillis(s.Beside)}
	if v.mark() {
		return v, nil
	}
	r.versions++
	v.seq = r.versions
	reason, err := t.elder(ctx, r, &v)
	switch {
	case err != nil:
		return v, err
	case reason.Code != "":
		v.fate, v.reason = string(Superseded), cellsOf(reason)
	case s.Reason.Code != "":
		v.fate, v.next, v.reason = string(Held), toMillis(Never()), cellsOf(s.Reason)
	}
	t.fill(&v, s)
	switch {
	case v.fate == string(Superseded):
	case v.named():
		return v, t.closeNamed(ctx, r, &v)
	default:
		r.newest = v.version
	}
	return v, nil
}

// elder returns why a version that is new to us has no say; the zero Reason = it has.
func (t *tx) elder(ctx context.Context, r *refRow, v *versionRow) (Reason, error) {
	known, err := stampOf(ctx, t.sql, r, r.knownVersion)
	if err != nil {
		return Reason{}, err
	}
	newest, err := stampOf(ctx, t.sql, r, r.newest)
	switch {
	case err != nil:
		return Reason{}, err
	case known.version != "" && v.stamp().before(known):
		return appliedBefore(known.version), nil
	case newest.version != "" && v.stamp().before(newest):
		return replacedBy(newest.version), nil
	}
	return Reason{}, nil
}

// closeNamed ends the versions that were only named and not read, once v came: it was read, or is the newer name. One that
// could not be read for good (dead) needs nobody any more when another was read.
func (t *tx) closeNamed(ctx context.Context, r *refRow, v *versionRow) error {
	fates := `fate IN ('pending', 'held', 'unknown')`
	if !v.named() {
		fates = `fate IN ('pending', 'held', 'unknown', 'dead')`
	}
	open, err := list[versionRow](ctx, t.sql, selectVersions+thisRef+` AND version <> '' AND version <> $4 AND fingerprint = ''
		AND `+fates+` ORDER BY seq`, r.source, r.typ, r.id, v.version)
	if err != nil {
		return err
	}
	for i := range open {
		reason := replacedBy(v.version)
		switch later := !open[i].stamp().before(v.stamp()); {
		case later && v.named():
			v.fate, v.reason = string(Superseded), cellsOf(replacedBy(open[i].version))
			continue
		case later:
			reason = Reason{Code: CodeNamedOnly, Text: "a list named it; when the record was read, the source gave version " + v.version}
		}
		if err := t.move(ctx, &open[i], Superseded, reason, r.digest); err != nil {
			return err
		}
	}
	return nil
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
func (t *tx) again(ctx context.Context, r *refRow, v *versionRow, s Sighting) error {
	dead := v.fate == string(Dead) && v.reason.code != CodePatientError
	if v.named() && (dead || v.reason.code == CodeNamedOnly) && len(s.Body) == 0 {
		// Named again after it could not be read: whoever names it (a worklist, an operator's backfill) wants it read.
		v.next = 0
		return t.move(ctx, v, Pending, Reason{}, r.digest)
	}
	if len(s.Body) == 0 || v.mark() {
		return nil
	}
	print := t.box.printContent(s.Body)
	switch {
	case v.print != "" && v.print != print:
		return t.otherContent(ctx, r, v, s, print)
	case v.version == r.newest && (v.final() || v.body != nil):
		return nil
	}
	return t.arrived(ctx, r, v, s)
}

// arrived takes the body of a version that is known and not the newest, or whose body was purged: one that was named
// before, or one that the source has come to again after it had been put back.
func (t *tx) arrived(ctx context.Context, r *refRow, v *versionRow, s Sighting) error {
	newest, err := stampOf(ctx, t.sql, r, r.newest)
	if err != nil {
		return err
	}
	v.updated, v.beside = max(v.updated, toMillis(s.Updated)), max(v.beside, toMillis(s.Beside))
	older := newest.version != "" && v.stamp().before(newest)
	switch wasNamed := v.named(); {
	case older && !v.final() && v.reason.code != CodeSourceBehind:
		t.fill(v, s)
		return t.move(ctx, v, Superseded, replacedBy(newest.version), r.digest)
	case older || wasNamed && v.decided():
		t.fill(v, s)
		return t.put(ctx, v)
	case wasNamed && v.fate != string(Pending), !wasNamed && v.final():
		v.next = 0
		if err := t.move(ctx, v, Pending, Reason{}, r.digest); err != nil {
			return err
		}
	}
	t.fill(v, s)
	r.newest = v.version
	if err := t.put(ctx, r); err != nil {
		return err
	}
	return t.put(ctx, v)
}

// otherContent holds the newest version when it came with other content. An older one has no say any more.
func (t *tx) otherContent(ctx context.Context, r *refRow, v *versionRow, s Sighting, print string) error {
	newest, err := stampOf(ctx, t.sql, r, r.newest)
	if err != nil || v.stamp().before(newest) {
		return err
	}
	if r.newest != v.version { // the source was put back to an earlier version before, and has come to this one anew
		r.newest = v.version
		if err := t.put(ctx, r); err != nil {
			return err
		}
	}
	v.print, v.body, v.next = print, t.box.seal(s.Body, v.place()...), toMillis(Never())
	reason := Reason{Code: CodeOtherContent, Text: "the source sent version " + v.version + " again with other content"}
	return t.move(ctx, v, Held, reason, r.digest)
}

// fill stores the body of an undecided version; of a decided one only the fingerprint is of use.
func (t *tx) fill(v *versionRow, s Sighting) {
	if len(s.Body) == 0 || v.mark() {
		return
	}
	v.print = t.box.printContent(s.Body)
	if !v.final() {
		v.body = t.box.seal(s.Body, v.place()...)
	}
}
