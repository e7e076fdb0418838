package main

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/assert"
)

func TestATextIsBrokenAt80CharactersNotBytes(t *testing.T) {
	half := strings.Repeat("…", 37)
	assert.Equal(t, half+" "+half, wrap(half+"  "+half, 5), "exactly 80 with the indent")
	assert.Equal(t, half+"\n      "+half, wrap(half+" "+half, 6))
	long := strings.Repeat("x", 90)
	assert.Equal(t, "a\n  "+long+"\n  b", wrap("a "+long+" b", 2), "a word is never broken")
}

func TestAPlanFitsATerminalOf80Columns(t *testing.T) {
	var out bytes.Buffer
	p := printer{w: &out, columns: 80}
	p.traced("    Bridge_Source_Priority__c TWO_WEEK_WAIT           ", "service-request.yaml:153 ServiceRequest.extension[1].valueCoding.code")
	p.traced("    Bridge_Run__c             live                    ", "appointment.yaml:103")
	assert.Equal(t, "    Bridge_Source_Priority__c TWO_WEEK_WAIT\n"+
		"      service-request.yaml:153 ServiceRequest.extension[1].valueCoding.code\n"+
		"    Bridge_Run__c             live                     appointment.yaml:103\n", out.String())
}
