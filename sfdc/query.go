package sfdc

import (
	"context"
	"fmt"
	"maps"
	"slices"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
)

const (
	keysPerQuery   = 200
	bytesPerQuery  = 10_000 // of keys; Salesforce takes URLs of about 16,000 characters, inside a composite too
	queriesPerCall = 5      // of the 25 subrequests of a composite
	modifiedField  = "SystemModstamp"
	writerField    = "LastModifiedById"
)

// Selection names records and the fields that are wanted of them.
type Selection struct {
	Object   string
	KeyField string // the external id field, "Bridge_Key__c"
	Keys     []string
	Fields   []string
	// Refs says for reference fields which external key stands for the record that they point to. Such a field is
	// read as a Ref; where the reference is polymorphic or the other record has no key, as the Id in text.
	Refs map[string]sobject.Target
}

// Lookup says how records are found by something that is not their own key: Identifier rows by IdValue, for example,
// whose ParentRecordId is the patient's Account.
type Lookup struct {
	Object string            // "Identifier"
	Field  string            // "IdValue": holds the key
	Parent string            // "ParentRecordId": what is wanted; "Id" for the record itself
	Where  map[string]string // further fields and the values that they must have
}

// Retrieve reads records by external key, in no particular order; keys that no record has are simply not there. Several selections, of an
// object each, share their calls. Fields stand in the order of a selection's Fields, empty ones as Null. Keys travel in request bodies
// only. A field that the user may not see is an *Error with CodeField that names all of them.
func (c *Client) Retrieve(ctx context.Context, selections ...Selection) ([]sobject.Record, error) {
	var out rows
	var queries []soqlQuery
	for _, s := range selections {
		call := "retrieve " + s.Object
		if len(s.Keys) == 0 {
			continue
		}
		cols, err := c.columns(ctx, call, s)
		if err != nil {
			return nil, err
		}
		for chunk := range keyChunks(s.Keys) {
			text, err := selectFrom(s.Object, cols.names()...).in(s.KeyField, chunk).text()
			if err != nil {
				return nil, fmt.Errorf("%s: %w", call, err)
			}
			queries = append(queries, soqlQuery{call, text, out.take(cols)})
		}
	}
	if err := c.query(ctx, "query", queries); err != nil {
		return nil, err
	}
	return out.records, nil
}

// Deleted reads those of the records that somebody deleted and that still are in the recycle bin (15 days, or until it is emptied):
// id, key, stamp, and whether it was another user. Of the selection it takes object and keys.
func (c *Client) Deleted(ctx context.Context, s Selection) ([]sobject.Record, error) {
	call := "deleted " + s.Object
	if len(s.Keys) == 0 {
		return nil, nil
	}
	s.Fields, s.Refs = nil, nil
	cols, err := c.columns(ctx, call, s)
	if err != nil {
		return nil, err
	}
	var out rows
	var queries []soqlQuery
	for chunk := range keyChunks(s.Keys) {
		text, err := selectFrom(s.Object, cols.names()...).isTrue("IsDeleted").in(s.KeyField, chunk).text()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", call, err)
		}
		queries = append(queries, soqlQuery{call, text, out.take(cols)})
	}
	if err := c.query(ctx, "queryAll", queries); err != nil {
		return nil, err
	}
	return out.records, nil
}

// DeletedUnder is Deleted for every key that starts with a prefix, with the fields of the selection.
func (c *Client) DeletedUnder(ctx context.Context, s Selection, keyPrefix string) ([]sobject.Record, error) {
	call := "deleted " + s.Object
	cols, err := c.columns(ctx, call, s)
	if err != nil {
		return nil, err
	}
	q, err := selectFrom(s.Object, cols.names()...).isTrue("IsDeleted").startsWith(s.KeyField, keyPrefix).text()
	if err != nil {
		return nil, fmt.Errorf("%s: %w", call, err)
	}
	var out rows
	if err := c.query(ctx, "queryAll", []soqlQuery{{call, q, out.take(cols)}}); err != nil {
		return nil, err
	}
	return out.records, nil
}

// Changed hands out the records that were modified at or after since and whose key starts with keyPrefix, oldest first, a page at a
// time: one page is in memory, however many there are. An error of take ends it and is returned as it is.
// Commits can become visible later than their stamp: callers overlap by some minutes.
func (c *Client) Changed(ctx context.Context, s Selection, since time.Time, keyPrefix string, take func([]sobject.Record) error) error {
	call := "changed " + s.Object
	cols, err := c.columns(ctx, call, s)
	if err != nil {
		return err
	}
	if err := invisible(call, cols.object, modifiedField); err != nil {
		return err
	}
	q, err := selectFrom(s.Object, cols.names()...).since(modifiedField, since).
		startsWith(s.KeyField, keyPrefix).orderBy(modifiedField, "Id").text()
	if err != nil {
		return fmt.Errorf("%s: %w", call, err)
	}
	return c.query(ctx, "query", []soqlQuery{{call, q, func(page []fhir.Node) error {
		var found rows
		if err := found.take(cols)(page); err != nil || len(found.records) == 0 {
			return err
		}
		return take(found.records)
	}}})
}

// FindParents gives for each key the distinct parents of the rows that hold it, sorted; a key that no row holds is
// not in the map. Keys such as NHS numbers travel in request bodies only.
func (c *Client) FindParents(ctx context.Context, l Lookup, keys []string) (map[string][]string, error) {
	call := "find " + l.Parent + " of " + l.Object
	if len(keys) == 0 {
		return map[string][]string{}, nil
	}
	where := slices.Sorted(maps.Keys(l.Where))
	needed := append([]string{l.Field, l.Parent}, where...)
	d, err := c.describeFor(ctx, l.Object, needed...)
	if err != nil {
		return nil, err
	}
	if err := invisible(call, d, needed...); err != nil {
		return nil, err
	}
	found := newParents(l, keys)
	var queries []soqlQuery
	for chunk := range keyChunks(keys) {
		q := selectFrom(l.Object, l.Field, l.Parent).in(l.Field, chunk)
		for _, field := range where {
			q.is(field, l.Where[field])
		}
		text, err := q.text()
		if err != nil {
			return nil, fmt.Errorf("%s: %w", call, err)
		}
		queries = append(queries, soqlQuery{call, text, found.add})
	}
	if err := c.query(ctx, "query", queries); err != nil {
		return nil, err
	}
	return found.sorted(), nil
}

// parents groups by the key as the caller wrote it: Salesforce compares without case.
type parents struct {
	lookup Lookup
	asked  map[string][]string
	found  map[string][]string
}

func newParents(l Lookup, keys []string) parents {
	p := parents{lookup: l, asked: map[string][]string{}, found: map[string][]string{}}
	for _, k := range keys {
		p.asked[strings.ToLower(k)] = append(p.asked[strings.ToLower(k)], k)
	}
	return p
}

func (p parents) add(rows []fhir.Node) error {
	for _, row := range rows {
		parent := row.Get(p.lookup.Parent)
		if parent.Kind() != fhir.String {
			continue
		}
		for _, key := range p.asked[strings.ToLower(row.Get(p.lookup.Field).Text())] {
			if !slices.Contains(p.found[key], parent.Text()) {
				p.found[key] = append(p.found[key], strings.Clone(parent.Text()))
			}
		}
	}
	return nil
}

func (p parents) sorted() map[string][]string {
	for _, ids := range p.found {
		slices.Sort(ids)
	}
	return p.found
}

// rows collects records.
type rows struct{ records []sobject.Record }

// take returns what makes records of the rows of a query.
func (r *rows) take(cols columns) func([]fhir.Node) error {
	return func(page []fhir.Node) error {
		for _, row := range page {
			record, err := cols.record(row)
			if err != nil {
				return err
			}
			r.records = append(r.records, record)
		}
		return nil
	}
}
