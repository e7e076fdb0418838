package mapping

import "refbridge/sfdc/sobject"

// stopping returns the tables with their rows of owner stop alone: what says that nobody is to contact a patient must not wait for,
// nor fail with, anything else of its record.
func (s *Set) stopping() *Set {
	out := &Set{values: s.values, zone: s.zone, patientKey: s.patientKey, modifiers: s.modifiers}
	for _, t := range s.tables {
		only := *t
		only.Rows = nil
		for _, w := range t.Rows {
			if w.Owner == sobject.Stop {
				only.Rows = append(only.Rows, w)
			}
		}
		if t.Body == "" && len(only.Rows) > 0 {
			out.tables = append(out.tables, &only)
		}
	}
	return out
}

// Stops returns the records of one focus whose stop flag the source sets, each with the flag alone. They come also where Map holds
// the record for whatever reason, as long as its key is known.
func (s *Set) Stops(in Input) []sobject.Record {
	if len(s.faults) > 0 {
		return nil
	}
	m := s.stopping().Mapper()
	m.begin(in)
	m.records()
	var out []sobject.Record
	for _, made := range m.out.Records {
		record := made.Record
		record.Fields = nil
		for _, f := range made.Record.Fields {
			if f.Value.Equal(sobject.BoolValue(true)) {
				record.Fields = append(record.Fields, f)
			}
		}
		if len(record.Fields) > 0 {
			out = append(out, record)
		}
	}
	return out
}

// StopsOf returns a record with its stop flags set; ok is false where the tables have none for its object.
func (s *Set) StopsOf(image sobject.Record) (out sobject.Record, ok bool) {
	out = sobject.Record{Object: image.Object, Key: image.Key}
	for _, t := range s.tables {
		for _, w := range t.Rows {
			_, has := out.Get(w.Field)
			if t.Object == image.Object && w.Owner == sobject.Stop && !has {
				out.Fields = append(out.Fields, sobject.Field{Name: w.Field, Value: sobject.BoolValue(true), Owner: sobject.Stop})
			}
		}
	}
	return out, len(out.Fields) > 0
}
