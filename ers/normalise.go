package ers

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"refbridge/fhir"
)

// Normalise turns an e-RS referral (STU3 ReferralRequest) into FHIR R4: Focus is the ServiceRequest (id: the UBRN;
// meta.versionId: the e-RS version) and, where the referral contains one, its Appointment (id: the number that e-RS
// gives it, else the UBRN); Related are its attachments as DocumentReferences, whose Binary URLs stay relative to the
// R4 base of e-RS, and where it is deferred or to be triaged the Task of that (id: the UBRN), to which supportingInfo points.
//
// The rules are HL7's STU3 to R4 maps for the elements that e-RS documents, and where NHS renders the same data in R4 differently, NHS's
// choice. What else STU3 has (note, priority, requester, …) is not taken over: Lost names it, and the statement raises it. The state
// extension decides over status: e-RS leaves status active for nearly everything. Unknown codes of state and priority
// are carried as they are; mapping tables decide about them. What R4 requires and e-RS does not give is never made up:
// that is an error, which names the element and what is wrong with it and holds no value.
//
// What worklists say of the referral (listed, as ReadWorklist gives it) and the referral does not becomes extensions of the
// ServiceRequest, one for each worklist, under the URLs of e-RS. Where it names the day by which the patient is to be contacted, that is
// the end of the Task's restriction; else it is counted in working days.
func Normalise(referral fhir.Resource, listed ...fhir.Resource) (fhir.Bundle, error) {
	if referral.Type() != "ReferralRequest" {
		return fhir.Bundle{}, errors.New("normalise: not a ReferralRequest")
	}
	n := &normaliser{root: referral.Root()}
	request := n.serviceRequest()
	request.Extension = append(request.Extension, n.listed(listed)...)
	appointment, booked := n.appointment()
	if len(n.tasks) > 0 {
		request.SupportingInfo = append(request.SupportingInfo, r4.Reference{Reference: new("Task/" + n.ubrn)})
	}
	focus := []any{request}
	if booked {
		focus = append(focus, appointment)
	}
	if n.err != nil {
		return fhir.Bundle{}, fmt.Errorf("normalise: %w", n.err)
	}
	var (
		out fhir.Bundle
		err error
	)
	if out.Focus, err = built(focus); err != nil {
		return fhir.Bundle{}, err
	}
	out.Related, err = built(append(n.documents, n.tasks...))
	return out, err
}

// State gives the e-RS state of a normalised referral in the spelling of A005; empty where the bundle has none.
func State(b fhir.Bundle) string {
	for _, r := range b.Focus {
		for ext := range r.Root().Get("extension").Items() {
			if r.Type() == "ServiceRequest" && ext.Get("url").Text() == ExtensionState {
				return part(ext, "state").Get("valueCoding").Get("code").Text()
			}
		}
	}
	return ""
}

// Terminal tells that nothing more will happen to a normalised referral: it was cancelled for good. Every other state
// can come back, rejected and returned referrals too.
func Terminal(b fhir.Bundle) bool { return State(b) == stateCancelled }

func built(list []any) ([]fhir.Resource, error) {
	var out []fhir.Resource
	for _, v := range list {
		raw, err := json.Marshal(v)
		if err != nil {
			return nil, fmt.Errorf("normalise: encode: %w", err)
		}
		r, err := fhir.Parse(raw)
		if err != nil {
			return nil, fmt.Errorf("normalise: %w", err)
		}
		out = append(out, r)
	}
	return out, nil
}

type normaliser struct {
	elements
	root      fhir.Node
	ubrn      string
	state     string // the spelling of A005
	documents []any
	tasks     []any  // deferral or triage
	contact   string // the day by which the patient is to be contacted, as a worklist says it
}

func (n *normaliser) serviceRequest() r4.ServiceRequest {
	n.ubrn = n.word(n.root.Get("id"))
	if n.root.Get("id").Kind() != fhir.String || !ubrnPattern().MatchString(n.ubrn) {
		n.fail(n.root.Get("id"), "not a UBRN of 12 digits")
	}
	state := n.stateExtension() // first: status depends on it
	out := r4.ServiceRequest{
		Id:             &n.ubrn,
		Identifier:     []r4.Identifier{{System: new(fhir.SystemUBRN), Value: &n.ubrn}},
		Extension:      []r4.Extension{state},
		Status:         n.status(),
		Intent:         r4.RequestIntentOrder,
		Category:       []r4.CodeableConcept{{Coding: []r4.Coding{{System: new(systemSNOMED), Code: new("3457005"), Display: new("Patient referral")}}}},
		Subject:        n.subject(),
		Performer:      n.performer(),
		Code:           n.criterion("clinicType"),
		AuthoredOn:     n.text(n.root.Get("authoredOn")),
		SupportingInfo: n.supportingInfo(),
	}
	if version := n.text(n.root.Get("meta").Get("versionId")); version != nil {
		out.Meta = &r4.Meta{VersionId: version}
	}
	for id := range n.root.Get("identifier").Items() {
		if identifier := n.identifier(id); identifier != nil {
			out.Identifier = append(out.Identifier, *identifier)
		}
	}
	if comments := n.text(part(extension(n.root, "ReferralState"), "comments").Get("valueString")); comments != nil {
		out.Note = []r4.Annotation{{Text: *comments}}
	}
	n.specialty(&out)
	n.priority(&out)
	n.carried(&out)
	n.requester(&out)
	return out
}

// stateExtension carries state, reason and comments. A triage outcome that returned the referral shows as state
// TRIAGE_RESPONSE or as TRIAGED_PROVIDER_TO_ACTION with the reason; both become the former.
func (n *normaliser) stateExtension() r4.Extension {
	ext := extension(n.root, "ReferralState")
	state := n.coding(part(ext, "state").Get("valueCoding"))
	out := r4.Extension{Url: ExtensionState}
	if state == nil || state.Code == nil {
		n.missing(n.root, "extension(ReferralState).state")
		return out
	}
	reason := n.coding(part(ext, "reason").Get("valueCoding"))
	n.state = stateOf(*state.Code)
	if n.state == stateTriaged && reason != nil && reason.Code != nil && *reason.Code == reasonReturned {
		n.state = stateReturned
	}
	coding := r4.Coding{System: new(SystemState), Code: &n.state, Display: state.Display}
	if display, known := stateDisplay(n.state); known {
		coding.Display = &display
	}
	out.Extension = []r4.Extension{{Url: "state", ValueCoding: &coding}}
	if reason != nil {
		out.Extension = append(out.Extension, r4.Extension{Url: "reason", ValueCoding: reason})
	}
	if comments := n.text(part(ext, "comments").Get("valueString")); comments != nil {
		out.Extension = append(out.Extension, r4.Extension{Url: "comments", ValueString: comments})
	}
	return out
}

// status follows HL7's concept map of RequestStatus; R4 has no "cancelled".
func (n *normaliser) status() r4.RequestStatus {
	status := n.root.Get("status")
	is := n.word(status)
	if n.state == stateCancelled {
		return r4.RequestStatusRevoked
	}
	switch is {
	case "active":
		return r4.RequestStatusActive
	case "cancelled":
		return r4.RequestStatusRevoked
	case "completed":
		return r4.RequestStatusCompleted
	case "draft":
		return r4.RequestStatusDraft
	case "suspended":
		return r4.RequestStatusOnHold
	case "entered-in-error":
		return r4.RequestStatusEnteredInError
	}
	if !status.Exists() {
		n.missing(n.root, "status")
	}
	n.fail(status, "no status that e-RS documents")
	return r4.RequestStatusUnknown
}

// subject keeps the NHS number as sent, wrong or absent: whether it identifies somebody is decided where it is used.
func (n *normaliser) subject() r4.Reference {
	out := r4.Reference{Type: new("Patient")}
	if s := n.logical(n.root.Get("subject")); s != nil {
		out.Identifier, out.Display = s.Identifier, s.Display
	}
	return out
}

// priority: asap is all that R4 has for TWO_WEEK_WAIT, so the code itself goes along. A code that is not
// documented has no priority, only the extension.
func (n *normaliser) priority(out *r4.ServiceRequest) {
	ext := extension(n.root, "ReferralPriority")
	coding := n.coding(ext.Get("valueCodeableConcept").Get("coding").At(0))
	if coding == nil {
		return
	}
	coding.System = new(SystemPriority)
	out.Extension = append(out.Extension, r4.Extension{Url: ExtensionPriority, ValueCoding: coding})
	if coding.Code == nil {
		return
	}
	switch *coding.Code {
	case "ROUTINE":
		out.Priority = new(r4.RequestPriorityRoutine)
	case "URGENT":
		out.Priority = new(r4.RequestPriorityUrgent)
	case "TWO_WEEK_WAIT":
		out.Priority = new(r4.RequestPriorityAsap)
	}
}

// carried copies the extensions that say something R4 has no element for, under the URLs of e-RS.
func (n *normaliser) carried(out *r4.ServiceRequest) {
	for _, name := range []string{"eReferralPathwayStart", "ClinicalInfoFirstSubmitted", "ClinicalInfoLastUpdated"} {
		if at := n.instant(extension(n.root, name)); at != nil {
			out.Extension = append(out.Extension, r4.Extension{Url: stu3Extension + name + "-1", ValueDateTime: at})
		}
	}
	rule := extension(n.root, "Commissioning-Rule-Org")
	if id := n.identifier(rule.Get("valueIdentifier")); id != nil {
		out.Extension = append(out.Extension, r4.Extension{Url: stu3Extension + "Commissioning-Rule-Org-1", ValueIdentifier: id})
	}
	for ext := range n.root.Get("extension").Items() {
		if !extensionIs(ext, "PatientAdditionalRequirement") {
			continue
		}
		if need := n.coding(ext.Get("valueCoding")); need != nil {
			out.Extension = append(out.Extension, r4.Extension{Url: stu3Extension + "PatientAdditionalRequirement-1", ValueCoding: need})
		}
	}
	n.unknown(out)
}

// unknown copies the extensions that nothing here knows, so that tables can map what e-RS sends newly. One that R4 has no type for is
// left out: it does not hold back its referral.
func (n *normaliser) unknown(out *r4.ServiceRequest) {
	for ext := range n.root.Get("extension").Items() {
		if slices.ContainsFunc(extensions(), func(name string) bool { return extensionIs(ext, name) }) {
			continue
		}
		if copied, ok := copyOf(ext); ok {
			n.sawAll(ext)
			out.Extension = append(out.Extension, copied)
		}
	}
}

// copyOf gives an extension in R4 where that says the same: it is decoded by names in whatever case, and what it points to in its
// referral does not come along.
func copyOf(ext fhir.Node) (r4.Extension, bool) {
	var copied r4.Extension
	strict := json.NewDecoder(bytes.NewReader(ext.AppendRaw(nil)))
	strict.DisallowUnknownFields()
	if !filled(ext) || pointsInside(ext) || strict.Decode(&copied) != nil || copied.Url == "" {
		return r4.Extension{}, false
	}
	list, err := built([]any{r4.Basic{Extension: []r4.Extension{copied}}})
	return copied, err == nil && same(ext, list[0].Root().Get("extension").At(0))
}

// pointsInside tells whether something below n refers to a contained resource.
func pointsInside(n fhir.Node) bool {
	if local(n) {
		return true
	}
	for m := n.First(); m.Exists(); m = m.Next() {
		if pointsInside(m) {
			return true
		}
	}
	return false
}

// local tells whether a node is a reference to a contained resource.
func local(n fhir.Node) bool { return n.Name() == "reference" && strings.HasPrefix(n.Text(), "#") }

// same tells whether two nodes have the same members with the same values, in whatever order.
func same(a, b fhir.Node) bool {
	if a.Kind() != b.Kind() || a.Len() != b.Len() {
		return false
	}
	switch a.Kind() {
	case fhir.Object:
		for m := range a.Members() {
			if !same(m, b.Get(m.Name())) {
				return false
			}
		}
		return true
	case fhir.Array:
		for m, other := a.First(), b.First(); m.Exists(); m, other = m.Next(), other.Next() {
			if !same(m, other) {
				return false
			}
		}
		return true
	}
	return a.Text() == b.Text()
}

// filled tells that nothing below n is empty: R4 has no empty elements.
func filled(n fhir.Node) bool {
	for m := n.First(); m.Exists(); m = m.Next() {
		if !filled(m) {
			return false
		}
	}
	return n.Len() > 0 || n.Kind() != fhir.Object && n.Kind() != fhir.Array && n.Text() != ""
}

// extensions are those of a referral that are read one by one.
func extensions() []string {
	return []string{"ReferralState", "ReferralPriority", "eReferralPathwayStart", "ClinicalInfoFirstSubmitted", "ClinicalInfoLastUpdated",
		"Commissioning-Rule-Org", "PatientAdditionalRequirement", "Appointment", "Appointment-Reference", "ReferralShortlist"}
}

// derived marks an element that e-RS does not send, and names what stands in.
func derived(element, from string) r4.Extension {
	return r4.Extension{Url: ExtensionDerived, Extension: []r4.Extension{
		{Url: "element", ValueString: &element},
		{Url: "from", ValueString: &from},
	}}
}

// requester: e-RS does not name the referrer to a provider. Where all letters of the referrer were attached by
// one organisation, that one stands in, and is marked so. The commissioning rule's organisation is not the requester.
func (n *normaliser) requester(out *r4.ServiceRequest) {
	var found *r4.Reference
	for d := range n.containedOf("DocumentReference") {
		if d.Get("type").Get("coding").At(0).Get("code").Text() != "REFERRER" {
			continue
		}
		by := n.logical(extension(d.Get("content").At(0).Get("attachment"), "AttachedByOrganisation").Get("valueReference"))
		if by == nil || by.Identifier == nil || by.Identifier.Value == nil {
			continue
		}
		if found != nil && *found.Identifier.Value != *by.Identifier.Value {
			return
		}
		found = by
	}
	if found != nil {
		found.Type = new("Organization")
		out.Requester = found
		out.Extension = append(out.Extension, derived("requester", "AttachedByOrganisation"))
	}
}

// performer is the service of the current appointment; without one the only service of the shortlist. A longer
// shortlist is a choice that nobody has made yet.
func (n *normaliser) performer() []r4.Reference {
	if a, ok := n.contained("Appointment", extension(n.root, "Appointment")); ok {
		for p := range a.Get("participant").Items() {
			actor := n.logical(p.Get("actor"))
			if actor != nil && actor.Type != nil && *actor.Type == "HealthcareService" {
				return []r4.Reference{*actor}
			}
		}
	}
	list, ok := n.contained("List", extension(n.root, "ReferralShortlist"))
	if !ok || list.Get("entry").Len() != 1 {
		return nil
	}
	item := n.logical(list.Get("entry").At(0).Get("item"))
	if item == nil {
		return nil
	}
	return []r4.Reference{*item}
}

// specialty is that of the referral. One that nobody has booked yet has none: the specialty that its services were searched with
// stands in, as in NHS's R4 rendering, and is marked so.
func (n *normaliser) specialty(out *r4.ServiceRequest) {
	if out.PerformerType = n.concept(n.root.Get("specialty")); out.PerformerType != nil {
		return
	}
	if out.PerformerType = n.criterion("specialty"); out.PerformerType != nil {
		out.Extension = append(out.Extension, derived("performerType", "specialty"))
	}
}

// criterion returns what the services were searched with; nothing where two searches say different things. The clinic type is the
// nearest that e-RS has to what was asked for.
func (n *normaliser) criterion(name string) *r4.CodeableConcept {
	var found fhir.Node
	for criteria := range n.containedOf("Parameters") {
		for p := range criteria.Get("parameter").Items() {
			value := p.Get("valueCoding")
			if p.Get("name").Text() != name || !value.Exists() {
				continue
			}
			if found.Exists() && found.Get("code").Text() != value.Get("code").Text() {
				return nil
			}
			if !found.Exists() {
				found = value
			}
		}
	}
	coding := n.coding(found)
	if coding == nil {
		return nil
	}
	n.saw(found.Parent().Get("name"))
	return &r4.CodeableConcept{Coding: []r4.Coding{*coding}}
}

// contained finds a contained resource: the one that the extension's reference names, else the first of its type.
func (n *normaliser) contained(typ string, pointer fhir.Node) (fhir.Node, bool) {
	id := strings.TrimPrefix(pointer.Get("valueReference").Get("reference").Text(), "#")
	var first fhir.Node
	for c := range n.containedOf(typ) {
		if id != "" && c.Get("id").Text() == id {
			return c, true
		}
		if !first.Exists() {
			first = c
		}
	}
	return first, first.Exists()
}
