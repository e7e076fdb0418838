package ers

import (
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestTheDayByWhichAPatientIsToBeContacted(t *testing.T) {
	for _, c := range []struct{ name, created, code, priority, want string }{
		{"urgent, no slot: ten working days", "2021-06-11T13:55:36.392Z", appointmentDeferral, "URGENT", "2021-06-25"},
		{"urgent, triage: five", "2021-06-11T13:55:36.392Z", triageDeferral, "URGENT", "2021-06-18"},
		{"urgent suspected cancer, no slot: five", "2021-06-11T13:55:36.392Z", appointmentDeferral, "TWO_WEEK_WAIT", "2021-06-18"},
		{"urgent suspected cancer, triage: two", "2021-06-11T13:55:36.392Z", triageDeferral, "TWO_WEEK_WAIT", "2021-06-15"},
		{"routine: forty", "2026-03-02T09:00:00Z", appointmentDeferral, "ROUTINE", "2026-04-27"},
		{"the day is London's: 23:30Z in June is the next day", "2026-06-01T23:30:00Z", triageDeferral, "TWO_WEEK_WAIT", "2026-06-04"},
		{"noted on a Saturday", "2026-06-06T10:00:00Z", triageDeferral, "TWO_WEEK_WAIT", "2026-06-09"},
		{"a priority that is not documented", "2026-06-06T10:00:00Z", triageDeferral, "SOON", ""},
		{"no moment", "yesterday", triageDeferral, "URGENT", ""},
	} {
		got, ok := contactBy(c.created, c.code, c.priority)
		assert.Equal(t, c.want, got, c.name)
		assert.Equal(t, c.want != "", ok, c.name)
	}
}
