package main

import (
	"errors"
	"os"
	"path/filepath"

	"refbridge/config"
	"refbridge/mapping"
)

// mappingCmd are the commands for people who write and review mapping tables. None of them writes to a source or a target.
type mappingCmd struct {
	Lint     mappingLintCmd     `cmd:"" help:"Check the tables against FHIR and the target; every fault at once."`
	Test     mappingTestCmd     `cmd:"" help:"Run the cases beside the tables."`
	Case     mappingCaseCmd     `cmd:"" help:"Make a case of a real record."`
	Coverage mappingCoverageCmd `cmd:"" help:"Find what the tables leave unread in real records, and from where fields are filled."`
	Impact   mappingImpactCmd   `cmd:"" help:"Compare what two versions of the tables make of the same records."`
	Run      mappingRunCmd      `cmd:"" help:"Map the records of a file, in order, with constant memory."`
	Show     mappingShowCmd     `cmd:"" help:"Write the tables as a page for reading and review."`
}

// offlineTables loads tables for a command that needs no secret.
func (p *program) offlineTables(dir string) (*mapping.Set, error) {
	dir, err := p.tablesFolder(dir)
	if err != nil {
		return nil, err
	}
	return loadTables(dir, []byte("offline"))
}

// tablesFolder gives the folder of the tables: the one that is named, else that of the configuration file; empty for the
// built-in ones.
func (p *program) tablesFolder(dir string) (string, error) {
	if dir != "" {
		return dir, nil
	}
	cfg, err := config.Load(p.config, checkSchedule)
	if errors.Is(err, config.ErrNoFile) {
		return "", nil
	}
	if err != nil {
		return "", err
	}
	return cfg.Tables, nil
}

// tablesName says in a report which tables they were, as tablesFolder gives them: whoever stands in the wrong folder has to
// notice.
func (p *program) tablesName(dir string) string {
	if dir != "" {
		return shortPath(dir) + string(filepath.Separator)
	}
	config := shortPath(p.config)
	_, err := os.Stat(p.config)
	switch {
	case err == nil:
		return "the built-in tables: " + config + " names no others"
	case filepath.IsLocal(config):
		return "the built-in tables: there is no " + config + " here"
	}
	return "the built-in tables: there is no " + config
}

// shortPath gives a path as seen from where the user stands, if it is below.
func shortPath(path string) string {
	here, err := os.Getwd()
	if err != nil {
		return filepath.Clean(path)
	}
	if rel, err := filepath.Rel(here, path); err == nil && filepath.IsLocal(rel) {
		return rel
	}
	return filepath.Clean(path)
}
