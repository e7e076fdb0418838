package erssim

import (
	"encoding/json"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// published gives NHS's example answers (NHSDigital/e-referrals-service-api, sandbox/src/mocks/stu3) of the resource types asked for,
// also where an answer wraps them.
func published(t *testing.T, typ string, patterns ...string) []any {
	t.Helper()
	root := "../../../shared/conformance/ers-examples/stu3"
	if _, err := os.Stat(root); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatalf("the published e-RS examples are not at %s", root)
		}
		t.Skipf("the published e-RS examples are not at %s; this test needs them", root)
	}
	var out []any
	for _, pattern := range patterns {
		files, err := filepath.Glob(filepath.Join(root, pattern))
		require.NoError(t, err)
		require.NotEmpty(t, files, pattern)
		for _, name := range files {
			text, err := os.ReadFile(name)
			require.NoError(t, err)
			var doc any
			require.NoError(t, json.Unmarshal(text, &doc), name)
			out = append(out, ofType(doc, typ)...)
		}
	}
	require.NotEmpty(t, out, typ)
	return out
}

// ofType finds the outermost resources of a type.
func ofType(v any, typ string) (out []any) {
	switch v := v.(type) {
	case map[string]any:
		if v["resourceType"] == typ {
			return []any{v}
		}
		for _, m := range v {
			out = append(out, ofType(m, typ)...)
		}
	case []any:
		for _, m := range v {
			out = append(out, ofType(m, typ)...)
		}
	}
	return out
}

// shapes gives the paths of the values of documents: extensions, parameters and contained resources by their name, lists without number.
func shapes(docs []any) []string {
	paths := map[string]bool{}
	for _, d := range docs {
		shape(d, "", paths)
	}
	return slices.Sorted(maps.Keys(paths))
}

func shape(v any, at string, paths map[string]bool) {
	switch v := v.(type) {
	case map[string]any:
		if typ, ok := v["resourceType"].(string); ok && at != "" {
			at += "(" + typ + ")"
		} else if url, ok := v["url"].(string); ok && strings.HasSuffix(at, "extension") {
			at += "(" + url[strings.LastIndexByte(url, '/')+1:] + ")"
		} else if name, ok := v["name"].(string); ok && strings.HasSuffix(at, "parameter") {
			at += "(" + name + ")"
		}
		for key, m := range v {
			shape(m, strings.TrimPrefix(at+"."+key, "."), paths)
		}
	case []any:
		for _, m := range v {
			shape(m, at, paths)
		}
	default:
		paths[at] = true
	}
}

// allowed are differences that are meant, by the beginning of their paths, with the reason.
type allowed map[string]string

// without drops the paths that are allowed, and notes which reasons were needed.
func (a allowed) without(paths []string, used map[string]bool) []string {
	return slices.DeleteFunc(paths, func(path string) bool {
		for begin := range a {
			if strings.HasPrefix(path, begin) {
				used[begin] = true
				return true
			}
		}
		return false
	})
}

// only gives what is in a and not in b.
func only(a, b []string) []string {
	return slices.DeleteFunc(slices.Clone(a), func(path string) bool { return slices.Contains(b, path) })
}

func TestTheAnswersHaveTheShapeOfThePublishedExamples(t *testing.T) {
	c := start(t, Options{Referrals: 300, Seed: 3, Services: []string{"21012"}})
	edits := map[string]Edit{
		c.inState(deferred).UBRN: {State: triaged, Reason: converted, Comments: "Converted", OnBehalfOf: "021600556111", Documents: []string{"ADVICE_REQUEST"}},
	}
	for _, row := range c.sim.Referrals() {
		if row.State == awaitingTriage {
			edits[row.UBRN] = Edit{AllocatedClinician: "021600556514"}
		}
	}
	c.faulty(Faults{Edits: edits})
	var referrals []any
	for _, row := range c.sim.Referrals() {
		if r := c.referral(row.UBRN); r.status == 200 {
			referrals = append(referrals, r.json(t))
		}
	}
	for _, at := range []struct {
		about         string
		official, sim []any
		never, extra  allowed // that e-RS has and the simulator never, and the other way round
	}{
		{about: "A005, A013, A028, A036", official: published(t, "ReferralRequest", "retrieveReferralRequest/responses/*.json", "acceptReferral/responses/*.json",
			"recordTriageOutcome/responses/*.json", "cancelReferral/responses/*.json"), sim: referrals, never: allowed{}, extra: allowed{
			"extension(Extension-eRS-ClinicalInfoLastUpdated-1)":             "the schema has it: a letter that was changed",
			"extension(Extension-eRS-eReferralPathwayStart-1).valueDateTime": "the schema says valueDateTime, the examples valueInstant: either may come",
		}},
		{about: "A008 Referrals For Review", official: published(t, "List", "retrieveWorklist/responses/ReferralsForReview.json", "retrieveWorklist/responses/FilteredBy*.json"),
			sim: []any{c.worklist(referralsForReview, "21012").json(t)}, never: allowed{}, extra: allowed{
				"entry.extension(Extension-eRS-ReferralsforReview-WorkListItem-1).extension(namedClinician)": "the schema has it beside allocatedClinician",
			}},
		{about: "A008 Appointment Slot Issues", official: published(t, "List", "retrieveWorklist/responses/AppointmentSlotIssues.json"),
			sim: []any{c.worklist(slotIssues, "21012").json(t)}, never: allowed{}, extra: allowed{}},
	} {
		used := map[string]bool{}
		official, sim := shapes(at.official), shapes(at.sim)
		t.Logf("%s: %d paths of e-RS, %d of the simulator", at.about, len(official), len(sim))
		assert.Empty(t, at.never.without(only(official, sim), used), "%s: e-RS has it, and the simulator never", at.about)
		assert.Empty(t, at.extra.without(only(sim, official), used), "%s: the simulator has it, and no example of e-RS", at.about)
		for begin := range at.never {
			assert.True(t, used[begin], "%s: %s differs no more", at.about, begin)
		}
		for begin := range at.extra {
			assert.True(t, used[begin], "%s: %s differs no more", at.about, begin)
		}
	}
}
