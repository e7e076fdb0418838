package lint

import "slices"

// Unfit gives the errors for which whole fields or records of a table cannot be written to the target, whatever the resource is:
// tables with one of them must not run against it. What depends on the record is not among them: a value that a picklist does not
// have, a text that is too long, a required field that automation of the org may fill.
func (r *Report) Unfit() []Finding {
	checks := []string{"unknown-object", "unknown-field", "read-only", "create-only", "key-field", "reference", "wrong-type"}
	var out []Finding
	for _, f := range r.Findings {
		if f.Severity == Error && slices.Contains(checks, f.Check) {
			out = append(out, f)
		}
	}
	return out
}
