package ndjson

import (
	"bufio"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
)

func written(t testing.TB, contents ...string) []string {
	t.Helper()
	dir := t.TempDir()
	var names []string
	for i, text := range contents {
		names = append(names, filepath.Join(dir, fmt.Sprint(i, ".ndjson")))
		require.NoError(t, os.WriteFile(names[i], []byte(text), 0o600))
	}
	return names
}

func TestFinding_server_MP10_AResourceIsFoundInOtherLinesAndFiles(t *testing.T) {
	const uuid = "urn:uuid:5f0c2a44-8a6e-4a52-9d0c-3f1b7d1e2a10"
	set := NewSet(written(t,
		"\ufeff"+`{"resourceType":"ServiceRequest","id":"s"}`+"\r\n\n  "+`{"id":"odd","active":true,"resourceType":"Patient"}`+"\r\nbroken\n",
		"{\n \"resourceType\": \"Patient\",\n \"id\": \"indented\"\n}\n{\n \"resourceType\": \"Patient\",\n \"id\": \"second\"\n}\n",
		`{"resourceType":"Patient","id":"twice","active":true}`+"\n"+`{"resourceType":"Patient","id":"twice","active":false}`+"\n",
		`{"resourceType":"Bundle","entry":[{"fullUrl":"https://a.example/r4/Patient/b","resource":{"resourceType":"Patient","id":"b"}},`+
			`{"fullUrl":"`+uuid+`","resource":{"resourceType":"Patient","id":"u"}},{"resource":{"resourceType":"Patient","id":"n"}}]}`,
	)...)
	defer set.Close()
	for name, want := range map[string]int{"odd": 1, "indented": 1, "second": 1, "twice": 2, "b": 1, "u": 0, "n": 0, "s": 0, "": 0, "none": 0} {
		found, err := set.Find("Patient", name)
		require.NoError(t, err)
		assert.Len(t, found, want, name)
		for _, r := range found {
			assert.Equal(t, "Patient/"+name, r.Reference().String())
		}
	}
	r := fhir.NewResolver("")
	r.More = set.Find
	self, err := fhir.Parse([]byte(`{"resourceType":"ServiceRequest","id":"x"}`))
	require.NoError(t, err)
	for reference, want := range map[string]error{"Patient/odd": nil, "Patient/twice": fhir.ErrAmbiguous, "https://a.example/r4/Patient/b": nil,
		"https://a.example/r4/Patient/odd": fhir.ErrForeign, uuid: fhir.ErrUnresolved} {
		_, err := r.Resolve(self, reference)
		assert.ErrorIs(t, err, want, reference)
	}
}

func TestASetIsIndexedWhenAReferenceAsksForATypeThatItHas(t *testing.T) {
	set := NewSet(written(t,
		`{"resourceType":"ServiceRequest","id":"s","contained":[{"resourceType":"Organization","id":"1"}]}`+"\n",
		`{"contained":[{"resourceType":"Practitioner","id":"1"}],"id":"s2","resourceType":"ServiceRequest"}`+"\n",
		`{"resourceType":"Bundle","entry":[{"fullUrl":"https://a.example/r4/Patient/b","resource":{"resourceType":"Patient","id":"b"}},`+
			`{"resource":{"resourceType":"Device","id":"1"}}]}`+"\n",
	)...)
	defer set.Close()
	for _, typ := range []string{"Organization", "Practitioner", "Device", "Bundle", "Nonsense"} {
		found, err := set.Find(typ, "1")
		require.NoError(t, err)
		assert.Empty(t, found, typ)
	}
	assert.False(t, set.index.open, "nothing that is there was asked for")
	for typ, id := range map[string]string{"Patient": "b", "ServiceRequest": "s2"} {
		found, err := set.Find(typ, id)
		require.NoError(t, err)
		assert.Len(t, found, 1, typ)
	}
	assert.True(t, set.index.open)
}

func TestASetThatCannotBeReadSaysSo(t *testing.T) {
	set := NewSet(filepath.Join(t.TempDir(), "gone.ndjson"))
	_, err := set.Find("Patient", "1")
	assert.ErrorIs(t, err, os.ErrNotExist)
	names := written(t, `{"resourceType":"Patient","id":"1"}`+"\n")
	set = NewSet(names...)
	_, err = set.Find("Patient", "2")
	require.NoError(t, err)
	require.NoError(t, os.WriteFile(names[0], []byte(`{"resourceType":"Patient","id":"7"}`+"\n"), 0o600))
	found, err := set.Find("Patient", "1")
	require.NoError(t, err)
	assert.Empty(t, found, "the file has changed since")
}

// export writes n patients, each of 200 bytes or so, and returns the file.
func export(t testing.TB, n int) string {
	t.Helper()
	name := filepath.Join(t.TempDir(), "Patient.ndjson")
	f, err := os.Create(name)
	require.NoError(t, err)
	w := bufio.NewWriter(f)
	pad := strings.Repeat("x", 100)
	for i := range n {
		fmt.Fprintf(w, `{"resourceType":"Patient","id":"p%d","name":[{"family":"Synthetic","text":"%s"}],"identifier":[{"value":"%d"}]}`+"\n", i, pad, i)
	}
	require.NoError(t, w.Flush())
	require.NoError(t, f.Close())
	return name
}

func TestALargeSetTakesLittleMemoryAndLeavesNoFile(t *testing.T) {
	const n = 3*maxRun + 1000
	t.Setenv("TMPDIR", t.TempDir())
	set := NewSet(export(t, n))
	var before, after runtime.MemStats
	runtime.GC()
	runtime.ReadMemStats(&before)
	_, err := set.Find("Patient", "p0")
	require.NoError(t, err)
	runtime.GC()
	runtime.ReadMemStats(&after)
	assert.Less(t, int64(after.HeapAlloc)-int64(before.HeapAlloc), int64(16<<20), "%d patients", n)
	var asking sync.WaitGroup
	for k := range 4 {
		asking.Go(func() {
			for i := k; i < n; i += 7919 {
				found, err := set.Find("Patient", fmt.Sprint("p", i))
				assert.NoError(t, err)
				if assert.Len(t, found, 1) {
					assert.Equal(t, fmt.Sprint(i), found[0].Root().Get("identifier").At(0).Get("value").Text())
				}
			}
		})
	}
	asking.Wait()
	left, err := os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	require.Len(t, left, 1)
	info, err := left[0].Info()
	require.NoError(t, err)
	assert.Equal(t, os.FileMode(0o600), info.Mode().Perm())
	require.NoError(t, set.Close())
	left, err = os.ReadDir(os.Getenv("TMPDIR"))
	require.NoError(t, err)
	assert.Empty(t, left)
}

// BenchmarkSet reads a million patients through, and finds one after another.
func BenchmarkSet(b *testing.B) {
	set := NewSet(export(b, 1_000_000))
	defer set.Close()
	b.ResetTimer()
	for i := range b.N {
		found, err := set.Find("Patient", fmt.Sprint("p", i*7919%1_000_000))
		if err != nil || len(found) != 1 {
			b.Fatal(len(found), err)
		}
	}
}

func TestARecordSaysWhereItBegins(t *testing.T) {
	long := strings.Repeat("x", MaxLine+10)
	text := "\ufeff\n" + good + "\r\n\n  " + good + "\n" + long + "\n" + strings.Repeat(good+"\n", 3*chunkSize/len(good)) + good
	for _, in := range []string{text, "\n\n" + indented + indented + good + "\n"} {
		for r, err := range Records(strings.NewReader(in)) {
			require.NoError(t, err)
			if r.Err == nil {
				require.Equal(t, string(r.Text), in[r.At:r.At+int64(len(r.Text))], "line %d", r.Line)
			}
		}
	}
}

// Only the addresses of entries tell of which server a resource is; an index that does not fit into memory says the same.
func TestFinding_inputs_B1_ASetKnowsTheServersOfAName(t *testing.T) {
	bundle := func(fullURL, id string) string {
		return `{"resourceType":"Bundle","entry":[{"fullUrl":"` + fullURL + `","resource":{"resourceType":"ServiceRequest","id":"` + id + `"}}]}` + "\n"
	}
	set := NewSet(written(t, bundle("https://a.example/r4/ServiceRequest/1", "1")+bundle("https://B.example:443/r4/ServiceRequest/1", "1"),
		bundle("https://a.example/r4/ServiceRequest/2", "2")+`{"resourceType":"ServiceRequest","id":"2"}`+"\n"+bundle("http://a.example/r4/ServiceRequest/2", "2"),
		bundle("https://b.example/r4/ServiceRequest/3", "3"))...)
	defer set.Close()
	for range 2 {
		for name, others := range map[string][2]bool{"1": {true, true}, "2": {false, true}, "3": {true, false}, "4": {false, false}} {
			for i, base := range []string{"https://a.example/r4", "http://b.EXAMPLE/r4/"} {
				found, err := set.OfAnother("ServiceRequest", name, base)
				require.NoError(t, err)
				assert.Equal(t, others[i], found, "%s %s", name, base)
			}
		}
		require.NoError(t, set.index.spill())
	}
}
