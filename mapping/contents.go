package mapping

import (
	"errors"
	"fmt"
	"strings"

	"refbridge/fhir"
)

// Contents is what stands in a resource or a Bundle, by what becomes of it. Nothing is left out.
type Contents struct {
	fhir.Bundle                  // what is mapped, in order, and what it may refer to
	Sent        []fhir.Resource  // ReferralRequests of e-RS: they are normalised before they are mapped
	Broken      []error          // entries that cannot be read, by their place
	Deleted     []fhir.Reference // deletions at the source, the zero Reference where the entry does not say of what
	Others      map[string]int   // what is not mapped by itself, by kind; see WhyNot
}

// Kinds of Others that are no resource types of R4.
const (
	KindSTU3    = "Appointment (STU3)"
	KindOlder   = "older version"
	KindAnswer  = "answer without a resource"
	KindDeleted = "deletion"
	KindEmpty   = "Bundle without entries"
)

// ContentsOf sorts a resource, or the entries of a Bundle. Of a history the newest version of a resource counts, and none where
// that was a deletion.
func ContentsOf(r fhir.Resource) Contents {
	c := Contents{Others: map[string]int{}}
	if r.Type() != "Bundle" {
		c.sort(r)
		c.Resolver = fhir.NewResolver("", c.Focus, c.Related)
		return c
	}
	newest := map[string]int(nil)
	if r.Root().Get("type").Text() == "history" {
		newest = newestOf(r)
	}
	i := -1
	for e := range r.Root().Get("entry").Items() {
		i++
		if at, named := newest[entryName(e)]; named && at != i {
			c.Others[KindOlder]++
			continue
		}
		c.entry(e, i)
	}
	if i < 0 {
		c.Others[KindEmpty]++
	}
	c.Resolver = fhir.NewResolver("", c.Focus, c.Related)
	return c
}

// Among lets references lead beyond a Bundle as well: to the server, and to the resources of other lines and files, that another
// resolver knows. nil: nothing is known beyond it.
func (c *Contents) Among(beyond *fhir.Resolver) {
	if beyond != nil {
		c.Resolver.Base, c.Resolver.More, c.Resolver.Others = beyond.Base, beyond.More, beyond.Others
	}
}

// Each returns a bundle for each resource that is mapped, all with one resolver.
func (c *Contents) Each() []fhir.Bundle {
	out := make([]fhir.Bundle, len(c.Focus))
	for i := range c.Focus {
		out[i] = fhir.Bundle{Focus: c.Focus[i : i+1 : i+1], Resolver: c.Resolver}
	}
	return out
}

func (c *Contents) entry(e fhir.Node, i int) {
	one, err := fhir.ResourceAt(e.Get("resource"))
	switch {
	case err == nil && one.Type() == "ReferralRequest" && len(one.Around()) > 0:
		c.Broken = append(c.Broken, fmt.Errorf("entry %d of the Bundle: %w", i+1, errModified))
	case err == nil:
		c.sort(one)
	case deletion(e):
		ref, _ := fhir.ParseReference(entryName(e))
		c.Deleted = append(c.Deleted, ref)
	case !e.Get("resource").Exists() && e.Get("response").Exists():
		c.Others[KindAnswer]++
	default:
		c.Broken = append(c.Broken, fmt.Errorf("entry %d of the Bundle: %w", i+1, err))
	}
}

func (c *Contents) sort(r fhir.Resource) {
	switch r.Type() {
	case "Appointment":
		if STU3(r) {
			c.Others[KindSTU3]++
			return
		}
		c.Focus = append(c.Focus, r)
	case "ServiceRequest":
		c.Focus = append(c.Focus, r)
	case "ReferralRequest":
		c.Sent = append(c.Sent, r)
	default:
		c.Related = append(c.Related, r)
		c.Others[strings.Clone(r.Type())]++
	}
}

// STU3 reports whether an Appointment is one of FHIR STU3, as e-RS sends it: R4 has other elements under these names.
func STU3(r fhir.Resource) bool {
	for profile := range r.Root().Get("meta").Get("profile").Items() {
		if strings.Contains(profile.Text(), "/STU3/") {
			return true
		}
	}
	return r.Type() == "Appointment" && (r.Root().Get("incomingReferral").Exists() || r.Root().Get("indication").Exists())
}

// ErrSTU3 says why an Appointment of STU3 is not mapped by itself.
var ErrSTU3 = errors.New("an Appointment of STU3, as e-RS sends it by itself (A038): its state is that of its referral, so it is read with " +
	"the ReferralRequest that contains it (A005)")

// errModified is of a ReferralRequest: it is normalised before it is mapped, and no table can name the modifier.
var errModified = errors.New("a modifier of the Bundle or of the entry changes what the referral means: ask the source what it means, and send it without")

func deletion(e fhir.Node) bool {
	return strings.EqualFold(e.Get("request").Get("method").Text(), "DELETE")
}

// entryName is the Type/id that an entry of a history is about. Empty where it does not say.
func entryName(e fhir.Node) string {
	for _, text := range []string{e.Get("fullUrl").Text(), e.Get("request").Get("url").Text()} {
		if ref, err := fhir.ParseReference(text); err == nil {
			return ref.Current().Local().String()
		}
	}
	if r, err := fhir.ResourceAt(e.Get("resource")); err == nil && r.ID() != "" {
		return r.Reference().Current().String()
	}
	return ""
}

// newestOf finds the entry of a history that counts for each resource: the newest version where versions tell, else the first, as
// the newest entry comes first.
//
// Where entries of two servers have one Type/id none of them is a version of another.
func newestOf(history fhir.Resource) map[string]int {
	out, best, bases := map[string]int{}, map[string]fhir.Resource{}, map[string]string{}
	var two []string
	i := -1
	for e := range history.Root().Get("entry").Items() {
		i++
		name := entryName(e)
		one, _ := fhir.ResourceAt(e.Get("resource"))
		if ref, err := fhir.ParseReference(e.Get("fullUrl").Text()); err == nil && ref.Base != "" {
			if first, again := bases[name]; again && !fhir.SameBase(first, ref.Base) {
				two = append(two, name)
			}
			bases[name] = ref.Base
		}
		if _, there := out[name]; name == "" || there && !overtakes(one, best[name]) {
			continue
		}
		out[name], best[name] = i, one
	}
	for _, name := range two {
		delete(out, name)
	}
	return out
}

func overtakes(one, best fhir.Resource) bool {
	if !one.Exists() || !best.Exists() {
		return false
	}
	newer, known := fhir.Newer(one, best)
	return newer && known
}

// WhyNot says, for a kind of Contents.Others, why it is not mapped by itself; empty where there is no more to say than that.
func WhyNot(kind string) string {
	switch kind {
	case "Patient":
		return "read where a referral refers to one"
	case "OperationOutcome":
		return "what a server answers when something went wrong, and no record: see how the file was made"
	case "CommunicationRequest", "Communication":
		return "advice and guidance is not carried"
	case "List":
		return "a worklist names referrals and holds none"
	case KindEmpty:
		return "there is nothing in it"
	case "Task":
		return "a task alone is no referral"
	case "Bundle":
		return "a Bundle within a Bundle is not opened"
	case KindSTU3:
		return "e-RS sends its state with the referral: take the ReferralRequest that contains it"
	case KindOlder:
		return "of a history the newest version of a resource counts"
	case KindAnswer:
		return "what a server answered to a batch, and no record"
	case KindDeleted:
		return "deleted at the source: what Salesforce has stays until a sync reads the source"
	}
	return ""
}
