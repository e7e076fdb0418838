package main

import (
	_ "embed"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"runtime/debug"

	"refbridge/mapping"
)

//go:embed refbridge.yaml
var exampleConfig string

type initCmd struct {
	Dir string `arg:"" optional:"" default:"." help:"Where to write; default here."`
}

// Help is printed below the flags.
func (initCmd) Help() string {
	return `Writes refbridge.yaml, commented, and the starter tables with their cases and a JSON Schema for editors in tables/. No secret is written: the file refers to them. Nothing
that is there is overwritten.

Example: refbridge init bridge

Exit codes: 0 written, 1 error or a file is there already, 64 usage.`
}

// Run is the command.
func (c *initCmd) Run(p *program) error {
	files, err := startFiles()
	if err != nil {
		return err
	}
	for _, f := range files {
		if _, err := os.Stat(filepath.Join(c.Dir, f.name)); !errors.Is(err, fs.ErrNotExist) {
			return hinted{fmt.Errorf("%s is there already", filepath.Join(c.Dir, f.name)), "init writes into an empty folder"}
		}
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, "tables", mapping.CasesFolder), 0o755); err != nil {
		return err
	}
	for _, f := range files {
		path := filepath.Join(c.Dir, f.name)
		if err := os.WriteFile(path, f.text, 0o644); err != nil {
			return err
		}
		fmt.Fprintln(p.out, path)
	}
	return nil
}

type startFile struct {
	name string
	text []byte
}

// startFiles gives the configuration, the starter tables and their cases.
func startFiles() ([]startFile, error) {
	schema, err := mapping.Schema()
	if err != nil {
		return nil, err
	}
	out := []startFile{{"refbridge.yaml", []byte(exampleConfig)}, {filepath.Join("tables", "schema.json"), schema}}
	for _, from := range []struct {
		files  fs.FS
		folder string
	}{{mapping.Default(), "tables"}, {mapping.DefaultCases(), filepath.Join("tables", mapping.CasesFolder)}} {
		names, err := fs.Glob(from.files, "*.*")
		if err != nil {
			return nil, err
		}
		for _, name := range names {
			text, err := fs.ReadFile(from.files, name)
			if err != nil {
				return nil, err
			}
			out = append(out, startFile{filepath.Join(from.folder, name), text})
		}
	}
	return out, nil
}

// version is set by the linker (-X main.version=…) for releases.
var version string

type versionCmd struct{}

// Help is printed below the flags.
func (versionCmd) Help() string {
	return "Example: refbridge version\n\nExit codes: 0."
}

// Run is the command.
func (versionCmd) Run(p *program) error {
	goVersion := ""
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
	}
	fmt.Fprintf(p.out, "refbridge %s %s\n", versionText(), goVersion)
	return nil
}

// versionText gives the version, with the revision where the build knows it.
func versionText() string {
	v, revision := version, ""
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return v
	}
	if v == "" {
		v = info.Main.Version
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" {
			revision = " " + s.Value
		}
	}
	return v + revision
}
