package lint

import (
	"fmt"
	"slices"
	"strings"

	"refbridge/mapping"
)

//go:generate go run generate_bindings.go

// r4Binding is a value set that elements of R4 must have a code of.
type r4Binding struct{ name, system, codes, bound string }

// codeSet is a value set that a source is bound to.
type codeSet struct {
	name, system string // system: where the set is the whole of one
	codes        []string
	also         []string // other spellings of them, which a table may list
}

// codeSets are the sets that lint knows: the required bindings of FHIR R4 and the lists of NHS e-RS.
type codeSets struct {
	byElement   map[string]*codeSet // "ServiceRequest.status"
	byExtension map[string]*codeSet // by the URLs from outside in, with spaces between them
	bySystem    map[string]*codeSet
}

func newCodeSets() *codeSets {
	s := &codeSets{map[string]*codeSet{}, map[string]*codeSet{}, map[string]*codeSet{}}
	for _, b := range r4Bindings {
		set := &codeSet{name: b.name, system: b.system, codes: strings.Fields(b.codes)}
		for element := range strings.FieldsSeq(b.bound) {
			s.byElement[element] = set
		}
		if b.system != "" {
			s.bySystem[b.system] = set
		}
	}
	state, priority := ersSets()
	s.bySystem[state.system], s.bySystem[priority.system] = state, priority
	s.byExtension[extensionState+" state"], s.byExtension[extensionPriority] = state, priority
	return s
}

// ersSets are lists of NHS e-RS (A005: Extension-eRS-ReferralState, Extension-eRS-ReferralPriority).
func ersSets() (state, priority *codeSet) {
	const nhs = "https://fhir.nhs.uk/CodeSystem/"
	words := strings.Fields
	return &codeSet{"eRS-ReferralState", nhs + "eRS-ReferralState", words(`NOT_BOOKED BOOKED DEFERRED_TO_PROVIDER AWAITING_TRIAGE
			TRIAGED_PROVIDER_TO_ACTION TRIAGE_RESPONSE REJECTED APPT_CANCELLED_BY_PATIENT APPT_CANCELLED_BY_PROVIDER
			DID_NOT_ATTEND ASSESSMENT_RESULT CANCELLED_REFERRAL`),
			words(`APP_CANCELLED_BY_PATIENT APP_CANCELLED_BY_PROVIDER APPOINTMENT_CANCELLED_BY_PATIENT
			APPOINTMENT_CANCELLED_BY_PROVIDER DEFER_TO_PROVIDER CARL ARBL CARBL_OR_ARL CANCELLED`)},
		&codeSet{"eRS-Priority", nhs + "eRS-Priority", words("ROUTINE URGENT TWO_WEEK_WAIT"), nil}
}

// extension gives the value set of the extension of e-RS that all ways lead to; nil where it is bound to none.
func (s *codeSets) extension(ways [][]string) *codeSet {
	var out *codeSet
	for _, way := range ways {
		set := s.byExtension[strings.Join(codedExtension(way), " ")]
		if set == nil || out != nil && out != set {
			return nil
		}
		out = set
	}
	return out
}

// codedExtension gives the URLs of the extension whose code a way ends with.
func codedExtension(way []string) []string {
	way = slices.DeleteFunc(slices.Clone(way), func(step string) bool { return counts(step) || strings.HasPrefix(step, "ofType(") })
	if i := len(way) - 1; i > 0 && way[i] == "code" {
		way = way[:i]
	}
	if i := len(way) - 1; i > 0 && way[i] == "value" {
		return urlsAt(way[:i])
	}
	return nil
}

// codes compares a value table with the value sets that its source can have: by the element of a path, or by the
// systems that the table names.
func (l *linter) codes(values *mapping.ValueTable, paths []*mapping.Path, e *expander) {
	if values == nil {
		return
	}
	for _, p := range paths {
		if set := l.sets.byElement[p.Expr.Known().Element()]; set != nil {
			l.covers(values, set, coded{all: true})
			return
		}
		if set := l.sets.extension(e.expanded(p)); set != nil && !e.own() {
			l.covers(values, set, coded{set.system, true})
			return
		}
	}
	seen := map[string]bool{}
	for _, c := range values.Codes {
		if set := l.sets.bySystem[c.System]; set != nil && !seen[c.System] {
			seen[c.System] = true
			l.covers(values, set, coded{set.system, false})
		}
	}
}

// coded says what is known of the codes of a source.
type coded struct {
	system string // that they come with; a code element has none
	all    bool   // they are of one set
}

// covers warns of codes of the set without a row, where they would hold the record without the author's word, and of
// rows that no code of the set can reach.
func (l *linter) covers(values *mapping.ValueTable, set *codeSet, source coded) {
	var missing []string
	for _, code := range set.codes {
		if _, ok := values.Find(mapping.Coding{System: source.system, Code: code}); !ok {
			missing = append(missing, code)
		}
	}
	meant := l.named(values.Place, "unlisted") != nil
	if len(missing) > 0 && values.Unlisted == mapping.UnlistedHold && !meant {
		l.warn("uncovered-code", values.Place, "",
			fmt.Sprintf("value table %s has no row for %s of %s: such a record is held", mapping.Short(values.Name), someOf(missing), set.name),
			"add rows, or write unlisted: hold to say that it is meant")
	}
	for _, c := range values.Codes {
		mine := set.system != "" && c.System == set.system || source.all && c.System == ""
		if mine && c.Code != "" && !slices.Contains(set.codes, c.Code) && !slices.Contains(set.also, c.Code) {
			l.warn("unknown-code", l.at(c.Place, "code"), "", fmt.Sprintf("%s has no code %s: the row is never used", set.name, mapping.ShowCode(c.Code)),
				mapping.Nearest(c.Code, set.codes))
		}
	}
}

// someOf names codes, the first of them where there are many.
func someOf(codes []string) string {
	const most = 12
	if len(codes) > most {
		return fmt.Sprintf("%s and %d more", strings.Join(codes[:most], ", "), len(codes)-most)
	}
	return strings.Join(codes, ", ")
}
