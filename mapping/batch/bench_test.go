package batch

import (
	"bytes"
	"context"
	"encoding/json"
	"flag"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/fhir"
	"refbridge/fhir/ndjson"
	"refbridge/mapping"
)

var update = flag.Bool("update", false, "write what the tables of the bench give now into testdata")

const (
	benchTables = "../../testdata/bench"
	benchShared = "../../../shared/bench" // the public task with its own generator and expected output
)

func benchSet(t testing.TB) *mapping.Set {
	t.Helper()
	s, err := mapping.Load(os.DirFS(benchTables), mapping.Options{})
	require.NoError(t, err)
	return s
}

func benchRecords(t testing.TB, set *mapping.Set, n int) [][]byte {
	t.Helper()
	var codes []string
	for _, c := range set.Values()["snomed"].Codes {
		codes = append(codes, c.Code)
	}
	out := make([][]byte, n)
	for i := range out {
		out[i] = benchRecord(i, codes)
		require.NotEmpty(t, out[i])
	}
	return out
}

func sameJSON(t *testing.T, want, got []byte, line int) {
	t.Helper()
	var w, g any
	require.NoError(t, json.Unmarshal(want, &w))
	require.NoError(t, json.Unmarshal(got, &g), "line %d: what came out is no JSON", line)
	require.Equal(t, w, g, "line %d", line)
}

func TestTheBenchTablesGiveWhatTheMappingByHandGives(t *testing.T) {
	set := benchSet(t)
	hand, err := newByHand(benchTables)
	require.NoError(t, err)
	require.Len(t, hand.terms, 400)
	m := set.Mapper()
	var doc fhir.Doc
	for i, line := range benchRecords(t, set, 1000) {
		want, err := hand.appendBody(nil, line)
		require.NoError(t, err)
		r, err := doc.Resource(line)
		require.NoError(t, err)
		got, err := m.AppendBody(nil, "referral", mapping.Input{Focus: r})
		require.NoError(t, err, "line %d", i)
		sameJSON(t, want, got, i)
		out, err := set.Map(mapping.Input{Focus: r})
		require.NoError(t, err)
		assert.Equal(t, string(got), string(out.Bodies[0].JSON), "with and without a trace")
	}
}

// TestTheBenchTablesGiveTheExpectedOutput holds a few records with what they become, for readers and as a guard of the other test.
func TestTheBenchTablesGiveTheExpectedOutput(t *testing.T) {
	set := benchSet(t)
	in, err := os.ReadFile(filepath.Join("testdata", "bench", "in.ndjson"))
	if *update {
		in, err = append(bytes.Join(benchRecords(t, set, 8), []byte("\n")), '\n'), nil
		require.NoError(t, os.WriteFile(filepath.Join("testdata", "bench", "in.ndjson"), in, 0o644))
	}
	require.NoError(t, err)
	var out bytes.Buffer
	j := Job{Tables: set, Target: "referral", Failed: func(f LineFault) { t.Error(f.Line, f.Faults, f.Err) }}
	tally, err := j.Run(context.Background(), bytes.NewReader(in), &out)
	require.NoError(t, err)
	require.Equal(t, Tally{Mapped: 8}, tally)
	golden := filepath.Join("testdata", "bench", "out.ndjson")
	if *update {
		require.NoError(t, os.WriteFile(golden, out.Bytes(), 0o644))
	}
	want, err := os.ReadFile(golden)
	require.NoError(t, err)
	assert.Equal(t, string(want), out.String())
}

func TestTheBenchTablesGiveThePublicTasksOutput(t *testing.T) {
	golden, err := os.ReadFile(filepath.Join(benchShared, "data", "golden1k.ndjson"))
	if err != nil && os.Getenv("CI") != "" {
		t.Fatalf("the mapping bench must be beside the repository in CI: %v", err)
	}
	if err != nil {
		t.Skip("the mapping bench is not here: ../shared/bench beside the repository")
	}
	input := filepath.Join(t.TempDir(), "in.ndjson")
	generate := exec.Command("go", "run", "./cmd/gen", "-n", "1000", "-o", input)
	generate.Dir = benchShared
	said, err := generate.CombinedOutput()
	require.NoError(t, err, string(said))
	in, err := os.ReadFile(input)
	require.NoError(t, err)
	for _, workers := range []int{1, 3} {
		var out bytes.Buffer
		j := Job{Tables: benchSet(t), Target: "referral", Workers: workers, Failed: func(f LineFault) { t.Error(f.Line, f.Faults, f.Err) }}
		tally, err := j.Run(context.Background(), bytes.NewReader(in), &out)
		require.NoError(t, err)
		require.Equal(t, Tally{Mapped: 1000}, tally)
		want, got := slices.Collect(bytes.Lines(golden)), slices.Collect(bytes.Lines(out.Bytes()))
		require.Len(t, got, len(want))
		for i := range want {
			sameJSON(t, want[i], got[i], i+1)
		}
	}
}

func TestAStreamOfBodiesCostsHardlyAnAllocation(t *testing.T) {
	set := benchSet(t)
	lines := benchRecords(t, set, 200)
	m := set.Mapper()
	var doc fhir.Doc
	var out []byte
	pass := func() {
		for _, line := range lines {
			r, err := doc.Resource(line)
			require.NoError(t, err)
			out, err = m.AppendBody(out[:0], "referral", mapping.Input{Focus: r})
			require.NoError(t, err)
		}
	}
	pass()
	assert.LessOrEqual(t, testing.AllocsPerRun(3, pass)/float64(len(lines)), 10.0, "of which the date of two weeks' wait takes most")
}

// TestBaselineProcess is no test but the other side of testdata/bench/compare.sh: the mapping by hand as a process of its own.
func TestBaselineProcess(t *testing.T) {
	input, output := os.Getenv("BENCH_IN"), os.Getenv("BENCH_OUT")
	if input == "" {
		t.Skip("run by testdata/bench/compare.sh")
	}
	if os.Getenv("BENCH_WRITE") != "" {
		lines := benchRecords(t, benchSet(t), 20_000)
		require.NoError(t, os.WriteFile(input, append(bytes.Join(lines, []byte("\n")), '\n'), 0o644))
		return
	}
	hand, err := newByHand(benchTables)
	require.NoError(t, err)
	in, err := os.Open(input)
	require.NoError(t, err)
	out, err := os.Create(output)
	require.NoError(t, err)
	r := ndjson.NewReader(in)
	var c ndjson.Chunk
	var written []byte
	for c.End == nil {
		r.Next(&c)
		written = written[:0]
		for line := range c.Records() {
			written, err = hand.appendBody(written, line.Text)
			require.NoError(t, err)
			written = append(written, '\n')
		}
		_, err = out.Write(written)
		require.NoError(t, err)
	}
	require.NoError(t, out.Close())
}

// BenchmarkBench does the task of testdata/bench in memory: with the tables, the reading alone, and by hand on encoding/json.
func BenchmarkBench(b *testing.B) {
	set := benchSet(b)
	lines := benchRecords(b, set, 1000)
	hand, err := newByHand(benchTables)
	require.NoError(b, err)
	m := set.Mapper()
	var doc fhir.Doc
	var out []byte
	run := func(name string, one func(line []byte) error) {
		b.Run(name, func(b *testing.B) {
			b.ReportAllocs()
			bytes := 0
			began := time.Now()
			for i := 0; b.Loop(); i++ {
				line := lines[i%len(lines)]
				bytes += len(line)
				if err := one(line); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(bytes)/1e6/time.Since(began).Seconds(), "MB/s")
		})
	}
	run("tables", func(line []byte) error {
		r, err := doc.Resource(line)
		if err == nil {
			out, err = m.AppendBody(out[:0], "referral", mapping.Input{Focus: r})
		}
		return err
	})
	run("parse", func(line []byte) error {
		_, err := doc.Resource(line)
		return err
	})
	run("by-hand", func(line []byte) error {
		out, err = hand.appendBody(out[:0], line)
		return err
	})
}
