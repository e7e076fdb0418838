package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"strings"

	"refbridge/bridge/report"
	"refbridge/config"
	"refbridge/fhir"
	"refbridge/ledger"
)

func noColour() bool { return os.Getenv("NO_COLOR") != "" }

func isUBRN(s string) bool { return len(s) == 12 && strings.Trim(s, "0123456789") == "" }

// reference reads what an operator types: a UBRN with or without spaces, its token from a log, or Type/id.
func (a *app) reference(ctx context.Context, source, text string) (fhir.Reference, error) {
	text = strings.ReplaceAll(text, " ", "")
	if strings.HasPrefix(text, "u-") {
		return a.byToken(ctx, source, text)
	}
	if isUBRN(text) {
		return fhir.Reference{Type: "ReferralRequest", ID: text}, nil
	}
	ref, err := fhir.ParseReference(text)
	if err != nil {
		return ref, hinted{errors.New("neither a UBRN nor Type/id"), "refbridge show 000000070001, or show ServiceRequest/42"}
	}
	if ref.Base != "" && !slices.ContainsFunc(a.cfg.Sources, func(s config.Source) bool { return fhir.SameBase(s.BaseURL, ref.Base) }) {
		return ref, hinted{errors.New("this is a record of a server that is no source here"), "its sources stand in the configuration with their base_url"}
	}
	return ref.Current().Local(), nil
}

func (a *app) byToken(ctx context.Context, source, token string) (fhir.Reference, error) {
	entries, err := a.ledger.Entries(ctx, ledger.Filter{Source: source})
	if err != nil {
		return fhir.Reference{}, err
	}
	for _, e := range entries {
		if isUBRN(e.Ref.ID) && ubrnToken(e.Ref.ID, a.logKey) == token {
			return e.Ref.Current(), nil
		}
	}
	return fhir.Reference{Type: "ReferralRequest", ID: token}, nil
}

type showCmd struct {
	UBRN string `arg:"" name:"ubrn" help:"The UBRN, its token from a log (u-…), or Type/id of a FHIR resource."`
	JSON bool   `name:"json" help:"One JSON object a line."`
}

// Help is printed below the flags.
func (showCmd) Help() string {
	return `Lists every version that was observed and what became of it, the records in Salesforce, and the changes that went or
wait to go back. Works beside a running daemon.

Example: refbridge show 000000070001

Exit codes: 0 shown, 1 error or not known, 64 usage.`
}

// Run is the command.
func (c *showCmd) Run(ctx context.Context, p *program) error {
	a, err := p.open(ctx, looking)
	if err != nil {
		return err
	}
	defer a.close()
	found := false
	unresolved, err := a.ledger.Unresolved(ctx)
	if err != nil {
		return err
	}
	doubts := report.DoubtsOf(unresolved)
	for _, s := range a.cfg.Sources {
		ref, err := a.reference(ctx, s.Name, c.UBRN)
		if err != nil {
			return err
		}
		entries, err := a.ledger.Entries(ctx, ledger.Filter{Source: s.Name, Ref: ref})
		if err != nil {
			return err
		}
		for _, e := range entries {
			found = true
			if err := a.recall(ctx, &e); err != nil {
				return err
			}
			if err := c.entry(p, e, report.DoubtsAbout(doubts, s.Name, e.Ref)); err != nil {
				return err
			}
		}
		if len(entries) > 0 && !c.JSON {
			if err := a.records(ctx, p.out, s.Name, ref); err != nil {
				return err
			}
		}
	}
	if !found {
		return hinted{errors.New("the ledger does not know this record"), "has it been polled? backfill --ubrns brings one in"}
	}
	return nil
}

func (c *showCmd) entry(p *program, e ledger.Entry, doubts []report.Doubt) error {
	if c.JSON {
		j := report.EntryOf(e)
		j.InDoubt = doubts
		return line(p.out, j)
	}
	report.PrintEntry(p.out, e)
	return nil
}

// recall adds the values behind a reason: they are for this terminal and for no log.
func (a *app) recall(ctx context.Context, e *ledger.Entry) (err error) {
	e.Reason.Detail, err = a.ledger.Detail(ctx, *e)
	return err
}

// records lists what stands in Salesforce for a source record, by key and id, without values; the hash that is the key of a code
// record is cut.
func (a *app) records(ctx context.Context, w io.Writer, source string, ref fhir.Reference) error {
	rows, err := a.ledger.RowsOf(ctx, source, ref)
	if err != nil {
		return err
	}
	for _, row := range rows {
		report.PrintRow(w, row)
	}
	back, err := a.ledger.Writebacks(ctx, source)
	if err != nil {
		return err
	}
	for _, b := range back {
		if b.Ref.Current() == ref.Current() {
			report.PrintWriteback(w, b)
		}
	}
	return nil
}

type approveCmd struct {
	UBRN      string `arg:"" name:"ubrn" help:"The UBRN, or Type/id of a FHIR resource."`
	ID        int64  `name:"id" help:"One change of several, by its number (#) in the statement." placeholder:"N"`
	Operator  string `required:"" help:"Who approves; it stands in the audit trail." placeholder:"NAME"`
	Authority string `help:"On what authority, for example a reference of the use case." placeholder:"TEXT"`
	JSON      bool   `name:"json" help:"One JSON object a line."`
}

// Help is printed below the flags.
func (approveCmd) Help() string {
	return `A change made in Salesforce that an operation of the source can carry waits for an operator, unless the configuration says
approval: none. The next sync decides on fresh reads of both sides once more before it sends.

Example: refbridge approve 000000070001 --operator j.smith

Exit codes: 0 approved, 1 error or nothing waits, 64 usage, 75 another refbridge writes to this ledger.`
}

// Run is the command.
func (c *approveCmd) Run(ctx context.Context, p *program) error {
	a, err := p.open(ctx, writing)
	if err != nil {
		return err
	}
	defer a.close()
	approved := 0
	for _, s := range a.cfg.Sources {
		n, err := c.source(ctx, p, a, s.Name)
		if err != nil {
			return err
		}
		approved += n
	}
	if approved == 0 {
		return hinted{errors.New("nothing waits for approval there"), "refbridge statement lists what waits"}
	}
	return nil
}

// source approves what waits at one source.
func (c *approveCmd) source(ctx context.Context, p *program, a *app, name string) (int, error) {
	ref, err := a.reference(ctx, name, c.UBRN)
	if err != nil {
		return 0, err
	}
	waiting, err := a.ledger.Writebacks(ctx, name, ledger.Waiting)
	if err != nil {
		return 0, err
	}
	approved := 0
	for _, w := range waiting {
		if w.Ref.Current() != ref || c.ID != 0 && c.ID != w.ID {
			continue
		}
		if err := a.ledger.Approve(ctx, w.ID, c.Operator, c.Authority); err != nil {
			return approved, err
		}
		approved++
		w.State, w.Reason = ledger.Approved, ledger.Reason{}
		if !c.JSON {
			fmt.Fprintf(p.out, "approved: %s on %s (%s: %s -> %s)\n", w.Operation, w.Ref.Current(), w.Field, w.From, w.To)
		} else if err := line(p.out, report.BackOf(w)); err != nil {
			return approved, err
		}
	}
	return approved, nil
}
