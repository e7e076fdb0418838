package lane

import (
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"net/http"
	"strconv"
	"sync"
	"time"

	"refbridge/bridge"
	"refbridge/bridge/deliver"
	"refbridge/ledger"
	"refbridge/sfdc"
	"refbridge/sfdc/sobject"
)

// The object of ours that holds a row for each ledger: its id and how many runs it has begun. It is deployed with the other metadata;
// where an org does not have it, an older ledger is noticed by rows alone.
const (
	ledgerObject = "Bridge_Ledger__c"
	ledgerKey    = "Bridge_Key__c"
	ledgerRun    = "Bridge_Run__c"
)

// recoveryTarget is what Salesforce is asked of an older ledger.
type recoveryTarget interface {
	deliver.Upserter
	lister
}

// lister lists rows by the beginning of their keys: those that are there, and those that somebody deleted.
type lister interface {
	Changed(ctx context.Context, s sfdc.Selection, since time.Time, keyPrefix string, take func([]sobject.Record) error) error
	DeletedUnder(ctx context.Context, s sfdc.Selection, keyPrefix string) ([]sobject.Record, error)
}

// Recovery notices a ledger that is older than the truth: restored, cut, or lost (doubt rule 10). Lanes of one ledger share it.
type Recovery struct {
	Target recoveryTarget
	Ledger *ledger.Ledger
	Now    func() time.Time

	mu     sync.Mutex
	absent bool // the org does not have the object
}

// olderRun reports whether Salesforce knows of runs that the ledger does not.
func olderRun(noted, kept int64) bool { return kept > noted }

// runAhead reports whether another ledger's state has written since the one that is open.
func (r *Recovery) runAhead(ctx context.Context) (bool, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, noted, err := r.noted(ctx)
	if err != nil || id == "" || r.absent {
		return false, err
	}
	rows, err := r.Target.Retrieve(ctx, sfdc.Selection{Object: ledgerObject, KeyField: ledgerKey, Keys: []string{id}, Fields: []string{ledgerRun}})
	if notDeployed(err) {
		r.absent = true
		return false, nil
	}
	if err != nil || len(rows) == 0 {
		return false, err
	}
	kept, _ := rows[0].Get(ledgerRun)
	n, err := strconv.ParseFloat(kept.Reveal(), 64)
	return err == nil && olderRun(noted, int64(n)), nil
}

// noted returns the id of the ledger, empty where it never had one, and the number of its last run.
func (r *Recovery) noted(ctx context.Context) (id string, run int64, err error) {
	if id, err = r.Ledger.Cursor(ctx, ledgerSource, "id"); err != nil {
		return "", 0, err
	}
	text, err := r.Ledger.Cursor(ctx, ledgerSource, "run")
	run, _ = strconv.ParseInt(text, 10, 64)
	return id, run, err
}

// ledgerSource stands for the ledger itself where a cursor has a source. No source can have this name.
const ledgerSource = "(ledger)"

// Raise raises the number of runs, in the ledger first: a crash in between leaves the ledger ahead, which harms nobody. It is
// done before the first write of each run.
func (r *Recovery) Raise(ctx context.Context) error {
	r.mu.Lock()
	defer r.mu.Unlock()
	id, run, err := r.noted(ctx)
	if err != nil || r.absent {
		return err
	}
	if id == "" {
		id = rand.Text()
		if err := r.Ledger.SetCursor(ctx, ledgerSource, ledger.Cursor{Name: "id", Value: id}); err != nil {
			return err
		}
	}
	run++
	if err := r.Ledger.SetCursor(ctx, ledgerSource, ledger.Cursor{Name: "run", Value: strconv.FormatInt(run, 10)}); err != nil {
		return err
	}
	row := sobject.Record{Object: ledgerObject, Key: sobject.Key{Field: ledgerKey, Value: id},
		Fields: []sobject.Field{{Name: ledgerRun, Value: sobject.NumberValue(strconv.FormatInt(run, 10))}}}
	results, err := r.Target.Upsert(ctx, ledgerObject, ledgerKey, []sobject.Record{row}, nil)
	if err == nil && len(results) == 1 {
		err = results[0].Err
	}
	if notDeployed(err) {
		r.absent = true
		return nil
	}
	if err != nil {
		return bridge.ReadRefused(ctx, err, "count the run in "+ledgerObject, r.Now())
	}
	return nil
}

// notDeployed reports whether the org does not have the object, or the user does not see it.
func notDeployed(err error) bool {
	var e *sfdc.Error
	return errors.As(err, &e) && (e.Status == http.StatusNotFound || e.Code == sfdc.CodeField)
}

// A rebuild has two steps: it is noticed, and nothing is written or proposed until every write that the lost ledger may have sent
// is past its deadline; then what is known is made anew.
const (
	rebuildCursor = "rebuild" // since when it waits; empty: it does not
	rebuiltCursor = "rebuilt" // when it was made anew last
	lookedCursor  = "looked"  // when an empty ledger found no rows of its lane
)

// rebuildStep is what a lane does about its ledger before anything else.
type rebuildStep uint8

const (
	goOn       rebuildStep = iota
	waitForOld             // writes of the lost ledger may still take effect
	rebuildNow
)

// RebuildWait is how long nothing is written after an older ledger was noticed.
const RebuildWait = bridge.LateCommit

// stepOf decides: since is when an older ledger was noticed, zero = never.
func stepOf(since, now time.Time) rebuildStep {
	switch {
	case since.IsZero():
		return goOn
	case !now.After(since.Add(bridge.LateCommit)):
		return waitForOld
	}
	return rebuildNow
}

// current makes sure that the ledger is as new as Salesforce, before a poll spends a ration and before anything is written. Where it
// is not, the lane halts until it can be made anew.
func (f *Flow) current(ctx context.Context) error {
	if f.Recovery == nil {
		return nil
	}
	text, err := f.Ledger.Cursor(ctx, f.Name, rebuildCursor)
	if err != nil {
		return err
	}
	since, _ := time.Parse(time.RFC3339, text)
	switch stepOf(since, f.Now()) {
	case waitForOld:
		return waiting(since)
	case rebuildNow:
		return f.rebuild(ctx)
	}
	why, err := f.older(ctx)
	if err != nil || why == "" {
		return err
	}
	return f.BeginRebuild(ctx, why)
}

func waiting(since time.Time) error {
	return fmt.Errorf("%w: this ledger is older than Salesforce; writes that were sent before may still take effect until %s; the first sync after "+
		"that makes it anew", bridge.ErrHalted, since.Add(bridge.LateCommit).UTC().Format(time.RFC3339))
}

// older says why the ledger is older than the truth; empty: it is not, as far as can be seen.
func (f *Flow) older(ctx context.Context) (string, error) {
	ahead, err := f.Recovery.runAhead(ctx)
	if err != nil {
		return "", bridge.ReadRefused(ctx, err, "read the run number", f.Now())
	}
	if ahead {
		return "Salesforce has counted runs of it that it does not know: it was restored or cut", nil
	}
	if fresh, err := f.fresh(ctx); err != nil || !fresh {
		return "", err
	}
	found, err := f.rowsThere(ctx)
	if err != nil || found {
		return "it is empty, and Salesforce has rows of this source: it was lost", err
	}
	return "", f.Ledger.SetCursor(ctx, f.Name, ledger.Cursor{Name: lookedCursor, Value: f.Now().UTC().Format(time.RFC3339)})
}

// fresh reports whether nothing was ever written by this ledger for the lane.
func (f *Flow) fresh(ctx context.Context) (bool, error) {
	for _, name := range []string{"synced", rebuiltCursor, lookedCursor} {
		text, err := f.Ledger.Cursor(ctx, f.Name, name)
		if err != nil || text != "" {
			return false, err
		}
	}
	return true, nil
}

// errEnough ends a list of rows of which the first says all.
var errEnough = errors.New("enough")

// rowsThere reports whether Salesforce has a row under the lane's keys that the ledger does not know.
func (f *Flow) rowsThere(ctx context.Context) (bool, error) {
	for _, o := range f.Planner.Tables.Objects() {
		oldest := ""
		err := f.Recovery.Target.Changed(ctx, sfdc.Selection{Object: o.Name, KeyField: o.KeyField}, time.Time{}, f.Name+".", func(rows []sobject.Record) error {
			oldest = rows[0].Key.Value
			return errEnough
		})
		if oldest == "" && err == nil {
			continue
		}
		if !errors.Is(err, errEnough) {
			return false, bridge.ReadRefused(ctx, err, "list rows of "+o.Name, f.Now())
		}
		known, err := f.Ledger.Rows(ctx, o.Name, []string{oldest})
		if err != nil || len(known) == 0 {
			return err == nil, err
		}
	}
	return false, nil
}
