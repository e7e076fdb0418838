package ledger

import "context"

// turnBatch is how many versions one transaction of Turn takes.
const turnBatch = 200

// turned is the statement of what was applied and says something else by itself since. The condition on fate and next_try is, word for
// word, that of the index versions_turn.
const turned = selectVersions + ` WHERE source = $1 AND fate = 'applied' AND next_try > 0 AND next_try <= $2`

func periodTurned() Reason {
	return Reason{Code: CodePeriodTurned, Text: "a name, an address or a number in it came into use, or is not in use any more"}
}

// TakeTurns makes every applied version of a source pending whose moment has come (Settlement.Next), due now: it is mapped again. It
// returns how many that were. A version that is not the newest of its ref any more is forgotten about. A crash between its transactions
// leaves some of them as they were, for whoever asks again.
func (l *Ledger) TakeTurns(ctx context.Context, source string) (int, error) {
	n := 0
	for {
		came, opened := 0, 0
		err := l.update(ctx, "take turns", func(t *tx) (err error) {
			came, opened, err = t.takeTurns(ctx, source)
			return err
		})
		if err != nil {
			return n, err
		}
		if n += opened; came < turnBatch {
			return n, nil
		}
	}
}

func (t *tx) takeTurns(ctx context.Context, source string) (came, opened int, err error) {
	rows, err := list[versionRow](ctx, t.sql, turned+` ORDER BY next_try, type, id LIMIT $3`, source, t.now, turnBatch)
	for i := 0; err == nil && i < len(rows); i++ {
		v := &rows[i]
		var r refRow
		if r, _, err = loadRef(ctx, t.sql, source, v.ref()); err != nil {
			break
		}
		v.next, v.attempts = 0, 0
		if r.newest != v.version {
			err = t.put(ctx, v)
			continue
		}
		opened++
		err = t.move(ctx, v, Pending, periodTurned(), r.digest)
	}
	return len(rows), opened, err
}

// Turned returns the work that TakeTurns makes due: for a dry run, which changes nothing.
func (l *Ledger) Turned(ctx context.Context, source string) ([]Work, error) {
	var out []Work
	err := l.view(ctx, "list what says something else by itself", func(q querier) error {
		rows, err := list[versionRow](ctx, q, turned+` AND `+isNewest+` ORDER BY first_seen, type, id`, source, toMillis(l.now()))
		for i := 0; err == nil && i < len(rows); i++ {
			var w Work
			w, err = l.work(ctx, q, &rows[i])
			w.Fate, w.Reason = Pending, periodTurned()
			out = append(out, w)
		}
		return err
	})
	if err != nil {
		return nil, err
	}
	return out, nil
}
