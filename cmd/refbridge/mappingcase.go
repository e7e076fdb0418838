package main

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"

	"refbridge/bridge/report"
	"refbridge/mapping"
	"refbridge/mapping/cases"
)

// mappingCaseCmd are the commands for cases.
type mappingCaseCmd struct {
	Add mappingCaseAddCmd `cmd:"" help:"Make a case of a real record, with invented values in place of personal ones."`
}

// Help is printed below the sub-commands.
func (mappingCaseCmd) Help() string {
	return "Example: refbridge mapping case add --from referral.json --name \"a booked referral\"\n\nExit codes: those of the sub-command."
}

type mappingCaseAddCmd struct {
	From    string `required:"" help:"The record: a resource, a Bundle, or a referral as e-RS sends it; - is standard input." placeholder:"FILE|-"`
	Name    string `required:"" help:"What the case shows, in a few words." placeholder:"NAME"`
	Tables  string `help:"Folder of the tables; default: that of the configuration." placeholder:"DIR" type:"path"`
	Replace bool   `help:"Write a case of this name anew: what was edited in it is lost."`
}

// Help is printed below the flags.
func (mappingCaseAddCmd) Help() string {
	return `Writes cases/NAME.json and cases/NAME.yaml beside the tables, expecting what the tables give today. Names, addresses, telephone
numbers, texts, displays and web addresses become invented ones of the same kind and length, identifiers and ids others of
the same shape, NHS numbers such of the 999 range, dates move by the same number of weeks, birth dates by another. Codes,
systems, extensions and small numbers stay. Where something personal may remain, nothing is written. Read the file before you share it.

Example: refbridge mapping case add --from in.json --name "a booked referral"

Exit codes: 0 written, 1 error, 64 usage.`
}

// Run is the command.
func (c *mappingCaseAddCmd) Run(ctx context.Context, p *program) error {
	dir, err := p.tablesFolder(c.Tables)
	if err != nil {
		return err
	}
	if dir == "" {
		return hinted{errors.New("the built-in tables take no cases"), "refbridge init writes the tables into a folder; --tables names it"}
	}
	set, err := offlineTables(dir)
	if err != nil {
		return err
	}
	in, err := c.sample(ctx, p)
	if err != nil {
		return err
	}
	key := make([]byte, 32)
	rand.Read(key) // never fails
	made, err := cases.Make(set, c.Name, in, key)
	if errors.Is(err, cases.ErrPersonal) {
		return hinted{err, "replace it in a copy of the record, and take the copy"}
	}
	if errors.Is(err, cases.ErrName) {
		return hinted{err, "say in --name what the case shows, not whose record it is"}
	}
	if err != nil {
		return err
	}
	return c.write(p, filepath.Join(dir, mapping.CasesFolder), made)
}

// sample reads the one record.
func (c *mappingCaseAddCmd) sample(ctx context.Context, p *program) (mapping.Sample, error) {
	s, err := p.samples(sampleFlags{In: c.From})
	if err != nil {
		return mapping.Sample{}, err
	}
	var found []mapping.Sample
	if err := s.each(ctx, func(in mapping.Sample) {
		if len(found) < 2 {
			found = append(found, in)
		}
	}); err != nil {
		return mapping.Sample{}, err
	}
	if len(found) != 1 || s.counts.Unreadable > 0 {
		return mapping.Sample{}, hinted{fmt.Errorf("a case is made of one record: %s", s.counts.summary()), "take one line of the file"}
	}
	return found[0], nil
}

func (c *mappingCaseAddCmd) write(p *program, dir string, made cases.Made) error {
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return err
	}
	files := []struct {
		name string
		text []byte
	}{{filepath.Join(dir, made.Name+".json"), made.Input}, {filepath.Join(dir, made.Name+".yaml"), made.Cases}}
	for _, f := range files {
		if _, err := os.Stat(f.name); !c.Replace && !errors.Is(err, fs.ErrNotExist) {
			return hinted{fmt.Errorf("%s is there already", f.name), "--replace writes the case anew, another --name beside it"}
		}
	}
	for _, f := range files {
		if err := os.WriteFile(f.name, f.text, 0o644); err != nil {
			return err
		}
	}
	for _, r := range made.Replaced {
		fmt.Fprintf(p.out, "%-14s %s\n", r.What, r.Path)
	}
	fmt.Fprintf(p.out, "%d values replaced\n", len(made.Replaced))
	for _, f := range files {
		fmt.Fprintln(p.out, f.name)
	}
	for _, u := range made.Unlike {
		fmt.Fprintf(p.err, "refbridge: hint: %s\n", report.Wrap("the case is not quite like the record: "+u, 17))
	}
	return nil
}
