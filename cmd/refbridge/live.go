package main

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"refbridge/ledger"
	"refbridge/mapping"
	"refbridge/mapping/measure"
)

// liveBodies is how many bodies of a source a statement looks at: about a second's work (0.4 ms each).
const liveBodies = 2000

// liveLines is how much of what is new a statement prints of a source; its JSON form has all of it.
const liveLines = 20

// liveJSON is what one source has sent lately and the tables do not account for.
type liveJSON struct {
	Source string             `json:"source"`
	Bodies int                `json:"bodies"`             // that were looked at
	Since  time.Time          `json:"keptSince,omitzero"` // when the oldest of them was seen, and of all that the ledger keeps
	Paths  []measure.LivePath `json:"paths"`
	Codes  []measure.LiveCode `json:"codes"`
}

// live reads what the ledger keeps with the tables as they are now. Nothing of it is stored: once a table accounts for a path, the next
// statement is silent about it.
func (a *app) live(ctx context.Context, p *program) ([]liveJSON, error) {
	quiet := *p
	quiet.err = io.Discard // what cannot be read is held, and listed as such
	out := []liveJSON{}
	for _, src := range a.cfg.Sources {
		l, j := measure.NewLive(a.tables), liveJSON{Source: src.Name}
		s := &samples{program: &quiet}
		err := a.ledger.Sample(ctx, src.Name, liveBodies, func(b ledger.Body) error {
			s.body(src, b, func(in mapping.Sample) { l.Add(b.Ref.Current().String(), b.Seen, in) })
			if b.JSON != nil {
				j.Bodies++
			}
			if b.JSON != nil && (j.Since.IsZero() || b.Seen.Before(j.Since)) {
				j.Since = b.Seen
			}
			return ctx.Err()
		})
		if err != nil {
			return out, err
		}
		j.Paths, j.Codes = l.Found()
		out = append(out, j)
	}
	return out, nil
}

// live prints what is new; what is as old as what was looked at, or too rare to tell, is counted in one line. It prints nothing where there is nothing.
func (p printer) live(sources []liveJSON) {
	for _, s := range sources {
		paths := slices.DeleteFunc(slices.Clone(s.Paths), func(l measure.LivePath) bool { return l.Standing })
		codes := slices.DeleteFunc(slices.Clone(s.Codes), func(l measure.LiveCode) bool { return l.Standing })
		if len(paths)+len(codes) > 0 {
			fmt.Fprintln(p.w, p.paint("1", "New in live data of "+s.Source+", and no table accounts for it"))
			fmt.Fprintf(p.w, "  %s\n", wrap(liveMeaning(len(paths), len(codes)), 2))
			p.livePaths(paths[:min(len(paths), liveLines)])
			p.liveCodes(codes[:min(len(codes), liveLines)])
		}
		if more := max(0, len(paths)-liveLines) + max(0, len(codes)-liveLines); more > 0 {
			fmt.Fprintf(p.w, "  and %d more: refbridge statement --json\n", more)
		}
		if len(s.Paths)+len(s.Codes) > 0 {
			fmt.Fprintf(p.w, "%s\n\n", wrap(s.looked(len(s.Paths)-len(paths), len(s.Codes)-len(codes)), 0))
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
func (s liveJSON) looked(paths, codes int) string {
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
	return fmt.Sprintf("%s refbridge mapping coverage --last %d says more.", out, liveBodies)
}

func (p printer) livePaths(paths []measure.LivePath) {
	for _, path := range paths {
		p.found(path.Records, since(path.Since, path.Before), path.Path)
		if path.Lost {
			fmt.Fprintf(p.w, "          %s\n", wrap("! "+measure.LostHint, 12))
		}
	}
}

func (p printer) liveCodes(codes []measure.LiveCode) {
	for _, code := range codes {
		p.found(code.Records, since(code.Since, code.Before), codeText(code.UnlistedCode))
		fmt.Fprintf(p.w, "          %s\n", p.ruled(codePlace(code.UnlistedCode), code.Rule, 10))
	}
}

func (p printer) found(records int, since, what string) {
	fmt.Fprintf(p.w, "  %6d  %s\n          %s\n", records, wrap(what, 10), since)
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

// codeText gives a code with its system.
func codeText(c mapping.UnlistedCode) string {
	return strings.TrimSuffix("code "+c.Code+" of "+c.System, " of ")
}

// codePlace says where a code is missing.
func codePlace(c mapping.UnlistedCode) string {
	return fmt.Sprintf("%s.%s, table %s (unlisted: %s)", c.Object, c.Field, c.Table, c.Unlisted)
}
