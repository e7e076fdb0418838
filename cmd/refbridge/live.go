package main

import (
	"context"
	"io"

	"refbridge/bridge/report"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/mapping/measure"
)

// live reads what the ledger keeps with the tables as they are now. Nothing of it is stored: once a table accounts for a path, the next
// statement is silent about it.
func (a *app) live(ctx context.Context, p *program) ([]report.Live, error) {
	quiet := *p
	quiet.err = io.Discard // what cannot be read is held, and listed as such
	out := []report.Live{}
	for _, src := range a.cfg.Sources {
		l, j := measure.NewLive(a.tables), report.Live{Source: src.Name}
		s := &samples{program: &quiet}
		err := a.ledger.Sample(ctx, src.Name, report.LiveBodies, func(b ledger.Body) error {
			s.body(src, b, func(in mapping.Sample) { l.Add(b.Ref.Current().String(), b.Seen, in) })
			if b.JSON != nil {
				j.Bodies++
			}
			if b.JSON != nil && (j.Since.IsZero() || b.Seen.Before(j.Since)) {
				j.Since = b.Seen
			}
			return ctx.Err()
		})
		if err != nil {
			return out, err
		}
		j.Paths, j.Codes = l.Found()
		out = append(out, j)
	}
	return out, nil
}
