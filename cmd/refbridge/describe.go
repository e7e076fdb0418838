package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"refbridge/config"
	"refbridge/mapping/lint"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

type describeCmd struct {
	Tables string   `help:"Folder of the tables whose objects are asked for; default: those of the configuration." placeholder:"DIR" type:"path"`
	Object []string `help:"Ask for this object in place of those of the tables; may stand several times." placeholder:"NAME"`
	Save   string   `help:"Write what the org says to a file, for refbridge mapping lint --snapshot; not where an object is missing." placeholder:"FILE" type:"path"`
	JSON   bool     `name:"json" help:"Print what --save would write."`
}

// Help is printed below the flags.
func (describeCmd) Help() string {
	return `Asks the org what its objects take: fields, types, lengths, picklist values, and what the integration user may write. A
field that the user may not see is absent. Reads only, and holds no patient data.

Example: refbridge describe --save org.json

Exit codes: 0 done, 1 error or the org has no such object, 64 usage.`
}

// Run is the command.
func (c *describeCmd) Run(ctx context.Context, p *program) error {
	objects := c.Object
	if len(objects) == 0 {
		_, tables, err := p.tablesToCheck(c.Tables)
		if err != nil {
			return err
		}
		if objects, err = lint.Objects(tables); err != nil {
			return err
		}
	}
	s, err := p.describe(ctx, objects)
	if err != nil {
		return err
	}
	missing := absent(s, objects)
	text, err := s.Encode()
	if err == nil && c.Save != "" && missing == nil {
		err = replaceFile(c.Save, func(w io.Writer) error {
			_, err := w.Write(text)
			return err
		})
	}
	switch {
	case err != nil:
	case c.JSON:
		_, err = p.out.Write(text)
	default:
		err = summarise(p.out, s)
	}
	if err != nil {
		return err
	}
	return missing
}

// absent is the error of objects that the org does not have; what it has is printed by then.
func absent(s lint.Snapshot, objects []string) error {
	var missing []string
	for _, name := range objects {
		if !slices.ContainsFunc(s.Objects, func(d sobject.Description) bool { return strings.EqualFold(d.Name, name) }) {
			missing = append(missing, name)
		}
	}
	if missing == nil {
		return nil
	}
	return hinted{fmt.Errorf("the org has no %s, or the integration user may not see it", strings.Join(missing, ", ")),
		"Health Cloud's clinical objects need the clinical data model to be switched on, and a permission set"}
}

// describe asks the org for objects. Those that it does not have are left out.
func (p *program) describe(ctx context.Context, objects []string) (lint.Snapshot, error) {
	cfg, err := config.Load(p.config, checkSchedule)
	if err != nil {
		return lint.Snapshot{}, err
	}
	org, err := p.orgForReading(cfg)
	if err != nil {
		return lint.Snapshot{}, err
	}
	s := lint.Snapshot{About: "Salesforce org " + cfg.Salesforce.LoginURL, Version: strings.TrimPrefix(cfg.Salesforce.APIVersion, "v"),
		Taken: p.now().UTC().Format(time.RFC3339)}
	for _, name := range objects {
		d, err := org.Describe(ctx, name)
		var refused *sfdc.Error
		if errors.As(err, &refused) && refused.Status == http.StatusNotFound {
			continue
		}
		if err != nil {
			return lint.Snapshot{}, err
		}
		s.Objects = append(s.Objects, d)
	}
	return s, nil
}

// orgForReading gives a client that lets nothing but reads through. It needs neither tables nor a ledger: both may be
// what is still to be made.
func (p *program) orgForReading(cfg *config.Config) (*sfdc.Client, error) {
	s := cfg.Salesforce
	secret, err := optional(s.ClientSecret)
	if err != nil {
		return nil, err
	}
	key, err := s.PrivateKey.RSA()
	if err != nil {
		return nil, err
	}
	patientKey, err := optional(s.PatientKey)
	if err != nil {
		return nil, err
	}
	client, err := sfdc.New(sfdc.Config{LoginURL: s.LoginURL, ClientID: s.ClientID, ClientSecret: secret, Username: s.Username,
		Key: key, Version: s.APIVersion, Reserve: s.Reserve, Transport: sfdc.ReadOnly(transport(cfg)), Now: p.now,
		Logger: newLogger(p.err, p.verbose, derive([]byte(patientKey), "log"))})
	if err != nil {
		return nil, fmt.Errorf("salesforce: %w", err)
	}
	return client, nil
}

// summarise prints an object a line.
func summarise(w io.Writer, s lint.Snapshot) error {
	var b strings.Builder
	fmt.Fprintf(&b, "%s\n\n%-30s %6s %9s %9s %9s %10s  %s\n", s.About, "object", "fields", "writable", "required", "picklists", "restricted", "keys")
	for _, d := range s.Objects {
		var writable, required, lists, restricted int
		var keys []string
		for _, f := range d.Fields {
			writable += one(f.Createable || f.Updateable)
			required += one(f.Createable && !f.Nillable && !f.DefaultedOnCreate)
			lists += one(len(f.PicklistValues) > 0)
			restricted += one(f.RestrictedPicklist)
			if f.ExternalID || f.IDLookup && f.Createable {
				keys = append(keys, f.Name)
			}
		}
		fmt.Fprintf(&b, "%-30s %6d %9d %9d %9d %10d  %s\n", d.Name, len(d.Fields), writable, required, lists, restricted, strings.Join(keys, ", "))
	}
	_, err := io.WriteString(w, b.String())
	return err
}

func one(yes bool) int {
	if yes {
		return 1
	}
	return 0
}
