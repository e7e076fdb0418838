package ledger

import (
	"context"

	"refbridge/fhir"
)

// refRow is all that is known of one ref, versions aside.
type refRow struct {
	source, typ, id     string
	firstSeen, lastSeen int64
	versions            int64  // how many were ever observed
	newest              string // of those whose content came; empty: none so far
	knownVersion        string // last applied; empty: never
	digest, tables      string
	patient             string
	terminal            int64
}

func (r *refRow) table() string { return "refs" }
func (r *refRow) cells() []any {
	return []any{&r.source, &r.typ, &r.id, &r.firstSeen, &r.lastSeen, &r.versions, &r.newest,
		&r.knownVersion, &r.digest, &r.tables, &r.patient, &r.terminal}
}
func (r *refRow) upsert() string {
	return `INSERT INTO refs (source, type, id, first_seen, last_seen, versions, newest,
		known_version, digest, tables_hash, patient, terminal, row_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13)
		ON CONFLICT (source, type, id) DO UPDATE SET first_seen = excluded.first_seen, last_seen = excluded.last_seen,
		versions = excluded.versions, newest = excluded.newest, known_version = excluded.known_version, digest = excluded.digest,
		tables_hash = excluded.tables_hash, patient = excluded.patient, terminal = excluded.terminal, row_hash = excluded.row_hash`
}

const (
	selectRefs = `SELECT source, type, id, first_seen, last_seen, versions, newest, known_version, digest, tables_hash, patient, terminal,
		row_hash FROM refs`
	thisRef     = ` WHERE source = $1 AND type = $2 AND id = $3`
	thisVersion = thisRef + ` AND version = $4`
)

func (r *refRow) known() Known {
	return Known{Version: r.knownVersion, Digest: r.digest, Tables: r.tables, Patient: r.patient, Terminal: r.terminal != 0}
}

// learn takes over what a settlement says was applied. It returns the version that this was.
func (r *refRow) learn(version string, fate Fate, k *Known) string {
	if k != nil {
		r.digest, r.tables, r.patient, r.terminal = k.Digest, k.Tables, k.Patient, 0
		if k.Terminal {
			r.terminal = 1
		}
	}
	switch {
	case fate == Applied:
		return version
	case k != nil:
		return k.Version
	}
	return ""
}

func loadRef(ctx context.Context, q querier, source string, ref fhir.Reference) (refRow, bool, error) {
	return get[refRow](ctx, q, selectRefs+thisRef, source, ref.Type, ref.ID)
}

// versionRow is one observed version, or with an empty version a mark: the ref is to be read.
type versionRow struct {
	source, typ, id, version string
	seq                      int64 // order of sighting within the ref; 0 for a mark
	firstSeen, changed       int64
	fate                     string
	next, attempts           int64
	reason                   reasonCells
	print                    string // fingerprint of the content; empty: no body seen yet
	body                     []byte
	updated, beside          int64 // by the source's clock: see stamp
}

type reasonCells struct{ code, text, rule, field string }

func cellsOf(r Reason) reasonCells { return reasonCells{r.Code, r.Text, r.Rule, r.Field} }

func (r reasonCells) reason() Reason {
	return Reason{Code: r.code, Text: r.text, Rule: r.rule, Field: r.field}
}

func (r *versionRow) table() string { return "versions" }
func (r *versionRow) cells() []any {
	return []any{&r.source, &r.typ, &r.id, &r.version, &r.seq, &r.firstSeen, &r.changed, &r.fate, &r.next, &r.attempts,
		&r.reason.code, &r.reason.text, &r.reason.rule, &r.reason.field, &r.print, &r.body, (*added)(&r.updated), (*added)(&r.beside)}
}
func (r *versionRow) upsert() string {
	return `INSERT INTO versions (source, type, id, version, seq, first_seen, changed, fate, next_try, attempts,
		reason_code, reason_text, reason_rule, reason_field, fingerprint, body, updated, beside, row_hash)
		VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)
		ON CONFLICT (source, type, id, version) DO UPDATE SET seq = excluded.seq, first_seen = excluded.first_seen, changed = excluded.changed,
		fate = excluded.fate, next_try = excluded.next_try, attempts = excluded.attempts, reason_code = excluded.reason_code,
		reason_text = excluded.reason_text, reason_rule = excluded.reason_rule, reason_field = excluded.reason_field,
		fingerprint = excluded.fingerprint, body = excluded.body, updated = excluded.updated, beside = excluded.beside,
		row_hash = excluded.row_hash`
}

const selectVersions = `SELECT source, type, id, version, seq, first_seen, changed, fate, next_try, attempts, reason_code, reason_text,
	reason_rule, reason_field, fingerprint, body, updated, beside, row_hash FROM versions`

func (r *versionRow) place() []string {
	return []string{"versions", r.source, r.typ, r.id, r.version}
}
func (r *versionRow) ref() fhir.Reference {
	return fhir.Reference{Type: r.typ, ID: r.id, Version: r.version}
}
func (r *versionRow) mark() bool  { return r.version == "" }
func (r *versionRow) final() bool { return Fate(r.fate).final() }

func loadVersion(ctx context.Context, q querier, source string, ref fhir.Reference) (versionRow, bool, error) {
	return get[versionRow](ctx, q, selectVersions+thisVersion, source, ref.Type, ref.ID, ref.Version)
}

// named reports whether a version or a mark is only named so far: nobody has seen its content.
func (r *versionRow) named() bool { return r.print == "" }

// decided reports whether a version ended otherwise than by not being readable.
func (r *versionRow) decided() bool {
	return r.fate == string(Applied) || r.fate == string(Superseded) && r.reason.code != CodeNamedOnly
}

func (r *versionRow) stamp() stamp {
	return stamp{version: r.version, updated: r.updated, beside: r.beside, seq: r.seq}
}

// stampOf returns what the order of a version of a ref is told from; the zero stamp of a version that is not there.
func stampOf(ctx context.Context, q querier, r *refRow, version string) (stamp, error) {
	if version == "" {
		return stamp{}, nil
	}
	v, found, err := loadVersion(ctx, q, r.source, fhir.Reference{Type: r.typ, ID: r.id, Version: version})
	if !found {
		return stamp{version: version}, err
	}
	return v.stamp(), err
}
