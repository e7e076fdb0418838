package source

import (
	"context"

	"refbridge/ers"
	"refbridge/ledger"
)

// WithListed puts what worklists say of a record beside what a read gave, and makes a version of both. Where no worklist has ever named
// the record, or the read has no version of the kind that e-RS gives, the read stays as it is.
func WithListed(ctx context.Context, l *ledger.Ledger, flow string, s ledger.Sighting) (ledger.Sighting, error) {
	listed, err := l.Listed(ctx, flow, s.Ref)
	if err != nil {
		return s, err
	}
	version := ledger.WithWorklist(s.Ref.Version, listed.Change)
	if version == s.Ref.Version {
		return s, nil
	}
	s.Ref.Version = version
	if len(listed.Entries) > 0 {
		s.Body = ers.WithListed(s.Body, listed.Entries)
	}
	return s, nil
}
