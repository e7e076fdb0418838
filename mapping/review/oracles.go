package review

import (
	"embed"
	"encoding/csv"
	"fmt"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v3"
)

//go:embed oracles/sets.yaml oracles/table.csv
var oracleFiles embed.FS

// Oracles holds the mapping against outside documents: what the starter tables make of every code of the official sets and of every
// element, and what a document that is not ours says of it.
type Oracles struct {
	Pages map[string]string // name of a page: where it is
	Sets  []OracleSet
	Rows  []OracleRow
}

// OracleSet is a list of codes, of picklist values or of elements as its page has it.
type OracleSet struct {
	Name, Page string
	System     string   // of codes
	Made, From string   // of a picklist: the field, and the set whose codes are mapped to it
	Object     string   // of elements: what is mainly made of them
	Targets    []string // each code has a row for each of them
	Codes      []string
}

// OracleRow is one code or element with what becomes of it in one target.
type OracleRow struct {
	Set, Code, Target string
	Ours              string // what the starter tables give: a value, fields, "held", "kept", "left out"
	Oracle            string // what the page says, in the words of Ours; empty where no page says it
	Page              string // names of pages, "; " between them
	Verdict           string
	Why               string // of a difference: the reason; of the others: a remark
}

// The verdicts of an OracleRow.
const (
	Agrees   = "agrees"
	Differs  = "differs"
	NoOracle = "no oracle" // the pages are those that were looked at
)

const (
	oracleFields  = "fields" // target of an element: the fields that change when it is there
	pageSeparator = "; "
)

// ReadOracles returns the table that comes with refbridge.
func ReadOracles() (Oracles, error) {
	var out Oracles
	src, err := oracleFiles.ReadFile("oracles/sets.yaml")
	if err != nil {
		return out, fmt.Errorf("read the official sets: %w", err)
	}
	if err := yaml.Unmarshal(src, &out); err != nil {
		return out, fmt.Errorf("read the official sets: %w", err)
	}
	file, err := oracleFiles.Open("oracles/table.csv")
	if err != nil {
		return out, fmt.Errorf("read the oracle table: %w", err)
	}
	defer file.Close()
	lines, err := csv.NewReader(file).ReadAll()
	if err != nil {
		return out, fmt.Errorf("read the oracle table: %w", err)
	}
	for _, l := range lines[min(1, len(lines)):] {
		if len(l) != 8 {
			return out, fmt.Errorf("read the oracle table: a line of %d columns, not 8", len(l))
		}
		out.Rows = append(out.Rows, OracleRow{Set: l[0], Code: l[1], Target: l[2], Ours: l[3], Oracle: l[4], Page: l[5], Verdict: l[6], Why: l[7]})
	}
	return out, nil
}

// Faults returns what is wrong with the table by itself, whatever the mapping does.
func (o Oracles) Faults() []string {
	var out []string
	missing := map[[3]string]bool{}
	for _, s := range o.Sets {
		if o.Pages[s.Page] == "" || len(s.Codes) == 0 || len(s.Targets) == 0 {
			out = append(out, "set "+s.Name+" lacks a known page, codes or targets")
		}
		for _, code := range s.Codes {
			for _, target := range s.Targets {
				missing[[3]string{s.Name, code, target}] = true
			}
		}
	}
	seen := map[[3]string]bool{}
	for _, r := range o.Rows {
		id := [3]string{r.Set, r.Code, r.Target}
		if !missing[id] {
			out = append(out, fmt.Sprintf("row %v is of no official set", id))
		}
		if seen[id] {
			out = append(out, fmt.Sprintf("row %v stands twice", id))
		}
		seen[id] = true
		if fault := r.fault(); fault != "" {
			out = append(out, fmt.Sprintf("row %v: %s", id, fault))
		}
		for page := range strings.SplitSeq(r.Page, pageSeparator) {
			if o.Pages[page] == "" {
				out = append(out, fmt.Sprintf("row %v: page %q is not listed", id, page))
			}
		}
	}
	for id := range missing {
		if !seen[id] {
			out = append(out, fmt.Sprintf("official code %v has no row", id))
		}
	}
	slices.Sort(out)
	return out
}

// fault returns what is wrong with a verdict: it follows from both values, and a difference has its reason.
func (r OracleRow) fault() string {
	switch {
	case r.Ours == "":
		return "what the tables give is not said"
	case r.Verdict == Agrees && r.Ours != r.Oracle:
		return "it agrees, and the values differ"
	case r.Verdict == Differs && r.Ours == r.Oracle:
		return "it differs, and the values are the same"
	case r.Verdict == Differs && (r.Oracle == "" || r.Why == ""):
		return "a difference needs what the page says and a reason"
	case r.Verdict == NoOracle && r.Oracle != "":
		return "there is no oracle, and one is named"
	case !slices.Contains([]string{Agrees, Differs, NoOracle}, r.Verdict):
		return fmt.Sprintf("verdict %q is unknown", r.Verdict)
	}
	return ""
}

// set returns the set of a name.
func (o Oracles) set(name string) OracleSet {
	if i := slices.IndexFunc(o.Sets, func(s OracleSet) bool { return s.Name == name }); i >= 0 {
		return o.Sets[i]
	}
	return OracleSet{}
}

// words says in one line what the outside documents say, of a row whose value is shown beside it.
func (r OracleRow) words(value string) string {
	why, at := "", " ("+r.pages()+")"
	if r.Why != "" {
		why = ": " + r.Why
	}
	switch {
	case value != r.Ours && r.Oracle == "":
		return "no outside document; looked at " + r.pages()
	case value != r.Ours && value != r.Oracle:
		return "outside document differs, it has “" + r.Oracle + "”" + at
	case value != r.Ours:
		return "outside document agrees" + at
	case r.Verdict == Agrees:
		return "outside document agrees" + why + at
	case r.Verdict == Differs:
		return "outside document differs, it has “" + r.Oracle + "”" + why + at
	}
	return "no outside document" + why + "; looked at " + r.pages()
}

// pages names the pages for a sentence.
func (r OracleRow) pages() string { return strings.ReplaceAll(r.Page, pageSeparator, ", ") }

// dropsElement reports whether a path that a table leaves out begins at an element; of a choice, at any of its types.
func dropsElement(path, element string) bool {
	for part := range strings.SplitSeq(path, "|") {
		part = strings.TrimLeft(part, " (")
		end := strings.IndexFunc(part, func(c rune) bool { return !unicode.IsLetter(c) })
		if end < 0 {
			end = len(part)
		}
		rest, found := strings.CutPrefix(element, part[:end])
		if found && end > 0 && (rest == "" || unicode.IsUpper(rune(rest[0])) && isChoice(part[:end])) {
			return true
		}
	}
	return false
}

// isChoice reports whether an element may have one of several types, each with a name of its own.
func isChoice(element string) bool {
	return slices.Contains([]string{"occurrence", "quantity", "asNeeded", "deceased", "multipleBirth"}, element)
}
