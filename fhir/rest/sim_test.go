package rest_test

import (
	"bytes"
	"net/http/httptest"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/fhir/fhirsim"
	"refbridge/fhir/rest"
)

func day() time.Time { return time.Date(2026, 3, 20, 8, 0, 0, 0, time.UTC) }

// bridge is a client signed in at a simulated server of so many referrals.
func bridge(t *testing.T, o fhirsim.Options, now func() time.Time) (*fhirsim.Server, *rest.Client) {
	t.Helper()
	o.Now = day
	far, err := fhirsim.New(o)
	require.NoError(t, err)
	server := httptest.NewServer(far)
	t.Cleanup(server.Close)
	sign := far.Credentials(server.URL)
	c, err := rest.New(rest.Config{
		BaseURL: sign.BaseURL, TokenURL: sign.TokenURL, ClientID: sign.ClientID, KeyID: sign.KeyID, Key: sign.Key,
		Scope: rest.ReadScope + " system/ServiceRequest.write", Now: now,
	})
	require.NoError(t, err)
	return far, c
}

func search(t *testing.T, c *rest.Client, typ string, q url.Values) []fhir.Resource {
	t.Helper()
	var out []fhir.Resource
	for r, err := range c.Search(t.Context(), typ, q) {
		require.NoError(t, err)
		out = append(out, r)
	}
	return out
}

func TestEveryReferralOfAServerIsFoundOnceThoughItChangesMeanwhile(t *testing.T) {
	far, c := bridge(t, fhirsim.Options{Referrals: 45, RequireToken: true}, day)
	seen, include := map[string]int{}, map[string]int{}
	pages := 0
	for page, err := range c.Pages(t.Context(), "ServiceRequest", url.Values{"_include": {"ServiceRequest:subject"}, "_sort": {"_lastUpdated"}}) {
		require.NoError(t, err)
		for _, e := range page.Entries {
			require.NoError(t, e.Err)
			if e.Mode == "match" {
				seen[e.Resource.ID()]++
				continue
			}
			include[e.Resource.Reference().Current().String()]++
		}
		pages++
		far.Evolve(fhirsim.Changes{StatusChanges: 3})
	}
	assert.Equal(t, 3, pages)
	assert.Len(t, seen, 45)
	assert.Len(t, include, 45)
	for id, n := range seen {
		assert.Equal(t, 1, n, id)
	}
	assert.Equal(t, 1, far.Report().Calls["token"], "one sign-in for all pages")
}

func TestOnlyWhatChangedComesBack(t *testing.T) {
	far, c := bridge(t, fhirsim.Options{Referrals: 30}, day)
	far.Advance(time.Hour)
	far.Evolve(fhirsim.Changes{StatusChanges: 4, VersionBumps: 2})
	since := url.Values{"_lastUpdated": {"ge" + day().Add(time.Hour).Format(time.RFC3339)}}
	got := search(t, c, "ServiceRequest", since)
	require.Len(t, got, 6)
	for _, r := range got {
		assert.Equal(t, "2", r.VersionID())
		assert.Equal(t, day().Add(time.Hour), r.LastUpdated())
	}
}

func TestAStatusGoesBackOnceAndAStaleOneIsAConflict(t *testing.T) {
	far, c := bridge(t, fhirsim.Options{Referrals: 3, RequireToken: true}, day)
	ref := fhir.Reference{Type: "ServiceRequest", ID: "sr100001"}
	before, err := c.Read(t.Context(), ref)
	require.NoError(t, err)
	status := `"status":"` + before.Root().Get("status").Text() + `"`
	body := bytes.Replace(before.Raw(), []byte(status), []byte(`"status":"entered-in-error"`), 1)

	after, err := c.Update(t.Context(), before.Reference(), body)
	require.NoError(t, err)
	assert.Equal(t, fhir.Reference{Type: "ServiceRequest", ID: "sr100001", Version: "2"}, after)
	now, err := c.Read(t.Context(), ref)
	require.NoError(t, err)
	assert.Equal(t, "entered-in-error", now.Root().Get("status").Text())
	assert.NotEqual(t, before.Digest(), now.Digest())

	_, err = c.Update(t.Context(), before.Reference(), body)
	var failure *rest.Error
	require.ErrorAs(t, err, &failure)
	assert.True(t, failure.Conflict())
	assert.Equal(t, "update ServiceRequest: status 412 (conflict)", err.Error())
	assert.Equal(t, []fhirsim.Update{{Ref: "ServiceRequest/sr100001", IfMatch: `W/"1"`, Version: 2}}, far.Report().Updates)
}

func TestATokenThatEndedAtTheServerIsReplaced(t *testing.T) {
	far, c := bridge(t, fhirsim.Options{Referrals: 1, RequireToken: true}, day)
	require.Len(t, search(t, c, "Patient", nil), 1)
	far.Advance(10 * time.Minute) // the client's clock stands still: both its token and its next assertion are too old
	require.Len(t, search(t, c, "Patient", nil), 1)
	report := far.Report()
	assert.Equal(t, 3, report.Calls["token"], "sign-in, refused for its time, and with the server's clock")
}

func TestAScopeThatIsMissingIsTold(t *testing.T) {
	_, c := bridge(t, fhirsim.Options{Referrals: 1, RequireToken: true}, day)
	ref := fhir.Reference{Type: "Appointment", ID: "ap100000"}
	r, err := c.Read(t.Context(), ref)
	require.NoError(t, err)
	_, err = c.Update(t.Context(), r.Reference(), r.Raw())
	require.ErrorIs(t, err, rest.ErrScope)
	assert.ErrorContains(t, err, "system/Appointment.write (SMART 1) or system/Appointment.u (SMART 2)")
	var failure *rest.Error
	require.ErrorAs(t, err, &failure)
	assert.Equal(t, 403, failure.Status)
	assert.False(t, failure.Ambiguous(), "nothing was sent")
}
