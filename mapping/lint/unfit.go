package lint

// Unfit gives the errors for which every record of a table, or whole fields of it, would be refused or wrong: tables with one of
// them must not run against the target. A value that the target does not take is not among them: it stops the records that have
// it, and no others.
func (r *Report) Unfit() []Finding {
	var out []Finding
	for _, f := range r.Findings {
		if f.Severity == Error && f.Check != "unknown-value" && f.Check != "too-long" {
			out = append(out, f)
		}
	}
	return out
}
