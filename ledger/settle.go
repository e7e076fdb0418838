package ledger

import (
	"context"
	"fmt"
	"time"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

// Settlement is what became of one version after an attempt.
type Settlement struct {
	Source string
	Ref    fhir.Reference // the version that Due gave
	Fate   Fate           // Pending: try again at Next
	Reason Reason
	// Next is for Pending, Held and Unknown; zero = the next time that somebody asks. For Applied it is when the record says something
	// else by itself, and is due again (Turn); zero = never.
	Next    time.Time
	Known   *Known   // what is applied now; nil where nothing changed, or only the version
	Images  []Image  // what is known of the rows now, parents first
	Intents []string // to be closed; what stays open is Unresolved
	placed  bool     // the images stand in their order already
}

// Settle writes down fates with everything that goes with them: what is known, images, closed intents, the chain,
// counters, and older undecided versions of the same refs, which are superseded. One transaction: after a crash before
// its end the intents are still unresolved and the work is still due. Settling an applied version's elder as applied
// records it as superseded and leaves what is known alone. Attempts are counted by reason, unless the version is
// superseded.
// ErrNotFound for a version that was never observed or an intent that was never made.
func (l *Ledger) Settle(ctx context.Context, settlements []Settlement) error {
	return l.update(ctx, "settle", func(t *tx) error {
		for _, s := range settlements {
			if err := t.settle(ctx, s); err != nil {
				return fmt.Errorf("%s: %w", s.Ref, err)
			}
		}
		return nil
	})
}

func (t *tx) settle(ctx context.Context, s Settlement) error {
	r, _, err := loadRef(ctx, t.sql, s.Source, s.Ref)
	if err != nil {
		return err
	}
	v, found, err := loadVersion(ctx, t.sql, s.Source, s.Ref)
	if err != nil {
		return err
	}
	if err := allowed(&v, found, s.Fate); err != nil {
		return err
	}
	known, err := stampOf(ctx, t.sql, &r, r.knownVersion)
	if err != nil {
		return err
	}
	s = s.against(&r, &v, known)
	if s.Reason.Code != v.reason.code {
		v.attempts = 0 // attempts are counted by reason: what waited for its patient has not failed at Salesforce
	}
	if s.Fate != Superseded {
		v.attempts++
	}
	if err := t.learn(ctx, &r, &v, s, known); err != nil {
		return err
	}
	v.next = toMillis(s.Next)
	if err := t.move(ctx, &v, s.Fate, s.Reason, r.digest); err != nil {
		return err
	}
	if err := t.keepDetail(ctx, &v, s.Reason.Detail); err != nil {
		return err
	}
	if err := t.put(ctx, &r); err != nil {
		return err
	}
	if err := t.supersede(ctx, &r, &v); err != nil {
		return err
	}
	return t.records(ctx, &v, s)
}

func allowed(v *versionRow, found bool, fate Fate) error {
	switch {
	case !found:
		return fmt.Errorf("version: %w", ErrNotFound)
	case !fate.valid():
		return fmt.Errorf("fate of %d characters: %w", len(fate), ErrTransition)
	case v.mark() && (fate == Applied || fate == Superseded):
		return fmt.Errorf("it was never read, so it cannot be %s: %w", fate, ErrTransition)
	}
	return nil
}

// learn takes over what was applied. The applied version never goes down.
func (t *tx) learn(ctx context.Context, r *refRow, v *versionRow, s Settlement, known stamp) error {
	version, now := r.learn(v.version, s.Fate, s.Known), v.stamp()
	if version == "" || version == r.knownVersion {
		return nil
	}
	if version != v.version {
		var err error
		if now, err = stampOf(ctx, t.sql, r, version); err != nil {
			return err
		}
	}
	if known.version == "" || !now.before(known) {
		r.knownVersion = version
	}
	return nil
}

// against lets nothing go backwards: a version below the applied one is superseded whatever happened to it, and a
// version that was superseded meanwhile stays so unless it was applied after all.
func (s Settlement) against(r *refRow, v *versionRow, known stamp) Settlement {
	switch {
	case s.Fate == Applied && known.version != "" && v.stamp().before(known):
		s.Fate, s.Known, s.Images = Superseded, nil, nil
		s.Reason = appliedBefore(r.knownVersion)
	case v.fate == string(Superseded) && s.Fate != Applied:
		s.Fate, s.Reason, s.Known = Superseded, v.reason.reason(), nil
	}
	return s
}

// move gives a version its fate; the chain hears of it where fate or reason are new, and of every application.
func (t *tx) move(ctx context.Context, v *versionRow, fate Fate, reason Reason, digest string) error {
	news := v.fate != string(fate) || v.reason.code != reason.Code || fate == Applied
	t.count[v.fate]--
	t.count[string(fate)]++
	v.fate, v.reason, v.changed = string(fate), cellsOf(reason), t.now
	if fate.final() && fate != Applied {
		v.next = 0
	}
	if err := t.put(ctx, v); err != nil || !news {
		return err
	}
	return t.append(ctx, v.link(digest))
}

// supersede ends the undecided versions that are older than one that was settled: the source has moved on. A version that
// was only named ends none: whether the source has it is not known before it was read.
func (t *tx) supersede(ctx context.Context, r *refRow, v *versionRow) error {
	if v.mark() || v.named() && v.fate != string(Applied) {
		return nil
	}
	open, err := list[versionRow](ctx, t.sql, selectVersions+thisRef+` AND version <> '' AND fate IN ('pending', 'held', 'unknown')
		ORDER BY seq`, r.source, r.typ, r.id)
	if err != nil {
		return err
	}
	reason := replacedBy(v.version)
	for i := range open {
		if !open[i].stamp().before(v.stamp()) {
			continue
		}
		if err := t.move(ctx, &open[i], Superseded, reason, r.digest); err != nil {
			return err
		}
	}
	return nil
}

// records stores the images and closes the intents. The chain gets an entry for each closed intent, and one for each
// image that no intent of this settlement wrote.
func (t *tx) records(ctx context.Context, v *versionRow, s Settlement) error {
	closed, err := t.closeIntents(ctx, s.Intents)
	if err != nil {
		return err
	}
	var entries []link
	for _, i := range closed {
		entries = append(entries, link{source: i.source, typ: i.typ, id: i.id, version: i.version, object: i.object, key: i.key,
			digest: i.digest, fate: string(s.Fate), code: s.Reason.Code})
	}
	for n, known := range s.Images {
		if s.placed {
			n = asBefore
		}
		image, err := t.keepImage(ctx, v, known, n)
		if err != nil {
			return err
		}
		entries = imageEntry(entries, v, known.Record, image)
	}
	for _, k := range entries {
		if err := t.append(ctx, k); err != nil {
			return err
		}
	}
	return nil
}

// imageEntry puts an image's hash into the entry of the write that made it, or adds an entry.
func imageEntry(entries []link, v *versionRow, record sobject.Record, image string) []link {
	for i := range entries {
		if k := &entries[i]; k.object == record.Object && k.key == record.Key.Value {
			k.image = image
			return entries
		}
	}
	k := v.link("")
	k.object, k.key, k.image = record.Object, record.Key.Value, image
	return append(entries, k)
}

// Probe is what is known of rows whose source record is not settled now: it keeps its place, or is held or dead.
type Probe struct {
	Source  string
	Ref     fhir.Reference // the version that the intents were made from, or one of them
	Images  []Image        // what is known of rows now
	Intents []string       // to be closed
}

// Probed notes what is known of rows, closes intents, and changes nobody's fate.
func (l *Ledger) Probed(ctx context.Context, probes []Probe) error {
	return l.update(ctx, "note what was read", func(t *tx) error {
		for _, p := range probes {
			v, found, err := loadVersion(ctx, t.sql, p.Source, p.Ref)
			if err == nil && !found {
				err = ErrNotFound
			}
			if err == nil {
				err = t.records(ctx, &v, Settlement{Fate: Fate(v.fate), Reason: v.reason.reason(), Images: p.Images, Intents: p.Intents, placed: true})
			}
			if err != nil {
				return fmt.Errorf("%s: %w", p.Ref, err)
			}
		}
		return nil
	})
}
