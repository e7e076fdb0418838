package lane_test

import (
	"encoding/json"
	"fmt"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"refbridge/bridge/lane"
	"refbridge/bridge/source"
	"refbridge/fhir/rest"
	"refbridge/ledger"
)

// ward is a FHIR server that can do what servers do wrong, and a flow that polls it; nothing stands behind.
type ward struct {
	base
	date   time.Duration // how far the server's clock is ahead of refbridge's
	rows   map[string]*wardRow
	asked  []*url.URL
	before func(page int)                                   // called when a page is asked for, with the lock held
	break_ func(q url.Values, rows []*wardRow) (status int) // of a page; 0 = it is good
	limit  int                                              // rows a page at most
	plain  bool                                             // _include means nothing to it
	raw    string                                           // in place of every page
	flow   *lane.Flow
	probes int64
}

type wardRow struct {
	typ, id string
	version int
	at      time.Time
	note    string
	patient string // its Patient by reference; empty = by NHS number
	raw     string // in place of the resource
}

func (r *wardRow) json() string {
	if r.raw != "" {
		return r.raw
	}
	const number = `{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}`
	head := fmt.Sprintf(`{"resourceType":"%s","id":"%s","meta":{"versionId":"%d","lastUpdated":"%s"},`, r.typ, r.id, r.version,
		r.at.UTC().Format("2006-01-02T15:04:05.000Z"))
	subject := `{"identifier":` + number + `}`
	switch {
	case r.typ == "Patient":
		return head + `"identifier":[` + number + `],"name":[{"family":"` + r.note + `"}]}`
	case r.patient != "":
		subject = `{"reference":"Patient/` + r.patient + `"}`
	}
	if r.typ == "Appointment" {
		return head + `"status":"booked","participant":[{"actor":` + subject + `,"status":"accepted"}]}`
	}
	return head + `"status":"active","intent":"order","subject":` + subject + `,"patientInstruction":"` + r.note + `"}`
}

func newWard(t *testing.T) *ward {
	t.Helper()
	w := &ward{rows: map[string]*wardRow{}}
	w.clock = time.Date(2026, 11, 30, 12, 0, 0, 0, time.UTC)
	w.begin(t, true)
	far := w.serve(http.HandlerFunc(w.answer))
	client, err := rest.New(rest.Config{BaseURL: far, Transport: w.transport(), Now: w.now, Logger: w.logger})
	require.NoError(t, err)
	server := &source.FHIRServer{Client: client, Base: far, Now: w.now, Logger: w.logger}
	w.flow = &lane.Flow{Name: "ward", Ledger: w.ledger, Poller: server, Source: server, Logger: w.logger, Now: w.now}
	return w
}

// put makes a new version of a ServiceRequest, stamped so long before now.
func (w *ward) put(id string, ago time.Duration) *wardRow {
	r := w.rows[id]
	if r == nil {
		r = &wardRow{typ: "ServiceRequest", id: id}
		w.rows[id] = r
	}
	r.version++
	r.at = w.clock.Add(-ago)
	return r
}

// add makes a resource of another type.
func (w *ward) add(typ, id string, ago time.Duration) *wardRow {
	row := &wardRow{typ: typ, id: id, version: 1, at: w.clock.Add(-ago)}
	w.rows[id] = row
	return row
}

// calls returns the paths that were asked for.
func (w *ward) calls() (out []string) {
	for _, u := range w.asked {
		out = append(out, strings.Trim(u.Path, "/"))
	}
	return out
}

// poll polls and returns its error, and the searches that it asked.
func (w *ward) poll() ([]url.Values, error) {
	w.asked = nil
	err := w.flow.Poll(w.t.Context())
	var out []url.Values
	for _, u := range w.asked {
		if u.Path == "/ServiceRequest" {
			out = append(out, u.Query())
		}
	}
	return out, err
}

// versions are the newest versions of what the ledger has seen.
func (w *ward) versions() map[string]string {
	w.t.Helper()
	out := map[string]string{}
	list, err := w.ledger.Entries(w.t.Context(), ledger.Filter{Source: "ward"})
	require.NoError(w.t, err)
	for _, e := range list {
		have, is := out[e.Ref.ID], e.Ref.Version
		if len(is) > len(have) || len(is) == len(have) && is >= have {
			out[e.Ref.ID] = is
		}
	}
	return out
}

// requireNewest checks that the newest version of every record has been seen.
func (w *ward) requireNewest() {
	w.t.Helper()
	seen := w.versions()
	for id, row := range w.rows {
		require.Equal(w.t, strconv.Itoa(row.version), seen[id], id)
	}
}

func (w *ward) entries(fate ledger.Fate) []ledger.Entry {
	w.t.Helper()
	return w.entriesOf("ward", fate)
}

// stored returns how many answers were ever put into the inbox.
func (w *ward) stored() int64 {
	w.t.Helper()
	require.Zero(w.t, w.statement().Unread)
	nr, err := w.ledger.Receive(w.t.Context(), ledger.Answer{Source: "probe", Body: []byte("x")}, ledger.Cursor{})
	require.NoError(w.t, err)
	require.NoError(w.t, w.ledger.Observe(w.t.Context(), ledger.Answer{ID: nr, Source: "probe"}, nil))
	w.probes++
	return nr - w.probes
}

// body returns the newest body that is kept of a record.
func (w *ward) body(id string) []byte {
	w.t.Helper()
	var out []byte
	require.NoError(w.t, w.ledger.Bodies(w.t.Context(), "ward", 1000, func(b ledger.Body) error {
		if b.Ref.ID == id && b.Ref.Version == w.versions()[id] {
			out = b.JSON
		}
		return nil
	}))
	require.NotEmpty(w.t, out, id)
	return out
}

func (w *ward) Cursor(name string) string {
	w.t.Helper()
	value, err := w.ledger.Cursor(w.t.Context(), "ward", name)
	require.NoError(w.t, err)
	return value
}

func (w *ward) answer(out http.ResponseWriter, r *http.Request) {
	w.mu.Lock()
	defer w.mu.Unlock()
	w.asked = append(w.asked, r.URL)
	out.Header().Set("Date", w.clock.Add(w.date).Format(http.TimeFormat))
	out.Header().Set("Content-Type", "application/fhir+json")
	typ, id, single := strings.Cut(strings.Trim(r.URL.Path, "/"), "/")
	if single {
		w.read(out, typ, id)
		return
	}
	if w.before != nil {
		w.before(len(w.asked))
	}
	if w.raw != "" && typ == "ServiceRequest" {
		fmt.Fprint(out, w.raw)
		return
	}
	w.page(out, r, typ)
}

func (w *ward) read(out http.ResponseWriter, typ, id string) {
	row := w.rows[id]
	if row == nil || row.typ != typ {
		out.WriteHeader(http.StatusNotFound)
		return
	}
	if status := w.broken(nil, []*wardRow{row}); status != 0 {
		out.WriteHeader(status)
		return
	}
	fmt.Fprint(out, row.json())
}

func (w *ward) broken(q url.Values, rows []*wardRow) int {
	if w.break_ == nil {
		return 0
	}
	return w.break_(q, rows)
}

// page answers by offset: what moves to the end while a client follows its links makes the rows behind it move up.
func (w *ward) page(out http.ResponseWriter, r *http.Request, typ string) {
	q := r.URL.Query()
	rows := w.found(typ, q)
	offset, _ := strconv.Atoi(q.Get("_offset"))
	count, err := strconv.Atoi(q.Get("_count"))
	if err != nil {
		count = 20
	}
	if w.limit > 0 {
		count = min(count, w.limit)
	}
	page := rows[min(offset, len(rows)):min(offset+count, len(rows))]
	if status := w.broken(q, page); status != 0 {
		out.WriteHeader(status)
		return
	}
	var entries []string
	for _, row := range page {
		entries = append(entries, `{"resource":`+row.json()+`,"search":{"mode":"match"}}`)
	}
	for _, row := range page {
		if p := w.rows[row.patient]; p != nil && q.Get("_include") != "" && !w.plain {
			entries = append(entries, `{"resource":`+p.json()+`,"search":{"mode":"include"}}`)
		}
	}
	link := ""
	if offset+count < len(rows) {
		q.Set("_offset", strconv.Itoa(offset+count))
		next, _ := json.Marshal("http://" + r.Host + r.URL.Path + "?" + q.Encode())
		link = `,"link":[{"relation":"next","url":` + string(next) + `}]`
	}
	entry := ""
	if len(entries) > 0 {
		entry = `,"entry":[` + strings.Join(entries, ",") + `]`
	}
	fmt.Fprintf(out, `{"resourceType":"Bundle","type":"searchset"%s%s}`, link, entry)
}

func (w *ward) found(typ string, q url.Values) []*wardRow {
	var rows []*wardRow
	for _, row := range w.rows {
		ids := q.Get("_id")
		if row.typ == typ && (ids == "" || slices.Contains(strings.Split(ids, ","), row.id)) && !slices.ContainsFunc(q["_lastUpdated"], func(v string) bool { return !stamped(row.at, v) }) {
			rows = append(rows, row)
		}
	}
	slices.SortFunc(rows, func(a, b *wardRow) int {
		if c := a.at.Compare(b.at); c != 0 && q.Get("_sort") == "_lastUpdated" {
			return c
		}
		return strings.Compare(a.id, b.id)
	})
	return rows
}

func stamped(at time.Time, condition string) bool {
	t, err := time.Parse(time.RFC3339Nano, condition[2:])
	if err != nil {
		return false
	}
	switch condition[:2] {
	case "ge":
		return !at.Before(t)
	case "lt":
		return at.Before(t)
	}
	return at.Equal(t)
}

// refuse answers every page with a status.
func (w *ward) refuse(status int) {
	w.break_ = func(url.Values, []*wardRow) int { return status }
}
