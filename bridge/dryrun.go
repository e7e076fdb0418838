package bridge

import (
	"context"
	"slices"

	"refbridge/fhir"
	"refbridge/ledger"
)

// Plan is a dry run: what Sync would do now with what the ledger and its inbox hold, handed out batch by batch as it is planned.
// Records that a change of the tables or of the org lets be tried again are among them. It changes nothing anywhere. limit 0 =
// everything.
func (f *Flow) Plan(ctx context.Context, limit int, take func(Plan) error) error {
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
	planner.foreseen = foreseen{}
	turns := turns{flow: f, turn: ledger.Turn{At: f.Now(), Codes: codes}, limit: limit}
	if err := turns.inbox(ctx); err != nil {
		return err
	}
	if err := turns.turned(ctx); err != nil {
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
		turns.waiting = plan.deferred()
		if err := take(plan.without(turns.waiting)); err != nil {
			return err
		}
		planner.foreseen.add(plan)
	}
}

// turns hands out due work batch by batch.
type turns struct {
	flow    *Flow
	turn    ledger.Turn
	waiting []ledger.Work // planned before, and to be planned again with the next batch
	unread  []ledger.Work // stands in answers that nobody has read yet; comes when the ledger has no more
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
	work, err := t.flow.Ledger.Due(ctx, t.flow.Name, t.turn)
	if err != nil {
		return nil, err
	}
	if len(work) > 0 {
		t.turn.After = work[len(work)-1].Place()
	} else {
		n := min(t.turn.Limit, len(t.unread))
		work, t.unread = t.unread[:n], t.unread[n:]
	}
	t.given += len(work)
	return append(batch, work...), nil
}

// inbox looks for records in answers that are not read yet: a run was stopped between the poll and the reading. The ledger's own
// word on such a record is older and does not count.
func (t *turns) inbox(ctx context.Context) error {
	f := t.flow
	taken := map[fhir.Reference]bool{}
	for a, err := range f.Ledger.Unread(ctx, f.Name) {
		if err != nil {
			return err
		}
		seen, err := f.Poller.Sightings(a)
		if err != nil {
			continue // Observe will list it
		}
		for _, s := range seen {
			if taken[s.Ref.Current()] {
				continue
			}
			taken[s.Ref.Current()] = true
			known, err := f.Ledger.Known(ctx, f.Name, s.Ref.Current())
			if err != nil {
				return err
			}
			fresh, err := f.Ledger.ListedAnew(ctx, a, s)
			if err != nil {
				return err
			}
			if fresh || known.Version == "" || s.Ref.Version != known.Version && s.Ref.Version != ledger.OwnVersion(known.Version) {
				t.unread = append(t.unread, ledger.Work{Source: f.Name, Ref: s.Ref, Body: s.Body, Known: known, First: a.Received})
			}
		}
	}
	return nil
}

// turned adds what was applied and says something else by itself since, as far as no newer version of it waits in the inbox.
func (t *turns) turned(ctx context.Context) error {
	work, err := t.flow.Ledger.Turned(ctx, t.flow.Name)
	for _, w := range work {
		if !slices.ContainsFunc(t.unread, func(u ledger.Work) bool { return u.Ref.Current() == w.Ref.Current() }) {
			t.unread = append(t.unread, w)
		}
	}
	return err
}

// ToRead returns how many records the next sync reads at the source before it decides on them: a dry run does not.
func (f *Flow) ToRead(ctx context.Context) (int, error) {
	due, err := f.refreshDue(ctx)
	if err != nil {
		return 0, err
	}
	bare, err := f.Ledger.ToRead(ctx, f.Name)
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
