package measure

import (
	"maps"
	"slices"
	"strings"

	"refbridge/fhir"
	"refbridge/mapping"
)

// SentPath is a path of what the source sent whose values are nowhere in what is mapped: the step that makes R4 of a referral of e-RS
// left them out, or wrote them in another way.
type SentPath struct {
	Path    string `json:"path"`
	Records int    `json:"records"`
	Missing int    `json:"missing"` // of those
}

// sent compares what the source sent with what is mapped, value by value. It knows nothing of the step between them: a value that
// stands anywhere is taken to be carried over. What a code belongs to, and what ties parts of a document together, is passed over.
func (c *Coverage) sent(in mapping.Sample) {
	if !in.Sent.Exists() {
		return
	}
	carried := map[string]bool{}
	for _, r := range slices.Concat(in.Focus, in.Related) {
		values(r.Root(), carried)
	}
	c.compareSent(in.Sent.Root(), c.sentRoot(typeName(in.Sent.Root())), carried)
}

func (c *Coverage) sentRoot(typ string) *branch {
	if c.asSent[typ] == nil {
		c.asSent[typ] = &branch{path: typ}
	}
	return c.asSent[typ]
}

func values(n fhir.Node, into map[string]bool) {
	switch n.Kind() {
	case fhir.Object:
		for m := range n.Members() {
			values(m, into)
		}
	case fhir.Array:
		for item := range n.Items() {
			values(item, into)
		}
	default:
		into[n.Text()] = true
	}
}

func (c *Coverage) compareSent(n fhir.Node, b *branch, carried map[string]bool) {
	switch n.Kind() {
	case fhir.Object:
		coded := n.Get("code").Kind() == fhir.String && carried[n.Get("code").Text()]
		for m := range n.Members() {
			if !tie(m, n) && !(coded && slices.Contains([]string{"system", "display", "version"}, m.Name())) {
				c.compareSent(m, c.child(b, "."+stepName(m.Name())), carried)
			}
		}
	case fhir.Array:
		for item := range n.Items() {
			c.compareSent(item, c.child(b, itemStep(n, item)), carried)
		}
	case fhir.Missing, fhir.Null:
	default:
		b.all.add(c.sum.Records)
		if !carried[n.Text()] && !carried[lastPart(n.Text())] {
			b.states[0].add(c.sum.Records)
		}
	}
}

// tie tells whether a member holds parts of a document together and says nothing itself.
func tie(m, of fhir.Node) bool {
	switch m.Name() {
	case "resourceType", "reference":
		return true
	case "id":
		return of.Get("resourceType").Exists() && of.Parent().Exists()
	case "url":
		return isExtension(of)
	case "system":
		return of.Get("value").Exists() // of an identifier: NHS has several for the same one
	}
	return false
}

// lastPart gives what a reference ends with.
func lastPart(text string) string { return text[strings.LastIndexByte(text, '/')+1:] }

func (c *Coverage) sentPaths() []SentPath {
	out := []SentPath{}
	for _, typ := range slices.Sorted(maps.Keys(c.asSent)) {
		out = c.asSent[typ].missing(out)
	}
	slices.SortStableFunc(out, func(a, b SentPath) int { return b.Missing - a.Missing })
	return out
}

func (b *branch) missing(out []SentPath) []SentPath {
	if n := b.states[0].records; n > 0 {
		out = append(out, SentPath{Path: b.path, Records: b.all.records, Missing: n})
	}
	for _, step := range slices.Sorted(maps.Keys(b.children)) {
		out = b.children[step].missing(out)
	}
	return out
}
