package fhir

import (
	"fmt"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// entry is an entry of a Bundle: the fullUrl (empty: none) and the resource.
func entry(fullURL, resource string) string {
	if fullURL == "" {
		return `{"resource":` + resource + `}`
	}
	return `{"fullUrl":"` + fullURL + `","resource":` + resource + `}`
}

// patient is a Patient with a name to know it by.
func patient(id, version, name string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":%q,"meta":{"versionId":%q},"name":[{"family":%q}]}`, id, version, name)
}

func entriesOf(t *testing.T, entries []string) []Resource {
	t.Helper()
	r, err := Parse([]byte(`{"resourceType":"Bundle","type":"collection","entry":[` + strings.Join(entries, ",") + `]}`))
	require.NoError(t, err)
	var out []Resource
	for e := range r.Root().Get("entry").Items() {
		one, err := ResourceAt(e.Get("resource"))
		require.NoError(t, err)
		out = append(out, one)
	}
	return out
}

const (
	uuidP = "urn:uuid:0d3c1f6e-52a7-4b9a-9c0e-1a2b3c4d5e6f"
	uuidR = "urn:uuid:7a1e2b3c-4d5e-4f60-8a9b-0c1d2e3f4a5b"
	refA  = "https://a.example/r4/ServiceRequest/s"
	patA  = "https://a.example/r4/Patient/1"
	patB  = "https://b.example/r4/Patient/1"
)

// TestFinding_inputs_B1_AReferenceLeadsToOneResourceOrToAReason has a row a case; the referrer is the ServiceRequest s with the
// fullUrl `from`, and one is found by its family name.
func TestFinding_inputs_B1_AReferenceLeadsToOneResourceOrToAReason(t *testing.T) {
	mine, other := patient("1", "1", "Mine"), patient("1", "1", "Other")
	for _, c := range []struct {
		name, base, from, reference string
		entries                     []string
		want                        string
		err                         error
	}{
		{"by urn:uuid", "", uuidR, uuidP, []string{entry(uuidP, mine)}, "Mine", nil},
		{"by urn:oid", "", "", "urn:oid:1.2.36.146", []string{entry("urn:oid:1.2.36.146", mine)}, "Mine", nil},
		{"a urn:uuid that nobody has", "", uuidR, uuidR + "0", []string{entry(uuidP, mine)}, "", ErrUnresolved},
		{"a urn:uuid that is the id, without fullUrl", "", "", uuidP, []string{entry("", patient(uuidP[9:], "1", "Mine"))}, "Mine", nil},
		{"a urn:uuid that is the id of an entry with another fullUrl", "", "", uuidP, []string{entry(patA, patient(uuidP[9:], "1", "Mine"))}, "", ErrUnresolved},
		{"absolute, by fullUrl", "", refA, patA, []string{entry(patB, other), entry(patA, mine)}, "Mine", nil},
		{"absolute, http and a capital host", "", refA, "http://A.example:80/r4/Patient/1", []string{entry(patA, mine)}, "Mine", nil},
		{"absolute, of another entry's server", "", refA, patB, []string{entry(patA, mine), entry(patB, other)}, "Other", nil},
		{"absolute, no RESTful address", "", "", "https://a.example/people?x", []string{entry("https://a.example/people?x", mine)}, "Mine", nil},
		{"foreign, beside a local one of that id", "", refA, patB, []string{entry(patA, mine)}, "", ErrForeign},
		{"foreign, where nothing has a fullUrl", "", "", patB, []string{entry("", mine)}, "", ErrForeign},
		{"foreign, on a live page", "https://a.example/r4", "", patB, []string{entry("", mine)}, "", ErrForeign},
		{"foreign path of one host", "", refA, "https://a.example/r5/Patient/1", []string{entry(patA, mine)}, "", ErrForeign},
		{"absolute on the live server, no fullUrl", "https://a.example/r4", "", patA, []string{entry("", mine)}, "Mine", nil},
		{"absolute on the referrer's server, no fullUrl", "", refA, patA, []string{entry("", mine)}, "Mine", nil},
		{"absolute on one's own server, not there", "", refA, patA, nil, "", ErrUnresolved},
		{"relative to the referrer's base", "", refA, "Patient/1", []string{entry(patB, other), entry(patA, mine)}, "Mine", nil},
		{"relative, only another server's came along", "", refA, "Patient/1", []string{entry(patB, other)}, "", ErrUnresolved},
		{"relative to the live server", "https://a.example/r4/", "", "/Patient/1", []string{entry(patB, other), entry(patA, mine)}, "Mine", nil},
		{"relative, the referrer's fullUrl before the live base", "https://b.example/r4", refA, "Patient/1", []string{entry(patB, other), entry(patA, mine)}, "Mine", nil},
		{"relative, no fullUrl at all", "", "", "Patient/1", []string{entry("", mine)}, "Mine", nil},
		{"relative, two of them without fullUrl", "", "", "Patient/1", []string{entry("", mine), entry("", other)}, "", ErrAmbiguous},
		{"relative, one and the same twice", "", "", "Patient/1", []string{entry("", mine), entry("", mine)}, "Mine", nil},
		{"relative, the base of the referrer unknown, one server", "", uuidR, "Patient/1", []string{entry(patA, mine)}, "Mine", nil},
		{"relative, the base of the referrer unknown, two servers", "", uuidR, "Patient/1", []string{entry(patA, mine), entry(patB, mine)}, "", ErrAmbiguous},
		{"relative, one without fullUrl and another server's", "", refA, "Patient/1", []string{entry("", mine), entry(patB, other)}, "", ErrAmbiguous},
		{"the same fullUrl twice", "", refA, patA, []string{entry(patA, mine), entry(patA, other)}, "", ErrAmbiguous},
		{"one fullUrl, two ids", "", uuidR, uuidP, []string{entry(uuidP, mine), entry(uuidP, patient("2", "1", "Other"))}, "", ErrAmbiguous},
		{"a fullUrl that contradicts the id", "", refA, patA, []string{entry(patA, patient("2", "1", "Other"))}, "", ErrAmbiguous},
		{"an id that contradicts the fullUrl", "", refA, "Patient/2", []string{entry(patA, patient("2", "1", "Other"))}, "", ErrAmbiguous},
		{"a version that is there", "", refA, "Patient/1/_history/2", []string{entry(patA, other), entry(patA, patient("1", "2", "Mine"))}, "Mine", nil},
		{"the older version that is there", "", refA, patA + "/_history/1", []string{entry(patA, mine), entry(patA, patient("1", "2", "Other"))}, "Mine", nil},
		{"a version that is not there", "", refA, "Patient/1/_history/3", []string{entry(patA, mine)}, "", ErrVersion},
		{"a version, and no version is known", "", refA, "Patient/1/_history/3", []string{entry("", `{"resourceType":"Patient","id":"1"}`)}, "", ErrVersion},
		{"a version twice, and not the same", "", refA, "Patient/1/_history/1", []string{entry(patA, mine), entry(patA, other)}, "", ErrAmbiguous},
		{"no version asked, the newest is meant", "", refA, "Patient/1", []string{entry(patA, patient("1", "10", "Mine")), entry(patA, patient("1", "9", "Other"))}, "Mine", nil},
		{"no version asked, and no order among them", "", refA, "Patient/1", []string{entry(patA, patient("1", "b", "Mine")), entry(patA, patient("1", "c", "Other"))}, "", ErrAmbiguous},
		{"the referrer itself", "", refA, "ServiceRequest/s", nil, "Self", nil},
		{"contained", "", refA, "#p", nil, "In", nil},
		{"contained, twice", "", refA, "#q", nil, "", ErrAmbiguous},
		{"contained, not there", "", refA, "#x", []string{entry("", patient("x", "1", "Other"))}, "", ErrUnresolved},
		{"# alone", "", refA, "#", nil, "Self", nil},
		{"no reference", "", refA, "Patient?identifier=x", []string{entry(patA, mine)}, "", ErrUnresolved},
		{"another type", "", refA, "Group/1", []string{entry(patA, mine)}, "", ErrUnresolved},
	} {
		from := entry(c.from, `{"resourceType":"ServiceRequest","id":"s","name":[{"family":"Self"}],"contained":[
			{"resourceType":"Patient","id":"p","name":[{"family":"In"}]},
			{"resourceType":"Patient","id":"q","name":[{"family":"Q1"}]},{"resourceType":"Patient","id":"q","name":[{"family":"Q2"}]}]}`)
		for _, more := range []int{0, 40} { // few are looked through, many are looked up
			entries := append([]string{from}, c.entries...)
			for i := range more {
				entries = append(entries, entry("https://c.example/r4/Patient/x"+fmt.Sprint(i), patient(fmt.Sprint("x", i), "1", "X")))
			}
			all := entriesOf(t, entries)
			found, err := NewResolver(strings.TrimSuffix(c.base, "/"), all).Resolve(all[0], c.reference)
			family := ""
			for n := range found.Root().Get("name").Items() {
				family = n.Get("family").Text()
			}
			assert.Equal(t, c.want, family, "%s (%d more)", c.name, more)
			assert.Equal(t, c.err, err, "%s (%d more)", c.name, more)
		}
	}
}

func TestWhatDidNotComeAlongIsLookedForElsewhere(t *testing.T) {
	elsewhere := entriesOf(t, []string{entry("", patient("1", "1", "Line")), entry("https://b.example/r4/Patient/2", patient("2", "1", "Other"))})
	self := entriesOf(t, []string{entry("", `{"resourceType":"ServiceRequest","id":"s"}`)})
	asked := 0
	r := NewResolver("", self)
	r.More = func(typ, id string) ([]Resource, error) {
		asked++
		var out []Resource
		for _, e := range elsewhere {
			if e.Type() == typ && e.ID() == id {
				out = append(out, e)
			}
		}
		return out, nil
	}
	for reference, want := range map[string]error{"Patient/1": nil, "Patient/2": nil, patB: ErrForeign, "https://b.example/r4/Patient/2": nil,
		"Patient/3": ErrUnresolved, "Patient/1/_history/1": nil, "Patient/1/_history/4": ErrVersion} {
		_, err := r.Resolve(self[0], reference)
		assert.Equal(t, want, err, reference)
	}
	asked = 0
	for _, reference := range []string{"ServiceRequest/s", "#", "#x", uuidP} {
		_, _ = r.Resolve(self[0], reference)
	}
	assert.Zero(t, asked, "what is here, and what has no name, is not looked for")
}

func TestOwnIsWhatTheReferrersServerHolds(t *testing.T) {
	all := entriesOf(t, []string{entry(refA, `{"resourceType":"ServiceRequest","id":"s"}`), entry("", `{"resourceType":"ServiceRequest","id":"t"}`)})
	a, b := Reference{Base: "https://a.example/r4", Type: "Patient", ID: "1"}, Reference{Base: "https://b.example/r4", Type: "Patient", ID: "1"}
	live, file := NewResolver("https://b.example/r4"), NewResolver("")
	for _, c := range []struct {
		r    *Resolver
		from Resource
		ref  Reference
		want bool
	}{
		{file, all[0], a, true}, {file, all[0], b, false}, {file, all[1], a, false}, {file, all[1], a.Local(), true},
		{live, all[0], a, true}, {live, all[0], b, false}, {live, all[1], b, true}, {live, Resource{}, b, true},
	} {
		assert.Equal(t, c.want, c.r.Own(c.from, c.ref), "%v %v", c.from.ID(), c.ref)
	}
}

func TestReferrerIsTheResourceAroundANode(t *testing.T) {
	all := entriesOf(t, []string{entry(refA, `{"resourceType":"ServiceRequest","id":"s","contained":[{"resourceType":"Patient","id":"p","link":[{"other":{"reference":"#"}}]}]}`)})
	for n := range all[0].Root().Get("contained").Items() {
		assert.Equal(t, "s", Referrer(n.Get("link")).ID())
	}
	assert.Equal(t, refA, Referrer(all[0].Root().Get("id")).FullURL())
	assert.False(t, Referrer(Node{}).Exists())
}
