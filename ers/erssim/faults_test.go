package erssim

import (
	"net/http"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

func TestAFaultComesAsOftenAsOrderedAndThenIsOver(t *testing.T) {
	c := start(t, Options{Referrals: 5})
	r := c.control("/control/faults", `{"next":[{"call":"A005","status":503,"retryAfter":7,"times":2},{"call":"A004","status":429}]}`)
	require.Equal(t, 200, r.status)

	first := c.referral("000000070001")
	first.refused(t, 503, "SYSTEM_UNAVAILABLE")
	assert.Equal(t, "7", first.header.Get("Retry-After"))
	assert.Equal(t, 503, c.referral("000000070002").status)
	assert.Equal(t, 200, c.referral("000000070001").status)
	throttled := c.get("/STU3/CodeSystem/PRIORITY")
	assert.Equal(t, 429, throttled.status)
	assert.Empty(t, throttled.body)
	assert.Equal(t, 200, c.get("/STU3/CodeSystem/PRIORITY").status)
}

func TestALateFaultHidesThatTheOperationTookEffect(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	row := c.inState(booked)
	c.sim.SetFaults(Faults{Next: []Fault{{Call: "A036", Status: 504, Late: true}}})

	c.operate(row.UBRN, "cancelReferral", c.cancelBody("PATIENT_DIED")).refused(t, 504, "PAS_NOT_RESPONDING")

	assert.Equal(t, cancelledReferral, c.row(row.UBRN).State)
	assert.Len(t, c.sim.Report().Operations, 1)
}

func TestAFaultMayCloseTheConnectionBeforeOrAfterTheEffect(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	row := c.inState(booked)
	c.sim.SetFaults(Faults{Next: []Fault{{Call: "A005"}, {Call: "A013", Late: true}}})

	fresh := &http.Client{Transport: &http.Transport{DisableKeepAlives: true}} // a reused connection would be tried again

	_, err := fresh.Do(c.request("GET", "/STU3/ReferralRequest/"+row.UBRN, "", nil))
	assert.Error(t, err)
	match := map[string]string{"If-Match": `W/"` + c.referral(row.UBRN).json(t)["meta"].(map[string]any)["versionId"].(string) + `"`}
	_, err = fresh.Do(c.request("POST", "/STU3/ReferralRequest/"+row.UBRN+"/$ers.acceptReferral", "", match))
	assert.Error(t, err)
	assert.True(t, c.row(row.UBRN).Reviewed)
}

func TestErrorBodiesAreWhatTheStatusBringsOnLive(t *testing.T) {
	c := start(t, Options{Referrals: 5})
	c.sim.SetFaults(Faults{Next: []Fault{
		{Status: 500}, {Status: 502}, {Status: 401}, {Status: 403}, {Status: 404}, {Status: 422, Code: "NO_RELATIONSHIP"},
		{Status: 502, Body: "<html>Bad gateway</html>", ContentType: "text/html"},
	}})
	ubrn := "000000070001"
	assert.Contains(t, c.referral(ubrn).json(t), "fault")
	c.referral(ubrn).refused(t, 502, "PAS_RESPONDED_WITH_ERROR")
	c.referral(ubrn).refused(t, 401, "ACCESS_DENIED")
	c.referral(ubrn).refused(t, 403, "NO_ACCESS")
	assert.Empty(t, c.referral(ubrn).body)
	c.referral(ubrn).refused(t, 422, "NO_RELATIONSHIP")
	page := c.referral(ubrn)
	assert.Equal(t, "text/html", page.header.Get("Content-Type"))
	assert.Equal(t, "<html>Bad gateway</html>", string(page.body))
}

func TestAMissingEntitlementLastsAndHitsOneEndpointOnly(t *testing.T) {
	c := start(t, Options{Referrals: 20})
	c.sim.SetFaults(Faults{Next: []Fault{{Call: "A013", Status: 401, Times: -1}}})
	ubrn := c.inState(booked).UBRN
	for range 3 {
		c.operate(ubrn, "acceptReferral", "").refused(t, 401, "ACCESS_DENIED")
		c.signIn()
	}
	assert.Equal(t, 200, c.referral(ubrn).status)
	c.sim.SetFaults(Faults{Next: []Fault{{Call: "token", Status: 503}}})
	assert.Equal(t, 503, c.ask(c.form("x")).status)
}
