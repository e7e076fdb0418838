package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/fstest"
	"testing/iotest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/fhir/ndjson"
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
	j := Job{Tables: set, Target: Records, Prepare: func(r fhir.Resource) (Prepared, error) {
		if r.Type() == "List" {
			return Prepared{}, errors.New("a worklist")
		}
		return Prepared{Samples: []mapping.Sample{{Bundle: bundle, Variables: map[string]string{"source": "ers"}}}}, nil
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
	for _, prepare := range []func(fhir.Resource) (Prepared, error){nil, func(fhir.Resource) (Prepared, error) { return Prepared{}, nil }} {
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

func TestWhatIsNoRecordFailsInItsPlace(t *testing.T) {
	good := `{"resourceType":"ServiceRequest","status":"active"}` + "\n"
	in := good + strings.Repeat("x", ndjson.MaxLine+1) + "\n" + good + "<html>\n" + good
	for _, workers := range []int{1, 2} {
		got, failed, tally := mapped(t, bodyJob(t, workers), iotest.HalfReader(strings.NewReader(in)))
		assert.Len(t, got, 3)
		assert.Equal(t, Tally{Mapped: 3, Failed: 2}, tally)
		assert.Equal(t, []LineFault{{Line: 2, Err: ndjson.ErrLongLine}, {Line: 4, Err: ndjson.ErrMarkup}}, failed)
	}
}

func TestWhatIsPackedIsRefused(t *testing.T) {
	j := bodyJob(t, 2)
	j.Failed = func(f LineFault) { t.Error("a line was told", f) }
	_, err := j.Run(context.Background(), strings.NewReader("\x1f\x8b\x08\x00\n"), io.Discard)
	assert.ErrorIs(t, err, ndjson.ErrGzip)
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
		bytes := 0
		j.Progress = func(n int) {
			if bytes += n; bytes > 5_000*len(line) {
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
	for _, in := range []string{"", "\ufeff" + strings.Repeat(line, 10_000), "{\n" + line[1:] + line, line + strings.Repeat("x", ndjson.MaxLine+(1<<20)) + "\n" + strings.Repeat(line, 5_000)} {
		j := bodyJob(t, 2)
		bytes := 0
		j.Progress = func(n int) { bytes += n }
		_, err := j.Run(context.Background(), strings.NewReader(in), io.Discard)
		require.NoError(t, err)
		assert.Equal(t, len(in), bytes)
	}
}

func bundleJob(t *testing.T, target string) Job {
	return Job{Tables: starterTables(t), Target: target, Prepare: func(r fhir.Resource) (Prepared, error) {
		c := mapping.ContentsOf(r)
		p := Prepared{Failed: c.Broken, Others: c.Others}
		for _, b := range c.Each() {
			p.Samples = append(p.Samples, mapping.Sample{Bundle: b, Variables: map[string]string{"source": "epr"}})
		}
		return p, nil
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
	require.Len(t, failed, 2)
	assert.EqualError(t, failed[1].Err, "entry 5 of the Bundle: not a FHIR resource: no JSON object")
	assert.Equal(t, Tally{Mapped: 2, Failed: 2, Unread: map[string]int{"Observation": 4, "unknown": 2},
		First: map[string]int{"Observation": 1, "unknown": 1}}, tally)
}

func TestFinding_inputs_B13_OneBadEntryOfABundleCostsThatEntryAlone(t *testing.T) {
	request := func(id, status string) string {
		return `{"resource":{"resourceType":"ServiceRequest","id":"` + id + `","status":"` + status + `","intent":"order","subject":{"reference":"Patient/p"}}}`
	}
	patient := bundled[strings.Index(bundled, `{"resource":{"resourceType":"Patient"`):]
	in := `{"resourceType":"Bundle","entry":[` + strings.Join([]string{request("a", "active"), request("b", "asleep"), patient, request("c", "revoked"), `{"resource":7}`,
		request("d", "dozing")}, ",") + `]}` + "\n"
	got, failed, tally := mapped(t, bundleJob(t, Records), strings.NewReader(in))
	require.Len(t, got, 1)
	a, c := strings.Index(got[0], `"epr.sr.a"`), strings.Index(got[0], `"epr.sr.c"`)
	assert.True(t, a > 0 && c > a, "in their order")
	assert.NotContains(t, got[0], `"epr.sr.b"`)
	require.Len(t, failed, 3)
	assert.ErrorContains(t, failed[0].Err, "entry 5 of the Bundle")
	assert.Contains(t, failed[1].Faults.Error(), "asleep")
	assert.Contains(t, failed[2].Faults.Error(), "dozing")
	assert.Equal(t, Tally{Mapped: 1, Failed: 3, Unread: map[string]int{}}, withoutZeros(tally))

	job := bundleJob(t, "referral")
	job.Tables = bodyJob(t, 1).Tables
	lines, failed, _ := mapped(t, job, strings.NewReader(`{"resourceType":"Bundle","entry":[`+request("a", "active")+`,`+request("b", "")+`,`+request("c", "revoked")+`]}`))
	assert.Len(t, lines, 2, "a body for each that is well")
	assert.Len(t, failed, 1)
}

func withoutZeros(t Tally) Tally {
	if t.Unread == nil {
		t.Unread = map[string]int{}
	}
	return t
}

func TestEveryFaultOfABundleIsTold(t *testing.T) {
	in := `{"resourceType":"Bundle","entry":[` + strings.ReplaceAll(bundled, "active", "asleep") + `,{"resource":{"resourceType":"Appointment","id":"a","status":"asleep"}}]}`
	got, failed, _ := mapped(t, bundleJob(t, Records), strings.NewReader(in))
	assert.Empty(t, got)
	require.Len(t, failed, 2)
	assert.Contains(t, failed[0].Faults.Error(), "request-status")
	assert.Contains(t, failed[1].Faults.Error(), "appointment-status")
}

var errFull = errors.New("no space left")

type fullDisk struct{}

func (fullDisk) Write([]byte) (int, error) { return 0, errFull }
