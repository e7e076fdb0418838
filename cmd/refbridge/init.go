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
	return `Writes refbridge.yaml, commented, and the starter tables in tables/. No secret is written: the file refers to them. Nothing
that is there is overwritten.

Example: refbridge init bridge

Exit codes: 0 written, 1 error or a file is there already, 64 usage.`
}

// Run is the command.
func (c *initCmd) Run(p *program) error {
	tables := mapping.Default()
	names, err := fs.Glob(tables, "*.yaml")
	if err != nil {
		return err
	}
	files := map[string][]byte{"refbridge.yaml": []byte(exampleConfig)}
	order := []string{"refbridge.yaml"}
	for _, name := range names {
		text, err := fs.ReadFile(tables, name)
		if err != nil {
			return err
		}
		path := filepath.Join("tables", name)
		files[path], order = text, append(order, path)
	}
	for _, name := range order {
		if _, err := os.Stat(filepath.Join(c.Dir, name)); !errors.Is(err, fs.ErrNotExist) {
			return hinted{fmt.Errorf("%s is there already", filepath.Join(c.Dir, name)), "init writes into an empty folder"}
		}
	}
	if err := os.MkdirAll(filepath.Join(c.Dir, "tables"), 0o755); err != nil {
		return err
	}
	for _, name := range order {
		path := filepath.Join(c.Dir, name)
		if err := os.WriteFile(path, files[name], 0o644); err != nil {
			return err
		}
		fmt.Fprintln(p.out, path)
	}
	return nil
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
	v, goVersion, revision := version, "", ""
	if info, ok := debug.ReadBuildInfo(); ok {
		goVersion = info.GoVersion
		if v == "" {
			v = info.Main.Version
		}
		for _, s := range info.Settings {
			if s.Key == "vcs.revision" {
				revision = " " + s.Value
			}
		}
	}
	fmt.Fprintf(p.out, "refbridge %s%s %s\n", v, revision, goVersion)
	return nil
}
