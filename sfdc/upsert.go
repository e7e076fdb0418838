package sfdc

import (
	"context"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/sfdc/sobject"
	"refbridge/wire"
)

const (
	rowsPerCall = 200
	splitsPerUp = 32 // calls that may go into isolating rows which Salesforce cannot read
)

// SaveResult is the fate of one record of an Upsert.
type SaveResult struct {
	ID      string // of the record, where Err is nil
	Created bool
	Err     error // an *Error; nil: saved
	// Attempts are the outcomes of each time that the record was sent, in order. An early one may be unanswered though the record was
	// saved by a later one: then both may take effect.
	Attempts []Outcome
}

// Outcome is what is known of one attempt to write a record.
type Outcome uint8

// The outcomes of an attempt.
const (
	Unanswered Outcome = iota // it may have taken effect, and may yet
	Saved
	Refused // or it certainly never left
)

// upsert is one run of Upsert. Every result starts as not sent and ends as whatever is known last.
type upsert struct {
	client  *Client
	call    string
	path    string
	before  func(ctx context.Context, rows []int) error
	results []SaveResult
	stop    *Error // a refusal that holds for every further row: nothing more is sent
	splits  int
}

type row struct {
	at   int // position of the record and of its result
	body []byte
}

// Upsert writes records of one object by external key, at most 200 a call, each on its own (allOrNone false), and
// gives a result for every record by position. Rows that met a lock or a passing fault are sent again, three times
// in all: the key makes that safe. A row's Err with Ambiguous() true may have been written all the same.
//
// Right before each attempt of some records, before is told their positions, so that the attempt can be written down; where it
// fails nothing more is sent, and its error is returned. It may be nil.
//
// The function's own error is a caller's fault, or the context's error; results are given with the latter, because
// what was saved before is saved.
func (c *Client) Upsert(ctx context.Context, object, keyField string, records []sobject.Record,
	before func(ctx context.Context, rows []int) error) ([]SaveResult, error) {
	for _, name := range []string{object, keyField} {
		if !identifierPattern().MatchString(name) || strings.Contains(name, ".") {
			return nil, fmt.Errorf("upsert: object or key field: %w", errIdentifier)
		}
	}
	u := &upsert{client: c, call: "upsert " + object, before: before, results: make([]SaveResult, len(records)), splits: splitsPerUp,
		path: c.base + "/composite/sobjects/" + object + "/" + keyField}
	for i := range u.results {
		u.results[i].Err = &Error{Call: u.call, Code: CodeNotSent}
	}
	if len(records) == 0 {
		return u.results, nil
	}
	d, err := c.describeFor(ctx, object, append(fieldNames(records), keyField)...)
	if e, ok := asError(err); ok {
		u.settle(u.all(), e)
		return u.results, nil
	}
	if err != nil {
		return u.results, err
	}
	return u.results, u.run(ctx, u.encode(d, keyField, records))
}

func fieldNames(records []sobject.Record) []string {
	var out []string
	for _, r := range records {
		for _, f := range r.Fields {
			if !slices.Contains(out, f.Name) {
				out = append(out, f.Name)
			}
		}
	}
	return out
}

func (u *upsert) all() []row {
	rows := make([]row, len(u.results))
	for i := range rows {
		rows[i].at = i
	}
	return rows
}

// encode gives the rows that can be sent; the others have their results.
func (u *upsert) encode(d sobject.Description, keyField string, records []sobject.Record) []row {
	f, _ := d.Field(keyField)
	same := func(key string) string {
		if f.CaseSensitive {
			return key
		}
		return strings.ToLower(key)
	}
	times := map[string]int{}
	for _, r := range records {
		times[same(r.Key.Value)]++
	}
	var rows []row
	for i, r := range records {
		body, err := encode(u.call, d, keyField, r)
		if err == nil && times[same(r.Key.Value)] > 1 {
			err = &Error{Call: u.call, Code: CodeKeyTwice}
		}
		if err != nil {
			u.results[i].Err = err
			continue
		}
		rows = append(rows, row{at: i, body: body})
	}
	return rows
}

// run sends rows in rounds; a round holds the rows of the one before that a repetition can help.
//
// A crash here loses the results and nothing else: the records are found by their keys.
func (u *upsert) run(ctx context.Context, rows []row) error {
	for attempt := 1; len(rows) > 0; attempt++ {
		for chunk := range slices.Chunk(rows, rowsPerCall) {
			if err := u.send(ctx, chunk); err != nil {
				return err
			}
		}
		rows = slices.DeleteFunc(rows, func(r row) bool { return !passes(u.results[r.at].Err) })
		if attempt == wire.Attempts || len(rows) == 0 || u.stop != nil {
			return nil
		}
		var asked time.Duration
		for _, r := range rows {
			asked = max(asked, askedFor(u.results[r.at].Err))
		}
		if err := u.client.pace.Pause(ctx, attempt, asked); err != nil {
			return fmt.Errorf("%s: %w", u.call, err)
		}
	}
	return nil
}

// send makes one call. Its error is the context's, or that of before.
func (u *upsert) send(ctx context.Context, rows []row) error {
	if u.stop != nil {
		u.settle(rows, u.stop)
		return nil
	}
	if err := u.begin(ctx, rows); err != nil {
		return err
	}
	a, err := u.client.send(ctx, request{call: u.call, method: http.MethodPatch, path: u.path, body: collection(rows)})
	if err == nil {
		u.read(a, rows)
		return nil
	}
	e, refused := asError(err)
	if !refused {
		u.settle(rows, &Error{Call: u.call, Code: CodeNoAnswer, why: "given up", ambiguous: true})
		return err
	}
	e = markAmbiguous(*e)
	u.settle(rows, e)
	if !e.ambiguous {
		u.answered(rows, Refused)
	}
	if u.splits > 1 && len(rows) > 1 && divides(e) {
		u.splits -= 2
		half := len(rows) / 2
		if err := u.send(ctx, rows[:half]); err != nil {
			return err
		}
		return u.send(ctx, rows[half:])
	}
	switch {
	case errors.Is(e.broken, wire.ErrTimeout):
		u.stop = &Error{Call: u.call, Code: CodeNotSent, why: "the call before it had no answer in time"}
	case !passes(e) && holdsForAll(e):
		u.stop = e
	}
	return nil
}

// holdsForAll: what the org says of itself, or asks of everybody, is not worth another call.
func holdsForAll(e *Error) bool {
	switch e.Class() {
	case Limit, Auth, Permission, Maintenance:
		return true
	}
	return e.RetryAfter > 0
}

// begin notes an attempt of rows. Until it is answered, nobody knows what becomes of it.
func (u *upsert) begin(ctx context.Context, rows []row) error {
	if u.before != nil {
		positions := make([]int, len(rows))
		for i, r := range rows {
			positions[i] = r.at
		}
		if err := u.before(ctx, positions); err != nil {
			return err
		}
	}
	for _, r := range rows {
		u.results[r.at].Attempts = append(u.results[r.at].Attempts, Unanswered)
	}
	return nil
}

// answered notes what became of the latest attempt of rows.
func (u *upsert) answered(rows []row, o Outcome) {
	for _, r := range rows {
		attempts := u.results[r.at].Attempts
		attempts[len(attempts)-1] = o
	}
}

// markAmbiguous marks the refusals of a whole call that do not say whether its rows were written.
func markAmbiguous(e Error) *Error {
	e.ambiguous = e.Call != callToken && !e.unsent &&
		(e.Code == CodeNoAnswer || e.Status >= 500 || e.Code == "REQUEST_RUNNING_TOO_LONG")
	return &e
}

// divides: one row that Salesforce cannot read fails the whole call, as does a call that is too much at once. The
// halves are sent on their own, so that the neighbours come through.
func divides(e *Error) bool {
	return e.Status == http.StatusBadRequest && e.Class() == Data || e.Code == "REQUEST_RUNNING_TOO_LONG"
}

func collection(rows []row) []byte {
	body := []byte(`{"allOrNone":false,"records":[`)
	for i, r := range rows {
		if i > 0 {
			body = append(body, ',')
		}
		body = append(body, r.body...)
	}
	return append(body, "]}"...)
}

// read takes the results by position. Where there are more or fewer than rows, no position means anything.
func (u *upsert) read(a answer, rows []row) {
	var doc fhir.Doc
	if doc.Parse(a.body) != nil || doc.Root().Kind() != fhir.Array {
		u.settle(rows, &Error{Call: u.call, Status: a.status, Code: CodeUnreadable, ambiguous: true})
		return
	}
	if doc.Root().Len() != len(rows) {
		u.settle(rows, &Error{Call: u.call, Status: a.status, Code: CodeRowCount, ambiguous: true})
		return
	}
	i := 0
	for result := range doc.Root().Items() {
		u.readRow(a.status, result, rows[i])
		i++
	}
}

func (u *upsert) readRow(status int, result fhir.Node, r row) {
	success, id := result.Get("success"), result.Get("id").Text()
	switch {
	case success.Text() == "true" && success.Kind() == fhir.Bool && idPattern().MatchString(id):
		u.results[r.at] = SaveResult{ID: strings.Clone(id), Created: result.Get("created").Text() == "true", Attempts: u.results[r.at].Attempts}
		u.answered([]row{r}, Saved)
	case success.Text() == "false" && success.Kind() == fhir.Bool:
		e := &Error{Call: u.call, Status: status}
		readFaults(e, result.Get("errors"))
		u.settle([]row{r}, e)
		u.answered([]row{r}, Refused)
	default:
		u.settle([]row{r}, &Error{Call: u.call, Status: status, Code: CodeUnreadable, ambiguous: true})
	}
}

// settle notes an error for rows. A row whose earlier attempt is in doubt stays in doubt: that attempt may yet be
// committed, whatever a later one was told.
func (u *upsert) settle(rows []row, e *Error) {
	for _, r := range rows {
		own := *e
		if before, ok := asError(u.results[r.at].Err); ok && before.ambiguous {
			own.ambiguous = true
		}
		u.results[r.at] = SaveResult{Err: &own, Attempts: u.results[r.at].Attempts}
	}
}
