package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"time"

	"refbridge/bridge/back"
	"refbridge/bridge/plan"
	"refbridge/ledger"
)

type statementCmd struct {
	JSON bool `name:"json" help:"One JSON object."`
}

// Help is printed below the flags.
func (statementCmd) Help() string {
	return `Every version that was ever observed is in exactly one place: applied, superseded, held, dead, unknown or pending. The
statement counts them, checks the sums and the ledger's own hashes, and lists first what the sources have deleted, then what
they changed of patients in the last week whose Accounts refbridge does not own, then what is held, dead or unknown, with reasons.
New in live data is what the sources have sent lately and the tables, as they are now, do not account for: elements and
extensions that no rule reads and no drop names, and codes that their value table does not list, whatever it does with them. It
is looked for in at most 2000 bodies of each source: of those that the ledger still keeps the newest thousand, and a thousand spread
over the older ones. What is in the oldest of them too, or so rare that nobody can tell since when, is counted only. Works beside a
running daemon.

A source is overdue when its schedule called for a poll and none has ended well since, half an interval later (15 minutes at
least, two hours at most). What was not read is in no sum.

Example: refbridge statement --json

Exit codes: 0 the sums balance, 1 they do not, or an error, 4 they balance and a source is overdue, 64 usage.`
}

type statementJSON struct {
	Observed     int         `json:"observed"`
	Applied      int         `json:"applied"`
	Superseded   int         `json:"superseded"`
	Held         int         `json:"held"`
	Dead         int         `json:"dead"`
	Unknown      int         `json:"unknown"`
	Pending      int         `json:"pending"`
	Unread       int         `json:"unreadAnswers"`
	Balanced     bool        `json:"balanced"`
	Sources      []freshJSON `json:"sources"`
	Gone         []entryJSON `json:"goneAtSource"`
	PatientsKept []entryJSON `json:"patientsKept"` // applied; what changed of their patients is left to people
	Open         []entryJSON `json:"open"`
	InDoubt      []doubtJSON `json:"inDoubt"` // writes whose outcome nobody saw
	Back         []backJSON  `json:"changesInSalesforce"`
	Live         []liveJSON  `json:"newInLiveData"`
}

type backJSON struct {
	ID        int64                 `json:"id"`
	Source    string                `json:"source"`
	Ref       string                `json:"ref"`
	Field     string                `json:"field"`
	From      string                `json:"from"`
	To        string                `json:"to"`
	Operation string                `json:"operation,omitempty"`
	State     ledger.WritebackState `json:"state"`
	Since     time.Time             `json:"since"` // when it came to that state
	Reason    *reasonJSON           `json:"reason,omitempty"`
}

// keptFor is how long the statement lists what the source changed of a patient whose Account is left to its owner.
const keptFor = 7 * 24 * time.Hour

// Run is the command.
func (c *statementCmd) Run(ctx context.Context, p *program) error {
	a, err := p.open(ctx, looking)
	if err != nil {
		return err
	}
	defer a.close()
	return a.statement(ctx, p, c.JSON)
}

func (a *app) statement(ctx context.Context, p *program, json bool) error {
	s, err := a.ledger.Statement(ctx)
	if err != nil {
		return err
	}
	gone, err := a.ledger.Gone(ctx)
	if err != nil {
		return err
	}
	kept, err := a.ledger.Noted(ctx, plan.CodePatientKept, p.now().Add(-keptFor))
	if err != nil {
		return err
	}
	open, err := a.ledger.Entries(ctx, ledger.Filter{Fates: []ledger.Fate{ledger.Held, ledger.Dead, ledger.Unknown}})
	if err != nil {
		return err
	}
	for i := range open {
		if err := a.recall(ctx, &open[i]); err != nil {
			return err
		}
	}
	back, err := a.differing(ctx)
	if err != nil {
		return err
	}
	unresolved, err := a.ledger.Unresolved(ctx)
	if err != nil {
		return err
	}
	sources, err := a.freshness(ctx, p.now())
	if err != nil {
		return err
	}
	live, damaged := a.live(ctx, p) // of a damaged ledger the counts are told all the same
	if json {
		j := statementOf(s, open, back)
		j.Gone, j.PatientsKept = entriesOf(gone), entriesOf(kept)
		j.Live, j.Sources, j.InDoubt = live, sources, doubtsOf(unresolved)
		err = line(p.out, j)
	} else {
		printListed(p.out, "deleted at the source; marked in Salesforce, not deleted:", gone)
		printListed(p.out, "patients whom the source changed in the last week; their Accounts are not refbridge's to change:", kept)
		printOpen(p.out, open, back)
		printDoubts(p.out, doubtsOf(unresolved))
		newPrinter(p.out).live(live)
		printStatement(p.out, s)
		a.printFreshness(p.out, sources)
	}
	if err == nil {
		err = cmp.Or(a.ledger.Verify(ctx), damaged)
	}
	switch {
	case err == nil && !s.Balanced():
		return errors.New("the statement does not balance: the ledger has lost count of a version")
	case err == nil && slices.ContainsFunc(sources, func(f freshJSON) bool { return f.Overdue }):
		return exit(exitOverdue)
	}
	return err
}

// differing lists the changes in Salesforce that did not get to their sources, of all sources.
func (a *app) differing(ctx context.Context) (out []ledger.Writeback, err error) {
	for _, src := range a.cfg.Sources {
		b, err := back.Differing(ctx, a.ledger, src.Name)
		if err != nil {
			return nil, err
		}
		out = append(out, b...)
	}
	return out, nil
}

func statementOf(s ledger.Statement, open []ledger.Entry, back []ledger.Writeback) statementJSON {
	j := statementJSON{Observed: s.Observed, Applied: s.Applied, Superseded: s.Superseded, Held: s.Held, Dead: s.Dead,
		Unknown: s.Unknown, Pending: s.Pending, Unread: s.Unread, Balanced: s.Balanced(), Open: entriesOf(open), Back: []backJSON{}}
	for _, b := range back {
		j.Back = append(j.Back, backOf(b))
	}
	return j
}

func entriesOf(entries []ledger.Entry) []entryJSON {
	out := []entryJSON{}
	for _, e := range entries {
		out = append(out, entryOf(e))
	}
	return out
}

// printListed lists what is applied and yet somebody has to look at.
func printListed(w io.Writer, about string, list []ledger.Entry) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, wrap(about, 0))
	for _, e := range list {
		printEntry(w, e)
	}
	fmt.Fprintln(w)
}

func backOf(b ledger.Writeback) backJSON {
	return backJSON{ID: b.ID, Source: b.Source, Ref: b.Ref.String(), Field: b.Field, From: b.From, To: b.To,
		Operation: b.Operation, State: b.State, Since: b.Changed.UTC(), Reason: reasonOf(b.Reason)}
}

func printOpen(w io.Writer, open []ledger.Entry, back []ledger.Writeback) {
	for _, e := range open {
		printEntry(w, e)
	}
	for _, b := range back {
		printWriteback(w, b)
	}
	if len(open)+len(back) > 0 {
		fmt.Fprintln(w)
	}
}

func printStatement(w io.Writer, s ledger.Statement) {
	balance := "balances"
	if !s.Balanced() {
		balance = "DOES NOT BALANCE"
	}
	fmt.Fprintf(w, "observed    %6d versions\napplied     %6d\nsuperseded  %6d\nheld        %6d\ndead        %6d\nunknown     %6d\npending     %6d\n",
		s.Observed, s.Applied, s.Superseded, s.Held, s.Dead, s.Unknown, s.Pending)
	fmt.Fprintf(w, "the statement %s\n", balance)
	if s.Unread > 0 {
		fmt.Fprintf(w, "%d answers in the inbox are not read yet\n", s.Unread)
	}
}
