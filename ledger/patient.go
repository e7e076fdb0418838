package ledger

import (
	"context"

	"refbridge/fhir"
)

// patientType is the type of a sighting that is no record to carry, but the patient of some.
const patientType = "Patient"

// patientRow says whose record a ref is.
type patientRow struct {
	source, typ, id string
	token           string // of the Patient's reference
	seen            string // version of the Patient that was seen beside the record last
}

func (r *patientRow) table() string { return "patients" }
func (r *patientRow) cells() []any {
	return []any{&r.source, &r.typ, &r.id, &r.token, &r.seen}
}
func (r *patientRow) upsert() string {
	return `INSERT INTO patients (source, type, id, token, seen, row_hash) VALUES ($1, $2, $3, $4, $5, $6)
		ON CONFLICT (source, type, id) DO UPDATE SET token = excluded.token, seen = excluded.seen, row_hash = excluded.row_hash`
}

const selectPatients = `SELECT source, type, id, token, seen, row_hash FROM patients`

// patientToken stands for a Patient of a source: ids of Patients may be numbers that name somebody.
func (b *box) patientToken(source, id string) string {
	return b.print(netstrings(nil, patientType, source, id))
}

// patient reports whether a sighting is of a Patient alone.
func (s Sighting) patient() bool {
	return s.Ref.Type == patientType && len(s.Body) == 0 && s.Reason.Code == ""
}

// keepPatient notes whose record a ref is, and as whom its newest version was seen.
func (t *tx) keepPatient(ctx context.Context, r *refRow, s Sighting) error {
	if s.Patient.ID == "" || s.Ref.Version != r.newest {
		return nil
	}
	row := patientRow{source: r.source, typ: r.typ, id: r.id, token: t.box.patientToken(r.source, s.Patient.ID), seen: s.Patient.Version}
	had, found, err := get[patientRow](ctx, t.sql, selectPatients+thisRef, r.source, r.typ, r.id)
	if err != nil || found && had == row {
		return err
	}
	return t.put(ctx, &row)
}

// patientChanged marks the records of a Patient to be read again that were seen beside another version of it. Of a Patient who
// has no records here nothing is kept.
func (t *tx) patientChanged(ctx context.Context, source string, patient fhir.Reference) error {
	refs, err := t.box.recordsOf(ctx, t.sql, source, patient)
	for i := 0; err == nil && i < len(refs); i++ {
		_, err = t.observe(ctx, source, Sighting{Ref: refs[i]})
	}
	return err
}

// recordsOf returns the refs of a Patient, without those that have seen this version of it and those that the source has ended.
func (b *box) recordsOf(ctx context.Context, q querier, source string, patient fhir.Reference) (out []fhir.Reference, err error) {
	err = each(ctx, q, func(r patientRow, bad error) error {
		if r.seen != patient.Version {
			out = append(out, fhir.Reference{Type: r.typ, ID: r.id})
		}
		return bad
	}, selectPatients+` WHERE source = $1 AND token = $2 AND NOT EXISTS (SELECT 1 FROM refs r WHERE r.source = patients.source
		AND r.type = patients.type AND r.id = patients.id AND r.terminal <> 0) ORDER BY type, id`, source, b.patientToken(source, patient.ID))
	return out, err
}
