package report

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"refbridge/mapping"
	"refbridge/mapping/measure"
)

// Live is what one source has sent lately and the tables do not account for.
type Live struct {
	Source string             `json:"source"`
	Bodies int                `json:"bodies"`             // that were looked at
	Since  time.Time          `json:"keptSince,omitzero"` // when the oldest of them was seen, and of all that the ledger keeps
	Paths  []measure.LivePath `json:"paths"`
	Codes  []measure.LiveCode `json:"codes"`
}

// Live prints what is new; what is as old as what was looked at, or too rare to tell, is counted in one line. It prints nothing where there is nothing.
func (p Printer) Live(sources []Live) {
	for _, s := range sources {
		paths := slices.DeleteFunc(slices.Clone(s.Paths), func(l measure.LivePath) bool { return l.Standing })
		codes := slices.DeleteFunc(slices.Clone(s.Codes), func(l measure.LiveCode) bool { return l.Standing })
		if len(paths)+len(codes) > 0 {
			fmt.Fprintln(p.W, p.Paint("1", "New in live data of "+s.Source+", and no table accounts for it"))
			fmt.Fprintf(p.W, "  %s\n", Wrap(liveMeaning(len(paths), len(codes)), 2))
			p.livePaths(paths[:min(len(paths), liveLines)])
			p.liveCodes(codes[:min(len(codes), liveLines)])
		}
		if more := max(0, len(paths)-liveLines) + max(0, len(codes)-liveLines); more > 0 {
			fmt.Fprintf(p.W, "  and %d more: refbridge statement --json\n", more)
		}
		if len(s.Paths)+len(s.Codes) > 0 {
			fmt.Fprintf(p.W, "%s\n\n", Wrap(s.looked(len(s.Paths)-len(paths), len(s.Codes)-len(codes)), 0))
		}
	}
}

// liveMeaning says what it means to whoever is on call.
func liveMeaning(paths, codes int) string {
	out := "The numbers are records. "
	if paths > 0 {
		out += "An element that no table reads does not reach Salesforce, and holds nothing up. "
	}
	if codes > 0 {
		out += "A code holds its records where its table says hold; they are listed as held. "
	}
	return out + "It can wait for the morning, and for whoever keeps the tables."
}

// looked says in what was looked, and what of that is no news.
func (s Live) looked(paths, codes int) string {
	out := fmt.Sprintf("%s of %s were looked at, the oldest of %s.", mapping.Plural(s.Bodies, "record version"), s.Source, moment(s.Since))
	var standing []string
	if paths > 0 {
		standing = append(standing, mapping.Plural(paths, "path"))
	}
	if codes > 0 {
		standing = append(standing, mapping.Plural(codes, "code"))
	}
	if len(standing) > 0 {
		out += " Also in the oldest of them, or too rare to tell since when, and no table accounts for it: " + strings.Join(standing, " and ") + "."
	}
	return fmt.Sprintf("%s refbridge mapping coverage --last %d says more.", out, LiveBodies)
}

func (p Printer) livePaths(paths []measure.LivePath) {
	for _, path := range paths {
		p.found(path.Records, since(path.Since, path.Before), path.Path)
		if path.Lost {
			fmt.Fprintf(p.W, "          %s\n", Wrap("! "+measure.LostHint, 12))
		}
	}
}

func (p Printer) liveCodes(codes []measure.LiveCode) {
	for _, code := range codes {
		p.found(code.Records, since(code.Since, code.Before), CodeText(code.UnlistedCode))
		fmt.Fprintf(p.W, "          %s\n", p.Ruled(CodePlace(code.UnlistedCode), code.Rule, 10))
	}
}

func (p Printer) found(records int, since, what string) {
	fmt.Fprintf(p.W, "  %6d  %s\n          %s\n", records, Wrap(what, 10), since)
}

// since says when something was seen first, and how sure that is.
func since(t time.Time, before int) string {
	out := "since " + moment(t)
	if before > 0 {
		out += fmt.Sprintf(", in none of the %d seen before", before)
	}
	return out
}

func moment(t time.Time) string { return t.Local().Format("2 Jan 2006 15:04 MST") }

// exactly is moment to the second.
func exactly(t time.Time) string { return t.Local().Format("2 Jan 2006 15:04:05 MST") }

// CodeText gives a code with its system.
func CodeText(c mapping.UnlistedCode) string {
	return strings.TrimSuffix("code "+c.Code+" of "+c.System, " of ")
}

// CodePlace says where a code is missing.
func CodePlace(c mapping.UnlistedCode) string {
	return fmt.Sprintf("%s.%s, table %s (unlisted: %s)", c.Object, c.Field, c.Table, c.Unlisted)
}

// liveLines is how much of what is new a statement prints of a source; its JSON form has all of it.
const liveLines = 20

// LiveBodies is how many bodies of a source a statement looks at: about a second's work (0.4 ms each).
const LiveBodies = 2000
