package main

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"refbridge/config"
	"refbridge/mapping"
	"refbridge/mapping/lint"
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

// Help is printed below the sub-commands.
func (mappingCmd) Help() string {
	return `None of them writes to a source or to Salesforce. docs/mapping.md is the tutorial, docs/tables.md the format of the tables.

Example: refbridge mapping lint --tables tables

Exit codes: those of the sub-command.`
}

// offlineTables loads the tables of a folder, empty for the built-in ones, for a command that needs no secret.
func offlineTables(dir string) (*mapping.Set, error) { return loadTables(dir, []byte("offline")) }

// tablesInUse is tablesFolder for commands that name the tables nowhere else: it says where they are those that nobody chose.
func (p *program) tablesInUse(named string) (string, error) {
	dir, err := p.tablesFolder(named)
	if err != nil {
		return "", err
	}
	if _, err := os.Stat(p.config); dir == "" && errors.Is(err, fs.ErrNotExist) {
		fmt.Fprintf(p.err, "refbridge: mapping with %s\n", p.tablesName(dir))
	}
	return dir, nil
}

// warnOfFaults tells on stderr of errors that lint finds in tables that load: a misspelt field is mapped as any other, and refused
// by the org. What lint cannot read is for lint to say.
func (p *program) warnOfFaults(dir string) {
	target, err := lint.DefaultSnapshot()
	if err != nil {
		return
	}
	report, err := lint.Check(tablesIn(dir), target)
	if err != nil || report.Count(lint.Error) == 0 {
		return
	}
	command := "refbridge mapping lint"
	if dir != "" {
		command += " --tables " + shortPath(dir)
	}
	fmt.Fprintf(p.err, "refbridge: lint finds %s in these tables: %s\n", mapping.Plural(report.Count(lint.Error), "error"), command)
}

// tablesFolder gives the folder of the tables: the one that is named, else that of the configuration file; empty for the
// built-in ones.
func (p *program) tablesFolder(dir string) (string, error) {
	if dir != "" {
		return dir, isFolder(dir, "refbridge init writes tables into a new folder; --tables names the folder")
	}
	cfg, err := config.Load(p.config, checkSchedule)
	switch {
	case errors.Is(err, config.ErrNoFile):
		return "", nil
	case err != nil:
		return "", err
	case cfg.Tables == "":
		return "", nil
	}
	return cfg.Tables, isFolder(cfg.Tables, "correct tables: in "+shortPath(p.config))
}

// isFolder is the error of what is no folder.
func isFolder(dir, hint string) error {
	info, err := os.Stat(dir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return hinted{errors.New("there is no folder " + shortPath(dir)), hint}
	case err != nil:
		return err
	case !info.IsDir():
		return hinted{errors.New(shortPath(dir) + " is a file"), "name the folder that it is in: " + shortPath(filepath.Dir(dir))}
	}
	return nil
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
