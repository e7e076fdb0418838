package main

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/report"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

func TestADoubtNamesItsFieldsAndNoValue(t *testing.T) {
	at := time.Date(2026, 1, 1, 8, 0, 0, 0, time.UTC)
	version := func(v string) fhir.Reference { return fhir.Reference{Type: "ServiceRequest", ID: "r1", Version: v} }
	open := []ledger.Intent{
		{Source: "ward", Ref: version("1"), Object: "ClinicalServiceRequest", Key: "ward.sr.r1", Creates: true, Created: at, Deadline: at.Add(13 * time.Minute),
			Meant: sobject.Record{Object: "ClinicalServiceRequest", Fields: []sobject.Field{{Name: "Status", Value: sobject.TextValue("Active")}, {Name: "Priority", Value: sobject.TextValue("Urgent")}}}},
		{Source: "ward", Ref: version("2"), Object: "ClinicalServiceRequest", Key: "ward.sr.r1", Created: at, Deadline: at}, // of an older version, which kept no values
	}
	all := report.DoubtsOf(open)
	require.Len(t, all, 2)
	assert.Equal(t, report.Doubt{Source: "ward", Ref: "ServiceRequest/r1/_history/1", Write: "create", Object: "ClinicalServiceRequest", Key: "ward.sr.r1",
		Fields: []string{"Status", "Priority"}, Since: at, Until: at.Add(13 * time.Minute)}, all[0])
	assert.Equal(t, "update", all[1].Write)
	assert.Equal(t, all[:1], report.DoubtsAbout(all, "ward", version("1")))
	assert.Equal(t, all, report.DoubtsAbout(all, "ward", version("")))
	assert.Empty(t, report.DoubtsAbout(all, "ers", version("1")))
	assert.Empty(t, report.DoubtsAbout(all, "ward", fhir.Reference{Type: "ServiceRequest", ID: "r"}))
	var text strings.Builder
	report.PrintDoubts(&text, all)
	assert.Contains(t, text.String(), "in doubt: create of ClinicalServiceRequest ward.sr.r1\n    for ward ServiceRequest/r1/_history/1, sent ")
	assert.NotContains(t, text.String(), "Urgent")
}

func TestStatementAndShowListWritesInDoubt(t *testing.T) {
	t.Parallel()
	// Before: referrals are written to Salesforce, which commits them and answers nothing.
	w := newWorld(t, setting{referrals: 4, ward: 1, org: func(org http.Handler) http.Handler {
		return http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if r.Method != http.MethodPatch || !strings.Contains(r.URL.Path, "/sobjects/ClinicalServiceRequest/") {
				org.ServeHTTP(w, r)
				return
			}
			org.ServeHTTP(httptest.NewRecorder(), r)
			conn, _, err := http.NewResponseController(w).Hijack()
			assert.NoError(t, err)
			_ = conn.Close()
		})
	}})
	w.run(exitDone, "sync")
	s := w.statement()
	require.NotEmpty(t, s.InDoubt)
	d := s.InDoubt[0]
	assert.NotEmpty(t, d.Fields)
	assert.Equal(t, "create", d.Write)
	assert.True(t, d.Until.Sub(d.Since) > 10*time.Minute && time.Since(d.Since) < 10*time.Minute, "%v", d)
	text := strings.Join(strings.Fields(w.run(exitDone, "statement").out), " ")
	assert.Contains(t, text, "nobody saw the answer, and it may still take effect until")

	id := strings.Split(d.Ref, "/")[1]
	if strings.HasPrefix(d.Ref, "ServiceRequest/") {
		id = "ServiceRequest/" + id
	}
	var e report.Entry
	require.NoError(t, json.Unmarshal([]byte(strings.SplitN(w.run(exitDone, "show", id, "--json").out, "\n", 2)[0]), &e))
	require.NotEmpty(t, e.InDoubt)
	assert.Equal(t, d.Ref, e.InDoubt[0].Ref)
	assert.Contains(t, w.run(exitDone, "show", id).out, "in doubt: create of")
}
