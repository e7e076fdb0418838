package bridge

import (
	"slices"
	"strings"

	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// Decision is what happens to one field of a record that is there.
type Decision uint8

const (
	Leave        Decision = iota // equal, or not ours to write
	Overwrite                    // the source's value is sent
	KeepTheirs                   // Salesforce changed it and the source did not
	Conflict                     // both changed it
	Unclear                      // nobody can tell whether Salesforce has a value of ours or a person's
	OtherPatient                 // the patient link differs: never written
	Moved                        // what is set on create only is another now at the source: never written
	OtherPerson                  // what says who the record is about differs: never written
)

// Past is what is known of a field of a row from before the row was read.
type Past struct {
	Image   sobject.Value   // the last value that is known to be ours
	Known   bool            // there is one
	Unclear bool            // the last value is ours or a person's, and nobody can tell
	Meant   []sobject.Value // of the open intents that carry the field, oldest first
	Whose   bool            // the field says whose the record is
	left    bool            // an open create left the field to the org
	moved   bool            // the row moved since the image's stamp, and the last writer is not our user
}

// PastOf returns what is known of a field of a row; have is the row as it was read.
func PastOf(row ledger.Row, field string, have sobject.Record) Past {
	var p Past
	if row.Known {
		p.Image, p.Known = row.Image.Record.Get(field)
		p.Unclear = slices.Contains(row.Image.Unclear, field)
	}
	p.moved = MovedSince(row, have)
	there, _ := have.Get(field)
	for _, in := range row.Open {
		v, carries := in.Meant.Get(field)
		switch {
		case in.Meant.Object == "":
			// An intent of an older version, which kept no values: what is there may be what it meant.
			p.Unclear = p.Unclear || !p.Known || !p.Image.Equal(there)
		case carries:
			p.Meant = append(p.Meant, v)
		case in.Creates:
			p.left = true
		}
	}
	return p
}

// MovedSince reports whether somebody else than our user wrote a row last, since it was as the image says.
func MovedSince(row ledger.Row, have sobject.Record) bool {
	return have.Theirs && !(row.Known && !have.Modified.IsZero() && row.Image.Record.Modified.Equal(have.Modified))
}

// Adopted is a past in which what the org filled in itself is known: what a source is silent about, or an open create left out. have is
// what is there; keep says that a value which the source is silent about is left as it is, and silent that it is silent now.
func (p Past) Adopted(have sobject.Value, keep, silent bool) Past {
	switch {
	case p.Known || p.Unclear || !p.left && !(keep && silent):
		return p
	case p.moved:
		p.Unclear = true
	case keep:
		p.Image, p.Known = have, true
	default:
		p.Known = true // empty, as an answered create would be remembered
	}
	return p
}

// Candidates are the values that may be ours: the image's and those of all open intents.
func (p Past) Candidates() []sobject.Value {
	if !p.Known {
		return p.Meant
	}
	return append([]sobject.Value{p.Image}, p.Meant...)
}

// Ours reports whether a value is one of the candidates.
func (p Past) Ours(v sobject.Value) bool { return slices.ContainsFunc(p.Candidates(), v.Equal) }

// unchanged reports whether the source wants what it wanted: every candidate is the wish.
func (p Past) unchanged(want sobject.Value) bool {
	all := p.Candidates()
	return len(all) > 0 && !slices.ContainsFunc(all, func(v sobject.Value) bool { return !v.Equal(want) })
}

// doubted reports whether a candidate that is there may have been set by a person all the same.
func (p Past) doubted() bool { return p.moved && len(p.Meant) > 0 }

// Decide settles one field by its owner: want is the source's value now, have is Salesforce's, p is what is known from before.
//
//	owner       have = want   source unchanged   target unchanged   both changed
//	source      leave         overwrite          overwrite          overwrite
//	latest      leave         keepTheirs         overwrite          conflict
//	target      leave         leave              leave              leave
//	create-only leave         leave              moved              moved
//	identity    leave         otherPerson        otherPerson        otherPerson
//
// The target is unchanged where it has a candidate, the source where every candidate is the wish. A latest field whose last value is
// unclear, or that has a candidate which a person may have set, is unclear. A patient link that differs is otherPatient whoever
// changed it. A field that is empty in Salesforce differs from nothing: a source's or latest value fills it, an identity too; of a year or a month alone, which Salesforce takes not as a date, nothing is written.
func Decide(want sobject.Field, have sobject.Value, p Past) Decision {
	if have.Equal(want.Value) {
		return Leave
	}
	switch want.Owner {
	case sobject.Stop:
		return decideStop(want.Value, have, p)
	case sobject.TargetSide:
		return Leave
	case sobject.CreateOnly:
		return decideCreateOnly(want, have, p)
	case sobject.Identity:
		return decideIdentity(want.Value, have)
	case sobject.Latest:
		return decideLatest(want.Value, have, p)
	}
	return Overwrite
}

func decideLatest(want, have sobject.Value, p Past) Decision {
	none := len(p.Candidates()) == 0
	switch {
	case p.Unclear:
		return Unclear
	case none && have.IsNull():
		return Overwrite // nobody has decided yet: a new row of the tables fills an empty field
	case none:
		return Conflict
	case !p.Ours(have) && p.unchanged(want):
		return KeepTheirs
	case !p.Ours(have):
		return Conflict
	case p.doubted():
		return Unclear
	}
	return Overwrite
}

func decideCreateOnly(want sobject.Field, have sobject.Value, p Past) Decision {
	switch {
	case want.Value.IsNull() || have.IsNull() && len(p.Candidates()) == 0:
		return Leave
	case p.Whose && want.Value.Kind() == sobject.Text && !have.IsNull():
		return OtherPatient
	case p.unchanged(want.Value):
		return Leave // the source says what it said: Salesforce, or a person there, has it otherwise
	}
	return Moved
}

func decideIdentity(want, have sobject.Value) Decision {
	switch {
	case want.IsNull(), have.IsNull() && want.Partial(), SameIdentity(have, want):
		return Leave
	case have.IsNull():
		return Overwrite
	}
	return OtherPerson
}

// decideStop settles a stop flag: want is the source's, have is Salesforce's.
//
//	source   Salesforce   known to be ours   then
//	stop     stop         any                leave
//	stop     no           no, in doubt       overwrite: the flag is set
//	stop     no           stop               keepTheirs: a person took back what we had set
//	no       no           any                leave
//	no       stop         stop               overwrite: what we set is taken back
//	no       stop         no, in doubt       keepTheirs: somebody else set it, or may have
func decideStop(want, have sobject.Value, p Past) Decision {
	stop := sobject.BoolValue(true)
	set := have.Equal(stop)
	switch {
	case want.Equal(stop) == set:
		return Leave
	case set && p.Ours(stop) && !p.Unclear && !p.doubted():
		return Overwrite
	case set:
		return KeepTheirs
	case p.Known && p.unchanged(stop):
		return KeepTheirs
	}
	return Overwrite
}

// After returns what is known of a field once the row was read: want is the source's value, have what was there, d what was decided. The
// value is ours where it is the wish, or a candidate that is written over; what a person may have set is unclear; and before an intent
// is closed that nobody saw, the last value meant is remembered.
func (p Past) After(want, have sobject.Value, d Decision) Past {
	switch {
	case have.Equal(want) || d == Overwrite && p.Ours(have):
		return Past{Image: have, Known: true}
	case d == Unclear:
		return Past{Unclear: true}
	}
	return p.remembered()
}

// remembered is what stays known of a field of which a read has shown nothing.
func (p Past) remembered() Past {
	if !p.Known && !p.Unclear && len(p.Meant) > 0 {
		return Past{Image: p.Meant[len(p.Meant)-1], Known: true}
	}
	return Past{Image: p.Image, Known: p.Known, Unclear: p.Unclear}
}

// seen is after for a row that was read while nobody knows what the source wants of it.
func (p Past) seen(have sobject.Value) Past {
	switch {
	case p.Ours(have) && p.doubted():
		return Past{Unclear: true}
	case p.Ours(have):
		return Past{Image: have, Known: true, Unclear: p.Unclear}
	}
	return p.remembered()
}

// SameIdentity reports whether two values of what says who somebody is can be one person's: dates as far as both go, where one has a year
// or a month alone.
func SameIdentity(a, b sobject.Value) bool {
	if a.Kind() != sobject.Date || b.Kind() != sobject.Date {
		return a.Equal(b)
	}
	x, y := a.Reveal(), b.Reveal()
	return strings.HasPrefix(x, y) || strings.HasPrefix(y, x)
}
