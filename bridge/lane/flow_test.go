package lane

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"net/http"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan"
	"refbridge/bridge/plan/shelf"
	"refbridge/bridge/source"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
)

func TestWhenASyncErasesOldBodies(t *testing.T) {
	for _, c := range []struct {
		name, last, now string
		retention       time.Duration
		want            bool
	}{
		{"they are kept for ever", "2026-11-29T12:00:00Z", "2026-11-30T12:00:00Z", 0, false},
		{"the first sync ever", "", "2026-11-30T12:00:00Z", time.Hour, true},
		{"a cursor that is no time", "x", "2026-11-30T12:00:00Z", time.Hour, true},
		{"the first of a day", "2026-11-29T23:59:59Z", "2026-11-30T00:00:00Z", time.Hour, true},
		{"the second of a day", "2026-11-30T00:00:00Z", "2026-11-30T23:59:59Z", time.Hour, false},
		{"the same day of another year", "2025-11-30T12:00:00Z", "2026-11-30T12:00:00Z", time.Hour, true},
		{"the same day of another month", "2026-10-30T12:00:00Z", "2026-11-30T12:00:00Z", time.Hour, true},
		{"two zones, one day of UTC", "2026-11-30T00:30:00+01:00", "2026-11-29T23:40:00Z", time.Hour, false},
	} {
		assert.Equal(t, c.want, purgeDue(c.last, bridgetest.At(c.now), c.retention), c.name)
	}
}

func TestWhenEveryLiveRecordIsReadAgain(t *testing.T) {
	for _, c := range []struct {
		name, last string
		want       bool
	}{
		{"never so far", "", true},
		{"a cursor that is no time", "x", true},
		{"a second too early", "2026-11-30T08:00:01Z", false},
		{"at its time", "2026-11-30T08:00:00Z", true},
		{"long since", "2026-11-01T08:00:00Z", true},
	} {
		assert.Equal(t, c.want, elapsed(c.last, bridgetest.Noon(), 4*time.Hour), c.name)
	}
}

// What lets held records be tried again: a row a case. noted are the hashes of the last sync, empty where there are none.
func TestWhatASyncReleases(t *testing.T) {
	stopped, stop := context.WithCancel(t.Context())
	stop()
	broken := errors.New("x")
	s := shelf.New()
	tables := planner(s, t).Tables
	says := func(hash string, err error) func(context.Context) (string, error) {
		return func(context.Context) (string, error) { return hash, err }
	}
	for _, c := range []struct {
		name     string
		ctx      context.Context
		describe func(context.Context) (string, error)
		noted    map[string]string
		want     []string
		err      error
	}{
		{"nobody asks the org", t.Context(), nil, map[string]string{"tables": "old"}, bridge.Releases(true, false), nil},
		{"nothing changed", t.Context(), says("a", nil), map[string]string{"tables": tables.Hash(), "describe": "a"}, bridge.Releases(false, false), nil},
		{"the first sync ever", t.Context(), says("a", nil), nil, bridge.Releases(false, false), nil},
		{"the tables changed", t.Context(), says("a", nil), map[string]string{"tables": "old", "describe": "a"}, bridge.Releases(true, false), nil},
		{"the org changed", t.Context(), says("b", nil), map[string]string{"tables": tables.Hash(), "describe": "a"}, bridge.Releases(false, true), nil},
		{"both changed", t.Context(), says("b", nil), map[string]string{"tables": "old", "describe": "a"}, bridge.Releases(true, true), nil},
		{"the org says nothing now", t.Context(), says("", broken), map[string]string{"tables": "old", "describe": "a"}, bridge.Releases(true, false), nil},
		{"somebody asked for an end", stopped, says("", context.Canceled), map[string]string{"tables": "old"}, nil, context.Canceled},
	} {
		f := Flow{Planner: plan.Planner{Tables: tables}, Describe: c.describe}
		got, err := f.released(c.ctx, func(_ context.Context, name, hash string) (bool, error) { return differs(c.noted[name], hash), nil })
		assert.ErrorIs(t, err, c.err, c.name)
		assert.Equal(t, c.want, got, c.name)
	}
	f := Flow{Planner: plan.Planner{Tables: tables}, Describe: says("a", nil)}
	_, err := f.released(t.Context(), func(context.Context, string, string) (bool, error) { return false, broken })
	assert.ErrorIs(t, err, broken, "a ledger that cannot be read")
}

// What a read says of the time of a record and of its patient: a row a case.
func TestWhatAReadSaysOfItsTimes(t *testing.T) {
	const stamp, other = "2026-11-30T10:00:00Z", "2026-11-30T11:00:00Z"
	resource := func(typ, id, at string) string {
		return fmt.Sprintf(`{"resourceType":%q,"id":%q,"meta":{"versionId":"3","lastUpdated":%q}}`, typ, id, at)
	}
	for _, c := range []struct {
		name            string
		body            []byte
		updated, beside string
		patient         string
	}{
		{"no resource", []byte("{"), "", "", ""},
		{"a resource by itself", []byte(resource("ServiceRequest", "r1", stamp)), stamp, "", ""},
		{"with its patient", bridgetest.Collected(resource("ServiceRequest", "r1", stamp), resource("Patient", "p1", other)), stamp, other, "Patient/p1/_history/3"},
		{"the first of two patients", bridgetest.Collected(resource("ServiceRequest", "r1", stamp), resource("Patient", "p1", other), resource("Patient", "p2", stamp)), stamp, other, "Patient/p1/_history/3"},
		{"another record of its type", bridgetest.Collected(resource("ServiceRequest", "r2", stamp)), "", "", ""},
		{"a record of another type", bridgetest.Collected(resource("Appointment", "r1", stamp)), "", "", ""},
		{"an entry without a resource", []byte(`{"resourceType":"Bundle","entry":[{},{"resource":` + resource("ServiceRequest", "r1", stamp) + `}]}`), stamp, "", ""},
	} {
		s := readAs(fhir.Reference{Type: "ServiceRequest", ID: "r1"}, c.body)
		assert.True(t, bridgetest.At(c.updated).Equal(s.Updated), c.name)
		assert.True(t, bridgetest.At(c.beside).Equal(s.Beside), c.name)
		if c.patient == "" {
			assert.Zero(t, s.Patient, c.name)
			continue
		}
		assert.Equal(t, c.patient, s.Patient.String(), c.name)
	}
}

// When the live records are read again at their source.
func TestWhenLiveRecordsAreReadAgain(t *testing.T) {
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(t.TempDir(), "data", "ledger.db"), Key: make([]byte, 32)})
	require.NoError(t, err)
	defer l.Close()
	f := &Flow{Name: "ward", Ledger: l, Now: func() time.Time { return bridgetest.Noon() }}
	due, err := f.refreshDue(t.Context())
	require.NoError(t, err)
	assert.False(t, due, "never, where it is not asked for")
	f.Refresh = time.Hour
	for last, want := range map[string]bool{"": true, bridgetest.Noon().Add(-59 * time.Minute).Format(time.RFC3339): false, bridgetest.Noon().Add(-time.Hour).Format(time.RFC3339): true} {
		require.NoError(t, l.SetCursor(t.Context(), "ward", ledger.Cursor{Name: "refreshed", Value: last}))
		due, err = f.refreshDue(t.Context())
		require.NoError(t, err)
		assert.Equal(t, want, due, "last %q", last)
	}
}

// What a backfill finds is in the ledger when it ends.
func TestABackfillObservesWhatItFinds(t *testing.T) {
	l, err := ledger.Open(t.Context(), ledger.Options{Path: filepath.Join(t.TempDir(), "data", "ledger.db"), Key: make([]byte, 32)})
	require.NoError(t, err)
	defer l.Close()
	far := bridgetest.Memory{}
	base := ""
	base = far.Serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/fhir+json")
		entry := ""
		if strings.HasSuffix(r.URL.Path, "/ServiceRequest") {
			entry = `{"fullUrl":"` + base + `/ServiceRequest/x","search":{"mode":"match"},"resource":{"resourceType":"ServiceRequest","id":"x",
				"meta":{"versionId":"1","lastUpdated":"2026-01-01T08:00:00Z"},"status":"active","intent":"order"}}`
		}
		_, _ = w.Write([]byte(`{"resourceType":"Bundle","type":"searchset","entry":[` + entry + `]}`))
	}))
	client, err := rest.New(rest.Config{BaseURL: base, Transport: far})
	require.NoError(t, err)
	server := &source.FHIRServer{Client: client, Base: base, Now: func() time.Time { return bridgetest.Noon() }}
	f := &Flow{Name: "ward", Ledger: l, Poller: server, Source: server, Now: server.Now, Logger: slog.New(slog.DiscardHandler)}
	stopped, stop := context.WithCancel(t.Context())
	stop()
	assert.ErrorIs(t, f.Window(stopped, server, bridgetest.Noon().AddDate(-1, 0, 0), bridgetest.Noon()), context.Canceled)
	require.NoError(t, f.Window(t.Context(), server, bridgetest.Noon().AddDate(-1, 0, 0), bridgetest.Noon()))
	found, err := l.Entries(t.Context(), ledger.Filter{Source: "ward"})
	require.NoError(t, err)
	require.Len(t, found, 1)
	assert.Equal(t, "x", found[0].Ref.ID)
}

// A probe of a row that several sources may write settles the version of its own.
func TestAProbeIsOfTheVersionThatItsOwnSourceMeant(t *testing.T) {
	ref := func(id string) fhir.Reference { return fhir.Reference{Type: "ServiceRequest", ID: id, Version: "1"} }
	row := ledger.Row{Open: []ledger.Intent{{Source: "ers", Ref: ref("theirs")}, {Source: "ward", Ref: ref("first")}, {Source: "ward", Ref: ref("second")}}}
	assert.Equal(t, ref("first"), (&Flow{Name: "ward"}).writerOf(row))
	assert.Equal(t, ref("theirs"), (&Flow{Name: "ers"}).writerOf(row))
}

func TestAHashIsNewsOnlyBesideAnother(t *testing.T) {
	for _, c := range []struct {
		name, before, now string
		want              bool
	}{
		{"never noted", "", "a", false},
		{"the same", "a", "a", false},
		{"another", "a", "b", true},
	} {
		assert.Equal(t, c.want, differs(c.before, c.now), c.name)
	}
}
