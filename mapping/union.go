package mapping

import "refbridge/sfdc/sobject"

// Union is what several resources that belong together became: each object and key once.
type Union struct {
	Records []Mapped
	Faults  Faults // two records that have one key and differ
	places  map[recordID]int
}

type recordID struct{ object, key string }

// Add takes the records of one more resource, whose documents are still there.
func (u *Union) Add(records []Mapped) {
	if u.places == nil {
		u.places = map[recordID]int{}
	}
	for i := range records {
		next := &records[i]
		id := recordID{next.Record.Object, next.Record.Key.Value}
		at, again := u.places[id]
		if !again {
			u.places[id] = len(u.Records)
			u.Records = append(u.Records, *next)
			continue
		}
		if f, differ := u.Records[at].again(next); differ {
			u.Faults = append(u.Faults, f)
		}
	}
}

// Conflicts returns the faults that Add would note.
func (u *Union) Conflicts(records []Mapped) Faults {
	var out Faults
	for i := range records {
		at, again := u.places[recordID{records[i].Record.Object, records[i].Record.Key.Value}]
		if !again {
			continue
		}
		if f, differ := u.Records[at].again(&records[i]); differ {
			out = append(out, f)
		}
	}
	return out
}

// again compares a record with another that has its key. The same record twice is one; two that differ are not, as what the second
// says would be lost. A field that is written once and then left to Salesforce may differ: the first counts.
func (r *Mapped) again(next *Mapped) (f Fault, differ bool) {
	for _, field := range next.Record.Fields {
		if field.Owner == sobject.TargetSide || field.Owner == sobject.CreateOnly {
			continue
		}
		if v, there := r.Record.Get(field.Name); !there || !v.Equal(field.Value) {
			f = next.table.Key.Fault(BadValue, "two records have this key and differ in "+field.Name,
				"make the key of what tells them apart; rows with owner: target may differ, the first counts")
			f.Field, f.Element = next.Record.Key.Field, next.Key.SourcePath()
			return f, true
		}
	}
	return f, false
}
