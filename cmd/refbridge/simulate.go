package main

import (
	"bytes"
	"context"
	"crypto/x509"
	"encoding/json"
	"encoding/pem"
	"errors"
	"fmt"
	"math"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"time"

	"refbridge/ers/erssim"
	"refbridge/fhir/fhirsim"
	"refbridge/sfdc/sfdcsim"
)

type simulateCmd struct {
	What      string   `arg:"" enum:"ers,salesforce,fhir" help:"ers, salesforce or fhir."`
	Listen    string   `default:"127.0.0.1:0" help:"Where to listen; 127.0.0.1:0 takes any free port." placeholder:"ADDR"`
	Seed      uint64   `default:"1" help:"The same seed gives the same world." placeholder:"N"`
	Referrals int      `default:"200" help:"How many referrals; Salesforce: how many people." placeholder:"N"`
	Rate      *float64 `help:"ers: API calls a second above which it answers 429; default 10." placeholder:"N"`
	Faults    string   `type:"existingfile" help:"ers, fhir: how it misbehaves, a file of JSON (docs/simulators.md)." placeholder:"FILE"`
	SMART     string   `name:"smart" enum:"none,v1,v2,both" default:"none" help:"fhir: sign-in with these scopes: v1, v2 or both." placeholder:"VERSION"`
	JSON      bool     `name:"json" help:"How to reach it, as one line of JSON."`
}

// Help is printed below the flags.
func (simulateCmd) Help() string {
	return `A stateful far end on the real wire, for trying tables and for tests: it validates, keeps state and enforces rations,
versions, locks and picklists. The same seed gives the same synthetic people on all of them, so that referrals of e-RS find
their patients in Salesforce. It runs until interrupted. POST /control/clock {"advance":"24h"} moves its day.

--faults FILE, or POST /control/faults, makes ers and fhir misbehave as real ones
do. docs/simulators.md has examples.

fhir:
  paging, pageCap      rows shift between pages; smaller pages
  ahead, stamps        its clock, or one record's lastUpdated, in the future
  lag                  a replica that shows the past
  delete               records answer 410
  bad, big             entries that cannot be read, or are of n MiB
  ignoreInclude        _include does not count
  refuse, outcome      searches answered 400; pages that say incomplete
  nextHost             next links under another host
  ratePerMinute        429
  grant                fewer scopes than asked
  next                 any answer, or a body that is cut
ers:
  ahead                the worklist names a higher version than A005
  frozen               A005 lags
  edits                states, reasons, appointment numbers, documents
  acceptAgain          A013 is taken again
  locked, next         423; any answer

Example: refbridge simulate ers --listen 127.0.0.1:9001 --referrals 50
         refbridge simulate fhir --smart v2 --faults faults.json

Exit codes: 0 interrupted, 1 error, 64 usage.`
}

type reach struct {
	BaseURL        string `json:"baseUrl"`
	TokenURL       string `json:"tokenUrl,omitempty"`
	ClientID       string `json:"clientId,omitempty"`
	ClientSecret   string `json:"clientSecret,omitempty"`
	Username       string `json:"username,omitempty"`
	KeyID          string `json:"keyId,omitempty"`
	PrivateKeyFile string `json:"privateKeyFile,omitempty"`
}

// Run is the command.
func (c *simulateCmd) Run(ctx context.Context, p *program) error {
	handler, reachable, err := c.build(p)
	if err != nil {
		return err
	}
	listener, err := net.Listen("tcp", c.Listen)
	if err != nil {
		return hinted{err, "--listen 127.0.0.1:0 takes any free port"}
	}
	dir, err := os.MkdirTemp("", "refbridge-simulate-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	r, err := reachable("http://"+listener.Addr().String(), dir)
	if err != nil {
		return err
	}
	if err := c.print(p, r); err != nil {
		return err
	}
	return serve(ctx, listener, handler)
}

// build gives the simulator and a function that tells how to reach it, writing the private key into a folder.
func (c *simulateCmd) build(p *program) (http.Handler, func(base, dir string) (reach, error), error) {
	rate, err := c.rate()
	if err != nil {
		return nil, nil, err
	}
	switch c.What {
	case "ers":
		s, err := erssim.New(erssim.Options{Seed: c.Seed, Referrals: c.Referrals, AllStates: true, RatePerSecond: rate, Now: p.now})
		if err == nil {
			err = misbehave(c.Faults, s.SetFaults)
		}
		return s, func(base, dir string) (reach, error) {
			k := s.Credentials(base)
			file, err := writeKey(dir, "ers.pem", k.PrivateKeyPEM)
			return reach{BaseURL: k.BaseURL, TokenURL: k.TokenURL, ClientID: k.ClientID, KeyID: k.KeyID, PrivateKeyFile: file}, err
		}, err
	case "fhir":
		return c.fhir(p)
	}
	if c.Faults != "" {
		return nil, nil, hinted{errors.New("--faults is for ers and fhir"), "POST /control/faults breaks a running Salesforce simulator"}
	}
	s, err := sfdcsim.New(sfdcsim.Options{Seed: int64(c.Seed), People: c.Referrals, Now: p.now})
	return s, func(base, dir string) (reach, error) {
		k := s.Credentials(base)
		file, err := writeKey(dir, "salesforce.pem", k.PrivateKeyPEM)
		return reach{BaseURL: k.BaseURL, ClientID: k.ClientID, ClientSecret: k.ClientSecret, Username: k.Username, PrivateKeyFile: file}, err
	}, err
}

// rate returns how many calls a second e-RS takes; 0 = as many as live.
func (c *simulateCmd) rate() (float64, error) {
	switch {
	case c.Rate == nil:
		return 0, nil
	case c.What != "ers":
		return 0, misused("--rate is for ers", `fhir has one in its faults: {"ratePerMinute": 60}`)
	case !(*c.Rate > 0) || math.IsInf(*c.Rate, 1):
		return 0, misused(fmt.Sprintf("--rate %v is no number of calls a second", *c.Rate), "--rate 100 takes a hundred a second")
	}
	return *c.Rate, nil
}

// fhir builds the FHIR server; where it asks for a token, the client's key is the one that signs RS384.
func (c *simulateCmd) fhir(p *program) (http.Handler, func(base, dir string) (reach, error), error) {
	o := fhirsim.Options{Seed: c.Seed, Referrals: c.Referrals, RequireToken: c.SMART != "none", Now: p.now}
	if c.SMART == "v1" || c.SMART == "v2" {
		o.SMART = c.SMART
	}
	s, err := fhirsim.New(o)
	if err == nil {
		err = misbehave(c.Faults, s.SetFaults)
	}
	return s, func(base, dir string) (reach, error) {
		k := s.Credentials(base)
		if k.Key == nil {
			return reach{BaseURL: k.BaseURL}, nil
		}
		der, err := x509.MarshalPKCS8PrivateKey(k.Key)
		if err != nil {
			return reach{}, err
		}
		file, err := writeKey(dir, "fhir.pem", pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}))
		return reach{BaseURL: k.BaseURL, TokenURL: k.TokenURL, ClientID: k.ClientID, KeyID: k.KeyID, PrivateKeyFile: file}, err
	}, err
}

// misbehave reads a fault file, strictly, and sets what stands in it.
func misbehave[F any](path string, set func(F) error) error {
	if path == "" {
		return nil
	}
	text, err := os.ReadFile(path)
	if err != nil {
		return err
	}
	var faults F
	d := json.NewDecoder(bytes.NewReader(text))
	d.DisallowUnknownFields()
	if err := d.Decode(&faults); err != nil {
		return hinted{fmt.Errorf("faults %s: %w", path, err), "docs/simulators.md lists the faults"}
	}
	if err := set(faults); err != nil {
		return hinted{fmt.Errorf("faults %s: %w", path, err), "docs/simulators.md lists the faults"}
	}
	return nil
}

func writeKey(dir, name string, pem []byte) (string, error) {
	path := filepath.Join(dir, name)
	return path, os.WriteFile(path, pem, 0o600)
}

func (c *simulateCmd) print(p *program, r reach) error {
	if c.JSON {
		return json.NewEncoder(p.out).Encode(r)
	}
	for _, l := range [][2]string{{"base URL", r.BaseURL}, {"token URL", r.TokenURL}, {"client id", r.ClientID},
		{"client secret", r.ClientSecret}, {"user name", r.Username}, {"key id", r.KeyID}, {"private key", r.PrivateKeyFile}} {
		if l[1] != "" {
			fmt.Fprintf(p.out, "%-14s %s\n", l[0], l[1])
		}
	}
	fmt.Fprintln(p.out, "running until interrupted")
	return nil
}

// serve answers until ctx ends; that is no failure.
func serve(ctx context.Context, l net.Listener, h http.Handler) error {
	s := &http.Server{Handler: h, ReadHeaderTimeout: 10 * time.Second}
	done := make(chan error, 1)
	go func() { done <- s.Serve(l) }()
	select {
	case err := <-done:
		return err
	case <-ctx.Done():
	}
	ending, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Shutdown(ending); err != nil && !errors.Is(err, context.DeadlineExceeded) {
		return err
	}
	return nil
}
