package lane

import (
	"context"

	"refbridge/bridge"
	"refbridge/bridge/plan"
	"refbridge/bridge/source"
	"refbridge/fhir"
	"refbridge/ledger"
)

// Plan is a dry run: what Sync would do now with what the ledger and its inbox hold, handed out batch by batch as it is planned.
// Records that a change of the tables or of the org lets be tried again are among them. It changes nothing anywhere. limit 0 =
// everything.
func (f *Flow) Plan(ctx context.Context, limit int, take func(bridge.Plan) error) error {
	if err := f.fit(ctx); err != nil {
		return err
	}
	codes, err := f.released(ctx, f.differing)
	if err != nil {
		return err
	}
	planner, err := f.marked(ctx)
	if err != nil {
		return err
	}
	planner.Foreseen = plan.Foreseen{}
	ahead, err := f.rehearse(ctx)
	if err != nil {
		return err
	}
	defer ahead.Close()
	turns := turns{flow: f, due: ahead.Due, turn: ledger.Turn{At: f.Now(), Codes: codes}, limit: limit}
	if turns.turned, err = ahead.Turned(ctx, f.Name); err != nil {
		return err
	}
	for {
		work, err := turns.next(ctx)
		if err != nil || len(work) == 0 {
			return err
		}
		plan, err := planner.Inbound(ctx, work)
		if err != nil {
			return err
		}
		turns.waiting = plan.Deferred()
		if err := take(plan.Without(turns.waiting)); err != nil {
			return err
		}
		planner.Foreseen.Add(plan)
	}
}

// turns hands out due work batch by batch.
type turns struct {
	flow    *Flow
	due     func(ctx context.Context, source string, t ledger.Turn) ([]ledger.Work, error)
	turn    ledger.Turn
	waiting []ledger.Work // planned before, and to be planned again with the next batch
	turned  []ledger.Work // was applied and says something else by itself since; comes when there is no more
	limit   int           // 0 = all
	given   int
}

// next returns the next batch, empty when there is no more.
func (t *turns) next(ctx context.Context) ([]ledger.Work, error) {
	t.turn.Limit = max(1, planBatch-len(t.waiting))
	if t.limit > 0 {
		t.turn.Limit = min(t.turn.Limit, t.limit-t.given)
	}
	batch := t.waiting
	t.waiting = nil
	if t.turn.Limit <= 0 {
		return batch, nil
	}
	work, err := t.due(ctx, t.flow.Name, t.turn)
	if err != nil {
		return nil, err
	}
	if len(work) > 0 {
		t.turn.After = work[len(work)-1].Place()
	} else {
		n := min(t.turn.Limit, len(t.turned))
		work, t.turned = t.turned[:n], t.turned[n:]
	}
	t.given += len(work)
	return append(batch, work...), nil
}

// rehearse returns the work as it will be when the answers that nobody has read yet are: a run was stopped between the poll and the
// reading, or a daemon is about to read them.
func (f *Flow) rehearse(ctx context.Context) (*ledger.Rehearsal, error) {
	return f.Ledger.Rehearse(ctx, f.Name, func(a ledger.Answer) []ledger.Sighting {
		seen, err := f.Poller.Sightings(a)
		if err != nil {
			return []ledger.Sighting{source.UnreadableAnswer(a.Body, err)}
		}
		return seen
	})
}

// ToRead returns how many records the next sync reads at the source before it decides on them: a dry run does not.
func (f *Flow) ToRead(ctx context.Context) (int, error) {
	due, err := f.refreshDue(ctx)
	if err != nil {
		return 0, err
	}
	ahead, err := f.rehearse(ctx)
	if err != nil {
		return 0, err
	}
	defer ahead.Close()
	bare, err := ahead.ToRead(ctx, f.Name)
	if err != nil || !due {
		return len(bare), err
	}
	live, err := f.Ledger.Live(ctx, f.Name)
	again := map[fhir.Reference]bool{}
	for _, w := range bare {
		again[w.Ref.Current()] = true
	}
	for _, ref := range live {
		again[ref.Current()] = true
	}
	return len(again), err
}
