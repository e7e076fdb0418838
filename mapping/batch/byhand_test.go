package batch

import (
	"bytes"
	"cmp"
	"encoding/json"
	"os"
	"slices"
	"strings"
	"time"

	"go.yaml.in/yaml/v3"
)

// The mapping of testdata/bench once more, by hand on encoding/json structs: what a programmer writes without an engine. It is the
// yardstick of the benchmarks, and the tables must give the same for every record.

type (
	handCoding  struct{ System, Code, Display string }
	handConcept struct {
		Coding []handCoding
		Text   string
	}
	handExtension struct {
		URL                  string
		Extension            []handExtension
		ValueCodeableConcept *handConcept
		ValueCoding          *handCoding
		ValueInstant         string
	}
	handIdentifier struct {
		System, Value string
		Extension     []handExtension
	}
	handReference struct {
		Reference, Type, Display string
		Identifier               handIdentifier
	}
	handPeriod struct{ Start, End string }
	handName   struct {
		Use, Family   string
		Given, Prefix []string
	}
	handContained struct {
		ResourceType, ID, Gender, BirthDate string
		Identifier                          []handIdentifier
		Name                                json.RawMessage // names of a person, or a text
		Telecom                             []struct{ System, Use, Value string }
		Address                             []struct {
			Use, City, District, PostalCode, Country string
			Line                                     []string
			Period                                   handPeriod
		}
		Practitioner, Organization handReference
	}
	handRequest struct {
		ID, Status, Intent, Priority, AuthoredOn, OccurrenceDateTime, PatientInstruction string

		Meta                           struct{ VersionID string }
		Contained                      []handContained
		Extension                      []handExtension
		Identifier                     []handIdentifier
		Category, ReasonCode, BodySite []handConcept
		Code                           handConcept
		Subject, Requester             handReference
		Performer, SupportingInfo      []handReference
		OccurrencePeriod               handPeriod
		Note                           []struct{ AuthorString, Time, Text string }
	}
)

// What comes out; empty texts are left out.
type (
	handPatient struct {
		Salutation, FirstName, MiddleName, LastName, PersonBirthdate, HealthCloudGA__Gender__pc, Phone, PersonMobilePhone,
		PersonEmail, PersonMailingStreet, PersonMailingCity, PersonMailingState, PersonMailingPostalCode, PersonMailingCountry,
		NHS_Number__c, NHS_Number_Status__c, NHS_Number_Raw__c string `json:",omitempty"`
		NHS_Number_Verified__c bool
	}
	handRequester struct {
		Name, GMC_Number__c, SDS_User_Id__c, ODS_Code__c, Organization_Name__c string `json:",omitempty"`
	}
	handPerformer struct {
		Name, SourceSystemIdentifier string `json:",omitempty"`
	}
	handReferral struct {
		SourceSystem, SourceSystemIdentifier, FHIR_Id__c, FHIR_Version__c, Status, Priority, Type, Category__c, ServiceCode__c,
		ServiceName__c, Specialty__c, AuthoredOn__c, OccurrenceStart__c, OccurrenceEnd__c, PathwayStartDate__c, DueDate__c,
		PatientInstruction, Reason__c, ReferralState__c string `json:",omitempty"`
		AttachmentCount__c int
		Is_Active__c       bool
	}
	handDetail struct {
		DetailType       string `json:"detailType"`
		DetailRecordType string `json:"detailRecordType"`
		Fields           struct {
			Code__c, Name, SourceSystemIdentifier string `json:",omitempty"`
		} `json:"fields"`
	}
	handWith[T any] struct {
		Fields T `json:"fields"`
	}
	handBody struct {
		Patient    handWith[handPatient]     `json:"patient"`
		Requester  *handWith[handRequester]  `json:"requester,omitempty"`
		Performers []handWith[handPerformer] `json:"performers,omitempty"`
		Referral   handWith[handReferral]    `json:"referral"`
		Notes      string                    `json:"referralNotes,omitempty"`
		Details    []handDetail              `json:"referralDetails,omitempty"`
		Confident  bool                      `json:"shouldUseHighConfidenceMatch"`
	}
)

type byHand struct {
	values map[string]map[string]string
	terms  map[string][2]string // term and specialty
}

// newByHand reads the value tables of the bench in its own way.
func newByHand(dir string) (*byHand, error) {
	h := &byHand{values: map[string]map[string]string{}, terms: map[string][2]string{}}
	for _, file := range []string{"values.yaml", "snomed.yaml"} {
		src, err := os.ReadFile(dir + "/" + file)
		if err != nil {
			return nil, err
		}
		var doc struct {
			Values map[string]struct {
				Codes []struct {
					Code string
					To   yaml.Node
				}
			}
		}
		if err := yaml.Unmarshal(src, &doc); err != nil {
			return nil, err
		}
		for name, table := range doc.Values {
			h.values[name] = map[string]string{}
			for _, c := range table.Codes {
				var columns struct{ Term, Specialty string }
				if c.To.Decode(&columns) == nil {
					h.terms[c.Code] = [2]string{columns.Term, columns.Specialty}
				}
				h.values[name][c.Code] = c.To.Value
			}
		}
	}
	return h, nil
}

func (h *byHand) appendBody(dst, line []byte) ([]byte, error) {
	var r handRequest
	if err := json.Unmarshal(line, &r); err != nil {
		return dst, err
	}
	var body handBody
	h.patient(&body.Patient.Fields, &r)
	body.Confident = body.Patient.Fields.NHS_Number_Status__c == "Valid"
	var requester handRequester
	if h.requester(&requester, &r); requester != (handRequester{}) {
		body.Requester = &handWith[handRequester]{requester}
	}
	body.Performers, body.Details, body.Notes = h.performers(&r), h.details(&r), handNotes(&r)
	h.referral(&body.Referral.Fields, &r)
	var out bytes.Buffer
	e := json.NewEncoder(&out)
	e.SetEscapeHTML(false)
	err := e.Encode(&body)
	return append(dst, bytes.TrimRight(out.Bytes(), "\n")...), err
}

func (r *handRequest) byID(reference string) *handContained {
	id, local := strings.CutPrefix(reference, "#")
	at := slices.IndexFunc(r.Contained, func(c handContained) bool { return c.ID == id })
	if !local || at < 0 {
		return nil
	}
	return &r.Contained[at]
}

func (h *byHand) patient(f *handPatient, r *handRequest) {
	f.LastName, f.HealthCloudGA__Gender__pc = "Unknown", "Unknown"
	given := ""
	if p := r.byID(r.Subject.Reference); p != nil {
		h.person(f, p)
		if i := identifierOf(p.Identifier, "https://fhir.nhs.uk/Id/nhs-number"); i != nil {
			given = i.Value
			e := extensionOf(i.Extension, "https://fhir.hl7.org.uk/StructureDefinition/Extension-UKCore-NHSNumberVerificationStatus")
			f.NHS_Number_Verified__c = e != nil && e.code() == "01"
		}
	}
	if given == "" && r.Subject.Identifier.System == "https://fhir.nhs.uk/Id/nhs-number" {
		given = r.Subject.Identifier.Value
	}
	number := strings.NewReplacer(" ", "", "-", "").Replace(given)
	switch {
	case given == "":
		f.NHS_Number_Status__c = "Missing"
	case handValid(number):
		f.NHS_Number_Status__c, f.NHS_Number__c = "Valid", number
	default:
		f.NHS_Number_Status__c, f.NHS_Number_Raw__c = "Invalid", given
	}
}

func (h *byHand) person(f *handPatient, p *handContained) {
	var names []handName
	if json.Unmarshal(p.Name, &names) == nil && len(names) > 0 {
		n := names[0]
		for _, use := range []string{"usual", "official"} {
			if i := slices.IndexFunc(names, func(n handName) bool { return n.Use == use }); i >= 0 {
				n = names[i]
			}
		}
		if len(n.Prefix) > 0 {
			f.Salutation = h.values["salutation"][strings.ToLower(n.Prefix[0])]
		}
		if len(n.Given) > 0 {
			f.FirstName = n.Given[0]
			f.MiddleName = strings.Join(n.Given[1:], " ")
		}
		f.LastName = cmp.Or(n.Family, "Unknown")
	}
	if len(p.BirthDate) == 10 {
		f.PersonBirthdate = p.BirthDate
	}
	f.HealthCloudGA__Gender__pc = cmp.Or(h.values["gender"][p.Gender], "Unknown")
	home, other := "", ""
	for _, t := range slices.Backward(p.Telecom) {
		switch {
		case t.System == "email":
			f.PersonEmail = strings.ToLower(t.Value)
		case t.System == "phone" && t.Use == "mobile":
			f.PersonMobilePhone = handPhone(t.Value)
		case t.System == "phone" && t.Use == "home":
			home, other = t.Value, t.Value
		case t.System == "phone":
			other = t.Value
		}
	}
	f.Phone = handPhone(cmp.Or(home, other))
	handAddress(f, p)
}

func handAddress(f *handPatient, p *handContained) {
	best := -1
	for i, a := range p.Address {
		if a.Period.End == "" && (best < 0 || a.Use == "home" && p.Address[best].Use != "home") {
			best = i
		}
	}
	if best < 0 {
		return
	}
	a := p.Address[best]
	f.PersonMailingStreet = strings.Join(a.Line, "\n")
	f.PersonMailingCity = a.City
	f.PersonMailingState = a.District
	f.PersonMailingPostalCode = strings.ToUpper(a.PostalCode)
	f.PersonMailingCountry = cmp.Or(a.Country, "United Kingdom")
}

func (h *byHand) requester(f *handRequester, r *handRequest) {
	if r.Requester.Identifier.System == "https://fhir.nhs.uk/Id/sds-user-id" {
		f.SDS_User_Id__c = r.Requester.Identifier.Value
	}
	f.Name = r.Requester.Display
	role := r.byID(r.Requester.Reference)
	if role == nil {
		return
	}
	if o := role.Organization; o.Identifier.System == "https://fhir.nhs.uk/Id/ods-organization-code" {
		f.ODS_Code__c = o.Identifier.Value
	}
	name := ""
	if o := r.byID(role.Organization.Reference); o != nil {
		_ = json.Unmarshal(o.Name, &name)
	}
	f.Organization_Name__c = cmp.Or(name, role.Organization.Display)
	p := r.byID(role.Practitioner.Reference)
	if p == nil {
		return
	}
	f.Name = ""
	var names []handName
	if json.Unmarshal(p.Name, &names) == nil && len(names) > 0 {
		parts := slices.Concat(names[0].Prefix, names[0].Given, []string{names[0].Family})
		f.Name = strings.TrimSpace(strings.Join(parts, " "))
	}
	if i := identifierOf(p.Identifier, "https://fhir.hl7.org.uk/Id/gmc-number"); i != nil {
		f.GMC_Number__c = i.Value
	}
	if i := identifierOf(p.Identifier, "https://fhir.nhs.uk/Id/sds-user-id"); i != nil {
		f.SDS_User_Id__c = i.Value
	}
}

func (h *byHand) performers(r *handRequest) []handWith[handPerformer] {
	var out []handWith[handPerformer]
	for _, p := range r.Performer {
		identifier, name := p.Identifier, p.Display
		if strings.HasPrefix(p.Reference, "#") {
			identifier, name = handIdentifier{}, ""
			if c := r.byID(p.Reference); c != nil && len(c.Identifier) > 0 {
				identifier = c.Identifier[0]
				_ = json.Unmarshal(c.Name, &name)
			}
		}
		kind, known := h.values["performer-system"][identifier.System]
		if !known || len(out) == 5 {
			continue
		}
		out = append(out, handWith[handPerformer]{handPerformer{name, kind + ":" + identifier.Value}})
	}
	return out
}

func (h *byHand) referral(f *handReferral, r *handRequest) {
	const ers = "https://fhir.nhs.uk/StructureDefinition/Extension-eRS-"
	f.SourceSystem, f.SourceSystemIdentifier, f.FHIR_Id__c, f.Is_Active__c = "e-RS", r.ID, r.ID, r.Status == "active"
	f.FHIR_Version__c = r.Meta.VersionID
	if i := identifierOf(r.Identifier, "https://fhir.nhs.uk/Id/UBRN"); i != nil {
		f.SourceSystemIdentifier = i.Value
	}
	f.Status = cmp.Or(h.values["status"][r.Status], "Draft")
	priority := ""
	if e := extensionOf(r.Extension, ers+"ReferralPriority-1"); e != nil {
		priority = h.values["ers-priority"][e.code()]
	}
	f.Priority = cmp.Or(priority, h.values["priority"][r.Priority], "Routine")
	f.Type = cmp.Or(h.values["intent"][r.Intent], "Order")
	for _, c := range slices.Backward(r.Category) {
		for _, k := range slices.Backward(c.Coding) {
			if k.System == "https://fhir.nhs.uk/CodeSystem/message-category-servicerequest" {
				f.Category__c = cmp.Or(h.values["category"][k.Code], k.Code)
			}
		}
	}
	if k := r.Code.snomed(); k != nil {
		f.ServiceCode__c = k.Code
		f.Specialty__c = h.terms[k.Code][1]
	}
	f.ServiceName__c = h.term(r.Code)
	h.times(f, r)
	if e := extensionOf(r.Extension, ers+"ReferralState-1"); e != nil {
		if state := extensionOf(e.Extension, "state"); state != nil && state.ValueCoding != nil {
			f.ReferralState__c = cmp.Or(state.ValueCoding.Display, state.ValueCoding.Code)
		}
	}
	instruction := []rune(r.PatientInstruction)
	f.PatientInstruction = string(instruction[:min(len(instruction), 255)])
	var reasons []string
	for _, c := range r.ReasonCode {
		if c.Text == "" && len(c.Coding) > 0 {
			c.Text = c.Coding[0].Display
		}
		if c.Text != "" {
			reasons = append(reasons, c.Text)
		}
	}
	f.Reason__c = strings.Join(reasons, "; ")
	for _, d := range r.SupportingInfo {
		if d.Type == "DocumentReference" {
			f.AttachmentCount__c++
		}
	}
}

func (h *byHand) times(f *handReferral, r *handRequest) {
	authored := handUTC(r.AuthoredOn)
	f.AuthoredOn__c = authored
	f.OccurrenceStart__c = cmp.Or(handUTC(r.OccurrencePeriod.Start), handUTC(r.OccurrenceDateTime))
	f.OccurrenceEnd__c = handUTC(r.OccurrencePeriod.End)
	if e := extensionOf(r.Extension, "https://fhir.nhs.uk/StructureDefinition/Extension-eRS-eReferralPathwayStart-1"); e != nil {
		start := handUTC(e.ValueInstant)
		f.PathwayStartDate__c = start[:min(len(start), 10)]
	}
	if f.Priority == "2 Week Wait" && authored != "" {
		day, _ := time.Parse(time.DateOnly, authored[:10])
		f.DueDate__c = day.AddDate(0, 0, 14).Format(time.DateOnly)
	}
}

func (h *byHand) details(r *handRequest) []handDetail {
	var out []handDetail
	add := func(kind string, concepts []handConcept) {
		for _, c := range concepts {
			if k := c.snomed(); k != nil {
				d := handDetail{DetailType: kind, DetailRecordType: "Health Condition"}
				d.Fields.Code__c, d.Fields.Name = k.Code, h.term(c)
				out = append(out, d)
			}
		}
	}
	add("Body Site", r.BodySite)
	add("Reason Code", r.ReasonCode)
	for _, d := range r.SupportingInfo {
		if d.Type != "DocumentReference" {
			continue
		}
		one := handDetail{DetailType: "Supporting Information", DetailRecordType: "Document"}
		one.Fields.Name, one.Fields.SourceSystemIdentifier = d.Display, cmp.Or(d.Identifier.Value, d.Reference)
		out = append(out, one)
	}
	return out
}

func handNotes(r *handRequest) string {
	var notes []string
	for _, n := range r.Note {
		s := n.Text
		if n.AuthorString != "" {
			s = n.AuthorString + ": " + s
		}
		if at := handUTC(n.Time); at != "" {
			s = "[" + at[:10] + "] " + s
		}
		notes = append(notes, s)
	}
	return strings.Join(notes, "\n\n")
}

func identifierOf(list []handIdentifier, system string) *handIdentifier {
	i := slices.IndexFunc(list, func(i handIdentifier) bool { return i.System == system })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func extensionOf(list []handExtension, url string) *handExtension {
	i := slices.IndexFunc(list, func(e handExtension) bool { return e.URL == url })
	if i < 0 {
		return nil
	}
	return &list[i]
}

func (e *handExtension) code() string {
	if e.ValueCodeableConcept == nil || len(e.ValueCodeableConcept.Coding) == 0 {
		return ""
	}
	return e.ValueCodeableConcept.Coding[0].Code
}

func (c *handConcept) snomed() *handCoding {
	i := slices.IndexFunc(c.Coding, func(k handCoding) bool { return k.System == "http://snomed.info/sct" && k.Code != "" })
	if i < 0 {
		return nil
	}
	return &c.Coding[i]
}

func (h *byHand) term(c handConcept) string {
	k := c.snomed()
	if k == nil {
		return c.Text
	}
	return cmp.Or(h.terms[k.Code][0], k.Display, c.Text)
}

func handUTC(s string) string {
	at, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		if at, err = time.Parse(time.DateOnly, s); err != nil {
			return ""
		}
	}
	return at.UTC().Format("2006-01-02T15:04:05.000Z")
}

func handPhone(s string) string {
	s = strings.NewReplacer(" ", "", "-", "", "(", "", ")", "").Replace(s)
	if national, british := strings.CutPrefix(s, "+44"); british {
		return "0" + national
	}
	return s
}

func handValid(s string) bool {
	if len(s) != 10 || strings.Trim(s, "0123456789") != "" {
		return false
	}
	sum := 0
	for i, c := range s[:9] {
		sum += int(c-'0') * (10 - i)
	}
	return (11-sum%11)%11 == int(s[9]-'0')
}
