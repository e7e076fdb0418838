package main

import (
	"context"
	"crypto/rand"
	"encoding/base64"
	"fmt"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"text/template"

	"refbridge/bridge/report"
	"refbridge/ers/erssim"
	"refbridge/fhir/fhirsim"
	"refbridge/ledger"
	"refbridge/sfdc/sfdcsim"
)

// demoRate is the rate of A005 in the demo, for the simulator and for refbridge: e-RS itself allows 10 calls a second.
const demoRate = 100

var demoConfig = template.Must(template.New("refbridge.yaml").Parse(`# Written by refbridge demo. The far ends are simulators on this machine.
ledger:
  path: ledger.db
  key: file:ledger.key
salesforce:
  login_url: {{.Org.BaseURL}}
  client_id: "{{.Org.ClientID}}"
  username: "{{.Org.Username}}"
  private_key: file:salesforce.pem
  patient_key: file:patient.key
sources:
  - name: ers
    kind: ers
    base_url: {{.ERS.BaseURL}}
    token_url: {{.ERS.TokenURL}}
    client_id: "{{.ERS.ClientID}}"
    key_id: "{{.ERS.KeyID}}"
    private_key: file:ers.pem
    services: ["21012", "11002"]
    rate: {{.Rate}}
    refresh: 4h
    patient: link
    write_back:
      - operation: A036
        use_case: demo, no real patients
        approval: none
  - name: ward
    kind: fhir
    base_url: {{.FHIR.BaseURL}}
    patient: create
    system: https://ward.example/fhir
`))

// start makes the world: a folder, three far ends on loopback, the configuration, and refbridge joined from it.
func (d *demo) start(ctx context.Context) error {
	if d.cmd.Referrals < 20 {
		return misused("the demo needs at least 20 referrals", "refbridge demo --referrals 200")
	}
	if err := freshDir(); err != nil {
		return err
	}
	if err := d.simulators(); err != nil {
		return err
	}
	bases := make([]string, 3)
	for i, h := range []http.Handler{d.ers, d.fhir, d.org} {
		l, err := net.Listen("tcp", "127.0.0.1:0")
		if err != nil {
			return err
		}
		bases[i] = "http://" + l.Addr().String()
		go func() { _ = serve(ctx, l, h) }() // ends with ctx; a far end that breaks shows in the calls to it
	}
	if err := d.configure(bases); err != nil {
		return err
	}
	d.say("Three far ends on this machine; what refbridge remembers is in ./%s\n  e-RS         %s\n  FHIR server  %s\n  Salesforce   %s",
		demoDir, bases[0], bases[1], bases[2])
	var err error
	d.app, err = d.open(ctx, writing)
	return err
}

func (d *demo) simulators() error {
	fromERS := d.cmd.Referrals * 3 / 4
	var err error
	if d.ers, err = erssim.New(erssim.Options{Seed: 1, Referrals: fromERS, RatePerSecond: demoRate, Now: d.now}); err != nil {
		return err
	}
	if d.fhir, err = fhirsim.New(fhirsim.Options{Seed: 1, Referrals: d.cmd.Referrals - fromERS, Now: d.now}); err != nil {
		return err
	}
	// Half of the FHIR server's patients are in the org already; the others are created from their demographics.
	known := d.fhir.People()
	d.org, err = sfdcsim.New(sfdcsim.Options{Seed: 1, People: fromERS, ExtraPeople: known[:len(known)/2], Now: d.now})
	return err
}

func (d *demo) configure(bases []string) error {
	world := struct {
		ERS  erssim.Credentials
		FHIR fhirsim.Credentials
		Org  sfdcsim.Credentials
		Rate int
	}{d.ers.Credentials(bases[0]), d.fhir.Credentials(bases[1]), d.org.Credentials(bases[2]), demoRate}
	var text strings.Builder
	if err := demoConfig.Execute(&text, world); err != nil {
		return err
	}
	files := map[string][]byte{"refbridge.yaml": []byte(text.String()), "ers.pem": world.ERS.PrivateKeyPEM,
		"salesforce.pem": world.Org.PrivateKeyPEM, "ledger.key": randomKey(), "patient.key": randomKey()}
	for name, content := range files {
		if err := os.WriteFile(filepath.Join(demoDir, name), content, 0o600); err != nil {
			return err
		}
	}
	return nil
}

func randomKey() []byte {
	key := make([]byte, 32)
	rand.Read(key) // never fails (crypto/rand)
	return []byte(base64.StdEncoding.EncodeToString(key))
}

// listHeld shows what is held for the given reasons: all of it by number, some of it in full.
func (d *demo) listHeld(ctx context.Context, codes []string) error {
	held, err := d.app.ledger.Entries(ctx, ledger.Filter{Fates: []ledger.Fate{ledger.Held}})
	if err != nil {
		return err
	}
	count := map[string]int{}
	shown := 0
	for _, e := range held {
		count[e.Reason.Code]++
		if slices.Contains(codes, e.Reason.Code) && shown < demoHeld {
			shown++
			report.PrintEntry(d.program.out, e)
		}
	}
	for _, code := range codes {
		d.say("held now with reason %s: %d", code, count[code])
	}
	return nil
}

// sums prints the statement and takes every figure of the report from where it happened.
func (d *demo) sums(ctx context.Context) error {
	d.title("Statement: every version that was observed is in exactly one place")
	if err := d.app.statement(ctx, d.program, false); err != nil {
		return err
	}
	s, err := d.app.ledger.Statement(ctx)
	if err != nil {
		return err
	}
	org, source := d.org.Report(), d.ers.Report()
	r := &d.report
	r.Observed, r.Applied, r.Superseded, r.Held, r.Dead = s.Observed, s.Applied, s.Superseded, s.Held, s.Dead
	r.Unknown, r.Pending, r.Balanced = s.Unknown, s.Pending, s.Balanced()
	r.Duplicates, r.SalesforceCalls = org.Duplicates.Count(), org.Calls
	r.ERSCalls, r.StatusWrittenBack = source.Calls, len(source.Operations)
	d.say("\nSalesforce counts: %d referrals, %d appointments, %d duplicates, %d calls",
		org.Records["ClinicalServiceRequest"], org.Records["ServiceAppointment"], r.Duplicates, r.SalesforceCalls)
	d.say("e-RS counts: %d calls (%d worklists), %d operations, %d violations of its rules",
		r.ERSCalls, source.WorklistCalls, r.StatusWrittenBack, source.ViolationCount)
	for _, v := range source.Violations {
		return fmt.Errorf("e-RS saw a violation of its rules: %s", v)
	}
	for v := range org.Violations {
		return fmt.Errorf("salesforce saw what no correct client does: %s", v)
	}
	return nil
}
