package lane_test

import (
	"bytes"
	"io/fs"
	"testing"
	"testing/fstest"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/lane"
	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/mapping"
)

// plan is a whole dry run.
func (w *world) plan(f *lane.Flow) ([]*bridge.Step, bridge.Counts) {
	w.t.Helper()
	var steps []*bridge.Step
	var counts bridge.Counts
	require.NoError(w.t, f.Plan(w.t.Context(), 0, func(batch bridge.Plan) error {
		steps = append(steps, batch.Steps...)
		counts.Add(batch.Counts())
		return nil
	}))
	return steps, counts
}

// tablesWithout loads the starter tables without the lines that hold a text.
func tablesWithout(t *testing.T, text string) *mapping.Set {
	t.Helper()
	files := fstest.MapFS{}
	removed := 0
	require.NoError(t, fs.WalkDir(mapping.Default(), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		body, err := fs.ReadFile(mapping.Default(), path)
		var kept [][]byte
		for _, l := range bytes.Split(body, []byte("\n")) {
			if bytes.Contains(l, []byte(text)) {
				removed++
				continue
			}
			kept = append(kept, l)
		}
		files[path] = &fstest.MapFile{Data: bytes.Join(kept, []byte("\n"))}
		return err
	}))
	require.Positive(t, removed, "no line holds %q", text)
	set, err := mapping.Load(files, mapping.Options{PatientKey: func(n fhir.NHSNumber) string { return "k" + n.Reveal() }})
	require.NoError(t, err)
	return set
}

func TestFinding_code_T4_T5_TheFirstCorrectionOfATableReleasesWhatItHeldAndAPlanShowsIt(t *testing.T) {
	w := newWorld(t, setting{memory: true, referrals: 20})
	full := w.eRS.Planner.Tables
	w.eRS.Planner.Tables = tablesWithout(t, "{code: ROUTINE, to: Routine")
	first := w.run(w.eRS)
	require.Positive(t, first.Held, "ROUTINE is in no value table")
	w.eRS.Planner.Tables = full
	steps, counts := w.plan(w.eRS)
	assert.Len(t, steps, first.Held, "the dry run shows what the corrected table lets through")
	assert.Zero(t, counts.Held)
	assert.Equal(t, first.Held, w.statement().Held, "and changes nothing")
	second := w.run(w.eRS)
	assert.Equal(t, first.Held, second.Applied, "the sync does it")
	assert.Equal(t, counts.Writes, second.Writes)
	assert.Zero(t, w.statement().Held)
}

func TestADryRunOfManyBatchesIsWhatTheSyncDoes(t *testing.T) {
	w := newWorld(t, setting{ward: 450})
	require.NoError(t, w.ward.Poll(t.Context()))
	_, counts := w.plan(w.ward)
	report, err := w.ward.Sync(t.Context())
	require.NoError(t, err)
	assert.Equal(t, report.Writes, counts.Writes, "records that several batches share are planned once")
	assert.Equal(t, report.Held, counts.Held)
	assert.Equal(t, report.Applied, counts.Create+counts.Update+counts.Same)
}

func TestADryRunHandsOutNoMoreThanItsLimit(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 30})
	require.NoError(t, w.ward.Poll(t.Context()))
	n := 0
	require.NoError(t, w.ward.Plan(t.Context(), 7, func(batch bridge.Plan) error { n += len(batch.Steps); return nil }))
	assert.Equal(t, 7, n)
}

func TestAnswersThatNobodyHasReadYetArePlannedToo(t *testing.T) {
	w := newWorld(t, setting{memory: true, ward: 10})
	page := searchPage(t, w)
	_, err := w.ledger.Receive(t.Context(), ledger.Answer{Source: "ward", Kind: "ServiceRequest", Body: page}, ledger.Cursor{})
	require.NoError(t, err)
	steps, _ := w.plan(w.ward)
	assert.NotEmpty(t, steps)
	assert.Equal(t, 1, w.statement().Unread)
}

// searchPage is one page of referrals as the FHIR server gives it.
func searchPage(t *testing.T, w *world) []byte {
	t.Helper()
	res, err := w.get(w.fhir.Credentials(w.urls[1]).BaseURL + "/ServiceRequest?_count=5&_include=ServiceRequest:subject")
	require.NoError(t, err)
	return res
}

// version makes a page of one referral another version of it, with a priority of its own.
func version(t *testing.T, page []byte, n, priority string) []byte {
	t.Helper()
	r, err := fhir.Parse(page)
	require.NoError(t, err)
	for e := range r.Root().Get("entry").Items() {
		one, err := fhir.ResourceAt(e.Get("resource"))
		require.NoError(t, err)
		if one.Type() != "ServiceRequest" {
			continue
		}
		out := bytes.Replace(one.Raw(), []byte(`"versionId":"`+one.VersionID()+`"`), []byte(`"versionId":"`+n+`"`), 1)
		was := `"priority":"` + one.Root().Get("priority").Text() + `"`
		require.Contains(t, string(out), was)
		out = bytes.Replace(out, []byte(was), []byte(`"priority":"`+priority+`"`), 1)
		return bytes.Replace(page, one.Raw(), out, 1)
	}
	t.Fatal("no referral")
	return nil
}

func TestADryRunOfUnreadAnswersKeepsTheOrderOfVersionsAsTheSyncDoes(t *testing.T) {
	for name, order := range map[string][2]string{"in their order": {"8", "9"}, "the newer one first": {"9", "8"}} {
		t.Run(name, func(t *testing.T) {
			// Before: everything is synced. Source: two answers with two versions of one referral, which nobody has read.
			w := newWorld(t, setting{ward: 6})
			w.run(w.ward)
			page, err := w.get(w.fhir.Credentials(w.urls[1]).BaseURL + "/ServiceRequest?_count=1&_include=ServiceRequest:subject")
			require.NoError(t, err)
			priority := map[string]string{"8": "asap", "9": "stat"}
			for _, v := range order {
				body := version(t, page, v, priority[v])
				_, err := w.ledger.Receive(t.Context(), ledger.Answer{Source: "ward", Kind: "ServiceRequest", Body: body}, ledger.Cursor{})
				require.NoError(t, err)
			}
			steps, counts := w.plan(w.ward)
			require.Len(t, steps, 1)
			assert.Equal(t, 1, counts.Update)
			assert.Equal(t, 2, w.statement().Unread, "the plan reads none of them")
			assert.Contains(t, string(steps[0].Work.Body), `"priority":"stat"`)
			toRead, err := w.ward.ToRead(t.Context())
			require.NoError(t, err)
			assert.Zero(t, toRead)

			report := w.sync(w.ward)
			assert.Equal(t, counts.Writes, report.Writes)
			assert.Equal(t, "Stat", w.row("ClinicalServiceRequest", "ward.sr."+steps[0].Work.Ref.ID)["Priority"])
			assert.Zero(t, w.statement().Pending)
		})
	}
}

func TestADryRunSaysWhatUnreadAnswersOnlyName(t *testing.T) {
	w := newWorld(t, setting{ward: 6})
	page, err := w.get(w.fhir.Credentials(w.urls[1]).BaseURL + "/ServiceRequest?_count=3") // their patients are not on the page
	require.NoError(t, err)
	_, err = w.ledger.Receive(t.Context(), ledger.Answer{Source: "ward", Kind: "ServiceRequest", Body: page}, ledger.Cursor{})
	require.NoError(t, err)
	toRead, err := w.ward.ToRead(t.Context())
	require.NoError(t, err)
	assert.Equal(t, 3, toRead)
}
