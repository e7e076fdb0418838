package lane_test

import (
	"fmt"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/lane"
	"refbridge/ledger"
)

// somebody is a Patient who is in no org, with what else is said of them.
func somebody(number, more string) string {
	return fmt.Sprintf(`{"resourceType":"Patient","id":"p1","meta":{"versionId":"1"},"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":%q}],%s}`,
		number, more)
}

// requestOf is a ServiceRequest about somebody.
func requestOf(id, version string) string {
	return fmt.Sprintf(`{"resourceType":"ServiceRequest","id":%q,"meta":{"versionId":%q},"status":"active","intent":"order","priority":"routine",
		"subject":{"reference":"Patient/p1"}}`, id, version)
}

// account returns the Account that refbridge made.
func (w *world) account() map[string]any {
	w.t.Helper()
	for _, r := range w.org.Rows("Account") {
		if r["Bridge_Key__c"] != nil {
			return r
		}
	}
	return nil
}

func TestAPeriodThatBeginsOrEndsByItselfIsCarriedWhenItTurns(t *testing.T) {
	// Before: a name that is the patient's from next week on, and a telephone that they give up tomorrow.
	w := newWorld(t, setting{referrals: 1})
	day := func(n int) string { return w.now().AddDate(0, 0, n).Format(time.DateOnly) }
	w.page(requestOf("t1", "1"), somebody("9990099995", fmt.Sprintf(`
		"name":[{"use":"official","family":"Thisweek","period":{"end":%q}},{"use":"official","family":"Nextweek","period":{"start":%q}}],
		"telecom":[{"system":"phone","use":"mobile","rank":1,"value":"07700900111","period":{"end":%q}},{"system":"phone","use":"mobile","value":"07700900222"}]`,
		day(6), day(7), day(1))))
	w.sync(w.ward)
	require.Equal(t, "Thisweek", w.account()["LastName"])
	require.Equal(t, "07700900111", w.account()["PersonMobilePhone"])

	// Nothing happens before.
	assert.Equal(t, lane.Report{}, w.sync(w.ward))

	// The telephone is over. A dry run says so first.
	w.days(2)
	steps, counts := w.plan(w.ward)
	require.Len(t, steps, 1)
	assert.Equal(t, 1, counts.Writes)
	report := w.sync(w.ward)
	assert.Equal(t, 1, report.Applied)
	assert.Equal(t, 1, report.Writes)
	assert.Equal(t, "07700900222", w.account()["PersonMobilePhone"])
	assert.Equal(t, "Thisweek", w.account()["LastName"])
	assert.Equal(t, lane.Report{}, w.sync(w.ward), "an idle sync is silent")

	// The name begins; a restart lies in between.
	w.reopen(nil)
	w.days(6)
	w.sync(w.ward)
	assert.Equal(t, "Nextweek", w.account()["LastName"])
	w.days(1000)
	assert.Equal(t, lane.Report{}, w.sync(w.ward), "nothing turns any more")
	assert.Equal(t, 1, w.statement().Applied)
}

func TestAPeriodThatTurnsWithoutAChangeForSalesforceWritesNothing(t *testing.T) {
	w := newWorld(t, setting{referrals: 1})
	w.page(requestOf("t2", "1"), somebody("9990099995", fmt.Sprintf(
		`"name":[{"family":"Same"}],"telecom":[{"system":"fax","value":"07700900111","period":{"end":%q}}]`, w.now().AddDate(0, 0, 1).Format(time.DateOnly))))
	w.sync(w.ward)
	w.days(2)
	report := w.sync(w.ward)
	assert.Equal(t, 1, report.Applied)
	assert.Zero(t, report.Writes)
	assert.Equal(t, lane.Report{}, w.sync(w.ward))
}

func TestANumberThatIsToComeIsTriedWhenItHasCome(t *testing.T) {
	w := newWorld(t, setting{referrals: 1})
	patient := fmt.Sprintf(`{"resourceType":"Patient","id":"p1","meta":{"versionId":"1"},"name":[{"family":"Later"}],
		"identifier":[{"system":"https://fhir.nhs.uk/Id/nhs-number","value":"9990099995","period":{"start":%q}}]}`, w.now().AddDate(0, 0, 3).Format(time.DateOnly))
	w.page(requestOf("t3", "1"), patient)
	w.sync(w.ward)
	held, err := w.ledger.Entries(t.Context(), ledger.Filter{Source: "ward", Fates: []ledger.Fate{ledger.Held}})
	require.NoError(t, err)
	require.Len(t, held, 1)
	w.days(4)
	w.sync(w.ward)
	require.NotNil(t, w.account())
	assert.Equal(t, "Later", w.account()["LastName"])
}
