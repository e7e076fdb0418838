package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
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
	What      string `arg:"" enum:"ers,salesforce,fhir" help:"ers, salesforce or fhir."`
	Listen    string `default:"127.0.0.1:0" help:"Where to listen; 127.0.0.1:0 takes any free port." placeholder:"ADDR"`
	Seed      uint64 `default:"1" help:"The same seed gives the same world." placeholder:"N"`
	Referrals int    `default:"200" help:"How many referrals; Salesforce: how many people." placeholder:"N"`
	JSON      bool   `name:"json" help:"How to reach it, as one line of JSON."`
}

// Help is printed below the flags.
func (simulateCmd) Help() string {
	return `A stateful far end on the real wire, for trying tables and for tests: it validates, keeps state and enforces rations,
versions, locks and picklists. The same seed gives the same synthetic people on all of them, so that referrals of e-RS find
their patients in Salesforce. It runs until interrupted. POST /control/clock {"advance":"24h"} moves its day.

Example: refbridge simulate ers --listen 127.0.0.1:9001 --referrals 50

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
	handler, reachable, err := c.build()
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
func (c *simulateCmd) build() (http.Handler, func(base, dir string) (reach, error), error) {
	switch c.What {
	case "ers":
		s, err := erssim.New(erssim.Options{Seed: c.Seed, Referrals: c.Referrals, AllStates: true})
		return s, func(base, dir string) (reach, error) {
			k := s.Credentials(base)
			file, err := writeKey(dir, "ers.pem", k.PrivateKeyPEM)
			return reach{BaseURL: k.BaseURL, TokenURL: k.TokenURL, ClientID: k.ClientID, KeyID: k.KeyID, PrivateKeyFile: file}, err
		}, err
	case "fhir":
		s, err := fhirsim.New(fhirsim.Options{Seed: c.Seed, Referrals: c.Referrals})
		return s, func(base, _ string) (reach, error) {
			return reach{BaseURL: s.Credentials(base).BaseURL}, nil
		}, err
	}
	s, err := sfdcsim.New(sfdcsim.Options{Seed: int64(c.Seed), People: c.Referrals})
	return s, func(base, dir string) (reach, error) {
		k := s.Credentials(base)
		file, err := writeKey(dir, "salesforce.pem", k.PrivateKeyPEM)
		return reach{BaseURL: k.BaseURL, ClientID: k.ClientID, ClientSecret: k.ClientSecret, Username: k.Username, PrivateKeyFile: file}, err
	}, err
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
