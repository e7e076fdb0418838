package plan

import (
	"context"
	"errors"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge"
	"refbridge/bridge/bridgetest"
	"refbridge/bridge/plan/shelf"
	"refbridge/fhir/ndjson"
	"refbridge/ledger"
)

// What becomes of one line of a file: a row a case. Counts are of the records that it is told as.
func TestWhatBecomesOfALineOfAFile(t *testing.T) {
	const worklist = `{"resourceType":"List","status":"current","mode":"working","entry":[`
	for _, c := range []struct {
		name, text                     string
		steps, errs, sightings, others int
		note                           string
	}{
		{"a referral", bridgetest.Requested("r1", bridgetest.ANumber, bridgetest.IsActive), 1, 0, 0, 0, ""},
		{"a Bundle", string(bridgetest.Collected(bridgetest.Requested("r1", bridgetest.ANumber, bridgetest.IsActive), bridgetest.Requested("r2", bridgetest.BNumber, bridgetest.OnHold))), 2, 0, 0, 0, ""},
		{"what is not mapped by itself", `{"resourceType":"Observation","id":"o1"}`, 0, 0, 0, 1, ""},
		{"an entry that cannot be read", `{"resourceType":"Bundle","entry":[{"resource":{"id":"x"}},{"resource":` + bridgetest.Requested("r1", bridgetest.ANumber, bridgetest.IsActive) + `}]}`, 1, 1, 0, 0, ""},
		{"a deletion", `{"resourceType":"Bundle","type":"history","entry":[{"request":{"method":"DELETE","url":"ServiceRequest/r1"}}]}`, 0, 0, 0, 0, "ServiceRequest/r1: "},
		{"a deletion of nobody knows what", `{"resourceType":"Bundle","type":"history","entry":[{"request":{"method":"DELETE"}}]}`, 0, 0, 0, 0, "a record that the entry does not name: "},
		{"an empty worklist", worklist + `]}`, 0, 0, 0, 0, "an empty worklist"},
		{"a worklist of nothing that can be read", worklist + `{"item":{}}]}`, 0, 0, 1, 0, ""},
		{"a referral of e-RS that is none", `{"resourceType":"ReferralRequest","id":"000000070001"}`, 0, 1, 0, 0, ""},
		{"Parameters without a referral", `{"resourceType":"Parameters","parameter":[]}`, 0, 0, 0, 0, "no referral in it"},
		{"no JSON", `{`, 0, 1, 0, 0, ""},
	} {
		t.Run(c.name, func(t *testing.T) {
			p := planner(shelf.New(), t)
			p.Target, p.Memory = nil, nil
			f := Files{ERS: *p, FHIR: *p}
			var steps, errs, sightings, others int
			note := ""
			line := ndjson.Record{Line: 3, Text: []byte(c.text)}
			require.NoError(t, f.Plan(t.Context(), line, func(r FileRecord) error {
				assert.Equal(t, 3, r.Line)
				if r.Step != nil {
					steps++
				}
				if r.Err != nil {
					errs++
				}
				sightings += len(r.Sightings)
				others += len(r.Others)
				note += r.Note
				return nil
			}))
			assert.Equal(t, [4]int{c.steps, c.errs, c.sightings, c.others}, [4]int{steps, errs, sightings, others})
			assert.Contains(t, note, c.note)
			assert.Equal(t, c.note == "", note == "", note)
			full := errors.New("full")
			assert.ErrorIs(t, f.Plan(t.Context(), line, func(FileRecord) error { return full }), full, "whoever takes it may end it")
		})
	}
}

func TestAFileIsPlannedAgainstWhatWasLastSynced(t *testing.T) {
	lost := errors.New("the ledger is broken")
	for _, c := range []struct {
		name    string
		world   func(s *shelf.Shelf, p *Planner)
		text    string
		outcome string
		code    string
		err     error
	}{
		{"nothing is remembered", nil, bridgetest.Requested("r1", bridgetest.ANumber, bridgetest.IsActive), "held", bridge.CodePatientMissing, nil},
		{"it is as it was", func(s *shelf.Shelf, p *Planner) {
			s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		}, bridgetest.Requested("r1", bridgetest.ANumber, bridgetest.IsActive), "same", "", nil},
		{"it changed", func(s *shelf.Shelf, p *Planner) {
			s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
		}, bridgetest.Requested("r1", bridgetest.ANumber, bridgetest.OnHold), "update", "", nil},
		{"it belongs to another source record", func(s *shelf.Shelf, p *Planner) {
			s.Put(planned(p, bridgetest.Referral("r1", "1", bridgetest.ANumber, bridgetest.IsActive))...)
			s.Owners[bridgetest.TheCSR] = bridge.Owner{Source: "elsewhere"}
		}, bridgetest.Requested("r1", bridgetest.ANumber, bridgetest.OnHold), "held", codeRowOfAnother, nil},
		{"a code that no table lists", nil, bridgetest.Requested("r1", bridgetest.ANumber, `"status":"soonish"`), "held", bridge.CodeUnknownCode, nil},
		{"the ledger cannot be read", func(s *shelf.Shelf, p *Planner) { s.Lost = lost }, bridgetest.Requested("r1", bridgetest.ANumber, bridgetest.IsActive), "", "", lost},
		{"somebody ends it", nil, bridgetest.Requested("r1", bridgetest.ANumber, bridgetest.IsActive), "", "", context.Canceled},
	} {
		s := shelf.New()
		p := planner(s, t)
		if c.world != nil {
			c.world(s, p)
		}
		p.Target = nil
		ctx, end := context.WithCancel(t.Context())
		if c.err == context.Canceled {
			end()
		}
		var step *bridge.Step
		err := Files{FHIR: *p}.Plan(ctx, ndjson.Record{Line: 1, Text: []byte(c.text)}, func(r FileRecord) error {
			step = r.Step
			return r.Err
		})
		end()
		require.ErrorIs(t, err, c.err, c.name)
		if c.err != nil {
			continue
		}
		require.NotNil(t, step, c.name)
		assert.Equal(t, c.outcome, step.Outcome(), c.name)
		assert.Equal(t, c.code, step.Reason.Code, "%s: %s", c.name, step.Reason.Text)
		assert.NotEqual(t, ledger.Unknown, step.Fate)
	}
}
