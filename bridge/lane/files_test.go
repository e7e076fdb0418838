package lane_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/plan"
	"refbridge/fhir/ndjson"
	"refbridge/ledger"
	"refbridge/mapping"
)

// files plans with the starter tables and nothing else.
func files(t testing.TB) plan.Files {
	t.Helper()
	tables, err := mapping.Load(mapping.Default(), mapping.Options{})
	require.NoError(t, err)
	p := plan.Planner{Flow: "ward", Tables: tables, Now: time.Now, Policy: plan.Policy{Patient: plan.Link, Run: "live"}}
	return plan.Files{ERS: p, FHIR: p}
}

// serviceRequest gives the n-th of a series of synthetic referrals, one line of some 3 KB.
func serviceRequest(n int) string {
	note := strings.Repeat("Synthetic text for a synthetic person. ", 40)
	return fmt.Sprintf(`{"resourceType":"ServiceRequest","id":"sr%d","meta":{"versionId":"1","lastUpdated":"2026-03-01T10:00:00Z"},
"identifier":[{"system":"https://fhir.nhs.uk/Id/UBRN","value":"%012d"}],"status":"active","intent":"order","priority":"%s",
"category":[{"coding":[{"system":"http://snomed.info/sct","code":"3457005","display":"Patient referral"}]}],
"code":{"coding":[{"system":"http://snomed.info/sct","code":"%d","display":"Procedure %d"}]},
"subject":{"type":"Patient","identifier":{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990000018"}},
"authoredOn":"2026-03-01T09:30:00Z","occurrencePeriod":{"start":"2026-04-01","end":"2026-05-01"},
"bodySite":[{"coding":[{"system":"http://snomed.info/sct","code":"%d"}]}],"note":[{"text":"%s"}]}`,
		n, n, []string{"routine", "urgent", "asap"}[n%3], 100000+n%500, n%500, 200000+n%90, note)
}

// planned plans every record of a file.
func planned(ctx context.Context, f plan.Files, in io.Reader, take func(plan.FileRecord) error) error {
	for rec, err := range ndjson.Records(in) {
		if err != nil {
			return err
		}
		if err := f.Plan(ctx, rec, take); err != nil {
			return err
		}
	}
	return nil
}

// stream gives n referrals as NDJSON without ever holding them.
func stream(n int) io.Reader {
	r, w := io.Pipe()
	go func() {
		for i := range n {
			if _, err := io.WriteString(w, strings.ReplaceAll(serviceRequest(i), "\n", "")+"\n"); err != nil {
				return
			}
		}
		w.Close()
	}()
	return r
}

func TestAFileOfTwentyThousandReferralsIsPlannedInConstantMemory(t *testing.T) {
	if testing.Short() {
		t.Skip("20,000 records take some seconds")
	}
	before := heap()
	records, highest := 0, uint64(0)
	err := planned(t.Context(), files(t), stream(20_000), func(r plan.FileRecord) error {
		require.NoError(t, r.Err)
		if records++; records%2_000 == 0 {
			highest = max(highest, heap())
		}
		return nil
	})
	require.NoError(t, err)
	assert.Equal(t, 20_000, records)
	assert.Less(t, highest, before+16<<20, "what is live after a collection does not grow with the file")
}

func heap() uint64 {
	runtime.GC()
	var m runtime.MemStats
	runtime.ReadMemStats(&m)
	return m.HeapAlloc
}

func TestOneBadLineIsARecordAndItsNeighboursGoOn(t *testing.T) {
	good := strings.ReplaceAll(serviceRequest(1), "\n", "")
	for name, bad := range map[string]string{
		"truncated":            good[:len(good)/2],
		"a page":               "<html><body>Humperdinck 9990000018</body></html>",
		"not a resource":       `{"a":1}`,
		"a member name twice":  `{"resourceType":"ServiceRequest","id":"1","id":"2"}`,
		"nested without end":   strings.Repeat("[", 5000),
		"another JSON value":   "42",
		"a resource of no use": `{"resourceType":"Observation","id":"1"}`,
	} {
		t.Run(name, func(t *testing.T) {
			var got []plan.FileRecord
			err := planned(t.Context(), files(t), strings.NewReader(good+"\n"+bad+"\n"+good+"\n"), func(r plan.FileRecord) error {
				got = append(got, r)
				return nil
			})
			require.NoError(t, err)
			require.Len(t, got, 3)
			assert.NotNil(t, got[0].Step)
			assert.NotNil(t, got[2].Step)
			assert.Equal(t, 2, got[1].Line)
			if got[1].Err != nil {
				assert.NotContains(t, got[1].Err.Error(), "Humperdinck")
				assert.NotContains(t, got[1].Err.Error(), "9990000018")
			} else {
				assert.NotZero(t, len(got[1].Note)+len(got[1].Others), "what became of it is told, or counted by its kind")
			}
		})
	}
}

func TestAReferralWithoutAMatchedPatientIsShownAndHeld(t *testing.T) {
	var got []plan.FileRecord
	require.NoError(t, planned(t.Context(), files(t), strings.NewReader(serviceRequest(7)), func(r plan.FileRecord) error {
		got = append(got, r)
		return nil
	}))
	require.Len(t, got, 1)
	s := got[0].Step
	require.NotNil(t, s)
	assert.Equal(t, ledger.Held, s.Fate)
	assert.Equal(t, "patient-not-found", s.Reason.Code)
	require.NotEmpty(t, s.Writes)
	fields := map[string]string{}
	for _, w := range s.Writes {
		for _, f := range w.Fields {
			fields[w.Object+"."+f.Field] = f.Want.Reveal()
		}
	}
	assert.Equal(t, "Urgent", fields["ClinicalServiceRequest.Priority"])
	assert.Equal(t, "2026-03-31T23:00:00.000Z", fields["ClinicalServiceRequest.StartDate"], "1 April in London is still March in UTC")
	assert.Equal(t, "Account by nhsNumber", fields["ClinicalServiceRequest.PatientId"], "the number itself is not shown")
}

func BenchmarkPlanFiles(b *testing.B) {
	const n = 500
	text, err := io.ReadAll(stream(n))
	require.NoError(b, err)
	f := files(b)
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		if err := planned(context.Background(), f, bytes.NewReader(text), func(plan.FileRecord) error { return nil }); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(n)*float64(b.N)/b.Elapsed().Seconds(), "records/s")
}
