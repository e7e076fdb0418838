package lane_test

import (
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"

	"refbridge/bridge/plan"
	"refbridge/ledger"
)

func TestABirthDateIsComparedWithTheAccountThatIsThereBeforeAnythingIsWritten(t *testing.T) {
	// Before: an Account of the trust's own, born on 1 January 1940, with the NHS number that the referral names.
	for _, mode := range []plan.PatientMode{plan.Link, plan.CreateMode} {
		for _, c := range []struct {
			name, born, org string
			held            bool
		}{
			{"the same day", "1940-01-01", "1940-01-01", false},
			{"another day", "1988-05-02", "1940-01-01", true},
			{"the same year alone", "1940", "1940-01-01", false},
			{"another year alone", "1941", "1940-01-01", true},
			{"the same month alone", "1940-01", "1940-01-01", false},
			{"another month alone", "1940-02", "1940-01-01", true},
			{"the org has none", "1988-05-02", "", false},
			{"the source has none", "", "1940-01-01", false},
		} {
			name := string(mode) + ", " + c.name
			w := newWorld(t, setting{referrals: 1})
			w.ward.Planner.Policy.Patient = mode
			person := w.ers.People()[0]
			rows := w.org.Rows("Account")
			require.Len(t, rows, 1, name)
			if c.org == "" {
				require.NoError(t, w.org.Edit("Account", rows[0]["Id"].(string), map[string]any{"PersonBirthdate": nil}), name)
			}
			require.Equal(t, c.org, bornIn(w.org.Rows("Account")[0]), name)
			more := `"name":[{"family":"Somebody"}],"deceasedBoolean":true`
			if c.born != "" {
				more += `,"birthDate":"` + c.born + `"`
			}
			w.page(requestOf("b1", "1"), somebody(person.NHSNumber, more))
			w.sync(w.ward)
			referral := w.row("ClinicalServiceRequest", "ward.sr.b1")
			account := w.org.Rows("Account")[0]
			assert.Equal(t, false, account["Bridge_Stop_Contact__c"], "%s: the Account is not ours", name)
			if c.org == "" {
				assert.Nil(t, account["PersonBirthdate"], "%s: nor is its birth date", name)
			}
			if !c.held {
				assert.NotNil(t, referral, name)
				continue
			}
			assert.Nil(t, referral, name)
			held, err := w.ledger.Entries(t.Context(), ledger.Filter{Source: "ward", Fates: []ledger.Fate{ledger.Held}})
			require.NoError(t, err, name)
			require.Len(t, held, 1, name)
			assert.Equal(t, "patient-differs", held[0].Reason.Code, name)
			assert.Equal(t, "PersonBirthdate", held[0].Reason.Field, name)
			assert.NotContains(t, held[0].Reason.Text, "19", "%s: no value in a reason", name)
		}
	}
}

func bornIn(account map[string]any) string {
	day, _ := account["PersonBirthdate"].(string)
	return day
}

func TestABirthDateOfAnAccountOfOursIsComparedAsFarAsItGoesAndNeverWrittenInPart(t *testing.T) {
	w := newWorld(t, setting{referrals: 1})
	born := func(version, date, more string) {
		w.page(requestOf("b2", version), strings.Replace(somebody("9990099995", `"name":[{"family":"Somebody"}],"birthDate":"`+date+`"`+more),
			`"versionId":"1"`, `"versionId":"`+version+`"`, 1))
		w.sync(w.ward)
	}
	born("1", "1950", "")
	require.NotNil(t, w.account())
	assert.Nil(t, w.account()["PersonBirthdate"], "a year alone is no date")
	born("2", "1950-03-04", "")
	assert.Equal(t, "1950-03-04", w.account()["PersonBirthdate"])
	born("3", "1950-03", "")
	assert.Equal(t, "1950-03-04", w.account()["PersonBirthdate"], "it says less, and the same")
	require.Zero(t, w.statement().Held)
	born("4", "1951", `,"deceasedBoolean":true`)
	assert.Equal(t, 1, w.statement().Held)
	assert.Equal(t, "1950-03-04", w.account()["PersonBirthdate"])
	assert.Equal(t, false, w.account()["Bridge_Stop_Contact__c"], "somebody else has died")
}
