package lane_test

import (
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/source"
)

func TestFinding_code_T11_WhatMappingNeedsIsReadOnceWhateverTheServerIncludes(t *testing.T) {
	for name, c := range map[string]struct {
		plain bool // _include means nothing
		byID  bool // nor can Patients be searched by id
	}{"included": {}, "asked for by their ids": {plain: true}, "read one by one": {plain: true, byID: true}} {
		t.Run(name, func(t *testing.T) {
			w := newWard(t)
			w.plain = c.plain
			for _, n := range []string{"1", "2", "3"} {
				w.add("Patient", "p"+n, time.Hour)
				w.put("r"+n, time.Hour).patient = "p" + n
			}
			w.add("Appointment", "a1", time.Hour).patient = "p1"
			w.break_ = func(q url.Values, _ []*wardRow) int {
				if c.byID && q.Get("_id") != "" {
					return http.StatusBadRequest
				}
				return 0
			}
			_, err := w.poll()
			require.NoError(t, err)
			want := map[string]string{"r1": "1-p1", "r2": "1-p1", "r3": "1-p1", "a1": "1-p1"}
			assert.Equal(t, want, w.versions())
			singles := slices.DeleteFunc(w.calls(), func(path string) bool { return !strings.Contains(path, "/") })
			if !c.byID {
				assert.Empty(t, singles)
			}
			w.asked = nil
			bare, err := w.ledger.ToRead(t.Context(), "ward")
			require.NoError(t, err)
			assert.Empty(t, bare)
			for id := range want {
				bundle, _, err := w.flow.Source.(*source.FHIRServer).Normalise(t.Context(), w.body(id))
				require.NoError(t, err)
				assert.Len(t, bundle.Related, 1)
			}
			assert.Empty(t, w.asked, "planning reads no network")
		})
	}
}

func TestAReferralWhosePatientDoesNotComeIsReadByItselfAndHeldWithTheReason(t *testing.T) {
	w := newWard(t)
	w.add("Patient", "p1", time.Hour)
	w.put("there", time.Hour).patient = "p1"
	w.put("nobody", time.Hour).patient = "p9"
	_, err := w.poll()
	require.NoError(t, err)
	assert.Equal(t, "1-p1", w.versions()["there"])
	held := w.entries("held")
	require.Len(t, held, 1)
	assert.Equal(t, "reference-unresolved", held[0].Reason.Code)
	assert.Equal(t, "nobody", held[0].Ref.ID)
	w.asked = nil
	_, err = w.poll()
	require.NoError(t, err)
	assert.NotContains(t, w.calls(), "ServiceRequest/nobody", "named again it waits for its turn")
}

func TestFinding_server_MP6_AChangeOfThePatientAloneIsANewVersionOfItsReferrals(t *testing.T) {
	w := newWard(t)
	w.add("Patient", "p1", 48*time.Hour)
	w.add("Patient", "p2", 48*time.Hour)
	w.add("Patient", "stranger", 48*time.Hour)
	for _, id := range []string{"r1", "r2"} {
		w.put(id, 30*time.Hour).patient = "p1"
	}
	w.put("other", 30*time.Hour).patient = "p2"
	w.add("Appointment", "a1", 30*time.Hour).patient = "p1"
	_, err := w.poll()
	require.NoError(t, err)
	stored := w.stored()
	w.wait(24 * time.Hour) // no referral is in the window any more
	_, err = w.poll()
	require.NoError(t, err)
	assert.Equal(t, stored, w.stored())

	w.wait(time.Hour)
	p := w.put("p1", 0)
	p.note = "Newname"
	w.put("stranger", 0)
	_, err = w.poll()
	require.NoError(t, err)
	assert.Equal(t, map[string]string{"r1": "1-p2", "r2": "1-p2", "a1": "1-p2", "other": "1-p1"}, w.versions())
	assert.Contains(t, string(w.body("r1")), "Newname")
	w.asked = nil
	_, err = w.poll()
	require.NoError(t, err)
	assert.Equal(t, []string{"ServiceRequest", "Appointment", "Patient"}, w.calls(), "once")
}

func TestFinding_server_MP6_AServerThatDoesNotLetPatientsBeSearchedIsToldOfAndNoFailure(t *testing.T) {
	w := newWard(t)
	w.add("Patient", "p1", time.Hour)
	w.put("r1", time.Hour).patient = "p1"
	w.break_ = func(q url.Values, rows []*wardRow) int {
		if strings.HasSuffix(w.asked[len(w.asked)-1].Path, "/Patient") {
			return http.StatusForbidden
		}
		return 0
	}
	_, err := w.poll()
	require.NoError(t, err)
	notices, err := source.NoticesOf(t.Context(), w.ledger, "ward")
	require.NoError(t, err)
	require.Len(t, notices, 1)
	assert.Contains(t, notices[0], "does not tell which Patients changed (status 403)")
	assert.NotEmpty(t, w.Cursor("polled"))
}
