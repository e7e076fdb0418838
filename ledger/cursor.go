package ledger

import "context"

// SetCursor moves a cursor by itself, where no answer comes with it.
func (l *Ledger) SetCursor(ctx context.Context, source string, c Cursor) error {
	return l.update(ctx, "move a cursor", func(t *tx) error {
		return t.put(ctx, &cursorRow{source: source, name: c.Name, value: c.Value, changed: t.now})
	})
}

// Cursors returns the cursors of a source whose names begin so, by name. The beginning is taken as it is: it has no % and no _.
func (l *Ledger) Cursors(ctx context.Context, source, beginning string) (out []Cursor, err error) {
	err = l.view(ctx, "list cursors", func(q querier) error {
		return each(ctx, q, func(r cursorRow, bad error) error {
			out = append(out, Cursor{Name: r.name, Value: r.value})
			return bad
		}, selectCursors+` WHERE source = $1 AND name LIKE $2 ORDER BY name`, source, beginning+"%")
	})
	return out, err
}
