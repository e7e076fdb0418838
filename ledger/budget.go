package ledger

import (
	"context"
	"fmt"
)

type budgetRow struct {
	name, day string
	spent     int64
}

func (r *budgetRow) table() string { return "budgets" }
func (r *budgetRow) cells() []any  { return []any{&r.name, &r.day, &r.spent} }
func (r *budgetRow) upsert() string {
	return `INSERT INTO budgets (name, day, spent, row_hash) VALUES ($1, $2, $3, $4)
		ON CONFLICT (name, day) DO UPDATE SET spent = excluded.spent, row_hash = excluded.row_hash`
}

const selectBudgets = `SELECT name, day, spent, row_hash FROM budgets`

// Spend takes one call out of the budget of a name and a day ("2026-03-29", the caller's calendar). It is on the disk
// before Spend returns, so that a daemon that crashes after each call still makes no more than limit calls. ErrSpent
// where nothing is left.
func (l *Ledger) Spend(ctx context.Context, name, day string, limit int) error {
	return l.update(ctx, "spend", func(t *tx) error {
		b, _, err := get[budgetRow](ctx, t.sql, selectBudgets+` WHERE name = $1 AND day = $2`, name, day)
		if err != nil {
			return err
		}
		if b.spent >= int64(limit) {
			return fmt.Errorf("%s on %s: %d of %d: %w", name, day, b.spent, limit, ErrSpent)
		}
		return t.put(ctx, &budgetRow{name: name, day: day, spent: b.spent + 1})
	})
}

// Spent returns how many calls were taken out of the budget of a name and a day.
func (l *Ledger) Spent(ctx context.Context, name, day string) (int, error) {
	var b budgetRow
	err := l.view(ctx, "read a budget", func(q querier) (err error) {
		b, _, err = get[budgetRow](ctx, q, selectBudgets+` WHERE name = $1 AND day = $2`, name, day)
		return err
	})
	return int(b.spent), err
}
