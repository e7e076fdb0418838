package bridge

import (
	"testing"
	"time"

	"github.com/stretchr/testify/assert"

	"refbridge/ledger"
	"refbridge/sfdc/sobject"
)

// The values of these tables: a and b are of the source, c is what a person set.
var (
	valueA, valueB, valueC = sobject.TextValue("a"), sobject.TextValue("b"), sobject.TextValue("c")
	empty                  sobject.Value
)

func status(v sobject.Value) sobject.Field {
	return sobject.Field{Name: "Status", Value: v, Owner: sobject.Latest}
}

func recordOf(fields ...sobject.Field) sobject.Record {
	return sobject.Record{Object: "ClinicalServiceRequest", Key: sobject.Key{Field: "Bridge_Key__c", Value: "ward.sr.1"}, Fields: fields}
}

func sent(fields ...sobject.Field) ledger.Intent { return ledger.Intent{Meant: recordOf(fields...)} }

func created(fields ...sobject.Field) ledger.Intent {
	return ledger.Intent{Meant: recordOf(fields...), Creates: true}
}

func known(fields ...sobject.Field) ledger.Image { return ledger.Image{Record: recordOf(fields...)} }

func TestDoubtRule03_WhatIsKnownOfAFieldFromBefore(t *testing.T) {
	row := func(image *ledger.Image, open ...ledger.Intent) ledger.Row {
		r := ledger.Row{Object: "ClinicalServiceRequest", Key: "ward.sr.1", Open: open}
		if image != nil {
			r.Image, r.Known = *image, true
		}
		return r
	}
	imageA := known(status(valueA))
	unclearA := ledger.Image{Record: recordOf(status(valueA)), Unclear: []string{"Status"}}
	other := sobject.Field{Name: "Priority", Value: valueA}
	old := ledger.Intent{} // of a version that kept no values
	for _, c := range []struct {
		name string
		row  ledger.Row
		have sobject.Value
		past past
	}{
		{"nothing", row(nil), valueA, past{}},
		{"an image", row(&imageA), valueB, past{image: valueA, known: true}},
		{"an image without the field", row(&ledger.Image{}), valueA, past{}},
		{"an image that is unclear there", row(&unclearA), valueA, past{image: valueA, known: true, unclear: true}},
		{"an open write of it", row(&imageA, sent(status(valueB))), valueA, past{image: valueA, known: true, meant: []sobject.Value{valueB}}},
		{"two, oldest first", row(&imageA, sent(status(valueB)), sent(status(valueC))), valueA, past{image: valueA, known: true, meant: []sobject.Value{valueB, valueC}}},
		{"an open write of something else", row(&imageA, sent(other)), valueA, past{image: valueA, known: true}},
		{"an open create with it", row(nil, created(status(valueA))), valueA, past{meant: []sobject.Value{valueA}}},
		{"an open create without it", row(nil, created(other)), valueA, past{left: true}},
		{"an open create without it, then a write of it", row(nil, created(other), sent(status(valueB))), valueA, past{left: true, meant: []sobject.Value{valueB}}},
		{"an old intent, no image", row(nil, old), valueA, past{unclear: true}},
		{"an old intent, as the image has it", row(&imageA, old), valueA, past{image: valueA, known: true}},
		{"an old intent, another value", row(&imageA, old), valueB, past{image: valueA, known: true, unclear: true}},
	} {
		assert.Equal(t, c.past, pastOf(c.row, "Status", recordOf(status(c.have))), c.name)
	}
}

func TestDoubtRule03_TheLastWriterCountsWhereTheRowMovedSinceTheImagesStamp(t *testing.T) {
	at := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	for _, c := range []struct {
		name        string
		known       bool
		image, have time.Time
		theirs      bool
		moved       bool
	}{
		{"ours, as it was", true, at, at, false, false},
		{"ours, it moved", true, at, at.Add(time.Second), false, false},
		{"theirs, as it was", true, at, at, true, false},
		{"theirs, it moved", true, at, at.Add(time.Second), true, true},
		{"theirs, no image", false, at, at, true, true},
		{"theirs, no stamp", true, time.Time{}, time.Time{}, true, true},
	} {
		row := ledger.Row{Known: c.known}
		row.Image.Record.Modified = c.image
		assert.Equal(t, c.moved, movedSince(row, sobject.Record{Modified: c.have, Theirs: c.theirs}), c.name)
	}
}

func TestDoubtRule03_CandidatesAndWhatTheySay(t *testing.T) {
	for _, c := range []struct {
		name       string
		past       past
		candidates []sobject.Value
		unchanged  bool // the source wants a, as before
		ours       bool // a
		doubted    bool
	}{
		{"nothing", past{}, nil, false, false, false},
		{"the image", past{image: valueA, known: true}, []sobject.Value{valueA}, true, true, false},
		{"another image", past{image: valueB, known: true}, []sobject.Value{valueB}, false, false, false},
		{"an empty image", past{known: true}, []sobject.Value{empty}, false, false, false},
		{"an intent alone", past{meant: []sobject.Value{valueA}}, []sobject.Value{valueA}, true, true, false},
		{"an image and an intent", past{image: valueB, known: true, meant: []sobject.Value{valueA}}, []sobject.Value{valueB, valueA}, false, true, false},
		{"every one is the wish", past{image: valueA, known: true, meant: []sobject.Value{valueA, valueA}}, []sobject.Value{valueA, valueA, valueA}, true, true, false},
		{"a person wrote last, in doubt", past{image: valueA, known: true, meant: []sobject.Value{valueB}, moved: true}, []sobject.Value{valueA, valueB}, false, true, true},
		{"a person wrote last, no doubt", past{image: valueA, known: true, moved: true}, []sobject.Value{valueA}, true, true, false},
	} {
		assert.Equal(t, c.candidates, c.past.candidates(), c.name)
		assert.Equal(t, c.unchanged, c.past.unchanged(valueA), c.name)
		assert.Equal(t, c.ours, c.past.ours(valueA), c.name)
		assert.Equal(t, c.doubted, c.past.doubted(), c.name)
	}
}

func TestDoubtRule03_ALatestFieldInDoubt(t *testing.T) {
	ab := past{image: valueA, known: true, meant: []sobject.Value{valueB}}
	abTheirs := past{image: valueA, known: true, meant: []sobject.Value{valueB}, moved: true}
	bb := past{image: valueB, known: true, meant: []sobject.Value{valueB}}
	for _, c := range []struct {
		name       string
		want, have sobject.Value
		past       past
		then       decision
	}{
		{"as it is wished", valueB, valueB, abTheirs, leave},
		{"it did not arrive", valueB, valueA, ab, overwrite},
		{"it arrived, and the source went back", valueA, valueB, ab, overwrite},
		{"the source went on", valueC, valueB, ab, overwrite},
		{"a person's value, and the source may have changed", valueB, valueC, ab, conflict},
		{"a person's value, and the source says what it said", valueB, valueC, bb, keepTheirs},
		{"a candidate that a person may have set", valueA, valueB, abTheirs, unclear},
		{"the image's value that a person may have set", valueB, valueA, abTheirs, unclear},
		{"no image, what was meant is there", valueA, valueB, past{meant: []sobject.Value{valueB}}, overwrite},
		{"no image, something else is there", valueB, valueC, past{meant: []sobject.Value{valueB}}, keepTheirs},
		{"no image, something else is there, and the source changed", valueA, valueC, past{meant: []sobject.Value{valueB}}, conflict},
		{"nobody can tell", valueB, valueA, past{unclear: true}, unclear},
		{"nobody can tell, and both agree by now", valueA, valueA, past{unclear: true}, leave},
		{"a person wrote last, and nothing is open: the last writer proves nothing", valueB, valueA, past{image: valueA, known: true, moved: true}, overwrite},
	} {
		assert.Equal(t, c.then, decide(status(c.want), c.have, c.past), c.name)
	}
}

func TestDoubtRule03_AStopFlagInDoubt(t *testing.T) {
	yes, no := sobject.BoolValue(true), sobject.BoolValue(false)
	for _, c := range []struct {
		name       string
		want, have sobject.Value
		past       past
		then       decision
	}{
		{"it may not have arrived", yes, no, past{image: no, known: true, meant: []sobject.Value{yes}}, overwrite},
		{"it was known to be set, and a person took it back", yes, no, past{image: yes, known: true, meant: []sobject.Value{yes}}, keepTheirs},
		{"only meant, and not there", yes, no, past{meant: []sobject.Value{yes}}, overwrite},
		{"meant by us, and there", no, yes, past{image: no, known: true, meant: []sobject.Value{yes}}, overwrite},
		{"meant by us, and a person wrote last", no, yes, past{image: no, known: true, meant: []sobject.Value{yes}, moved: true}, keepTheirs},
		{"nobody can tell who set it", no, yes, past{image: yes, known: true, unclear: true}, keepTheirs},
		{"nobody can tell, and it is to be set", yes, no, past{unclear: true}, overwrite},
	} {
		assert.Equal(t, c.then, decideStop(c.want, c.have, c.past), c.name)
	}
}

func TestDoubtRule03_ACreateOnlyFieldInDoubt(t *testing.T) {
	to := func(key string) sobject.Value {
		return sobject.RefValue(sobject.Target{Object: "ClinicalServiceRequest", Field: "Bridge_Key__c"}, key)
	}
	for _, c := range []struct {
		name       string
		want, have sobject.Value
		past       past
		then       decision
	}{
		{"the create arrived", to("a"), to("a"), past{meant: []sobject.Value{to("a")}}, leave},
		{"the create arrived, and the source moved it", to("b"), to("a"), past{meant: []sobject.Value{to("a")}}, moved},
		{"the create arrived, and a person moved it", to("a"), to("b"), past{meant: []sobject.Value{to("a")}}, leave},
		{"one create said otherwise", to("b"), to("a"), past{meant: []sobject.Value{to("a"), to("b")}}, moved},
		{"emptied after a create", to("b"), empty, past{meant: []sobject.Value{to("a")}}, moved},
	} {
		got := decideCreateOnly(sobject.Field{Name: "ParentRecordId", Value: c.want, Owner: sobject.CreateOnly}, c.have, c.past)
		assert.Equal(t, c.then, got, c.name)
	}
}

func TestDoubtRule02_WhatARowTeachesOnceItWasRead(t *testing.T) {
	ab := past{image: valueA, known: true, meant: []sobject.Value{valueB}}
	for _, c := range []struct {
		name       string
		past       past
		want, have sobject.Value
		then       decision
		image      past
	}{
		{"the wish is there", ab, valueB, valueB, leave, past{image: valueB, known: true}},
		{"the wish is there, and nothing was known", past{}, valueB, valueB, leave, past{image: valueB, known: true}},
		{"the wish is there, and nobody could tell", past{unclear: true}, valueA, valueA, leave, past{image: valueA, known: true}},
		{"a candidate is written over", ab, valueC, valueB, overwrite, past{image: valueB, known: true}},
		{"the image's value is written over", ab, valueC, valueA, overwrite, past{image: valueA, known: true}},
		{"a person may have set it", ab, valueA, valueB, unclear, past{unclear: true}},
		{"a person's value never enters", ab, valueB, valueC, conflict, past{image: valueA, known: true}},
		{"a person's value never enters where there is no image", past{meant: []sobject.Value{valueA, valueB}}, valueB, valueC, keepTheirs, past{image: valueB, known: true}},
		{"a field that we do not write over is not ours", past{}, valueA, valueC, conflict, past{}},
		{"an empty field that is filled is not ours before it is answered", past{}, valueA, empty, overwrite, past{}},
		{"nobody can tell stays so", past{unclear: true, meant: []sobject.Value{valueB}}, valueB, valueC, keepTheirs, past{unclear: true}},
	} {
		assert.Equal(t, c.image, c.past.after(c.want, c.have, c.then), c.name)
	}
}

func TestDoubtRule04_WhatAProbeTeaches(t *testing.T) {
	ab := past{image: valueA, known: true, meant: []sobject.Value{valueB}}
	abTheirs := past{image: valueA, known: true, meant: []sobject.Value{valueB}, moved: true}
	for _, c := range []struct {
		name  string
		past  past
		have  sobject.Value
		image past
	}{
		{"what was meant is there", ab, valueB, past{image: valueB, known: true}},
		{"it did not arrive", ab, valueA, past{image: valueA, known: true}},
		{"a person's value", ab, valueC, past{image: valueA, known: true}},
		{"a person emptied it", ab, empty, past{image: valueA, known: true}},
		{"a candidate that a person may have set", abTheirs, valueB, past{unclear: true}},
		{"no image, what was meant is there", past{meant: []sobject.Value{valueB}}, valueB, past{image: valueB, known: true}},
		{"no image, a person's value", past{meant: []sobject.Value{valueB}}, valueC, past{image: valueB, known: true}},
		{"no image, a person emptied it", past{meant: []sobject.Value{valueB}}, empty, past{image: valueB, known: true}},
		{"nobody can tell, and still cannot", past{image: valueA, known: true, unclear: true}, valueA, past{image: valueA, known: true, unclear: true}},
	} {
		assert.Equal(t, c.image, c.past.seen(c.have), c.name)
	}
}

func TestDoubtRule08_WhatTheOrgFilledInIsKnown(t *testing.T) {
	for _, c := range []struct {
		name         string
		past         past
		have         sobject.Value
		keep, silent bool
		then         past
	}{
		{"the source is silent, nothing was meant", past{}, valueA, true, true, past{image: valueA, known: true}},
		{"the source is silent, a person wrote last", past{moved: true}, valueA, true, true, past{moved: true, unclear: true}},
		{"the source speaks, nothing was meant", past{}, valueA, true, false, past{}},
		{"an open create left it out, the source speaks now", past{left: true}, valueA, true, false, past{left: true, image: valueA, known: true}},
		{"an open create left it out, and a write of it is open", past{left: true, meant: []sobject.Value{valueB}}, valueA, true, false,
			past{left: true, meant: []sobject.Value{valueB}, image: valueA, known: true}},
		{"an open create left out what is not kept", past{left: true}, valueA, false, false, past{left: true, known: true}},
		{"a person wrote last", past{left: true, moved: true}, valueA, true, false, past{left: true, moved: true, unclear: true}},
		{"there is an image", past{image: valueB, known: true, left: true}, valueA, true, true, past{image: valueB, known: true, left: true}},
		{"nobody can tell", past{unclear: true, left: true}, valueA, true, true, past{unclear: true, left: true}},
		{"something was meant", past{meant: []sobject.Value{valueB}}, valueA, true, false, past{meant: []sobject.Value{valueB}}},
	} {
		assert.Equal(t, c.then, c.past.adopted(c.have, c.keep, c.silent), c.name)
	}
}
