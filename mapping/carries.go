package mapping

import "slices"

// Carries tells whether a rule of a dialect takes every value of a field. Where it does and Back gives nothing for a
// change, the source cannot tell the two values apart: there is nothing to carry, and nothing to report.
func (s *Set) Carries(dialect, object, field string) bool {
	for _, t := range s.tables {
		if t.Object != object {
			continue
		}
		for _, b := range t.Back {
			if b.Dialect == dialect && len(b.To) == 0 && slices.Contains(b.Changed, field) {
				return true
			}
		}
	}
	return false
}
