// Package report is what people and programs are shown: the shapes of a plan, a statement and a record's story as JSON, and their words for a
// terminal. It decides nothing, and reads nothing but what it is given.
package report

import (
	"fmt"
	"io"
	"time"

	"refbridge/ledger"
)

// Statement is the whole ledger in sums, and what somebody has to look at.
type Statement struct {
	Observed     int         `json:"observed"`
	Applied      int         `json:"applied"`
	Superseded   int         `json:"superseded"`
	Held         int         `json:"held"`
	Dead         int         `json:"dead"`
	Unknown      int         `json:"unknown"`
	Pending      int         `json:"pending"`
	Unread       int         `json:"unreadAnswers"`
	Balanced     bool        `json:"balanced"`
	Sources      []Freshness `json:"sources"`
	Gone         []Entry     `json:"goneAtSource"`
	PatientsKept []Entry     `json:"patientsKept"` // applied; what changed of their patients is left to people
	Open         []Entry     `json:"open"`
	InDoubt      []Doubt     `json:"inDoubt"` // writes whose outcome nobody saw
	Back         []Back      `json:"changesInSalesforce"`
	Live         []Live      `json:"newInLiveData"`
}

// Back is a change made in Salesforce, on its way to the source.
type Back struct {
	ID        int64                 `json:"id"`
	Source    string                `json:"source"`
	Ref       string                `json:"ref"`
	Field     string                `json:"field"`
	From      string                `json:"from"`
	To        string                `json:"to"`
	Operation string                `json:"operation,omitempty"`
	State     ledger.WritebackState `json:"state"`
	Since     time.Time             `json:"since"` // when it came to that state
	Reason    *Reason               `json:"reason,omitempty"`
}

// StatementOf returns the sums of a ledger with what is open in it.
func StatementOf(s ledger.Statement, open []ledger.Entry, back []ledger.Writeback) Statement {
	j := Statement{Observed: s.Observed, Applied: s.Applied, Superseded: s.Superseded, Held: s.Held, Dead: s.Dead,
		Unknown: s.Unknown, Pending: s.Pending, Unread: s.Unread, Balanced: s.Balanced(), Open: EntriesOf(open), Back: []Back{}}
	for _, b := range back {
		j.Back = append(j.Back, BackOf(b))
	}
	return j
}

// EntriesOf returns versions as they are shown.
func EntriesOf(entries []ledger.Entry) []Entry {
	out := []Entry{}
	for _, e := range entries {
		out = append(out, EntryOf(e))
	}
	return out
}

// PrintListed lists what is applied and yet somebody has to look at.
func PrintListed(w io.Writer, about string, list []ledger.Entry) {
	if len(list) == 0 {
		return
	}
	fmt.Fprintln(w, Wrap(about, 0))
	for _, e := range list {
		PrintEntry(w, e)
	}
	fmt.Fprintln(w)
}

// BackOf returns a change made in Salesforce as it is shown.
func BackOf(b ledger.Writeback) Back {
	return Back{ID: b.ID, Source: b.Source, Ref: b.Ref.String(), Field: b.Field, From: b.From, To: b.To,
		Operation: b.Operation, State: b.State, Since: b.Changed.UTC(), Reason: reasonOf(b.Reason)}
}

// PrintOpen prints what is held, dead or unknown, and the changes that did not get back.
func PrintOpen(w io.Writer, open []ledger.Entry, back []ledger.Writeback) {
	for _, e := range open {
		PrintEntry(w, e)
	}
	for _, b := range back {
		PrintWriteback(w, b)
	}
	if len(open)+len(back) > 0 {
		fmt.Fprintln(w)
	}
}

// PrintStatement prints the sums.
func PrintStatement(w io.Writer, s ledger.Statement) {
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
