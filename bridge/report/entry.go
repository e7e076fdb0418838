package report

import (
	"cmp"
	"fmt"
	"io"
	"strings"
	"time"

	"refbridge/ledger"
	"refbridge/mapping"
)

// Entry is a version of a source record and what became of it.
type Entry struct {
	Source   string      `json:"source"`
	Ref      string      `json:"ref"`
	Fate     ledger.Fate `json:"fate"`
	Reason   *Reason     `json:"reason,omitempty"`
	Attempts int         `json:"attempts"`
	First    time.Time   `json:"firstSeen"`
	Changed  time.Time   `json:"changed"`
	Next     *time.Time  `json:"nextTry,omitempty"`
	InDoubt  []Doubt     `json:"inDoubt,omitempty"` // writes of this version whose outcome nobody saw
}

// EntryOf returns a version as it is shown.
func EntryOf(e ledger.Entry) Entry {
	j := Entry{Source: e.Source, Ref: e.Ref.String(), Fate: e.Fate, Reason: reasonOf(e.Reason), Attempts: e.Attempts,
		First: e.First, Changed: e.Changed}
	if !e.Next.IsZero() && !e.Next.Equal(ledger.Never()) {
		j.Next = &e.Next
	}
	return j
}

// PrintEntry prints a version, why it is where it is, and what comes next.
func PrintEntry(w io.Writer, e ledger.Entry) {
	fmt.Fprintf(w, "%s %s  %s", e.Source, e.Ref, e.Fate)
	if e.Attempts > 1 {
		fmt.Fprintf(w, " after %d attempts", e.Attempts)
	}
	fmt.Fprintf(w, ", %s\n", moment(e.Changed))
	if e.Reason.Code != "" {
		fmt.Fprintf(w, "    %s\n", Wrap(e.Reason.Text+" ["+e.Reason.Code+"]", 4))
		if e.Reason.Rule != "" || e.Reason.Field != "" {
			fmt.Fprintf(w, "    %s\n", strings.TrimSpace(e.Reason.Field+" "+e.Reason.Rule))
		}
		if e.Reason.Detail != "" {
			fmt.Fprintf(w, "    %s\n", Wrap(oneLine(e.Reason.Detail.Reveal()), 4))
		}
	}
	switch {
	case e.Fate == ledger.Applied && !e.Next.IsZero():
		fmt.Fprintf(w, "    %s\n", Wrap("mapped again "+moment(e.Next)+", when a name, an address or a number in it comes into use or is not in use any more", 4))
	case e.Fate != ledger.Held && e.Fate != ledger.Unknown:
	case e.Next.Equal(ledger.Never()):
		fmt.Fprintf(w, "    waits for a change of tables, of the source, or refbridge retry\n")
	default:
		fmt.Fprintf(w, "    next try %s\n", moment(e.Next))
	}
}

// PrintRow prints what is known of a row, and which writes of it are in doubt: since when, until when.
func PrintRow(w io.Writer, row ledger.Row) {
	if row.Known && !row.Image.Unseen {
		r := row.Image.Record
		fmt.Fprintf(w, "    %s %s %s, %s\n", r.Object, shortHash(r.Key.Value), r.ID, mapping.Plural(len(r.Fields), "field"))
	}
	if row.Image.Deleted {
		fmt.Fprintf(w, "      deleted in Salesforce by a person\n")
	}
	if len(row.Image.Unclear) > 0 {
		fmt.Fprintf(w, "      ours or a person's, nobody can tell: %s\n", strings.Join(row.Image.Unclear, ", "))
	}
	for _, in := range row.Open {
		what := "update"
		if in.Creates {
			what = "create"
		}
		fmt.Fprintf(w, "    in doubt: %s of %s %s (%s) since %s; it may still take effect until %s\n", what, in.Object, shortHash(in.Key),
			in.Ref, exactly(in.Created), exactly(in.Deadline))
	}
}

// PrintWriteback prints a change made in Salesforce and how far it is on its way back.
func PrintWriteback(w io.Writer, b ledger.Writeback) {
	fmt.Fprintf(w, "%s %s  %s in Salesforce: %s -> %s\n    #%d %s", b.Source, b.Ref.Current(), b.Field,
		cmp.Or(b.From, "(empty)"), cmp.Or(b.To, "(empty)"), b.ID, b.State)
	if b.Operation != "" {
		fmt.Fprintf(w, " (%s)", b.Operation)
	}
	fmt.Fprintln(w)
	if b.Reason.Code != "" {
		fmt.Fprintf(w, "    %s\n", Wrap(b.Reason.Text+" ["+b.Reason.Code+"]", 4))
	}
}
