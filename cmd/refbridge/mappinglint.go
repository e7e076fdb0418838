package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"

	"refbridge/mapping"
	"refbridge/mapping/lint"
)

type mappingLintCmd struct {
	Tables   string `help:"Folder of the tables; default: those of the configuration, else the built-in ones." placeholder:"DIR" type:"path"`
	Snapshot string `help:"What the target takes, as refbridge describe --save wrote it; default: Health Cloud as documented." placeholder:"FILE" type:"path" xor:"target"`
	Online   bool   `help:"Ask the org of the configuration instead." xor:"target"`
	Strict   bool   `help:"Warnings are errors, and rows whose purpose nobody wrote down are warned of."`
	JSON     bool   `name:"json" help:"One JSON object."`
}

// Help is printed below the flags.
func (mappingLintCmd) Help() string {
	return `Checks the tables and reports every fault at once, with file, line and column: elements that FHIR R4 and e-RS do not
have, objects and fields that the target does not have or does not let us write, values of the wrong type or length,
picklist values that it does not list, codes that no row covers, rows that never count. Without --online it needs no
network and no configuration; docs/tables.md says what each finding means. Fields of your own: snapshot.yaml beside the
tables declares them, or refbridge describe --save org.json takes them from the org, for --snapshot.

An error stops records or loses data. A warning may, and can be meant. sync, run, backfill and plan ask the same of the org
that they write to, and do not run tables that would be refused whole fields or objects there; other errors hold the
records that they concern.

Example: refbridge mapping lint --tables tables --snapshot org.json

Exit codes: 0 no errors, 1 errors (with --strict also warnings), or a file cannot be read, 64 usage.`
}

// Run is the command.
func (c *mappingLintCmd) Run(ctx context.Context, p *program) error {
	dir, tables, err := p.tablesToCheck(c.Tables)
	if err != nil {
		return err
	}
	target, err := c.target(ctx, p, tables)
	if err != nil {
		return err
	}
	check := lint.Check
	if c.Strict {
		check = lint.CheckStrict
	}
	report, err := check(tables, target)
	if err != nil {
		return err
	}
	report.Of = p.tablesName(dir)
	if c.JSON {
		err = line(p.out, report.JSON())
	} else {
		err = report.Text(p.out, newPrinter(p.out).Paint)
	}
	if err != nil {
		return err
	}
	if report.Count(lint.Error) > 0 || c.Strict && report.Count(lint.Warning) > 0 {
		return exit(exitError)
	}
	return nil
}

// tablesToCheck gives the folder of the tables, empty for the built-in ones, and its files, which may have faults.
func (p *program) tablesToCheck(named string) (dir string, tables fs.FS, err error) {
	dir, err = p.tablesFolder(named)
	if err != nil || dir == "" {
		return "", mapping.Default(), err
	}
	return dir, os.DirFS(dir), nil
}

func (c *mappingLintCmd) target(ctx context.Context, p *program, tables fs.FS) (lint.Snapshot, error) {
	switch {
	case c.Online:
		objects, err := lint.Objects(tables)
		if err != nil {
			return lint.Snapshot{}, err
		}
		return p.describe(ctx, objects)
	case c.Snapshot != "":
		return readSnapshot(c.Snapshot)
	}
	return lint.DefaultSnapshot()
}

func readSnapshot(path string) (lint.Snapshot, error) {
	src, err := os.ReadFile(path)
	if err != nil {
		return lint.Snapshot{}, err
	}
	s, err := lint.ReadSnapshot(src)
	if err != nil {
		return lint.Snapshot{}, hinted{errors.New(path + ": " + err.Error()), "refbridge describe --save " + otherThan(path) + " writes one"}
	}
	return s, nil
}

// otherThan gives the name of a file for an example. It is never the file at hand: that may be something else of value.
func otherThan(path string) string {
	if filepath.Base(path) == "org.json" {
		return "org-snapshot.json"
	}
	return "org.json"
}
