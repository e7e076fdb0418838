package main

import (
	"cmp"
	"context"
	"crypto/hmac"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"net"
	"net/http"
	"net/url"
	"os"
	"strings"
	"time"

	"refbridge/bridge/back"
	"refbridge/bridge/deliver"
	"refbridge/bridge/lane"
	"refbridge/bridge/plan"
	"refbridge/bridge/source"
	"refbridge/config"
	"refbridge/daemon"
	"refbridge/ers"
	"refbridge/fhir"
	"refbridge/fhir/rest"
	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/sfdc"
	"refbridge/wire"
)

// app is everything a command works with, joined from the configuration.
type app struct {
	cfg    *config.Config
	tables *mapping.Set
	ledger *ledger.Ledger
	target *sfdc.Client
	// recovery is shared by the lanes: they have one ledger.
	recovery *lane.Recovery
	flows    []*lane.Flow
	logger   *slog.Logger
	logKey   []byte
}

// access says what a command may do.
type access uint8

const (
	writing  access = iota
	planning        // the ledger is opened read-only, and the transports refuse every mutating request
	polling         // as planning, but what the sources say is written to the ledger, and worklists are asked for
	looking         // the ledger only, read-only: nothing is called
)

// open reads the configuration and joins the parts. The caller closes the app.
func (p *program) open(ctx context.Context, a access) (*app, error) {
	cfg, err := config.Load(p.config, checkSchedule)
	if err != nil {
		return nil, err
	}
	return p.join(ctx, cfg, a)
}

// checkSchedule lets the configuration refuse what the daemon could not run.
func checkSchedule(spec string, zone *time.Location) error {
	_, err := daemon.Parse(spec, zone)
	return err
}

func (p *program) join(ctx context.Context, cfg *config.Config, a access) (*app, error) {
	if a != looking {
		if err := cfg.Secrets(); err != nil {
			return nil, err
		}
	}
	key, err := cfg.Ledger.Key.Key32()
	if err != nil {
		return nil, err
	}
	out := &app{cfg: cfg, logKey: derive(key, "log")}
	out.logger = newLogger(p.err, p.verbose, out.logKey)
	patientKey, err := cfg.Salesforce.PatientKey.Hash()
	if err != nil {
		return nil, err
	}
	if out.tables, err = loadTables(cfg.Tables, patientKey); err != nil {
		return nil, err
	}
	if _, err := os.Stat(cfg.Ledger.Path); (a == planning || a == looking) && errors.Is(err, fs.ErrNotExist) {
		return nil, hinted{fmt.Errorf("there is no ledger yet at %s", cfg.Ledger.Path),
			"refbridge plan --poll makes it, and shows what a first sync would do; plan --from FILE needs none"}
	}
	out.ledger, err = ledger.Open(ctx, ledger.Options{Path: cfg.Ledger.Path, Key: key, Now: p.now, ReadOnly: a != writing && a != polling})
	if err != nil {
		return nil, err
	}
	if a == looking {
		return out, nil
	}
	if err := out.connect(p, a, patientKey); err != nil {
		out.close()
		return nil, err
	}
	return out, nil
}

func (a *app) close() {
	if err := a.ledger.Close(); err != nil {
		a.logger.Error("the ledger did not close", "error", err)
	}
}

// tablesIn gives the files of a folder of tables; the built-in ones where none is named.
func tablesIn(dir string) fs.FS {
	if dir == "" {
		return mapping.Default()
	}
	return os.DirFS(dir)
}

func loadTables(dir string, patientKey []byte) (*mapping.Set, error) {
	return mapping.Load(tablesIn(dir), mapping.Options{PatientKey: func(n fhir.NHSNumber) string {
		h := hmac.New(sha256.New, patientKey)
		h.Write([]byte(n.Reveal()))
		return strings.ToLower(base32.StdEncoding.WithPadding(base32.NoPadding).EncodeToString(h.Sum(nil)))[:26]
	}})
}

func derive(key []byte, purpose string) []byte {
	h := hmac.New(sha256.New, key)
	h.Write([]byte(purpose))
	return h.Sum(nil)
}

// transport returns what carries the calls to one far end, the same for a plan and for a sync.
func transport(cfg *config.Config) http.RoundTripper {
	address, env := cfg.ThroughProxy()
	switch {
	case env:
		return wire.Transport(http.ProxyFromEnvironment)
	case address != nil:
		return wire.Transport(wire.Through(address))
	}
	return wire.Transport(nil)
}

func (a *app) connect(p *program, mode access, patientKey []byte) error {
	secret, err := optional(a.cfg.Salesforce.ClientSecret)
	if err != nil {
		return err
	}
	private, err := a.cfg.Salesforce.PrivateKey.RSA()
	if err != nil {
		return err
	}
	s := a.cfg.Salesforce
	c := sfdc.Config{LoginURL: s.LoginURL, ClientID: s.ClientID, ClientSecret: secret, Username: s.Username, Key: private,
		Version: s.APIVersion, Reserve: s.Reserve, Transport: transport(a.cfg), Now: p.now, Logger: a.logger}
	if mode != writing {
		c.Transport = sfdc.ReadOnly(c.Transport)
	}
	if a.target, err = sfdc.New(c); err != nil {
		return fmt.Errorf("salesforce: %w", err)
	}
	a.recovery = &lane.Recovery{Target: a.target, Ledger: a.ledger, Now: p.now}
	for _, src := range a.cfg.Sources {
		f, err := a.flow(p, src, mode)
		if err != nil {
			return fmt.Errorf("source %s: %w", src.Name, err)
		}
		f.Planner.Policy.Token = derive(patientKey, "patient token")
		a.flows = append(a.flows, f)
	}
	return nil
}

func optional(s config.Secret) (string, error) {
	if s == "" {
		return "", nil
	}
	b, err := s.Read()
	return string(b), err
}

// flow joins one source into a lane.
func (a *app) flow(p *program, src config.Source, mode access) (*lane.Flow, error) {
	f := &lane.Flow{Name: src.Name, Ledger: a.ledger, Logger: a.logger, Now: p.now, Refresh: src.RefreshEvery(), MaxPoll: src.LongestPoll(), Base: src.BaseURL,
		Retention: a.cfg.Ledger.KeepFor(), Describe: a.describe, Fit: a.fit(src)}
	f.Planner = plan.Planner{Flow: src.Name, Target: a.target, Memory: a.ledger, Tables: a.tables, Now: p.now,
		Policy: plan.Policy{Patient: plan.PatientMode(src.Patient), System: src.System, Run: "live",
			NoTestPatients: !src.TestPatients && !onThisMachine(a.cfg.Salesforce.LoginURL),
			Lookup: sfdc.Lookup{Object: "Identifier", Field: "IdValue", Parent: "ParentRecordId",
				Where: map[string]string{"SourceSystem": fhir.SystemNHSNumber}}}}
	back := &back.Reconciler{Flow: src.Name, Dialect: src.Kind, Target: a.target, Ledger: a.ledger, Tables: a.tables,
		Permits: permits(src), Logger: a.logger, Now: p.now}
	var err error
	switch src.Kind {
	case "ers":
		err = a.fromERS(p, src, mode, f, back)
	default:
		err = a.fromFHIR(p, src, mode, f, back)
	}
	if err != nil || mode != writing {
		return f, err
	}
	f.Back = back
	f.Recovery = a.recovery
	f.Applier = &deliver.Applier{Target: a.target, Journal: a.ledger, Now: p.now, Raise: a.recovery.Raise}
	for _, o := range a.tables.Objects() {
		f.Applier.Objects = append(f.Applier.Objects, o.Name)
	}
	return f, nil
}

// onThisMachine reports whether a URL leads to a loopback address: a simulator takes test patients.
func onThisMachine(address string) bool {
	u, err := url.Parse(address)
	if err != nil {
		return false
	}
	ip := net.ParseIP(u.Hostname())
	return u.Hostname() == "localhost" || ip != nil && ip.IsLoopback()
}

// describe gives a hash of what the org says of the objects of the tables.
func (a *app) describe(ctx context.Context) (string, error) {
	h := sha256.New()
	for _, o := range a.tables.Objects() {
		d, err := a.target.Describe(ctx, o.Name)
		if err != nil {
			return "", err
		}
		if err := json.NewEncoder(h).Encode(d); err != nil {
			return "", err
		}
	}
	return hex.EncodeToString(h.Sum(nil)), nil
}

func permits(src config.Source) []back.Permit {
	names := map[string]string{"A013": "$ers.acceptReferral", "A028": "$ers.recordReviewOutcome", "A036": "$ers.cancelReferral",
		"update": fhir.OperationUpdate}
	var out []back.Permit
	for _, w := range src.WriteBack {
		out = append(out, back.Permit{Operation: names[w.Operation], Authority: w.UseCase, Approval: w.Approval != "none"})
	}
	return out
}

func (a *app) fromERS(p *program, src config.Source, mode access, f *lane.Flow, back *back.Reconciler) error {
	key, err := src.PrivateKey.RSA()
	if err != nil {
		return err
	}
	c := ers.Config{BaseURL: src.BaseURL, TokenURL: src.TokenURL, ClientID: src.ClientID, KeyID: src.KeyID, Key: key,
		Rate: src.Rate, Ration: a.ledger, Transport: transport(a.cfg), Now: p.now, Logger: a.logger}
	switch mode {
	case planning:
		c.Transport = ers.ReadOnly(c.Transport, src.TokenURL)
	case polling:
		c.Transport = ers.PollOnly(c.Transport, src.TokenURL)
	}
	client, err := ers.New(c)
	if err != nil {
		return err
	}
	source := &source.ERS{Client: client, Services: src.Services,
		Lists: []ers.List{ers.ReferralsForReview, ers.AppointmentSlotIssues}, Logger: a.logger, Now: p.now}
	f.Poller, f.Source, f.Planner.Source = source, source, source
	back.Source, back.Invoke = source, source
	return nil
}

func (a *app) fromFHIR(p *program, src config.Source, mode access, f *lane.Flow, back *back.Reconciler) error {
	key, err := src.PrivateKey.Signer()
	if err != nil {
		return err
	}
	c := rest.Config{BaseURL: src.BaseURL, PublicURL: src.PublicURL, TokenURL: src.TokenURL, TokenHost: src.TokenHost, ClientID: src.ClientID, KeyID: src.KeyID,
		Key: key, Scope: cmp.Or(src.Scope, rest.Scope(src.ScopeVersion == "v2", len(src.WriteBack) > 0)),
		Rate: src.Rate, MaxWait: src.LongestWait(), Transport: transport(a.cfg), Now: p.now, Logger: a.logger}
	if mode != writing {
		c.Transport = rest.ReadOnly(c.Transport, src.TokenURL)
	}
	client, err := rest.New(c)
	if err != nil {
		return err
	}
	bases := client.Bases() // the last one is what the server calls itself
	source := &source.FHIRServer{Client: client, Base: bases[len(bases)-1], PageSize: src.PageSize, From: a.cfg.FromDay(src), Now: p.now, Logger: a.logger}
	f.Poller, f.Source, f.Planner.Source = source, source, source
	back.Source, back.Invoke = source, source
	return nil
}
