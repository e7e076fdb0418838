package main

import (
	"context"
	"fmt"
	"io"
	"path/filepath"

	"refbridge/mapping/cases"
	"refbridge/mapping/review"
)

type mappingShowCmd struct {
	Tables   string `help:"Folder of the tables; default: those of the configuration, else the built-in ones." placeholder:"DIR" type:"path"`
	Base     string `help:"Folder of the tables as they were: marks what is new, changed or gone, and lists it first." placeholder:"DIR" type:"path"`
	Markdown bool   `help:"Markdown in place of HTML."`
	Out      string `short:"o" help:"Write to a file in place of standard output." placeholder:"FILE" type:"path"`
}

// Help is printed below the flags.
func (mappingShowCmd) Help() string {
	return `Writes the tables as one page for reading and review: each field with what it is made from, in FHIRPath and in
words, its rule, its purpose and an example with invented people, the value tables, what is left out and why, what
happens to records that are gone, the way back, and what documents of others say of it.
The page needs no network and no script, and prints on A4.
With --base it says first what has changed, on a page or two for the reviewer of a change, with the lines to sign.

Example: refbridge mapping show --tables tables --base before --out mapping.html

Exit codes: 0 written, 1 error or a fault in the tables, 64 usage.`
}

// Run is the command.
func (c *mappingShowCmd) Run(_ context.Context, p *program) error {
	dir, err := p.tablesInUse(c.Tables)
	if err != nil {
		return err
	}
	set, err := offlineTables(dir)
	if err != nil {
		return err
	}
	p.warnOfFaults(dir)
	examples, err := review.Examples()
	if err != nil {
		return err
	}
	list, err := tableCases(dir)
	if err != nil {
		return err
	}
	examples = append(examples, examplesOf(list)...)
	oracles, err := review.ReadOracles()
	if err != nil {
		return err
	}
	options := review.Options{Version: versionText(), Examples: examples, Oracles: &oracles}
	if c.Base != "" {
		if options.Base, err = baseTables(c.Base); err != nil {
			return err
		}
	}
	page := review.New(set, options)
	if c.Out == "" {
		return c.write(page, p.out)
	}
	if err := replaceFile(c.Out, func(w io.Writer) error { return c.write(page, w) }); err != nil {
		return err
	}
	fmt.Fprintf(p.err, "%s written\n", filepath.Base(c.Out))
	return nil
}

// examplesOf gives cases as optional examples: rows that the examples of refbridge do not reach are shown with what they give in
// a case. Cases that do not stand in R4 are left out.
func examplesOf(list []cases.Case) []review.Example {
	var out []review.Example
	for _, c := range list {
		if in, ok := c.Sample(); ok {
			out = append(out, review.Example{Title: c.Name, About: "A case of " + c.File + ".", Sample: in, Optional: true})
		}
	}
	return out
}

func (c *mappingShowCmd) write(r review.Review, w io.Writer) error {
	if c.Markdown {
		return r.Markdown(w)
	}
	return r.HTML(w)
}
