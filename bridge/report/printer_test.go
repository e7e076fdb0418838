package report_test

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"

	"refbridge/bridge/report"
)

func TestATextIsBrokenAt80CharactersNotBytes(t *testing.T) {
	half := strings.Repeat("…", 37)
	assert.Equal(t, half+" "+half, report.Wrap(half+"  "+half, 5), "exactly 80 with the indent")
	assert.Equal(t, half+"\n      "+half, report.Wrap(half+" "+half, 6))
	long := strings.Repeat("x", 90)
	assert.Equal(t, "a\n  "+long+"\n  b", report.Wrap("a "+long+" b", 2), "a word is never broken")
}

func TestAPlanFitsATerminalOf80Columns(t *testing.T) {
	var out bytes.Buffer
	p := report.Printer{W: &out, Columns: 80}
	p.Traced("    Bridge_Source_Priority__c TWO_WEEK_WAIT           ", "service-request.yaml:153 ServiceRequest.extension[1].valueCoding.code")
	p.Traced("    Bridge_Run__c             live                    ", "appointment.yaml:103")
	assert.Equal(t, "    Bridge_Source_Priority__c TWO_WEEK_WAIT\n"+
		"      service-request.yaml:153 ServiceRequest.extension[1].valueCoding.code\n"+
		"    Bridge_Run__c             live                     appointment.yaml:103\n", out.String())
}
