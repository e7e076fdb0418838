package batch

import (
	"bytes"
	"compress/gzip"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/mapping"
)

const bodyTable = `body: referral
source: ServiceRequest
rows:
  - {path: patient.fields.LastName, from: subject.display, default: Unknown}
  - {path: referral.fields.Status, from: status, required: true}
`

// mapped runs a batch and gives its lines and what failed.
func mapped(t *testing.T, j Job, in io.Reader) ([]string, []LineFault, Tally) {
	t.Helper()
	var failed []LineFault
	j.Failed = func(f LineFault) { failed = append(failed, f) }
	var out bytes.Buffer
	tally, err := j.Run(context.Background(), in, &out)
	require.NoError(t, err)
	text := strings.TrimSuffix(out.String(), "\n")
	if text == "" {
		return nil, failed, tally
	}
	return strings.Split(text, "\n"), failed, tally
}

func bodyJob(t *testing.T, workers int) Job {
	t.Helper()
	set, err := mapping.Load(fstest.MapFS{"a.yaml": {Data: []byte(bodyTable)}}, mapping.Options{})
	require.NoError(t, err)
	return Job{Tables: set, Target: "referral", Workers: workers}
}

func TestAJobKeepsTheOrderAndTellsWhatFailed(t *testing.T) {
	var in strings.Builder
	var want []string
	lines := 20_000
	for i := range lines {
		switch {
		case i%1000 == 7:
			in.WriteString("{\"resourceType\":\n")
		case i%1000 == 8:
			in.WriteString(" \n")
		case i%1000 == 9:
			in.WriteString(`{"resourceType":"ServiceRequest"}` + "\n")
		default:
			fmt.Fprintf(&in, "{\"resourceType\":\"ServiceRequest\",\"status\":\"s%d\"}\n", i)
			want = append(want, fmt.Sprintf(`{"patient":{"fields":{"LastName":"Unknown"}},"referral":{"fields":{"Status":"s%d"}}}`, i))
		}
	}
	for _, workers := range []int{1, 4} {
		got, failed, tally := mapped(t, bodyJob(t, workers), iotest.HalfReader(strings.NewReader(strings.TrimSuffix(in.String(), "\n"))))
		require.Equal(t, want, got)
		require.Equal(t, Tally{Mapped: len(want), Failed: 40}, tally)
		require.Len(t, failed, 40)
		assert.Equal(t, 8, failed[0].Line)
		assert.ErrorIs(t, failed[0].Err, fhir.ErrSyntax)
		assert.Equal(t, 10, failed[1].Line)
		assert.True(t, failed[1].Faults.Has(mapping.RequiredMissing))
		assert.Equal(t, 19_010, failed[39].Line)
	}
}

func TestAJobReadsOneDocumentOverManyLines(t *testing.T) {
	got, failed, _ := mapped(t, bodyJob(t, 1), strings.NewReader("\n{\n  \"resourceType\": \"ServiceRequest\",\n  \"status\": \"active\"\n}\n"))
	assert.Empty(t, failed)
	assert.Equal(t, []string{`{"patient":{"fields":{"LastName":"Unknown"}},"referral":{"fields":{"Status":"active"}}}`}, got)
	got, failed, _ = mapped(t, bodyJob(t, 2), strings.NewReader(""))
	assert.Empty(t, failed)
	assert.Empty(t, got)
}

func starterTables(t testing.TB) *mapping.Set {
	t.Helper()
	set, err := mapping.Load(mapping.Default(), mapping.Options{})
	require.NoError(t, err)
	return set
}

// referral reads a bundle that is beside the tables' own tests: its first entry is the focus, the others are related.
func referral(t testing.TB) fhir.Bundle {
	t.Helper()
	src, err := os.ReadFile(filepath.Join("..", "testdata", "golden", "ers-booked-two-week-wait.json"))
	require.NoError(t, err)
	r, err := fhir.Parse(src)
	require.NoError(t, err)
	var all []fhir.Resource
	for e := range r.Root().Get("entry").Items() {
		one, err := fhir.ResourceAt(e.Get("resource"))
		require.NoError(t, err)
		all = append(all, one.Clone())
	}
	require.NotEmpty(t, all)
	return fhir.Bundle{Focus: all[:1], Related: all[1:]}
}

func TestAJobOfRecordsHasALineForALine(t *testing.T) {
	set, bundle := starterTables(t), referral(t)
	j := Job{Tables: set, Target: Records, Prepare: func(r fhir.Resource) ([]mapping.Sample, error) {
		if r.Type() == "List" {
			return nil, errors.New("a worklist")
		}
		return []mapping.Sample{{Bundle: bundle, Variables: map[string]string{"source": "ers"}}}, nil
	}}
	got, failed, tally := mapped(t, j, strings.NewReader("{\"resourceType\":\"Bundle\"}\n{\"resourceType\":\"List\"}\n{\"resourceType\":\"Bundle\"}\n"))
	require.Equal(t, Tally{Mapped: 2, Failed: 1}, tally)
	assert.Equal(t, 2, failed[0].Line)
	require.Len(t, got, 2)
	var line struct {
		Records []struct {
			Object string
			Key    map[string]string
			Fields map[string]any
		}
	}
	require.NoError(t, json.Unmarshal([]byte(got[0]), &line))
	out, err := set.Map(mapping.Input{Focus: bundle.Focus[0], Related: bundle.Related, Variables: map[string]string{"source": "ers"}})
	require.NoError(t, err)
	require.Len(t, line.Records, len(out.Records))
	for i, r := range out.Records {
		assert.Equal(t, r.Record.Object, line.Records[i].Object)
		assert.Equal(t, r.Record.Key.Value, line.Records[i].Key[r.Record.Key.Field])
		assert.Len(t, line.Records[i].Fields, len(r.Record.Fields))
	}
}

func TestAResourceThatNoTableReadsFails(t *testing.T) {
	for _, prepare := range []func(fhir.Resource) ([]mapping.Sample, error){nil, func(fhir.Resource) ([]mapping.Sample, error) { return nil, nil }} {
		j := bodyJob(t, 1)
		j.Prepare = prepare
		_, failed, _ := mapped(t, j, strings.NewReader("{\"resourceType\":\"Patient\"}"))
		require.Len(t, failed, 1)
		assert.True(t, failed[0].Faults.Has(mapping.TableFault))
	}
}

func TestAJobEndsWithItsStreams(t *testing.T) {
	line := "{\"resourceType\":\"ServiceRequest\",\"status\":\"active\"}\n"
	for _, workers := range []int{1, 3} {
		j := bodyJob(t, workers)
		_, err := j.Run(context.Background(), iotest.TimeoutReader(strings.NewReader(strings.Repeat(line, 50_000))), io.Discard)
		assert.ErrorIs(t, err, iotest.ErrTimeout)
		_, err = j.Run(context.Background(), strings.NewReader(strings.Repeat(line, 50_000)), fullDisk{})
		assert.ErrorIs(t, err, errFull)
		ctx, cancel := context.WithCancel(context.Background())
		cancel()
		_, err = j.Run(ctx, strings.NewReader(strings.Repeat(line, 50_000)), io.Discard)
		assert.ErrorIs(t, err, context.Canceled)
	}
}

func TestALineThatIsTooLongFailsAloneAndTheLinesBehindItAreRead(t *testing.T) {
	good := `{"resourceType":"ServiceRequest","status":"active"}` + "\n"
	long := strings.Repeat("x", maxLine+1)
	for _, workers := range []int{1, 2} {
		for name, in := range map[string]string{
			"in the middle":           good + long + "\n" + good,
			"much longer":             good + long + long + "\n" + good,
			"first":                   "\n" + long + long + "\n" + good + good,
			"last":                    good + good + "\n" + long,
			"by a little":             good + good + strings.Repeat(" ", maxLine) + "x\n",
			"behind a chunk of lines": strings.Repeat("\n", chunkSize-2) + long + "\n" + good + good,
		} {
			got, failed, _ := mapped(t, bodyJob(t, workers), iotest.HalfReader(strings.NewReader(in)))
			assert.Len(t, got, 2, name)
			require.Len(t, failed, 1, name)
			assert.ErrorIs(t, failed[0].Err, ErrLongLine, name)
			assert.Equal(t, 1+strings.Count(in[:strings.Index(in, "x")], "\n"), failed[0].Line, name)
		}
	}
}

func TestTheMarkOfUTF8IsNoPartOfTheFirstLine(t *testing.T) {
	for _, text := range []string{`{"resourceType":"ServiceRequest","status":"active"}`, "{\n\"resourceType\":\"ServiceRequest\",\n\"status\":\"active\"\n}"} {
		got, failed, _ := mapped(t, bodyJob(t, 1), iotest.OneByteReader(strings.NewReader("\ufeff"+text+"\n")))
		assert.Empty(t, failed)
		assert.Len(t, got, 1)
	}
	got, failed, _ := mapped(t, bodyJob(t, 1), strings.NewReader("\ufeff"))
	assert.Empty(t, failed)
	assert.Empty(t, got)
}

func TestWhatIsPackedIsRefused(t *testing.T) {
	var packed bytes.Buffer
	w := gzip.NewWriter(&packed)
	_, err := w.Write([]byte("{}\n"))
	require.NoError(t, err)
	require.NoError(t, w.Close())
	j := bodyJob(t, 2)
	j.Failed = func(f LineFault) { t.Error("a line was told", f) }
	_, err = j.Run(context.Background(), &packed, io.Discard)
	assert.ErrorIs(t, err, ErrGzip)
}

func TestABrokenFirstLineLosesNoOther(t *testing.T) {
	good := `{"resourceType":"ServiceRequest","status":"active"}` + "\n"
	for _, first := range []string{`{"resourceType":"ServiceRequest",`, `{`, `{"resourceType":"ServiceRequest","note":[`, `{"resourceType":"ServiceRequest","x":"cut,`, "export of 49 resources, [", `[`} {
		for _, gap := range []string{"\n", "\r\n", "\n\n"} {
			for _, lead := range []string{"", "\n"} {
				got, failed, tally := mapped(t, bodyJob(t, 1), strings.NewReader(lead+first+gap+strings.Repeat(good, 49)))
				require.Equal(t, Tally{Mapped: 49, Failed: 1}, tally, first)
				assert.Len(t, got, 49)
				assert.Equal(t, 1+len(lead), failed[0].Line)
				assert.ErrorIs(t, failed[0].Err, fhir.ErrSyntax)
			}
		}
	}
}

func TestADocumentOverManyLinesIsReadWhole(t *testing.T) {
	want := []string{`{"patient":{"fields":{"LastName":"Unknown"}},"referral":{"fields":{"Status":"active"}}}`}
	for name, c := range map[string]struct {
		in     string
		mapped int
		failed []int
	}{
		"items that begin a line":   {"{\"resourceType\":\"ServiceRequest\",\"contained\":[\n{\"resourceType\":\"Patient\"},\n{\"resourceType\":\"Patient\"}\n],\"status\":\"active\"}", 1, nil},
		"one behind the other":      {strings.Repeat("{\n  \"resourceType\": \"ServiceRequest\",\n  \"status\": \"active\"\n}\n", 3), 3, nil},
		"then a resource a line":    {"{\n \"resourceType\":\"ServiceRequest\",\"status\":\"active\"}\n{\"resourceType\":\"ServiceRequest\",\"status\":\"active\"}\nx\n", 2, []int{4}},
		"broken":                    {"{\n  \"resourceType\": \"ServiceRequest\"\n  \"status\": \"active\"\n}\n", 0, []int{1}},
		"cut off":                   {"\n{\n  \"resourceType\": \"ServiceRequest\",\n  \"status\":", 0, []int{1}},
		"larger than a chunk":       {"{\n" + strings.Repeat(" ", 3*chunkSize) + "\"resourceType\":\"ServiceRequest\",\n\"status\":\"active\"\n}\n", 1, nil},
		"longer than a line may be": {"{\n" + strings.Repeat(" \n", maxLine/2) + "\"resourceType\":\"ServiceRequest\",\n\"status\":\"active\"\n}\n", 1, nil},
	} {
		for _, workers := range []int{1, 2} {
			got, failed, _ := mapped(t, bodyJob(t, workers), strings.NewReader(c.in))
			assert.Equal(t, strings.Join(slices.Repeat(want, c.mapped), "\n"), strings.Join(got, "\n"), name)
			var lines []int
			for _, f := range failed {
				lines = append(lines, f.Line)
			}
			assert.Equal(t, c.failed, lines, name)
		}
	}
	j := bodyJob(t, 1)
	_, err := j.Run(context.Background(), strings.NewReader("{\n"+strings.Repeat(" \n", maxWhole/2)), io.Discard)
	assert.ErrorContains(t, err, "a document of more than 64 MiB")
}

func TestAJobEndsWithItsContextThoughItsInputIsWaitedFor(t *testing.T) {
	line := "{\"resourceType\":\"ServiceRequest\",\"status\":\"active\"}\n"
	for _, workers := range []int{1, 3} {
		in, feed := io.Pipe()
		ctx, cancel := context.WithCancel(context.Background())
		go func() {
			_, _ = feed.Write([]byte(strings.Repeat(line, 10_000)))
		}()
		j := bodyJob(t, workers)
		lines := 0
		j.Progress = func(_, n int) {
			if lines += n; lines > 5_000 {
				cancel()
			}
		}
		tally, err := j.Run(ctx, in, io.Discard)
		assert.ErrorIs(t, err, context.Canceled)
		assert.Greater(t, tally.Mapped, 5_000)
		require.NoError(t, in.Close())
	}
}

func TestProgressTellsEveryByte(t *testing.T) {
	line := "{\"resourceType\":\"ServiceRequest\",\"status\":\"active\"}\n"
	for _, in := range []string{"", "\ufeff" + strings.Repeat(line, 10_000), "{\n" + line[1:] + line, line + strings.Repeat("x", maxLine+2*chunkSize) + "\n" + strings.Repeat(line, 5_000)} {
		j := bodyJob(t, 2)
		bytes := 0
		j.Progress = func(n, _ int) { bytes += n }
		_, err := j.Run(context.Background(), strings.NewReader(in), io.Discard)
		require.NoError(t, err)
		assert.Equal(t, len(in), bytes)
	}
}

func bundleJob(t *testing.T, target string) Job {
	return Job{Tables: starterTables(t), Target: target, Prepare: func(r fhir.Resource) ([]mapping.Sample, error) {
		b, _ := mapping.BundleOf(r)
		return []mapping.Sample{{Bundle: b, Variables: map[string]string{"source": "epr"}}}, nil
	}}
}

const bundled = `{"resource":{"resourceType":"ServiceRequest","id":"1","status":"active","intent":"order","subject":{"reference":"Patient/p"}}},` +
	`{"resource":{"resourceType":"Patient","id":"p","identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}]}}`

func TestABundleMakesEachRecordOnce(t *testing.T) {
	once, failed, _ := mapped(t, bundleJob(t, Records), strings.NewReader(`{"resourceType":"Bundle","entry":[`+bundled+`]}`))
	require.Empty(t, failed)
	twice, failed, tally := mapped(t, bundleJob(t, Records), strings.NewReader(`{"resourceType":"Bundle","entry":[`+bundled+`,`+bundled+`]}`))
	require.Empty(t, failed)
	assert.Equal(t, once, twice)
	assert.Equal(t, map[string]int{"Patient": 1}, tally.Unread, "the second of the two")
}

func TestWhatNoTableReadsOfABundleIsCounted(t *testing.T) {
	more := `,{"resource":{"resourceType":"Observation"}},{"resource":{"resourceType":"Observation"}},{"fullUrl":"x"},{"resource":{"resourceType":"Humperdinck"}}`
	in := `{"resourceType":"Bundle","entry":[` + bundled + more + `]}` + "\n"
	_, failed, tally := mapped(t, bundleJob(t, Records), strings.NewReader(in+in))
	require.Empty(t, failed)
	assert.Equal(t, Tally{Mapped: 2, Unread: map[string]int{"Observation": 4, "": 2, "unknown": 2}}, tally)
}

func TestEveryFaultOfABundleIsTold(t *testing.T) {
	in := `{"resourceType":"Bundle","entry":[` + strings.ReplaceAll(bundled, "active", "asleep") + `,{"resource":{"resourceType":"Appointment","id":"a","status":"asleep"}}]}`
	got, failed, _ := mapped(t, bundleJob(t, Records), strings.NewReader(in))
	assert.Empty(t, got)
	require.Len(t, failed, 1)
	assert.Contains(t, failed[0].Faults.Error(), "request-status")
	assert.Contains(t, failed[0].Faults.Error(), "appointment-status")
}

var errFull = errors.New("no space left")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }
