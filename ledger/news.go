package ledger

import (
	"context"
	"strings"
)

// News reports for each of some sightings whether Observe would change anything by it. What was seen before, under the same
// version and with the same content, is no news; a known version with other content is. It changes nothing.
func (l *Ledger) News(ctx context.Context, source string, seen []Sighting) ([]bool, error) {
	out := make([]bool, len(seen))
	err := l.view(ctx, "look for news", func(q querier) (err error) {
		for i := 0; err == nil && i < len(seen); i++ {
			out[i], err = l.news(ctx, q, source, seen[i])
		}
		return err
	})
	return out, err
}

func (l *Ledger) news(ctx context.Context, q querier, source string, s Sighting) (bool, error) {
	if s.patient() {
		refs, err := l.box.recordsOf(ctx, q, source, s.Ref)
		return len(refs) > 0, err
	}
	s.Ref = s.reference()
	r, found, err := loadRef(ctx, q, source, s.Ref)
	if err != nil || !found {
		return true, err
	}
	if s.Ref.Version == "" && len(s.Body) > 0 {
		base := versionlessPrefix + shortDigest(s.Body)
		if r.newest != base && !strings.HasPrefix(r.newest, base+".") {
			return true, nil
		}
		s.Ref.Version = r.newest
	}
	s.Ref.Version = sameTurn(s, r.newest)
	v, known, err := loadVersion(ctx, q, source, s.Ref)
	if err != nil || !known {
		return true, err
	}
	switch {
	case s.Reason.Code != "":
		return false, nil
	case len(s.Body) == 0:
		return v.mark() && v.fate == string(Dead), nil
	case v.print == "" || v.body == nil && !v.final():
		return true, nil // its content is still to come
	}
	return v.version == r.newest && v.print != l.box.printContent(s.Body), nil
}
