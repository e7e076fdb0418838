package source

import (
	"context"
	"errors"
	"fmt"
	"net/url"
	"slices"
	"strconv"
	"strings"

	"refbridge/fhir"
	"refbridge/ledger"
)

// ReadBatch is how many records are asked for in one answer: their ids must fit into a URL.
const ReadBatch = 50

// ManyReader is a source that can give several records in one answer.
type ManyReader interface {
	ReadMany(ctx context.Context, refs []fhir.Reference) (map[fhir.Reference]ledger.Sighting, error)
}

// errNotAsked says that a server gave what nobody had asked for: it does not know the parameter _id.
var errNotAsked = errors.New("the server does not search by _id")

// ReadMany reads records by their ids, as far as the server shows them in a search. One that does not come is not
// deleted for that: it has to be read by itself.
func (f *FHIRServer) ReadMany(ctx context.Context, refs []fhir.Reference) (map[fhir.Reference]ledger.Sighting, error) {
	out := map[fhir.Reference]ledger.Sighting{}
	for _, s := range polled() {
		asked := map[fhir.Reference]bool{}
		for _, ref := range refs {
			if ref.Type == s.typ {
				asked[ref.Current()] = true
			}
		}
		if len(asked) < 2 {
			continue
		}
		if err := f.byID(ctx, s.typ, s.include, asked, out); err != nil {
			return nil, fmt.Errorf("read %d of %s: %w", len(asked), s.typ, err)
		}
	}
	return out, nil
}

// byID adds what a search for ids shows.
func (f *FHIRServer) byID(ctx context.Context, typ, include string, asked map[fhir.Reference]bool, out map[fhir.Reference]ledger.Sighting) error {
	var ids []string
	for ref := range asked {
		ids = append(ids, ref.ID)
	}
	slices.Sort(ids)
	q := url.Values{"_id": {strings.Join(ids, ",")}, "_count": {strconv.Itoa(len(ids))}}
	if include != "" {
		q.Set("_include", include)
	}
	for page, err := range f.Client.Pages(ctx, typ, q) {
		if err != nil {
			return err
		}
		seen, err := f.Sightings(ledger.Answer{Kind: typ, Body: page.Body})
		if err != nil {
			return err
		}
		for _, s := range seen {
			switch ref := s.Ref.Current(); {
			case s.Reason.Code != "":
			case !asked[ref]:
				return errNotAsked
			default:
				out[ref] = s
			}
		}
	}
	return nil
}
