package ledger

import (
	"cmp"
	"context"
	"crypto/rand"
	"errors"
	"os"
	"path/filepath"
	"slices"

	"refbridge/fhir"
)

// Rehearsal is the work of a source as it will be when the answers that nobody has read yet have been observed. Observe itself
// decides what that is, on a copy of the records that the answers name; the ledger stays as it is. The copy is a file of its own
// below the directory for temporary files, encrypted as the ledger is, so that memory holds one answer at a time. A crash leaves
// that file and nothing else.
type Rehearsal struct {
	ledger *Ledger
	copy   *Ledger // nil: every answer is read
	dir    string
	copied map[fhir.Reference]bool
}

// Rehearse observes a source's unread answers in a copy, in the order in which Observe would be given them. read returns what an
// answer holds. The caller closes the Rehearsal.
func (l *Ledger) Rehearse(ctx context.Context, source string, read func(Answer) []Sighting) (*Rehearsal, error) {
	r := &Rehearsal{ledger: l, copied: map[fhir.Reference]bool{}}
	for a, err := range l.Unread(ctx, source) {
		if err == nil {
			err = r.observe(ctx, Answer{Source: a.Source, Kind: a.Kind, Received: a.Received}, read(a))
		}
		if err != nil {
			return nil, errors.Join(err, r.Close())
		}
	}
	return r, nil
}

// Close removes the copy.
func (r *Rehearsal) Close() error {
	if r.dir == "" {
		return nil
	}
	var err error
	if r.copy != nil {
		err = r.copy.Close()
	}
	return errors.Join(err, os.RemoveAll(r.dir))
}

func (r *Rehearsal) observe(ctx context.Context, a Answer, seen []Sighting) error {
	if err := r.open(ctx); err != nil {
		return err
	}
	refs, err := r.concerned(ctx, a, seen)
	if err != nil {
		return err
	}
	for _, ref := range refs {
		if r.copied[ref] {
			continue
		}
		if err := r.copyRef(ctx, a.Source, ref); err != nil {
			return err
		}
		r.copied[ref] = true
	}
	return r.copy.Observe(ctx, a, seen)
}

// open makes an empty ledger for the copy. It seals with the data key of the ledger: rows are copied as they are.
func (r *Rehearsal) open(ctx context.Context) (err error) {
	if r.copy != nil {
		return nil
	}
	if r.dir, err = os.MkdirTemp("", "refbridge-plan-"); err != nil {
		return err
	}
	key := make([]byte, keySize)
	rand.Read(key)
	r.copy, err = Open(ctx, Options{Path: filepath.Join(r.dir, "copy.db"), Key: key, Now: r.ledger.now})
	if err == nil {
		r.copy.box = r.ledger.box
	}
	return err
}

// concerned returns the records that an answer may change: those that it names, those of the patients that it names, and those
// that it does not name any more where it is a worklist.
func (r *Rehearsal) concerned(ctx context.Context, a Answer, seen []Sighting) (refs []fhir.Reference, err error) {
	err = r.ledger.view(ctx, "look up what an answer is about", func(q querier) error {
		listed, err := list[listedRow](ctx, q, selectListed+` WHERE source = $1 AND list = $2 AND body IS NOT NULL`, a.Source, a.Kind)
		for _, l := range listed {
			refs = append(refs, fhir.Reference{Type: l.typ, ID: l.id})
		}
		for i := 0; err == nil && i < len(seen); i++ {
			of := []fhir.Reference{seen[i].reference().Current()}
			if seen[i].patient() {
				of, err = r.ledger.box.recordsOf(ctx, q, a.Source, seen[i].Ref)
			}
			refs = append(refs, of...)
		}
		return err
	})
	return refs, err
}

// copyRef copies all rows that Observe looks at.
func (r *Rehearsal) copyRef(ctx context.Context, source string, ref fhir.Reference) error {
	var rows []row
	err := r.ledger.view(ctx, "copy a record", func(q querier) error {
		known, found, err := loadRef(ctx, q, source, ref)
		if err != nil || !found {
			return err
		}
		rows = append(rows, &known) // first: the others refer to it
		versions, err := list[versionRow](ctx, q, selectVersions+thisRef, source, ref.Type, ref.ID)
		for i := range versions {
			rows = append(rows, &versions[i])
		}
		if err != nil {
			return err
		}
		listed, err := listedOf(ctx, q, source, ref)
		for i := range listed {
			rows = append(rows, &listed[i])
		}
		if err != nil {
			return err
		}
		patient, found, err := get[patientRow](ctx, q, selectPatients+thisRef, source, ref.Type, ref.ID)
		if found {
			rows = append(rows, &patient)
		}
		return err
	})
	if err != nil {
		return err
	}
	return r.copy.update(ctx, "copy a record", func(t *tx) error {
		for _, row := range rows {
			if err := t.put(ctx, row); err != nil {
				return err
			}
			if v, ok := row.(*versionRow); ok {
				t.count["observed"]++ // Observe takes out of these
				t.count[v.fate]++
			}
		}
		return nil
	})
}

// ToRead is the ledger's ToRead as it will be.
func (r *Rehearsal) ToRead(ctx context.Context, source string) ([]Work, error) {
	work, err := r.ledger.ToRead(ctx, source)
	if err != nil || r.copy == nil {
		return work, err
	}
	ahead, err := r.copy.ToRead(ctx, source)
	return r.merged(work, ahead), err
}

// Turned is the ledger's Turned as it will be.
func (r *Rehearsal) Turned(ctx context.Context, source string) ([]Work, error) {
	work, err := r.ledger.Turned(ctx, source)
	if err != nil || r.copy == nil {
		return work, err
	}
	ahead, err := r.copy.Turned(ctx, source)
	return r.merged(work, ahead), err
}

// Due is the ledger's Due as it will be.
func (r *Rehearsal) Due(ctx context.Context, source string, t Turn) ([]Work, error) {
	for {
		work, err := r.ledger.Due(ctx, source, t)
		if err != nil || r.copy == nil {
			return work, err
		}
		ahead, err := r.copy.Due(ctx, source, t)
		if err != nil {
			return nil, err
		}
		// Behind the last record of a full list there may be others of it that come before those of the other list.
		end, full := t.end(work, ahead)
		all := r.merged(work, ahead)
		if t.Limit == 0 {
			return all, nil
		}
		if full {
			all = slices.DeleteFunc(all, func(w Work) bool { return w.Place().compare(end) > 0 })
		}
		if len(all) > 0 || !full {
			return all[:min(len(all), t.Limit)], nil
		}
		t.After = end // all of them stand in the copy, further behind
	}
}

// end returns up to where both lists are complete, and whether one of them may go on behind it.
func (t Turn) end(lists ...[]Work) (end Place, full bool) {
	for _, work := range lists {
		if len(work) < t.Limit {
			continue
		}
		if last := work[len(work)-1].Place(); !full || last.compare(end) < 0 {
			end, full = last, true
		}
	}
	return end, full
}

// merged returns the work of both in the order of their turns; of a record in the copy the copy has the say.
func (r *Rehearsal) merged(work, ahead []Work) []Work {
	out := slices.DeleteFunc(slices.Clone(work), func(w Work) bool { return r.copied[w.Ref.Current()] })
	out = append(out, ahead...)
	slices.SortFunc(out, func(a, b Work) int { return a.Place().compare(b.Place()) })
	return out
}

func (p Place) compare(o Place) int {
	return cmp.Or(cmp.Compare(p.first, o.first), cmp.Compare(p.typ, o.typ), cmp.Compare(p.id, o.id))
}
