package ers

import (
	"bytes"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	r4 "github.com/samply/golang-fhir-models/fhir-models/fhir"

	"refbridge/fhir"
)

// ErrOtherPatient is wrapped where a worklist names another patient for a referral than the referral itself.
var ErrOtherPatient = errors.New("the worklist and the referral name different patients: it is not known whose the entry is. " +
	"Look at both in e-RS; the next poll that finds them agreeing carries the referral")

// Referral is a ReferralRequest, and what worklists say of it.
type Referral struct {
	fhir.Resource
	Listed []fhir.Resource // Lists, as ReadWorklist gives them
}

// WithListed returns a referral together with what worklists say of it as one document, a Bundle that Referrals reads.
func WithListed(referral []byte, entries [][]byte) []byte {
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"Bundle","type":"collection","entry":[`)
	for i, part := range slices.Concat([][]byte{referral}, entries) {
		if i > 0 {
			b.WriteByte(',')
		}
		b.WriteString(`{"resource":`)
		b.Write(part)
		b.WriteByte('}')
	}
	b.WriteString(`]}`)
	return b.Bytes()
}

// listedEntry returns an entry of a worklist as a List of its own, with the contained resources that it refers to.
func listedEntry(list, entry fhir.Node) []byte {
	var b bytes.Buffer
	b.WriteString(`{"resourceType":"List"`)
	with := `,"contained":[`
	for c := range list.Get("contained").Items() {
		if refersTo(entry, c.Get("id").Text()) {
			b.WriteString(with)
			b.Write(c.AppendRaw(nil))
			with = ","
		}
	}
	if with == "," {
		b.WriteByte(']')
	}
	b.WriteString(`,"entry":[`)
	b.Write(entry.AppendRaw(nil))
	b.WriteString(`]}`)
	return b.Bytes()
}

// refersTo reports whether something below n refers to the contained resource of an id.
func refersTo(n fhir.Node, id string) bool {
	if n.Name() == "reference" && n.Text() == "#"+id {
		return true
	}
	for m := n.First(); m.Exists(); m = m.Next() {
		if refersTo(m, id) {
			return true
		}
	}
	return false
}

// listExtension is how the names of the extensions end that hold what a worklist says of an entry.
const listExtension = "-WorkListItem"

// listed gives what the worklists say of the referral as extensions, under the URLs of e-RS: one for each worklist that it is on.
func (n *normaliser) listed(lists []fhir.Resource) []r4.Extension {
	var out []r4.Extension
	for _, l := range lists {
		for entry := range l.Root().Get("entry").Items() {
			out = append(out, n.listedIn(l.Root(), entry)...)
		}
	}
	return out
}

// listedIn gives what one entry says, nothing where it is about another referral.
func (n *normaliser) listedIn(list, entry fhir.Node) (out []r4.Extension) {
	item := entry.Get("item").Get("reference")
	ref, err := fhir.ParseReference(item.Text())
	if err != nil || ref.Type != "ReferralRequest" || ref.ID != n.ubrn {
		return nil
	}
	n.saw(item)
	for ext := range entry.Get("extension").Items() {
		if made, ok := n.listedExtension(list, ext); ok {
			out = append(out, made)
		}
	}
	return out
}

func (n *normaliser) listedExtension(list, ext fhir.Node) (r4.Extension, bool) {
	name := unversioned(lastSegment(ext.Get("url").Text()))
	if !strings.HasSuffix(strings.ToLower(name), strings.ToLower(listExtension)) {
		copied, ok := copyOf(ext)
		if ok {
			n.sawAll(ext)
		}
		return copied, ok
	}
	out := r4.Extension{Url: strings.TrimSuffix(stu3Extension, "Extension-eRS-") + listName(name) + "-1"}
	for field := range ext.Get("extension").Items() {
		name := field.Get("url").Text()
		if name == "patient" {
			n.samePatient(list, field)
		}
		if notListed(name) != "" {
			continue
		}
		if made, ok := n.listedField(list, field); ok {
			out.Extension = append(out.Extension, made)
		}
		if name == "patientContactExpected" {
			n.contact = field.Get("valueDate").Text()
		}
	}
	return out, len(out.Extension) > 0
}

// listName returns the name of an extension as tables have it, in whatever case e-RS writes it.
func listName(name string) string {
	for _, known := range []string{listReview, listSlotIssues} {
		if strings.EqualFold(name, known) {
			return known
		}
	}
	return name
}

// The extensions of the worklists of a provider, as e-RS spells them.
const (
	listReview     = "Extension-eRS-ReferralsforReview-WorkListItem"
	listSlotIssues = "Extension-eRS-AppointmentSlotIssues-WorkListItem"
)

// listedField gives one field of an entry. One that R4 has no type for is left out: it does not hold back its referral.
func (n *normaliser) listedField(list, field fhir.Node) (r4.Extension, bool) {
	var read []fhir.Node
	e := elements{seen: &read}
	out := r4.Extension{Url: field.Get("url").Text()}
	switch {
	case field.Get("valueCodeableConcept").Exists():
		out.ValueCodeableConcept = e.concept(field.Get("valueCodeableConcept"))
	case field.Get("valueReference").Exists():
		out.ValueReference = e.listedReference(list, field.Get("valueReference"))
	default:
		copied, ok := copyOf(field)
		if ok {
			n.sawAll(field)
		}
		return copied, ok
	}
	if e.err != nil || out.ValueCodeableConcept == nil && out.ValueReference == nil {
		return out, false
	}
	for _, node := range read {
		n.saw(node)
	}
	return out, true
}

// listedReference reads a reference by identifier; that of a contained resource stands for the reference to it.
func (e *elements) listedReference(list, ref fhir.Node) *r4.Reference {
	c := containedIn(list, ref)
	if !c.Exists() {
		return e.logical(ref)
	}
	id := c.Get("identifier")
	if id.Kind() == fhir.Array {
		id = id.At(0)
	}
	out := r4.Reference{Type: e.text(c.Get("resourceType")), Identifier: e.identifier(id)}
	if out.Identifier == nil {
		return nil
	}
	return &out
}

// containedIn returns the contained resource of a list that a reference names.
func containedIn(list, ref fhir.Node) fhir.Node {
	id, inside := strings.CutPrefix(ref.Get("reference").Text(), "#")
	for c := range list.Get("contained").Items() {
		if inside && c.Get("id").Text() == id {
			return c
		}
	}
	return fhir.Node{}
}

// samePatient holds the entry against the referral: what is said of somebody else must not reach this one's record.
func (n *normaliser) samePatient(list, field fhir.Node) {
	var read []fhir.Node
	e := elements{seen: &read}
	of := e.listedReference(list, field.Get("valueReference"))
	if of == nil || of.Identifier == nil || of.Identifier.Value == nil || e.err != nil {
		return
	}
	is := n.root.Get("subject").Get("identifier").Get("value").Text()
	if is != "" && *of.Identifier.Value != is && n.err == nil {
		n.err = fmt.Errorf("patient: %w", ErrOtherPatient)
	}
}

// expected gives the day that a worklist says, where it says one.
func (n *normaliser) expected() (string, bool) {
	_, err := time.Parse(time.DateOnly, n.contact)
	return n.contact, err == nil
}

// notListed gives the reason for which a field of an entry is left out; empty where it is taken over.
func notListed(name string) string {
	switch name {
	case "patient":
		return "The referral has the patient; where the worklist names another one the referral is held."
	case "priority", "specialty", "eReferralPathwayStart", "clinicalInfoFirstSubmitted", "clinicalInfoLastUpdated", "appointmentStart":
		return "The referral has its own, read after the worklist."
	case "referralRequestVersion":
		return "The version that the worklist names makes refbridge read the referral, which has its own."
	}
	return ""
}

// whyNotListed gives the reason for which the value at a path (see lost) is left out, where it stands in a field of a worklist's entry.
func whyNotListed(path string) string {
	list, inside := strings.CutPrefix(path, "List.entry.extension(")
	list, field, _ := strings.Cut(list, ")")
	field, named := strings.CutPrefix(field, ".extension(")
	field, _, _ = strings.Cut(field, ")")
	if !inside || !named || !strings.HasSuffix(strings.ToLower(list), strings.ToLower(listExtension)) {
		return ""
	}
	return notListed(field)
}
