package bridge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/fhir"
	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// What a read shows of a row while nobody knows what the source wants of it (doubt rules 2 and 4): what is ours is known, what a person may
// have set is unclear, and a person's value never enters.
func TestDoubtRule04_WhatAReadShowsOfARow(t *testing.T) {
	before, now := noon.Add(-time.Hour), noon
	image := recordOf(status(valueA))
	image.Modified = before
	for _, c := range []struct {
		about   string
		open    []ledger.Intent
		have    sobject.Value
		theirs  bool
		unread  bool // the field was not read
		known   sobject.Value
		unclear bool
		stamp   time.Time
	}{
		{"as it is known", nil, valueA, false, false, valueA, false, now},
		{"as it is known, though a person wrote last", nil, valueA, true, false, valueA, false, now},
		{"a person's value", nil, valueB, true, false, valueA, false, before},
		{"what a write meant", []ledger.Intent{sent(status(valueB))}, valueB, false, false, valueB, false, now},
		{"what a write meant, and a person wrote last", []ledger.Intent{sent(status(valueB))}, valueB, true, false, empty, true, before},
		{"a write that did not arrive", []ledger.Intent{sent(status(valueB))}, valueA, false, false, valueA, false, now},
		{"a person's value, beside a write", []ledger.Intent{sent(status(valueB))}, valueC, true, false, valueA, false, before},
		{"the field was not read", []ledger.Intent{sent(status(valueB))}, empty, false, true, valueA, false, now},
	} {
		row := ledger.Row{Known: true, Image: ledger.Image{Record: image}, Open: c.open}
		have := recordOf(status(c.have))
		if c.unread {
			have = recordOf()
		}
		have.ID, have.Modified, have.Theirs = "a01", now, c.theirs
		w := &Write{}
		w.remember(row, noon)
		w.see(row, have)
		is, _ := w.Known.Record.Get("Status")
		assert.Equal(t, c.known, is, c.about)
		assert.Equal(t, c.unclear, len(w.Known.Unclear) == 1, c.about)
		assert.Equal(t, "a01", w.Known.Record.ID, c.about)
		assert.True(t, c.stamp.Equal(w.Known.Record.Modified), "%s: %s", c.about, w.Known.Record.Modified)
		assert.False(t, w.Known.Unseen || w.Known.Deleted, c.about)
	}
}

// A probe of a row that several sources may write settles the version of its own.
func TestAProbeIsOfTheVersionThatItsOwnSourceMeant(t *testing.T) {
	ref := func(id string) fhir.Reference { return fhir.Reference{Type: "ServiceRequest", ID: id, Version: "1"} }
	row := ledger.Row{Open: []ledger.Intent{{Source: "ers", Ref: ref("theirs")}, {Source: "ward", Ref: ref("first")}, {Source: "ward", Ref: ref("second")}}}
	assert.Equal(t, ref("first"), (&Flow{Name: "ward"}).writerOf(row))
	assert.Equal(t, ref("theirs"), (&Flow{Name: "ers"}).writerOf(row))
}
