package lane_test

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"refbridge/bridge/back"
	"refbridge/bridge/lane"
	"refbridge/fhir"
	"refbridge/ledger"
)

// What becomes of a call that writes.
const (
	lost  = "lost"  // it takes effect, and nobody sees the answer
	late  = "late"  // nobody sees an answer, and it may take effect later
	cut   = "cut"   // as late, and the client sends it again at once
	saved = "saved" // it is answered
)

const referral = "ClinicalServiceRequest"

// gate stands before the org and loses answers.
type gate struct {
	org    http.Handler
	next   map[string][]string // by object, what becomes of the next calls
	before func(object string) // is told of each write before it reaches the org; nil = nobody asks
	held   []heldWrite
}

// heldWrite is a write without an answer that may still take effect.
type heldWrite struct {
	path string
	body []byte
}

func (g *gate) ServeHTTP(out http.ResponseWriter, r *http.Request) {
	_, rest, write := strings.Cut(r.URL.Path, "/composite/sobjects/")
	object, _, _ := strings.Cut(rest, "/")
	write = write && r.Method == http.MethodPatch
	if write && g.before != nil {
		g.before(object)
	}
	if !write || len(g.next[object]) == 0 {
		g.org.ServeHTTP(out, r)
		return
	}
	how := g.next[object][0]
	g.next[object] = g.next[object][1:]
	body, _ := io.ReadAll(r.Body)
	r.Body = io.NopCloser(bytes.NewReader(body))
	switch how {
	case saved:
		g.org.ServeHTTP(out, r)
		return
	case lost:
		g.org.ServeHTTP(httptest.NewRecorder(), r)
	default:
		g.held = append(g.held, heldWrite{r.URL.Path, body})
	}
	if how == cut {
		_, _, _ = out.(http.Hijacker).Hijack()
		return
	}
	out.Header().Set("Retry-After", "3600") // the client does not send it again by itself
	out.WriteHeader(http.StatusServiceUnavailable)
	_, _ = io.WriteString(out, `[{"errorCode":"SERVER_UNAVAILABLE","message":"synthetic"}]`)
}

// doubtful is a world whose writes may stay without an answer. It follows one referral of the ward.
type doubtful struct {
	*world
	gate  *gate
	id    string // of the referral
	key   string // of its row
	staff int    // changes that the hospital's own staff made
}

func writesBack() []back.Permit { return []back.Permit{{Operation: fhir.OperationUpdate}} }

// newDoubtful starts a world in which nothing is synced yet.
func newDoubtful(t *testing.T, s setting) *doubtful {
	t.Helper()
	s.memory = true
	d := &doubtful{world: newWorld(t, s)}
	d.gate = &gate{org: d.org, next: map[string][]string{}}
	address, err := url.Parse(d.urls[2])
	require.NoError(t, err)
	d.far[address.Host] = d.gate
	return d
}

// newReferral starts a world in which a referral of the ward is active on both sides, and what is changed goes back by itself.
func newReferral(t *testing.T) *doubtful {
	t.Helper()
	d := newDoubtful(t, setting{ward: 12, permits: writesBack()})
	d.run(d.ward)
	d.pick()
	return d
}

// pick chooses an active referral.
func (d *doubtful) pick() {
	d.t.Helper()
	for _, row := range d.org.Rows(referral) {
		key, _ := row["Bridge_Key__c"].(string)
		if id, of := strings.CutPrefix(key, "ward.sr."); of && row["Status"] == "Active" {
			d.id, d.key = id, key
			return
		}
	}
	d.t.Fatal("no active referral")
}

// source lets the hospital's staff change the referral.
func (d *doubtful) source(field string, value any) {
	d.t.Helper()
	d.wait(time.Minute)
	at := d.fhir.Credentials(d.urls[1]).BaseURL + "/ServiceRequest/" + d.id
	got, err := d.client().Get(at)
	require.NoError(d.t, err)
	defer got.Body.Close()
	resource := map[string]any{}
	require.NoError(d.t, json.NewDecoder(got.Body).Decode(&resource))
	resource[field] = value
	body, err := json.Marshal(resource)
	require.NoError(d.t, err)
	put, err := http.NewRequestWithContext(d.t.Context(), http.MethodPut, at, bytes.NewReader(body))
	require.NoError(d.t, err)
	put.Header.Set("Content-Type", "application/fhir+json")
	put.Header.Set("If-Match", got.Header.Get("ETag"))
	done, err := d.client().Do(put)
	require.NoError(d.t, err)
	defer done.Body.Close()
	require.Equal(d.t, http.StatusOK, done.StatusCode)
	d.staff++
}

// person lets a coordinator set a field of the referral's row.
func (d *doubtful) person(field string, value any) {
	d.t.Helper()
	d.wait(time.Minute)
	require.NoError(d.t, d.org.Edit(referral, d.key, map[string]any{field: value}))
}

// step lets a minute pass, polls and syncs.
func (d *doubtful) step() lane.Report {
	d.t.Helper()
	d.wait(time.Minute)
	return d.run(d.ward)
}

// kill ends the process when it has written and before it has settled, and starts it again.
func (d *doubtful) kill(f func(*world) *lane.Flow, permits []back.Permit) {
	d.t.Helper()
	d.wait(time.Minute)
	require.NoError(d.t, f(d.world).Poll(d.t.Context()))
	f(d.world).Applier.Journal = crashing{d.ledger}
	_, err := f(d.world).Sync(d.t.Context())
	require.ErrorIs(d.t, err, errCrash)
	d.reopen(permits)
}

func wardOf(w *world) *lane.Flow { return w.ward }
func ersOf(w *world) *lane.Flow  { return w.eRS }

// commit lets a write take effect that nobody saw an answer of.
func (d *doubtful) commit(n int) {
	d.t.Helper()
	d.wait(time.Second)
	d.patch(d.gate.held[n].path, d.gate.held[n].body)
}

// patch writes as refbridge's own user.
func (d *doubtful) patch(path string, body []byte) {
	d.t.Helper()
	k := d.org.Credentials(d.urls[2])
	answer, err := d.client().PostForm(k.BaseURL+"/services/oauth2/token", url.Values{"grant_type": {"client_credentials"},
		"client_id": {k.ClientID}, "client_secret": {k.ClientSecret}})
	require.NoError(d.t, err)
	defer answer.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(d.t, json.NewDecoder(answer.Body).Decode(&token))
	req, err := http.NewRequestWithContext(d.t.Context(), http.MethodPatch, d.urls[2]+path, bytes.NewReader(body))
	require.NoError(d.t, err)
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	req.Header.Set("Content-Type", "application/json")
	done, err := d.client().Do(req)
	require.NoError(d.t, err)
	defer done.Body.Close()
	text, err := io.ReadAll(done.Body)
	require.NoError(d.t, err)
	require.Equal(d.t, http.StatusOK, done.StatusCode, string(text))
	require.Contains(d.t, string(text), `"success":true`) // rows that are there by now may refuse what only a create takes
}

// rest lets every deadline pass and runs twice.
func (d *doubtful) rest() {
	d.t.Helper()
	for range 2 {
		d.wait(15 * time.Minute)
		d.run(d.ward)
	}
	require.Empty(d.t, d.open(), "in doubt for longer than its deadline and two runs")
	d.statement()
}

// open returns the intents that are open.
func (d *doubtful) open() []ledger.Intent {
	d.t.Helper()
	open, err := d.ledger.Unresolved(d.t.Context())
	require.NoError(d.t, err)
	return open
}

// status is that of the referral's row.
func (d *doubtful) status() any { return d.row(referral, d.key)["Status"] }

// sentBack returns how many operations refbridge sent to the ward.
func (d *doubtful) sentBack() int { return len(d.fhir.Report().Updates) - d.staff }

// proposed returns the changes that were ever noted to go back.
func (d *doubtful) proposed(source string) []ledger.Writeback {
	d.t.Helper()
	all, err := d.ledger.Writebacks(d.t.Context(), source)
	require.NoError(d.t, err)
	return all
}

// fate is that of the newest version of a record.
func (d *doubtful) fate(source, typ, id string) ledger.Entry {
	d.t.Helper()
	list, err := d.ledger.Entries(d.t.Context(), ledger.Filter{Source: source, Ref: fhir.Reference{Type: typ, ID: id}})
	require.NoError(d.t, err)
	require.NotEmpty(d.t, list)
	return slices.MaxFunc(list, func(a, b ledger.Entry) int { return a.First.Compare(b.First) })
}

// became returns what became of the newest version of the referral.
func (d *doubtful) became() ledger.Entry { return d.fate("ward", "ServiceRequest", d.id) }
