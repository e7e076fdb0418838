package bridge

import (
	"slices"
	"strings"

	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// decision is what happens to one field of a record that is there.
type decision uint8

const (
	leave        decision = iota // equal, or not ours to write
	overwrite                    // the source's value is sent
	keepTheirs                   // Salesforce changed it and the source did not
	conflict                     // both changed it
	unclear                      // nobody can tell whether Salesforce has a value of ours or a person's
	otherPatient                 // the patient link differs: never written
	moved                        // what is set on create only is another now at the source: never written
	otherPerson                  // what says who the record is about differs: never written
)

// past is what is known of a field of a row from before the row was read.
type past struct {
	image   sobject.Value   // the last value that is known to be ours
	known   bool            // there is one
	unclear bool            // the last value is ours or a person's, and nobody can tell
	meant   []sobject.Value // of the open intents that carry the field, oldest first
	left    bool            // an open create left the field to the org
	moved   bool            // the row moved since the image's stamp, and the last writer is not our user
}

// pastOf returns what is known of a field of a row; have is the row as it was read.
func pastOf(row ledger.Row, field string, have sobject.Record) past {
	var p past
	if row.Known {
		p.image, p.known = row.Image.Record.Get(field)
		p.unclear = slices.Contains(row.Image.Unclear, field)
	}
	p.moved = movedSince(row, have)
	there, _ := have.Get(field)
	for _, in := range row.Open {
		v, carries := in.Meant.Get(field)
		switch {
		case in.Meant.Object == "":
			// An intent of an older version, which kept no values: what is there may be what it meant.
			p.unclear = p.unclear || !p.known || !p.image.Equal(there)
		case carries:
			p.meant = append(p.meant, v)
		case in.Creates:
			p.left = true
		}
	}
	return p
}

// movedSince reports whether somebody else than our user wrote a row last, since it was as the image says.
func movedSince(row ledger.Row, have sobject.Record) bool {
	return have.Theirs && !(row.Known && !have.Modified.IsZero() && row.Image.Record.Modified.Equal(have.Modified))
}

// adopted is a past in which what the org filled in itself is known: what a source is silent about, or an open create left out. have is
// what is there; keep says that a value which the source is silent about is left as it is, and silent that it is silent now.
func (p past) adopted(have sobject.Value, keep, silent bool) past {
	switch {
	case p.known || p.unclear || !p.left && !(keep && silent):
		return p
	case p.moved:
		p.unclear = true
	case keep:
		p.image, p.known = have, true
	default:
		p.known = true // empty, as an answered create would be remembered
	}
	return p
}

// candidates are the values that may be ours: the image's and those of all open intents.
func (p past) candidates() []sobject.Value {
	if !p.known {
		return p.meant
	}
	return append([]sobject.Value{p.image}, p.meant...)
}

// ours reports whether a value is one of the candidates.
func (p past) ours(v sobject.Value) bool { return slices.ContainsFunc(p.candidates(), v.Equal) }

// unchanged reports whether the source wants what it wanted: every candidate is the wish.
func (p past) unchanged(want sobject.Value) bool {
	all := p.candidates()
	return len(all) > 0 && !slices.ContainsFunc(all, func(v sobject.Value) bool { return !v.Equal(want) })
}

// doubted reports whether a candidate that is there may have been set by a person all the same.
func (p past) doubted() bool { return p.moved && len(p.meant) > 0 }

// decide settles one field by its owner: want is the source's value now, have is Salesforce's, p is what is known from before.
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
func decide(want sobject.Field, have sobject.Value, p past) decision {
	if have.Equal(want.Value) {
		return leave
	}
	switch want.Owner {
	case sobject.Stop:
		return decideStop(want.Value, have, p)
	case sobject.TargetSide:
		return leave
	case sobject.CreateOnly:
		return decideCreateOnly(want, have, p)
	case sobject.Identity:
		return decideIdentity(want.Value, have)
	case sobject.Latest:
		return decideLatest(want.Value, have, p)
	}
	return overwrite
}

func decideLatest(want, have sobject.Value, p past) decision {
	none := len(p.candidates()) == 0
	switch {
	case p.unclear:
		return unclear
	case none && have.IsNull():
		return overwrite // nobody has decided yet: a new row of the tables fills an empty field
	case none:
		return conflict
	case !p.ours(have) && p.unchanged(want):
		return keepTheirs
	case !p.ours(have):
		return conflict
	case p.doubted():
		return unclear
	}
	return overwrite
}

func decideCreateOnly(want sobject.Field, have sobject.Value, p past) decision {
	switch {
	case want.Value.IsNull() || have.IsNull() && len(p.candidates()) == 0:
		return leave
	case want.Name == "PatientId" && want.Value.Kind() == sobject.Text && !have.IsNull():
		return otherPatient
	case p.unchanged(want.Value):
		return leave // the source says what it said: Salesforce, or a person there, has it otherwise
	}
	return moved
}

func decideIdentity(want, have sobject.Value) decision {
	switch {
	case want.IsNull(), have.IsNull() && want.Partial(), sameIdentity(have, want):
		return leave
	case have.IsNull():
		return overwrite
	}
	return otherPerson
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
func decideStop(want, have sobject.Value, p past) decision {
	stop := sobject.BoolValue(true)
	set := have.Equal(stop)
	switch {
	case want.Equal(stop) == set:
		return leave
	case set && p.ours(stop) && !p.unclear && !p.doubted():
		return overwrite
	case set:
		return keepTheirs
	case p.known && p.unchanged(stop):
		return keepTheirs
	}
	return overwrite
}

// after returns what is known of a field once the row was read: want is the source's value, have what was there, d what was decided. The
// value is ours where it is the wish, or a candidate that is written over; what a person may have set is unclear; and before an intent
// is closed that nobody saw, the last value meant is remembered.
func (p past) after(want, have sobject.Value, d decision) past {
	switch {
	case have.Equal(want) || d == overwrite && p.ours(have):
		return past{image: have, known: true}
	case d == unclear:
		return past{unclear: true}
	}
	return p.remembered()
}

// remembered is what stays known of a field of which a read has shown nothing.
func (p past) remembered() past {
	if !p.known && !p.unclear && len(p.meant) > 0 {
		return past{image: p.meant[len(p.meant)-1], known: true}
	}
	return past{image: p.image, known: p.known, unclear: p.unclear}
}

// seen is after for a row that was read while nobody knows what the source wants of it.
func (p past) seen(have sobject.Value) past {
	switch {
	case p.ours(have) && p.doubted():
		return past{unclear: true}
	case p.ours(have):
		return past{image: have, known: true, unclear: p.unclear}
	}
	return p.remembered()
}

// sameIdentity reports whether two values of what says who somebody is can be one person's: dates as far as both go, where one has a year
// or a month alone.
func sameIdentity(a, b sobject.Value) bool {
	if a.Kind() != sobject.Date || b.Kind() != sobject.Date {
		return a.Equal(b)
	}
	x, y := a.Reveal(), b.Reveal()
	return strings.HasPrefix(x, y) || strings.HasPrefix(y, x)
}
