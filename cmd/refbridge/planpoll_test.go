package main

import (
	"bytes"
	"os"
	"path/filepath"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestFinding_server_MP11_people_U3_AFirstLookShowsWhatAFirstSyncDoesAndWritesNothing(t *testing.T) {
	w := newWorld(t, setting{referrals: 12, ward: 8})
	before := w.run(exitError, "plan")
	assert.Contains(t, before.err, "hint: refbridge plan --poll makes it")

	look := w.run(exitChanges, "plan", "--poll")
	assert.Contains(t, look.err, "ers: this poll spends, for service 21012: 2 of the 2 worklist calls left today")
	assert.Contains(t, look.out, "ers: 12 create")
	assert.Regexp(t, `ward: [0-9]+ create`, look.out)
	assert.Contains(t, look.out, "ward: last polled ")
	assert.Zero(t, w.org.Writes(), "nothing is written to Salesforce")
	assert.Empty(t, w.ers.Report().Violations)

	// The same again, and without a poll: the ledger has it all.
	again := w.run(exitChanges, "plan")
	assert.Contains(t, again.out, "ers: 12 create")
	assert.Zero(t, w.org.Writes())

	calls := w.ers.Report().WorklistCalls
	w.run(exitDone, "sync")
	assert.Positive(t, w.org.Writes())
	s := w.statement()
	assert.Zero(t, s.Pending)
	assert.Greater(t, s.Applied, 12)
	assert.Equal(t, calls, w.ers.Report().WorklistCalls, "the ration is spent: sync uses what was polled")
}

func TestAFirstLookAtASourceThatIsDownShowsTheOthers(t *testing.T) {
	broken := &atomic.Bool{}
	w := newWorld(t, setting{referrals: 5, ward: 5, spoil: spoil{on: broken, path: "/ServiceRequest", status: 500, typ: "text/plain", body: "down"}})
	broken.Store(true)
	look := w.run(exitError, "plan", "--poll")
	assert.Contains(t, look.err, "poll ward")
	assert.Contains(t, look.out, "ers: 5 create")
	assert.Zero(t, w.org.Writes())
}

func TestFinding_server_MP16_TheStatementSaysSinceWhenASourceCannotBeRead(t *testing.T) {
	broken := &atomic.Bool{}
	w := newWorld(t, setting{ward: 5, spoil: spoil{on: broken, path: "/ServiceRequest", status: 404, typ: "text/plain", body: "no such page"}})
	broken.Store(true)
	w.run(exitError, "sync")
	var out bytes.Buffer
	later := &program{out: &out, err: &out, now: func() time.Time { return time.Now().Add(time.Hour) }, config: filepath.Join(w.dir, "refbridge.yaml")}
	assert.Equal(t, exit(exitOverdue), (&statementCmd{}).Run(t.Context(), later))
	assert.Contains(t, out.String(), "the statement balances")
	assert.Contains(t, out.String(), "ward: never polled, OVERDUE")
	assert.Contains(t, out.String(), "not readable since ")
	broken.Store(false)
	w.run(exitDone, "sync")
	s := w.run(exitDone, "statement")
	assert.NotContains(t, s.out, "OVERDUE")
	assert.NotContains(t, s.out, "not readable")
	j := w.statement()
	require.Len(t, j.Sources, 2)
	assert.Equal(t, "ward", j.Sources[0].Source)
	assert.False(t, j.Sources[0].LastPoll.IsZero())
}

func TestPlanPollWithFilesIsMisuse(t *testing.T) {
	w := newWorld(t, setting{})
	path := filepath.Join(w.dir, "x.json")
	require.NoError(t, os.WriteFile(path, []byte("{}"), 0o600))
	w.run(exitUsage, "plan", "--poll", "--from", path)
}
