package fhir

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func resource(t testing.TB, src string) Resource {
	t.Helper()
	r, err := Parse([]byte(src))
	require.NoError(t, err)
	return r
}

func TestAResourceIsKeptWholeWithWhatNoModelKnows(t *testing.T) {
	src := `{"resourceType":"Patient","id":"p1","meta":{"versionId":"4","lastUpdated":"2026-03-20T08:00:00.5+00:00"},"contained":[{"resourceType":"Group","id":"g"}],"_birthDate":{"extension":[]},"tomorrow":1.50}`
	r := resource(t, src)
	assert.Equal(t, src, string(r.Raw()))
	assert.Equal(t, "Patient", r.Type())
	assert.Equal(t, Reference{Type: "Patient", ID: "p1", Version: "4"}, r.Reference())
	assert.True(t, time.Date(2026, 3, 20, 8, 0, 0, 500_000_000, time.UTC).Equal(r.LastUpdated()))
	assert.Equal(t, "1.50", r.Root().Get("tomorrow").Text())
	inner, err := ResourceAt(r.Root().Get("contained").At(0))
	require.NoError(t, err)
	assert.Equal(t, "Group", inner.Type())
}

func TestWhatIsNoResourceIsRefused(t *testing.T) {
	for _, src := range []string{`[]`, `"Patient"`, `null`, `{}`, `{"resourceType":1}`, `{"resourceType":null}`, `{"resourceType":""}`,
		`{"resourceType":"patient"}`, `{"resourceType":"Patient/1"}`, `{"resourcetype":"Patient"}`} {
		_, err := Parse([]byte(src))
		assert.ErrorIs(t, err, ErrNotResource, src)
	}
	_, err := Parse([]byte(`{"resourceType":"Patient"`))
	assert.ErrorIs(t, err, ErrSyntax)
	_, err = ResourceAt(Node{})
	assert.ErrorIs(t, err, ErrNotResource)
}

func TestTheEmptyResourceIsSafe(t *testing.T) {
	var r Resource
	assert.False(t, r.Exists())
	assert.Empty(t, r.Type()+r.ID()+r.VersionID()+string(r.Raw()))
	assert.True(t, r.LastUpdated().IsZero())
	assert.False(t, r.Clone().Exists())
	assert.True(t, resource(t, `{"resourceType":"Patient","meta":{"lastUpdated":"soon"}}`).LastUpdated().IsZero())
}

func TestACloneOutlivesTheReusedDocument(t *testing.T) {
	var d Doc
	src := []byte(`{"resourceType":"Patient","id":"first"}`)
	r, err := d.Resource(src)
	require.NoError(t, err)
	kept := r.Clone()
	clear(src)
	_, err = d.Resource([]byte(`{"resourceType":"Person","id":"second"}`))
	require.NoError(t, err)
	assert.Equal(t, "Patient/first", kept.Reference().String())
}

const digested = `{"resourceType":"ServiceRequest","id":"1","meta":{"versionId":"1","profile":["p"]},"status":"active",
	"note":[{"text":"café < 5"},{"text":"b"}],"contained":[{"resourceType":"Patient","id":"c","meta":{"versionId":"1"}}],"n":1.0}`

func TestTheDigestIsOfTheContent(t *testing.T) {
	want := resource(t, digested).Digest()
	assert.Len(t, want.String(), 64)
	for what, change := range map[string][2]string{
		"white space":                {`"status":"active",`, "\n\t\"status\" : \"active\" ,\r\n"},
		"escapes":                    {`café < 5`, `caf\u00e9 \u003c 5`},
		"the order of members":       {`{"resourceType":"ServiceRequest","id":"1",`, `{"id":"1","resourceType":"ServiceRequest",`},
		"escapes in a name":          {`"status"`, `"st\u0061tus"`},
		"a version":                  {`"meta":{"versionId":"1","profile"`, `"meta":{"versionId":"2","profile"`},
		"a version that is gone":     {`"meta":{"versionId":"1","profile"`, `"meta":{"profile"`},
		"a date of change":           {`"meta":{"versionId":"1","profile"`, `"meta":{"lastUpdated":"2026-01-01T00:00:00Z","profile"`},
		"a source":                   {`"meta":{"versionId":"1","profile"`, `"meta":{"source":"#abc","profile"`},
		"a version of a contained":   {`"id":"c","meta":{"versionId":"1"}`, `"id":"c","meta":{"versionId":"9"}`},
		"a contained without a meta": {`"id":"c","meta":{"versionId":"1"}`, `"id":"c"`},
	} {
		assert.Equal(t, want, resource(t, replaced(t, change)).Digest(), what)
	}
	for what, change := range map[string][2]string{
		"a value":            {`active`, `draft`},
		"a profile":          {`["p"]`, `["q"]`},
		"an order of items":  {`{"text":"café < 5"},{"text":"b"}`, `{"text":"b"},{"text":"café < 5"}`},
		"a precision":        {`1.0`, `1.00`},
		"a type":             {`1.0`, `"1.0"`},
		"a null":             {`"n":1.0`, `"n":null`},
		"an element more":    {`"n":1.0`, `"n":1.0,"m":[]`},
		"an element less":    {`,"n":1.0`, ``},
		"a list for one":     {`"active"`, `["active"]`},
		"a note's version":   {`{"text":"b"}`, `{"text":"b","versionId":"1"}`},
		"a contained change": {`"id":"c"`, `"id":"d"`},
		"a nested meta":      {`{"text":"b"}`, `{"text":"b","meta":{"versionId":"1"}}`},
	} {
		assert.NotEqual(t, want, resource(t, replaced(t, change)).Digest(), what)
	}
}

func replaced(t *testing.T, change [2]string) string {
	t.Helper()
	require.Equal(t, 1, strings.Count(digested, change[0]), change[0])
	return strings.Replace(digested, change[0], change[1], 1)
}

func TestAMetaThatHoldsOnlyAVersionIsNoContent(t *testing.T) {
	bare := resource(t, `{"resourceType":"Patient","id":"1"}`).Digest()
	for _, src := range []string{
		`{"resourceType":"Patient","id":"1","meta":{}}`,
		`{"resourceType":"Patient","id":"1","meta":{"versionId":"7","lastUpdated":"2026-01-01T00:00:00Z"}}`,
	} {
		assert.Equal(t, bare, resource(t, src).Digest(), src)
	}
	assert.NotEqual(t, bare, resource(t, `{"resourceType":"Patient","id":"1","meta":{"tag":[]}}`).Digest())
}

func TestABundlesDigestKnowsFocusFromRelated(t *testing.T) {
	a, b := resource(t, `{"resourceType":"Patient","id":"a"}`), resource(t, `{"resourceType":"Patient","id":"b"}`)
	all := []Bundle{{}, {Focus: []Resource{a}}, {Related: []Resource{a}}, {Focus: []Resource{a, b}}, {Focus: []Resource{b, a}}, {Focus: []Resource{a}, Related: []Resource{b}}}
	seen := map[Digest]int{}
	for i, bundle := range all {
		d := bundle.Digest()
		assert.False(t, d.IsZero())
		assert.NotContains(t, seen, d, "bundle %d", i)
		seen[d] = i
	}
	assert.True(t, Digest{}.IsZero())
}

// The published e-RS examples are not part of the repository; where they lie beside it, every one must parse.
func TestThePublishedExamplesParse(t *testing.T) {
	root := filepath.Join("..", "..", "shared", "conformance")
	if _, err := os.Stat(root); err != nil {
		if os.Getenv("CI") != "" {
			t.Fatal("the conformance data are missing")
		}
		t.Skip("the conformance data are not beside this checkout")
	}
	read := 0
	err := filepath.WalkDir(root, func(path string, entry os.DirEntry, err error) error {
		if err != nil || entry.IsDir() || filepath.Ext(path) != ".json" {
			return err
		}
		src, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		var d Doc
		if assert.NoError(t, d.Parse(src), path) {
			want, _ := reference(src)
			assert.Equal(t, want, plain(d.Root()), path)
			read++
		}
		return nil
	})
	require.NoError(t, err)
	require.NotZero(t, read)
}
