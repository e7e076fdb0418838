package ledger

import "context"

// SetCursor moves a cursor by itself, where no answer comes with it.
func (l *Ledger) SetCursor(ctx context.Context, source string, c Cursor) error {
	return l.update(ctx, "move a cursor", func(t *tx) error {
		return t.put(ctx, &cursorRow{source: source, name: c.Name, value: c.Value, changed: t.now})
	})
}
