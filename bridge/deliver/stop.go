package deliver

import (
	"context"
	"errors"
	"slices"
	"time"

	"refbridge/bridge"
	"refbridge/ledger"
	"refbridge/sfdc"
)

// ahead writes the stop flags of all steps, of those too that are held or dead.
func (r *applying) ahead(ctx context.Context) error {
	for _, object := range r.Objects {
		rows, steps := r.stopRows(object)
		for len(rows) > 0 {
			n := min(bridge.BatchSize, len(rows))
			if err := r.stopBatch(ctx, steps[:n], rows[:n]); err != nil {
				return err
			}
			rows, steps = rows[n:], steps[n:]
		}
	}
	return nil
}

// stopRows returns the stop flags of an object, and the step of each.
func (r *applying) stopRows(object string) (rows []*bridge.Write, steps []*bridge.Step) {
	for _, s := range r.plan.Steps {
		for _, w := range s.Ahead {
			if w.Object == object && !s.Skip && !s.Deferred {
				rows, steps = append(rows, w), append(steps, s)
			}
		}
	}
	return rows, steps
}

// stopBatch sends stop flags. A crash behind the call leaves the flags set and the steps pending: the next run finds them set.
func (r *applying) stopBatch(ctx context.Context, steps []*bridge.Step, rows []*bridge.Write) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	steps, rows, err := r.unmoved(ctx, steps, rows)
	if err != nil || len(rows) == 0 {
		return err
	}
	results, stop, err := r.send(ctx, steps, rows)
	if err != nil {
		return err
	}
	for i, w := range rows {
		if results[i].Err == nil {
			r.stopped[w] = true
			r.writes++
			continue
		}
		r.unstopped[steps[i]] = results[i].Err
		var unsent *sfdc.Error
		if errors.As(results[i].Err, &unsent) && unsent.Code == sfdc.CodeNotSent {
			r.unsent[steps[i]] = true
			continue
		}
		if v := bridge.OfTarget(results[i].Err, steps[i].Work, r.Now()); v.Halt != nil && stop == nil {
			stop = v.Halt
		}
	}
	if stop == nil {
		stop = bridge.Hanging(results)
	}
	return stop
}

// unflagged reports whether a stop flag of a step is not written, and why, where that is known.
func (r *applying) unflagged(s *bridge.Step) (error, bool) {
	left := slices.ContainsFunc(s.Ahead, func(w *bridge.Write) bool { return !r.stopped[w] })
	return r.unstopped[s], left
}

// flagWaits holds a record that e-RS will not give out until its stop flag is written. It ends as dead only then, or when the attempts
// are used up, and says so.
func flagWaits(err error, w ledger.Work, now time.Time) bridge.Verdict {
	cause := "Salesforce could not be written to"
	if v := bridge.OfTarget(err, w, now); v.Halt == nil {
		cause = v.Reason.Text
	}
	v := bridge.Again(w, ledger.Reason{Code: bridge.CodePatientError, Text: "e-RS will not give out this patient (PATIENT_ERROR), and the stop flag of what " +
		"was written for it before could not be set: " + cause}, now)
	if v.Fate == ledger.Dead {
		v.Reason.Text += ". Set the flag by hand, or refbridge retry"
	}
	return v
}
