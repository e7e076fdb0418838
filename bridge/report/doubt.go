package report

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"time"

	"refbridge/fhir"
	"refbridge/ledger"
)

// Doubt is a write whose outcome nobody saw. It holds names of fields and no values.
type Doubt struct {
	Source string    `json:"source"`
	Ref    string    `json:"ref"`
	Write  string    `json:"write"` // create or update
	Object string    `json:"object"`
	Key    string    `json:"key"`
	Fields []string  `json:"fields"`
	Since  time.Time `json:"since"`
	Until  time.Time `json:"until"` // after it the write cannot take effect any more
}

// DoubtsOf returns open intents as they are shown.
func DoubtsOf(open []ledger.Intent) []Doubt {
	out := []Doubt{}
	for _, in := range open {
		j := Doubt{Source: in.Source, Ref: in.Ref.String(), Write: "update", Object: in.Object, Key: shortHash(in.Key),
			Fields: []string{}, Since: in.Created.UTC(), Until: in.Deadline.UTC()}
		if in.Creates {
			j.Write = "create"
		}
		for _, f := range in.Meant.Fields {
			j.Fields = append(j.Fields, f.Name)
		}
		out = append(out, j)
	}
	return out
}

// DoubtsAbout returns those that are about a record of a source: of one version, where the reference names one.
func DoubtsAbout(all []Doubt, source string, ref fhir.Reference) []Doubt {
	return slices.DeleteFunc(slices.Clone(all), func(d Doubt) bool {
		return d.Source != source || d.Ref != ref.String() && !(ref.Version == "" && strings.HasPrefix(d.Ref, ref.String()+"/"))
	})
}

// PrintDoubts lists the writes that are in doubt.
func PrintDoubts(w io.Writer, all []Doubt) {
	for _, d := range all {
		fmt.Fprintf(w, "in doubt: %s of %s %s\n    %s\n", d.Write, d.Object, d.Key, Wrap(fmt.Sprintf("for %s %s, sent %s; nobody saw the answer, and it may still take effect until %s: %s",
			d.Source, d.Ref, exactly(d.Since), exactly(d.Until), strings.Join(d.Fields, ", ")), 4))
	}
	if len(all) > 0 {
		fmt.Fprintln(w)
	}
}
