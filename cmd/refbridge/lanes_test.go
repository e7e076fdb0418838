package main

import (
	"net/http"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/assert"
)

func TestFinding_doubt_C9_AFarEndThatHangsDelaysNoOtherLane(t *testing.T) {
	t.Parallel()
	// Source: the ward's server, whose lane comes first, answers nothing until the referrals of e-RS are in Salesforce.
	var w *world
	var waited atomic.Bool
	w = newWorld(t, setting{referrals: 4, ward: 4, spoil: spoil{first: func(r *http.Request) {
		for !strings.Contains(r.URL.Path, "ReferralRequest") && strings.Contains(r.URL.Path, "ServiceRequest") && !waited.Load() {
			if w.row("ClinicalServiceRequest", "ers.sr."+w.ers.Referrals()[0].UBRN) != nil {
				waited.Store(true)
			} else if r.Context().Err() != nil {
				return // the other lane waits for this one
			}
			time.Sleep(10 * time.Millisecond)
		}
	}}})
	r := w.run(exitDone, "sync")
	assert.True(t, waited.Load())
	assert.Regexp(t, `(?s)^ward: \d+ applied.*ers: \d+ applied`, r.out, "in the order of the configuration")
}
