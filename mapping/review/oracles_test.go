package review

import (
	"encoding/json"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/mapping"
)

func oracles(t *testing.T) Oracles {
	t.Helper()
	o, err := ReadOracles()
	require.NoError(t, err)
	require.Greater(t, len(o.Rows), 400)
	return o
}

func TestFinding_values_Oracles_EveryOfficialCodeHasARowWithAVerdict(t *testing.T) {
	assert.Empty(t, oracles(t).Faults())
}

func TestFinding_values_Oracles_TheTableSaysWhatTheStarterTablesGive(t *testing.T) {
	o, world := oracles(t), oracleWorld{set: starterTables(t), elements: oracleElements(t)}
	for _, r := range o.Rows {
		assert.Equal(t, r.Ours, world.gives(t, o, r), "%s %s: %s", r.Set, r.Code, r.Target)
	}
}

func TestFinding_values_Oracles_AFaultOfTheTableIsFound(t *testing.T) {
	good := OracleRow{Set: "s", Code: "a", Target: "X.Y", Ours: "A", Oracle: "A", Page: "p", Verdict: Agrees}
	for name, c := range map[string]struct {
		change func(*Oracles)
		want   string
	}{
		"an official code without a row": {func(o *Oracles) { o.Sets[0].Codes = []string{"a", "b"} }, "official code [s b X.Y] has no row"},
		"a target without a row":         {func(o *Oracles) { o.Sets[0].Targets = []string{"X.Y", "X.Z"} }, "official code [s a X.Z] has no row"},
		"a row of no official code":      {func(o *Oracles) { o.Sets[0].Codes = []string{} }, "row [s a X.Y] is of no official set"},
		"a row twice":                    {func(o *Oracles) { o.Rows = append(o.Rows, good) }, "row [s a X.Y] stands twice"},
		"a difference without a reason":  {func(o *Oracles) { o.Rows[0].Ours, o.Rows[0].Verdict = "B", Differs }, "a difference needs"},
		"a difference that is none":      {func(o *Oracles) { o.Rows[0].Verdict, o.Rows[0].Why = Differs, "so" }, "the values are the same"},
		"a verdict that is not known":    {func(o *Oracles) { o.Rows[0].Verdict = "perhaps" }, `verdict "perhaps" is unknown`},
		"values that do not agree":       {func(o *Oracles) { o.Rows[0].Ours = "B" }, "it agrees, and the values differ"},
		"an oracle that is none":         {func(o *Oracles) { o.Rows[0].Verdict = NoOracle }, "there is no oracle, and one is named"},
		"no value of ours":               {func(o *Oracles) { o.Rows[0].Ours = "" }, "what the tables give is not said"},
		"a page that is not listed":      {func(o *Oracles) { o.Rows[0].Page = "q" }, `page "q" is not listed`},
		"no page looked at": {func(o *Oracles) { o.Rows[0].Page, o.Rows[0].Oracle, o.Rows[0].Verdict = "", "", NoOracle },
			`page "" is not listed`},
	} {
		t.Run(name, func(t *testing.T) {
			o := Oracles{Pages: map[string]string{"p": "http://p.example"}, Rows: []OracleRow{good},
				Sets: []OracleSet{{Name: "s", Page: "p", Targets: []string{"X.Y"}, Codes: []string{"a"}}}}
			require.Empty(t, o.Faults())
			c.change(&o)
			assert.Contains(t, strings.Join(o.Faults(), "\n"), c.want)
		})
	}
}

// oracleWorld says what the starter tables make of a code or an element, by mapping it.
type oracleWorld struct {
	set      *mapping.Set
	elements map[string]elementProbe
}

// elementProbe is a resource with, and without, each of some elements.
type elementProbe struct {
	Resource, At string
	Base, With   map[string]any
}

func oracleElements(t *testing.T) map[string]elementProbe {
	t.Helper()
	src, err := os.ReadFile("testdata/oracle-elements.json")
	require.NoError(t, err)
	var out map[string]elementProbe
	require.NoError(t, json.Unmarshal(src, &out))
	return out
}

func (w oracleWorld) gives(t *testing.T, o Oracles, r OracleRow) string {
	t.Helper()
	set := o.set(r.Set)
	switch {
	case r.Target == oracleFields:
		return w.fields(t, set, r.Code)
	case r.Target == "made from":
		from := o.set(set.From)
		return orNone(slices.DeleteFunc(slices.Clone(from.Codes), func(code string) bool {
			return w.field(t, set.Made, focusOf(from, code, set.Made)) != r.Code
		}), "no code")
	case r.Target == "sent when IsAccepted is ticked":
		return w.sent("IsAccepted", "true", r.Code)
	case r.Target == "sent when Status becomes Revoked":
		return w.sent("Status", "Revoked", r.Code)
	case !strings.Contains(r.Target, "."):
		v := w.set.Values()[r.Target]
		require.NotNil(t, v, r.Target)
		require.Equal(t, mapping.UnlistedHold, v.Unlisted)
		if row, ok := v.Find(mapping.Coding{Code: r.Code}); ok {
			return row.To.Reveal()
		}
		return "held"
	}
	return w.field(t, r.Target, focusOf(set, r.Code, r.Target))
}

func orNone(list []string, none string) string {
	if len(list) == 0 {
		return none
	}
	return strings.Join(list, ", ")
}

// sent names the operations of e-RS that a change in Salesforce becomes while the referral is in a state.
func (w oracleWorld) sent(field, to, state string) string {
	var out []string
	for _, table := range w.set.Tables() {
		for _, b := range table.Back {
			in := func(c mapping.Condition) bool {
				return c.Field == "Bridge_Source_State__c" && slices.Contains(c.Values, state)
			}
			if b.Dialect == "ers" && slices.Contains(b.Changed, field) && slices.Contains(b.To, to) && slices.ContainsFunc(b.While, in) {
				out = append(out, strings.TrimPrefix(b.Name, "$ers."))
			}
		}
	}
	return orNone(out, "nothing")
}

// field maps a resource and returns one field of it: "held", "kept" (it is not written, or only where the source has a value),
// "empty", or its value.
func (w oracleWorld) field(t *testing.T, target string, focus map[string]any) string {
	t.Helper()
	object, name, _ := strings.Cut(target, ".")
	records, held := w.mapped(t, focus, nil)
	if held {
		return "held"
	}
	for _, m := range records {
		if m.Record.Object != object {
			continue
		}
		for _, f := range m.Record.Fields {
			if f.Name == name && f.Value.IsNull() && f.KeepIfAbsent {
				return "kept"
			}
			if f.Name == name && f.Value.IsNull() {
				return "empty"
			}
			if f.Name == name {
				return f.Value.Reveal()
			}
		}
		return "kept"
	}
	return "no record"
}

func (w oracleWorld) mapped(t *testing.T, focus map[string]any, related map[string]any) ([]mapping.Mapped, bool) {
	t.Helper()
	in := mapping.Input{Focus: oracleResource(t, focus), Now: time.Date(2026, 6, 1, 9, 0, 0, 0, time.UTC),
		Variables: map[string]string{"source": "epr", "run": "live", "patientMode": "link", "system": "https://epr.example.nhs.uk/fhir"}}
	if focus["contained"] != nil {
		in.Variables["patientMode"] = "create"
	}
	if related != nil {
		in.Related, in.Variables["patientMode"] = []fhir.Resource{oracleResource(t, related)}, "create"
	}
	out, err := w.set.Map(in)
	return out.Records, err != nil
}

func oracleResource(t *testing.T, v map[string]any) fhir.Resource {
	t.Helper()
	src, err := json.Marshal(v)
	require.NoError(t, err)
	r, err := fhir.Parse(src)
	require.NoError(t, err)
	return r
}

type object = map[string]any
type list = []any

func baseRequest() object {
	return object{"resourceType": "ServiceRequest", "id": "sr-1", "status": "active", "intent": "order",
		"subject": object{"identifier": object{"system": fhir.SystemNHSNumber, "value": "9990000018"}}}
}

func baseAppointment() object {
	return object{"resourceType": "Appointment", "id": "ap-1", "status": "pending", "created": "2026-06-01T10:00:00Z",
		"basedOn": list{object{"reference": "ServiceRequest/sr-1"}}, "participant": list{object{"status": "accepted"}}}
}

func basePatient() object {
	return object{"resourceType": "Patient", "id": "p1", "name": list{object{"family": "Wintergreen", "given": list{"Ada"}}},
		"identifier": list{object{"system": fhir.SystemNHSNumber, "value": "9990000018"}}}
}

// focusOf is a resource that carries a code of a set where the source has it.
func focusOf(set OracleSet, code, target string) object {
	r, a, p := baseRequest(), baseAppointment(), basePatient()
	coding := object{"system": set.System, "code": code}
	switch set.Name {
	case "FHIR request-status":
		r["status"] = code
	case "FHIR request-intent":
		r["intent"] = code
	case "FHIR request-priority":
		r["priority"] = code
	case "FHIR identifier-use":
		r["identifier"] = list{object{"use": code, "system": "https://epr.example.nhs.uk/order", "value": "A-1"}}
	case "e-RS priority":
		r["extension"] = list{object{"url": "https://fhir.nhs.uk/StructureDefinition/Extension-ServiceRequest-Priority", "valueCoding": coding}}
	case "FHIR administrative-gender":
		p["gender"] = code
		r["subject"], r["contained"] = object{"reference": "#p1"}, list{p}
	case "FHIR appointmentstatus":
		a["status"] = code
		return a
	case "e-RS state", "e-RS state in NHS's R4 rendering", "e-RS state as worklists spell it":
		r["extension"] = list{ersState(object{"url": "state", "valueCoding": coding})}
	default:
		if strings.HasPrefix(target, "ServiceAppointment.") {
			a["status"], a["cancelationReason"] = "cancelled", object{"coding": list{coding}}
			return a
		}
		r["extension"] = list{ersState(object{"url": "state", "valueCoding": object{"code": "REJECTED",
			"system": "https://fhir.nhs.uk/CodeSystem/eRS-ReferralState"}}, object{"url": "reason", "valueCoding": coding})}
	}
	return r
}

func ersState(parts ...any) object {
	return object{"url": "https://fhir.nhs.uk/StructureDefinition/Extension-eRS-ServiceRequest-State", "extension": parts}
}

// fields names what changes in Salesforce when an element is there: fields of the set's object, and other objects.
func (w oracleWorld) fields(t *testing.T, set OracleSet, element string) string {
	t.Helper()
	probe, known := w.elements[set.Name]
	require.True(t, known, "testdata/oracle-elements.json has no %s", set.Name)
	value, known := probe.With[element]
	require.True(t, known, "testdata/oracle-elements.json has no %s.%s", set.Name, element)
	before, _ := w.flat(t, set.Object, probe, "", nil)
	after, held := w.flat(t, set.Object, probe, element, value)
	if held {
		return "held"
	}
	var out []string
	for _, name := range slices.Concat(keys(before), keys(after)) {
		if fmt.Sprint(before[name]) == fmt.Sprint(after[name]) {
			continue
		}
		if name, _ := strings.CutPrefix(name, set.Object+"."); !slices.Contains(out, name) {
			out = append(out, name)
		}
	}
	slices.Sort(out)
	if len(out) == 0 && !w.dropped(set, probe, element) {
		return "nothing"
	}
	return orNone(out, "left out")
}

func keys(m map[string][]string) []string {
	var out []string
	for k := range m {
		out = append(out, k)
	}
	return out
}

// flat maps a probe and returns the values of its records: those of the object by field, those of others by object.
func (w oracleWorld) flat(t *testing.T, main string, p elementProbe, element string, value any) (map[string][]string, bool) {
	t.Helper()
	focus := map[string]func() object{"ServiceRequest": baseRequest, "Appointment": baseAppointment, "Patient": basePatient}[p.Resource]()
	for k, v := range p.Base {
		focus[k] = v
	}
	focus = oracleCopy(t, focus)
	if element != "" {
		place(focus, p.At)[element] = value
	}
	var related object
	if p.Resource == "Patient" {
		request := baseRequest()
		request["subject"] = object{"reference": "Patient/p1"}
		focus, related = request, focus
	}
	records, held := w.mapped(t, focus, related)
	out := map[string][]string{}
	for _, m := range records {
		shared := m.Record.Object == "CodeSet" || m.Record.Object == "CodeSetBundle"
		if (shared || p.At != "") && m.Record.Object != main {
			continue
		}
		for _, f := range m.Record.Fields {
			name := m.Record.Object
			if name == main {
				name += "." + f.Name
			}
			out[name] = append(out[name], f.Value.Reveal()+f.Value.LookupKey())
		}
	}
	return out, held
}

func oracleCopy(t *testing.T, v object) object {
	t.Helper()
	src, err := json.Marshal(v)
	require.NoError(t, err)
	out := object{}
	require.NoError(t, json.Unmarshal(src, &out))
	return out
}

// place returns the object at a path such as code.coding.0.
func place(v any, path string) object {
	for part := range strings.SplitSeq(path, ".") {
		switch x := v.(type) {
		case object:
			if path != "" {
				v = x[part]
			}
		case list:
			v = x[0]
		}
	}
	return v.(object)
}

// dropped reports whether a table leaves an element out by name.
func (w oracleWorld) dropped(set OracleSet, p elementProbe, element string) bool {
	for _, table := range w.set.Tables() {
		for _, d := range table.Drops {
			path := d.Path.Text
			part := p.At != "" && strings.Contains(path, p.At) && strings.HasSuffix(path, "."+element)
			whole := makes(table) == set.Object && (p.At == "" || p.Resource == "ServiceRequest")
			if part || whole && dropsElement(path, element) {
				return true
			}
		}
	}
	return false
}

func TestFinding_values_Oracles_TheReviewShowsThemBesideTheRows(t *testing.T) {
	_, page, text := starterReview(t, starterTables(t))
	for _, want := range []string{
		"outside document agrees: urgent suspected cancer; rendered as asap, and half the contact days of urgent (nhs-r4-request",
		"ServiceRequest.requester: outside document differs, it has “RequesterId”: practitioners and organisations are not synced",
		"e-RS referral cancellation reason, 18 codes: 18 agree (nhs-r4-reason",
		"ServiceRequest.authoredOn: outside document agrees",
		"Against outside documents",
		"specification/components/schemas/codings/ServiceRequest-State.yaml",
	} {
		assert.Contains(t, page, want)
		assert.Contains(t, text, want)
	}
}

func TestFinding_values_Oracles_AnEditedValueIsHeldAgainstThePage(t *testing.T) {
	src := starterSource(t)
	src["values.yaml"].Data = []byte(strings.Replace(string(src["values.yaml"].Data), "{code: TWO_WEEK_WAIT, to: ASAP", "{code: TWO_WEEK_WAIT, to: Urgent", 1))
	set, err := mapping.Load(src, mapping.Options{PatientKey: testKey})
	require.NoError(t, err)
	_, _, text := starterReview(t, set)
	assert.Contains(t, text, "| `TWO_WEEK_WAIT` | Urgent | urgent suspected cancer<br>outside document differs, it has “ASAP” (nhs-r4-request")
}
