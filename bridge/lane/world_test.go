package lane_test

import (
	"crypto/rsa"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"encoding/json"
	"encoding/pem"
	"io"
	"log/slog"
	"net/http"
	"net/url"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"refbridge/bridge/back"
	"refbridge/bridge/deliver"
	"refbridge/bridge/lane"
	"refbridge/bridge/plan"
	"refbridge/bridge/source"
	"refbridge/ers"
	"refbridge/ers/erssim"
	"refbridge/fhir"
	"refbridge/fhir/fhirsim"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/sfdc/sfdcsim"
)

// world is three far ends over real HTTP (in memory where its setting says so), a ledger on disk, and refbridge between them, with one clock for all.
type world struct {
	base
	ers    *erssim.Server
	fhir   *fhirsim.Server
	org    *sfdcsim.Server
	urls   [3]string
	tables *mapping.Set
	eRS    *lane.Flow // from e-RS
	ward   *lane.Flow // from the FHIR server
}

type setting struct {
	referrals int // of e-RS
	ward      int // of the FHIR server
	people    int // in Salesforce; 0 = all of e-RS
	messy     bool
	memory    bool // no sockets
	permits   []back.Permit
	hidden    []string // what the org does not have
}

// newWorld starts everything. Before: nothing is synced.
func newWorld(t *testing.T, s setting) *world {
	t.Helper()
	w := &world{}
	w.begin(t, s.memory)
	var err error
	w.ers, err = erssim.New(erssim.Options{Seed: 3, Referrals: s.referrals, Clean: !s.messy, RatePerSecond: 1000, Now: w.now, Services: []string{"21012"}})
	require.NoError(t, err)
	w.fhir, err = fhirsim.New(fhirsim.Options{Seed: 3, Referrals: s.ward, Now: w.now})
	require.NoError(t, err)
	people := s.people
	if people == 0 {
		people = s.referrals
	}
	w.org, err = sfdcsim.New(sfdcsim.Options{Seed: 3, People: people, Now: w.now, Hidden: s.hidden})
	require.NoError(t, err)
	w.urls = [3]string{w.serve(w.ers), w.serve(w.fhir), w.serve(w.org)}
	w.tables, err = mapping.Load(mapping.Default(), mapping.Options{PatientKey: func(n fhir.NHSNumber) string {
		sum := sha256.Sum256([]byte("test secret" + n.Reveal()))
		return hex.EncodeToString(sum[:13])
	}})
	require.NoError(t, err)
	w.open(s.permits)
	return w
}

// reopen starts refbridge again after its process ended.
func (w *world) reopen(permits []back.Permit) {
	w.t.Helper()
	require.NoError(w.t, w.ledger.Close())
	w.openLedger()
	w.open(permits)
}

// open joins refbridge to its ledger and its far ends.
func (w *world) open(permits []back.Permit) {
	t, logger := w.t, w.logger
	k := w.ers.Credentials(w.urls[0])
	client, err := ers.New(ers.Config{BaseURL: k.BaseURL, TokenURL: k.TokenURL, ClientID: k.ClientID, KeyID: k.KeyID,
		Key: parseKey(t, k.PrivateKeyPEM), Rate: 1000, Ration: w.ledger, Transport: w.transport(), Now: w.now, Logger: logger})
	require.NoError(t, err)
	o := w.org.Credentials(w.urls[2])
	target, err := sfdc.New(sfdc.Config{LoginURL: o.BaseURL, ClientID: o.ClientID, ClientSecret: o.ClientSecret, Version: "v66.0",
		Transport: w.transport(), Now: w.now, Logger: logger})
	require.NoError(t, err)
	server, err := rest.New(rest.Config{BaseURL: w.fhir.Credentials(w.urls[1]).BaseURL, Transport: w.transport(), Now: w.now, Logger: logger})
	require.NoError(t, err)
	eRS := &source.ERS{Client: client, Services: []string{"21012"}, Logger: logger, Now: w.now,
		Lists: []ers.List{ers.ReferralsForReview, ers.AppointmentSlotIssues}}
	ward := &source.FHIRServer{Client: server, Base: w.fhir.Credentials(w.urls[1]).BaseURL, Now: w.now}
	w.eRS = w.flow("ers", "ers", plan.Link, target, logger)
	w.eRS.Refresh = time.Hour
	w.eRS.Poller, w.eRS.Source, w.eRS.Planner.Source, w.eRS.Back.Source, w.eRS.Back.Invoke = eRS, eRS, eRS, eRS, eRS
	w.eRS.Back.Permits = permits
	w.ward = w.flow("ward", "fhir", plan.CreateMode, target, logger)
	w.ward.Poller, w.ward.Source, w.ward.Planner.Source, w.ward.Back.Source, w.ward.Back.Invoke = ward, ward, ward, ward, ward
	w.ward.Back.Permits = permits
}

func (w *world) flow(name, dialect string, patient plan.PatientMode, target *sfdc.Client, logger *slog.Logger) *lane.Flow {
	f := &lane.Flow{Name: name, Ledger: w.ledger, Logger: logger, Now: w.now}
	f.Planner = plan.Planner{Flow: name, Target: target, Memory: w.ledger, Tables: w.tables, Now: w.now,
		Policy: plan.Policy{Patient: patient, System: "https://" + name + ".example", Run: "live", Token: []byte("token secret"),
			Lookup: sfdc.Lookup{Object: "Identifier", Field: "IdValue", Parent: "ParentRecordId",
				Where: map[string]string{"SourceSystem": fhir.SystemNHSNumber}}}}
	f.Recovery = &lane.Recovery{Target: target, Ledger: w.ledger, Now: w.now}
	f.Applier = &deliver.Applier{Target: target, Journal: w.ledger, Now: w.now, Raise: f.Recovery.Raise}
	for _, o := range w.tables.Objects() {
		f.Applier.Objects = append(f.Applier.Objects, o.Name)
	}
	f.Back = &back.Reconciler{Flow: name, Dialect: dialect, Target: target, Ledger: w.ledger, Tables: w.tables, Logger: logger, Now: w.now}
	return f
}

func parseKey(t *testing.T, text []byte) *rsa.PrivateKey {
	t.Helper()
	block, _ := pem.Decode(text)
	require.NotNil(t, block)
	key, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	require.NoError(t, err)
	return key.(*rsa.PrivateKey)
}

// run polls and syncs a flow as a schedule would.
func (w *world) run(f *lane.Flow) lane.Report {
	w.t.Helper()
	require.NoError(w.t, f.Poll(w.t.Context()))
	return w.sync(f)
}

func (w *world) sync(f *lane.Flow) lane.Report {
	w.t.Helper()
	r, err := f.Sync(w.t.Context())
	require.NoError(w.t, err)
	return r
}

// row gives the record of Salesforce with a key.
func (w *world) row(object, key string) map[string]any {
	w.t.Helper()
	for _, r := range w.org.Rows(object) {
		if r["Bridge_Key__c"] == key {
			return r
		}
	}
	return nil
}

// entry gives the newest entry of a referral.
func (w *world) entry(ubrn string) ledger.Entry {
	w.t.Helper()
	list, err := w.ledger.Entries(w.t.Context(), ledger.Filter{Source: "ers", Ref: fhir.Reference{Type: "ReferralRequest", ID: ubrn}})
	require.NoError(w.t, err)
	require.NotEmpty(w.t, list)
	newest := list[0]
	for _, e := range list {
		if e.Changed.After(newest.Changed) {
			newest = e
		}
	}
	return newest
}

// remove deletes a record as a person in Salesforce would.
func (w *world) remove(object, key string) {
	w.t.Helper()
	id, _ := w.row(object, key)["Id"].(string)
	require.NotEmpty(w.t, id)
	w.call("DELETE", "/services/data/v66.0/sobjects/"+object+"/"+id)
}

// call makes an API call as another client of the org.
func (w *world) call(method, path string) {
	w.t.Helper()
	k := w.org.Credentials(w.urls[2])
	answer, err := w.client().PostForm(k.BaseURL+"/services/oauth2/token", url.Values{"grant_type": {"client_credentials"},
		"client_id": {k.ClientID}, "client_secret": {k.ClientSecret}})
	require.NoError(w.t, err)
	defer answer.Body.Close()
	var token struct {
		AccessToken string `json:"access_token"`
	}
	require.NoError(w.t, json.NewDecoder(answer.Body).Decode(&token))
	req, err := http.NewRequestWithContext(w.t.Context(), method, k.BaseURL+path, nil)
	require.NoError(w.t, err)
	req.Header.Set("Authorization", "Bearer "+token.AccessToken)
	done, err := w.client().Do(req)
	require.NoError(w.t, err)
	defer done.Body.Close()
	require.Equal(w.t, http.StatusNoContent, done.StatusCode)
}

// get reads one page.
func (w *world) get(url string) ([]byte, error) {
	res, err := w.client().Get(url)
	if err != nil {
		return nil, err
	}
	defer res.Body.Close()
	return io.ReadAll(res.Body)
}
