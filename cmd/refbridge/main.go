// Command refbridge carries referrals and appointments from NHS e-RS and FHIR R4 servers into Salesforce Health Cloud, and
// carries status back.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"

	"github.com/alecthomas/kong"
	"golang.org/x/term"

	"refbridge/bridge/lane"
	"refbridge/bridge/report"
	"refbridge/config"
	"refbridge/ledger"
	"refbridge/mapping"
)

// The exit codes of every command; each command's help lists the ones that it uses.
const (
	exitDone          = 0
	exitError         = 1
	exitChanges       = 2   // plan: there is something to do
	exitRecordsFailed = 3   // mapping: some records, lines or entries could not be read
	exitOverdue       = 4   // statement: it balances, and a source was not read in time
	exitUsage         = 64  // the command line is wrong
	exitLocked        = 75  // another refbridge writes to this ledger
	exitInterrupted   = 130 // by a signal, before it was through
)

func main() { os.Exit(run(os.Args[1:], os.Stdin, os.Stdout, os.Stderr)) }

// program is what a command gets: its streams, its clock and its context.
type program struct {
	in       io.Reader
	out, err io.Writer
	now      func() time.Time
	config   string
	verbose  bool
}

type cli struct {
	Config  string `short:"c" default:"refbridge.yaml" help:"The configuration file; default: refbridge.yaml in this folder." placeholder:"FILE"`
	Verbose bool   `short:"v" help:"Log what happens, on stderr."`

	Demo      demoCmd      `cmd:"" help:"Do the main job against simulators of e-RS, a FHIR server and Salesforce."`
	Init      initCmd      `cmd:"" help:"Write a commented refbridge.yaml and the starter tables."`
	Plan      planCmd      `cmd:"" help:"Print what a sync would do, as diffs. Changes nothing."`
	Sync      syncCmd      `cmd:"" help:"Poll once, plan, apply."`
	Run       runCmd       `cmd:"" help:"Poll and sync by the schedules, until stopped."`
	Retry     retryCmd     `cmd:"" help:"Try what is held or dead again, now."`
	Backfill  backfillCmd  `cmd:"" help:"Bring in named referrals, or what changed in a period."`
	Show      showCmd      `cmd:"" help:"Show what happened to one referral."`
	Statement statementCmd `cmd:"" help:"Account for every version ever observed."`
	Ledger    ledgerCmd    `cmd:"" help:"Work on the ledger itself."`
	Approve   approveCmd   `cmd:"" help:"Approve a change that waits to go back to its source."`
	Mapping   mappingCmd   `cmd:"" help:"Check, test, try and read the mapping tables."`
	Describe  describeCmd  `cmd:"" help:"Ask the org what its objects take; --save writes it for mapping lint."`
	Simulate  simulateCmd  `cmd:"" help:"Run a simulator of e-RS, a FHIR server or Salesforce."`
	Version   versionCmd   `cmd:"" help:"Print the version."`
}

// exit is an exit code that is no error message.
type exit int

func (e exit) Error() string { return fmt.Sprintf("exit %d", int(e)) }

// hinted is an error with a way out.
type hinted struct {
	error
	hint string
}

func (h hinted) Unwrap() error { return h.error }

// usage is a command line that is wrong in a way that the parser does not see.
type usage struct{ hinted }

func misused(text, hint string) error { return usage{hinted{errors.New(text), hint}} }

func run(args []string, in io.Reader, out, errOut io.Writer) int {
	var c cli
	leave := -1
	parser, err := kong.New(&c, kong.Name("refbridge"), kong.Writers(out, errOut), kong.Exit(func(code int) { leave = code }),
		kong.Description("Carries referrals and appointments from NHS e-RS and FHIR R4 into Salesforce Health Cloud."),
		kong.Help(help), kong.ConfigureHelp(kong.HelpOptions{Compact: true, WrapUpperBound: 80}))
	if err != nil {
		fmt.Fprintf(errOut, "refbridge: error: %v\n", err)
		return exitError
	}
	command, err := parser.Parse(args)
	if leave >= 0 {
		return leave // --help has been printed
	}
	if err != nil {
		fmt.Fprintf(errOut, "refbridge: error: %v\nrefbridge: hint: %s\n", err, helpFor(err))
		return exitUsage
	}
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt, syscall.SIGTERM)
	defer stop()
	go func() { <-ctx.Done(); stop() }() // a second signal ends the program at once
	p := &program{in: in, out: out, err: errOut, config: c.Config, verbose: c.Verbose}
	if p.now, err = clock(); err != nil {
		return p.report(ctx, err)
	}
	command.BindTo(ctx, (*context.Context)(nil))
	return p.report(ctx, command.Run(p))
}

// helpFor names the help of the command that was not understood.
func helpFor(err error) string {
	var parse *kong.ParseError
	if errors.As(err, &parse) && parse.Context.Selected() != nil {
		return parse.Context.Selected().FullPath() + " --help tells what it takes"
	}
	return "refbridge --help lists the commands"
}

// help prints kong's page of a command and puts what the command's own text says last (Example, Exit codes) at the end, the exit
// codes first: a page ends in an example.
func help(o kong.HelpOptions, c *kong.Context) error {
	command := c.Selected()
	if command == nil || command.Detail == "" { // all commands, or a group of them
		return kong.DefaultHelpPrinter(o, c)
	}
	text, end, _ := strings.Cut("\n\n"+command.Detail, "\n\nExample: ")
	example, codes, _ := strings.Cut(end, "\n\nExit codes: ")
	command.Detail = strings.TrimSpace(text)
	if err := kong.DefaultHelpPrinter(o, c); err != nil {
		return err
	}
	_, err := fmt.Fprintf(c.Stdout, "\nExit codes: %s\n\nExample: %s\n", report.Wrap(codes, len("Exit codes: ")), example)
	return err
}

// report prints an error as a person needs it and gives the exit code.
func (p *program) report(ctx context.Context, err error) int {
	var code exit
	var faults config.Faults
	var tables mapping.Faults
	switch {
	case err == nil:
		return exitDone
	case ctx.Err() != nil && errors.Is(err, context.Canceled):
		fmt.Fprintln(p.err, "refbridge: interrupted; what was done is written down, the rest keeps its place")
		return exitInterrupted
	case errors.As(err, &code):
		return int(code)
	case errors.As(err, &faults):
		for _, f := range faults {
			p.fault(fmt.Sprintf("%s:%d: %s", f.File, f.Line, f.Message), f.Hint)
		}
		return exitError
	case errors.As(err, &tables):
		for _, f := range tables {
			hint := f.Hint
			f.Hint = ""
			p.fault(f.String(), hint)
		}
		return exitError
	}
	lines := strings.Split(strings.TrimSpace(err.Error()), "\n") // joined errors have a line each
	for _, l := range lines[:len(lines)-1] {
		p.fault(l, "")
	}
	p.fault(lines[len(lines)-1], hintOf(err))
	var misuse usage
	switch {
	case errors.As(err, &misuse):
		return exitUsage
	case errors.Is(err, ledger.ErrLocked):
		return exitLocked
	}
	return exitError
}

func (p *program) fault(message, hint string) {
	fmt.Fprintf(p.err, "refbridge: error: %s\n", message)
	if hint != "" {
		fmt.Fprintf(p.err, "refbridge: hint: %s\n", hint)
	}
}

func hintOf(err error) string {
	var h hinted
	var u usage
	var lost *lane.LostError
	switch {
	case errors.As(err, &u):
		return u.hint
	case errors.As(err, &lost):
		return fmt.Sprintf("check base_url, the permissions and the source itself; with the address corrected the next sync reads them again. "+
			"If they are gone for good: refbridge sync --accept-gone %s", lost.Source)
	case errors.As(err, &h):
		return h.hint
	case errors.As(err, new(unfit)):
		return "refbridge mapping lint --online shows every error and the way out; what was polled is kept, and nothing was written"
	case errors.Is(err, config.ErrNoFile):
		return "refbridge init writes one; refbridge demo needs none"
	case errors.Is(err, ledger.ErrLocked):
		return "a daemon is running on this ledger: plan, show and statement work beside it, for anything that writes stop it"
	}
	return ""
}

// terminal tells whether a stream is a terminal that wants colour and progress bars.
func terminal(w io.Writer) bool {
	f, ok := w.(*os.File)
	return ok && term.IsTerminal(int(f.Fd())) && os.Getenv("TERM") != "dumb"
}

// columns gives the width of a terminal, 0 of what is none.
func columns(w io.Writer) int {
	f, ok := w.(*os.File)
	if !ok || !terminal(w) {
		return 0
	}
	width, _, err := term.GetSize(int(f.Fd()))
	if err != nil {
		return 0
	}
	return width
}
